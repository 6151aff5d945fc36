"""Looking at everything: which clusters use a key, which need a visit, what a visit would come to."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cmk_rotation.controller.alerts import owed
from cmk_rotation.controller.finish import announce_late, announcement_owed, finish
from cmk_rotation.controller.observe import assemble, observe, read_versions
from cmk_rotation.controller.ports import AzureTroubleError, ChangedMeanwhileError, StorageUnavailableError, World
from cmk_rotation.controller.requeue import looked, visit_may_come
from cmk_rotation.controller.retention import note_retention, pinned_by
from cmk_rotation.controller.visit import reject
from cmk_rotation.decisions.observation import Decision, Situation, Unseen
from cmk_rotation.decisions.policy import settle
from cmk_rotation.domain.azure_resources import Cluster, KeyVersion, Trouble
from cmk_rotation.domain.cluster_record import ClusterStatus, Record
from cmk_rotation.domain.identifiers import ClusterId, Key, Scope
from cmk_rotation.domain.rotation import superseded
from cmk_rotation.domain.timing import CALL_OUT_AFTER, POISON_TOLD_AFTER, REMIND_EVERY, believed, trouble_after
from cmk_rotation.domain.visit_message import PoisonQueue, VisitRequest
from cmk_rotation.domain.vocabulary import Event, KeyMode, Mode, Reason, RequestedBy, TroubleKind, Verdict

_READING_LASTS = timedelta(minutes=5)
"""How long a run of the timer reads keys. A vault that hangs costs up to 45 seconds, and the host ends a run after ten
minutes (`functionTimeout`); this leaves time for the last vault, and for requesting a visit to every cluster left. Visits
read their keys by themselves, several side by side."""
_NOT_REACHED = Trouble(TroubleKind.UNAVAILABLE, "NotReached", "other vaults took all the time that there was")


@dataclass(frozen=True, slots=True)
class Survey:
    """All clusters in scope, as the list calls show them."""

    clusters: Mapping[ClusterId, Cluster]
    empty: tuple[Scope, ...]
    failed: Mapping[Scope, Trouble]


def survey(world: World) -> Survey:
    """List every scope; one that fails does not keep the others from being looked after."""
    clusters: dict[ClusterId, Cluster] = {}
    empty: list[Scope] = []
    failed: dict[Scope, Trouble] = {}
    for scope in world.scopes:
        try:
            found = world.clusters.in_scope(scope)
        except AzureTroubleError as error:
            failed[scope] = error.trouble
            continue
        clusters.update((cluster.id, cluster) for cluster in found)
        if not found:
            empty.append(scope)
    return Survey(clusters, tuple(empty), failed)


def key_changed(world: World, request: VisitRequest) -> None:
    """Request a visit to each cluster in scope that uses the key. May raise `StorageUnavailableError`."""
    if request.key is None:
        reject(world, "the message names no key")
        return
    found = survey(world)
    using = [cluster for cluster in found.clusters.values() if cluster.key == request.key]
    for cluster in using:
        visit = VisitRequest(request.by, world.now(), cluster=cluster.id, event_id=request.event_id)
        world.requests.request(visit)
    elapsed = world.now() - (believed(request.requested_at, latest=world.now()) or world.now())
    unavailable = [trouble for trouble in found.failed.values() if trouble.kind is TroubleKind.UNAVAILABLE]
    again = bool(unavailable) and elapsed < CALL_OUT_AFTER
    if again:
        # Later than that, reconcile has found them, and has called out the scope.
        longest = max(unavailable, key=lambda trouble: trouble_after(elapsed, trouble.retry_after))
        world.requests.request(request, trouble_after(elapsed, longest.retry_after))
    names = ", ".join(sorted(cluster.id.name for cluster in using)) or "none"
    world.log(
        Event.KEY_MATCHED,
        logging.INFO,
        keyName=request.key.name,
        vault=request.key.vault,
        eventId=request.event_id,
        clusters=len(using),
        message=f"clusters in scope that use key {request.key.name} of {request.key.vault}: {names}"
        + ("; some scopes do not answer and are asked again" if again else ""),
    )


def plan(world: World) -> tuple[Survey, list[tuple[Situation | Unseen, Decision]]]:
    """Observe every cluster in scope and decide, changing nothing; what could not be listed comes along."""
    found = survey(world)
    records = world.records.everything()
    planned = [
        settle(observe(world, cluster_id, records.get(cluster_id, Record()), RequestedBy.RECONCILE))
        for cluster_id in sorted(found.clusters, key=lambda cluster_id: cluster_id.key)
    ]
    return found, planned + [settle(unseen) for unseen in _unlisted(world, found, records)]


def reconcile(world: World) -> None:
    """Look at every cluster in scope cheaply and request a visit wherever one would do something.

    Cheaply: list pages, one read per distinct key, one query for the records. A visit is requested as soon as its cluster
    has been looked at: should the host end this run, the clusters before are looked after. May raise
    `StorageUnavailableError`.
    """
    began = world.now()
    found = survey(world)
    records = world.records.everything()
    pinned = pinned_by(world, records)
    counts = dict.fromkeys(("clusters", "current", "behind", "underWay", "attention", "visitsRequested"), 0)
    for seen in _looks(world, found, records, until=began + _READING_LASTS):
        situation, decision = settle(seen)
        if wants_visit(world, seen, situation, decision):
            cluster_id = seen.cluster_id if isinstance(seen, Unseen) else seen.cluster.id
            world.requests.request(VisitRequest(RequestedBy.RECONCILE, world.now(), cluster=cluster_id))
            counts["visitsRequested"] += 1
        if isinstance(seen, Situation) and world.mode is Mode.ENFORCE:  # in observe only cluster rows are written
            note_retention(world, pinned, seen)
        for name in _counted(seen, decision):
            counts[name] += 1
    _let_go(world, records)
    _tell_finished(world, found, counts, began)


def _let_go(world: World, records: Mapping[ClusterId, Record]) -> None:
    """End what is on record as under way for clusters that were taken out of scope: nobody follows it any more."""
    outside = Trouble(TroubleKind.REFUSED, "OutOfScope", "not in CLUSTER_SCOPES")
    for cluster_id, record in records.items():
        if any(scope.contains(cluster_id) for scope in world.scopes):
            continue
        unseen = Unseen(world.now(), cluster_id, outside, record.rotations, record.status)
        with suppress(ChangedMeanwhileError):  # a visit from before sees to it
            for rotation in record.rotations:
                if announcement_owed(rotation, unseen.now):
                    announce_late(world, rotation)
            for rotation in unseen.unfinished:
                end = superseded(rotation, Reason.CHANGED_BY_OTHERS, _OUT_OF_SCOPE, unseen.now)
                finish(world, unseen, replace(end, remedy=_SEE_FOR_YOURSELF))


_OUT_OF_SCOPE = "the cluster was taken out of CLUSTER_SCOPES"
_SEE_FOR_YOURSELF = (
    "An update that was sent goes on in Azure, and nobody follows it any more: look at the cluster yourself."
)


def _looks(
    world: World, found: Survey, records: Mapping[ClusterId, Record], until: datetime
) -> Iterator[Situation | Unseen]:
    """One cluster after the other; a key is read when it is first needed, unless it is too late for that."""
    yield from _unlisted(world, found, records)
    versions: dict[Key | None, tuple[KeyVersion, ...] | Trouble] = {}
    for cluster in found.clusters.values():
        if cluster.key not in versions:
            versions[cluster.key] = read_versions(world, cluster) if world.now() < until else _NOT_REACHED
        record = records.get(cluster.id, Record())
        yield assemble(world, cluster, versions[cluster.key], record, RequestedBy.RECONCILE)


def is_behind(situation: Situation) -> bool:
    """Whether the cluster pins another than the newest usable version."""
    return situation.cluster.mode is KeyMode.PINNED and situation.target is not None and not situation.at_newest


def wants_visit(
    world: World,
    seen: Situation | Unseen,
    settled: Situation | Unseen,
    decision: Decision,
) -> bool:
    """Whether a visit would do something, and none is to come."""
    status, now = seen.status, seen.now
    if status is None:
        return True
    if visit_may_come(status, now, world.pace.longest_wait):
        return False
    after = looked(settled, decision, now)
    _, lines = owed(after, settled, decision, announced=False)
    enforced = decision.verdict is Verdict.UPDATE and world.mode is Mode.ENFORCE
    return (
        status.next_visit is not None  # it was requested, and never came
        or bool(seen.unfinished)
        or any(announcement_owed(rotation, now) for rotation in seen.rotations)
        or (world.mode is Mode.ENFORCE and seen is not settled)
        or enforced
        or decision.verdict is Verdict.WAIT
        or _tells_otherwise(status, after)
        or status.reason is Reason.WORKSPACE_FAILED
        or now - status.looked_at >= REMIND_EVERY
        or bool(lines)
    )


def _tells_otherwise(status: ClusterStatus, after: ClusterStatus) -> bool:
    """Whether the row would say something else after a visit."""
    return any(
        getattr(status, name) != getattr(after, name)
        for name in (
            "reason",
            "mode",
            "key",
            "key_version",
            "newest_version",
            "cluster_state",
            "key_version_expires_at",
        )
    )


def _unlisted(world: World, found: Survey, records: Mapping[ClusterId, Record]) -> Iterator[Unseen]:
    """The clusters on record that lie in scope but were not listed: gone, or hidden by a scope that failed."""
    gone = Trouble(TroubleKind.GONE, "NotListed", "the scope no longer lists it")
    for cluster_id, record in records.items():
        holding = [scope for scope in world.scopes if scope.contains(cluster_id)]
        if cluster_id in found.clusters or not holding:
            continue
        trouble = next((found.failed[scope] for scope in holding if scope in found.failed), gone)
        if record.status is not None or any(rotation.outcome.finished_at is None for rotation in record.rotations):
            yield Unseen(world.now(), cluster_id, trouble, record.rotations, record.status)


def _counted(seen: Situation | Unseen, decision: Decision) -> Iterator[str]:
    """The numbers of `reconcile.finished` in which a cluster counts: several, or only the first."""
    if isinstance(seen, Unseen):
        if decision.verdict is Verdict.ATTENTION:
            yield "attention"
        return
    yield "clusters"
    if decision.reason in {Reason.UP_TO_DATE, Reason.FOLLOWS_NEWEST_ITSELF, Reason.NO_CUSTOMER_KEY}:
        yield "current"
    if is_behind(seen):
        yield "behind"
    if seen.open is not None:
        yield "underWay"
    called = seen.status is not None and seen.status.alerts.attention_reason is not None
    # Neither a workspace nor an operation is read here: of these, the last visit knows.
    unread = seen.open is not None or (seen.status is not None and seen.status.reason is Reason.WORKSPACE_FAILED)
    if decision.verdict is Verdict.ATTENTION or (called and unread):
        yield "attention"


def _tell_finished(world: World, found: Survey, counts: Mapping[str, int], began: datetime) -> None:
    now = world.now()
    poison = _poison(world, now)
    failed = {scope.text: f"{trouble.code}: {trouble.message}" for scope, trouble in found.failed.items()}
    at_risk = telemetry_at_risk(world.telemetry_workspace, found.clusters.values())
    fields: dict[str, object] = {
        **counts,
        "scopes": len(world.scopes),
        "emptyScopes": len(found.empty),
        "failedScopes": len(failed),
        "telemetryAtRisk": len(at_risk),
        "poisonMessages": poison.messages if poison else None,
        "seconds": round((now - began).total_seconds(), 3),
    }
    summary = "clusters: " + ", ".join(f"{counts[name]} {word}" for name, word in _WORDS)
    rotting = poison if poison and poison.since and now - poison.since >= POISON_TOLD_AFTER else None
    if not failed and not found.empty and not at_risk and not rotting:
        world.log(Event.RECONCILE_FINISHED, logging.INFO, **fields, message=summary)
        return
    problems = [f"{scope} failed ({why})" for scope, why in failed.items()]
    problems += [f"{scope.text} holds no cluster" for scope in found.empty]
    remedies = [_CHECK_SCOPES] if problems else []
    if at_risk:
        problems.append(f"this app's own telemetry goes to a workspace linked to {', '.join(at_risk)}")
        remedies.append(_MOVE_TELEMETRY)
    level = logging.ERROR if problems else logging.WARNING
    if rotting:
        problems.append(f"{rotting.messages} messages lie in the poison queue and cannot be read")
        remedies.append(_EMPTY_POISON_QUEUE)
    world.log(
        Event.RECONCILE_FINISHED,
        level,
        **fields,
        message=f"{summary}; {'; '.join(problems)}",
        remedy=" ".join(remedies),
        since=rotting.since if rotting and level == logging.WARNING else now,
    )


def _poison(world: World, now: datetime) -> PoisonQueue | None:
    """What lies in the poison queue. Whoever finds it otherwise than it is written down writes it down.

    None if that fails: a heartbeat without this count is better than none, and the next one asks again.
    """
    try:
        poison = world.requests.poison_queue()
        since = (believed(poison.since, latest=now) or now) if poison.messages else None
        if since != poison.since:
            world.requests.note_poison(since)
    except StorageUnavailableError:
        return None
    return replace(poison, since=since)


def telemetry_at_risk(workspace: str | None, clusters: Iterable[Cluster]) -> list[str]:
    """The names of the clusters that would take the evidence with them: those that our own workspace is linked to."""
    own = (workspace or "").lower()
    return [one.id.name for one in clusters if own in {linked.lower() for linked in one.workspace_ids}]


_CHECK_SCOPES = (
    "Check CLUSTER_SCOPES for wrong or deleted scopes, and that the app's identity exists and may read clusters."
)
_MOVE_TELEMETRY = (
    "Send this app's telemetry to a workspace that is linked to no cluster in scope: a bad key would take the evidence "
    "with it."
)
_EMPTY_POISON_QUEUE = (
    "Look at them with `az storage message peek --queue-name cluster-visits-poison`, find out who wrote them, and clear the "
    "queue with `az storage message clear`: no cluster waits for them."
)
_WORDS = (
    ("clusters", "in scope"),
    ("current", "current"),
    ("behind", "behind"),
    ("underWay", "under way"),
    ("attention", "in need of a person"),
)
