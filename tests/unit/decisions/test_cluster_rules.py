"""What the rules about a cluster say, to the word that matters, and to whom their remedies lead."""

from datetime import datetime, timedelta

import pytest

from cmk_rotation.decisions.observation import Decision, Finish, Glance, Look, UnreadableCluster
from cmk_rotation.decisions.policy import decide
from cmk_rotation.domain.azure_resources import Operation, OperationError, Workspace
from cmk_rotation.domain.cluster_record import ClusterStatus
from cmk_rotation.domain.repairs import Right
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.timing import Timing
from cmk_rotation.domain.vocabulary import Action, FailureKind, Reason, Stage
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    GONE,
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    V1,
    V2,
    V3,
    WORKSPACE,
    cluster,
    failure,
    must,
    observation,
    over,
    rotation,
    status,
)

AT_V2 = cluster(key_version=V2)
SUCCEEDED = over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED)
HEADING = f"law-one: key la-cmk, {V1} → {V2}"


def decided(seen: Look) -> Decision:
    decision = decide(seen)
    assert isinstance(decision, Decision), decision
    return decision


def ended(seen: Look) -> Rotation:
    finish = decide(seen)
    assert isinstance(finish, Finish), finish
    return finish.rotation


@pytest.mark.parametrize(
    ("row", "came_from", "told"),
    [
        (None, None, True),
        (status(key_version=None, key_name=None), None, True),
        (status(key_version=V3), V3, False),
        (status(key_version=V3, key_name="other"), None, False),
    ],
)
def test_a_move_by_somebody_else_is_told_unless_it_is_the_first_sight_of_the_cluster(
    row: ClusterStatus | None,
    came_from: str | None,
    told: bool,  # noqa: FBT001
) -> None:
    end = ended(observation(cluster=AT_V2, status=row))
    assert (end.reason, end.from_version) == (Reason.ALREADY_THERE, came_from)
    assert (end.outcome.announced, end.outcome.published) == (told, told)


def test_a_move_of_ours_is_told_although_the_cluster_was_never_seen() -> None:
    assert not ended(
        observation(over(Stage.FAILED, Reason.UPDATE_FAILED, announced=False), cluster=AT_V2)
    ).outcome.announced


@pytest.mark.parametrize(
    ("before", "now", "called"),
    [
        (None, "Failed", True),
        (None, None, False),
        ("Failed", None, True),
        ("Failed", "Succeeded", False),
        ("Succeeded", None, False),
    ],
)
def test_a_workspace_that_was_failed_and_cannot_be_read_now_is_failed_still(
    before: str | None,
    now: str | None,
    called: bool,  # noqa: FBT001
) -> None:
    known = over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, linked_workspaces=(Workspace(WORKSPACE, before),))
    decision = decided(observation(known, cluster=AT_V2, workspaces=(Workspace(WORKSPACE, now),)))
    assert decision.reason is (Reason.WORKSPACE_FAILED if called else Reason.UP_TO_DATE)
    assert decision.message.endswith("are Failed after the update: ws-one") is called


def test_five_failed_workspaces_are_all() -> None:
    five = tuple(Workspace(f"{WORKSPACE}{number}", "Failed") for number in range(5))
    assert decided(observation(SUCCEEDED, cluster=AT_V2, workspaces=five)).message.endswith(
        "ws-one0, ws-one1, ws-one2, ws-one3, ws-one4"
    )


def test_a_hold_stops_an_update_and_on_a_failed_cluster_calls_a_person_who_is_told_how_to_repair_it() -> None:
    held = decided(observation(cluster=cluster(held=True)))
    assert (held.action, held.reason) == (Action.NOTHING, Reason.ON_HOLD)
    assert held.message == f"{HEADING}: the tag cmk-rotation = hold is set"
    tried = over(Stage.FAILED, Reason.UPDATE_FAILED)
    failed = decided(observation(tried, cluster=cluster(held=True, state="Failed")))
    assert (failed.action, failed.reason) == (Action.ATTENTION, Reason.CLUSTER_FAILED)
    assert failed.message == f"{held.message}, and the cluster is Failed"
    assert f"az resource patch --ids {CLUSTER.text}" in must(failed.remedy).text


@pytest.mark.parametrize(("finished_at", "when"), [(NOW - HOUR, "2026-03-01 11:00Z"), (None, "before")])
def test_a_cluster_that_was_put_back_is_moved_by_hand_if_at_all(finished_at: datetime | None, when: str) -> None:
    known = over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, finished_at=finished_at)
    decision = decided(observation(known))
    assert (decision.action, decision.reason) == (Action.ATTENTION, Reason.MOVED_BACK)
    assert decision.message == f"{HEADING}: the cluster was on the newer version ({when}) and was put back"
    assert f'"keyVersion": "{V2}"' in must(decision.remedy).text


@pytest.mark.parametrize(
    ("ago", "rests"),
    [(timedelta(), True), (-5 * MINUTE, True), (-6 * MINUTE, False), (59 * MINUTE, True), (HOUR, False), (DAY, False)],
)
def test_an_update_that_failed_rests_for_an_hour_by_a_clock_that_may_be_five_minutes_ahead(
    ago: timedelta,
    rests: bool,  # noqa: FBT001
) -> None:
    known = over(Stage.FAILED, Reason.UPDATE_FAILED, finished_at=NOW - ago)
    decision = decided(observation(known))
    assert decision.action is (Action.ATTENTION if rests else Action.UPDATE)


def test_what_just_failed_says_whom_its_remedy_is_about_and_what_a_row_says_of_that_is_not_believed() -> None:
    app = "11111111-1111-4111-8111-111111111111"
    error = OperationError("AuthorizationFailed", "no right")
    fresh = over(Stage.FAILED, Reason.UPDATE_REFUSED, operation_error=error, lacks=Right(app, "a role"))
    assert f"--assignee-object-id {app}" in must(decided(observation(fresh)).remedy).text
    stored = over(Stage.FAILED, Reason.UPDATE_REFUSED, operation_error=error, lacks=None)
    remedy = must(decided(observation(stored)).remedy)
    assert "--assignee-object-id" not in remedy.text
    assert "Log Analytics Contributor" in remedy.text


@pytest.mark.parametrize(("ago", "again"), [(None, MINUTE), (20 * SECOND, 40 * SECOND)])
def test_that_a_cluster_is_gone_is_believed_after_a_minute(ago: timedelta | None, again: timedelta) -> None:
    row = status(reason=Reason.CLUSTER_GONE, since=NOW - ago) if ago else None
    waits = decided(UnreadableCluster(now=NOW, cluster_id=CLUSTER, failure=GONE, status=row))
    assert (waits.action, waits.reason, waits.requeue_after) == (Action.WAIT, Reason.CLUSTER_GONE, again)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (FailureKind.REFUSED, "may not be read (CodeRefused: it is refused)"),
        (FailureKind.UNKNOWN_VERSION, "cannot be read (CodeUnknown-Version: it is unknown-version)"),
    ],
)
def test_why_a_cluster_is_not_read_is_said(kind: FailureKind, said: str) -> None:
    called = decided(UnreadableCluster(now=NOW, cluster_id=CLUSTER, failure=failure(kind)))
    assert called.message == f"law-one: the cluster {said}"


def test_a_look_at_the_operation_alone_leaves_what_is_known_of_the_cluster() -> None:
    known = rotation(cluster_state="Updating")
    glance = Glance(now=NOW, timing=Timing(), cluster_id=CLUSTER, operation=Operation("Running"), rotations=(known,))
    assert must(decided(glance).progress).cluster_state == "Updating"
