"""What is to be done about a cluster, one sentence for each situation."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from cmk_rotation.decisions import cluster_rules, key_rules, update_rules
from cmk_rotation.decisions.observation import Decision, Finish, Observation, UnreadableCluster, names
from cmk_rotation.decisions.policy import RULES, decide, settle
from cmk_rotation.domain.azure_resources import Operation, OperationError, Workspace
from cmk_rotation.domain.remedies import remedy_for
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.vocabulary import Action, FailureKind, Reason, RequestedBy, Stage
from tests.unit.support.builders import (
    BLOCKED,
    BUSY,
    CLUSTER,
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
    WORKSPACE,
    changed,
    cluster,
    failure,
    observation,
    over,
    rotation,
    status,
    version,
    waiting,
)

AT_V2 = cluster(key_version=V2)
MOVED = over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED)
REFUSED_ONCE = over(
    Stage.FAILED, Reason.UPDATE_REFUSED, message="law-one: Azure refused the update", remedy="Repair the role."
)
NO_KEY = cluster(key_vault_uri=None, key_name=None, key_version=None)
STRANGE_VAULT = cluster(key_vault_uri="https://contoso.vault.evil.example")
FAILED_WORKSPACE = (Workspace(WORKSPACE, "Failed"), Workspace(WORKSPACE + "2", "Succeeded"), Workspace("x", None))

CASES: dict[str, tuple[Observation, Action, Reason]] = {
    "a newer version exists": (observation(), Action.UPDATE, Reason.VERSION_IS_BEHIND),
    "the newest of several newer versions is taken": (
        observation(versions=(version(V3), version(V1), version(V2))),
        Action.UPDATE,
        Reason.VERSION_IS_BEHIND,
    ),
    "the cluster pins the newest version and a confirmed update put it there": (
        observation(MOVED, cluster=AT_V2),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "versions are compared without regard to case": (
        observation(MOVED, cluster=cluster(key_version=V2.upper())),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    # the cluster
    "the cluster is being deleted": (
        observation(cluster=cluster(state="Deleting")),
        Action.NOTHING,
        Reason.CLUSTER_DELETING,
    ),
    "the cluster has no key": (observation(cluster=NO_KEY, versions=()), Action.NOTHING, Reason.NO_CUSTOMER_KEY),
    "the cluster names a vault but no key": (
        observation(cluster=cluster(key_name=""), versions=()),
        Action.NOTHING,
        Reason.NO_CUSTOMER_KEY,
    ),
    "the cluster follows the newest version by itself": (
        observation(cluster=cluster(key_version=None)),
        Action.NOTHING,
        Reason.FOLLOWS_NEWEST_ITSELF,
    ),
    "the cluster's version is the empty string": (
        observation(cluster=cluster(key_version="")),
        Action.NOTHING,
        Reason.FOLLOWS_NEWEST_ITSELF,
    ),
    "the cluster is busy": (observation(cluster=cluster(state="Updating")), Action.WAIT, Reason.CLUSTER_BUSY),
    "the cluster is in a state of the future": (
        observation(cluster=cluster(state="Migrating")),
        Action.WAIT,
        Reason.CLUSTER_BUSY,
    ),
    "the cluster shows the newest version already but is busy": (
        observation(cluster=cluster(key_version=V2, state="Updating")),
        Action.WAIT,
        Reason.CLUSTER_BUSY,
    ),
    "the cluster has been busy for just under the deadline": (
        observation(
            cluster=cluster(state="ProvisioningAccount"),
            status=status(reason=Reason.CLUSTER_BUSY, since=NOW - 6 * HOUR + SECOND),
        ),
        Action.WAIT,
        Reason.CLUSTER_BUSY,
    ),
    "the cluster has been busy for as long as the deadline": (
        observation(
            cluster=cluster(state="ProvisioningAccount"),
            status=status(reason=Reason.CLUSTER_BUSY, since=NOW - 6 * HOUR),
        ),
        Action.ATTENTION,
        Reason.CLUSTER_STUCK,
    ),
    "the cluster was called stuck and still is": (
        observation(cluster=cluster(state="Updating"), status=status(reason=Reason.CLUSTER_STUCK, since=NOW)),
        Action.ATTENTION,
        Reason.CLUSTER_STUCK,
    ),
    "the cluster is failed and nothing was ever sent": (
        observation(cluster=cluster(state="Failed")),
        Action.ATTENTION,
        Reason.CLUSTER_FAILED,
    ),
    "the cluster is failed at the newest version and our update had succeeded": (
        observation(MOVED, cluster=cluster(key_version=V2, state="Failed")),
        Action.ATTENTION,
        Reason.CLUSTER_FAILED,
    ),
    "the cluster is canceled after our own update failed, and that is fresh": (
        observation(REFUSED_ONCE, cluster=cluster(state="Canceled")),
        Action.ATTENTION,
        Reason.UPDATE_REFUSED,
    ),
    "the cluster is failed after our own update failed, and that has rested": (
        observation(changed(REFUSED_ONCE, finished_at=NOW - HOUR), cluster=cluster(state="Failed")),
        Action.UPDATE,
        Reason.VERSION_IS_BEHIND,
    ),
    "the cluster is failed after a claim of which nothing came, for Azure may have taken its update late": (
        observation(waiting(started_at=NOW - HOUR, attempts=1), cluster=cluster(state="Failed")),
        Action.UPDATE,
        Reason.VERSION_IS_BEHIND,
    ),
    "the cluster is failed while our rotation waits that was never claimed": (
        observation(waiting(), cluster=cluster(state="Failed")),
        Action.ATTENTION,
        Reason.CLUSTER_FAILED,
    ),
    "the cluster is failed at the target after our own update, and that has rested": (
        observation(
            over(Stage.FAILED, Reason.CLUSTER_FAILED, finished_at=NOW - HOUR),
            cluster=cluster(key_version=V2, state="Failed"),
        ),
        Action.UPDATE,
        Reason.VERSION_IS_BEHIND,
    ),
    "a workspace is failed too, which must not keep a failed cluster from being tried again": (
        observation(
            over(Stage.FAILED, Reason.CLUSTER_FAILED, finished_at=NOW - HOUR),
            cluster=cluster(key_version=V2, state="Failed"),
            workspaces=FAILED_WORKSPACE,
        ),
        Action.UPDATE,
        Reason.VERSION_IS_BEHIND,
    ),
    "a linked workspace is failed after the update": (
        observation(MOVED, cluster=AT_V2, workspaces=FAILED_WORKSPACE),
        Action.ATTENTION,
        Reason.WORKSPACE_FAILED,
    ),
    "a linked workspace is failed but an update is called for": (
        observation(workspaces=FAILED_WORKSPACE),
        Action.UPDATE,
        Reason.VERSION_IS_BEHIND,
    ),
    # the key
    "the vault is not in this cloud": (
        observation(cluster=STRANGE_VAULT, versions=(), vault_in_cloud=False),
        Action.ATTENTION,
        Reason.VAULT_NOT_IN_CLOUD,
    ),
    "Key Vault is unavailable": (observation(versions=UNAVAILABLE), Action.WAIT, Reason.KEY_UNREACHABLE),
    "Key Vault is busy": (observation(versions=BUSY), Action.WAIT, Reason.KEY_UNREACHABLE),
    "Key Vault has been unavailable for just under an hour": (
        observation(versions=UNAVAILABLE, status=status(reason=Reason.KEY_UNREACHABLE, since=NOW - HOUR + SECOND)),
        Action.WAIT,
        Reason.KEY_UNREACHABLE,
    ),
    "Key Vault has been unavailable for an hour": (
        observation(versions=UNAVAILABLE, status=status(reason=Reason.KEY_UNREACHABLE, since=NOW - HOUR)),
        Action.ATTENTION,
        Reason.KEY_UNREACHABLE,
    ),
    "the vault's firewall keeps us out": (observation(versions=BLOCKED), Action.ATTENTION, Reason.KEY_VAULT_BLOCKED),
    "the vault does not know the version of the API": (
        observation(versions=failure(FailureKind.UNKNOWN_VERSION)),
        Action.ATTENTION,
        Reason.API_VERSION_UNKNOWN,
    ),
    "the right to the key is missing": (observation(versions=REFUSED), Action.ATTENTION, Reason.KEY_ACCESS_DENIED),
    "the key does not exist": (observation(versions=GONE), Action.ATTENTION, Reason.KEY_NOT_FOUND),
    "the key has no versions": (observation(versions=()), Action.ATTENTION, Reason.IN_USE_UNKNOWN),
    "Key Vault does not list the version in use": (
        observation(versions=(version(V2),)),
        Action.ATTENTION,
        Reason.IN_USE_UNKNOWN,
    ),
    "the version in use is disabled and a newer one is there": (
        observation(versions=(version(V1, enabled=False), version(V2))),
        Action.ATTENTION,
        Reason.IN_USE_DISABLED,
    ),
    "the version in use is disabled and an older one is enabled": (
        observation(cluster=AT_V2, versions=(version(V1), version(V2, enabled=False))),
        Action.ATTENTION,
        Reason.IN_USE_DISABLED,
    ),
    "the version in use is disabled and has expired": (
        observation(versions=(version(V1, enabled=False, expires_at=NOW - DAY), version(V2))),
        Action.ATTENTION,
        Reason.IN_USE_DISABLED,
    ),
    "the version in use has expired": (
        observation(versions=(version(V1, expires_at=NOW - DAY), version(V2))),
        Action.ATTENTION,
        Reason.IN_USE_EXPIRED,
    ),
    "the version in use expires at this very moment": (
        observation(versions=(version(V1, expires_at=NOW), version(V2))),
        Action.ATTENTION,
        Reason.IN_USE_EXPIRED,
    ),
    "the version in use expires in a second": (
        observation(versions=(version(V1, expires_at=NOW + SECOND), version(V2))),
        Action.UPDATE,
        Reason.VERSION_IS_BEHIND,
    ),
    "the new version is not yet valid": (
        observation(versions=(version(V1), version(V2, not_before=NOW + SECOND))),
        Action.WAIT,
        Reason.UP_TO_DATE,
    ),
    "the new version is valid from this very moment": (
        observation(versions=(version(V1), version(V2, not_before=NOW))),
        Action.UPDATE,
        Reason.VERSION_IS_BEHIND,
    ),
    "no version is valid yet": (
        observation(versions=(version(V1, not_before=NOW + DAY),)),
        Action.ATTENTION,
        Reason.NO_USABLE_VERSION,
    ),
    "the version in use is not valid yet and an older one is": (
        observation(cluster=AT_V2, versions=(version(V1), version(V2, not_before=NOW + DAY))),
        Action.ATTENTION,
        Reason.WOULD_GO_BACK,
    ),
    "two newest versions were created in the same second": (
        observation(versions=(version(V1), version(V2), version(V3, created_at=version(V2).created_at))),
        Action.ATTENTION,
        Reason.ORDER_UNKNOWN,
    ),
    "two old versions were created in the same second": (
        observation(versions=(version(V1), version(V3, created_at=version(V1).created_at), version(V2))),
        Action.UPDATE,
        Reason.VERSION_IS_BEHIND,
    ),
    "the newest usable version and the one in use, not valid yet, were created in the same second": (
        observation(versions=(version(V1, not_before=NOW + DAY), version(V2, created_at=version(V1).created_at))),
        Action.ATTENTION,
        Reason.ORDER_UNKNOWN,
    ),
    # the operator
    "the cluster is on hold": (observation(cluster=cluster(held=True)), Action.NOTHING, Reason.ON_HOLD),
    "the cluster is on hold and its key revoked": (
        observation(cluster=cluster(held=True), versions=(version(V1, enabled=False), version(V2))),
        Action.ATTENTION,
        Reason.IN_USE_DISABLED,
    ),
    "the cluster is on hold and up to date": (
        observation(MOVED, cluster=cluster(key_version=V2, held=True)),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "the operator asks for a cluster on hold": (
        observation(cluster=cluster(held=True), by=RequestedBy.OPERATOR),
        Action.NOTHING,
        Reason.ON_HOLD,
    ),
    "somebody put the cluster back": (observation(MOVED), Action.ATTENTION, Reason.MOVED_BACK),
    "somebody put the cluster back, and when it was moved is not known": (
        observation(changed(MOVED, finished_at=None)),
        Action.ATTENTION,
        Reason.MOVED_BACK,
    ),
    "the operator asks for a cluster that was put back": (
        observation(MOVED, by=RequestedBy.OPERATOR),
        Action.ATTENTION,
        Reason.MOVED_BACK,
    ),
    "the cluster was put back but a newer version has come": (
        observation(MOVED, versions=(version(V1), version(V2), version(V3))),
        Action.UPDATE,
        Reason.VERSION_IS_BEHIND,
    ),
    "the same version of another key succeeded": (
        observation(changed(MOVED, key_name="other")),
        Action.UPDATE,
        Reason.VERSION_IS_BEHIND,
    ),
    # backoff
    "the update was refused just under an hour ago": (
        observation(changed(REFUSED_ONCE, finished_at=NOW - HOUR + SECOND)),
        Action.ATTENTION,
        Reason.UPDATE_REFUSED,
    ),
    "the update was refused an hour ago": (
        observation(changed(REFUSED_ONCE, finished_at=NOW - HOUR)),
        Action.UPDATE,
        Reason.VERSION_IS_BEHIND,
    ),
    "the update failed for the second time just under two hours ago": (
        observation(changed(REFUSED_ONCE, attempts=2, finished_at=NOW - 2 * HOUR + SECOND)),
        Action.ATTENTION,
        Reason.UPDATE_REFUSED,
    ),
    "the update failed for the hundredth time a day ago": (
        observation(changed(REFUSED_ONCE, attempts=100, finished_at=NOW - DAY)),
        Action.UPDATE,
        Reason.VERSION_IS_BEHIND,
    ),
    "the update was refused just now but the operator asks": (
        observation(REFUSED_ONCE, by=RequestedBy.OPERATOR, asked_at=NOW),
        Action.UPDATE,
        Reason.VERSION_IS_BEHIND,
    ),
    "the update was refused just now but the version has been replaced": (
        observation(REFUSED_ONCE, versions=(version(V1), version(V2), version(V3))),
        Action.UPDATE,
        Reason.VERSION_IS_BEHIND,
    ),
    "the update failed at a time far in the future": (
        observation(changed(REFUSED_ONCE, finished_at=NOW + 365 * DAY)),
        Action.UPDATE,
        Reason.VERSION_IS_BEHIND,
    ),
    "the update failed at a time that is not known": (
        observation(changed(REFUSED_ONCE, finished_at=None)),
        Action.UPDATE,
        Reason.VERSION_IS_BEHIND,
    ),
    "the update was superseded once": (
        observation(over(Stage.SUPERSEDED, Reason.NEWER_VERSION)),
        Action.UPDATE,
        Reason.VERSION_IS_BEHIND,
    ),
    "the rotation waited and the cluster is free": (observation(waiting()), Action.UPDATE, Reason.VERSION_IS_BEHIND),
}
CASES["the new version is not yet valid"] = (
    observation(
        over(Stage.SUCCEEDED, Reason.ALREADY_THERE, from_version=None, to_version=V1),
        versions=(version(V1), version(V2, not_before=NOW + SECOND)),
    ),
    Action.NOTHING,
    Reason.UP_TO_DATE,
)


def decided(seen: Observation | UnreadableCluster) -> Decision:
    decision = decide(seen)
    assert isinstance(decision, Decision), decision
    return decision


def finished(seen: Observation | UnreadableCluster) -> Rotation:
    decision = decide(seen)
    assert isinstance(decision, Finish), decision
    return decision.rotation


@pytest.mark.parametrize("case", CASES)
def test_the_decision_when(case: str) -> None:
    seen, action, reason = CASES[case]
    decision = decided(seen)
    assert (decision.action, decision.reason) == (action, reason)
    assert decision.message.count("law-one") == 1, decision.message
    assert (decision.target is not None) is (action is Action.UPDATE)
    assert (decision.requeue_after is not None) >= (action is Action.WAIT)


@pytest.mark.parametrize(
    "case",
    [case for case, (_, action, reason) in CASES.items() if action is Action.UPDATE or reason is Reason.ON_HOLD],
)
def test_who_is_told_of_an_update_is_told_of_both_versions(case: str) -> None:
    seen, _, _ = CASES[case]
    message = decided(seen).message
    if seen.at_newest:
        assert f"Failed on the newest version {seen.cluster.key_version}" in message
        return
    assert f"{seen.cluster.key_version} → {seen.target.version if seen.target else ''}" in message


def test_an_update_goes_to_the_usable_version_that_was_created_last() -> None:
    versions = (
        version(V2),
        version(V1),
        version("4" * 32, created_at=NOW, enabled=False),
        version("5" * 32, created_at=NOW, expires_at=NOW),
        version("6" * 32, created_at=NOW, not_before=NOW + SECOND),
    )
    target = decided(observation(versions=versions)).target
    assert target is not None
    assert target.version == V2


def test_a_fresh_failure_says_when_it_is_tried_again_and_what_to_do_in_words_of_our_own() -> None:
    decision = decided(observation(REFUSED_ONCE))
    assert "tried again after 2026-03-01 12:55:00Z" in decision.message
    assert decision.remedy == remedy_for(
        Reason.UPDATE_REFUSED, names(observation()), REFUSED_ONCE.attempt.operation_error
    )


def test_many_failed_workspaces_are_named_up_to_five() -> None:
    many = tuple(Workspace(f"{WORKSPACE}{number}", "failed") for number in range(7))
    message = decided(observation(MOVED, cluster=AT_V2, workspaces=many)).message
    assert "ws-one4 …" in message
    assert "ws-one5" not in message


@pytest.mark.parametrize(
    ("busy_for", "after"), [(timedelta(), 5 * SECOND), (10 * MINUTE, MINUTE), (3 * HOUR, 5 * MINUTE)]
)
def test_a_busy_cluster_is_looked_at_again_after_a_tenth_of_the_time(busy_for: timedelta, after: timedelta) -> None:
    row = status(reason=Reason.CLUSTER_BUSY, since=NOW - busy_for)
    assert decided(observation(cluster=cluster(state="Updating"), status=row)).requeue_after == after


@pytest.mark.parametrize("lasted", [timedelta(), 5 * MINUTE, DAY])
@pytest.mark.parametrize("asked", [None, 40 * MINUTE])
def test_an_unavailable_key_vault_is_asked_again_in_1_to_15_minutes_or_when_it_says(
    lasted: timedelta, asked: timedelta | None
) -> None:
    row = status(reason=Reason.KEY_UNREACHABLE, since=NOW - lasted)
    seen = observation(versions=failure(FailureKind.UNAVAILABLE, retry_after=asked), status=row)
    expected = asked or min(max(lasted, MINUTE), 15 * MINUTE)
    assert decided(seen).requeue_after == expected


def test_a_since_in_the_future_counts_as_now() -> None:
    row = status(reason=Reason.KEY_UNREACHABLE, since=NOW + DAY)
    assert decided(observation(versions=UNAVAILABLE, status=row)).action is Action.WAIT


# --- rotations that end without an update of ours -------------------------------------------------------------------


def test_a_cluster_found_on_the_newest_version_is_put_on_record_as_already_there() -> None:
    end = finished(observation(cluster=AT_V2))
    assert (end.stage, end.reason, end.to_version, end.from_version) == (
        Stage.SUCCEEDED,
        Reason.ALREADY_THERE,
        V2,
        None,
    )
    assert (end.verified, end.attempts, end.cluster_state) == (True, 0, "Succeeded")


@pytest.mark.parametrize(
    "known",
    [
        waiting(),
        over(Stage.FAILED, Reason.UPDATE_REFUSED),
        over(Stage.SUPERSEDED, Reason.CHANGED_BY_OTHERS),
    ],
)
def test_a_cluster_that_somebody_else_moved_ends_the_rotation_that_was_called_for(known: Rotation) -> None:
    end = finished(observation(known, cluster=AT_V2))
    assert (end.reason, end.from_version, end.attempts) == (Reason.ALREADY_THERE, V1, known.attempts)


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (over(Stage.FAILED, Reason.UPDATE_FAILED, operation_status="Failed"), Reason.CONFIRMED_DESPITE_OPERATION),
        (over(Stage.FAILED, Reason.UPDATE_FAILED, finished_at=NOW + 5 * MINUTE), Reason.CONFIRMED_DESPITE_OPERATION),
        (over(Stage.FAILED, Reason.UPDATE_FAILED, finished_at=NOW + 6 * MINUTE), Reason.ALREADY_THERE),
        (over(Stage.FAILED, Reason.UPDATE_FAILED, finished_at=NOW - HOUR), Reason.ALREADY_THERE),
        (over(Stage.FAILED, Reason.UPDATE_FAILED, finished_at=None), Reason.ALREADY_THERE),
        (over(Stage.FAILED, Reason.UPDATE_FAILED, accepted_at=None), Reason.ALREADY_THERE),
        (over(Stage.FAILED, Reason.CLUSTER_FAILED), Reason.ALREADY_THERE),
    ],
)
def test_a_failed_update_that_arrives_within_the_hour_is_ours_and_later_is_somebodys(
    known: Rotation, reason: Reason
) -> None:
    end = finished(observation(known, cluster=AT_V2))
    assert (end.reason, end.stage) == (reason, Stage.SUCCEEDED)
    assert (end.seconds_to_verify is None) is (reason is Reason.ALREADY_THERE)
    assert ("no update of ours" in end.message) is (known.attempt.accepted_at is None)


def test_an_update_that_arrives_after_it_failed_keeps_what_its_operation_said() -> None:
    said = OperationError("OperationFailed", "it took too long")
    known = over(Stage.FAILED, Reason.UPDATE_FAILED, operation_error=said)
    assert finished(observation(known, cluster=AT_V2)).attempt.operation_error == said


@pytest.mark.parametrize(
    ("versions", "action", "reason"),
    [
        (GONE, Action.ATTENTION, Reason.KEY_NOT_FOUND),
        ((), Action.ATTENTION, Reason.NO_USABLE_VERSION),
        ((version(V1, enabled=False), version(V2, enabled=False)), Action.ATTENTION, Reason.NO_USABLE_VERSION),
        (REFUSED, Action.NOTHING, Reason.FOLLOWS_NEWEST_ITSELF),
        (UNAVAILABLE, Action.NOTHING, Reason.FOLLOWS_NEWEST_ITSELF),
        ((version(V1, enabled=False), version(V2)), Action.NOTHING, Reason.FOLLOWS_NEWEST_ITSELF),
    ],
)
def test_a_key_without_a_version_to_follow_is_called_out_though_azure_follows_it(
    versions: Any, action: Action, reason: Reason
) -> None:
    decision = decided(observation(cluster=cluster(key_version=None), versions=versions))
    assert (decision.action, decision.reason) == (action, reason)


@pytest.mark.parametrize("versions", [UNAVAILABLE, REFUSED])
def test_a_dead_key_that_cannot_be_read_now_has_not_recovered(versions: Any) -> None:
    row = status(attention_reason=Reason.KEY_NOT_FOUND)
    decision = decided(observation(cluster=cluster(key_version=None), versions=versions, status=row))
    assert decision.action is not Action.NOTHING


def test_a_rotation_of_another_key_is_no_matter_of_this_keys_versions() -> None:
    seen = observation(waiting(), cluster=cluster(key_name="another", state="Updating"), versions=(version(V3),))
    decision = decide(seen)
    assert not isinstance(decision, Finish) or decision.rotation.reason is not Reason.NEWER_VERSION


def test_a_vault_of_another_cloud_says_nothing_of_a_key_that_azure_follows() -> None:
    decision = decided(observation(cluster=cluster(key_version=None), versions=(), vault_in_cloud=False))
    assert decision.reason is Reason.FOLLOWS_NEWEST_ITSELF


def test_a_rotation_that_waited_yields_to_a_newer_version() -> None:
    end = finished(observation(waiting(), versions=(version(V1), version(V2), version(V3))))
    assert (end.to_version, end.stage, end.reason) == (V2, Stage.SUPERSEDED, Reason.NEWER_VERSION)
    assert V3 in end.message


def test_a_rotation_whose_version_was_disabled_yields_to_the_newest_that_can_be_used() -> None:
    end = finished(observation(waiting(to_version=V3), versions=(version(V1), version(V2), version(V3, enabled=False))))
    assert (end.to_version, end.reason) == (V3, Reason.NEWER_VERSION)
    assert "newer" not in end.message


def test_a_new_version_during_an_update_is_taken_in_the_same_visit_that_confirms_the_old() -> None:
    seen = observation(
        rotation(),
        cluster=AT_V2,
        operation=Operation("Succeeded"),
        versions=(version(V1), version(V2), version(V3)),
    )
    settled, decision = settle(seen)
    assert isinstance(settled, Observation)
    assert [found.reason for found in settled.rotations] == [Reason.UPDATE_CONFIRMED]
    assert decision.target == version(V3)


def test_a_new_version_during_an_update_waits_for_its_end() -> None:
    seen = observation(
        rotation(),
        cluster=cluster(state="Updating"),
        operation=Operation("Updating"),
        versions=(version(V1), version(V3)),
    )
    assert decided(seen).reason is Reason.UPDATE_RUNNING


# --- clusters that cannot be read -------------------------------------------------------------------------------------


def unreadable(*rotations: Rotation, **changes: Any) -> UnreadableCluster:
    return replace(UnreadableCluster(now=NOW, cluster_id=CLUSTER, failure=UNAVAILABLE, rotations=rotations), **changes)


def test_an_unavailable_cluster_is_waited_for_and_after_an_hour_called_out() -> None:
    for lasted, action in ((HOUR - SECOND, Action.WAIT), (HOUR, Action.ATTENTION)):
        row = status(reason=Reason.CLUSTER_UNREACHABLE, since=NOW - lasted)
        decision = decided(unreadable(rotation(), status=row))
        assert (decision.action, decision.reason) == (action, Reason.CLUSTER_UNREACHABLE)
        assert decision.requeue_after == 15 * MINUTE
    assert decided(unreadable()).requeue_after == MINUTE


@pytest.mark.parametrize("kind", [FailureKind.REFUSED, FailureKind.NETWORK_BLOCKED])
def test_a_cluster_that_may_not_be_read_calls_for_a_person(kind: FailureKind) -> None:
    decision = decided(unreadable(rotation(), failure=failure(kind)))
    assert (decision.action, decision.reason) == (Action.ATTENTION, Reason.CLUSTER_ACCESS_DENIED)
    assert "law-one" in decision.message


def test_a_cluster_that_is_asked_for_in_an_unknown_version_is_no_missing_right() -> None:
    decision = decided(unreadable(rotation(), failure=failure(FailureKind.UNKNOWN_VERSION)))
    assert (decision.action, decision.reason) == (Action.ATTENTION, Reason.API_VERSION_UNKNOWN)
    assert "ARM_API_VERSION" in str(decision.remedy)


def test_a_cluster_that_is_gone_supersedes_what_was_under_way_and_then_nothing_is_to_be_done() -> None:
    first = unreadable(rotation(), waiting(to_version=V3), MOVED, failure=GONE)
    assert decided(first).action is Action.WAIT, "one answer may be wrong"
    before = status(reason=Reason.CLUSTER_GONE, since=NOW - MINUTE)
    settled, decision = settle(unreadable(rotation(), waiting(to_version=V3), MOVED, failure=GONE, status=before))
    assert (decision.action, decision.reason) == (Action.NOTHING, Reason.CLUSTER_GONE)
    assert [found.stage for found in settled.rotations].count(Stage.SUPERSEDED) == 2


# --- the order of the rules ------------------------------------------------------------------------------------------


def test_the_rules_stand_in_this_order() -> None:
    """The order is the specification: change it here and there, or not at all."""
    assert [rule.__name__ for rule in RULES] == [
        "operation_goes_on",
        "cluster_cannot_be_read",
        "changed_by_others",
        "cluster_is_being_deleted",
        "operation_and_cluster_agree",
        "cluster_arrived_despite_its_operation",
        "operation_failed",
        "cluster_failed_at_target",
        "operation_is_silent",
        "cluster_alone_confirms",
        "cluster_contradicts",
        "cluster_failed_without_an_answer",
        "sent_in_vain",
        "claim_has_lapsed",
        "update_is_running",
        "cluster_is_going",
        "no_customer_key",
        "follows_newest_itself",
        "vault_is_not_in_this_cloud",
        "key_cannot_be_read",
        "version_in_use_is_unknown",
        "version_in_use_is_disabled",
        "version_in_use_has_expired",
        "no_version_is_usable",
        "order_is_unknown",
        "would_go_back",
        "target_was_replaced",
        "failed_cluster_is_not_ours",
        "already_there",
        "linked_workspace_failed",
        "up_to_date",
        "on_hold",
        "moved_back",
        "failed_recently",
        "cluster_is_busy",
        "version_is_behind",
    ]
    of_updates = [rule.__name__ for rule in update_rules.RULES]
    assert [rule.__name__ for rule in RULES[2 : 2 + len(of_updates)]] == of_updates


def test_one_rule_alone_is_about_a_cluster_that_cannot_be_read() -> None:
    opinions = {rule.__name__: rule(unreadable(rotation())) for rule in RULES}
    assert [name for name, opinion in opinions.items() if opinion is not None] == ["cluster_cannot_be_read"]


def test_every_rule_of_all_modules_is_in_the_list() -> None:
    beside = {"update_in_danger"}  # which calls a person, and decides nothing
    listed = {rule.__name__ for rule in RULES} | beside
    for module in (cluster_rules, key_rules, update_rules):
        for name, found in vars(module).items():
            returns = str(getattr(found, "__annotations__", {}).get("return", ""))
            takes = set(getattr(found, "__annotations__", {})) - {"return"}
            is_rule = (
                takes in ({"observation"}, {"unreadable"}, {"glance"})
                and "None" in returns
                and not name.startswith("_")
            )
            assert not is_rule or name in listed, name


@pytest.mark.parametrize(
    ("asked_at", "attempt", "obeyed"),
    [
        (NOW, {}, True),
        (NOW - 5 * MINUTE, {}, False),  # when the update failed
        (None, {}, False),
        (NOW, {"requested_by": RequestedBy.OPERATOR, "started_at": NOW - 10 * MINUTE}, True),
        (NOW, {"requested_by": RequestedBy.OPERATOR, "started_at": NOW - 9 * MINUTE}, False),
        (NOW, {"requested_by": RequestedBy.EVENT, "started_at": NOW - 9 * MINUTE}, True),
        (NOW, {"requested_by": RequestedBy.OPERATOR, "started_at": None, "finished_at": None}, True),
    ],
)
def test_an_operator_is_obeyed_every_ten_minutes_and_only_if_asked_since_the_failure(
    asked_at: datetime | None, attempt: dict[str, Any], *, obeyed: bool
) -> None:
    known = over(Stage.FAILED, Reason.UPDATE_FAILED, **attempt)
    decision = decided(observation(known, by=RequestedBy.OPERATOR, asked_at=asked_at))
    assert (decision.action is Action.UPDATE) is obeyed


def test_a_failed_cluster_that_is_not_ours_is_repaired_by_hand_with_the_version_that_it_has() -> None:
    remedy = decided(observation(cluster=cluster(state="Failed"))).remedy
    assert remedy is not None
    assert f"az resource patch --ids {CLUSTER.text} --properties" in remedy.text
    assert f'"keyVersion": "{V1}"' in remedy.text


@pytest.mark.parametrize(("known", "said"), [("Canceled", "Canceled"), (None, "failed")])
def test_what_azure_called_the_operation_of_an_update_that_worked_is_said(known: str | None, said: str) -> None:
    ended = over(Stage.FAILED, Reason.UPDATE_FAILED, operation_status=known)
    finish = decide(observation(ended, cluster=AT_V2))
    assert isinstance(finish, Finish)
    assert finish.rotation.message.endswith(f"the cluster is on the new version although its operation is {said}")
