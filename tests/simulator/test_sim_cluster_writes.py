"""Clusters that are made and deleted: how many there may be, and names that stay reserved."""

import pytest

from simulator.azure import RESOURCE_GROUP, SUBSCRIPTION, Azure
from simulator.cluster_writes import DELETION_SECONDS, RESERVED_SECONDS, Deleted, check_room
from simulator.clusters import Cluster, RefusedError
from tests.simulator.calling import Caller

DAY = 86_400.0


def named(name: str, *, subscription: str = SUBSCRIPTION, location: str = "westeurope") -> Cluster:
    return Cluster(name, subscription, RESOURCE_GROUP, location, None)


def gone(*names: str, at: float = 0.0) -> list[Deleted]:
    return [Deleted(named(name), at) for name in names]


def test_a_deleted_name_is_reserved_for_fourteen_days() -> None:
    with pytest.raises(RefusedError, match="reserved for 14 days"):
        check_room(named("Logs"), [], gone("logs"), RESERVED_SECONDS - 1)
    check_room(named("logs"), [], gone("logs"), RESERVED_SECONDS)
    check_room(named("logs", subscription="another"), [], gone("logs"), 0.0)


def test_five_clusters_fit_in_a_region_of_a_subscription() -> None:
    four = [named(f"c{number}") for number in range(4)]
    check_room(named("new"), four, [], 0.0)
    with pytest.raises(RefusedError, match="limit of clusters"):
        check_room(named("new"), [*four, named("fifth")], [], 0.0)
    check_room(named("new", location="northeurope"), [*four, named("fifth")], [], 0.0)


def test_seven_with_those_that_were_deleted_lately() -> None:
    four = [named(f"c{number}") for number in range(4)]
    check_room(named("new"), four, gone("d1", "d2"), DAY)
    with pytest.raises(RefusedError, match="limit of clusters"):
        check_room(named("new"), four, gone("d1", "d2", "d3"), DAY)
    check_room(named("new"), four, gone("d1", "d2", "d3"), RESERVED_SECONDS)


def test_a_cluster_that_is_deleted_over_arm_leaves_its_name_reserved(
    azure: Azure, call: Caller, cluster: Cluster
) -> None:
    url = f"https://management.azure.com{cluster.id}?api-version=2025-07-01"
    assert call("DELETE", url)["properties"]["provisioningState"] == "Deleting"
    made = {"location": "westeurope", "sku": {"name": "capacityReservation", "capacity": 100}}
    assert "deleting state" in call("PUT", url, made)["error"]["message"]
    assert "deleting state" in call("PATCH", url, {"tags": {}})["error"]["message"]
    assert call("DELETE", url)["error"]["code"] == "Conflict"
    assert cluster.operation is not None
    assert cluster.operation.ends - cluster.operation.started == DELETION_SECONDS
    azure.arm.finish_update(cluster)
    assert call("GET", url)["error"]["code"] == "ResourceNotFound"
    refused = call("PUT", url, made)["error"]
    assert (refused["code"], "reserved" in refused["message"]) == ("Conflict", True)
