"""The cluster's row: what it says after a look, when the next visit is due, and what two looks at once do to it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cmk_rotation.controller import visit
from cmk_rotation.controller.ports import StorageUnavailableError
from cmk_rotation.controller.requeue import visit_may_come
from cmk_rotation.domain.cluster_record import AlertState, ClusterStatus
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import KeyMode, Reason, RequestedBy, Stage
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    HOUR,
    KEY,
    KEY_NAME,
    MINUTE,
    NOW,
    REFUSED,
    SECOND,
    UNAVAILABLE,
    V1,
    V2,
    VAULT,
    changed_status,
    cluster,
    must,
    status,
    version,
)
from tests.unit.support.fakes import FakeKeys, Message
from tests.unit.support.worlds import Fakes


def before_status(fakes: Fakes, act: Callable[[], None], *, times: int = 1) -> None:
    """Let something happen right before the cluster's row is written."""
    left = [act] * times

    def happen(row: Rotation | ClusterStatus) -> None:
        if left and isinstance(row, ClusterStatus):
            left.pop()()

    fakes.records.before_save = happen


def on_hold() -> Fakes:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(held=True)
    return fakes


@pytest.mark.parametrize("ahead", [HOUR, 3650 * DAY])
def test_a_row_from_the_future_mutes_nothing(ahead: timedelta) -> None:
    fakes = Fakes()
    fakes.records.put(status(looked_at=NOW + ahead))
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    fakes.run(20 * MINUTE)
    assert (fakes.status.reason, fakes.log.errors) == (Reason.IN_USE_DISABLED, ["cluster.attention"])
    assert fakes.status.looked_at <= fakes.clock.now


# --- what a row says -------------------------------------------------------------------------------------------------


def test_a_row_says_what_was_seen_why_and_what_to_do() -> None:
    fakes = on_hold()
    fakes.keys.listed[KEY] = (version(V1, expires_at=NOW + 300 * DAY), version(V2))
    fakes.visit()
    seen = replace(fakes.status, etag=None, message="", remedy=None, alerts=AlertState())
    assert seen == ClusterStatus(
        cluster_id=CLUSTER,
        mode=KeyMode.PINNED,
        reason=Reason.ON_HOLD,
        since=NOW,
        message="",
        remedy=None,
        looked_at=NOW,
        key_vault_uri=VAULT,
        key_name=KEY_NAME,
        key_version=V1,
        key_version_expires_at=NOW + 300 * DAY,
        newest_version=V2,
        cluster_state="Succeeded",
        held=True,
    )
    assert "cmk-rotation = hold" in fakes.status.message
    assert "Remove the tag" in (fakes.status.remedy or "")


def test_since_stays_while_the_reason_does() -> None:
    fakes = on_hold()
    fakes.visit()
    fakes.clock.now += HOUR
    fakes.visit()
    assert (fakes.status.since, fakes.status.looked_at) == (NOW, NOW + HOUR)
    fakes.keys.failure = REFUSED
    fakes.visit()
    assert fakes.status.since == NOW + HOUR


def test_a_cluster_that_cannot_be_read_keeps_what_was_last_seen() -> None:
    fakes = on_hold()
    fakes.visit()
    fakes.clusters.get_failure = REFUSED
    fakes.visit()
    assert (fakes.status.reason, fakes.status.key_version) == (Reason.CLUSTER_ACCESS_DENIED, V1)


def test_a_cluster_that_could_never_be_read_has_a_row_without_a_mode() -> None:
    fakes = Fakes()
    fakes.clusters.get_failure = REFUSED
    fakes.visit()
    assert (fakes.status.mode, fakes.status.key_version) == (None, None)


# --- when the next visit is due -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due", "comes"),
    [
        (None, False),
        (NOW + MINUTE, True),
        (NOW, True),
        (NOW - 5 * MINUTE + SECOND, True),
        (NOW - 5 * MINUTE, False),
        (NOW + HOUR + 5 * MINUTE, True),
        (NOW + HOUR + 5 * MINUTE + SECOND, False),
        (NOW + 10_000 * DAY, False),
    ],
)
def test_a_visit_may_still_come_until_it_is_five_minutes_late_and_never_from_the_far_future(
    due: datetime | None, *, comes: bool
) -> None:
    assert visit_may_come(status(next_visit_at=due), NOW, HOUR) is comes


def test_without_a_row_no_visit_is_to_come() -> None:
    assert not visit_may_come(None, NOW, HOUR)


def test_a_look_that_wants_another_soon_does_not_wait_for_one_that_is_due_late() -> None:
    fakes = Fakes()
    fakes.clusters.get_failure = UNAVAILABLE
    fakes.records.put(status(reason=Reason.CLUSTER_UNREACHABLE, since=NOW, next_visit_at=NOW + 30 * MINUTE))
    fakes.visit()
    assert must(fakes.status.next_visit).at == NOW + MINUTE
    fakes.visit()
    assert len(fakes.requests.requested) == 1


def test_a_look_that_wants_no_other_forgets_one_that_is_long_due() -> None:
    fakes = on_hold()
    fakes.records.put(status(next_visit_at=NOW - HOUR, next_visit_asked_at=NOW - 2 * HOUR))
    fakes.visit()
    assert fakes.status.next_visit is None


def test_a_look_that_wants_no_other_leaves_one_that_is_to_come() -> None:
    fakes = on_hold()
    fakes.records.put(status(next_visit_at=NOW + MINUTE, next_visit_asked_at=NOW - MINUTE))
    fakes.visit()
    assert must(fakes.status.next_visit).at == NOW + MINUTE


# --- two looks at once ----------------------------------------------------------------------------------------------------


def test_the_later_of_two_looks_wins() -> None:
    fakes = on_hold()
    fakes.records.put(status())
    earlier = status(reason=Reason.CLUSTER_BUSY, looked_at=NOW - SECOND, unreadable_rows="x|y|z")
    before_status(fakes, lambda: fakes.records.put(earlier))
    fakes.visit()
    assert (fakes.status.reason, fakes.status.alerts.unreadable_rows) == (Reason.ON_HOLD, "x|y|z")


def test_the_earlier_of_two_looks_yields() -> None:
    fakes = on_hold()
    fakes.records.put(status())
    before_status(fakes, lambda: fakes.records.put(status(reason=Reason.CLUSTER_BUSY, looked_at=NOW + SECOND)))
    fakes.visit()
    assert fakes.status.reason is Reason.CLUSTER_BUSY


def test_the_earlier_of_two_looks_still_notes_the_visit_that_it_requested() -> None:
    """The due visit requests the next; a spare that looked later wrote first, and knows only of the due one."""
    fakes = Fakes()
    fakes.clusters.get_failure = UNAVAILABLE
    asked_at = NOW - MINUTE
    due = status(reason=Reason.CLUSTER_UNREACHABLE, next_visit_at=NOW, next_visit_asked_at=asked_at)
    fakes.records.put(due)
    before_status(fakes, lambda: fakes.records.put(replace(due, looked_at=NOW + SECOND, message="the spare's")))
    visit.visit(fakes.world, VisitRequest(RequestedBy.FOLLOW, asked_at, cluster=CLUSTER))
    (requested,) = fakes.requests.pending
    assert must(fakes.status.next_visit).asked_at == requested.visit.requested_at
    assert must(fakes.status.next_visit).at == requested.due
    assert fakes.status.message == "the spare's", "the later look wins"


def test_a_visit_that_comes_before_it_was_noted_requests_the_next_one_all_the_same() -> None:
    """The table was slow: the due visit came, took itself for a spare, and learns otherwise when it records."""
    fakes = Fakes()
    fakes.clusters.get_failure = UNAVAILABLE
    older, asked_at = NOW - 2 * MINUTE, NOW - MINUTE
    row = status(reason=Reason.CLUSTER_UNREACHABLE, next_visit_at=NOW - SECOND, next_visit_asked_at=older)
    fakes.records.put(row)
    noted_late = changed_status(row, next_visit_at=NOW, next_visit_asked_at=asked_at)
    before_status(fakes, lambda: fakes.records.put(noted_late))
    visit.visit(fakes.world, VisitRequest(RequestedBy.FOLLOW, asked_at, cluster=CLUSTER))
    (requested,) = fakes.requests.pending
    assert must(fakes.status.next_visit).asked_at == requested.visit.requested_at


@pytest.mark.parametrize(
    ("requested", "successors"),
    [(-SECOND, 0), (0 * SECOND, 1), (SECOND, 1)],
    ids=["a spare", "the successor of one that came on time", "the successor"],
)
def test_a_visit_that_was_requested_when_the_due_one_was_due_takes_its_place(
    requested: timedelta, successors: int
) -> None:
    """The due one was there, and could not put on record which visit it had requested, or has not yet."""
    fakes = Fakes()
    fakes.clusters.get_failure = UNAVAILABLE
    due_at = NOW - MINUTE
    fakes.records.put(status(next_visit_at=due_at, next_visit_asked_at=due_at - MINUTE))
    visit.visit(fakes.world, VisitRequest(RequestedBy.FOLLOW, due_at + requested, cluster=CLUSTER))
    assert len(fakes.requests.requested) == successors


def test_of_two_looks_that_each_requested_a_visit_the_row_keeps_the_one_that_is_on_it() -> None:
    fakes = Fakes()
    fakes.clusters.get_failure = UNAVAILABLE
    theirs = status(
        reason=Reason.CLUSTER_UNREACHABLE,
        looked_at=NOW - SECOND,
        next_visit_at=NOW + 50 * SECOND,
        next_visit_asked_at=NOW - SECOND,
    )
    before_status(fakes, lambda: fakes.records.put(theirs))
    fakes.visit()
    assert must(fakes.status.next_visit).asked_at == NOW - SECOND
    assert fakes.status.reason is Reason.CLUSTER_UNREACHABLE


def test_a_row_that_changes_at_every_try_is_left_as_it_is() -> None:
    fakes = on_hold()
    fakes.records.put(status())
    before_status(fakes, lambda: fakes.records.put(status(looked_at=NOW - SECOND)), times=99)
    fakes.visit()
    assert fakes.status.reason is Reason.UP_TO_DATE


def test_a_visit_that_ends_together_with_a_dozen_others_still_notes_the_next_one() -> None:
    fakes = Fakes()
    fakes.clusters.get_failure = UNAVAILABLE
    fakes.records.put(status())
    before_status(fakes, lambda: fakes.records.put(status(looked_at=NOW - SECOND)), times=12)
    fakes.visit()
    (requested,) = fakes.requests.pending
    assert must(fakes.status.next_visit).asked_at == requested.visit.requested_at


def test_a_row_that_vanishes_is_not_written_over_nothing() -> None:
    fakes = on_hold()
    fakes.records.put(status())
    before_status(fakes, fakes.records.statuses.clear)
    fakes.visit()
    assert fakes.records.statuses == {}


def test_that_something_was_said_is_noted_on_top_of_what_others_wrote() -> None:
    fakes = Fakes()
    fakes.keys.failure = REFUSED
    fakes.visit()
    fakes.records.put(changed_status(fakes.status, attention_at=NOW - 2 * DAY))
    saves: list[ClusterStatus] = []

    def somebody_writes_between_the_two(row: Rotation | ClusterStatus) -> None:
        assert isinstance(row, ClusterStatus)
        saves.append(row)
        if len(saves) == 2:
            fakes.records.put(replace(fakes.status, message="looked meanwhile"))

    fakes.records.before_save = somebody_writes_between_the_two
    fakes.visit()
    assert (fakes.status.message, fakes.status.alerts.saying_since) == ("looked meanwhile", None)


@pytest.mark.parametrize("meanwhile", ["gone", "said by another", "always changing"])
def test_that_something_was_said_is_not_noted_where_others_have_taken_over(meanwhile: str) -> None:
    fakes = Fakes()
    fakes.keys.failure = REFUSED
    saves: list[ClusterStatus] = []

    def somebody_writes(row: Rotation | ClusterStatus) -> None:
        assert isinstance(row, ClusterStatus)
        saves.append(row)
        if len(saves) == 1:
            return
        if meanwhile == "gone":
            fakes.records.statuses.clear()
        elif meanwhile == "said by another":
            fakes.records.put(changed_status(fakes.status, saying_since=NOW + SECOND))
        else:
            fakes.records.put(fakes.status)

    fakes.records.before_save = somebody_writes
    fakes.visit()
    assert len(saves) == (21 if meanwhile == "always changing" else 2)


def test_a_row_that_cannot_be_written_is_raised_only_if_no_visit_was_requested() -> None:
    fakes = on_hold()

    def storage_goes_down() -> None:
        fakes.effects.storage_is_down = True
        raise StorageUnavailableError("down")

    before_status(fakes, storage_goes_down)
    with pytest.raises(StorageUnavailableError):
        fakes.visit()
    unreachable = Fakes()
    unreachable.clusters.get_failure = UNAVAILABLE
    before_status(unreachable, storage_goes_down)
    unreachable.visit()
    assert len(unreachable.requests.requested) == 1


# --- whatever goes wrong, and whenever ------------------------------------------------------------------------------------


def stray(fakes: Fakes, minute: int) -> Message:
    return Message(VisitRequest(RequestedBy.EVENT, NOW, cluster=CLUSTER), fakes.clock.now + minute * MINUTE)


@settings(deadline=None, max_examples=60)
@given(
    crashes=st.lists(st.integers(1, 60), max_size=3, unique=True),
    failing=st.frozensets(st.integers(1, 120), max_size=6),
    strays=st.lists(st.integers(0, 40), max_size=5),
)
@example(crashes=[24], failing=frozenset([4, 16]), strays=[0, 0])  # three claims, none of them sent
def test_crashes_storage_failures_and_stray_visits_in_any_mixture_end_in_one_verified_rotation(
    crashes: list[int], failing: frozenset[int], strays: list[int]
) -> None:
    fakes = Fakes()
    fakes.effects.failing_calls = failing
    fakes.key_changed()
    for minute in sorted(strays):
        fakes.requests.pending.append(stray(fakes, minute))
    for crash in sorted(crashes):
        fakes.effects.die_after = len(fakes.effects.done) + crash
        fakes.run(20 * MINUTE)
    fakes.effects.die_after = None
    fakes.run(3 * HOUR)
    assert (fakes.rotation.stage, fakes.rotation.verified) == (Stage.SUCCEEDED, True)
    assert [step.name for step in fakes.records.steps].count("finished") == 1
    assert len(fakes.clusters.patches) == 1
    assert fakes.rotation.outcome.announced
    assert fakes.rotation.outcome.published
    assert 1 <= len(fakes.finished) <= 1 + len(crashes) + len(failing)
    assert fakes.status.reason is Reason.UP_TO_DATE
    assert fakes.requests.pending == []


def test_a_line_that_a_dead_visit_noted_in_the_far_future_is_said_all_the_same() -> None:
    fakes = Fakes()
    fakes.keys = FakeKeys({KEY: (version(V1, enabled=False), version(V2))})
    fakes.visit()
    assert fakes.log.errors == ["cluster.attention"]
    fakes.records.statuses[CLUSTER] = changed_status(fakes.status, saying_since=fakes.clock.now + 1000 * DAY)
    fakes.visit()
    assert fakes.log.errors == ["cluster.attention"] * 2
    assert fakes.status.alerts.saying_since is None
