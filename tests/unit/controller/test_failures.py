"""What a visit does when Azure refuses, is busy, or does not answer, and when storage fails."""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from cmk_rotation.controller.ports import StorageUnavailableError
from cmk_rotation.domain.azure_resources import Failure, Operation, OperationError
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.vocabulary import FailureKind, Mode, Reason, RequestedBy, Stage
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    HOUR,
    KEY,
    MINUTE,
    NOW,
    SECOND,
    UNAVAILABLE,
    V1,
    V2,
    cluster,
    failure,
    version,
)
from tests.unit.support.fakes import BUSY
from tests.unit.support.worlds import Fakes

REFUSAL = failure(FailureKind.REFUSED, code="HTTP 400", message="Failed to validate key in Key Vault.")


def chains(fakes: Fakes) -> int:
    """How many visits to the cluster are on the queue."""
    return sum(message.visit.cluster == CLUSTER for message in fakes.requests.pending)


def steps(fakes: Fakes) -> list[str]:
    return [step.name for step in fakes.records.steps]


# --- refused, busy, unavailable -------------------------------------------------------------------------------------------


def test_a_refused_update_fails_with_its_remedy_and_rests_longer_each_time() -> None:
    fakes = Fakes()
    fakes.clusters.refuses = REFUSAL
    fakes.visit()
    assert (fakes.rotation.stage, fakes.rotation.reason) == (Stage.FAILED, Reason.UPDATE_REFUSED)
    assert "wrap and unwrap" in (fakes.rotation.remedy or "")
    assert fakes.status.reason is Reason.UPDATE_REFUSED
    assert fakes.log.errors == ["rotation.finished"], "one line at ERROR"
    assert len(fakes.log.of(LogEvent.UPDATE_REFUSED, logging.INFO)) == 1
    sent_at = [len(fakes.clusters.sent)]
    for hours in range(8):
        fakes.run(HOUR if hours else 50 * MINUTE)
        sent_at.append(len(fakes.clusters.sent))
    assert sent_at == [1, 1, 2, 2, 3, 3, 3, 3, 4]  # after 1, 2 and 4 hours, at reconcile's pace
    assert fakes.finished == [Stage.FAILED] * 4


def test_a_failed_cluster_that_azure_calls_busy_has_refused() -> None:
    fakes = Fakes()
    words = "Operation can't be executed now. Async operation is in a state other than succeeded."
    fakes.clusters.end, fakes.clusters.leaves, fakes.clusters.arrives = Operation("Failed"), "Failed", False
    fakes.visit()
    fakes.run(HOUR - MINUTE)
    fakes.clusters.refuses = replace(BUSY, message=words)
    fakes.run(29 * HOUR)
    assert len(fakes.clusters.sent) == 5, "again after 1, 2, 4 and 8 hours"
    assert (fakes.rotation.stage, fakes.rotation.reason) == (Stage.FAILED, Reason.UPDATE_REFUSED)
    assert words in fakes.rotation.message


def test_an_operator_skips_the_rest_once() -> None:
    fakes = Fakes()
    fakes.clusters.refuses = REFUSAL
    fakes.visit()
    fakes.visit()
    assert len(fakes.clusters.sent) == 1
    for _ in range(3):
        fakes.clock.now += MINUTE
        fakes.visit(by=RequestedBy.OPERATOR)
        assert len(fakes.clusters.sent) == 2, "however often they ask within ten minutes"
    assert fakes.status.reason is Reason.UPDATE_REFUSED
    fakes.clock.now += 10 * MINUTE
    fakes.visit(by=RequestedBy.OPERATOR)
    assert len(fakes.clusters.sent) == 3


def test_an_operator_who_finds_a_failure_does_not_send_the_next_attempt_unseen() -> None:
    fakes = Fakes()
    fakes.clusters.end = Operation("Failed", OperationError("Bad", "no"))
    fakes.clusters.arrives = False
    fakes.visit()
    fakes.clock.now += 15 * MINUTE
    fakes.visit(by=RequestedBy.OPERATOR)
    assert fakes.finished == [Stage.FAILED]
    assert len(fakes.clusters.sent) == 1


def test_an_attempt_that_an_operator_asked_for_says_so() -> None:
    fakes = Fakes()
    fakes.clusters.refuses = REFUSAL
    fakes.visit()
    assert fakes.rotation.requested_by is RequestedBy.EVENT
    fakes.clock.now += MINUTE
    fakes.visit(by=RequestedBy.OPERATOR)
    assert (fakes.rotation.attempts, fakes.rotation.requested_by) == (2, RequestedBy.OPERATOR)


def test_a_cluster_that_cannot_be_read_for_want_of_a_token_says_where_to_look() -> None:
    fakes = Fakes()
    fakes.clusters.get_failure = Failure(FailureKind.UNAVAILABLE, "NoToken", "no identity endpoint")
    fakes.visit()
    assert "managed identity" in (fakes.status.remedy or "")


def test_a_refused_cluster_calls_again_every_day_until_it_recovers() -> None:
    fakes = Fakes(timing=replace(Fakes().timing, retry_floor=100 * DAY, retry_ceiling=100 * DAY))
    fakes.clusters.refuses = REFUSAL
    fakes.visit()
    fakes.run(3 * DAY + HOUR)
    assert len(fakes.log.of(LogEvent.CLUSTER_ATTENTION)) == 3
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
    fakes.run(HOUR)
    assert fakes.rotation.reason is Reason.ALREADY_THERE
    assert len(fakes.log.of(LogEvent.CLUSTER_RECOVERED)) == 1


def test_a_failed_attempt_that_somebody_completes_is_another_outcome_than_the_failure() -> None:
    fakes = Fakes()
    fakes.clusters.refuses = REFUSAL
    fakes.visit()
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
    fakes.run(20 * MINUTE)
    assert [data["stage"] for _, _, data in fakes.outcomes.published] == ["failed", "succeeded"]
    first, second = (event_id for event_id, _, _ in fakes.outcomes.published)
    assert first != second


@pytest.mark.parametrize("answer", [BUSY, failure(FailureKind.REFUSED, code="HTTP 400", message="words nobody knows")])
def test_busy_after_our_own_claim_means_under_way_whatever_the_words(answer: object) -> None:
    fakes = Fakes()
    assert answer is BUSY or isinstance(answer, type(BUSY))

    def somebody_else_is_faster() -> None:
        fakes.clusters.stored[CLUSTER] = cluster(state="Updating")

    fakes.clusters.refuses, fakes.clusters.on_patch = answer, somebody_else_is_faster
    fakes.visit()
    assert (fakes.rotation.stage, fakes.rotation.reason) == (Stage.UPDATING, Reason.UPDATE_RUNNING)
    assert steps(fakes) == ["claimed", "busy"]
    fakes.run(30 * MINUTE)
    assert len(fakes.clusters.sent) == 1
    fakes.clusters.refuses = fakes.clusters.on_patch = None
    fakes.clusters.stored[CLUSTER] = cluster()
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert fakes.log.errors == []


def test_a_refusal_stays_one_if_the_cluster_cannot_be_read_after_it() -> None:
    fakes = Fakes()

    def arm_falls_silent() -> None:
        fakes.clusters.get_failure = UNAVAILABLE

    fakes.clusters.refuses, fakes.clusters.on_patch = REFUSAL, arm_falls_silent
    fakes.visit()
    assert fakes.rotation.reason is Reason.UPDATE_REFUSED


def test_a_cluster_that_answers_busy_for_hours_though_it_looks_free_is_asked_slowly_and_called_out() -> None:
    fakes = Fakes()
    fakes.clusters.refuses = BUSY
    fakes.visit()
    fakes.run(5 * HOUR)
    assert fakes.log.errors == []
    assert len(fakes.clusters.sent) <= 5 * 60 // 2
    sent = len(fakes.clusters.sent)
    fakes.run(5 * HOUR)
    assert fakes.log.errors == ["update.overdue"]
    assert chains(fakes) <= 2
    assert len(fakes.clusters.sent) - sent <= 12 + 4 * 4, "past the deadline, no more often than every 15 minutes"


def test_a_busy_cluster_is_waited_for_with_the_rotation_on_record() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(state="ProvisioningAccount")
    fakes.key_changed()
    fakes.run(HOUR)
    assert (fakes.rotation.stage, fakes.rotation.reason, fakes.rotation.event_id) == (
        Stage.WAITING,
        Reason.CLUSTER_BUSY,
        "event-1",
    )
    assert steps(fakes) == ["waiting"]
    assert chains(fakes) == 1
    fakes.clusters.stored[CLUSTER] = cluster()
    fakes.run(HOUR)
    assert fakes.rotation.reason is Reason.UPDATE_CONFIRMED


def test_a_cluster_that_stays_busy_is_called_out_once_a_day() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(state="ProvisioningAccount")
    fakes.visit()
    fakes.run(5 * HOUR)
    assert fakes.log.errors == []
    fakes.run(30 * HOUR)
    assert fakes.log.errors == ["cluster.attention"] * 2
    assert fakes.status.reason is Reason.CLUSTER_STUCK


def test_an_unavailable_azure_is_asked_again_in_1_to_15_minutes_and_called_out_after_an_hour() -> None:
    fakes = Fakes()
    fakes.clusters.get_failure = UNAVAILABLE
    fakes.visit()
    fakes.run(HOUR - MINUTE)
    assert fakes.log.errors == []
    waits = [after for _, after in fakes.requests.requested]
    assert (min(waits), max(waits)) == (MINUTE, 15 * MINUTE)
    fakes.run(3 * DAY)
    attention = fakes.log.of(LogEvent.CLUSTER_ATTENTION)
    assert [line.fields["reason"] for line in attention] == [Reason.CLUSTER_UNREACHABLE] * 3
    fakes.clusters.get_failure = None
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert len(fakes.log.of(LogEvent.CLUSTER_RECOVERED)) == 1


def test_an_unavailable_key_vault_is_called_out_after_an_hour_and_then_daily() -> None:
    fakes = Fakes()
    fakes.keys.failure = UNAVAILABLE
    fakes.visit()
    fakes.run(HOUR - MINUTE)
    assert fakes.log.errors == []
    fakes.run(2 * DAY)
    assert [line.fields["reason"] for line in fakes.log.of(LogEvent.CLUSTER_ATTENTION)] == [Reason.KEY_UNREACHABLE] * 2


def test_trouble_whose_reason_changes_with_each_look_is_paced_called_out_and_over_as_one() -> None:
    fakes = Fakes()
    fakes.clusters.get_failure, fakes.clusters.get_fails_each = UNAVAILABLE, 2
    fakes.keys.failure = UNAVAILABLE
    fakes.visit()
    fakes.run(HOUR - MINUTE)
    assert fakes.log.errors == []
    reasons = {line.fields["reason"] for line in fakes.log.of(LogEvent.VISIT_DECIDED)}
    assert reasons == {Reason.CLUSTER_UNREACHABLE, Reason.KEY_UNREACHABLE}
    fakes.run(2 * DAY)
    assert len(fakes.log.of(LogEvent.CLUSTER_ATTENTION)) == 2
    assert {line.fields["since"] for line in fakes.log.of(LogEvent.CLUSTER_ATTENTION)} == {NOW}
    assert len(fakes.requests.requested) < 2 * 24 * 4 + 20  # every 15 minutes, after a minute at first
    fakes.clusters.get_failure = fakes.keys.failure = None
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert fakes.status.unavailable_since is None
    assert len(fakes.log.of(LogEvent.CLUSTER_RECOVERED)) == 1


def test_a_cluster_that_stays_busy_is_called_out_though_every_other_look_cannot_see_it() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(state="Updating")
    fakes.clusters.get_failure, fakes.clusters.get_fails_each = UNAVAILABLE, 2
    fakes.visit()
    fakes.run(6 * HOUR - 10 * MINUTE)
    assert fakes.log.errors == []
    fakes.run(HOUR)
    assert [line.fields["reason"] for line in fakes.log.of(LogEvent.CLUSTER_ATTENTION)] == [Reason.CLUSTER_STUCK]


def test_a_look_that_could_read_everything_ends_trouble() -> None:
    fakes = Fakes(mode=Mode.OBSERVE)
    for failing in (True, False, True):
        fakes.keys.failure = UNAVAILABLE if failing else None
        fakes.visit()
        assert (fakes.status.unavailable_since is not None) is failing
        fakes.clock.now += 40 * MINUTE
    assert fakes.log.errors == []


def test_an_unanswered_update_that_took_effect_is_not_sent_again() -> None:
    fakes = Fakes()
    fakes.clusters.answer_lost = UNAVAILABLE
    fakes.visit()
    assert (fakes.rotation.stage, fakes.rotation.reason) == (Stage.UPDATING, Reason.CLUSTER_UNREACHABLE)
    fakes.run(HOUR)
    assert len(fakes.clusters.sent) == 1
    assert fakes.rotation.reason is Reason.CONFIRMED_BY_CLUSTER


def test_an_unanswered_update_that_did_not_take_effect_is_sent_three_times_and_then_at_the_pace_of_what_failed() -> (
    None
):
    fakes = Fakes()
    fakes.clusters.refuses = UNAVAILABLE
    fakes.visit()
    fakes.run(20 * MINUTE)
    assert len(fakes.clusters.sent) == 3
    assert fakes.log.errors == []
    fakes.run(20 * MINUTE)
    assert fakes.log.errors == ["rotation.finished"]
    assert (fakes.rotation.stage, fakes.rotation.reason) == (Stage.FAILED, Reason.UPDATE_FAILED)
    fakes.run(2 * DAY)
    assert len(fakes.clusters.sent) <= 12
    fakes.clusters.refuses = None
    fakes.run(DAY)
    assert fakes.finished[-1] is Stage.SUCCEEDED


def test_an_update_that_azure_throttles_rests_as_long_as_azure_says() -> None:
    fakes = Fakes()
    fakes.clusters.refuses = failure(FailureKind.THROTTLED, retry_after=40 * MINUTE)
    fakes.visit()
    fakes.clusters.refuses = None
    fakes.run(39 * MINUTE)
    assert len(fakes.clusters.sent) == 1
    fakes.run(2 * MINUTE)
    assert len(fakes.clusters.sent) == 2


@pytest.mark.parametrize("kind", [FailureKind.THROTTLED, FailureKind.BUSY])
def test_an_update_that_azure_is_known_not_to_have_taken_is_sent_again_after_a_minute_as_the_same_attempt(
    kind: FailureKind,
) -> None:
    fakes = Fakes()
    fakes.clusters.refuses = failure(kind)
    fakes.visit()
    fakes.run(55 * SECOND)
    fakes.visit()
    assert len(fakes.clusters.sent) == 1
    fakes.clusters.refuses = None
    fakes.run(10 * SECOND)
    assert len(fakes.clusters.sent) == 2
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert fakes.rotation.attempts == 1


@pytest.mark.parametrize("leaves", ["Succeeded", "Failed"])
def test_updates_whose_answers_are_lost_and_whose_operations_fail_are_counted_and_called_out(leaves: str) -> None:
    fakes = Fakes()
    fakes.clusters.answer_lost, fakes.clusters.arrives, fakes.clusters.leaves = UNAVAILABLE, False, leaves
    fakes.visit()
    fakes.run(HOUR)
    assert fakes.finished == [Stage.FAILED]
    reason = Reason.UPDATE_FAILED if leaves == "Succeeded" else Reason.CLUSTER_FAILED
    assert fakes.rotation.reason is reason
    assert fakes.rotation.attempts == len(fakes.clusters.sent) == (3 if leaves == "Succeeded" else 1)
    fakes.run(30 * HOUR)
    assert len(fakes.clusters.patches) <= 12  # at the pace of what fails: 1, 2, 4, 8, 16 hours
    assert fakes.rotation.attempts == len(fakes.clusters.sent)


@pytest.mark.parametrize("stops", ["hold", "disabled", "unknown", "observe"])
def test_a_claim_that_was_never_taken_does_not_stay_under_way_when_nothing_is_to_be_sent_any_more(stops: str) -> None:
    fakes = Fakes()
    fakes.clusters.refuses = UNAVAILABLE
    fakes.visit()
    assert len(fakes.clusters.sent) == 1
    match stops:
        case "hold":
            fakes.clusters.stored[CLUSTER] = cluster(held=True)
        case "disabled":
            fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
        case "unknown":
            fakes.keys.listed[KEY] = (version(V2),)
        case _:
            fakes.mode = Mode.OBSERVE
    fakes.run(HOUR)
    assert fakes.rotation.stage is Stage.WAITING
    asked = len(fakes.requests.requested)
    fakes.run(2 * DAY)
    assert fakes.log.of(LogEvent.RECONCILE_FINISHED)[-1].fields["underWay"] == 0
    assert len(fakes.requests.requested) - asked <= 4, "looked at daily, not each time that the timer rings"
    assert len(fakes.clusters.sent) == 1


# --- the outcome topic ----------------------------------------------------------------------------------------------------


def test_an_outcome_that_cannot_be_published_is_published_later_under_the_same_id() -> None:
    fakes = Fakes()
    fakes.outcomes.failure = UNAVAILABLE
    fakes.visit()
    fakes.run(2 * HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert fakes.log.errors == ["visit.failed"]
    fakes.outcomes.failure = None
    fakes.run(30 * MINUTE)
    assert len(fakes.outcomes.published) == 1
    assert fakes.rotation.outcome.published
    assert fakes.finished == [Stage.SUCCEEDED]


def test_an_outcome_that_cannot_be_published_for_a_day_is_given_up_and_that_is_said() -> None:
    fakes = Fakes()
    fakes.outcomes.failure = UNAVAILABLE
    fakes.visit()
    fakes.run(2 * DAY)
    assert fakes.log.errors == ["visit.failed"] * 2
    assert "given up" in str(fakes.log.of(LogEvent.VISIT_FAILED)[-1].fields["message"])
    assert fakes.rotation.outcome.published


# --- storage ----------------------------------------------------------------------------------------------------------------


def storage_calls() -> int:
    fakes = Fakes()
    fakes.visit()
    return fakes.effects.calls


@pytest.mark.parametrize("call", range(1, storage_calls() + 1))
def test_a_storage_failure_is_raised_only_before_a_next_visit_was_requested(call: int) -> None:
    fakes = Fakes()
    fakes.effects.failing_calls = frozenset({call})
    try:
        fakes.visit()
    except StorageUnavailableError:
        assert fakes.requests.requested == []
    else:
        assert fakes.requests.requested != []


def all_storage_calls() -> int:
    fakes = Fakes()
    fakes.key_changed()
    fakes.run(2 * HOUR)
    return fakes.effects.calls


@pytest.mark.parametrize("call", range(1, all_storage_calls() + 1))
def test_a_storage_failure_at_any_moment_heals(call: int) -> None:
    fakes = Fakes()
    fakes.effects.failing_calls = frozenset({call})
    fakes.key_changed()
    fakes.run(3 * HOUR)
    assert fakes.finished in ([Stage.SUCCEEDED], [Stage.SUCCEEDED] * 2)  # twice if said and then not noted as said
    assert len(fakes.clusters.patches) == 1
    assert fakes.rotation.verified
    assert fakes.poisoned == []
    assert set(fakes.log.errors) <= {"visit.failed"}


def test_an_update_that_could_not_be_noted_is_told_of_and_found_again() -> None:
    fakes = Fakes()

    def storage_goes_down() -> None:
        fakes.effects.storage_is_down = True

    fakes.clusters.on_patch = storage_goes_down
    fakes.visit()
    assert fakes.log.errors == ["visit.failed"]
    fakes.effects.storage_is_down, fakes.clusters.on_patch = False, None
    fakes.run(HOUR)
    assert fakes.rotation.reason is Reason.CONFIRMED_BY_CLUSTER
    assert len(fakes.clusters.sent) == 1


@pytest.mark.parametrize("wait", [timedelta(), 3 * HOUR])
def test_a_long_storage_outage_loses_nothing(wait: timedelta) -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.effects.storage_is_down = True
    fakes.run(HOUR + wait)
    fakes.effects.storage_is_down = False
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert chains(fakes) == 0
