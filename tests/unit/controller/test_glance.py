"""Looks that ask no more than they must: at an update that goes on, and after everything is over."""

from dataclasses import replace

import pytest

from cmk_rotation.controller import visit
from cmk_rotation.domain.cluster_record import ClusterStatus
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import Reason, RequestedBy, Stage
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    HOUR,
    KEY,
    MINUTE,
    SECOND,
    V1,
    V2,
    V3,
    changed_status,
    must,
    over,
    status,
    version,
)
from tests.unit.support.worlds import Fakes


def under_way(lasts_hours: int = 5) -> Fakes:
    """An update that was just sent, and takes hours."""
    fakes = Fakes()
    fakes.clusters.lasts = lasts_hours * HOUR
    fakes.visit()
    return fakes


def test_an_update_is_followed_by_its_operation_and_all_else_is_read_every_ten_minutes() -> None:
    fakes = under_way()
    gets, reads = fakes.clusters.gets, fakes.keys.reads
    fakes.run(4 * HOUR, reconcile=False)
    assert 4 * 60 // 15 <= fakes.clusters.gets - gets <= 4 * 60 // 10
    assert 4 * 60 // 15 <= fakes.keys.reads - reads <= 4 * 60 // 10
    fakes.run(2 * HOUR, reconcile=False)
    assert (fakes.rotation.stage, fakes.rotation.reason) == (Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED)
    assert len(fakes.clusters.patches) == 1


def test_a_version_in_use_that_is_disabled_meanwhile_is_called_out_though_no_timer_rings() -> None:
    fakes = under_way()
    fakes.run(30 * MINUTE, reconcile=False)
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    fakes.run(15 * MINUTE, reconcile=False)
    (line,) = fakes.log.of(LogEvent.CLUSTER_ATTENTION)
    assert line.fields["reason"] == Reason.IN_USE_DISABLED


def test_a_key_that_is_deleted_meanwhile_is_called_out_with_where_the_update_leads() -> None:
    fakes = under_way()
    fakes.run(30 * MINUTE, reconcile=False)
    del fakes.keys.listed[KEY]
    fakes.run(15 * MINUTE, reconcile=False)
    (line,) = fakes.log.of(LogEvent.CLUSTER_ATTENTION)
    assert line.fields["reason"] == Reason.KEY_NOT_FOUND
    assert (line.fields["fromVersion"], line.fields["toVersion"]) == (V1, V2)


def test_a_cluster_that_goes_meanwhile_is_noticed() -> None:
    fakes = under_way()
    fakes.run(30 * MINUTE, reconcile=False)
    del fakes.clusters.stored[CLUSTER]
    fakes.run(20 * MINUTE, reconcile=False)
    assert fakes.rotation.reason is Reason.CLUSTER_GONE


@pytest.mark.parametrize("by", [RequestedBy.EVENT, RequestedBy.RECONCILE, RequestedBy.OPERATOR])
def test_whoever_asks_for_a_visit_gets_a_whole_look(by: RequestedBy) -> None:
    fakes = under_way()
    fakes.run(MINUTE, reconcile=False)
    gets = fakes.clusters.gets
    fakes.visit(by=by)
    assert fakes.clusters.gets == gets + 1


def test_a_glance_notes_what_the_operation_says_and_the_next_visit_alone() -> None:
    fakes = under_way()
    row = fakes.status
    fakes.run(MINUTE, reconcile=False)
    assert fakes.rotation.attempt.operation_status == "Updating"
    assert fakes.status == replace(row, next_visit=fakes.status.next_visit, etag=fakes.status.etag)
    assert must(fakes.status.next_visit).at > must(row.next_visit).at


def test_a_row_that_somebody_deletes_during_a_glance_keeps_no_look_from_being_the_next() -> None:
    fakes = under_way()

    def delete(row: Rotation | ClusterStatus) -> None:
        if isinstance(row, ClusterStatus):
            fakes.records.statuses.pop(CLUSTER, None)

    fakes.records.before_save = delete
    (due,) = [message for message in fakes.requests.pending if message.due == must(fakes.status.next_visit).at]
    fakes.deliver(due)
    fakes.records.before_save = None
    assert CLUSTER not in fakes.records.statuses
    fakes.run(MINUTE, reconcile=False)
    assert fakes.status.reason is Reason.UPDATE_RUNNING


def test_the_look_that_was_to_make_sure_after_the_claim_reads_the_record_alone_once_all_is_over() -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 10 * SECOND
    fakes.visit()
    fakes.run(2 * MINUTE, reconcile=False)
    assert fakes.rotation.verified
    (spare,) = fakes.requests.pending
    gets, calls = fakes.clusters.gets, fakes.effects.calls
    fakes.deliver(spare)
    assert (fakes.clusters.gets, fakes.effects.calls) == (gets, calls + 1)


def test_it_reads_the_record_alone_while_others_follow_the_update() -> None:
    fakes = under_way()
    fakes.run(3 * MINUTE - 2 * SECOND, reconcile=False)
    spare = min(fakes.requests.pending, key=lambda message: message.visit.requested_at)
    due = must(fakes.status.next_visit).at
    assert spare.due < due
    calls = fakes.effects.calls
    fakes.deliver(spare)
    assert fakes.effects.calls == calls + 1


def test_it_makes_sure_where_the_others_were_lost() -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 10 * SECOND
    fakes.visit()
    fakes.requests.pending = [max(fakes.requests.pending, key=lambda message: message.due)]
    fakes.run(4 * MINUTE, reconcile=False)
    assert fakes.rotation.verified


def test_it_makes_sure_of_what_is_not_told_yet() -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 10 * SECOND
    fakes.visit()
    fakes.run(2 * MINUTE, reconcile=False)
    untold = replace(fakes.rotation, outcome=replace(fakes.rotation.outcome, announced=False))
    fakes.records.put(untold)
    fakes.run(2 * MINUTE, reconcile=False)
    assert len(fakes.finished) == 2


def test_a_time_that_nobody_believes_makes_no_visit_needless() -> None:
    fakes = Fakes()
    fakes.records.put(status(looked_at=fakes.clock.now + DAY))
    fakes.visit(by=RequestedBy.FOLLOW)
    assert len(fakes.clusters.patches) == 1


def test_an_update_that_ends_while_something_else_is_announced_is_looked_at_again() -> None:
    fakes = under_way()
    fakes.run(MINUTE, reconcile=False)
    fakes.records.put(over(Stage.SUPERSEDED, Reason.CHANGED_BY_OTHERS, to_version=V3, announced=False))

    def end(row: Rotation | ClusterStatus) -> None:
        if isinstance(row, Rotation) and row.to_version == V3:
            fakes.records.before_save = None
            ended = replace(fakes.records.rotations[(CLUSTER, KEY, V2)], stage=Stage.SUPERSEDED)
            fakes.records.put(replace(ended, outcome=replace(ended.outcome, finished_at=fakes.clock.now)))

    fakes.records.before_save = end
    fakes.run(5 * MINUTE, reconcile=False)
    assert fakes.log.of(LogEvent.VISIT_FAILED) == []
    assert fakes.finished[0] is Stage.SUPERSEDED
    assert fakes.status.reason is not Reason.UPDATE_RUNNING


def early(fakes: Fakes) -> VisitRequest:
    """A look that was requested after the last one, and whose row waits for another."""
    asked_at = fakes.clock.now
    fakes.records.put(
        changed_status(
            fakes.status,
            looked_at=asked_at - MINUTE,
            next_visit_at=asked_at + 6 * SECOND,
            next_visit_asked_at=asked_at - MINUTE,
        )
    )
    fakes.clock.now += SECOND
    return VisitRequest(RequestedBy.FOLLOW, asked_at, cluster=CLUSTER)


def test_a_visit_that_was_requested_after_the_last_look_is_no_spare() -> None:
    fakes = under_way()
    request = early(fakes)
    asked = fakes.clusters.operation_reads
    visit.visit(fakes.world, request)
    assert fakes.clusters.operation_reads == asked + 1


def test_a_glance_that_turns_out_to_be_the_visit_that_the_row_waits_for_requests_the_next() -> None:
    fakes = under_way()
    request = early(fakes)

    def note(row: Rotation | ClusterStatus) -> None:
        if isinstance(row, ClusterStatus):
            fakes.records.before_save = None
            at = request.requested_at
            fakes.records.put(changed_status(fakes.status, next_visit_at=at, next_visit_asked_at=at))

    fakes.records.before_save = note
    visit.visit(fakes.world, request)
    assert must(fakes.status.next_visit).at > fakes.clock.now
    assert any(message.due == must(fakes.status.next_visit).at for message in fakes.requests.pending)
