"""Visits, one after the other, as the queue and the timer bring them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from cmk_rotation.identifiers import ClusterId
from cmk_rotation.model import (
    Mode,
    Operation,
    OperationError,
    Reason,
    RequestedBy,
    Stage,
    TroubleKind,
    VisitRequest,
    Workspace,
)
from cmk_rotation.pace import CLAIM_LASTS
from cmk_rotation.ports import StorageUnavailableError
from cmk_rotation.visits import visit
from cmk_rotation.vocabulary import Event
from tests.core.builders import (
    CLUSTER,
    DAY,
    GONE,
    HOUR,
    KEY,
    MINUTE,
    NOW,
    SECOND,
    UNAVAILABLE,
    V1,
    V2,
    V3,
    WORKSPACE,
    claimed,
    cluster,
    cluster_id,
    operation_url,
    over,
    rotation,
    trouble,
    version,
    waiting,
)
from tests.core.fakes import BUSY, Fakes

REFUSAL = trouble(TroubleKind.REFUSED, code="HTTP 400", message="Failed to validate key in Key Vault.")


def chains(fakes: Fakes) -> int:
    """How many visits to the cluster are on the queue."""
    return sum(message.visit.cluster == CLUSTER for message in fakes.requests.pending)


def reason(fakes: Fakes) -> Reason:
    """Why the cluster is as it is, by its row."""
    return fakes.status.reason


def steps(fakes: Fakes) -> list[str]:
    return [step.name for step in fakes.records.steps]


# --- from an event to a verified end -----------------------------------------------------------------------------------


def test_an_event_leads_to_a_verified_update() -> None:
    fakes = Fakes()
    fakes.key_changed()
    fakes.run(HOUR)
    end = fakes.rotation
    assert (end.stage, end.reason, end.verified, end.attempts) == (Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, True, 1)
    assert (end.from_version, end.to_version, end.event_id) == (V1, V2, "event-1")
    assert (end.operation_id, end.operation_url, end.operation_status) == ("operation-1", None, "Succeeded")
    assert fakes.clusters.patches == [(CLUSTER, V2)]
    assert steps(fakes) == ["claimed", "accepted", "progress", "finished"]
    assert (fakes.status.reason, fakes.status.key_version) == (Reason.UP_TO_DATE, V2)
    assert fakes.requests.pending == []
    assert fakes.log.errors == []


def test_a_verified_end_says_how_long_the_old_version_must_stay_and_how_long_the_update_took() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.run(HOUR)
    end = fakes.rotation
    assert end.finished_at is not None
    assert end.keep_old_version_until == end.finished_at + DAY
    assert 600 <= (end.seconds_to_verify or 0) <= 720
    (line,) = fakes.log.of(Event.ROTATION_FINISHED)
    assert line.fields["keepOldVersionUntil"] == end.keep_old_version_until
    assert line.fields["remedy"]


def test_the_log_tells_the_story_of_an_update_in_order() -> None:
    fakes = Fakes()
    fakes.key_changed()
    fakes.run(HOUR)
    told = [line.event for line in fakes.log.lines if line.level > 10 and line.event is not Event.RECONCILE_FINISHED]
    assert told == [
        Event.KEY_MATCHED,
        Event.VISIT_DECIDED,
        Event.UPDATE_SENT,
        Event.UPDATE_ACCEPTED,
        Event.UPDATE_PROGRESS,
        Event.ROTATION_FINISHED,
        Event.VISIT_DECIDED,
    ]


def test_one_outcome_is_published_for_a_finished_rotation() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.run(HOUR)
    ((_, subject, data),) = fakes.outcomes.published
    assert subject == CLUSTER.text
    assert (data["stage"], data["reason"], data["toVersion"]) == ("succeeded", "update-confirmed", V2)


def test_without_a_topic_nothing_is_published_and_nothing_stays_owed() -> None:
    fakes = Fakes(with_topic=False)
    fakes.visit()
    fakes.run(HOUR)
    assert fakes.rotation.published
    assert fakes.outcomes.published == []


def test_each_look_comes_after_a_tenth_of_the_time_and_a_long_update_is_followed_to_its_end() -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 5 * HOUR
    fakes.visit()
    fakes.run(6 * HOUR, reconcile=False)
    assert fakes.finished == [Stage.SUCCEEDED]
    looks = len(fakes.log.of(Event.VISIT_DECIDED))
    assert 60 <= looks <= 110, looks


def test_an_update_that_is_accepted_without_an_operation_is_confirmed_by_two_reads_of_the_cluster() -> None:
    fakes = Fakes()
    fakes.clusters.without_operation = True
    fakes.visit()
    fakes.run(HOUR)
    assert fakes.rotation.reason is Reason.CONFIRMED_BY_CLUSTER
    assert len(fakes.clusters.sent) == 1


@pytest.mark.parametrize("host", ["evil.example", "management.azure.com.evil.example"])
def test_an_operation_on_another_host_is_never_asked(host: str) -> None:
    fakes = Fakes()
    fakes.clusters.url_host = host
    fakes.visit()
    assert (fakes.rotation.operation_id, fakes.rotation.operation_url) == (None, None)
    fakes.run(HOUR)
    assert fakes.rotation.reason is Reason.CONFIRMED_BY_CLUSTER


def test_a_stored_operation_url_is_asked_only_if_it_is_trustworthy() -> None:
    fakes = Fakes()
    forged = operation_url(host="evil.example")
    fakes.records.put(rotation(operation_url=forged))
    fakes.clusters.there[CLUSTER] = cluster(state="Updating")
    fakes.clusters.operation_trouble = UNAVAILABLE  # would be seen, had it been asked
    fakes.visit()
    assert fakes.rotation.silent_since is None
    assert fakes.rotation.stage is Stage.UPDATING


def test_an_operation_that_is_not_found_leaves_the_word_to_the_cluster() -> None:
    fakes = Fakes()
    fakes.clusters.operation_trouble = GONE
    fakes.visit()
    fakes.run(HOUR)
    assert fakes.rotation.reason is Reason.CONFIRMED_BY_CLUSTER


def test_an_operation_that_is_silent_for_hours_leaves_the_word_to_the_cluster_after_one() -> None:
    fakes = Fakes()
    fakes.clusters.operation_trouble = UNAVAILABLE
    fakes.visit()
    fakes.run(59 * MINUTE)
    assert fakes.rotation.stage is Stage.UPDATING
    fakes.run(HOUR)
    assert fakes.rotation.reason is Reason.CONFIRMED_BY_CLUSTER


def test_a_newer_version_during_an_update_is_taken_right_after_it() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.run(5 * MINUTE)
    fakes.keys.listed[KEY] = (version(V1), version(V2), version(V3))
    fakes.run(HOUR)
    assert fakes.clusters.patches == [(CLUSTER, V2), (CLUSTER, V3)]
    assert fakes.finished == [Stage.SUCCEEDED, Stage.SUCCEEDED]


def test_an_update_that_fails_is_put_on_record_with_its_error_and_tried_again_after_an_hour() -> None:
    fakes = Fakes()
    fakes.clusters.end, fakes.clusters.arrives = Operation("Failed", OperationError("BadKey", "no right")), False
    fakes.visit()
    fakes.run(50 * MINUTE)
    assert (fakes.rotation.stage, fakes.rotation.reason) == (Stage.FAILED, Reason.UPDATE_FAILED)
    assert fakes.rotation.operation_error == OperationError("BadKey", "no right")
    assert len(fakes.clusters.patches) == 1
    assert fakes.log.errors == ["rotation.finished"]
    fakes.run(HOUR)
    assert len(fakes.clusters.patches) == 2
    assert fakes.finished == [Stage.FAILED, Stage.FAILED]


def test_a_cluster_that_its_update_leaves_failed_is_tried_again_at_the_same_version() -> None:
    fakes = Fakes()
    fakes.clusters.leaves = "Failed"
    fakes.visit()
    fakes.run(30 * MINUTE)
    assert fakes.rotation.reason is Reason.CLUSTER_FAILED
    fakes.clusters.leaves = "Succeeded"
    fakes.run(2 * HOUR)
    assert (fakes.rotation.stage, fakes.rotation.attempts, fakes.rotation.from_version) == (Stage.SUCCEEDED, 2, V1)


def test_linked_workspaces_are_read_after_an_update_and_a_failed_one_is_called_out_until_it_recovers() -> None:
    fakes = Fakes()
    fakes.clusters.there[CLUSTER] = cluster(workspace_ids=(WORKSPACE, WORKSPACE + "2", WORKSPACE + "3"))
    fakes.clusters.workspaces |= {WORKSPACE: "Failed", WORKSPACE + "2": UNAVAILABLE}
    fakes.visit()
    fakes.run(2 * HOUR)
    expected = (Workspace(WORKSPACE, "Failed"), Workspace(WORKSPACE + "2", None), Workspace(WORKSPACE + "3", None))
    assert fakes.rotation.linked_workspaces == expected
    assert reason(fakes) is Reason.WORKSPACE_FAILED
    assert fakes.log.errors == ["cluster.attention"]
    fakes.clusters.workspaces.clear()
    fakes.run(20 * MINUTE)
    assert reason(fakes) is Reason.UP_TO_DATE
    assert len(fakes.log.of(Event.CLUSTER_RECOVERED)) == 1


def test_a_workspace_that_is_only_out_of_sight_does_not_hide_the_others() -> None:
    fakes = Fakes()
    fakes.clusters.there[CLUSTER] = cluster(workspace_ids=(WORKSPACE, WORKSPACE + "2"))
    fakes.clusters.workspaces[WORKSPACE] = GONE
    fakes.visit()
    fakes.run(HOUR)
    assert fakes.rotation.linked_workspaces == (Workspace(WORKSPACE, None), Workspace(WORKSPACE + "2", "Succeeded"))


# --- visits never multiply --------------------------------------------------------------------------------------------


def test_ten_duplicate_events_are_ten_looks_and_one_chain() -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 5 * HOUR
    fakes.visit()
    fakes.run(30 * MINUTE)
    before = len(fakes.clusters.sent)
    for _ in range(10):
        fakes.visit()
    assert chains(fakes) == 1
    for _ in range(20):
        fakes.run(10 * MINUTE)
        assert chains(fakes) == 1
        fakes.visit()
    assert len(fakes.clusters.sent) == before == 1


def test_ten_events_at_once_lead_to_one_update_and_soon_to_one_chain() -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 5 * HOUR
    for _ in range(10):
        fakes.key_changed()
    fakes.run(10 * MINUTE)
    assert len(fakes.clusters.sent) == 1
    assert chains(fakes) == 1


@pytest.mark.parametrize("offset", range(0, 300, 7))
def test_a_stray_visit_at_any_moment_adds_no_chain(offset: int) -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 3 * HOUR
    fakes.visit()
    fakes.run(HOUR + offset * SECOND)
    fakes.visit()
    fakes.visit(by=RequestedBy.OPERATOR)
    fakes.run(20 * MINUTE, reconcile=False)
    assert chains(fakes) == 1


def test_a_chain_whose_message_was_lost_is_taken_up_by_reconcile() -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 2 * HOUR
    fakes.visit()
    fakes.run(HOUR)
    fakes.requests.pending.clear()
    fakes.run(2 * HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]


def test_a_message_delivered_to_two_instances_adds_no_chain() -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 3 * HOUR
    fakes.visit()
    fakes.run(HOUR)
    (due,) = fakes.requests.pending
    fakes.requests.pending.append(replace(due))
    fakes.run(20 * MINUTE, reconcile=False)
    assert chains(fakes) == 1


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
    assert (fakes.rotation.announced, fakes.rotation.published) == (True, True)
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
    fakes.run(CLAIM_LASTS - SECOND)
    assert fakes.clusters.sent == []
    fakes.run(5 * SECOND)
    assert len(fakes.clusters.sent) == 1
    assert fakes.rotation.attempts == 1
    assert "claimed again" in steps(fakes)


# --- refused, busy, unavailable -------------------------------------------------------------------------------------------


def test_a_refused_update_fails_with_its_remedy_and_rests_longer_each_time() -> None:
    fakes = Fakes()
    fakes.clusters.refuses = REFUSAL
    fakes.visit()
    assert (fakes.rotation.stage, fakes.rotation.reason) == (Stage.FAILED, Reason.UPDATE_REFUSED)
    assert "wrap and unwrap" in (fakes.rotation.remedy or "")
    assert fakes.status.reason is Reason.UPDATE_REFUSED
    assert fakes.log.errors == ["update.refused", "rotation.finished"]
    sent_at = [len(fakes.clusters.sent)]
    for hours in range(8):
        fakes.run(HOUR if hours else 50 * MINUTE)
        sent_at.append(len(fakes.clusters.sent))
    assert sent_at == [1, 1, 2, 2, 3, 3, 3, 3, 4]  # after 1, 2 and 4 hours, at reconcile's pace
    assert fakes.finished == [Stage.FAILED] * 4


def test_an_operator_skips_the_rest_once() -> None:
    fakes = Fakes()
    fakes.clusters.refuses = REFUSAL
    fakes.visit()
    fakes.visit()
    assert len(fakes.clusters.sent) == 1
    fakes.visit(by=RequestedBy.OPERATOR)
    assert len(fakes.clusters.sent) == 2
    assert fakes.status.reason is Reason.UPDATE_REFUSED


def test_a_refused_cluster_calls_again_every_day_until_it_recovers() -> None:
    fakes = Fakes(pace=replace(Fakes().pace, retry_floor=100 * DAY, retry_ceiling=100 * DAY))
    fakes.clusters.refuses = REFUSAL
    fakes.visit()
    fakes.run(3 * DAY + HOUR)
    assert len(fakes.log.of(Event.CLUSTER_ATTENTION)) == 3
    fakes.clusters.there[CLUSTER] = cluster(key_version=V2)
    fakes.run(HOUR)
    assert fakes.rotation.reason is Reason.ALREADY_THERE
    assert len(fakes.log.of(Event.CLUSTER_RECOVERED)) == 1


def test_a_failed_attempt_that_somebody_completes_is_another_outcome_than_the_failure() -> None:
    fakes = Fakes()
    fakes.clusters.refuses = REFUSAL
    fakes.visit()
    fakes.clusters.there[CLUSTER] = cluster(key_version=V2)
    fakes.run(20 * MINUTE)
    assert [data["stage"] for _, _, data in fakes.outcomes.published] == ["failed", "succeeded"]
    first, second = (event_id for event_id, _, _ in fakes.outcomes.published)
    assert first != second


@pytest.mark.parametrize("answer", [BUSY, trouble(TroubleKind.REFUSED, code="HTTP 400", message="words nobody knows")])
def test_busy_after_our_own_claim_means_under_way_whatever_the_words(answer: object) -> None:
    fakes = Fakes()
    assert answer is BUSY or isinstance(answer, type(BUSY))

    def somebody_else_is_faster() -> None:
        fakes.clusters.there[CLUSTER] = cluster(state="Updating")

    fakes.clusters.refuses, fakes.clusters.on_patch = answer, somebody_else_is_faster
    fakes.visit()
    assert (fakes.rotation.stage, fakes.rotation.reason) == (Stage.UPDATING, Reason.UPDATE_RUNNING)
    assert steps(fakes) == ["claimed", "busy"]
    fakes.run(30 * MINUTE)
    assert len(fakes.clusters.sent) == 1
    fakes.clusters.refuses = fakes.clusters.on_patch = None
    fakes.clusters.there[CLUSTER] = cluster()
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert fakes.log.errors == []


def test_a_refusal_stays_one_if_the_cluster_cannot_be_read_after_it() -> None:
    fakes = Fakes()

    def arm_falls_silent() -> None:
        fakes.clusters.get_trouble = UNAVAILABLE

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
    fakes.run(5 * HOUR)
    assert fakes.log.errors == ["update.overdue"]
    assert chains(fakes) <= 2


def test_a_busy_cluster_is_waited_for_with_the_rotation_on_record() -> None:
    fakes = Fakes()
    fakes.clusters.there[CLUSTER] = cluster(state="ProvisioningAccount")
    fakes.key_changed()
    fakes.run(HOUR)
    assert (fakes.rotation.stage, fakes.rotation.reason, fakes.rotation.event_id) == (
        Stage.WAITING,
        Reason.CLUSTER_BUSY,
        "event-1",
    )
    assert steps(fakes) == ["waiting"]
    assert chains(fakes) == 1
    fakes.clusters.there[CLUSTER] = cluster()
    fakes.run(HOUR)
    assert fakes.rotation.reason is Reason.UPDATE_CONFIRMED


def test_a_cluster_that_stays_busy_is_called_out_once_a_day() -> None:
    fakes = Fakes()
    fakes.clusters.there[CLUSTER] = cluster(state="ProvisioningAccount")
    fakes.visit()
    fakes.run(5 * HOUR)
    assert fakes.log.errors == []
    fakes.run(30 * HOUR)
    assert fakes.log.errors == ["cluster.attention"] * 2
    assert fakes.status.reason is Reason.CLUSTER_STUCK


def test_an_unavailable_azure_is_asked_again_in_1_to_15_minutes_and_called_out_after_an_hour() -> None:
    fakes = Fakes()
    fakes.clusters.get_trouble = UNAVAILABLE
    fakes.visit()
    fakes.run(HOUR - MINUTE)
    assert fakes.log.errors == []
    waits = [after for _, after in fakes.requests.requested]
    assert (min(waits), max(waits)) == (MINUTE, 15 * MINUTE)
    fakes.run(3 * DAY)
    attention = fakes.log.of(Event.CLUSTER_ATTENTION)
    assert [line.fields["reason"] for line in attention] == [Reason.CLUSTER_UNREACHABLE] * 3
    fakes.clusters.get_trouble = None
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert len(fakes.log.of(Event.CLUSTER_RECOVERED)) == 1


def test_an_unavailable_key_vault_is_called_out_after_an_hour_and_then_daily() -> None:
    fakes = Fakes()
    fakes.keys.trouble = UNAVAILABLE
    fakes.visit()
    fakes.run(HOUR - MINUTE)
    assert fakes.log.errors == []
    fakes.run(2 * DAY)
    assert [line.fields["reason"] for line in fakes.log.of(Event.CLUSTER_ATTENTION)] == [Reason.KEY_UNREACHABLE] * 2


def test_an_unanswered_update_that_took_effect_is_not_sent_again() -> None:
    fakes = Fakes()
    fakes.clusters.answer_lost = UNAVAILABLE
    fakes.visit()
    assert (fakes.rotation.stage, fakes.rotation.reason) == (Stage.UPDATING, Reason.CLUSTER_UNREACHABLE)
    fakes.run(HOUR)
    assert len(fakes.clusters.sent) == 1
    assert fakes.rotation.reason is Reason.CONFIRMED_BY_CLUSTER


def test_an_unanswered_update_that_did_not_take_effect_is_sent_again_more_slowly_each_time() -> None:
    fakes = Fakes()
    fakes.clusters.refuses = UNAVAILABLE
    fakes.visit()
    fakes.run(55 * MINUTE)
    assert 4 <= len(fakes.clusters.sent) <= 10
    assert fakes.log.errors == []
    fakes.run(2 * DAY)
    assert len(fakes.clusters.sent) <= 10 + 2 * 24 * 4  # every 15 minutes, past the deadline too
    attention = fakes.log.of(Event.CLUSTER_ATTENTION)
    assert [line.fields["reason"] for line in attention] == [Reason.CLUSTER_UNREACHABLE] * 2
    fakes.clusters.refuses = None
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]


def test_an_update_that_azure_throttles_rests_as_long_as_azure_says() -> None:
    fakes = Fakes()
    fakes.clusters.refuses = trouble(TroubleKind.UNAVAILABLE, retry_after=40 * MINUTE)
    fakes.visit()
    fakes.clusters.refuses = None
    fakes.run(39 * MINUTE)
    assert len(fakes.clusters.sent) == 1
    fakes.run(2 * MINUTE)
    assert len(fakes.clusters.sent) == 2


# --- overdue --------------------------------------------------------------------------------------------------------------


def test_an_overdue_update_is_called_out_once_and_looked_at_until_it_ends() -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 40 * HOUR
    fakes.visit()
    fakes.run(6 * HOUR)
    assert fakes.log.errors == []
    fakes.run(33 * HOUR)
    assert fakes.log.errors == ["update.overdue"]
    assert (fakes.rotation.stage, fakes.rotation.reason) == (Stage.UPDATING, Reason.UPDATE_OVERDUE)
    (line,) = fakes.log.of(Event.UPDATE_OVERDUE)
    assert (line.fields["operationId"], line.fields["toVersion"]) == ("operation-1", V2)
    fakes.run(3 * HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert len(fakes.clusters.sent) == 1


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
    assert steps(fakes) == ["claimed", "accepted"]
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]


def test_an_operation_is_not_lost_to_a_visit_that_wrote_meanwhile() -> None:
    fakes = Fakes()
    fakes.clusters.on_patch = lambda: fakes.records.put(replace(fakes.rotation, message="looked meanwhile"))
    fakes.visit()
    assert fakes.rotation.operation_id == "operation-1"
    assert fakes.rotation.operation_url
    assert fakes.rotation.accepted_at == NOW + SECOND


def test_an_operation_s_id_is_added_to_a_rotation_that_ended_meanwhile() -> None:
    fakes = Fakes()

    def somebody_ends_it() -> None:
        fakes.records.put(
            replace(fakes.rotation, stage=Stage.SUPERSEDED, finished_at=NOW, announced=True, published=True)
        )

    fakes.clusters.on_patch = somebody_ends_it
    fakes.visit()
    assert (fakes.rotation.stage, fakes.rotation.operation_id) == (Stage.SUPERSEDED, "operation-1")
    assert fakes.rotation.operation_url is None


def test_the_operation_of_a_later_attempt_is_not_overwritten_by_an_earlier_one() -> None:
    fakes = Fakes()
    fakes.clusters.on_patch = lambda: fakes.records.put(
        replace(fakes.rotation, attempt_id="another", operation_id="theirs", correlation_id="theirs")
    )
    fakes.visit()
    assert (fakes.rotation.operation_id, fakes.rotation.correlation_id) == ("theirs", "theirs")


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
        if isinstance(row, type(rotation())) and row.accepted_at is not None:
            fakes.records.put(fakes.rotation)

    fakes.records.before_save = always_changed
    fakes.visit()
    (line,) = fakes.log.of(Event.UPDATE_ACCEPTED)
    assert line.fields["operationId"] == "operation-1"
    fakes.records.before_save = None
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert len(fakes.clusters.patches) == 1


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


# --- respect ------------------------------------------------------------------------------------------------------------


def test_observe_decides_and_reports_but_sends_nothing_and_writes_only_cluster_rows() -> None:
    fakes = Fakes(mode=Mode.OBSERVE)
    fakes.key_changed()
    fakes.run(DAY)
    assert fakes.clusters.sent == []
    assert fakes.records.rotations == {}
    assert steps(fakes) == []
    assert reason(fakes) is Reason.VERSION_IS_BEHIND
    fakes.clusters.there[CLUSTER] = cluster(key_version=V2, state="Updating")
    fakes.run(HOUR)
    fakes.clusters.there[CLUSTER] = cluster(key_version=V2)
    fakes.run(HOUR)
    assert fakes.records.rotations == {}
    assert fakes.status.reason is Reason.UP_TO_DATE


def test_observe_follows_an_update_that_was_sent_before() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.mode = Mode.OBSERVE
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert len(fakes.clusters.sent) == 1


def test_a_cluster_that_was_put_back_is_left_there_until_a_newer_version_comes() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.run(HOUR)
    fakes.clusters.there[CLUSTER] = cluster()
    fakes.run(HOUR)
    assert fakes.status.reason is Reason.MOVED_BACK
    assert fakes.log.errors == ["cluster.attention"]
    fakes.keys.listed[KEY] = (version(V1), version(V2), version(V3))
    fakes.run(HOUR)
    assert fakes.clusters.patches == [(CLUSTER, V2), (CLUSTER, V3)]


def test_a_cluster_on_hold_is_not_updated_until_the_tag_is_gone() -> None:
    fakes = Fakes()
    fakes.clusters.there[CLUSTER] = cluster(held=True)
    fakes.visit()
    fakes.run(DAY)
    assert fakes.status.reason is Reason.ON_HOLD
    assert fakes.clusters.sent == []
    fakes.clusters.there[CLUSTER] = cluster()
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]


def test_a_cluster_given_another_key_under_an_update_is_never_moved_back() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.run(15 * MINUTE, reconcile=False)
    fakes.records.put(replace(fakes.rotation, stage=Stage.UPDATING))
    fakes.clusters.there[CLUSTER] = cluster(key_name="other", key_version=V3)
    fakes.run(HOUR)
    assert fakes.rotation.reason is Reason.CHANGED_BY_OTHERS
    assert fakes.status.reason is Reason.KEY_NOT_FOUND
    assert len(fakes.clusters.sent) == 1


def test_a_revoked_key_is_called_out_daily_and_never_gone_around() -> None:
    fakes = Fakes()
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    fakes.visit()
    fakes.run(2 * DAY + HOUR)
    assert fakes.clusters.sent == []
    assert fakes.log.errors == ["cluster.attention"] * 3
    fakes.keys.listed[KEY] = (version(V1), version(V2))
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert len(fakes.log.of(Event.CLUSTER_RECOVERED)) == 1


def test_a_vault_outside_the_cloud_is_never_called() -> None:
    fakes = Fakes()
    fakes.clusters.there[CLUSTER] = cluster(key_vault_uri="https://contoso.vault.evil.example")
    fakes.visit()
    assert fakes.keys.reads == 0
    assert fakes.status.reason is Reason.VAULT_NOT_IN_CLOUD


@pytest.mark.parametrize("named", [None, cluster_id(subscription="0" * 8 + "-0000-0000-0000-" + "0" * 12)])
def test_a_message_that_names_nothing_in_scope_is_rejected_without_a_call(named: ClusterId | None) -> None:
    fakes = Fakes()
    visit(fakes.world, VisitRequest(RequestedBy.EVENT, NOW, cluster=named))
    assert [line.event for line in fakes.log.lines] == [Event.VISIT_REJECTED]
    assert fakes.effects.calls == 0


def test_a_cluster_that_is_gone_supersedes_its_update() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.run(5 * MINUTE)
    fakes.clusters.there.clear()
    fakes.clusters.operations.clear()
    fakes.run(HOUR)
    assert (fakes.rotation.stage, fakes.rotation.reason) == (Stage.SUPERSEDED, Reason.CLUSTER_GONE)
    assert fakes.status.reason is Reason.CLUSTER_GONE
    assert fakes.requests.pending == []


# --- corrupt records ------------------------------------------------------------------------------------------------------


def test_times_in_the_far_future_delay_nothing_for_long() -> None:
    far = NOW + 10_000 * DAY
    fakes = Fakes()
    fakes.visit()
    fakes.records.put(
        replace(fakes.rotation, claimed_until=far, started_at=far, requested_at=far, at_target_since=far),
        replace(fakes.status, since=far, looked_at=far, next_visit_at=far, attention_at=far, saying_since=far),
    )
    fakes.requests.pending.clear()
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]


def test_times_in_the_far_past_break_nothing() -> None:
    past = NOW - 10_000 * DAY
    fakes = Fakes()
    fakes.visit()
    fakes.records.put(
        replace(fakes.rotation, claimed_until=past, started_at=past, requested_at=past),
        replace(fakes.status, since=past, looked_at=past, next_visit_at=past, attention_at=past, saying_since=past),
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
    fakes.clusters.there[CLUSTER] = cluster(key_version=V2)
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


# --- the outcome topic ----------------------------------------------------------------------------------------------------


def test_an_outcome_that_cannot_be_published_is_published_later_under_the_same_id() -> None:
    fakes = Fakes()
    fakes.outcomes.trouble = UNAVAILABLE
    fakes.visit()
    fakes.run(2 * HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert fakes.log.errors == ["visit.failed"]
    fakes.outcomes.trouble = None
    fakes.run(30 * MINUTE)
    assert len(fakes.outcomes.published) == 1
    assert fakes.rotation.published
    assert fakes.finished == [Stage.SUCCEEDED]


def test_an_outcome_that_cannot_be_published_for_a_day_is_given_up_and_that_is_said() -> None:
    fakes = Fakes()
    fakes.outcomes.trouble = UNAVAILABLE
    fakes.visit()
    fakes.run(2 * DAY)
    assert fakes.log.errors == ["visit.failed"] * 2
    assert "given up" in str(fakes.log.of(Event.VISIT_FAILED)[-1].fields["message"])
    assert fakes.rotation.published


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


# --- rows that another visit changed first --------------------------------------------------------------------------------


def test_progress_that_another_look_noted_first_is_left_to_it() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.run(MINUTE, reconcile=False)
    fakes.records.put(replace(fakes.rotation, operation_status="Accepted"))
    meet_a_rival(fakes, Stage.UPDATING)
    fakes.visit()
    assert fakes.rotation.operation_status == "Accepted"
    assert fakes.status.looked_at == fakes.clock.now
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]


def test_a_waiting_rotation_that_another_visit_put_on_record_is_not_put_there_twice() -> None:
    fakes = Fakes()
    fakes.clusters.there[CLUSTER] = cluster(state="Updating")
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
        if rivals and isinstance(row, type(rotation())) and row.announced:
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
    fakes.records.put(replace(fakes.rotation, keep_old_version_until=None))
    meet_a_rival(fakes, Stage.SUCCEEDED)
    fakes.visit()
    assert "old version free" not in steps(fakes)
    fakes.visit()
    assert steps(fakes).count("old version free") == 1


def meet_a_rival(fakes: Fakes, stage: Stage) -> None:
    """Another visit writes the rotation's row right before this one does."""
    rivals = [1]

    def write(row: object) -> None:
        if rivals and isinstance(row, type(rotation())) and row.stage is stage:
            rivals.pop()
            fakes.records.put(fakes.rotation)

    fakes.records.before_save = write
