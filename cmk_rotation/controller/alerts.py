"""What the log says of a visit beside its own steps, and when it is owed.

A line that calls for a person is noted in the cluster's row before it is written, so that of two visits at once only
one writes it, and confirmed there after: a crash in between repeats it, and never loses it.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from cmk_rotation.controller.cluster_status import status_due
from cmk_rotation.controller.ports import World
from cmk_rotation.decisions.key_rules import update_in_danger, update_is_safe
from cmk_rotation.decisions.observation import (
    Decision,
    Observation,
    Seen,
    UnreadableCluster,
    names,
    reads_target,
    remedy_of,
)
from cmk_rotation.domain import log_events
from cmk_rotation.domain.azure_resources import Failure, KeyVersion
from cmk_rotation.domain.cluster_record import AlertState, ClusterStatus, DisabledEarly
from cmk_rotation.domain.log_events import LogLine
from cmk_rotation.domain.repairs import ENABLE, ROTATE
from cmk_rotation.domain.rotation import Attempt, Rotation
from cmk_rotation.domain.timing import REMIND_EVERY, plausible
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import UNREACHABLE, Action, Reason

ANNOUNCED_BY_ROTATION = frozenset(
    {Reason.UPDATE_REFUSED, Reason.UPDATE_FAILED, Reason.CLUSTER_FAILED, Reason.READ_BACK_DIFFERS}
)
"""Reasons that `rotation.finished` calls out when they arise; `cluster.attention` only repeats them."""


OPEN_WHETHER_OVER = frozenset({Reason.NO_CUSTOMER_KEY, Reason.CLUSTER_GONE, Reason.CLUSTER_DELETING})
"""Reasons that do not tell whether what a person was called for is over."""
KEY_IS_DEAD = frozenset(
    {
        Reason.IN_USE_DISABLED,
        Reason.IN_USE_EXPIRED,
        Reason.IN_USE_UNKNOWN,
        Reason.KEY_NOT_FOUND,
        Reason.NO_USABLE_VERSION,
    }
)
"""What threatens data, whatever else is going on."""
NOT_OVER_ON_HOLD = ANNOUNCED_BY_ROTATION | {
    Reason.UPDATE_OVERDUE,
    Reason.MOVED_BACK,
    Reason.CLUSTER_STUCK,
    Reason.WORKSPACE_FAILED,
}
"""What the operator's tag does not mend: it only keeps us from trying again."""


def observation_fields(observation: Seen) -> dict[str, object]:
    """The ids that a line about a cluster carries."""
    if not isinstance(observation, Observation):
        known = observation.status
        return {
            "clusterId": observation.cluster_id.text,
            "vault": known.key.vault if known and known.key else None,
            "keyName": known.key_name if known else None,
        }
    target, updating = observation.target, observation.updating
    leads_to = target.version if target and not observation.at_newest and observation.is_forward else None
    cluster = observation.cluster
    if target is None and updating is not None and updating.key == cluster.key and not reads_target(cluster, updating):
        leads_to = updating.to_version  # No version is known that can be used, and the update to one goes on.
    return {
        "clusterId": observation.cluster.id.text,
        "vault": observation.cluster.key.vault if observation.cluster.key else None,
        "keyName": observation.cluster.key_name,
        "fromVersion": observation.cluster.key_version,
        "toVersion": leads_to,
    }


def log_decision(world: World, observation: Seen, decision: Decision, request: VisitRequest) -> None:
    """One line per visit; DEBUG unless the reason is new."""
    changed = observation.status is None or observation.status.reason is not decision.reason
    world.log(
        log_events.visit_decided(
            observation_fields(observation),
            decision.action,
            decision.reason,
            decision.message,
            by=request.by,
            event_id=request.event_id,
            new=changed,
        )
    )


def attention_due(status: ClusterStatus, observation: Observation | UnreadableCluster, decision: Decision) -> bool:
    """Whether a person is to be called: for something new, and again after a day."""
    if decision.action is not Action.ATTENTION:
        return False
    last = plausible(status.alerts.attention_at, latest=status.looked_at)
    called = status.alerts.attention_reason
    if not _same_trouble(called, decision.reason) or last is None:
        return True
    return _is_another_update(observation, decision, last) or status.looked_at - last >= REMIND_EVERY


def _same_trouble(called: Reason | None, reason: Reason) -> bool:
    return called is reason or (called in UNREACHABLE and reason in UNREACHABLE)


def attention_since(status: ClusterStatus | None, reason: Reason) -> datetime | None:
    """Since when a person has been called for this, whatever was tried meanwhile; None if nobody is."""
    alerts = status.alerts if status is not None else AlertState()
    return alerts.attention_since if _same_trouble(alerts.attention_reason, reason) else None


def _is_another_update(observation: Observation | UnreadableCluster, decision: Decision, last: datetime) -> bool:
    """Whether the update that is overdue was not the one that a person was called for."""
    update = observation.updating if isinstance(observation, Observation) else None
    started = update.attempt.started_at if update is not None else None
    return decision.reason is Reason.UPDATE_OVERDUE and started is not None and last < started


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


def in_danger(observation: Observation | UnreadableCluster) -> Decision | None:
    """What a person is called for although the visit goes on: a dead key under an update that is followed all the same."""
    return update_in_danger(observation) if isinstance(observation, Observation) else None


def _out_of_danger(status: ClusterStatus, observation: Observation | UnreadableCluster) -> bool:
    """Whether a person was called for a dead key under an update that goes on with both versions alive."""
    called = status.alerts.attention_reason
    return called in KEY_IS_DEAD and isinstance(observation, Observation) and update_is_safe(observation)


def _began(status: ClusterStatus, call: Decision, *, anew: bool) -> datetime:
    """Since when there is what a person is called for."""
    known = None if anew else plausible(attention_since(status, call.reason), latest=status.looked_at)
    return known or (status.since if call.reason is status.reason else call.since or status.looked_at)


def _call(
    status: ClusterStatus,
    observation: Observation | UnreadableCluster,
    call: Decision,
    began: datetime,
    about: Mapping[str, object],
) -> LogLine:
    """The line that calls for a person."""
    of_row = call.reason is status.reason
    message = status.message if of_row else call.message
    remedy = remedy_of(observation, call)
    last = plausible(status.alerts.attention_at, latest=status.looked_at)
    again = status.alerts.attention_reason is call.reason and last is not None
    overdue = observation.updating if isinstance(observation, Observation) else None
    if call.reason is Reason.UPDATE_OVERDUE and overdue is not None:
        if not again or (last is not None and _is_another_update(observation, call, last)):
            return log_events.update_overdue(overdue, message, remedy.text, began)
        about = {**about, "startedAt": overdue.attempt.started_at}
    about = {**about, **_operation_fields(observation)}
    return log_events.cluster_attention(about, call.reason, message, remedy, began)


def _operation_fields(observation: Observation | UnreadableCluster) -> Mapping[str, object]:
    """The ids that Azure's support asks for: of the update under way, or else of the one that failed last."""
    if isinstance(observation, UnreadableCluster):
        return {}
    update = observation.updating or observation.toward(observation.target.version if observation.target else None)
    attempt = update.attempt if update else Attempt()
    return {"operationId": attempt.operation_id, "correlationId": attempt.correlation_id}


def _unreadable_due(status: ClusterStatus, observation: Observation | UnreadableCluster) -> bool:
    """Whether rows that cannot be read are to be named: on change, and daily."""
    last = plausible(status.alerts.unreadable_at, latest=status.looked_at)
    same = status.alerts.unreadable_rows == ",".join(observation.unreadable_rows)
    return not same or last is None or status.looked_at - last >= REMIND_EVERY


def _disabled_early(observation: Observation) -> list[Rotation]:
    """The rotations whose old version is disabled before its time: one for each such version."""
    early = [
        rotation
        for rotation in observation.done
        if rotation.outcome.keep_old_version_until is not None
        and rotation.outcome.keep_old_version_until > observation.now
        and (old := observation.listed(rotation.from_version)) is not None
        and not old.enabled
    ]
    # A version may have been left more than once: the last time counts.
    in_order = sorted(early, key=lambda one: one.outcome.keep_old_version_until or observation.now)
    return list({rotation.from_version: rotation for rotation in in_order}.values())


def _disabled_early_due(
    alerts: AlertState, observation: Observation | UnreadableCluster
) -> tuple[AlertState, list[LogLine]]:
    """What is to be said of old versions: once for each time that one is disabled, and daily while it is."""
    if isinstance(observation, UnreadableCluster) or isinstance(observation.versions, Failure):
        return alerts, []
    now, noted = observation.now, {one.version: one for one in alerts.disabled_early}
    lines, early = [], []
    for rotation in _disabled_early(observation):
        version = rotation.from_version or ""
        before = noted.get(version)
        since = (plausible(before.since, latest=now) if before else None) or now
        said_at = plausible(before.said_at, latest=now) if before else None
        if said_at is None or now - said_at >= REMIND_EVERY:
            enable = ENABLE.told(replace(names(observation), version=version))
            lines.append(log_events.old_version_disabled_early(rotation, enable, since))
            said_at = now
        early.append(DisabledEarly(version, since, said_at))
    return replace(alerts, disabled_early=tuple(early)), lines


def alerts_due(
    status: ClusterStatus, observation: Observation | UnreadableCluster, decision: Decision, *, announced: bool
) -> tuple[AlertState, list[LogLine]]:
    """The lines that are to be said, and what was said with each of them noted."""
    lines: list[LogLine] = []
    alerts = status.alerts
    about = {
        **observation_fields(observation),
        "nextVisitAt": status.next_visit.at if status.next_visit else None,
    }
    reason, before = decision.reason, observation.status
    if status.alerts.attention_reason is not None and (
        recovery_due(status, decision) or _out_of_danger(status, observation)
    ):
        lines.append(log_events.cluster_recovered(about, reason, decision.message, status.alerts.attention_reason))
        ended = status.alerts.attention_reason
        alerts = replace(alerts, attention_reason=None, attention_at=None, attention_since=None, attention_ended=ended)
        status = replace(status, alerts=alerts)
    danger = in_danger(observation)
    call = danger or decision
    if danger and reason is Reason.UPDATE_OVERDUE and (before is None or before.reason is not reason):
        # What a person is called for from now on is the danger; that the update is late is said once all the same.
        lines.append(_call(status, observation, decision, status.since, about))
    if attention_due(status, observation, call):
        last = plausible(alerts.attention_at, latest=status.looked_at)
        began = _began(status, call, anew=last is not None and _is_another_update(observation, call, last))
        if not (announced and call.reason in ANNOUNCED_BY_ROTATION):
            lines.append(_call(status, observation, call, began, about))
        alerts = replace(alerts, attention_reason=call.reason, attention_at=status.looked_at, attention_since=began)
    in_use = expiring(status, observation)
    if in_use is not None:
        where = f"{status.cluster_id.name}: version {in_use.version} of key {status.key_name}"
        rotate = ROTATE.told(names(observation))
        lines.append(log_events.key_expiring(about, reason, where, in_use, observation.now, rotate=rotate))
        alerts = replace(alerts, expiry_warned_at=observation.now)
    if observation.unreadable_rows and _unreadable_due(status, observation):
        rows = observation.unreadable_rows
        lines.append(log_events.record_unreadable(about, status.cluster_id.name, rows, status.looked_at))
        alerts = replace(alerts, unreadable_rows=",".join(rows), unreadable_at=status.looked_at)
    alerts, early = _disabled_early_due(alerts, observation)
    lines += early
    alerts, said = status_due(status, observation, alerts)
    return alerts, [*lines, *said]
