"""When the old version may go, as reconcile sees it over time."""

from dataclasses import replace
from itertools import pairwise

import pytest

from cmk_rotation.domain.identifiers import Scope
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    HOUR,
    KEY,
    SUBSCRIPTION,
    V2,
    cluster,
    cluster_id,
    must,
)
from tests.unit.support.fleets import fleet
from tests.unit.support.worlds import Fakes

GROUP = must(Scope.parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-logs"))
OTHER = must(Scope.parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-other"))


def test_the_old_version_must_stay_without_an_end_while_another_cluster_pins_it() -> None:
    fakes = Fakes()
    other = cluster_id("law-two")
    fakes.clusters.stored[other] = cluster(id=other, held=True)
    fakes.run(2 * HOUR)
    assert fakes.rotation.outcome.keep_old_version_until is None
    fakes.clusters.stored[other] = cluster(id=other, key_version=V2)
    freed_at = fakes.clock.now
    fakes.run(HOUR)
    until = fakes.records.rotations[(CLUSTER, KEY, V2)].outcome.keep_old_version_until
    assert freed_at + DAY <= must(until) <= freed_at + DAY + HOUR
    assert [step.name for step in fakes.records.history(CLUSTER)][-1] == "old version free"
    fakes.requests.requested.clear()
    fakes.run(10 * HOUR)
    assert fakes.requests.requested == []


@pytest.mark.parametrize("who", ["another cluster", "the cluster itself"])
def test_an_old_version_that_is_pinned_again_must_stay_without_an_end(who: str) -> None:
    fakes = Fakes()
    fakes.run(2 * HOUR)
    assert fakes.rotation.outcome.keep_old_version_until is not None
    back = cluster() if who == "the cluster itself" else cluster(id=cluster_id("law-two"), held=True)
    fakes.clusters.stored[back.id] = back
    fakes.run(HOUR)
    assert fakes.records.rotations[(CLUSTER, KEY, V2)].outcome.keep_old_version_until is None
    assert [step.name for step in fakes.records.history(CLUSTER)][-1] == "old version in use again"
    fakes.requests.requested.clear()
    fakes.run(10 * HOUR)
    assert fakes.requests.requested == [], "that is said once"
    fakes.clusters.stored[back.id] = replace(back, key_version=V2, held=False)
    left_at = fakes.clock.now
    fakes.run(HOUR)
    assert must(fakes.records.rotations[(CLUSTER, KEY, V2)].outcome.keep_old_version_until) >= left_at + DAY


@pytest.mark.parametrize("how", ["deleted", "another key", "automatic rotation", "out of scope"])
def test_a_cluster_that_left_the_old_version_in_another_way_no_longer_holds_it(how: str) -> None:
    fakes = Fakes(scopes=(GROUP, OTHER))
    other = cluster_id("law-two", group="rg-other")
    fakes.clusters.stored[other] = cluster(id=other, held=True)
    fakes.run(2 * HOUR)
    assert fakes.rotation.outcome.keep_old_version_until is None
    if how == "deleted":
        del fakes.clusters.stored[other]
    elif how == "another key":
        fakes.clusters.stored[other] = cluster(id=other, key_name="other")
    elif how == "automatic rotation":
        fakes.clusters.stored[other] = cluster(id=other, key_version=None)
    else:
        fakes.scopes = (GROUP,)
    fakes.run(HOUR)
    assert fakes.records.rotations[(CLUSTER, KEY, V2)].outcome.keep_old_version_until is not None


def test_clusters_that_move_at_the_same_time_do_not_hold_the_old_version_for_each_other_forever() -> None:
    fakes = fleet(3)
    fakes.run(3 * HOUR)
    untils = sorted(must(row.outcome.keep_old_version_until) for row in fakes.records.rotations.values())
    assert len(untils) == 3
    assert all(later - earlier <= HOUR for earlier, later in pairwise(untils))
