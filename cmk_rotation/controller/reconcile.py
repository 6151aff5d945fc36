"""Reconcile: look at everything in scope, cheaply, and request a visit wherever one would do something."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime

from cmk_rotation.controller.alerts import KEY_IS_DEAD, alerts_due, observation_fields
from cmk_rotation.controller.finish import announce_overdue, announcement_due, finish
from cmk_rotation.controller.heartbeat import Tally, counted, log_heartbeat
from cmk_rotation.controller.linked_storage import watch_storage
from cmk_rotation.controller.notices import log_notices
from cmk_rotation.controller.observe import assemble, broken, unreadable
from cmk_rotation.controller.ports import ConflictError, StorageUnavailableError, World
from cmk_rotation.controller.reading_keys import keys_read
from cmk_rotation.controller.requeue import end_visit, observed, visit_may_come
from cmk_rotation.controller.retention import mend_index, note_retention, pinned_by
from cmk_rotation.controller.side_by_side import request_all
from cmk_rotation.controller.survey import READING_LASTS, Survey, survey, unlisted
from cmk_rotation.decisions.observation import Decision, Observation, UnreadableCluster, remedy_of
from cmk_rotation.decisions.policy import settle
from cmk_rotation.domain import log_events
from cmk_rotation.domain.azure_resources import Failure, KeyVersion
from cmk_rotation.domain.cluster_record import ClusterStatus, Record
from cmk_rotation.domain.identifiers import ClusterId, Key
from cmk_rotation.domain.rotation import superseded
from cmk_rotation.domain.timing import REMIND_EVERY
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import Action, FailureKind, Mode, Reason, RequestedBy, Stage


def reconcile(world: World) -> None:
    """Look at every cluster in scope cheaply and request a visit wherever one would do something.

    Cheaply: list pages, one read per distinct key, one query for the records; and after all that, where storage accounts are
    looked at, one read per workspace and per account linked to any. Visits are requested as soon as the clusters of a key have
    been looked at: should the host end this run, the clusters before are looked after. May raise `StorageUnavailableError`.
    """
    began = world.now()
    found = survey(world)
    try:
        records = world.records.everything()
    except StorageUnavailableError:
        _call_out_dead_keys(world, found, until=began + READING_LASTS)
        raise
    tally = Tally()
    looked_at: list[Observation] = []
    versions: dict[Key, tuple[KeyVersion, ...] | Failure] = {}
    wanted: list[ClusterId] = []
    for unseen in unlisted(world, found, records):
        with _called_out_by_name(world, unseen.cluster_id, records[unseen.cluster_id], tally):
            wanted += _look_after(world, unseen, tally)
    _request(world, wanted, tally)
    for users, read in keys_read(world, found, until=began + READING_LASTS):
        wanted = []
        for cluster in users:
            record = records.get(cluster.id, Record())
            with _called_out_by_name(world, cluster.id, record, tally):
                seen = assemble(world, cluster, read(), record, RequestedBy.RECONCILE)
                versions |= {cluster.key: seen.versions} if cluster.key else {}
                wanted += _look_after(world, seen, tally)
                looked_at.append(seen)
        _request(world, wanted, tally)
    _let_go(world, records, tally)
    log_notices(world, found)
    log_heartbeat(world, found, tally, began)
    mend_index(world, records)  # After the heartbeat, which it must not cost: it is no record.
    storage = watch_storage(world, found.clusters.values(), records, versions, began)
    if world.mode is Mode.ENFORCE:  # in observe only cluster rows are written, and those of storage accounts
        pinned = pinned_by(world, records, storage)
        for seen in looked_at:
            with _called_out_by_name(world, seen.cluster_id, records.get(seen.cluster_id, Record()), tally):
                note_retention(world, pinned, seen)


def _call_out_dead_keys(world: World, found: Survey, until: datetime) -> None:
    """The alarm that saves data does not depend on the table. Without its memory the line comes with every run.

    Nor will anything say that it is over: such a line says of itself that it holds until a run ends that had the table.
    """
    for cluster, read in ((one, read) for users, read in keys_read(world, found, until) for one in users):
        try:
            seen: Observation | UnreadableCluster = assemble(world, cluster, read(), Record(), RequestedBy.RECONCILE)
            _, decision = settle(seen)
        except Exception as error:  # noqa: BLE001 - whatever is odd about one cluster, the others are looked after
            seen, decision = broken(world, cluster.id, Record(), error)
        if decision.action is Action.ATTENTION and decision.reason in KEY_IS_DEAD:
            about, began = {**observation_fields(seen), "recorded": False}, decision.since or seen.now
            remedy = remedy_of(seen, decision)
            world.log(log_events.cluster_attention(about, decision.reason, decision.message, remedy, began))


@contextmanager
def _called_out_by_name(world: World, cluster_id: ClusterId, record: Record, tally: Tally) -> Iterator[None]:
    """Whatever is odd about one cluster, the others are looked after. May raise `StorageUnavailableError`."""
    try:
        yield
    except StorageUnavailableError:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        tally.count(cluster_id, "attention")
        request = VisitRequest(RequestedBy.RECONCILE, world.now(), cluster=cluster_id)
        end_visit(world, *broken(world, cluster_id, record, error), request, announced=False)


def _look_after(world: World, seen: Observation | UnreadableCluster, tally: Tally) -> tuple[ClusterId, ...]:
    """Count the cluster. The result is itself, if a visit would do something."""
    observation, decision = settle(seen)
    wanted = wants_visit(world, seen, observation, decision)
    tally.count(seen.cluster_id, counted(seen, decision))
    return (seen.cluster_id,) if wanted else ()


def _request(world: World, clusters: Iterable[ClusterId], tally: Tally) -> None:
    visits = [VisitRequest(RequestedBy.RECONCILE, world.now(), cluster=one) for one in clusters]
    request_all(world, visits)
    tally.visits_requested += len(visits)


def _let_go(world: World, records: Mapping[ClusterId, Record], tally: Tally) -> None:
    """End what is on record as under way for clusters that were taken out of scope: nobody follows it any more."""
    outside = Failure(FailureKind.REFUSED, "OutOfScope", "not in CLUSTER_SCOPES")
    for cluster_id, record in records.items():
        if any(scope.contains(cluster_id) for scope in world.scopes):
            continue
        # A visit from before may see to it at this moment.
        with _called_out_by_name(world, cluster_id, record, tally), suppress(ConflictError):
            _end_all(world, unreadable(world, cluster_id, outside, record))


def _end_all(world: World, unseen: UnreadableCluster) -> None:
    for rotation in unseen.rotations:
        if announcement_due(rotation, unseen.now):
            announce_overdue(world, unseen, rotation)
    for rotation in unseen.unfinished:
        end = superseded(rotation, Reason.CHANGED_BY_OTHERS, _OUT_OF_SCOPE, unseen.now)
        finish(world, unseen, replace(end, remedy=_SEE_FOR_YOURSELF))


_OUT_OF_SCOPE = "the cluster was taken out of CLUSTER_SCOPES"
_SEE_FOR_YOURSELF = (
    "An update that was sent goes on in Azure, and nobody follows it any more: look at the cluster yourself."
)


def wants_visit(
    world: World,
    seen: Observation | UnreadableCluster,
    settled: Observation | UnreadableCluster,
    decision: Decision,
) -> bool:
    """Whether a visit would do something, and none is to come."""
    status, now = seen.status, seen.now
    if status is None:
        return True
    after = observed(settled, decision, now)
    alerts, lines = alerts_due(after, settled, decision, announced=False)
    if visit_may_come(status, now, world.timing.longest_wait):
        # A visit that Azure has put off may be an hour away: too late for whatever calls for a person. Of an update under way
        # this look has not read the operation, and knows only what is the matter with its keys.
        told = {line.fields.get("reason") for line in lines if line.level >= logging.WARNING}
        under_way = isinstance(settled, Observation) and settled.updating is not None
        return bool(told & KEY_IS_DEAD if under_way else told)
    enforced = decision.action is Action.UPDATE and world.mode is Mode.ENFORCE
    return (
        status.next_visit is not None  # it was requested, and never came
        or any(rotation.stage is Stage.UPDATING for rotation in seen.rotations)
        or any(announcement_due(rotation, now) for rotation in seen.rotations)
        or (seen is not settled and (world.mode is Mode.ENFORCE or bool(seen.unfinished)))
        or enforced
        or decision.action is Action.WAIT
        or _tells_otherwise(status, after)
        or status.reason is Reason.WORKSPACE_FAILED
        or now - status.looked_at >= REMIND_EVERY
        or bool(lines)
        or len(alerts.disabled_early) != len(status.alerts.disabled_early)  # one was enabled again
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
