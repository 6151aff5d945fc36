"""What takes a while in Azure: links, deletions; and what two tenants cannot share."""

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient

from simulator.azure import RESOURCE_GROUP, SUBSCRIPTION, Azure
from simulator.clock import Clock
from simulator.cluster_bodies import Workspace
from simulator.clusters import FAILED, Cluster
from tests.simulator.calling import Caller

ARM = "https://management.azure.com"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
VERSION = "?api-version=2025-07-01"


@pytest.fixture
def call(credential: ManagedIdentityCredential) -> Caller:
    return Caller(credential)


def an_hour_and_a_half_later(azure: Azure) -> None:
    clock = azure.arm.clock
    azure.arm.clock = Clock(clock.speed, clock.real_origin, clock.simulated_origin + 5_401)


def test_a_workspace_is_linked_after_an_hour_and_a_half_and_twice_a_month_at_the_most(
    azure: Azure, cluster: Cluster, call: Caller
) -> None:
    workspace = Workspace(f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/law", "westeurope", None)
    azure.arm.workspaces[workspace.id.lower()] = workspace
    link = f"{ARM}{workspace.id}/linkedServices/cluster{VERSION}"
    body = {"properties": {"writeAccessResourceId": cluster.id}}
    assert call("GET", link)["error"]["message"] == "The workspace is not linked to a cluster"
    for _ in range(2):
        assert call("PUT", link, body)["properties"]["provisioningState"] == "ProvisioningAccount"
        assert "in process" in call("PUT", link, body)["error"]["message"]
        assert workspace.id not in cluster.workspaces
        an_hour_and_a_half_later(azure)
        assert call("GET", link)["properties"] == {
            "writeAccessResourceId": cluster.id,
            "provisioningState": "Succeeded",
        }
        assert cluster.workspaces == [workspace.id]
        assert call("DELETE", link)["properties"]["provisioningState"] == "Deleting"
        an_hour_and_a_half_later(azure)
        assert "error" in call("GET", link)
        assert cluster.workspaces == []
    assert "twice in 30 days" in call("PUT", link, body)["error"]["message"]
    assert call("PUT", link, {"properties": {}})["error"]["message"] == "Cluster not found"
    assert call("PUT", link.replace("/law/", "/none/"), body)["error"]["message"] == "Workspace not found"


def test_a_deleted_cluster_is_gone_after_a_while_and_takes_no_update_meanwhile(
    azure: Azure, cluster: Cluster, call: Caller
) -> None:
    url = f"{ARM}{cluster.id}{VERSION}"
    assert call("DELETE", url)["properties"]["provisioningState"] == "Deleting"
    assert "deleting state" in call("PATCH", url, {"tags": {}})["error"]["message"]
    assert call("DELETE", url)["error"]["code"] == "Conflict"
    an_hour_and_a_half_later(azure)
    assert call("GET", url)["error"]["code"] == "ResourceNotFound"


def test_a_vault_of_another_tenant_serves_neither_the_cluster_nor_the_caller(
    azure: Azure, cluster: Cluster, keys: KeyClient
) -> None:
    vault = azure.vault("contoso")
    assert cluster.key is not None
    assert vault.refusal(cluster.id, cluster.key) is None
    vault.tenant = "11111111-2222-3333-4444-555555555555"
    assert vault.refusal(cluster.id, cluster.key) == FAILED
    with pytest.raises(ClientAuthenticationError, match="AKV10032"):
        keys.get_key("la-cmk")
