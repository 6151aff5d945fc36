"""Processes that die, visits that meet, and records that lie: what heals, and how."""

import pytest

from cmk_rotation.controller import visit
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.timing import CLAIM_LASTS, CLOCKS_DIFFER
from cmk_rotation.domain.vocabulary import Reason, Stage
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    HOUR,
    KEY,
    MINUTE,
    NOW,
    SECOND,
    V1,
    V2,
    V3,
    changed,
    changed_status,
    claimed,
    cluster,
    over,
    rotation,
    version,
    waiting,
)
from tests.unit.support.fakes import ProcessDiedError
from tests.unit.support.worlds import Fakes


def chains(fakes: Fakes) -> int:
    """How many visits to the cluster are on the queue."""
    return sum(message.visit.cluster == CLUSTER for message in fakes.requests.pending)


def steps(fakes: Fakes) -> list[str]:
    return [step.name for step in fakes.records.steps]


# --- crashes ------------------------------------------------------------------------------------------------------------


def undisturbed() -> list[str]:
    fakes = Fakes()
    fakes.key_changed()
    fakes.run(2 * HOUR)
    return fakes.effects.done


EFFECTS = undisturbed()


@pytest.mark.parametrize("place", range(1, len(EFFECTS) + 1), ids=lambda place: f"{place}-{EFFECTS[place - 1]}")
@pytest.mark.parametrize("redelivered", [True, False], ids=["redelivered", "left-to-reconcile"])
def test_a_crash_after_any_effect_heals(place: int, *, redelivered: bool) -> None:
    fakes = Fakes()
    fakes.effects.die_after = place
    if not redelivered:
        fakes.deliveries = 1
    fakes.key_changed()
    fakes.run(3 * HOUR)
    assert (fakes.rotation.stage, fakes.rotation.verified) == (Stage.SUCCEEDED, True)
    assert (fakes.rotation.outcome.announced, fakes.rotation.outcome.published) == (True, True)
    assert steps(fakes).count("finished") == 1
    assert 1 <= len(fakes.clusters.sent) <= 2
    assert len(fakes.clusters.patches) <= 2
    assert 1 <= len(fakes.finished) <= 2  # twice only if the line was written and the note of it was not
    assert len(fakes.finished) == 1 or EFFECTS[place - 1] in {"log rotation.finished", "publish"}
    assert len({event_id for event_id, _, _ in fakes.outcomes.published}) == 1
    assert fakes.status.reason is Reason.UP_TO_DATE
    assert chains(fakes) == 0
    assert fakes.log.errors == []


@pytest.mark.parametrize("place", range(1, len(EFFECTS) + 1), ids=lambda place: f"{place}-{EFFECTS[place - 1]}")
def test_a_crash_after_any_effect_leaves_one_chain(place: int) -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 5 * HOUR
    fakes.effects.die_after = place
    fakes.key_changed()
    fakes.run(2 * HOUR)
    assert fakes.rotation.stage is Stage.UPDATING
    assert chains(fakes) == 1
    fakes.run(4 * HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]


def test_an_update_whose_process_died_while_it_was_on_its_way_is_not_sent_a_second_time() -> None:
    fakes = Fakes()
    fakes.effects.die_after = EFFECTS.index("PATCH") + 1
    fakes.key_changed()
    fakes.run(HOUR)
    assert len(fakes.clusters.sent) == 1
    assert fakes.rotation.reason is Reason.CONFIRMED_BY_CLUSTER


def test_a_claim_that_was_never_sent_is_sent_when_it_has_lapsed_and_not_before() -> None:
    fakes = Fakes()
    fakes.effects.die_after = EFFECTS.index("claimed") + 1
    fakes.key_changed()
    fakes.run(CLAIM_LASTS + CLOCKS_DIFFER - SECOND)
    assert fakes.clusters.sent == []
    fakes.run(5 * SECOND)
    assert len(fakes.clusters.sent) == 1
    assert steps(fakes)[:3] == ["claimed", "lapsed", "claimed again"]


# --- two visits at once --------------------------------------------------------------------------------------------------


def test_of_two_visits_that_would_send_the_update_the_table_lets_one() -> None:
    fakes = Fakes()
    rivals = [1]

    def another_visit_comes_first(row: object) -> None:
        if rivals and isinstance(row, type(rotation())):
            rivals.pop()
            fakes.visit()

    fakes.records.before_save = another_visit_comes_first
    fakes.visit()
    assert len(fakes.clusters.sent) == 1
    assert steps(fakes) == ["claimed", "accepted", "progress"], "the one that came second looks again"
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]


def test_a_visit_whose_end_of_a_rotation_met_a_mere_note_ends_it_at_the_next_look() -> None:
    """A spare noted progress while the due visit had seen the end: nobody else would look again."""
    fakes = Fakes()
    fakes.visit()
    (due,) = [message for message in fakes.requests.pending if message.visit.event_id is None]
    fakes.clock.now += 20 * MINUTE
    notes = [1]

    def a_spare_notes_progress(row: object) -> None:
        if notes and isinstance(row, type(rotation())):
            notes.pop()
            fakes.records.put(changed(fakes.rotation, operation_status="Succeeded"))

    fakes.records.before_save = a_spare_notes_progress
    fakes.requests.pending.clear()
    visit.visit(fakes.world, due.visit)
    assert fakes.finished == [Stage.SUCCEEDED]


def test_a_row_that_changes_under_every_look_is_left_to_reconcile() -> None:
    fakes = Fakes()
    claims: list[object] = []

    def another_visit_writes(row: object) -> None:
        if isinstance(row, type(rotation())):
            claims.append(row)
            fakes.records.put(waiting())

    fakes.records.before_save = another_visit_writes
    fakes.visit()
    assert len(claims) == 3
    assert fakes.clusters.sent == []
    (line,) = fakes.log.of(LogEvent.VISIT_FAILED)
    assert "law-one" in str(line.fields["message"])
    assert fakes.requests.pending == []


def test_an_operation_is_not_lost_to_a_visit_that_wrote_meanwhile() -> None:
    fakes = Fakes()
    fakes.clusters.on_patch = lambda: fakes.records.put(changed(fakes.rotation, message="looked meanwhile"))
    fakes.visit()
    assert fakes.rotation.attempt.operation_id == "operation-1"
    assert fakes.rotation.attempt.operation_url
    assert fakes.rotation.attempt.accepted_at == NOW + SECOND


def test_an_operation_s_id_is_added_to_a_rotation_that_ended_meanwhile() -> None:
    fakes = Fakes()

    def somebody_ends_it() -> None:
        fakes.records.put(
            changed(fakes.rotation, stage=Stage.SUPERSEDED, finished_at=NOW, announced=True, published=True)
        )

    fakes.clusters.on_patch = somebody_ends_it
    fakes.visit()
    assert (fakes.rotation.stage, fakes.rotation.attempt.operation_id) == (Stage.SUPERSEDED, "operation-1")
    assert fakes.rotation.attempt.operation_url is None


def test_the_operation_of_a_later_attempt_is_not_overwritten_by_an_earlier_one() -> None:
    fakes = Fakes()
    fakes.clusters.on_patch = lambda: fakes.records.put(
        changed(fakes.rotation, id="another", operation_id="theirs", correlation_id="theirs")
    )
    fakes.visit()
    assert (fakes.rotation.attempt.operation_id, fakes.rotation.attempt.correlation_id) == ("theirs", "theirs")


def test_a_row_that_vanishes_under_an_update_is_left_to_the_next_visit() -> None:
    fakes = Fakes()
    fakes.clusters.on_patch = fakes.records.rotations.clear
    fakes.visit()
    fakes.clusters.on_patch = None
    fakes.run(HOUR)
    assert fakes.rotation.reason is Reason.ALREADY_THERE


def test_a_row_that_changes_at_every_try_is_left_to_the_next_visit_and_the_log_still_has_the_operation() -> None:
    fakes = Fakes()

    def always_changed(row: object) -> None:
        if isinstance(row, type(rotation())) and row.attempt.accepted_at is not None:
            fakes.records.put(fakes.rotation)

    fakes.records.before_save = always_changed
    fakes.visit()
    (line,) = fakes.log.of(LogEvent.UPDATE_ACCEPTED)
    assert line.fields["operationId"] == "operation-1"
    fakes.records.before_save = None
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert len(fakes.clusters.patches) == 1


def test_a_row_that_changes_while_its_end_is_announced_is_announced_late_once_more() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.run(9 * MINUTE)
    fakes.clock.now += 5 * MINUTE

    def somebody_writes(row: object) -> None:
        if isinstance(row, type(rotation())) and row.outcome.announced:
            fakes.records.before_save = None
            fakes.records.put(fakes.rotation)

    fakes.records.before_save = somebody_writes
    fakes.visit()
    assert fakes.finished == [Stage.SUCCEEDED]
    assert not fakes.rotation.outcome.announced
    fakes.run(HOUR)
    assert (fakes.finished, fakes.rotation.outcome.announced) == ([Stage.SUCCEEDED] * 2, True)
    assert len({id_ for id_, _, _ in fakes.outcomes.published}) == 1, "the same news"


@pytest.mark.parametrize("rivals", [1, 2])
def test_of_visits_that_find_an_end_unannounced_at_the_same_time_one_announces_it(rivals: int) -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
    fakes.records.put(over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, announced=False, published=False))
    left = [1] * rivals

    def another_visit_comes_first(_: object) -> None:
        if left:
            left.pop()
            fakes.visit()

    fakes.records.before_save = another_visit_comes_first
    fakes.visit()
    assert fakes.finished == [Stage.SUCCEEDED]
    assert len(fakes.outcomes.published) == 1
    assert fakes.rotation.outcome.announcing_until is None


def test_a_crash_while_an_end_is_announced_late_is_healed_by_a_visit_two_minutes_later() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
    fakes.records.put(over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, announced=False, published=False))
    fakes.effects.die_after = 1
    with pytest.raises(ProcessDiedError):
        fakes.visit()
    assert fakes.finished == []
    fakes.visit()
    assert fakes.finished == [], "the one that claimed it may be alive still"
    fakes.clock.now += 2 * MINUTE
    fakes.visit()
    assert fakes.finished == [Stage.SUCCEEDED]


def test_a_visit_that_ends_a_rotation_second_says_nothing() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.run(9 * MINUTE)
    fakes.clock.now += 5 * MINUTE
    rivals = [1]

    def another_visit_comes_first(row: object) -> None:
        if rivals and isinstance(row, type(rotation())) and row.stage is Stage.SUCCEEDED:
            rivals.pop()
            fakes.visit()

    fakes.records.before_save = another_visit_comes_first
    fakes.visit()
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert len(fakes.outcomes.published) == 1


# --- rows that another visit changed first --------------------------------------------------------------------------------


def test_progress_that_another_look_noted_first_is_left_to_it() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.run(MINUTE, reconcile=False)
    fakes.records.put(changed(fakes.rotation, operation_status="Accepted"))
    meet_a_rival(fakes, Stage.UPDATING)
    fakes.visit()
    assert fakes.rotation.attempt.operation_status == "Accepted"
    assert fakes.status.looked_at == fakes.clock.now
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]


def test_a_waiting_rotation_that_another_visit_put_on_record_is_not_put_there_twice() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(state="Updating")
    fakes.records.before_save = lambda row: fakes.records.put(waiting()) if row.etag is None else None
    fakes.visit()
    assert steps(fakes) == []
    assert fakes.rotation.event_id is None


def test_an_announcement_that_another_visit_noted_first_is_left_to_it() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.run(9 * MINUTE)
    fakes.clock.now += 5 * MINUTE
    rivals = [1]

    def another_visit_notes_it(row: object) -> None:
        if rivals and isinstance(row, type(rotation())) and row.outcome.announced:
            rivals.pop()
            fakes.records.put(row)

    fakes.records.before_save = another_visit_notes_it
    fakes.visit()
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert fakes.status.reason is Reason.UP_TO_DATE


def test_the_end_of_an_old_version_s_time_that_another_visit_noted_first_is_left_to_it() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.run(HOUR)
    fakes.records.put(changed(fakes.rotation, keep_old_version_until=None))
    meet_a_rival(fakes, Stage.SUCCEEDED)
    fakes.reconcile()
    assert "old version free" not in steps(fakes)
    fakes.reconcile()
    assert steps(fakes).count("old version free") == 1


def meet_a_rival(fakes: Fakes, stage: Stage) -> None:
    """Another visit writes the rotation's row right before this one does."""
    rivals = [1]

    def write(row: object) -> None:
        if rivals and isinstance(row, type(rotation())) and row.stage is stage:
            rivals.pop()
            fakes.records.put(fakes.rotation)

    fakes.records.before_save = write


# --- corrupt records ------------------------------------------------------------------------------------------------------


def test_times_in_the_far_future_delay_nothing_for_long() -> None:
    far = NOW + 10_000 * DAY
    fakes = Fakes()
    fakes.visit()
    fakes.records.put(
        changed(fakes.rotation, claimed_until=far, started_at=far, requested_at=far, at_target_since=far),
        changed_status(fakes.status, since=far, looked_at=far, next_visit_at=far, attention_at=far, saying_since=far),
    )
    fakes.requests.pending.clear()
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]


def test_times_in_the_far_past_break_nothing() -> None:
    past = NOW - 10_000 * DAY
    fakes = Fakes()
    fakes.visit()
    fakes.records.put(
        changed(fakes.rotation, claimed_until=past, started_at=past, requested_at=past),
        changed_status(
            fakes.status, since=past, looked_at=past, next_visit_at=past, attention_at=past, saying_since=past
        ),
    )
    fakes.requests.pending.clear()
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]


def test_two_updating_rows_both_come_to_an_end() -> None:
    fakes = Fakes()
    fakes.records.put(claimed(to_version=V3, requested_at=NOW - DAY), claimed())
    fakes.visit()
    fakes.run(HOUR)
    assert sorted(row.stage for row in fakes.records.rotations.values()) == [Stage.SUCCEEDED, Stage.SUPERSEDED]
    assert fakes.clusters.patches == [(CLUSTER, V2)]


def test_a_rotation_whose_end_nobody_heard_of_is_announced_by_the_next_visit() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
    fakes.records.put(over(Stage.FAILED, Reason.UPDATE_FAILED, announced=False, published=False, remedy="Repair it."))
    fakes.visit()
    assert fakes.finished == [Stage.FAILED, Stage.SUCCEEDED]


def test_a_waiting_rotation_yields_to_a_newer_version() -> None:
    fakes = Fakes()
    fakes.keys.listed[KEY] = (version(V1), version(V2), version(V3))
    fakes.records.put(waiting())
    fakes.visit()
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUPERSEDED, Stage.SUCCEEDED]


def test_two_reads_that_confirm_must_belong_to_the_same_attempt() -> None:
    fakes = Fakes()
    fakes.clusters.without_operation = True
    fakes.records.put(claimed(at_target_since=NOW - HOUR, claimed_until=NOW - 6 * MINUTE))
    fakes.visit()
    assert fakes.rotation.attempt.at_target_since is None
