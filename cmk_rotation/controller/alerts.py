"""What the log says of a visit beside its own steps, and when it is owed.

A line that calls for a person is noted in the cluster's row before it is written, so that of two visits at once only
one writes it, and confirmed there after: a crash in between repeats it, and never loses it.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from cmk_rotation.controller.ports import World
from cmk_rotation.decisions.observation import Decision, Observation, UnreadableCluster
from cmk_rotation.domain.azure_resources import KeyVersion
from cmk_rotation.domain.cluster_record import AlertState, ClusterStatus
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.timing import REMIND_EVERY, plausible
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import Action, Event, Reason

ANNOUNCED_BY_ROTATION = frozenset(
    {Reason.UPDATE_REFUSED, Reason.UPDATE_FAILED, Reason.CLUSTER_FAILED, Reason.READ_BACK_DIFFERS}
)
"""Reasons that `rotation.finished` calls out when they arise; `cluster.attention` only repeats them."""


OPEN_WHETHER_OVER = frozenset({Reason.NO_CUSTOMER_KEY, Reason.CLUSTER_GONE, Reason.CLUSTER_DELETING})
"""Reasons that do not tell whether what a person was called for is over."""
NOT_OVER_ON_HOLD = ANNOUNCED_BY_ROTATION | {
    Reason.UPDATE_OVERDUE,
    Reason.MOVED_BACK,
    Reason.CLUSTER_STUCK,
    Reason.WORKSPACE_FAILED,
}
"""What the operator's tag does not mend: it only keeps us from trying again."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line to be written."""

    event: Event
    level: int
    fields: Mapping[str, object]


def rotation_fields(rotation: Rotation) -> dict[str, object]:
    """The ids that every line about a rotation carries."""
    return {
        "clusterId": rotation.cluster_id.text,
        "keyName": rotation.key_name,
        "fromVersion": rotation.from_version,
        "toVersion": rotation.to_version,
        "stage": rotation.stage,
        "reason": rotation.reason,
        "operationId": rotation.attempt.operation_id,
        "attempt": rotation.attempts,
        "eventId": rotation.event_id,
        "correlationId": rotation.attempt.correlation_id,
    }


def observation_fields(observation: Observation | UnreadableCluster) -> dict[str, object]:
    """The ids that a line about a cluster carries."""
    if isinstance(observation, UnreadableCluster):
        return {"clusterId": observation.cluster_id.text}
    target = observation.target
    return {
        "clusterId": observation.cluster.id.text,
        "keyName": observation.cluster.key_name,
        "fromVersion": observation.cluster.key_version,
        "toVersion": target.version if target and not observation.at_newest else None,
    }


def log_decision(
    world: World, observation: Observation | UnreadableCluster, decision: Decision, request: VisitRequest
) -> None:
    """One line per visit; DEBUG unless the reason is new."""
    changed = observation.status is None or observation.status.reason is not decision.reason
    world.log(
        Event.VISIT_DECIDED,
        logging.INFO if changed else logging.DEBUG,
        **observation_fields(observation),
        decision=decision.action,
        reason=decision.reason,
        message=decision.message,
        by=request.by,
        eventId=request.event_id,
    )


def attention_due(status: ClusterStatus, observation: Observation | UnreadableCluster, decision: Decision) -> bool:
    """Whether a person is to be called: for something new, and again after a day; for an overdue update, once."""
    if decision.action is not Action.ATTENTION:
        return False
    last = plausible(status.alerts.attention_at, latest=status.looked_at)
    if status.alerts.attention_reason is not decision.reason or last is None:
        return True
    if decision.reason is Reason.UPDATE_OVERDUE:
        update = observation.updating if isinstance(observation, Observation) else None
        return update is not None and update.attempt.started_at is not None and last < update.attempt.started_at
    return status.looked_at - last >= REMIND_EVERY


def recovery_due(status: ClusterStatus, decision: Decision) -> bool:
    """Whether what a person was called for is over."""
    called = status.alerts.attention_reason
    if called is None or decision.action is not Action.NOTHING or decision.reason in OPEN_WHETHER_OVER:
        return False
    return not (decision.reason is Reason.ON_HOLD and called in NOT_OVER_ON_HOLD)


def expiring(status: ClusterStatus, observation: Observation | UnreadableCluster) -> KeyVersion | None:
    """The version in use, if it expires soon and that has not been said for a day."""
    if isinstance(observation, UnreadableCluster):
        return None
    in_use = observation.in_use
    if in_use is None or in_use.expires_at is None or not in_use.enabled or in_use.expired(observation.now):
        return None
    last = plausible(status.alerts.expiry_warned_at, latest=observation.now)
    soon = in_use.expires_at - observation.now <= observation.timing.expiry_warning
    return in_use if soon and (last is None or observation.now - last >= REMIND_EVERY) else None


def disabled_early(status: ClusterStatus, observation: Observation | UnreadableCluster) -> tuple[Rotation, ...]:
    """The rotations whose old version was disabled before its time, without those that were said."""
    if not isinstance(observation, Observation):
        return ()
    called_out = (status.alerts.disabled_early_version or "").split(",")
    last = {rotation.from_version: rotation for rotation in observation.done}  # one for each old version
    return tuple(
        rotation
        for rotation in last.values()
        if rotation.outcome.keep_old_version_until is not None
        and rotation.outcome.keep_old_version_until > observation.now
        and (old := observation.listed(rotation.from_version)) is not None
        and not old.enabled
        and rotation.from_version not in called_out
    )


def alerts_due(
    status: ClusterStatus, observation: Observation | UnreadableCluster, decision: Decision, *, announced: bool
) -> tuple[AlertState, list[LogLine]]:
    """The lines that are to be said, and what was said with each of them noted."""
    lines: list[LogLine] = []
    alerts = status.alerts
    fields = {**observation_fields(observation), "reason": decision.reason}
    if attention_due(status, observation, decision):
        call = {"message": status.message, "remedy": status.remedy, "since": status.since}
        if decision.reason is Reason.UPDATE_OVERDUE:
            lines.append(LogLine(Event.UPDATE_OVERDUE, logging.ERROR, {**fields, **_about_open(observation), **call}))
        elif not (announced and decision.reason in ANNOUNCED_BY_ROTATION):
            lines.append(LogLine(Event.CLUSTER_ATTENTION, logging.ERROR, {**fields, **call}))
        alerts = replace(alerts, attention_reason=decision.reason, attention_at=status.looked_at)
    if recovery_due(status, decision):
        over = f"{decision.message} (attention for {status.alerts.attention_reason} is over)"
        lines.append(LogLine(Event.CLUSTER_RECOVERED, logging.INFO, {**fields, "message": over}))
        alerts = replace(alerts, attention_reason=None, attention_at=None)
    in_use = expiring(status, observation)
    if in_use is not None:
        lines.append(
            LogLine(Event.KEY_EXPIRING, logging.WARNING, {**fields, **_expiry(status, in_use, observation.now)})
        )
        alerts = replace(alerts, expiry_warned_at=observation.now)
    for rotation in disabled_early(status, observation):
        early = {**rotation_fields(rotation), **_too_early(rotation, observation.now)}
        lines.append(LogLine(Event.OLD_VERSION_DISABLED_EARLY, logging.ERROR, early))
        called_out = ",".join(filter(None, (alerts.disabled_early_version, rotation.from_version)))
        alerts = replace(alerts, disabled_early_version=called_out)
    return alerts, lines


def _about_open(observation: Observation | UnreadableCluster) -> Mapping[str, object]:
    rotation = observation.updating if isinstance(observation, Observation) else None
    return {**rotation_fields(rotation), "reason": Reason.UPDATE_OVERDUE} if rotation else {}


def _expiry(status: ClusterStatus, in_use: KeyVersion, now: datetime) -> Mapping[str, object]:
    heading = f"{status.cluster_id.name}: version {in_use.version} of key {status.key_name}"
    return {
        "message": f"{heading} expires {in_use.expires_at:%Y-%m-%d %H:%M}Z",
        "remedy": "Rotate the key, or extend the expiry: Azure refuses to update a cluster whose key has expired.",
        "since": now,
        "expiresAt": in_use.expires_at,
    }


def _too_early(rotation: Rotation, now: datetime) -> Mapping[str, object]:
    until = rotation.outcome.keep_old_version_until
    return {
        "message": f"{rotation.heading}: the old version was disabled before {until:%Y-%m-%d %H:%M}Z",
        "remedy": "Enable the old version again until then: storage may still use it, and then reads and new logs fail.",
        "since": now,
        "keepOldVersionUntil": until,
    }
