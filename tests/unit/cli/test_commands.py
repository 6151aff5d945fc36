"""What `plan` says with its exit code: 0 only if every cluster is known to be as it should be."""

from collections.abc import Callable

import pytest

from cmk_rotation import bootstrap
from cmk_rotation.cli.commands import main
from cmk_rotation.domain.vocabulary import FailureKind
from tests.unit.support.builders import (
    CLUSTER,
    GONE,
    HOUR,
    KEY,
    MINUTE,
    SCOPE,
    UNAVAILABLE,
    V2,
    cluster,
    cluster_id,
    failure,
    status,
    version,
)
from tests.unit.support.worlds import Fakes


def on_hold(fakes: Fakes) -> None:
    fakes.clusters.stored[CLUSTER] = cluster(held=True)


def busy(fakes: Fakes) -> None:
    fakes.clusters.stored[CLUSTER] = cluster(state="Updating")


def under_way(fakes: Fakes) -> None:
    fakes.visit()
    fakes.clock.now += MINUTE


def under_way_and_showing_the_target(fakes: Fakes) -> None:
    under_way(fakes)
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2, state="Updating")


def arm_is_down(fakes: Fakes) -> None:
    fakes.clusters.get_failure = UNAVAILABLE


def vault_is_down(fakes: Fakes) -> None:
    fakes.keys.failure = UNAVAILABLE


def key_of_an_automatic_cluster_may_not_be_read(fakes: Fakes) -> None:
    fakes.clusters.stored[CLUSTER] = cluster(key_version=None)
    fakes.keys.failure = failure(FailureKind.REFUSED)


def scope_failed(fakes: Fakes) -> None:
    moved(fakes)
    fakes.clusters.scope_failures[SCOPE] = UNAVAILABLE


def scope_is_empty(fakes: Fakes) -> None:
    fakes.clusters.stored.clear()


def behind(fakes: Fakes) -> None:
    assert fakes.clusters.stored


def in_use_disabled(fakes: Fakes) -> None:
    fakes.keys.listed[KEY] = (version(enabled=False), version(V2))


def moved(fakes: Fakes) -> None:
    fakes.visit()
    fakes.run(HOUR)


def automatic(fakes: Fakes) -> None:
    fakes.clusters.stored[CLUSTER] = cluster(key_version=None)


def without_a_key(fakes: Fakes) -> None:
    fakes.clusters.stored[CLUSTER] = cluster(key_vault_uri=None, key_name=None, key_version=None)


def on_hold_and_on_the_newest(fakes: Fakes) -> None:
    moved(fakes)
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2, held=True)


def another_one_is_known_to_be_gone(fakes: Fakes) -> None:
    moved(fakes)
    fakes.records.put(status(cluster_id=cluster_id("law-gone")))
    fakes.run(HOUR)


CALLS = [
    behind,
    in_use_disabled,
    on_hold,
    busy,
    under_way,
    under_way_and_showing_the_target,
    arm_is_down,
    vault_is_down,
    key_of_an_automatic_cluster_may_not_be_read,
    scope_failed,
    scope_is_empty,
]
WELL = [moved, automatic, without_a_key, on_hold_and_on_the_newest, another_one_is_known_to_be_gone]


def planned(fakes: Fakes, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    monkeypatch.setattr(bootstrap, "operator_world", lambda: fakes.world)
    return main(["plan", *options])


@pytest.mark.parametrize("case", CALLS)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_plan_exits_with_2_if_a_cluster_is(
    case: Callable[[Fakes], None], options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes = Fakes()
    case(fakes)
    before = list(fakes.effects.done)
    assert planned(fakes, monkeypatch, *options) == 2
    assert fakes.effects.done == before


@pytest.mark.parametrize("case", WELL)
def test_plan_exits_with_0_if_every_cluster_is(case: Callable[[Fakes], None], monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = Fakes()
    case(fakes)
    assert planned(fakes, monkeypatch) == 0


def test_a_cluster_that_was_listed_and_then_is_gone_is_asked_for_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = Fakes()
    moved(fakes)
    fakes.clusters.get_failure = GONE
    assert planned(fakes, monkeypatch) == 2
