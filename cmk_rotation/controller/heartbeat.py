"""The heartbeat: what a run of reconcile says of the fleet, the scopes, the poison queue and its own telemetry."""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from cmk_rotation.controller.alerts import in_danger
from cmk_rotation.controller.ports import StorageUnavailableError, World
from cmk_rotation.controller.retention import few, named
from cmk_rotation.controller.survey import Survey
from cmk_rotation.decisions.observation import Decision, Observation, UnreadableCluster
from cmk_rotation.domain import log_events
from cmk_rotation.domain.azure_resources import Cluster
from cmk_rotation.domain.identifiers import ClusterId
from cmk_rotation.domain.remedies import REMEDIES
from cmk_rotation.domain.timing import POISON_TOLD_AFTER, plausible
from cmk_rotation.domain.visit_message import PoisonQueue
from cmk_rotation.domain.vocabulary import Action, FailureKind, Reason


@dataclass(slots=True)
class Tally:
    """What a run has counted: each cluster once, in the first of these numbers that applies, so that they add up."""

    numbers: Counter[str] = field(default_factory=Counter)
    names: list[ClusterId] = field(default_factory=list)
    """The clusters that need a person."""
    visits_requested: int = 0

    def count(self, cluster_id: ClusterId, number: str | None) -> None:
        """Count a cluster, unless it does not exist any more."""
        if number is not None:
            self.numbers.update(["clusters", number])
        if number == "attention":
            self.names.append(cluster_id)


def counted(seen: Observation | UnreadableCluster, decision: Decision) -> str | None:
    """The number of `reconcile.finished` in which a cluster counts; None for one that does not exist any more."""
    if isinstance(seen, UnreadableCluster):
        return "attention" if seen.failure.kind is not FailureKind.NOT_FOUND else None
    called = seen.status is not None and seen.status.alerts.attention_reason is not None
    # Neither a workspace nor an operation is read here: of these, the last visit knows.
    unread = seen.updating is not None or (seen.status is not None and seen.status.reason is Reason.WORKSPACE_FAILED)
    if decision.action is Action.ATTENTION or in_danger(seen) or (called and unread):
        return "attention"
    if seen.updating is not None:
        return "underWay"
    if seen.is_behind:
        return "behind"
    if seen.cluster.held:
        return "held"
    # A cluster that is busy with something else, or whose key does not answer for now, is asked again and not known to be well.
    return "underWay" if decision.action is Action.WAIT else "current"


def log_heartbeat(world: World, found: Survey, tally: Tally, began: datetime) -> None:
    """One line for each run. A scope that hides clusters, or telemetry that a bad key would take along, makes it an ERROR."""
    now = world.now()
    poison = _poison(world, now)
    at_risk = telemetry_at_risk(world.telemetry_workspace, found.clusters.values())
    names, counts = named(tally.names), {name: tally.numbers[name] for name, _ in _WORDS}
    fields: dict[str, object] = {
        **counts,
        "visitsRequested": tally.visits_requested,
        "attentionClusters": names or None,
        "scopes": len(world.scopes),
        "emptyScopes": len(found.empty),
        "failedScopes": len(found.failed),
        "troubledScopes": few(scope.text for scope in (*found.failed, *found.empty)) or None,
        "telemetryAtRisk": len(at_risk),
        "poisonMessages": poison.messages if poison else None,
        "seconds": round((now - began).total_seconds(), 3),
    }
    problems = [f"scopes that failed: {len(found.failed)}"] if found.failed else []
    problems += [f"scopes that hold no cluster: {len(found.empty)}"] if found.empty else []
    unknown = [one for one in found.failed.values() if one.kind is FailureKind.UNKNOWN_VERSION]
    remedies = [_CHECK_SCOPES] if len(problems) > len(unknown) else []
    remedies += [REMEDIES[Reason.API_VERSION_UNKNOWN]] if unknown else []
    if at_risk:
        problems.append(f"this app's own telemetry goes to a workspace linked to {', '.join(at_risk)}")
        remedies.append(_MOVE_TELEMETRY)
    level, since = (logging.ERROR, now) if problems else (logging.INFO, None)
    if poison and poison.since and now - poison.since >= POISON_TOLD_AFTER:
        level, since = (logging.ERROR, now) if problems else (logging.WARNING, poison.since)
        problems.append(f"{poison.messages} messages lie in the poison queue and cannot be read")
        remedies.append(_EMPTY_POISON_QUEUE)
    message = "clusters: " + ", ".join(f"{counts[name]} {word}" for name, word in _WORDS)
    message += f" ({', '.join(names)})" if names else ""
    message += "".join(f"; {problem}" for problem in problems)
    world.log(log_events.reconcile_finished(fields, level, message, " ".join(remedies) or None, since))


def _poison(world: World, now: datetime) -> PoisonQueue | None:
    """What lies in the poison queue. Whoever finds it otherwise than it is written down writes it down.

    None if that fails: a heartbeat without this count is better than none, and the next one asks again.
    """
    try:
        poison = world.requests.poison_queue()
        since = (plausible(poison.since, latest=now) or now) if poison.messages else None
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
    ("held", "held"),
    ("behind", "behind"),
    ("underWay", "under way"),
    ("attention", "in need of a person"),
)
