"""A dead key is called out whatever else is going on: an update, a visit that Azure has put off, a table that is away."""

from dataclasses import replace
from datetime import timedelta

import pytest

from cmk_rotation.domain.azure_resources import Failure, KeyVersion, Operation
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.vocabulary import FailureKind, Reason, Stage
from tests.unit.support.builders import CLUSTER, HOUR, KEY, MINUTE, NOW, V1, V2, cluster, failure, version
from tests.unit.support.worlds import Fakes

DEAD = NOW + 4 * MINUTE


def called(fakes: Fakes) -> list[object]:
    return [line.fields["reason"] for line in fakes.log.of(LogEvent.CLUSTER_ATTENTION)]


@pytest.mark.parametrize("dead", [V1, V2])
@pytest.mark.parametrize(
    ("change", "reason"),
    [({"enabled": False, "updated_at": DEAD}, Reason.IN_USE_DISABLED), ({"expires_at": DEAD}, Reason.IN_USE_EXPIRED)],
)
def test_a_key_that_dies_under_an_update_is_called_out_at_once_and_the_update_is_followed_all_the_same(
    dead: str, change: dict[str, object], reason: Reason
) -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 5 * HOUR
    fakes.visit()
    fakes.run(5 * MINUTE)
    fakes.keys.listed[KEY] = tuple(
        replace(one, **change) if one.version == dead else one  # type: ignore[arg-type]
        for one in (version(V1), version(V2))
    )
    fakes.run(10 * MINUTE)
    assert called(fakes) == [reason]
    (line,) = fakes.log.of(LogEvent.CLUSTER_ATTENTION)
    assert dead in str(line.fields["message"])
    assert line.fields["since"] == DEAD
    assert fakes.log.of(LogEvent.RECONCILE_FINISHED)[-1].fields["attention"] == 1
    fakes.run(6 * HOUR)
    assert Stage.SUCCEEDED in fakes.finished
    assert len(fakes.clusters.sent) == 1


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        (failure(FailureKind.NOT_FOUND), Reason.KEY_NOT_FOUND),
        ((version(V2),), Reason.IN_USE_UNKNOWN),
        ((version(V1),), Reason.IN_USE_UNKNOWN),
    ],
)
def test_a_key_or_version_that_is_gone_under_an_update_is_called_out_at_once(
    versions: tuple[KeyVersion, ...] | Failure, reason: Reason
) -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 5 * HOUR
    fakes.visit()
    fakes.run(5 * MINUTE)
    if isinstance(versions, Failure):
        fakes.keys.failure = versions
    else:
        fakes.keys.listed[KEY] = versions
    fakes.run(10 * MINUTE)
    assert called(fakes) == [reason]
    assert fakes.log.of(LogEvent.RECONCILE_FINISHED)[-1].fields["attention"] == 1


def test_a_version_that_dies_before_the_cluster_has_left_it_is_called_out_though_the_cluster_shows_the_target() -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 5 * HOUR
    fakes.visit()
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2, state="Updating")
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    fakes.run(20 * MINUTE)
    assert called(fakes) == [Reason.IN_USE_DISABLED]
    (line,) = fakes.log.of(LogEvent.CLUSTER_ATTENTION)
    assert f"version {V1}" in str(line.fields["message"])
    assert f"an update to {V2} is under way" in str(line.fields["message"])


@pytest.mark.parametrize("kind", [FailureKind.UNAVAILABLE, FailureKind.REFUSED])
def test_a_key_that_cannot_be_read_under_an_update_is_not_taken_for_dead(kind: FailureKind) -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 5 * HOUR
    fakes.visit()
    fakes.keys.failure = failure(kind)
    fakes.run(30 * MINUTE)
    assert called(fakes) == []


def test_each_time_that_a_version_dies_under_one_update_a_person_is_called_and_told_when_it_is_well_again() -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 5 * HOUR
    fakes.visit()
    alive, dead = (version(V1), version(V2)), (version(V1, enabled=False), version(V2))
    for versions in (dead, alive, dead):
        fakes.keys.listed[KEY] = versions
        fakes.run(30 * MINUTE)
    said = [
        line.event for line in fakes.log.lines if line.event in {LogEvent.CLUSTER_ATTENTION, LogEvent.CLUSTER_RECOVERED}
    ]
    assert said == [LogEvent.CLUSTER_ATTENTION, LogEvent.CLUSTER_RECOVERED, LogEvent.CLUSTER_ATTENTION]
    assert fakes.rotation.stage is Stage.UPDATING


def test_that_an_update_is_overdue_is_said_beside_its_dead_key() -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 30 * HOUR
    fakes.visit()
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    fakes.run(9 * HOUR)
    assert called(fakes) == [Reason.IN_USE_DISABLED]
    assert len(fakes.log.of(LogEvent.UPDATE_OVERDUE)) == 1
    fakes.run(26 * HOUR)
    assert set(called(fakes)) == {Reason.IN_USE_DISABLED}, "the reminder names what threatens data"


def test_a_disabled_version_is_called_out_though_the_next_visit_was_put_off_for_an_hour() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(held=True)
    fakes.run(HOUR)
    fakes.clusters.get_failure = failure(FailureKind.UNAVAILABLE, retry_after=HOUR)
    fakes.visit()
    fakes.clusters.get_failure = None
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    fakes.run(11 * MINUTE)
    assert called(fakes) == [Reason.IN_USE_DISABLED]
    fakes.run(HOUR)
    assert called(fakes) == [Reason.IN_USE_DISABLED]


def test_what_a_look_without_the_operation_seems_to_know_of_an_update_calls_nobody() -> None:
    fakes = Fakes()
    fakes.clusters.lasts, fakes.clusters.end = 8 * HOUR, Operation("Updating")
    fakes.visit()
    fakes.run(3 * HOUR)
    assert called(fakes) == []


@pytest.mark.parametrize("dead", ["disabled", "expired", "missing"])
def test_where_the_table_is_away_a_dead_key_is_called_out_with_every_run(dead: str) -> None:
    fakes = Fakes()
    other = replace(cluster(), id=replace(CLUSTER, text=CLUSTER.text + "x", key=CLUSTER.key + "x"), held=True)
    fakes.clusters.stored |= {other.id: other}
    listed = {
        "disabled": (version(V1, enabled=False), version(V2)),
        "expired": (version(V1, expires_at=NOW), version(V2)),
        "missing": (version(V2),),
    }
    fakes.keys.listed[KEY] = listed[dead]
    fakes.effects.failing_names = frozenset({"everything", "of_cluster", "save_status"})
    fakes.run(timedelta(minutes=21))
    assert len(called(fakes)) == 4, "two runs, two clusters"
    assert {line.fields["recorded"] for line in fakes.log.of(LogEvent.CLUSTER_ATTENTION)} == {False}
    assert fakes.log.of(LogEvent.RECONCILE_FINISHED) == []


def test_once_the_table_is_back_a_key_that_is_still_dead_is_called_out_and_noted() -> None:
    """What was said without it no longer counts from then on."""
    fakes = Fakes()
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    fakes.effects.failing_names = frozenset({"everything", "of_cluster", "save_status"})
    fakes.run(timedelta(minutes=11))
    fakes.effects.failing_names = frozenset()
    fakes.run(timedelta(minutes=11))
    said = [line.fields.get("recorded", True) for line in fakes.log.of(LogEvent.CLUSTER_ATTENTION)]
    assert said == [False, True]


def test_where_the_table_is_away_and_no_key_is_dead_nobody_is_called_by_name() -> None:
    fakes = Fakes()
    fakes.effects.failing_names = frozenset({"everything"})
    fakes.run(timedelta(minutes=21))
    assert fakes.log.lines == []
