"""How an update of ours ends: every row of the verification table, and what lies between the rows."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from cmk_rotation.decisions.observation import Decision, Finish, Observation
from cmk_rotation.decisions.policy import decide, settle
from cmk_rotation.domain.azure_resources import Operation, OperationError
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.vocabulary import Action, FailureKind, Reason, Stage
from tests.unit.support.builders import (
    BLOCKED,
    DAY,
    GONE,
    HOUR,
    MINUTE,
    NOW,
    REFUSED,
    SECOND,
    UNAVAILABLE,
    V1,
    V2,
    V3,
    claimed,
    cluster,
    failure,
    observation,
    over,
    rotation,
    status,
    version,
    waiting,
)

DONE, RUNNING = Operation("Succeeded"), Operation("Updating")
FAILED = Operation("Failed", OperationError("BadKey", "Failed to validate key"))
CANCELED = Operation("Canceled")
AT_TARGET, AT_OLD = cluster(key_version=V2), cluster()
BUSY_AT_TARGET, BUSY_AT_OLD = cluster(key_version=V2, state="Updating"), cluster(state="Updating")
FAILED_AT_TARGET, FAILED_AT_OLD = cluster(key_version=V2, state="Failed"), cluster(state="Failed")
SECOND_READ = {"at_target_since": NOW - MINUTE}
TEN_MINUTES = {"elsewhere_since": NOW - 10 * MINUTE}
SUCCEEDED, ENDED_BADLY, SUPERSEDED = Stage.SUCCEEDED, Stage.FAILED, Stage.SUPERSEDED


def seen(now_open: Rotation | None = None, **changes: Any) -> Observation:
    """An observation with an update under way."""
    return observation(now_open or rotation(), **changes)


def finish(seen: Observation) -> Rotation:
    decision = decide(seen)
    assert isinstance(decision, Finish), decision
    return decision.rotation


def decision(seen: Observation) -> Decision:
    decision = decide(seen)
    assert isinstance(decision, Decision), decision
    return decision


def progress(seen: Observation) -> Rotation:
    progress = decision(seen).progress
    assert progress is not None
    return progress


ENDS: dict[str, tuple[Observation, Stage, Reason]] = {
    "the operation succeeded and the cluster shows the target": (
        seen(cluster=AT_TARGET, operation=DONE),
        SUCCEEDED,
        Reason.UPDATE_CONFIRMED,
    ),
    "words and versions are compared without regard to case": (
        seen(cluster=cluster(key_version=V2.upper(), state="SUCCEEDED"), operation=Operation("SUCCEEDED")),
        SUCCEEDED,
        Reason.UPDATE_CONFIRMED,
    ),
    "the vault's uri is compared normalised": (
        seen(cluster=replace(AT_TARGET, key_vault_uri="HTTPS://Contoso.vault.azure.net:443/"), operation=DONE),
        SUCCEEDED,
        Reason.UPDATE_CONFIRMED,
    ),
    "no operation was given and two reads show the target": (
        seen(rotation(operation_url=None, **SECOND_READ), cluster=AT_TARGET),
        SUCCEEDED,
        Reason.CONFIRMED_BY_CLUSTER,
    ),
    "the operation is gone and two reads show the target": (
        seen(rotation(**SECOND_READ), cluster=AT_TARGET, operation=GONE),
        SUCCEEDED,
        Reason.CONFIRMED_BY_CLUSTER,
    ),
    "the operation may not be read and two reads show the target": (
        seen(rotation(**SECOND_READ), cluster=AT_TARGET, operation=REFUSED),
        SUCCEEDED,
        Reason.CONFIRMED_BY_CLUSTER,
    ),
    "the operation is out of reach from here and two reads show the target": (
        seen(rotation(**SECOND_READ), cluster=AT_TARGET, operation=BLOCKED),
        SUCCEEDED,
        Reason.CONFIRMED_BY_CLUSTER,
    ),
    "the operation has been silent for an hour and two reads show the target": (
        seen(rotation(silent_since=NOW - HOUR, **SECOND_READ), cluster=AT_TARGET, operation=UNAVAILABLE),
        SUCCEEDED,
        Reason.CONFIRMED_BY_CLUSTER,
    ),
    "nothing came of the claim that is known but two reads show the target": (
        seen(claimed(claimed_until=NOW + MINUTE, **SECOND_READ), cluster=AT_TARGET),
        SUCCEEDED,
        Reason.CONFIRMED_BY_CLUSTER,
    ),
    "the operation failed but the cluster shows the target": (
        seen(cluster=AT_TARGET, operation=FAILED),
        SUCCEEDED,
        Reason.CONFIRMED_DESPITE_OPERATION,
    ),
    "the operation was canceled but the cluster shows the target": (
        seen(cluster=AT_TARGET, operation=CANCELED),
        SUCCEEDED,
        Reason.CONFIRMED_DESPITE_OPERATION,
    ),
    "the operation failed and the cluster does not show the target": (
        seen(cluster=AT_OLD, operation=FAILED),
        ENDED_BADLY,
        Reason.UPDATE_FAILED,
    ),
    "the operation was canceled and the cluster does not show the target": (
        seen(cluster=AT_OLD, operation=CANCELED),
        ENDED_BADLY,
        Reason.UPDATE_FAILED,
    ),
    "the operation failed while the cluster is busy with another version": (
        seen(cluster=BUSY_AT_OLD, operation=FAILED),
        ENDED_BADLY,
        Reason.UPDATE_FAILED,
    ),
    "the operation failed and so did the cluster elsewhere": (
        seen(cluster=FAILED_AT_OLD, operation=FAILED),
        ENDED_BADLY,
        Reason.UPDATE_FAILED,
    ),
    "the operation failed and so did the cluster at the target": (
        seen(cluster=FAILED_AT_TARGET, operation=FAILED),
        ENDED_BADLY,
        Reason.UPDATE_FAILED,
    ),
    "the operation succeeded but the cluster failed at the target": (
        seen(cluster=FAILED_AT_TARGET, operation=DONE),
        ENDED_BADLY,
        Reason.CLUSTER_FAILED,
    ),
    "the operation succeeded but the cluster was canceled at the target": (
        seen(cluster=cluster(key_version=V2, state="Canceled"), operation=DONE),
        ENDED_BADLY,
        Reason.CLUSTER_FAILED,
    ),
    "the operation succeeded but the cluster has shown another version for ten minutes": (
        seen(rotation(**TEN_MINUTES), cluster=AT_OLD, operation=DONE),
        ENDED_BADLY,
        Reason.READ_BACK_DIFFERS,
    ),
    "the operation succeeded but the cluster has been failed elsewhere for ten minutes": (
        seen(rotation(**TEN_MINUTES), cluster=FAILED_AT_OLD, operation=DONE),
        ENDED_BADLY,
        Reason.CLUSTER_FAILED,
    ),
    "the update was taken without an operation and the cluster has shown another version for ten minutes": (
        seen(rotation(operation_url=None, **TEN_MINUTES), cluster=AT_OLD),
        ENDED_BADLY,
        Reason.READ_BACK_DIFFERS,
    ),
    "the operation is gone and the cluster has shown another version for ten minutes": (
        seen(rotation(**TEN_MINUTES), cluster=AT_OLD, operation=GONE),
        ENDED_BADLY,
        Reason.READ_BACK_DIFFERS,
    ),
    "the operation is gone and the cluster has been failed at the target for ten minutes": (
        seen(rotation(**TEN_MINUTES), cluster=FAILED_AT_TARGET, operation=GONE),
        ENDED_BADLY,
        Reason.CLUSTER_FAILED,
    ),
    "somebody gave the cluster another key": (
        seen(cluster=cluster(key_name="other", key_version=V2), operation=DONE),
        SUPERSEDED,
        Reason.CHANGED_BY_OTHERS,
    ),
    "somebody gave the cluster a key of the same name in another vault": (
        seen(cluster=cluster(key_vault_uri="https://fabrikam.vault.azure.net", key_version=V2), operation=RUNNING),
        SUPERSEDED,
        Reason.CHANGED_BY_OTHERS,
    ),
    "somebody gave the cluster automatic rotation": (
        seen(cluster=cluster(key_version=None), operation=DONE),
        SUPERSEDED,
        Reason.CHANGED_BY_OTHERS,
    ),
    "somebody took the cluster's key away": (
        seen(cluster=cluster(key_vault_uri=None, key_name=None, key_version=None), operation=RUNNING),
        SUPERSEDED,
        Reason.CHANGED_BY_OTHERS,
    ),
    "another key appears while a rotation waits": (
        seen(waiting(), cluster=cluster(key_name="other")),
        SUPERSEDED,
        Reason.CHANGED_BY_OTHERS,
    ),
    "the cluster is being deleted under an update": (
        seen(cluster=cluster(state="Deleting"), operation=FAILED),
        SUPERSEDED,
        Reason.CLUSTER_DELETING,
    ),
    "the cluster is being deleted while a rotation waits": (
        seen(waiting(), cluster=cluster(state="Deleting")),
        SUPERSEDED,
        Reason.CLUSTER_DELETING,
    ),
}


@pytest.mark.parametrize("case", ENDS)
def test_an_update_ends_when(case: str) -> None:
    seen, stage, reason = ENDS[case]
    end = finish(seen)
    assert (end.stage, end.reason) == (stage, reason)
    assert end.verified is (stage is SUCCEEDED)
    assert end.outcome.finished_at == NOW
    assert end.remedy
    assert all(word in end.message for word in ("law-one", V1, V2))
    blanked = (
        end.attempt.operation_url,
        end.attempt.claimed_until,
        end.attempt.at_target_since,
        end.attempt.elsewhere_since,
        end.attempt.silent_since,
    )
    assert blanked == (None,) * 5
    assert not end.outcome.announced
    assert not end.outcome.published


GOES_ON: dict[str, Observation] = {
    "the operation runs": seen(cluster=BUSY_AT_OLD, operation=RUNNING),
    "the operation runs although the cluster shows the target at rest": seen(cluster=AT_TARGET, operation=RUNNING),
    "the operation runs although the cluster is at rest elsewhere": seen(cluster=AT_OLD, operation=RUNNING),
    "the operation runs and the cluster is failed": seen(cluster=FAILED_AT_OLD, operation=RUNNING),
    "the operation is in a state of the future": seen(cluster=AT_TARGET, operation=Operation("Finalizing")),
    "the operation succeeded but the cluster is busy": seen(cluster=BUSY_AT_TARGET, operation=DONE),
    "the operation succeeded but the cluster is in a state of the future": seen(
        cluster=cluster(key_version=V2, state="Migrating"), operation=DONE
    ),
    "the operation succeeded but the cluster shows another version": seen(cluster=AT_OLD, operation=DONE),
    "the same, for just under ten minutes": seen(
        rotation(elsewhere_since=NOW - 10 * MINUTE + SECOND), cluster=AT_OLD, operation=DONE
    ),
    "the operation failed but the cluster, at the target, is busy": seen(cluster=BUSY_AT_TARGET, operation=FAILED),
    "no operation was given and one read shows the target": seen(rotation(operation_url=None), cluster=AT_TARGET),
    "the same, twice within just under a minute": seen(
        rotation(operation_url=None, at_target_since=NOW - MINUTE + SECOND), cluster=AT_TARGET
    ),
    "no operation was given and the cluster is busy": seen(rotation(operation_url=None), cluster=BUSY_AT_OLD),
    "the operation has been silent for just under an hour, and two reads show the target": seen(
        rotation(silent_since=NOW - HOUR + SECOND, **SECOND_READ), cluster=AT_TARGET, operation=UNAVAILABLE
    ),
    "the operation is silent now": seen(cluster=AT_OLD, operation=UNAVAILABLE),
    "the cluster shows no key while it is being changed": seen(
        cluster=cluster(state="Updating", key_vault_uri=None, key_name=None, key_version=None), operation=RUNNING
    ),
    "the claim may be in flight": seen(claimed(claimed_until=NOW + MINUTE), cluster=AT_OLD),
    "the claim has lapsed but the cluster is busy": seen(claimed(claimed_until=NOW - MINUTE), cluster=BUSY_AT_OLD),
}


@pytest.mark.parametrize("case", GOES_ON)
def test_an_update_goes_on_while(case: str) -> None:
    opinion = decision(GOES_ON[case])
    assert (opinion.action, opinion.reason) == (Action.WAIT, Reason.UPDATE_RUNNING)
    assert opinion.requeue_after is not None
    assert opinion.requeue_after > timedelta()


def test_an_error_of_the_operation_is_kept_whatever_the_end() -> None:
    failed = finish(seen(cluster=AT_OLD, operation=FAILED))
    despite = finish(seen(cluster=AT_TARGET, operation=FAILED))
    assert failed.attempt.operation_error == despite.attempt.operation_error == FAILED.error
    assert failed.attempt.operation_status == despite.attempt.operation_status == "Failed"
    assert "BadKey: Failed to validate key" in failed.message


def test_a_known_error_of_the_operation_decides_the_remedy_of_a_failure() -> None:
    assert "wrap and unwrap" in (finish(seen(cluster=AT_OLD, operation=FAILED)).remedy or "")


def test_an_end_without_the_operation_s_word_keeps_what_was_known_of_it() -> None:
    told = rotation(operation_status="Updating", **SECOND_READ)
    assert finish(seen(told, cluster=AT_TARGET, operation=GONE)).attempt.operation_status == "Updating"


def test_the_first_look_at_the_target_asks_for_a_second_one_a_minute_later() -> None:
    opinion = decision(seen(rotation(operation_url=None), cluster=AT_TARGET))
    assert opinion.requeue_after == MINUTE
    assert opinion.progress is not None
    assert opinion.progress.attempt.at_target_since == NOW


def test_an_early_second_look_waits_for_the_rest_of_the_minute() -> None:
    early = rotation(operation_url=None, at_target_since=NOW - 20 * SECOND)
    assert decision(seen(early, cluster=AT_TARGET)).requeue_after == 40 * SECOND
    assert progress(seen(early, cluster=AT_TARGET)).attempt.at_target_since == NOW - 20 * SECOND


def test_a_first_read_in_the_future_counts_as_now() -> None:
    forged = rotation(operation_url=None, at_target_since=NOW + DAY, elsewhere_since=NOW + DAY)
    assert progress(seen(forged, cluster=AT_TARGET)).attempt.at_target_since == NOW
    assert progress(seen(forged, cluster=AT_OLD)).attempt.elsewhere_since == NOW


def test_two_reads_of_the_target_count_only_without_a_contradiction_between_them() -> None:
    doubted = rotation(operation_url=None, **SECOND_READ)
    assert progress(seen(doubted, cluster=AT_OLD)).attempt.at_target_since is None
    assert (
        progress(seen(rotation(operation_url=None, **TEN_MINUTES), cluster=AT_TARGET)).attempt.elsewhere_since is None
    )
    assert (
        progress(seen(rotation(**TEN_MINUTES), cluster=BUSY_AT_OLD, operation=RUNNING)).attempt.elsewhere_since is None
    )


@pytest.mark.parametrize(
    ("silent_for", "after"), [(timedelta(), MINUTE), (5 * MINUTE, 5 * MINUTE), (50 * MINUTE, 15 * MINUTE)]
)
def test_a_silent_operation_is_asked_again_after_1_to_15_minutes(silent_for: timedelta, after: timedelta) -> None:
    opinion = decision(seen(rotation(silent_since=NOW - silent_for), cluster=BUSY_AT_OLD, operation=UNAVAILABLE))
    assert opinion.requeue_after == after
    assert opinion.progress is not None
    assert opinion.progress.attempt.silent_since == NOW - silent_for


def test_an_operation_that_answers_again_is_no_longer_silent() -> None:
    silent = rotation(silent_since=NOW - 5 * MINUTE)
    assert progress(seen(silent, cluster=BUSY_AT_OLD, operation=RUNNING)).attempt.silent_since is None
    assert (
        progress(seen(silent, cluster=BUSY_AT_OLD, operation=GONE)).attempt.silent_since == silent.attempt.silent_since
    )


def test_a_silence_said_to_begin_in_the_future_begins_now() -> None:
    forged = rotation(silent_since=NOW + DAY)
    assert progress(seen(forged, cluster=AT_TARGET, operation=UNAVAILABLE)).attempt.silent_since == NOW


def test_a_retry_after_of_the_operation_becomes_the_delay_of_the_next_look() -> None:
    asked = Operation("Updating", retry_after=7 * MINUTE)
    assert decision(seen(cluster=BUSY_AT_OLD, operation=asked)).requeue_after == 7 * MINUTE
    silent = failure(FailureKind.UNAVAILABLE, retry_after=20 * MINUTE)
    assert decision(seen(cluster=BUSY_AT_OLD, operation=silent)).requeue_after == 20 * MINUTE


def test_progress_notes_the_operation_s_status_and_the_cluster_s_state() -> None:
    learned = progress(seen(cluster=BUSY_AT_OLD, operation=RUNNING))
    assert (learned.attempt.operation_status, learned.cluster_state) == ("Updating", "Updating")
    assert (
        progress(seen(rotation(operation_status="Updating"), cluster=BUSY_AT_OLD)).attempt.operation_status
        == "Updating"
    )


# --- a claim of which nothing more is known --------------------------------------------------------------------------


def test_a_claim_is_not_sent_again_before_it_has_lapsed() -> None:
    opinion = decision(seen(claimed(claimed_until=NOW - 5 * MINUTE + SECOND)))
    assert (opinion.action, opinion.requeue_after) == (Action.WAIT, 5 * SECOND)
    assert decision(seen(claimed(claimed_until=NOW - 3 * MINUTE))).requeue_after == 2 * MINUTE
    later = claimed(claimed_until=NOW - 3 * MINUTE, rests_until=NOW + 4 * MINUTE)
    assert decision(seen(later)).requeue_after == 4 * MINUTE


@pytest.mark.parametrize("until", [NOW - 5 * MINUTE, NOW - DAY, None, NOW + DAY])
def test_a_claim_that_has_lapsed_or_cannot_be_believed_waits_again_and_is_sent_again(until: object) -> None:
    lapsed = seen(claimed(claimed_until=until, sends=2), cluster=AT_OLD)
    assert (finish(lapsed).stage, finish(lapsed).lapsed, finish(lapsed).attempt.sends) == (Stage.WAITING, True, 2)
    _, opinion = settle(lapsed)
    assert (opinion.action, opinion.reason) == (Action.UPDATE, Reason.VERSION_IS_BEHIND)


def test_a_claim_counts_as_in_flight_for_as_long_as_clocks_may_differ() -> None:
    opinion = decision(seen(claimed(claimed_until=NOW - 4 * MINUTE), cluster=AT_OLD))
    assert (opinion.action, opinion.requeue_after) == (Action.WAIT, MINUTE)


@pytest.mark.parametrize("until", [NOW, NOW + 2 * MINUTE])
def test_what_azure_turned_away_rests_as_long_as_azure_says_and_no_longer(until: datetime) -> None:
    turned_away = seen(claimed(claimed_until=None, rests_until=until), cluster=AT_OLD)
    if until > NOW:
        assert decision(turned_away).requeue_after == until - NOW
    else:
        assert finish(turned_away).lapsed


@pytest.mark.parametrize("at_rest", [FAILED_AT_OLD, FAILED_AT_TARGET])
def test_a_claim_that_leaves_the_cluster_failed_is_a_failed_attempt(at_rest: Any) -> None:
    end = finish(seen(claimed(claimed_until=NOW - DAY, sends=1), cluster=at_rest))
    assert (end.stage, end.reason) == (ENDED_BADLY, Reason.CLUSTER_FAILED)


@pytest.mark.parametrize(("sends", "stage"), [(2, Stage.WAITING), (3, ENDED_BADLY)])
def test_an_update_of_which_nothing_is_known_three_times_has_failed(sends: int, stage: Stage) -> None:
    end = finish(seen(claimed(claimed_until=NOW - DAY, sends=sends), cluster=AT_OLD))
    assert end.stage is stage
    assert end.reason is (Reason.UPDATE_FAILED if stage is ENDED_BADLY else Reason.VERSION_IS_BEHIND)


def test_a_claim_that_azure_did_not_answer_waits_under_its_own_name_and_after_an_hour_calls() -> None:
    unanswered = claimed(reason=Reason.CLUSTER_UNREACHABLE, rests_until=NOW + MINUTE)
    for since, action in ((NOW - HOUR + SECOND, Action.WAIT), (NOW - HOUR, Action.ATTENTION)):
        row = status(reason=Reason.CLUSTER_UNREACHABLE, since=since)
        opinion = decision(seen(unanswered, status=row))
        assert (opinion.action, opinion.reason) == (action, Reason.CLUSTER_UNREACHABLE)
        assert opinion.requeue_after == MINUTE


def test_a_claim_that_never_took_effect_yields_to_a_newer_version() -> None:
    seen_now = seen(claimed(), versions=(version(V1), version(V2), version(V3)))
    settled, _ = settle(seen_now)
    (end,) = settled.rotations
    assert (end.to_version, end.stage, end.reason) == (V2, SUPERSEDED, Reason.NEWER_VERSION)


def test_a_claim_that_never_took_effect_is_not_sent_around_a_revocation() -> None:
    settled, opinion = settle(seen(claimed(), versions=(version(V1, enabled=False), version(V2))))
    assert opinion.reason is Reason.IN_USE_DISABLED
    assert [one.stage for one in settled.rotations] == [Stage.WAITING]


# --- overdue ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", [RUNNING, None, GONE])
def test_an_update_is_overdue_only_after_the_deadline(operation: Any) -> None:
    url = {} if operation else {"operation_url": None}
    for started, reason in ((NOW - 6 * HOUR, Reason.UPDATE_RUNNING), (NOW - 6 * HOUR - SECOND, Reason.UPDATE_OVERDUE)):
        opinion = decision(seen(rotation(started_at=started, **url), cluster=BUSY_AT_OLD, operation=operation))
        assert opinion.reason is reason


def test_an_overdue_update_keeps_its_stage_calls_for_a_person_and_is_looked_at_by_reconcile() -> None:
    opinion = decision(seen(rotation(started_at=NOW - DAY), cluster=BUSY_AT_OLD, operation=RUNNING))
    assert (opinion.action, opinion.requeue_after) == (Action.ATTENTION, None)
    assert opinion.progress is not None
    assert (opinion.progress.stage, opinion.progress.reason) == (Stage.UPDATING, Reason.UPDATE_OVERDUE)
    assert opinion.progress.remedy
    assert "not finished after 24 hours, where 6 are allowed" in opinion.message
    assert "Updating" in opinion.message


def test_an_overdue_update_still_ends_well() -> None:
    end = finish(seen(rotation(started_at=NOW - DAY), cluster=AT_TARGET, operation=DONE))
    assert end.reason is Reason.UPDATE_CONFIRMED


@pytest.mark.parametrize("started", [None, NOW + DAY])
def test_an_update_whose_start_is_not_known_is_never_overdue(started: object) -> None:
    assert decision(seen(rotation(started_at=started), cluster=BUSY_AT_OLD, operation=RUNNING)).reason is (
        Reason.UPDATE_RUNNING
    )


# --- more than one rotation ------------------------------------------------------------------------------------------


def test_of_two_updating_rows_the_one_requested_last_is_followed() -> None:
    earlier = rotation(to_version=V3, requested_at=NOW - DAY)
    end = finish(observation(earlier, rotation(), cluster=AT_TARGET, operation=DONE))
    assert end.to_version == V2


def test_a_rotation_that_waited_beside_the_one_that_ended_does_not_get_its_operation_s_error() -> None:
    elsewhere = cluster(key_name="other")
    end = finish(observation(waiting(to_version=V3), rotation(), cluster=elsewhere, operation=FAILED))
    assert (end.to_version, end.attempt.operation_error) == (V3, None)


def test_a_finished_rotation_is_not_followed() -> None:
    done = over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED)
    assert decision(observation(done, cluster=AT_TARGET)).reason is Reason.UP_TO_DATE


def test_an_update_that_is_no_longer_called_overdue_loses_that_remedy() -> None:
    called = rotation(operation_url=None, started_at=NOW - DAY, reason=Reason.UPDATE_OVERDUE, remedy="Look at it.")
    assert progress(seen(called, cluster=AT_TARGET)).remedy is None


def test_an_update_that_failed_for_want_of_a_right_names_the_cluster_s_identity_in_its_remedy() -> None:
    identity = "22222222-2222-4222-8222-222222222222"
    ended = finish(seen(operation=FAILED, cluster=replace(AT_OLD, identity_id=identity)))
    assert f"--assignee-object-id {identity}" in (ended.remedy or "")
    assert ended.cluster_state == "Succeeded"


SEVEN_HOURS = {"started_at": NOW - 7 * HOUR, "claimed_until": None}


def test_a_claim_that_may_have_lapsed_is_waited_for_while_the_cluster_is_busy() -> None:
    waits = decision(seen(claimed(claimed_until=NOW - HOUR), cluster=BUSY_AT_OLD))
    assert (waits.action, waits.reason) == (Action.WAIT, Reason.UPDATE_RUNNING)
    assert waits.message.endswith(": update under way, operation unknown, cluster Updating")
    known = decision(seen(operation=RUNNING, cluster=BUSY_AT_OLD))
    assert known.message.endswith(": update under way, operation Updating, cluster Updating")


@pytest.mark.parametrize(
    ("under_way", "operation", "status"),
    [
        (rotation(**SEVEN_HOURS), RUNNING, "Updating"),
        (claimed(**SEVEN_HOURS), None, "unknown"),
        (claimed(**SEVEN_HOURS, reason=Reason.CLUSTER_UNREACHABLE), None, "unknown"),
        (claimed(**(SEVEN_HOURS | {"claimed_until": NOW + MINUTE})), None, "unknown"),
    ],
)
def test_an_overdue_update_is_called_out_with_what_is_known_of_its_operation(
    under_way: Rotation, operation: Operation | None, status: str
) -> None:
    late = decision(seen(under_way, operation=operation, cluster=BUSY_AT_OLD))
    assert (late.action, late.reason) == (Action.ATTENTION, Reason.UPDATE_OVERDUE)
    assert late.message.endswith(
        f": not finished after 7 hours, where 6 are allowed; operation {status}, cluster Updating"
    )


def test_while_azure_does_not_answer_that_is_why_an_update_is_late_and_it_is_called_out_by_itself() -> None:
    silent = claimed(**(SEVEN_HOURS | {"rests_until": NOW + MINUTE}), reason=Reason.CLUSTER_UNREACHABLE)
    assert decision(seen(silent, cluster=BUSY_AT_OLD)).reason is Reason.CLUSTER_UNREACHABLE


@pytest.mark.parametrize(
    ("operation", "said"), [(FAILED, "Failed (BadKey: Failed to validate key)"), (CANCELED, "Canceled")]
)
def test_how_an_operation_ended_is_said_with_its_error_if_it_has_one(operation: Operation, said: str) -> None:
    assert finish(seen(operation=operation)).message.endswith(f": the operation ended as {said}")
