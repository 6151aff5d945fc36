"""Visits, one after the other, as the queue and the timer bring them."""

from dataclasses import replace

import pytest

from cmk_rotation.controller.visit import visit
from cmk_rotation.domain.azure_resources import Operation, OperationError, Workspace
from cmk_rotation.domain.cluster_record import ClusterStatus
from cmk_rotation.domain.identifiers import ClusterId
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import Mode, Reason, RequestedBy, Stage
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    GONE,
    HOUR,
    KEY,
    MINUTE,
    NOW,
    REFUSED,
    SECOND,
    UNAVAILABLE,
    V1,
    V2,
    V3,
    WORKSPACE,
    changed,
    claimed,
    cluster,
    cluster_id,
    observation,
    operation_url,
    over,
    rotation,
    version,
)
from tests.unit.support.worlds import Fakes


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
    assert (end.attempt.operation_id, end.attempt.operation_url, end.attempt.operation_status) == (
        "operation-1",
        None,
        "Succeeded",
    )
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
    assert end.outcome.finished_at is not None
    assert end.outcome.keep_old_version_until == end.outcome.finished_at + DAY
    assert 600 <= (end.seconds_to_verify or 0) <= 720
    (line,) = fakes.log.of(LogEvent.ROTATION_FINISHED)
    assert line.fields["keepOldVersionUntil"] == end.outcome.keep_old_version_until
    assert line.fields["remedy"]


def test_the_log_tells_the_story_of_an_update_in_order() -> None:
    fakes = Fakes()
    fakes.key_changed()
    fakes.run(HOUR)
    beside = {LogEvent.RECONCILE_FINISHED, LogEvent.CLUSTER_STATUS}
    told = [line.event for line in fakes.log.lines if line.level > 10 and line.event not in beside]
    assert told == [
        LogEvent.KEY_MATCHED,
        LogEvent.VISIT_DECIDED,
        LogEvent.UPDATE_SENT,
        LogEvent.UPDATE_ACCEPTED,
        LogEvent.UPDATE_PROGRESS,
        LogEvent.ROTATION_FINISHED,
        LogEvent.VISIT_DECIDED,
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
    assert fakes.rotation.outcome.published
    assert fakes.outcomes.published == []


def test_each_look_comes_after_a_tenth_of_the_time_and_a_long_update_is_followed_to_its_end() -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 5 * HOUR
    fakes.visit()
    fakes.run(6 * HOUR, reconcile=False)
    assert fakes.finished == [Stage.SUCCEEDED]
    looks = len(fakes.log.of(LogEvent.VISIT_DECIDED))
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
    assert (fakes.rotation.attempt.operation_id, fakes.rotation.attempt.operation_url) == (None, None)
    fakes.run(HOUR)
    assert fakes.rotation.reason is Reason.CONFIRMED_BY_CLUSTER


def test_a_stored_operation_url_is_asked_only_if_it_is_trustworthy() -> None:
    fakes = Fakes()
    forged = operation_url(host="evil.example")
    fakes.records.put(rotation(operation_url=forged))
    fakes.clusters.stored[CLUSTER] = cluster(state="Updating")
    fakes.clusters.operation_failure = UNAVAILABLE  # would be seen, had it been asked
    fakes.visit()
    assert fakes.rotation.attempt.silent_since is None
    assert fakes.rotation.stage is Stage.UPDATING


def test_an_operation_that_is_not_found_leaves_the_word_to_the_cluster() -> None:
    fakes = Fakes()
    fakes.clusters.operation_failure = GONE
    fakes.visit()
    fakes.run(HOUR)
    assert fakes.rotation.reason is Reason.CONFIRMED_BY_CLUSTER


def test_an_operation_that_is_silent_for_hours_leaves_the_word_to_the_cluster_after_one() -> None:
    fakes = Fakes()
    fakes.clusters.operation_failure = UNAVAILABLE
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
    assert fakes.rotation.attempt.operation_error == OperationError("BadKey", "no right")
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
    fakes.clusters.stored[CLUSTER] = cluster(workspace_ids=(WORKSPACE, WORKSPACE + "2", WORKSPACE + "3"))
    fakes.clusters.workspaces |= {WORKSPACE: "Failed", WORKSPACE + "2": UNAVAILABLE}
    fakes.visit()
    fakes.run(2 * HOUR)
    expected = (Workspace(WORKSPACE, "Failed"), Workspace(WORKSPACE + "2", None), Workspace(WORKSPACE + "3", None))
    assert fakes.rotation.outcome.linked_workspaces == expected
    assert reason(fakes) is Reason.WORKSPACE_FAILED
    assert fakes.log.errors == ["cluster.attention"]
    fakes.clusters.workspaces[WORKSPACE] = UNAVAILABLE
    fakes.run(HOUR)
    assert reason(fakes) is Reason.WORKSPACE_FAILED, "what cannot be read now has not recovered"
    assert fakes.log.of(LogEvent.CLUSTER_RECOVERED) == []
    fakes.clusters.workspaces.clear()
    fakes.run(20 * MINUTE)
    assert reason(fakes) is Reason.UP_TO_DATE
    assert len(fakes.log.of(LogEvent.CLUSTER_RECOVERED)) == 1


def test_linked_workspaces_are_read_also_when_the_answer_to_the_update_was_lost() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(workspace_ids=(WORKSPACE,))
    fakes.clusters.answer_lost = UNAVAILABLE
    fakes.visit()
    fakes.run(2 * HOUR)
    assert fakes.rotation.attempt.accepted_at is None
    assert fakes.rotation.outcome.linked_workspaces == (Workspace(WORKSPACE, "Succeeded"),)


def test_a_workspace_that_can_be_recovered_stays_with_an_unknown_state() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(workspace_ids=(WORKSPACE, WORKSPACE + "2"))
    fakes.clusters.workspaces[WORKSPACE] = REFUSED
    fakes.visit()
    fakes.run(HOUR)
    expected = (Workspace(WORKSPACE, None), Workspace(WORKSPACE + "2", "Succeeded"))
    assert fakes.rotation.outcome.linked_workspaces == expected


def test_a_workspace_that_is_only_out_of_sight_does_not_hide_the_others() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(workspace_ids=(WORKSPACE, WORKSPACE + "2"))
    fakes.clusters.workspaces[WORKSPACE] = GONE
    fakes.visit()
    fakes.run(HOUR)
    assert fakes.rotation.outcome.linked_workspaces == (Workspace(WORKSPACE + "2", "Succeeded"),)


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


# --- overdue --------------------------------------------------------------------------------------------------------------


def test_an_overdue_update_is_called_out_and_then_daily_with_the_time_elapsed_until_it_ends() -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 40 * HOUR
    fakes.visit()
    fakes.run(6 * HOUR)
    assert fakes.log.errors == []
    fakes.run(33 * HOUR)
    assert fakes.log.errors == ["update.overdue", "cluster.attention"]
    (reminder,) = fakes.log.of(LogEvent.CLUSTER_ATTENTION)
    assert "not finished after 30 hours, where 6 are allowed" in str(reminder.fields["message"])
    assert reminder.fields["startedAt"] == NOW
    assert reminder.fields["since"] == fakes.log.of(LogEvent.UPDATE_OVERDUE)[0].fields["since"]
    assert (fakes.rotation.stage, fakes.rotation.reason) == (Stage.UPDATING, Reason.UPDATE_OVERDUE)
    (line,) = fakes.log.of(LogEvent.UPDATE_OVERDUE)
    assert (line.fields["operationId"], line.fields["toVersion"]) == ("operation-1", V2)
    fakes.run(3 * HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert len(fakes.clusters.sent) == 1


def test_each_overdue_update_is_called_out() -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 8 * HOUR
    fakes.visit()
    fakes.run(7 * HOUR)
    fakes.keys.listed[KEY] = (version(V1), version(V2), version(V3))
    fakes.run(DAY)
    assert fakes.finished == [Stage.SUCCEEDED, Stage.SUCCEEDED]
    assert fakes.log.errors == ["update.overdue", "update.overdue"]


# --- respect ------------------------------------------------------------------------------------------------------------


def test_observe_decides_and_reports_but_sends_nothing_and_writes_only_cluster_rows() -> None:
    fakes = Fakes(mode=Mode.OBSERVE)
    fakes.key_changed()
    fakes.run(DAY)
    assert fakes.clusters.sent == []
    assert fakes.records.rotations == {}
    assert steps(fakes) == []
    assert reason(fakes) is Reason.VERSION_IS_BEHIND
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2, state="Updating")
    fakes.run(HOUR)
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
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


def test_observe_leaves_a_rotation_as_it_is_when_its_old_version_becomes_free() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.run(HOUR)
    key = next(iter(fakes.records.rotations))
    fakes.records.rotations[key] = changed(fakes.rotation, keep_old_version_until=None)
    fakes.mode = Mode.OBSERVE
    fakes.reconcile()
    assert fakes.rotation.outcome.keep_old_version_until is None
    assert "old version free" not in steps(fakes)


def test_of_two_claims_the_one_that_arm_took_is_followed() -> None:
    """The key rotated again between two visits at the same time, and both claimed."""
    taken = rotation()
    busy = claimed(to_version=V3, requested_at=taken.requested_at + SECOND)
    assert observation(taken, busy).updating == taken
    assert observation(claimed(), busy).updating == busy


def test_a_cluster_that_was_put_back_is_left_there_until_a_newer_version_comes() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.run(HOUR)
    fakes.clusters.stored[CLUSTER] = cluster()
    fakes.run(HOUR)
    assert fakes.status.reason is Reason.MOVED_BACK
    assert fakes.log.errors == ["cluster.attention"]
    fakes.keys.listed[KEY] = (version(V1), version(V2), version(V3))
    fakes.run(HOUR)
    assert fakes.clusters.patches == [(CLUSTER, V2), (CLUSTER, V3)]


def test_a_cluster_on_hold_is_not_updated_until_the_tag_is_gone() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(held=True)
    fakes.visit()
    fakes.run(DAY)
    assert fakes.status.reason is Reason.ON_HOLD
    assert fakes.clusters.sent == []
    fakes.clusters.stored[CLUSTER] = cluster()
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]


def test_a_cluster_given_another_key_under_an_update_is_never_moved_back() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.run(15 * MINUTE, reconcile=False)
    fakes.records.put(changed(fakes.rotation, stage=Stage.UPDATING))
    fakes.clusters.stored[CLUSTER] = cluster(key_name="other", key_version=V3)
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
    assert len(fakes.log.of(LogEvent.CLUSTER_RECOVERED)) == 1


def test_a_vault_outside_the_cloud_is_never_called() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(key_vault_uri="https://contoso.vault.evil.example")
    fakes.visit()
    assert fakes.keys.reads == 0
    assert fakes.status.reason is Reason.VAULT_NOT_IN_CLOUD


@pytest.mark.parametrize("named", [None, cluster_id(subscription="0" * 8 + "-0000-0000-0000-" + "0" * 12)])
def test_a_message_that_names_nothing_in_scope_is_rejected_without_a_call(named: ClusterId | None) -> None:
    fakes = Fakes()
    visit(fakes.world, VisitRequest(RequestedBy.EVENT, NOW, cluster=named))
    assert [line.event for line in fakes.log.lines] == [LogEvent.VISIT_REJECTED]
    assert fakes.effects.calls == 0


def test_a_cluster_that_is_gone_supersedes_its_update() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.run(5 * MINUTE)
    fakes.clusters.stored.clear()
    fakes.clusters.operations.clear()
    fakes.run(HOUR)
    assert (fakes.rotation.stage, fakes.rotation.reason) == (Stage.SUPERSEDED, Reason.CLUSTER_GONE)
    assert fakes.status.reason is Reason.CLUSTER_GONE
    assert fakes.requests.pending == []


# --- at the first sight ---------------------------------------------------------------------------------------------------


def test_the_first_sight_of_a_cluster_that_is_up_to_date_is_put_on_record_and_announced_to_nobody() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
    fakes.run(DAY)
    assert (fakes.rotation.stage, fakes.rotation.reason) == (Stage.SUCCEEDED, Reason.ALREADY_THERE)
    assert (fakes.finished, fakes.outcomes.published) == ([], [])


def test_somebody_elses_update_between_two_looks_is_announced_with_where_the_cluster_came_from() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(held=True)
    fakes.visit()
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert (fakes.rotation.reason, fakes.rotation.from_version) == (Reason.ALREADY_THERE, V1)
    assert len(fakes.outcomes.published) == 1
    assert fakes.rotation.outcome.keep_old_version_until is not None


def test_an_operation_that_was_read_before_a_late_announcement_is_not_taken_for_that_of_a_later_attempt() -> None:
    fakes = Fakes()
    fakes.clusters.lasts, fakes.clusters.end, fakes.clusters.arrives = SECOND, Operation("Failed"), False
    fakes.visit()
    fakes.clock.now += 10 * SECOND
    fakes.records.put(over(Stage.SUPERSEDED, Reason.CHANGED_BY_OTHERS, to_version=V3, announced=False))

    def try_again(row: Rotation | ClusterStatus) -> None:
        if isinstance(row, Rotation) and row.to_version == V3:
            fakes.records.before_save = None
            fakes.clusters.lasts = HOUR
            taken = fakes.clusters.set_key_version(fakes.clusters.stored[CLUSTER], V2, "another")
            ours = next(one for one in fakes.records.rotations.values() if one.to_version == V2)
            begun = changed(ours, id="another", operation_url=taken.operation_url, accepted_at=fakes.clock.now)
            fakes.records.put(begun)

    fakes.records.before_save = try_again
    fakes.visit(by=RequestedBy.FOLLOW)
    (ours,) = [one for one in fakes.records.rotations.values() if one.to_version == V2]
    assert (ours.stage, ours.attempt.id) == (Stage.UPDATING, "another")
