"""Clusters that are made and deleted: how many there may be, and names that stay reserved."""

import pytest

from simulator.azure import RESOURCE_GROUP, SUBSCRIPTION, Azure
from simulator.operationalinsights.behaviour import Behaviour
from simulator.operationalinsights.cluster_writes import DELETION_SECONDS, RESERVED_SECONDS, Deleted, check_room
from simulator.operationalinsights.clusters import Cluster, RefusedError
from tests.simulator.calling import Caller

DAY = 86_400.0
URL = "https://management.azure.com{}?api-version=2025-07-01"


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
    # Whoever else looks meanwhile, such as the storage below it, does not end the deletion.
    assert cluster.shown(azure.clock.timestamp() + 1, Behaviour())[0] == "Deleting"
    assert call("GET", url)["error"]["code"] == "ResourceNotFound"
    refused = call("PUT", url, made)["error"]
    assert (refused["code"], "reserved" in refused["message"]) == ("Conflict", True)


def put_body(**changes: object) -> dict[str, object]:
    sku = {"name": "CapacityReservation", "capacity": 100}
    return {"location": "West Europe", "sku": sku, "properties": {}, **changes}


def test_a_region_may_be_written_in_words_and_cannot_be_changed(azure: Azure, call: Caller, cluster: Cluster) -> None:
    url = URL.format(cluster.id)
    assert call("PUT", url, put_body())["location"] == "westeurope"
    assert call("PUT", url, put_body(location="northeurope"))["error"]["code"] == "InvalidResourceLocation"
    azure.behaviour = Behaviour(regional_operation_url=True)
    made = url.replace("/Cluster-1?", "/northern?")
    assert call("PUT", made, put_body(location="North Europe"))["location"] == "northeurope"
    assert "northeurope.management.azure.com" in azure.server.hosts


@pytest.mark.parametrize("name", ["abc", "a_b_c", "-abcd-", "x" * 64])
def test_a_name_that_is_none_is_refused(call: Caller, cluster: Cluster, name: str) -> None:
    url = URL.format(cluster.id).replace("/Cluster-1?", f"/{name}?")
    assert "name isn't valid" in call("PUT", url, put_body())["error"]["message"]


def test_a_put_without_tags_takes_them_away(call: Caller, cluster: Cluster) -> None:
    cluster.tags["cmk-rotation"] = "hold"
    assert call("PATCH", URL.format(cluster.id), {"sku": put_body()["sku"]})["tags"] == {"cmk-rotation": "hold"}
    assert call("PUT", URL.format(cluster.id), put_body())["tags"] == {}


def test_a_put_is_compared_with_the_key_in_effect_not_with_the_one_last_read(
    azure: Azure, call: Caller, cluster: Cluster
) -> None:
    assert cluster.key is not None
    old, new = cluster.key.version, azure.vault("contoso").rotate("la-cmk").version
    key = {"keyVaultUri": "https://contoso.vault.azure.net/", "keyName": "la-cmk", "keyVersion": new}
    call("PATCH", URL.format(cluster.id), {"properties": {"keyVaultProperties": key}})
    azure.arm.finish_update(cluster)
    redeployed = put_body(properties={"keyVaultProperties": {**key, "keyVersion": old}})
    assert call("PUT", URL.format(cluster.id), redeployed)["properties"]["provisioningState"] == "Updating"
    azure.arm.finish_update(cluster)
    shown = call("GET", URL.format(cluster.id))["properties"]["keyVaultProperties"]
    assert shown["keyVersion"] == old
