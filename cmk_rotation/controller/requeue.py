"""Ending a visit: request the next one if none is due, put what was seen on record, say what is owed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from cmk_rotation.controller.alerts import alerts_due
from cmk_rotation.controller.ports import ConflictError, StorageUnavailableError, World
from cmk_rotation.decisions.observation import (
    Decision,
    Glance,
    Observation,
    Seen,
    UnreadableCluster,
    busy_since,
    remedy_of,
    since,
    unavailable_since,
)
from cmk_rotation.domain.azure_resources import Failure
from cmk_rotation.domain.cluster_record import AlertState, ClusterStatus, NextVisit, Record
from cmk_rotation.domain.identifiers import ClusterId
from cmk_rotation.domain.log_events import LogLine
from cmk_rotation.domain.timing import ANNOUNCED_WITHIN, CLOCKS_DIFFER, VISIT_COMES_WITHIN, plausible
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import OPEN, UNREACHABLE, FailureKind, RequestedBy

_TRIES = 20
"""How often a row is written on top of what other visits wrote at the same time. Each lost try is another visit's gain, so
this is how many visits to one cluster may end at once without one of them losing its note, and with it the chain."""


def visit_may_come(status: ClusterStatus | None, now: datetime, longest_wait: timedelta) -> bool:
    """Whether a requested visit is still to come, be it a little late."""
    visit = status.next_visit if status else None
    due = plausible(visit.at, latest=now + longest_wait + CLOCKS_DIFFER) if visit else None
    return due is not None and now < due + VISIT_COMES_WITHIN


def is_spare(world: World, record: Record, request: VisitRequest) -> bool:
    """Whether a later look has made this visit needless: one is due after it, or nothing is left to be seen.

    The first look after a claim is requested before the update is sent. Where all went well, others have come before it.
    """
    status = record.status
    if request.by is not RequestedBy.FOLLOW or status is None:
        return False
    now = world.now()
    looked_at = plausible(status.looked_at, latest=now)
    if looked_at is None or request.requested_at > looked_at:
        return False
    if status.next_visit is not None:
        return now < status.next_visit.at and _still_to_come(world, status, request, now) is not None
    return all(rotation.stage not in OPEN and rotation.outcome.announced for rotation in record.rotations)


def end_visit(
    world: World,
    observation: Seen,
    decision: Decision,
    request: VisitRequest,
    *,
    announced: bool,
) -> None:
    """Request the next visit unless one is to come, put the look on record, say what is owed.

    Request first, note second: the spare visit of a crash in between is harmless, a missing one is not. `announced`
    tells that a failure behind this decision was called out in this very visit. Raises `StorageUnavailableError`, and
    only if it requested no visit.
    """
    now, after = world.now(), decision.requeue_after
    stored, requested = observation.status, None
    try:
        for _ in range(_TRIES):
            due = _still_to_come(world, stored, request, now)
            if requested is None and after is not None and not _in_time(due, now, after):
                requested = _request_visit(world, observation.cluster_id, now, after)
            visit = requested if requested and not _in_time(due, now, after) else due
            row, lines = stored, list[LogLine]()
            if not isinstance(observation, Glance) and _is_later(now, stored):
                row = replace(_on_top_of(stored, observed(observation, decision, now)), next_visit=visit)
                alerts, lines = alerts_due(row, observation, decision, announced=announced)
                row = replace(row, alerts=alerts)
            elif row is None or (visit == row.next_visit and not isinstance(observation, Glance)):
                return
            # A later look wins, and a glance is none; but its visit is noted, or nobody would know that when it comes. A
            # glance writes in any case: where the row has changed, it may be the visit that the row waits for by now.
            if _put_and_tell(world, replace(row, next_visit=visit), lines, now):
                return
            # Another visit recorded first. If this is the one that its row waits for, that is known only now.
            stored = world.records.of_cluster(observation.cluster_id).status
    except StorageUnavailableError:
        if requested is None:
            raise


def _is_later(now: datetime, stored: ClusterStatus | None) -> bool:
    """Whether this look is later than the one on record, whose time is not believed if it lies ahead."""
    last = plausible(stored.looked_at, latest=now + CLOCKS_DIFFER) if stored else None
    return last is None or last <= now


def _put_and_tell(world: World, row: ClusterStatus, lines: Sequence[LogLine], now: datetime) -> bool:
    """Write the row, then the lines that it notes as being said, then that they were; False if the row has changed.

    What is said again within a day anyway is not worth a second write.
    """
    once = any(not line.said_daily for line in lines)
    try:
        saved = world.records.save_status(_saying(row, now) if once else row)
    except ConflictError:
        return False
    for line in lines:
        world.log(line)
    if once:
        _confirm_said(world, saved)
    return True


def _still_to_come(
    world: World, stored: ClusterStatus | None, request: VisitRequest, now: datetime
) -> NextVisit | None:
    """The visit that the row waits for, unless it is lost, or is this very one, come early or late.

    Or this is the successor that it requested: it was there, and could not say so in the row, or not yet. Any other is a
    spare, however close to the due time it comes: ten of them at once would each start a chain.
    """
    visit = stored.next_visit if stored else None
    is_this_one = (
        visit is not None
        and request.by is RequestedBy.FOLLOW
        and (request.requested_at == visit.asked_at or request.requested_at >= visit.at)
    )
    return visit if visit_may_come(stored, now, world.timing.longest_wait) and not is_this_one else None


def _in_time(due: NextVisit | None, now: datetime, after: timedelta | None) -> bool:
    """Whether the visit that is due does not come long after this look wants one."""
    return due is not None and (after is None or due.at <= now + 2 * after)


def _request_visit(world: World, cluster_id: ClusterId, now: datetime, after: timedelta) -> NextVisit:
    asked_at = now.replace(microsecond=now.microsecond // 1000 * 1000)
    world.requests.request(VisitRequest(RequestedBy.FOLLOW, asked_at, cluster=cluster_id), after)
    return NextVisit(now + after, asked_at)


def _on_top_of(stored: ClusterStatus | None, look: ClusterStatus) -> ClusterStatus:
    """A look on top of what is recorded by now, with what other visits said meanwhile."""
    if stored is None or stored.etag == look.etag:
        return look
    return replace(
        look,
        since=since(stored, look.reason, look.looked_at),
        alerts=stored.alerts,
        etag=stored.etag,
    )


def _confirm_said(world: World, saved: ClusterStatus) -> None:
    stored: ClusterStatus | None = saved
    for _ in range(_TRIES):
        if stored is None or stored.alerts.saying_since != saved.alerts.saying_since:
            return
        try:
            world.records.save_status(_saying(stored, None))
        except ConflictError:
            stored = world.records.of_cluster(saved.cluster_id).status
        else:
            return


def _saying(row: ClusterStatus, since: datetime | None) -> ClusterStatus:
    ended = row.alerts.attention_ended if since is not None else None
    return replace(row, alerts=replace(row.alerts, saying_since=since, attention_ended=ended))


def observed(observation: Observation | UnreadableCluster, decision: Decision, now: datetime) -> ClusterStatus:
    """A cluster's row after a look. What could not be read stays as it was last seen."""
    before = _said_for_sure(observation.status, now)
    trouble = None if _could_read_everything(observation) else unavailable_since(observation)
    status = replace(
        before or ClusterStatus(observation.cluster_id, None, decision.reason, now, "", None, now),
        reason=decision.reason,
        since=_since(before, decision, trouble, now),
        message=decision.message,
        remedy=remedy_of(observation, decision).text,
        looked_at=now,
        unavailable_since=trouble,
    )
    if isinstance(observation, UnreadableCluster):
        return status
    cluster, in_use = observation.cluster, observation.in_use
    newest = observation.target
    return replace(
        status,
        mode=cluster.mode,
        key_vault_uri=cluster.key_vault_uri,
        key_name=cluster.key_name,
        key_version=cluster.key_version,
        key_version_expires_at=in_use.expires_at if in_use else None,
        newest_version=newest.version if newest else None,
        cluster_state=cluster.state,
        held=cluster.held,
        busy_since=busy_since(observation) if cluster.busy and observation.updating is None else None,
    )


def _since(before: ClusterStatus | None, decision: Decision, trouble: datetime | None, now: datetime) -> datetime:
    """Since when it has been so: as Azure says, as all trouble of reading has lasted, or as we have seen it."""
    if trouble is not None and decision.reason in UNREACHABLE:
        return trouble
    return plausible(decision.since, latest=now) or since(before, decision.reason, now)


def _could_read_everything(seen: Observation | UnreadableCluster) -> bool:
    """Whether nothing was out of reach. An operation that Azure has forgotten is not trouble that passes."""
    if isinstance(seen, UnreadableCluster) or isinstance(seen.versions, Failure):
        return False
    return not isinstance(seen.operation, Failure) or seen.operation.kind is not FailureKind.UNAVAILABLE


def _said_for_sure(status: ClusterStatus | None, now: datetime) -> ClusterStatus | None:
    """The row without the lines that a visit noted and, having died, may never have written."""
    if status is None or status.alerts.saying_since is None:
        return status
    began = plausible(status.alerts.saying_since, latest=now + CLOCKS_DIFFER)
    if began is not None and now - began < ANNOUNCED_WITHIN:
        return status
    # That a person was called, and for what, stays: it is said again, or that it is over.
    called, since = status.alerts.attention_reason or status.alerts.attention_ended, status.alerts.attention_since
    return replace(status, alerts=AlertState(attention_reason=called, attention_since=since))
