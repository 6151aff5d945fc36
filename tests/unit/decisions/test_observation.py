"""What a look says, before any rule has an opinion of it."""

from dataclasses import replace
from datetime import datetime

import pytest

from cmk_rotation.decisions.observation import (
    Glance,
    Observation,
    Seen,
    UnreadableCluster,
    busy_since,
    confirms,
    names,
    not_again_before,
    remedy_of_failure,
    since,
    toward,
    unavailable,
    unavailable_since,
    under_way,
)
from cmk_rotation.domain.azure_resources import Operation, Workspace
from cmk_rotation.domain.repairs import Names, Right
from cmk_rotation.domain.timing import Timing
from cmk_rotation.domain.vocabulary import Action, FailureKind, Reason, RequestedBy, Stage
from tests.unit.support.builders import (
    CLUSTER,
    CREATED,
    DAY,
    HOUR,
    KEY_NAME,
    MINUTE,
    NOW,
    OPERATION,
    UNAVAILABLE,
    V1,
    V2,
    V3,
    VAULT,
    WORKSPACE,
    claimed,
    cluster,
    failure,
    must,
    observation,
    over,
    rotation,
    status,
    version,
    waiting,
)

SUCCEEDED = over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED)
AT_V2, AT_V3 = cluster(key_version=V2.upper()), cluster(key_version=V3)
THREE = (version(V1), version(V2), version(V3))


def unread(kind: FailureKind) -> UnreadableCluster:
    return UnreadableCluster(now=NOW, cluster_id=CLUSTER, failure=failure(kind))


# --- what a look bears out ---


@pytest.mark.parametrize(
    ("seen", "borne_out"),
    [
        (observation(cluster=AT_V2), True),
        (observation(cluster=AT_V3, versions=THREE), True),
        (observation(cluster=cluster(), versions=THREE), False),
        (observation(cluster=AT_V2, versions=UNAVAILABLE), True),
        (observation(cluster=AT_V3, versions=UNAVAILABLE), None),
        (observation(cluster=AT_V3, versions=(version(V1), version(V3))), False),
        (observation(cluster=AT_V3, versions=(version(V1), version(V2))), False),
        (observation(cluster=AT_V3, versions=(version(V2), version(V3, created_at=CREATED[V2]))), False),
        (observation(cluster=cluster(key_version=V2, key_name="other")), False),
        (unread(FailureKind.UNAVAILABLE), None),
        (unread(FailureKind.NETWORK_BLOCKED), None),
        (unread(FailureKind.NOT_FOUND), False),
        (unread(FailureKind.REFUSED), False),
        (Glance(now=NOW, timing=Timing(), cluster_id=CLUSTER, operation=Operation("Updating")), None),
    ],
)
def test_a_success_is_borne_out_by_the_cluster_at_its_version_or_past_it(seen: Seen, borne_out: object) -> None:
    assert confirms(seen, SUCCEEDED) is borne_out


def test_a_failure_claims_nothing_that_could_be_borne_out() -> None:
    assert confirms(unread(FailureKind.NOT_FOUND), over(Stage.FAILED, Reason.UPDATE_FAILED)) is True


# --- what is on record ---


def test_the_update_under_way_is_the_last_one_that_azure_took_else_the_last_one_called_for() -> None:
    taken, older = rotation(), rotation(to_version=V3, requested_at=NOW - HOUR)
    newer = claimed(to_version="4" * 32, requested_at=NOW)
    assert under_way([older, taken, newer, waiting(requested_at=NOW)]) == taken
    assert under_way([claimed(), newer]) == newer
    assert under_way([waiting(), SUCCEEDED]) is None


def test_what_a_look_has_on_record_is_told_apart() -> None:
    other = over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, key_name="other", to_version=V3)
    seen = observation(SUCCEEDED, other, waiting(to_version=V3), rotation(to_version="4" * 32))
    assert seen.done == (SUCCEEDED,)
    assert [one.stage for one in seen.unfinished] == [Stage.WAITING, Stage.UPDATING]
    assert must(seen.updating).to_version == "4" * 32
    assert must(seen.toward(V3.upper())).stage is Stage.WAITING
    assert seen.toward("5" * 32) is None


def test_a_rotation_that_is_put_on_record_takes_the_place_of_what_it_was() -> None:
    ended = over(Stage.FAILED, Reason.UPDATE_FAILED, linked_workspaces=(Workspace(WORKSPACE, "Failed"),))
    seen = observation(rotation(), waiting(to_version=V3), by=RequestedBy.OPERATOR, operation=Operation("Failed"))
    after = seen.with_rotation(ended)
    assert after.rotations == (waiting(to_version=V3), ended)
    assert (after.operation, after.workspaces, after.by) == (None, ended.outcome.linked_workspaces, RequestedBy.FOLLOW)
    known = replace(seen, workspaces=(Workspace(WORKSPACE, None),)).with_rotation(SUCCEEDED)
    assert (known.workspaces, known.by) == ((Workspace(WORKSPACE, None),), RequestedBy.OPERATOR)


def test_a_rotation_leads_to_the_target_from_the_record_or_is_a_new_one() -> None:
    stored = waiting()
    assert toward(observation(stored), version(V2), "event-1") == stored
    new = toward(observation(by=RequestedBy.OPERATOR), version(V2), "event-1")
    assert (new.to_version, new.from_version, new.event_id, new.requested_by, new.requested_at) == (
        V2,
        V1,
        "event-1",
        RequestedBy.OPERATOR,
        NOW,
    )


# --- what is seen of the key ---


def test_usable_versions_stand_in_their_order_and_in_one_second_the_current_or_pinned_one_is_last() -> None:
    made = {"created_at": CREATED[V2]}
    one, two = version(V2, **made), version(V3, **made)
    off = version("4" * 32, enabled=False)
    assert observation(versions=(off, two, version(V1))).usable == (version(V1), two)
    assert observation(versions=(one, two), cluster=AT_V2).target == one
    assert observation(versions=(two, one), cluster=AT_V2).target == one
    current = replace(two, is_current=True)
    assert observation(versions=(current, one), cluster=AT_V2).target == current


@pytest.mark.parametrize(
    ("seen", "at_newest", "is_behind"),
    [
        (observation(), False, True),
        (observation(cluster=AT_V2), True, False),
        (observation(versions=UNAVAILABLE), False, False),
        (observation(cluster=cluster(key_version=None)), False, False),
    ],
)
def test_a_cluster_is_behind_if_it_pins_another_than_the_newest(
    seen: Observation,
    at_newest: bool,  # noqa: FBT001
    is_behind: bool,  # noqa: FBT001
) -> None:
    assert (seen.at_newest, seen.is_behind) == (at_newest, is_behind)
    assert seen.cluster_id == CLUSTER
    assert must(observation().in_use).version == V1


# --- since when, and until when ---


@pytest.mark.parametrize(
    ("claimed_until", "rests_until", "again"),
    [
        (None, None, NOW),
        (NOW - MINUTE, NOW - MINUTE, NOW + 4 * MINUTE),
        (NOW + MINUTE, NOW + HOUR, NOW + HOUR),
        (NOW + HOUR + 5 * MINUTE, None, NOW + HOUR + 10 * MINUTE),
        (NOW + HOUR + 6 * MINUTE, NOW + HOUR + 6 * MINUTE, NOW),
        (None, NOW + HOUR + 5 * MINUTE, NOW + HOUR + 5 * MINUTE),
    ],
)
def test_an_update_is_not_sent_again_while_it_may_be_in_flight_or_rests(
    claimed_until: datetime, rests_until: datetime, again: datetime
) -> None:
    assert not_again_before(claimed(claimed_until=claimed_until, rests_until=rests_until), NOW) == again


def test_a_reason_holds_since_it_was_first_seen_and_a_time_to_come_is_none() -> None:
    row = status(reason=Reason.ON_HOLD, since=NOW - DAY)
    assert since(row, Reason.ON_HOLD, NOW) == NOW - DAY
    assert since(row, Reason.MOVED_BACK, NOW) == NOW
    assert since(None, Reason.ON_HOLD, NOW) == NOW
    assert since(status(reason=Reason.ON_HOLD, since=NOW + MINUTE), Reason.ON_HOLD, NOW) == NOW


@pytest.mark.parametrize(
    ("row", "began"),
    [
        (None, NOW),
        (status(reason=Reason.ON_HOLD, unavailable_since=NOW - HOUR), NOW - HOUR),
        (status(reason=Reason.KEY_UNREACHABLE, since=NOW - DAY), NOW - DAY),
        (status(reason=Reason.ON_HOLD, since=NOW - DAY), NOW),
        (status(reason=Reason.ON_HOLD, unavailable_since=NOW + HOUR), NOW),
    ],
)
def test_azure_is_unavailable_since_no_look_could_read_everything(row: object, began: datetime) -> None:
    assert unavailable_since(observation(status=row)) == began


@pytest.mark.parametrize(
    ("row", "began"),
    [
        (None, NOW),
        (status(busy_since=NOW - HOUR), NOW - HOUR),
        (status(reason=Reason.CLUSTER_BUSY, since=NOW - DAY), NOW - DAY),
        (status(busy_since=NOW + HOUR), NOW),
    ],
)
def test_a_cluster_is_busy_since_it_was_seen_so(row: object, began: datetime) -> None:
    assert busy_since(observation(status=row)) == began


@pytest.mark.parametrize(
    ("lasted", "action", "again"),
    [(0 * MINUTE, Action.WAIT, MINUTE), (59 * MINUTE, Action.WAIT, 15 * MINUTE), (HOUR, Action.ATTENTION, 15 * MINUTE)],
)
def test_what_is_unavailable_is_tried_again_and_called_out_after_an_hour(
    lasted: object, action: Action, again: object
) -> None:
    decision = unavailable(observation(), Reason.KEY_UNREACHABLE, "away", UNAVAILABLE, lasted)  # type: ignore[arg-type]
    assert (decision.action, decision.reason, decision.message) == (action, Reason.KEY_UNREACHABLE, "away")
    assert decision.requeue_after == again
    assert must(decision.remedy).text.startswith("Check that the vault exists")
    asked = replace(UNAVAILABLE, retry_after=HOUR)
    assert unavailable(observation(), Reason.KEY_UNREACHABLE, "away", asked, MINUTE).requeue_after == HOUR


def test_a_remedy_may_name_the_cluster_its_key_its_identity_and_its_operation() -> None:
    seen = observation(cluster=cluster(identity_id="identity-1", key_rsa_size=3072))
    assert names(seen) == Names(
        place=CLUSTER,
        vault_host="contoso.vault.azure.net",
        key_name=KEY_NAME,
        key_vault_uri=VAULT,
        key_rsa_size=3072,
        version=V1,
        identity="identity-1",
    )
    assert names(unread(FailureKind.REFUSED)) == Names(place=CLUSTER)
    under_way = names(replace(seen, rotations=(rotation(correlation_id="correlation-1"),), vault_in_cloud=False))
    assert (under_way.operation_id, under_way.correlation_id, under_way.vault_host) == (
        OPERATION,
        "correlation-1",
        None,
    )


def test_a_remedy_for_what_may_not_be_read_says_who_lacks_which_right() -> None:
    app = "11111111-1111-4111-8111-111111111111"
    denied = replace(failure(FailureKind.REFUSED), code="AuthorizationFailed", message=f"object id '{app}'")
    remedy = remedy_of_failure(observation(), Reason.CLUSTER_ACCESS_DENIED, denied)
    assert f"--assignee-object-id {app}" in remedy.text
    assert remedy.lacks == Right(app, "Log Analytics Contributor")
    locked = replace(denied, code="NoToken", message="")
    assert remedy_of_failure(observation(), Reason.KEY_ACCESS_DENIED, locked).text.startswith("The app got no token.")
