"""Ending a visit: request the next one if none is due, put what was seen on record, say what is owed."""

from dataclasses import replace
from datetime import datetime, timedelta

from cmk_rotation.model import ClusterStatus, RequestedBy, VisitRequest
from cmk_rotation.pace import CLOCKS_DIFFER, VISIT_COMES_WITHIN, believed
from cmk_rotation.ports import ChangedMeanwhileError, StorageUnavailableError, World
from cmk_rotation.remedies import remedy_for
from cmk_rotation.situation import Decision, Situation, Unseen, since
from cmk_rotation.telling import tell


def visit_is_due(status: ClusterStatus | None, now: datetime, longest_wait: timedelta) -> bool:
    """Whether a requested visit is still to come.

    One that comes up to half its interval early counts as having come: the clocks of the queue and of two instances
    differ, and an exact comparison would let the last visit of a chain request no other.
    """
    if status is None:
        return False
    due = believed(status.next_visit_at, latest=now + longest_wait + CLOCKS_DIFFER)
    return due is not None and now < due - (status.next_visit_after or timedelta()) / 2


def visit_may_come(status: ClusterStatus, now: datetime, longest_wait: timedelta) -> bool:
    """Whether a requested visit is to come, or is only late."""
    due = believed(status.next_visit_at, latest=now + longest_wait + CLOCKS_DIFFER)
    return due is not None and now < due + VISIT_COMES_WITHIN


def note_looked(world: World, situation: Situation | Unseen, decision: Decision, *, announced: bool) -> None:
    """Request first, note second: the spare visit of a crash in between is harmless, a missing one is not.

    `announced` tells that a failure behind this decision was called out in this very visit. Raises
    `StorageUnavailableError`, and only if it requested no visit.
    """
    status = looked(situation, decision, world.now())
    requested = False
    if decision.look_after is not None and not _comes_in_time(world, status, decision.look_after):
        follow = VisitRequest(RequestedBy.FOLLOW, status.looked_at, cluster=status.cluster_id)
        world.requests.request(follow, decision.look_after)
        requested = True
        due = status.looked_at + decision.look_after
        status = replace(status, next_visit_at=due, next_visit_after=decision.look_after)
    elif not visit_is_due(status, status.looked_at, world.pace.longest_wait):
        status = replace(status, next_visit_at=None, next_visit_after=None)
    try:
        saved = world.records.save_status(status)
        told = tell(world, saved, situation, decision, announced=announced)
        if told != saved:
            world.records.save_status(told)
    except ChangedMeanwhileError:
        return  # a visit at the same time recorded first; the next one tells what is still owed
    except StorageUnavailableError:
        if not requested:
            raise


def _comes_in_time(world: World, status: ClusterStatus, after: timedelta) -> bool:
    """Whether a visit is due, and not so late that this look would come long after it is called for."""
    now = status.looked_at
    due = visit_is_due(status, now, world.pace.longest_wait)
    return due and status.next_visit_at is not None and status.next_visit_at <= now + 2 * after


def looked(situation: Situation | Unseen, decision: Decision, now: datetime) -> ClusterStatus:
    """A cluster's row after a look. What could not be read stays as it was last seen."""
    before = situation.status
    cluster_id = situation.cluster_id if isinstance(situation, Unseen) else situation.cluster.id
    status = replace(
        before or ClusterStatus(cluster_id, None, decision.reason, now, "", None, now),
        reason=decision.reason,
        since=since(before, decision.reason, now),
        message=decision.message,
        remedy=decision.remedy or remedy_for(decision.reason),
        looked_at=now,
    )
    if isinstance(situation, Unseen):
        return status
    cluster, in_use = situation.cluster, situation.in_use
    newest = situation.target
    return replace(
        status,
        mode=cluster.mode,
        key_vault_uri=cluster.key_vault_uri,
        key_name=cluster.key_name,
        key_version=cluster.key_version,
        key_version_expires_at=in_use.expires_at if in_use else None,
        newest_version=newest.version if newest else None,
        cluster_state=cluster.state,
    )
