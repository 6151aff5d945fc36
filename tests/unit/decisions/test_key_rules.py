"""Versions that are dead while an update leads to or from them, and versions whose order nobody knows."""

from dataclasses import replace
from datetime import timedelta

import pytest

from cmk_rotation.decisions.key_rules import order_is_unknown, update_in_danger
from cmk_rotation.decisions.observation import Decision, Observation
from cmk_rotation.decisions.policy import decide, settle
from cmk_rotation.domain.azure_resources import KeyVersion
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.repairs import Right
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.vocabulary import Action, FailureKind, Reason, Stage
from tests.unit.support.builders import (
    CREATED,
    DAY,
    HOUR,
    KEY,
    MINUTE,
    NOW,
    UNAVAILABLE,
    V1,
    V2,
    V3,
    claimed,
    cluster,
    failure,
    must,
    observation,
    version,
    waiting,
)
from tests.unit.support.builders import rotation as under_way
from tests.unit.support.worlds import Fakes

TWIN = version(V3, created_at=CREATED[V2])
"""Of the same second as V2."""
TIED = (version(V1), version(V2), TWIN)


def current(name: str) -> tuple[KeyVersion, ...]:
    """The tied versions, of which Key Vault names one as the current."""
    return tuple(replace(one, is_current=one.version == name) for one in TIED)


V4 = "4" * 31 + "d"


def decided(seen: Observation) -> Decision:
    decision = decide(seen)
    assert isinstance(decision, Decision), decision
    return decision


USED, LED_TO = "which the cluster uses", "which the cluster is to use"


@pytest.mark.parametrize(
    ("versions", "reason", "message"),
    [
        ((version(V1), version(V2)), None, ""),
        ((version(V1, enabled=False), version(V2)), Reason.IN_USE_DISABLED, f"{V1} of key la-cmk, {USED}, is disabled"),
        ((version(V1, expires_at=NOW), version(V2)), Reason.IN_USE_EXPIRED, f"{V1} of key la-cmk, {USED}, has expired"),
        (
            (version(V1), version(V2, enabled=False)),
            Reason.IN_USE_DISABLED,
            f"{V2} of key la-cmk, {LED_TO}, is disabled",
        ),
        (
            (version(V1), version(V2, expires_at=NOW)),
            Reason.IN_USE_EXPIRED,
            f"{V2} of key la-cmk, {LED_TO}, has expired",
        ),
    ],
)
def test_an_update_is_in_danger_while_either_of_its_versions_is_dead(
    versions: tuple[KeyVersion, ...], reason: Reason | None, message: str
) -> None:
    called = update_in_danger(observation(under_way(), versions=versions))
    assert (called.reason if called else None) is reason
    assert message in (called.message if called else "")
    assert update_in_danger(observation(versions=versions)) is None


def test_an_expired_version_lives_on_till_the_midnight_after_three_months_and_began_to_be_dead_when_it_expired() -> (
    None
):
    past = NOW - DAY
    seen = replace(
        observation(versions=(version(V1, expires_at=past), version(V2))), now=NOW + timedelta(minutes=7, seconds=9)
    )
    decision = decided(seen)
    assert decision.since == past
    assert f"--version {V1} --expires 2026-05-30T00:00:00Z" in must(decision.remedy).text


def test_a_disabled_version_is_dead_since_it_was_changed_last_and_its_remedy_names_it() -> None:
    disabled = (version(V1), version(V2, enabled=False, updated_at=NOW - HOUR))
    called = must(update_in_danger(observation(under_way(), versions=disabled)))
    assert called.since == NOW - HOUR
    assert f"--version {V2} --enabled true" in must(called.remedy).text
    expired = must(update_in_danger(observation(under_way(), versions=(version(V1), version(V2, expires_at=NOW)))))
    assert f"--version {V2} --expires" in must(expired.remedy).text


def test_a_key_that_may_not_be_read_says_whose_right_is_missing() -> None:
    app = "11111111-1111-4111-8111-111111111111"
    denied = failure(FailureKind.REFUSED, code="Forbidden", message=f"Caller is not authorized. Caller: oid={app};")
    called = decided(observation(versions=denied))
    assert called.reason is Reason.KEY_ACCESS_DENIED
    assert must(called.remedy).lacks == Right(app, "Key Vault Reader")


@pytest.mark.parametrize("listed", [TIED, TIED[::-1]])
def test_a_tie_names_its_versions_and_the_one_in_use_however_they_are_listed(listed: tuple[KeyVersion, ...]) -> None:
    decision = decided(observation(versions=listed))
    assert (decision.action, decision.reason) == (Action.ATTENTION, Reason.ORDER_UNKNOWN)
    assert f"versions {V2} and {V3} of key la-cmk" in decision.message
    assert f"the cluster uses {V1}" in decision.message


def test_a_tie_with_the_version_in_use_names_both_even_if_that_one_is_not_valid_yet() -> None:
    in_use = version(V1, not_before=NOW + DAY)
    decision = decided(observation(versions=(in_use, version(V2, created_at=in_use.created_at))))
    assert decision.reason is Reason.ORDER_UNKNOWN
    assert f"versions {V1} and {V2}" in decision.message


@pytest.mark.parametrize("in_use", [V2, V3, V3.upper()])
@pytest.mark.parametrize("listed", [TIED, TIED[::-1], TIED[1:]])
def test_a_cluster_on_one_of_the_newest_versions_may_be_behind_all_the_same(
    in_use: str, listed: tuple[KeyVersion, ...]
) -> None:
    _, decision = settle(observation(cluster=cluster(key_version=in_use), versions=listed))
    assert (decision.action, decision.reason) == (Action.ATTENTION, Reason.ORDER_UNKNOWN)
    assert in_use in decision.message


@pytest.mark.parametrize("in_use", [V1, V2, V3])
@pytest.mark.parametrize("named", [V2, V3])
@pytest.mark.parametrize("backwards", [True, False])
def test_the_version_that_key_vault_names_counts_as_the_later_one(in_use: str, named: str, *, backwards: bool) -> None:
    listed = current(named)[::-1] if backwards else current(named)
    _, decision = settle(observation(cluster=cluster(key_version=in_use), versions=listed))
    if in_use == named:
        assert (decision.action, decision.reason) == (Action.NOTHING, Reason.UP_TO_DATE)
    else:
        assert (decision.action, decision.target and decision.target.version) == (Action.UPDATE, named)


def test_another_version_that_key_vault_names_says_nothing_of_the_tied_ones() -> None:
    disabled = version(V4, created_at=NOW, enabled=False, is_current=True)
    assert decided(observation(versions=(*TIED, disabled))).reason is Reason.ORDER_UNKNOWN


@pytest.mark.parametrize("rotation", [waiting(to_version=V3), claimed(to_version=V3, claimed_until=NOW - HOUR)])
def test_a_rotation_to_the_other_one_that_never_took_effect_is_let_go_of(rotation: Rotation) -> None:
    settled, decision = settle(observation(rotation, cluster=cluster(key_version=V2), versions=current(V2)))
    assert (decision.action, decision.reason) == (Action.NOTHING, Reason.UP_TO_DATE)
    assert Stage.SUPERSEDED in {one.stage for one in settled.rotations if one.to_version == V3}


def test_a_failed_cluster_is_never_up_to_date() -> None:
    decision = decided(observation(cluster=cluster(key_version=V2, state="Failed"), versions=current(V2)))
    assert (decision.action, decision.reason) == (Action.ATTENTION, Reason.CLUSTER_FAILED)


def test_the_tag_hold_ends_the_call_as_the_remedy_says() -> None:
    decision = decided(observation(cluster=cluster(held=True), versions=TIED))
    assert (decision.action, decision.reason) == (Action.NOTHING, Reason.ON_HOLD)


@pytest.mark.parametrize("in_use", [V1, V2, V3])
def test_a_version_created_later_settles_the_order_as_the_remedy_says(in_use: str) -> None:
    newer = version(V4, created_at=NOW)
    decision = decided(observation(cluster=cluster(key_version=in_use), versions=(*TIED, newer)))
    assert (decision.action, decision.target) == (Action.UPDATE, newer)


@pytest.mark.parametrize("versions", [(), (version(V1),), (version(V2), version(V1))])
def test_without_a_tie_the_rule_has_no_opinion(versions: tuple[KeyVersion, ...]) -> None:
    assert order_is_unknown(observation(versions=versions)) is None


def test_key_vault_is_asked_for_its_word_in_this_case_alone_and_a_person_called_where_it_gives_none() -> None:
    fakes = Fakes()
    fakes.run(HOUR)
    assert fakes.keys.asked_for_current == 0
    fakes.keys.listed[KEY] = TIED
    fakes.run(HOUR)
    before = fakes.status
    assert fakes.log.errors == ["cluster.attention"]
    fakes.keys.current = V3
    fakes.run(HOUR)
    assert (before.reason, fakes.status.reason) == (Reason.ORDER_UNKNOWN, Reason.UP_TO_DATE)
    assert [version for _, version in fakes.clusters.patches] == [V2, V3]


def test_where_its_word_only_does_not_come_at_the_moment_it_is_waited_for_and_a_person_called_after_an_hour() -> None:
    fakes = Fakes()
    fakes.keys.listed[KEY] = TIED
    fakes.keys.current = UNAVAILABLE
    fakes.run(30 * MINUTE)
    assert (fakes.status.reason, fakes.log.errors) == (Reason.KEY_UNREACHABLE, [])
    fakes.run(HOUR)
    assert [line.fields["reason"] for line in fakes.log.of(LogEvent.CLUSTER_ATTENTION)] == [Reason.KEY_UNREACHABLE]
    fakes.keys.current = V3
    fakes.run(HOUR)
    assert (fakes.status.reason, fakes.status.key_version) == (Reason.UP_TO_DATE, V3)


def test_of_two_versions_of_one_second_the_one_that_key_vault_calls_the_current_is_not_left_for_the_other() -> None:
    """It may be the one in use, and not be valid yet."""
    other, current = TIED[0], replace(TIED[1], is_current=True, not_before=NOW + HOUR)
    decision = decided(observation(cluster=cluster(key_version=current.version), versions=(other, current)))
    assert (decision.action, decision.reason) == (Action.ATTENTION, Reason.WOULD_GO_BACK)
