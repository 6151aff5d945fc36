"""What each event changes of a rotation, and that it changes nothing else."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from cmk_rotation.domain import rotation as machine
from cmk_rotation.domain.azure_resources import Accepted, Operation, OperationError, Workspace
from cmk_rotation.domain.repairs import Right
from cmk_rotation.domain.rotation import Attempt, Outcome, Rotation
from cmk_rotation.domain.vocabulary import Reason, RequestedBy, Stage
from tests.unit.support.builders import (
    BUSY,
    CLUSTER,
    CREATED,
    DAY,
    HOUR,
    KEY_NAME,
    MINUTE,
    NOW,
    OPERATION,
    REFUSED,
    SECOND,
    UNAVAILABLE,
    V1,
    V2,
    V3,
    VAULT,
    WORKSPACE,
    changed,
    claimed,
    cluster,
    must,
    operation_url,
    over,
    rotation,
    version,
    waiting,
)

LATER = NOW + HOUR
CLAIM = claimed(claimed_until=NOW + MINUTE, sends=2, remedy="Wait.", etag="1")
FULL = rotation(
    claimed_until=NOW,
    rests_until=NOW,
    sends=2,
    correlation_id="correlation-1",
    operation_status="Running",
    operation_error=OperationError("Old", "an old one"),
    at_target_since=NOW - MINUTE,
    elsewhere_since=NOW - MINUTE,
    silent_since=NOW - MINUTE,
    remedy="Wait.",
    etag="1",
)
BLANK = {
    "claimed_until": None,
    "rests_until": None,
    "operation_url": None,
    "at_target_since": None,
    "elsewhere_since": None,
    "silent_since": None,
    "finished_at": NOW,
}
"""What an end leaves of the way there."""
END = over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, announced=False, published=False, linked_workspaces=())
ERROR = OperationError("New", "a new one")
HEADING = f"law-one: key {KEY_NAME}, {V1} → {V2}"
SEEN = (Workspace(WORKSPACE, "Failed"),)


@pytest.mark.parametrize(
    ("event", "before", "changes"),
    [
        (
            lambda one: machine.put_off(one, Reason.CLUSTER_BUSY, "busy"),
            waiting(reason=Reason.VERSION_IS_BEHIND),
            {"reason": Reason.CLUSTER_BUSY, "message": "busy"},
        ),
        (lambda one: machine.claim_renewed(one, LATER), CLAIM, {"claimed_until": LATER + 180 * SECOND}),
        (
            lambda one: machine.accepted(one, Accepted(operation_url(), "correlation-2"), OPERATION, LATER),
            CLAIM,
            {
                "claimed_until": None,
                "accepted_at": LATER,
                "correlation_id": "correlation-2",
                "operation_id": OPERATION,
                "operation_url": operation_url(),
                "message": f"{HEADING}: update accepted",
            },
        ),
        (
            lambda one: machine.accepted(one, Accepted(operation_url(), "correlation-2"), None, LATER),
            CLAIM,
            {
                "claimed_until": None,
                "accepted_at": LATER,
                "correlation_id": "correlation-2",
                "message": f"{HEADING}: update accepted, without an operation that can be followed",
            },
        ),
        (
            lambda one: machine.found_busy(one, BUSY, Reason.CLUSTER_STUCK, LATER),
            CLAIM,
            {
                "claimed_until": None,
                "rests_until": LATER,
                "reason": Reason.CLUSTER_STUCK,
                "message": f"{HEADING}: an operation, perhaps this update, already runs on the cluster "
                "(CodeBusy: it is busy)",
            },
        ),
        (
            lambda one: machine.throttled(one, UNAVAILABLE, LATER),
            CLAIM,
            {
                "claimed_until": None,
                "rests_until": LATER,
                "reason": Reason.CLUSTER_UNREACHABLE,
                "message": f"{HEADING}: Azure takes no update for now (CodeUnavailable: it is unavailable)",
            },
        ),
        (
            lambda one: machine.unanswered(one, UNAVAILABLE, LATER),
            CLAIM,
            {
                "rests_until": LATER,
                "sends": 3,
                "reason": Reason.CLUSTER_UNREACHABLE,
                "message": f"{HEADING}: Azure did not answer the update (CodeUnavailable: it is unavailable)",
            },
        ),
        (
            machine.claim_lapsed,
            FULL,
            {
                "stage": Stage.WAITING,
                "reason": Reason.VERSION_IS_BEHIND,
                "operation_url": None,
                "message": f"{HEADING}: nothing came of the update that was to be sent",
            },
        ),
        (
            lambda one: machine.learned(one, "Updating", Operation("Succeeded")),
            FULL,
            {
                "cluster_state": "Updating",
                "operation_status": "Succeeded",
                "silent_since": None,
                "at_target_since": None,
                "elsewhere_since": None,
            },
        ),
        (
            lambda one: machine.learned(one, None, None),
            FULL,
            {"cluster_state": None, "at_target_since": None, "elsewhere_since": None},
        ),
        (lambda one: machine.fell_silent(one, LATER), FULL, {"silent_since": LATER}),
        (lambda one: machine.reached_target(one, LATER), FULL, {"at_target_since": LATER}),
        (lambda one: machine.contradicted(one, LATER), FULL, {"elsewhere_since": LATER}),
        (
            lambda one: machine.went_on(one, "it runs"),
            changed(FULL, reason=Reason.UPDATE_OVERDUE),
            {"reason": Reason.UPDATE_RUNNING, "message": f"{HEADING}: it runs", "remedy": None},
        ),
        (
            lambda one: machine.succeeded(one, Reason.UPDATE_CONFIRMED, "done", NOW, ERROR),
            FULL,
            {
                **BLANK,
                "stage": Stage.SUCCEEDED,
                "reason": Reason.UPDATE_CONFIRMED,
                "message": f"{HEADING}: done",
                "operation_error": ERROR,
            },
        ),
        (
            lambda one: machine.superseded(one, Reason.CHANGED_BY_OTHERS, "moved", NOW, ERROR),
            FULL,
            {
                **BLANK,
                "stage": Stage.SUPERSEDED,
                "reason": Reason.CHANGED_BY_OTHERS,
                "message": f"{HEADING}: moved",
                "operation_error": ERROR,
            },
        ),
        (
            lambda one: machine.superseded(one, Reason.NEWER_VERSION, "newer", NOW),
            changed(FULL, finished_at=NOW - DAY, announced=True),
            {
                **BLANK,
                "stage": Stage.SUPERSEDED,
                "reason": Reason.NEWER_VERSION,
                "message": f"{HEADING}: newer",
                "announced": False,
            },
        ),
        (
            lambda one: machine.failed(one, Reason.READ_BACK_DIFFERS, "another", NOW, ERROR),
            FULL,
            {
                **BLANK,
                "stage": Stage.FAILED,
                "reason": Reason.READ_BACK_DIFFERS,
                "message": f"{HEADING}: another",
                "operation_error": ERROR,
            },
        ),
        (
            lambda one: machine.refused(one, REFUSED, NOW),
            FULL,
            {
                **BLANK,
                "stage": Stage.FAILED,
                "reason": Reason.UPDATE_REFUSED,
                "message": f"{HEADING}: Azure refused the update (CodeRefused: it is refused)",
                "operation_error": OperationError("CodeRefused", "it is refused"),
            },
        ),
        (lambda one: machine.workspaces_seen(one, SEEN), END, {"linked_workspaces": SEEN}),
        (
            lambda one: machine.old_version_kept(one, LATER, ("law-two",)),
            END,
            {"keep_old_version_until": LATER, "old_version_pinned_by": ("law-two",)},
        ),
        (lambda one: machine.announcing(one, NOW), END, {"announcing_until": NOW + 2 * MINUTE}),
        (
            lambda one: machine.announced(one, published=False),
            changed(END, announcing_until=NOW),
            {"announcing_until": None, "announced": True},
        ),
        (
            lambda one: machine.announced(one, published=True),
            changed(END, announcing_until=NOW),
            {"announcing_until": None, "announced": True, "published": True},
        ),
    ],
)
def test_an_event_changes_what_it_says_and_nothing_else(
    event: Callable[[Rotation], Rotation], before: Rotation, changes: dict[str, object]
) -> None:
    after = event(before)
    remedy = changes.get("remedy", after.remedy if "finished_at" in changes else before.remedy)
    assert after == changed(before, **{**changes, "remedy": remedy})


def test_a_rotation_is_proposed_with_all_that_the_cluster_and_the_target_say() -> None:
    target = version(V2)
    made = machine.proposed(cluster(), target, by=RequestedBy.OPERATOR, event_id="event-1", now=NOW)
    assert made == Rotation(
        cluster_id=CLUSTER,
        key_vault_uri=VAULT,
        key_name=KEY_NAME,
        from_version=V1,
        to_version=V2,
        to_version_created_at=CREATED[V2],
        stage=Stage.WAITING,
        reason=Reason.VERSION_IS_BEHIND,
        message="",
        requested_at=NOW,
        requested_by=RequestedBy.OPERATOR,
        event_id="event-1",
        cluster_state="Succeeded",
    )
    there = cluster(key_version=V2.upper(), key_vault_uri=None, key_name=None)
    bare = machine.proposed(there, target, by=RequestedBy.EVENT, event_id=None, now=NOW)
    assert (bare.from_version, bare.key_vault_uri, bare.key_name) == (None, "", "")


def test_a_claim_is_another_attempt_of_which_nothing_is_known_yet() -> None:
    before = changed(
        over(Stage.FAILED, Reason.UPDATE_FAILED), remedy="Look.", from_version=V3, lacks=Right(None, "a role"), sends=3
    )
    claim = machine.claimed(before, cluster(), by=RequestedBy.FOLLOW, attempt_id="attempt-2", now=NOW)
    assert claim.lacks is None
    assert claim == replace(
        before,
        stage=Stage.UPDATING,
        reason=Reason.UPDATE_RUNNING,
        message=f"{HEADING}: update is being sent",
        from_version=V1,
        remedy=None,
        attempts=2,
        attempt=Attempt(id="attempt-2", started_at=NOW, claimed_until=NOW + 180 * SECOND),
        outcome=Outcome(),
    )
    keyless = machine.claimed(
        before, cluster(key_vault_uri=None, key_name=None), by=RequestedBy.EVENT, attempt_id="a", now=NOW
    )
    assert (keyless.key_vault_uri, keyless.key_name) == ("", "")


@pytest.mark.parametrize(("claimed_until", "attempts"), [(None, 1), (NOW - MINUTE, 2)])
def test_an_update_that_was_turned_away_is_the_same_attempt_when_it_is_sent_again(
    claimed_until: object, attempts: int
) -> None:
    before = waiting(claimed_until=claimed_until, started_at=NOW - HOUR, sends=2, attempts=1)
    claim = machine.claimed(before, cluster(), by=RequestedBy.FOLLOW, attempt_id="attempt-2", now=NOW)
    assert claim.attempts == attempts
    assert claim.attempt == Attempt(id="attempt-2", started_at=NOW - HOUR, claimed_until=NOW + 180 * SECOND, sends=2)


def test_a_claim_that_is_taken_back_leaves_what_was_before_under_the_claim_s_own_tag() -> None:
    before = over(Stage.FAILED, Reason.UPDATE_FAILED, etag="1")
    claim = replace(machine.claimed(before, cluster(), by=RequestedBy.EVENT, attempt_id="a", now=NOW), etag="2")
    assert machine.claim_taken_back(claim, before, "it is on hold") == replace(
        before, message=f"{HEADING}: it is on hold", etag="2"
    )


def test_an_overdue_update_has_what_support_asks_for() -> None:
    late = machine.became_overdue(changed(FULL, correlation_id=OPERATION), "it takes long")
    assert late == changed(
        FULL,
        correlation_id=OPERATION,
        reason=Reason.UPDATE_OVERDUE,
        message=f"{HEADING}: it takes long",
        remedy=late.remedy,
    )
    assert f"the operation id {OPERATION} and the correlation id {OPERATION}" in must(late.remedy)


def test_a_refusal_for_want_of_a_right_says_who_lacks_which_and_how_it_is_given() -> None:
    app, identity = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
    refusal = replace(
        REFUSED,
        code="AuthorizationFailed",
        message=f"The client 'x' with object id '{app}' does not have authorization",
    )
    refused = machine.refused(FULL, refusal, NOW)
    assert refused.lacks == Right(app, "Log Analytics Contributor")
    assert f"--assignee-object-id {app}" in must(refused.remedy)
    unwrapped = machine.refused(FULL, replace(REFUSED, message="Failed to validate key"), NOW, identity)
    assert must(unwrapped.lacks).principal_id == identity
    assert f"--assignee-object-id {identity}" in must(unwrapped.remedy)
    in_hsm = changed(FULL, key_vault_uri="https://contoso.managedhsm.azure.net")
    unwrapped = machine.refused(in_hsm, replace(REFUSED, code="Failed to validate key"), NOW, identity)
    assert f"--hsm-name contoso --scope /keys/{KEY_NAME}" in must(unwrapped.remedy)
    assert machine.succeeded(FULL, Reason.ALREADY_THERE, "there", NOW).remedy == (
        "Nothing to do: the cluster came to this version without us. Keep the old version enabled as after any rotation."
    )


def test_a_rotation_that_waits_after_a_claim_has_lapsed() -> None:
    assert not waiting().lapsed
    assert waiting(started_at=NOW).lapsed
    assert not claimed().lapsed


def test_two_values_are_one_rotation_if_cluster_key_and_target_are_the_same() -> None:
    one = rotation()
    assert machine.same_rotation(
        one, changed(one, to_version=V2.upper(), key_name=KEY_NAME.upper(), stage=Stage.FAILED)
    )
    for other in (changed(one, to_version=V3), changed(one, key_name="other"), changed(one, cluster_id=None)):
        assert not machine.same_rotation(one, other)


def test_a_row_that_was_written_meanwhile_keeps_its_own_correlation_id_and_what_it_knows() -> None:
    stored = claimed(id="another", correlation_id="ours", etag="2")
    merged = machine.merged(stored, rotation(correlation_id="theirs"))
    assert (merged.attempt.correlation_id, merged.attempt.operation_id, merged.etag) == ("ours", OPERATION, "2")
    ended = over(Stage.SUPERSEDED, Reason.NEWER_VERSION, id="another", operation_id=None, accepted_at=NOW - DAY)
    assert machine.merged(ended, rotation()).attempt.accepted_at == NOW - DAY
    same = over(Stage.SUPERSEDED, Reason.NEWER_VERSION, operation_id=None)
    assert machine.merged(same, rotation()).stage is Stage.SUPERSEDED


def test_the_time_that_a_rotation_took_is_counted_in_milliseconds() -> None:
    started = NOW - 5 * MINUTE - timedelta(microseconds=1_234_567)
    assert over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, started_at=started).seconds_to_verify == 1.235


@pytest.mark.parametrize("status", ["Failed", "Canceled", "cancelled"])
def test_an_operation_has_failed_in_either_spelling(status: str) -> None:
    assert Operation(status).failed
    assert not Operation(f"{status}?").failed


def test_a_rotation_from_nowhere_known_is_named_by_where_it_leads() -> None:
    assert rotation(from_version=None).heading == f"law-one: key {KEY_NAME}, version {V2}"
