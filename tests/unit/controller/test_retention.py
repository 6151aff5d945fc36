"""How long old versions must stay, and what it costs to know."""

from dataclasses import replace

import pytest

from cmk_rotation.controller.retention import keep_old_version_until
from cmk_rotation.domain.vocabulary import KeyMode, Reason, Stage
from tests.unit.support.builders import DAY, HOUR, NOW, V1, cluster, cluster_id, over, status
from tests.unit.support.worlds import Fakes

SUCCEEDED = over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED)


def rows_read_by_a_rotation(fleet: int) -> int:
    """Of one cluster, in a fleet whose other clusters all stay on the old version; everything has been seen before."""
    fakes = Fakes()
    for number in range(1, fleet):
        other = cluster_id(f"law-{number}")
        fakes.clusters.there[other] = cluster(id=other, held=True)
        fakes.records.put(status(cluster_id=other, mode=KeyMode.PINNED, key_version=V1, reason=Reason.ON_HOLD))
    fakes.visit()
    before = fakes.records.rows_read
    fakes.run(HOUR, reconcile=False)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert fakes.rotation.outcome.keep_old_version_until is None
    return fakes.records.rows_read - before


def test_a_rotation_reads_as_many_rows_among_a_hundred_clusters_as_among_ten() -> None:
    assert rows_read_by_a_rotation(10) == rows_read_by_a_rotation(100)


@pytest.mark.parametrize("mode", [KeyMode.AUTO, KeyMode.NONE])
def test_only_clusters_that_pin_the_version_hold_it(mode: KeyMode) -> None:
    fakes = Fakes()
    fakes.records.put(status(cluster_id=cluster_id("law-two"), mode=mode, key_version=V1))
    assert keep_old_version_until(fakes.world, SUCCEEDED) == fakes.clock.now + DAY
    fakes.records.put(status(cluster_id=cluster_id("law-three"), mode=KeyMode.PINNED, key_version=V1.upper()))
    assert keep_old_version_until(fakes.world, SUCCEEDED) is None


def test_dozens_of_clusters_that_are_gone_do_not_hide_one_that_pins_the_version() -> None:
    fakes = Fakes()
    for number in range(30):
        gone = status(cluster_id=cluster_id(f"gone-{number}"), mode=KeyMode.PINNED, key_version=V1)
        fakes.records.put(replace(gone, reason=Reason.CLUSTER_GONE, since=NOW - DAY))
    assert keep_old_version_until(fakes.world, SUCCEEDED) is not None
    fakes.records.put(status(cluster_id=cluster_id("law-last"), mode=KeyMode.PINNED, key_version=V1))
    assert keep_old_version_until(fakes.world, SUCCEEDED) is None


def test_where_there_was_no_version_before_nothing_has_to_stay() -> None:
    fakes = Fakes()
    assert keep_old_version_until(fakes.world, replace(SUCCEEDED, from_version=None)) is None
