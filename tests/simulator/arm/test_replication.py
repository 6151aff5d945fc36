"""Replication of a cluster, as ARM shows and changes it."""

from dataclasses import replace

import pytest

from simulator.azure import Azure
from simulator.operationalinsights.behaviour import Behaviour
from simulator.operationalinsights.clusters import Cluster
from simulator.operationalinsights.replication import CHANGE_SECONDS, REQUEST_SECONDS, Replication, change
from tests.simulator.calling import Caller

URL = "https://management.azure.com{}?api-version=2025-07-01"


def put(call: Caller, cluster: Cluster, replication: object) -> dict[str, dict[str, object]]:
    sku = {"name": "capacityReservation", "capacity": 100}
    body = {"location": "westeurope", "sku": sku, "properties": {"replication": replication}}
    answer: dict[str, dict[str, object]] = call("PUT", URL.format(cluster.id), body)
    return answer


@pytest.mark.parametrize(
    ("age", "enabling", "disabling", "failing"),
    [
        (0.0, "EnableRequested", "DisableRequested", "EnableRequested"),
        (REQUEST_SECONDS, "Enabling", "Disabling", "Enabling"),
        (CHANGE_SECONDS, "Succeeded", "Succeeded", "RollbackRequested"),
        (CHANGE_SECONDS + REQUEST_SECONDS, "Succeeded", "Succeeded", "RollingBack"),
        (2 * CHANGE_SECONDS, "Succeeded", "Succeeded", "Failed"),
    ],
)
def test_a_change_goes_through_the_states_of_the_specification(
    age: float, enabling: str, disabling: str, failing: str
) -> None:
    asked = 1_000.0
    on = Replication(enabled=True, location="northeurope", asked=asked)
    off = Replication(enabled=False, location="northeurope", asked=asked)
    failed = Replication(enabled=True, location="northeurope", asked=asked, undone=Replication())
    assert [one.state(asked + age) for one in (on, off, failed)] == [enabling, disabling, failing]


@pytest.mark.parametrize(
    ("wanted", "wrong"),
    [
        ({"enabled": True}, "can't be replicated to 'None'"),
        ({"enabled": True, "location": "westeurope"}, "can't be replicated"),
        ({"enabled": True, "location": "westus2"}, "can't be replicated"),
        ({"enabled": "yes", "location": "northeurope"}, "bad format"),
    ],
)
def test_a_region_that_is_no_partner_is_refused(wanted: dict[str, object], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        change(Replication(), wanted, "westeurope", 0.0, fails=False)


def test_two_regions_of_one_group_may_be_apart() -> None:
    with pytest.raises(ValueError, match="can't be replicated"):
        change(Replication(), {"enabled": True, "location": "eastus2"}, "eastus", 0.0, fails=False)


def test_a_put_enables_it_and_the_cluster_stays_as_it_is(azure: Azure, call: Caller, cluster: Cluster) -> None:
    shown = put(call, cluster, {"enabled": True, "location": "northeurope"})["properties"]
    assert shown["provisioningState"] == "Succeeded"
    assert isinstance(shown["replication"], dict)
    assert shown["replication"]["provisioningState"] == "EnableRequested"
    assert shown["replication"]["location"] == "northeurope"
    assert azure.arm.operations == {}, "the key is untouched"
    refused = put(call, cluster, {"enabled": False})["error"]
    assert "while it is being enabled" in str(refused["message"])
    assert (
        put(call, cluster, {"enabled": True, "location": "northeurope"})["properties"]["replication"]
        == shown["replication"]
    )


def test_it_may_count_as_an_update_of_the_cluster(azure: Azure, call: Caller, cluster: Cluster) -> None:
    azure.behaviour = Behaviour(replication_is_update=True)
    shown = put(call, cluster, {"enabled": True, "location": "northeurope"})["properties"]
    assert shown["provisioningState"] == "Updating"
    version = azure.vault("contoso").rotate("la-cmk").version
    key = {"keyVaultUri": "https://contoso.vault.azure.net", "keyName": "la-cmk", "keyVersion": version}
    url = URL.format(cluster.id)
    refused = call("PATCH", url, {"properties": {"keyVaultProperties": key}})
    assert "can't be executed now" in refused["error"]["message"]
    azure.behaviour = Behaviour()
    accepted = call("PATCH", url, {"properties": {"keyVaultProperties": key}})
    assert accepted["properties"]["provisioningState"] == "Updating"


def test_a_change_that_was_rolled_back_is_shown_undone_and_may_be_tried_again(
    azure: Azure, call: Caller, cluster: Cluster
) -> None:
    azure.behaviour = Behaviour(replication_fails=True)
    wanted = {"enabled": True, "location": "North Europe"}
    put(call, cluster, wanted)
    cluster.replication = replace(cluster.replication, asked=cluster.replication.asked - 2 * CHANGE_SECONDS)
    shown = call("GET", URL.format(cluster.id))["properties"]["replication"]
    assert (shown["enabled"], shown["provisioningState"], "location" in shown) == (False, "Failed", False)
    azure.behaviour = Behaviour()
    again = put(call, cluster, wanted)["properties"]["replication"]
    assert isinstance(again, dict)
    assert (again["provisioningState"], again["location"]) == ("EnableRequested", "northeurope")


def test_a_region_in_other_words_is_no_change() -> None:
    done = Replication(enabled=True, location="northeurope", asked=0.0)
    same = change(done, {"enabled": True, "location": "North Europe"}, "westeurope", 1e9, fails=False)
    assert same is done


def test_a_body_that_is_no_object_is_refused(call: Caller, cluster: Cluster) -> None:
    assert "bad format" in str(put(call, cluster, ["northeurope"])["error"]["message"])
