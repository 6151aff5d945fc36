"""What a rotation asks of Azure does not grow with the fleet; `costs` makes the table of it."""

from pathlib import Path

import pytest

from tests.e2e import costs

OWN_REQUESTS = 24
"""Of the product, for each cluster, where the update takes ten seconds. docs/performance.md names each of them."""


@pytest.mark.parametrize("clusters", [10, 100])
def test_each_cluster_costs_the_same_in_any_fleet(tmp_path: Path, clusters: int) -> None:
    found = costs.count(tmp_path, clusters)
    assert found.for_each == OWN_REQUESTS
    assert found.requests["send the update"] == clusters
    assert found.requests["list the clusters of a scope"] == 1
    assert set(found.requests) <= costs.KNOWN
    assert found.rows_read <= 20 * clusters, "eight of its own, and at most twelve of the index"
    assert found.table_bytes <= 42_000 * clusters


def test_a_cluster_costs_the_same_however_often_it_has_rotated_before(tmp_path: Path) -> None:
    young, old = (costs.count(tmp_path / str(months), 1, rotations_before=months) for months in (3, 15))
    assert old.requests == young.requests
    assert old.rows_read == young.rows_read
    assert old.table_bytes <= young.table_bytes + 500, "a number or a time may be longer"


def test_an_update_that_takes_longer_is_followed_by_its_operation_alone(tmp_path: Path) -> None:
    quick, slow = (costs.count(tmp_path / name, 1, update_seconds=time) for name, time in (("a", 10), ("b", 500)))
    more = slow.requests - quick.requests
    assert more["read the cluster"] == more["list the key's versions"] == 0
    assert more["read the operation"] > 10
