"""What the log says beside a visit's own steps, how often, and when it is over."""

import logging

import pytest

from cmk_rotation.controller.alerts import recovery_due
from cmk_rotation.decisions.observation import Decision
from cmk_rotation.domain.azure_resources import Operation
from cmk_rotation.domain.cluster_record import DisabledEarly
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.timing import Timing
from cmk_rotation.domain.vocabulary import Action, FailureKind, Reason, Stage
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    HOUR,
    KEY,
    MINUTE,
    NOW,
    REFUSED,
    SECOND,
    V1,
    V2,
    V3,
    changed_status,
    cluster,
    failure,
    over,
    rotation,
    status,
    version,
)
from tests.unit.support.worlds import Fakes


def moved() -> Fakes:
    """A cluster that was moved from V1 to V2."""
    fakes = Fakes()
    fakes.visit()
    fakes.run(HOUR)
    fakes.log.lines.clear()
    return fakes


def expiring_in(days: float) -> Fakes:
    fakes = Fakes()
    fakes.keys.listed[KEY] = (version(V1, expires_at=NOW + days * DAY),)
    return fakes


def test_a_visit_s_decision_is_said_aloud_only_when_its_reason_is_new() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(held=True)
    for _ in range(3):
        fakes.visit()
    levels = [line.level for line in fakes.log.of(LogEvent.VISIT_DECIDED)]
    assert levels == [logging.INFO, logging.DEBUG, logging.DEBUG]
    line = fakes.log.of(LogEvent.VISIT_DECIDED)[0]
    assert (line.fields["clusterId"], line.fields["fromVersion"], line.fields["toVersion"]) == (CLUSTER.text, V1, V2)
    assert (line.fields["decision"], line.fields["by"], line.fields["eventId"]) == ("nothing", "event", "event-1")


def test_a_cluster_on_the_newest_version_names_no_version_to_go_to() -> None:
    fakes = moved()
    fakes.visit()
    assert fakes.log.of(LogEvent.VISIT_DECIDED)[0].fields["toVersion"] is None


def test_attention_names_the_cluster_and_says_what_to_do_and_since_when() -> None:
    fakes = Fakes()
    fakes.keys.failure = REFUSED
    fakes.visit()
    fakes.run(2 * DAY)
    first, *_, last = fakes.log.of(LogEvent.CLUSTER_ATTENTION)
    assert first.level == logging.ERROR
    assert first.fields["clusterId"] == CLUSTER.text
    assert first.fields["reason"] is Reason.KEY_ACCESS_DENIED
    assert "Key: List" in str(first.fields["remedy"])
    assert first.fields["since"] == last.fields["since"] == NOW


def test_attention_for_another_reason_is_called_for_at_once() -> None:
    fakes = Fakes()
    fakes.keys.failure = REFUSED
    fakes.visit()
    fakes.keys.failure = failure(FailureKind.NETWORK_BLOCKED)
    fakes.visit()
    fakes.visit()
    reasons = [line.fields["reason"] for line in fakes.log.of(LogEvent.CLUSTER_ATTENTION)]
    assert reasons == [Reason.KEY_ACCESS_DENIED, Reason.KEY_VAULT_BLOCKED]


def test_recovery_is_said_once_and_says_from_what() -> None:
    fakes = Fakes()
    fakes.keys.failure = REFUSED
    fakes.visit()
    fakes.keys.failure = None
    fakes.clusters.stored[CLUSTER] = cluster(held=True)
    fakes.visit()
    fakes.visit()
    (line,) = fakes.log.of(LogEvent.CLUSTER_RECOVERED)
    assert line.level == logging.INFO
    assert "key-access-denied is over" in str(line.fields["message"])


def test_a_tag_mends_no_failed_cluster() -> None:
    fakes = Fakes()
    fakes.clusters.end, fakes.clusters.leaves, fakes.clusters.arrives = Operation("Failed"), "Failed", False
    fakes.visit()
    fakes.run(HOUR - MINUTE)
    assert fakes.status.reason is Reason.UPDATE_FAILED
    fakes.clusters.stored[CLUSTER] = cluster(held=True, state="Failed")
    fakes.run(HOUR)
    assert (fakes.status.reason, fakes.status.alerts.attention_reason) == (Reason.CLUSTER_FAILED, Reason.CLUSTER_FAILED)
    assert fakes.log.of(LogEvent.CLUSTER_RECOVERED) == []


def test_holding_a_cluster_does_not_call_off_that_its_update_was_refused() -> None:
    fakes = Fakes()
    fakes.clusters.refuses = REFUSED
    fakes.visit()
    fakes.clusters.stored[CLUSTER] = cluster(held=True)
    fakes.run(HOUR)
    assert (fakes.status.reason, fakes.status.alerts.attention_reason) == (Reason.ON_HOLD, Reason.UPDATE_REFUSED)
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
    fakes.run(HOUR)
    assert len(fakes.log.of(LogEvent.CLUSTER_RECOVERED)) == 1


@pytest.mark.parametrize("state", ["no key", "deleted"])
def test_a_cluster_out_of_sight_or_without_a_key_calls_nothing_off(state: str) -> None:
    fakes = Fakes()
    fakes.keys.failure = REFUSED
    fakes.visit()
    if state == "deleted":
        del fakes.clusters.stored[CLUSTER]
    else:
        fakes.clusters.stored[CLUSTER] = cluster(key_vault_uri=None, key_name=None, key_version=None)
    fakes.run(HOUR)
    assert fakes.log.of(LogEvent.CLUSTER_RECOVERED) == []


def test_a_failure_that_a_rotation_announced_is_not_called_out_a_second_time_on_the_same_day() -> None:
    fakes = Fakes()
    fakes.clusters.refuses = REFUSED
    fakes.visit()
    fakes.visit()
    assert fakes.log.of(LogEvent.CLUSTER_ATTENTION) == []
    assert fakes.status.alerts.attention_reason is Reason.UPDATE_REFUSED


@pytest.mark.parametrize("ends", ["refused", "failed"])
def test_an_update_that_fails_again_and_again_has_done_so_since_the_first_time(ends: str) -> None:
    fakes = Fakes()
    if ends == "refused":
        fakes.clusters.refuses = REFUSED
    else:
        fakes.clusters.end, fakes.clusters.arrives = Operation("Failed"), False
    fakes.visit()
    fakes.run(3 * DAY)
    failures = fakes.log.of(LogEvent.ROTATION_FINISHED)
    daily = fakes.log.of(LogEvent.CLUSTER_ATTENTION)
    assert len(failures) > 4
    assert len(daily) in {2, 3}
    assert len({line.fields["since"] for line in failures[1:] + daily}) == 1
    status = fakes.log.of(LogEvent.CLUSTER_STATUS)[-1]
    assert status.fields["attentionSince"] == daily[0].fields["since"]
    assert status.fields["attentionReason"] == daily[0].fields["reason"]


# --- expiry ----------------------------------------------------------------------------------------------------------


def test_an_expiry_within_the_warning_time_is_said_daily() -> None:
    fakes = expiring_in(30)
    fakes.visit()
    fakes.run(2 * DAY + HOUR)
    lines = fakes.log.of(LogEvent.KEY_EXPIRING)
    assert [line.level for line in lines] == [logging.WARNING] * 3
    assert "2026-03-31 12:00Z" in str(lines[0].fields["message"])
    assert lines[0].fields["expiresAt"] == NOW + 30 * DAY


def test_an_expiry_beyond_the_warning_time_is_not_said_until_it_is_near() -> None:
    fakes = expiring_in(30.5)
    fakes.visit()
    assert fakes.log.of(LogEvent.KEY_EXPIRING) == []
    fakes.run(13 * HOUR)
    assert len(fakes.log.of(LogEvent.KEY_EXPIRING)) == 1


@pytest.mark.parametrize("days", [0, -1])
def test_what_has_expired_is_attention_and_no_warning(days: int) -> None:
    fakes = expiring_in(days)
    fakes.visit()
    assert fakes.log.of(LogEvent.KEY_EXPIRING) == []
    assert fakes.log.errors == ["cluster.attention"]


def test_a_disabled_version_is_attention_and_no_warning() -> None:
    fakes = Fakes()
    fakes.keys.listed[KEY] = (version(V1, expires_at=NOW + DAY, enabled=False),)
    fakes.visit()
    assert fakes.log.of(LogEvent.KEY_EXPIRING) == []


def test_a_warning_from_the_future_does_not_silence_the_next_one() -> None:
    fakes = expiring_in(5)
    fakes.records.put(status(expiry_warned_at=NOW + 1000 * DAY, attention_at=NOW + 1000 * DAY))
    fakes.visit()
    assert len(fakes.log.of(LogEvent.KEY_EXPIRING)) == 1


def test_a_cluster_that_cannot_be_read_warns_of_nothing() -> None:
    fakes = expiring_in(5)
    fakes.clusters.get_failure = REFUSED
    fakes.visit()
    assert fakes.log.of(LogEvent.KEY_EXPIRING) == []


# --- the old version -------------------------------------------------------------------------------------------------


def test_an_old_version_that_is_disabled_too_early_is_called_out() -> None:
    fakes = moved()
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    fakes.run(3 * HOUR)
    (line,) = fakes.log.of(LogEvent.OLD_VERSION_DISABLED_EARLY)
    assert line.level == logging.ERROR
    assert (line.fields["fromVersion"], line.fields["toVersion"]) == (V1, V2)
    assert "was disabled before 2026-03-02 12:1" in str(line.fields["message"])


def test_it_is_said_daily_while_it_is_disabled_and_since_when() -> None:
    fakes = Fakes(timing=Timing(keep_old_version=3 * DAY))
    fakes.visit()
    fakes.run(HOUR)
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    fakes.run(4 * DAY)
    lines = fakes.log.of(LogEvent.OLD_VERSION_DISABLED_EARLY)
    assert len(lines) == 3, "and no more once its time has come"
    assert len({line.fields["since"] for line in lines}) == 1


def test_one_that_is_enabled_as_told_and_disabled_again_is_called_out_again() -> None:
    fakes = moved()
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    fakes.run(HOUR)
    fakes.keys.listed[KEY] = (version(V1), version(V2))
    fakes.run(HOUR)
    assert fakes.status.alerts.disabled_early == ()
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    fakes.run(HOUR)
    first, second = fakes.log.of(LogEvent.OLD_VERSION_DISABLED_EARLY)
    assert str(first.fields["since"]) < str(second.fields["since"])


@pytest.mark.parametrize("out_of_sight", ["cluster", "key"])
def test_what_cannot_be_seen_for_a_while_is_not_called_out_again(out_of_sight: str) -> None:
    fakes = moved()
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    fakes.run(HOUR)
    if out_of_sight == "cluster":
        fakes.clusters.get_failure = REFUSED
    else:
        fakes.keys.failure = REFUSED
    fakes.visit()
    fakes.keys.failure = fakes.clusters.get_failure = None
    fakes.run(HOUR)
    assert len(fakes.log.of(LogEvent.OLD_VERSION_DISABLED_EARLY)) == 1


def test_what_an_earlier_version_of_this_product_noted_is_said_again_since_now() -> None:
    fakes = moved()
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    fakes.records.put(changed_status(fakes.status, disabled_early=(DisabledEarly(V1, None, None),)))
    fakes.visit()
    (line,) = fakes.log.of(LogEvent.OLD_VERSION_DISABLED_EARLY)
    assert line.fields["since"] == fakes.clock.now


def test_the_old_version_of_an_earlier_rotation_is_watched_as_well() -> None:
    fakes = moved()
    fakes.keys.listed[KEY] = (version(V1), version(V2), version(V3))
    fakes.run(HOUR)
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2, enabled=False), version(V3))
    fakes.run(3 * HOUR)
    lines = fakes.log.of(LogEvent.OLD_VERSION_DISABLED_EARLY)
    assert [line.fields["fromVersion"] for line in lines] == [V1, V2]


def test_an_old_version_that_is_disabled_in_time_is_nobody_s_business() -> None:
    fakes = moved()
    fakes.run(25 * HOUR)
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    fakes.run(3 * HOUR)
    assert fakes.log.of(LogEvent.OLD_VERSION_DISABLED_EARLY) == []


def test_an_old_version_that_is_gone_from_the_list_is_not_disabled() -> None:
    fakes = moved()
    fakes.keys.listed[KEY] = (version(V2),)
    fakes.run(3 * HOUR)
    assert fakes.log.of(LogEvent.OLD_VERSION_DISABLED_EARLY) == []


def test_a_rotation_that_did_not_succeed_keeps_no_old_version() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2, state="Failed")
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    fakes.records.put(over(Stage.FAILED, Reason.CLUSTER_FAILED, keep_old_version_until=NOW + DAY))
    fakes.visit()
    assert fakes.log.of(LogEvent.OLD_VERSION_DISABLED_EARLY) == []


@pytest.mark.parametrize("version_between", [V2, V3])
def test_a_version_that_was_left_twice_is_watched_until_the_later_date(version_between: str) -> None:
    last = V3 if version_between == V2 else V2
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(key_version=last)
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(last))
    for target, until in ((version_between, NOW - DAY), (last, NOW + DAY)):
        fakes.records.put(
            over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, to_version=target, keep_old_version_until=until)
        )
    fakes.visit()
    (line,) = fakes.log.of(LogEvent.OLD_VERSION_DISABLED_EARLY)
    assert line.fields["toVersion"] == last


# --- crashes and rivals ----------------------------------------------------------------------------------------------


def test_another_update_that_is_overdue_has_been_so_since_a_time_of_its_own() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(state="Updating")
    fakes.records.put(rotation(started_at=NOW - 7 * HOUR, accepted_at=NOW - 7 * HOUR))
    called = {"attention_at": NOW - 8 * HOUR, "attention_since": NOW - 20 * HOUR}
    fakes.records.put(status(reason=Reason.UPDATE_RUNNING, attention_reason=Reason.UPDATE_OVERDUE, **called))
    fakes.visit()
    (line,) = fakes.log.of(LogEvent.UPDATE_OVERDUE)
    assert line.fields["since"] == NOW


@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_a_crash_around_a_line_that_is_owed_never_loses_it(place: int) -> None:
    fakes = Fakes()
    fakes.keys.failure = REFUSED
    fakes.effects.die_after = place
    fakes.run(HOUR)
    assert 1 <= len(fakes.log.of(LogEvent.CLUSTER_ATTENTION)) <= 2
    assert fakes.status.alerts.saying_since is None


@pytest.mark.parametrize("place", range(1, 14))
def test_a_crash_around_the_line_that_all_is_well_again_never_loses_it(place: int) -> None:
    fakes = Fakes()
    fakes.keys.listed[KEY] = (version(V1),)
    fakes.keys.failure = REFUSED
    fakes.run(20 * MINUTE)
    fakes.keys.failure = None
    fakes.effects.die_after = len(fakes.effects.done) + place
    fakes.run(HOUR)
    lines = fakes.log.of(LogEvent.CLUSTER_RECOVERED)
    assert 1 <= len(lines) <= 2
    assert all("attention for key-access-denied is over" in str(line.fields["message"]) for line in lines)
    assert (fakes.status.alerts.saying_since, fakes.status.alerts.attention_ended) == (None, None)


def test_what_is_said_again_after_a_crash_began_when_it_began() -> None:
    fakes = Fakes()
    fakes.keys.failure = REFUSED
    fakes.visit()
    fakes.records.put(changed_status(fakes.status, saying_since=fakes.clock.now))
    fakes.clock.now += HOUR
    fakes.visit()
    first, again = (line.fields["since"] for line in fakes.log.of(LogEvent.CLUSTER_ATTENTION))
    assert first == again == NOW


def test_of_two_visits_at_once_only_one_calls() -> None:
    fakes = Fakes()
    fakes.keys.failure = REFUSED
    rivals = [1]

    def another_visit_comes_first(_row: object) -> None:
        if rivals:
            rivals.pop()
            fakes.clock.now -= SECOND
            fakes.visit()
            fakes.clock.now += SECOND

    fakes.records.before_save = another_visit_comes_first
    fakes.visit()
    assert len(fakes.log.of(LogEvent.CLUSTER_ATTENTION)) == 1
    fakes.run(23 * HOUR)
    assert len(fakes.log.of(LogEvent.CLUSTER_ATTENTION)) == 1


def test_lines_that_may_not_have_been_written_are_written_by_the_next_visit_after_a_while() -> None:
    fakes = Fakes()
    fakes.keys.failure = REFUSED
    fakes.visit()
    fakes.records.put(changed_status(fakes.status, saying_since=fakes.clock.now))
    fakes.clock.now += MINUTE
    fakes.visit()
    assert len(fakes.log.of(LogEvent.CLUSTER_ATTENTION)) == 1
    fakes.clock.now += MINUTE
    fakes.visit()
    assert len(fakes.log.of(LogEvent.CLUSTER_ATTENTION)) == 2
    assert fakes.status.alerts.saying_since is None


# --- what calls an alarm off -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("called", list(Reason))
def test_the_tag_calls_off_only_what_does_not_wait_for_an_update(called: Reason) -> None:
    waits = {
        Reason.UPDATE_REFUSED,
        Reason.UPDATE_FAILED,
        Reason.CLUSTER_FAILED,
        Reason.READ_BACK_DIFFERS,
        Reason.UPDATE_OVERDUE,
        Reason.MOVED_BACK,
        Reason.CLUSTER_STUCK,
        Reason.WORKSPACE_FAILED,
    }
    held = Decision(Action.NOTHING, Reason.ON_HOLD, "on hold")
    assert recovery_due(status(attention_reason=called), held) is (called not in waits)


@pytest.mark.parametrize("reason", [Reason.NO_CUSTOMER_KEY, Reason.CLUSTER_GONE, Reason.CLUSTER_DELETING])
def test_a_cluster_that_shows_no_key_any_more_leaves_open_what_has_become_of_it(reason: Reason) -> None:
    row = status(attention_reason=Reason.IN_USE_DISABLED)
    assert not recovery_due(row, Decision(Action.NOTHING, reason, "out of sight"))
    assert recovery_due(row, Decision(Action.NOTHING, Reason.UP_TO_DATE, "well"))
