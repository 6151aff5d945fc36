"""Ending a visit: request the next one if none is due, put what was seen on record, say what is owed."""

from dataclasses import replace
from datetime import datetime, timedelta

from cmk_rotation.model import ClusterStatus, VisitRequest
from cmk_rotation.pace import ANNOUNCED_WITHIN, CLOCKS_DIFFER, VISIT_COMES_WITHIN, believed
from cmk_rotation.ports import ChangedMeanwhileError, StorageUnavailableError, World
from cmk_rotation.remedies import remedy_for
from cmk_rotation.situation import Decision, Situation, Unseen, since
from cmk_rotation.telling import owed
from cmk_rotation.vocabulary import RequestedBy

_TRIES = 3
"""How often a row is written on top of what other visits wrote at the same time."""


def visit_may_come(status: ClusterStatus | None, now: datetime, longest_wait: timedelta) -> bool:
    """Whether a requested visit is still to come, be it a little late."""
    due = believed(status.next_visit_at, latest=now + longest_wait + CLOCKS_DIFFER) if status else None
    return due is not None and now < due + VISIT_COMES_WITHIN


def note_looked(
    world: World, situation: Situation | Unseen, decision: Decision, request: VisitRequest, *, announced: bool
) -> None:
    """Request first, note second: the spare visit of a crash in between is harmless, a missing one is not.

    `announced` tells that a failure behind this decision was called out in this very visit. Raises
    `StorageUnavailableError`, and only if it requested no visit.
    """
    status = looked(situation, decision, world.now())
    expected = visit_may_come(status, status.looked_at, world.pace.longest_wait) and not _is_the_due_one(
        request, status
    )
    if not expected:
        status = replace(status, next_visit_at=None, next_visit_asked_at=None)
    after = decision.look_after
    requested = after is not None and not (expected and _in_time(status, after))
    if requested and after is not None:
        asked_at = status.looked_at.replace(microsecond=status.looked_at.microsecond // 1000 * 1000)
        world.requests.request(VisitRequest(RequestedBy.FOLLOW, asked_at, cluster=status.cluster_id), after)
        status = replace(status, next_visit_at=status.looked_at + after, next_visit_asked_at=asked_at)
    try:
        _record_and_tell(world, status, situation, decision, request, announced=announced)
    except StorageUnavailableError:
        if not requested:
            raise


def _record_and_tell(  # noqa: PLR0913 - what `note_looked` was given, and the row
    world: World,
    status: ClusterStatus,
    situation: Situation | Unseen,
    decision: Decision,
    request: VisitRequest,
    *,
    announced: bool,
) -> None:
    """Write the row, then the lines it notes as being said, then that they were.

    Of two looks the later one wins; but the visit that the earlier one requested is noted all the same, or nobody
    would know it when it comes.
    """
    asked_at, later = status.next_visit_asked_at, True
    for _ in range(_TRIES):
        noted, lines = owed(status, situation, decision, announced=announced) if later else (status, [])
        try:
            saved = world.records.save_status(replace(noted, saying_since=status.looked_at) if lines else noted)
        except ChangedMeanwhileError:
            there = world.records.of_cluster(status.cluster_id).status
            if there is None:
                return
            before = situation.status.next_visit_asked_at if situation.status else None
            # The visit there is to come unless it is the one that was due before, or this one, come that soon.
            is_new = there.next_visit_asked_at not in {None, before} and not _is_the_due_one(request, there)
            later = later and there.looked_at < status.looked_at
            if not later and (is_new or asked_at in {None, before}):
                return
            status = _on_top_of(there, status, keep_its_visit=is_new, later=later)
            continue
        for line in lines:
            world.log(line.event, line.level, **line.fields)
        if lines:
            _confirm_said(world, saved)
        return


def _on_top_of(there: ClusterStatus, status: ClusterStatus, *, keep_its_visit: bool, later: bool) -> ClusterStatus:
    """A look on top of one that was recorded meanwhile, with what that one said; or only its visit, if that is later."""
    visit = there if keep_its_visit else status
    merged = replace(
        status,
        since=since(there, status.reason, status.looked_at),
        attention_reason=there.attention_reason,
        attention_at=there.attention_at,
        expiry_warned_at=there.expiry_warned_at,
        disabled_early_version=there.disabled_early_version,
        saying_since=there.saying_since,
        etag=there.etag,
    )
    return replace(
        merged if later else there,
        next_visit_at=visit.next_visit_at,
        next_visit_asked_at=visit.next_visit_asked_at,
    )


def _confirm_said(world: World, saved: ClusterStatus) -> None:
    there: ClusterStatus | None = saved
    for _ in range(_TRIES):
        if there is None or there.saying_since != saved.saying_since:
            return
        try:
            world.records.save_status(replace(there, saying_since=None))
        except ChangedMeanwhileError:
            there = world.records.of_cluster(saved.cluster_id).status
        else:
            return


def _is_the_due_one(request: VisitRequest, status: ClusterStatus) -> bool:
    """Whether this is the very visit that the row says is due, early or late.

    Any other is a spare, however close to the due time it comes: ten of them at once would each start a chain.
    """
    return request.by is RequestedBy.FOLLOW and request.requested_at == status.next_visit_asked_at


def _in_time(status: ClusterStatus, after: timedelta) -> bool:
    """Whether the visit that is due does not come long after this look wants one."""
    return status.next_visit_at is not None and status.next_visit_at <= status.looked_at + 2 * after


def looked(situation: Situation | Unseen, decision: Decision, now: datetime) -> ClusterStatus:
    """A cluster's row after a look. What could not be read stays as it was last seen."""
    before = _said_for_sure(situation.status, now)
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


def _said_for_sure(status: ClusterStatus | None, now: datetime) -> ClusterStatus | None:
    """The row without the lines that a visit noted and, having died, may never have written."""
    if status is None or status.saying_since is None:
        return status
    began = believed(status.saying_since, latest=now + CLOCKS_DIFFER)
    if began is not None and now - began < ANNOUNCED_WITHIN:
        return status
    return replace(
        status,
        attention_reason=None,
        attention_at=None,
        expiry_warned_at=None,
        disabled_early_version=None,
        saying_since=None,
    )
