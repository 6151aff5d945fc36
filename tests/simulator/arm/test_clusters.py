"""Clusters as the SDK sees them: reading, listing, and what an update accepts and refuses."""

from typing import Any

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential
from azure.mgmt.loganalytics import LogAnalyticsManagementClient
from azure.mgmt.loganalytics.models import ClusterPatch, ClusterPatchProperties, ClusterSku, KeyVaultProperties

from simulator.azure import FUNCTION, RESOURCE_GROUP, SUBSCRIPTION, Azure
from simulator.entra import identity
from simulator.keyvault.vaults import Network
from simulator.operationalinsights.behaviour import AutoModeShows, Behaviour, BusyAnswer
from simulator.operationalinsights.clusters import Cluster, ClusterKey
from tests.patience import HANG

URI = "https://contoso.vault.azure.net"


def patch_to(version: str, name: str = "la-cmk", uri: str = URI) -> ClusterPatch:
    key = KeyVaultProperties(key_vault_uri=uri, key_name=name, key_version=version)
    return ClusterPatch(properties=ClusterPatchProperties(key_vault_properties=key))


def send(arm: LogAnalyticsManagementClient, patch: ClusterPatch | dict[str, Any]) -> None:
    arm.clusters.begin_update(RESOURCE_GROUP, "Cluster-1", patch, polling=False)


def refusal(arm: LogAnalyticsManagementClient, patch: ClusterPatch | dict[str, Any]) -> tuple[int | None, str, str]:
    with pytest.raises(HttpResponseError) as refused:
        send(arm, patch)
    assert refused.value.error is not None
    return refused.value.status_code, str(refused.value.error.code), str(refused.value.error.message)


def test_a_cluster_reads_as_the_sdks_model(azure: Azure, cluster: Cluster, arm: LogAnalyticsManagementClient) -> None:
    azure.add_workspace("ws-1", cluster)
    cluster.tags["team"] = "logs"
    found = arm.clusters.get(RESOURCE_GROUP, "Cluster-1")
    assert found.id == cluster.id
    assert (found.location, found.tags) == ("westeurope", {"team": "logs"})
    assert found.sku is not None
    assert found.sku.capacity == 100
    assert found.identity is not None
    assert found.identity.principal_id
    properties = found.properties
    assert properties is not None
    assert properties.provisioning_state == "Succeeded"
    assert properties.key_vault_properties is not None
    assert cluster.key is not None
    assert properties.key_vault_properties.key_version == cluster.key.version
    assert properties.created_date is not None
    assert properties.replication is not None
    assert properties.replication.provisioning_state == "Succeeded"
    assert [it.resource_id for it in properties.associated_workspaces or []] == cluster.workspaces


def test_paths_ignore_case_and_ids_may_come_back_dirty(
    azure: Azure, cluster: Cluster, arm: LogAnalyticsManagementClient
) -> None:
    assert arm.clusters.get(RESOURCE_GROUP.upper(), "CLUSTER-1").id == cluster.id
    azure.behaviour = Behaviour(dirty_ids=True)
    dirty = arm.clusters.get(RESOURCE_GROUP, "cluster-1").id
    assert dirty == cluster.id.lower()
    assert dirty != cluster.id


def test_lists_come_in_pages(azure: Azure, cluster: Cluster, arm: LogAnalyticsManagementClient) -> None:
    azure.arm.page_size = 2
    for number in range(2, 6):
        azure.add_cluster(f"Cluster-{number}")
    elsewhere = azure.add_cluster("Cluster-6", resource_group="rg-Other")
    azure.add_cluster("Cluster-7", subscription="11111111-0000-0000-0000-000000000000")
    ids = [found.id for found in arm.clusters.list()]
    assert len(ids) == 6
    assert {cluster.id, elsewhere.id} <= set(ids)
    assert len(azure.exchanges) - 1 == 3  # Besides the one for the token.
    assert [found.id for found in arm.clusters.list_by_resource_group("RG-OTHER")] == [elsewhere.id]


def test_unknown_places_are_not_found(
    azure: Azure, cluster: Cluster, arm: LogAnalyticsManagementClient, credential: ManagedIdentityCredential
) -> None:
    def code(group: str, name: str) -> str:
        with pytest.raises(ResourceNotFoundError) as missing:
            arm.clusters.get(group, name)
        assert missing.value.error is not None
        return str(missing.value.error.code)

    assert code(RESOURCE_GROUP, "no-such-cluster") == "ResourceNotFound"
    assert code("no-such-group", "Cluster-1") == "ResourceGroupNotFound"
    del azure.arm.clusters[cluster.id.lower()]
    assert code(RESOURCE_GROUP, "Cluster-1") == "ResourceNotFound"
    stranger = "22222222-0000-0000-0000-000000000000"
    with LogAnalyticsManagementClient(credential, stranger) as other, pytest.raises(ResourceNotFoundError) as missing:
        list(other.clusters.list())
    assert missing.value.error is not None
    assert missing.value.error.code == "SubscriptionNotFound"


def test_a_workspace_names_its_cluster(azure: Azure, cluster: Cluster, arm: LogAnalyticsManagementClient) -> None:
    azure.add_workspace("ws-1", cluster).state = "Failed"
    found = arm.workspaces.get(RESOURCE_GROUP, "ws-1")
    assert found.properties is not None
    assert found.properties.provisioning_state == "Failed"
    assert found.properties.features is not None
    assert found.properties.features.cluster_resource_id == cluster.id
    with pytest.raises(ResourceNotFoundError):
        arm.workspaces.get(RESOURCE_GROUP, "ws-2")


@pytest.mark.parametrize(
    "token", ["", identity.issue("https://vault.azure.net", "function"), identity.issue("https://other.example", "x")]
)
def test_a_token_for_something_else_is_refused(cluster: Cluster, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"https://management.azure.com{cluster.id}?api-version=2025-07-01"
    answer = requests.get(url, headers=headers, timeout=HANG)
    assert answer.status_code == 401
    assert "error" in answer.json()


def test_an_api_version_is_required_and_ids_are_echoed(cluster: Cluster) -> None:
    headers = {
        "Authorization": "Bearer " + identity.issue("https://management.azure.com", "function"),
        "x-ms-client-request-id": "mine",
    }
    answer = requests.get(f"https://management.azure.com{cluster.id}", headers=headers, timeout=HANG)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "MissingApiVersionParameter")
    assert answer.headers["x-ms-client-request-id"] == "mine"
    assert answer.headers["x-ms-correlation-request-id"]
    assert answer.headers["x-ms-request-id"]


@pytest.mark.parametrize("method", ["POST", "HEAD"])
def test_what_the_simulator_does_not_do_it_refuses(cluster: Cluster, method: str) -> None:
    headers = {"Authorization": "Bearer " + identity.issue("https://management.azure.com", "function")}
    url = f"https://management.azure.com{cluster.id}?api-version=2025-07-01"
    assert requests.request(method, url, json={}, headers=headers, timeout=HANG).status_code == 405


def test_rights_are_by_action_and_scope(azure: Azure, cluster: Cluster, arm: LogAnalyticsManagementClient) -> None:
    other = azure.add_cluster("Cluster-2")
    azure.rights.deny(FUNCTION, "Microsoft.OperationalInsights/clusters/write", cluster.id)
    assert arm.clusters.get(RESOURCE_GROUP, "Cluster-1").id == cluster.id
    assert refusal(arm, {"tags": {}})[:2] == (403, "AuthorizationFailed")
    arm.clusters.begin_update(RESOURCE_GROUP, "Cluster-2", {"tags": {"a": "b"}}, polling=False)
    assert other.tags == {"a": "b"}


def test_a_role_on_one_resource_group_sees_only_that_group(
    azure: Azure, cluster: Cluster, arm: LogAnalyticsManagementClient
) -> None:
    azure.add_cluster("Cluster-2", resource_group="rg-Other")
    azure.rights.deny(FUNCTION, "*", f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-other")
    assert [found.id for found in arm.clusters.list()] == [cluster.id]
    azure.rights.deny(FUNCTION, "*", f"/subscriptions/{SUBSCRIPTION}")
    azure.rights.allow(FUNCTION, "*", f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}")
    with pytest.raises(HttpResponseError) as refused:
        list(arm.clusters.list())
    assert refused.value.status_code == 403
    assert [found.id for found in arm.clusters.list_by_resource_group(RESOURCE_GROUP)] == [cluster.id]


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"location": "westeurope"}, "InvalidRequestContent"),
        ({"properties": {"invented": 1}}, "InvalidRequestContent"),
        ({"properties": {"associatedWorkspaces": []}}, "InvalidParameter"),
        ({"properties": {"provisioningState": "Succeeded"}}, "InvalidParameter"),
        ({"properties": []}, "BadRequest"),
        ([], "BadRequest"),
        ({"sku": {"name": "perGB2018"}}, "BadRequest"),
        ({"sku": {"name": "capacityReservation", "capacity": 123}}, "InvalidInput"),
        ({"properties": {"keyVaultProperties": {}}}, "BadRequest"),
        ({"properties": {"keyVaultProperties": {"keyName": "la-cmk", "keyVersion": ""}}}, "BadRequest"),
        ({"properties": {"keyVaultProperties": {"keyVaultUri": "contoso", "keyName": "la-cmk"}}}, "BadRequest"),
        ({"properties": {"keyVaultProperties": {"keyVaultUri": URI, "keyName": "k", "keyVersion": "2"}}}, "BadRequest"),
        ({"properties": {"keyVaultProperties": {"keyVaultUri": URI, "keyName": "k", "extra": ""}}}, "BadRequest"),
    ],
)
def test_a_body_that_is_not_a_patch_is_refused(
    cluster: Cluster, arm: LogAnalyticsManagementClient, patch: Any, code: str
) -> None:
    before = cluster.key
    assert refusal(arm, patch)[:2] == (400, code)
    assert (cluster.key, cluster.operation) == (before, None)


def test_key_and_identity_cannot_change_together(
    azure: Azure, cluster: Cluster, arm: LogAnalyticsManagementClient
) -> None:
    version = azure.vault("contoso").rotate("la-cmk").version
    patch = patch_to(version).as_dict()
    assert refusal(arm, patch | {"identity": {"type": "None"}})[0] == 400
    send(arm, patch | {"identity": {"type": "SystemAssigned"}})
    assert cluster.operation is not None


def test_sku_and_tags_change_at_once(cluster: Cluster, arm: LogAnalyticsManagementClient) -> None:
    send(arm, ClusterPatch(sku=ClusterSku(name="CapacityReservation", capacity=500), tags={"a": "b"}))
    assert (cluster.sku["capacity"], cluster.tags, cluster.operation) == (500, {"a": "b"}, None)


@pytest.mark.parametrize(
    ("variant", "status", "words"),
    [
        (BusyAnswer.CONTRACTED, 400, "Operation can't be executed now."),
        (BusyAnswer.SPELLED_OUT, 400, "Operation cannot be executed now."),
        (BusyAnswer.CONFLICT, 409, "Another operation is in progress"),
    ],
)
def test_a_busy_cluster_refuses_an_update(
    cluster: Cluster, arm: LogAnalyticsManagementClient, variant: BusyAnswer, status: int, words: str
) -> None:
    cluster.behaviour = Behaviour(busy_answer=variant)
    assert cluster.key is not None
    first = cluster.key.version
    send(arm, patch_to(first))
    under_way = cluster.operation
    found = refusal(arm, patch_to(first))
    assert found[0] == status
    assert found[2].startswith(words)
    assert cluster.operation == under_way


@pytest.mark.parametrize("state", ["Creating", "Updating", "ProvisioningAccount", "Deleting"])
def test_a_cluster_in_a_passing_state_refuses_an_update(
    cluster: Cluster, arm: LogAnalyticsManagementClient, state: str
) -> None:
    cluster.state = state
    assert refusal(arm, {"tags": {}})[0] == 400


@pytest.mark.parametrize("state", ["Failed", "Canceled"])
def test_a_failed_cluster_may_or_may_not_accept_an_update(
    cluster: Cluster, arm: LogAnalyticsManagementClient, state: str
) -> None:
    cluster.state = state
    cluster.behaviour = Behaviour(failed_accepts_update=False)
    assert "in a state other than succeeded" in refusal(arm, {"tags": {"a": "b"}})[2]
    cluster.behaviour = Behaviour(failed_accepts_update=True)
    send(arm, {"tags": {"a": "b"}})
    assert cluster.tags == {"a": "b"}


def break_key(azure: Azure, cluster: Cluster, how: str) -> None:
    vault = azure.vault("contoso")
    match how:
        case "disabled":
            vault.disable("la-cmk")
        case "expired":
            vault.set_attributes("la-cmk", expires=int(vault.clock.timestamp()) - 1)
        case "not yet valid":
            vault.set_attributes("la-cmk", not_before=int(vault.clock.timestamp()) + 3_600)
        case "deleted":
            vault.delete_key("la-cmk")
        case "no access":
            azure.rights.deny(cluster.id, "Microsoft.KeyVault/vaults/keys/wrap/action", vault.resource_id)
        case "unreachable":
            vault.network, vault.trusted_services = Network.PRIVATE, False
        case "no purge protection":
            vault.purge_protection = False
        case "no vault":
            del azure.vaults[vault.host]


@pytest.mark.parametrize(
    "how",
    ["disabled", "expired", "not yet valid", "deleted", "no access", "unreachable", "no purge protection", "no vault"],
)
def test_a_key_that_the_cluster_cannot_use_is_refused(
    azure: Azure, cluster: Cluster, arm: LogAnalyticsManagementClient, how: str
) -> None:
    version = azure.vault("contoso").rotate("la-cmk").version
    break_key(azure, cluster, how)
    status, _, message = refusal(arm, patch_to(version))
    assert status == 400
    assert message.startswith("Key isn't recoverable" if how == "no purge protection" else "Failed to validate key")
    assert cluster.operation is None


def test_a_version_that_does_not_exist_is_refused(cluster: Cluster, arm: LogAnalyticsManagementClient) -> None:
    assert cluster.key is not None
    assert refusal(arm, patch_to("0" * 32))[0] == 400
    assert refusal(arm, patch_to(cluster.key.version, name="no-such-key"))[0] == 400


def test_trusted_services_get_past_the_firewall(
    azure: Azure, cluster: Cluster, arm: LogAnalyticsManagementClient
) -> None:
    version = azure.vault("contoso").rotate("la-cmk").version
    azure.vault("contoso").network = Network.FIREWALL
    send(arm, patch_to(version))
    assert cluster.operation is not None


def test_the_key_cannot_be_updated_when_the_version_in_use_has_expired(
    azure: Azure, cluster: Cluster, arm: LogAnalyticsManagementClient
) -> None:
    vault = azure.vault("contoso")
    assert cluster.key is not None
    vault.set_attributes("la-cmk", cluster.key.version, expires=int(vault.clock.timestamp()) - 1)
    version = vault.rotate("la-cmk").version
    assert "expired" in refusal(arm, patch_to(version))[2]
    vault.set_attributes("la-cmk", cluster.key.version, expires=int(vault.clock.timestamp()) + 3_600)
    send(arm, patch_to(version))
    assert cluster.operation is not None


def test_a_cluster_goes_back_to_microsofts_key(
    azure: Azure, cluster: Cluster, arm: LogAnalyticsManagementClient
) -> None:
    send(arm, patch_to("", name="", uri=""))
    azure.arm.finish_update(cluster)
    found = arm.clusters.get(RESOURCE_GROUP, "Cluster-1")
    assert found.properties is not None
    assert found.properties.key_vault_properties is None


@pytest.mark.parametrize("shows", list(AutoModeShows))
def test_what_a_cluster_in_auto_mode_shows_can_be_chosen(
    azure: Azure, cluster: Cluster, arm: LogAnalyticsManagementClient, shows: AutoModeShows
) -> None:
    newest = azure.vault("contoso").rotate("la-cmk").version
    cluster.key = ClusterKey(URI, "la-cmk", rsa_size=3_072)
    cluster.behaviour = Behaviour(auto_mode_shows=shows)
    found = arm.clusters.get(RESOURCE_GROUP, "Cluster-1").properties
    assert found is not None
    assert found.key_vault_properties is not None
    assert found.key_vault_properties.key_rsa_size == 3_072
    expected = {AutoModeShows.EMPTY: "", AutoModeShows.ABSENT: None, AutoModeShows.NEWEST: newest}
    assert found.key_vault_properties.key_version == expected[shows]


def test_a_wrong_sign_in_is_the_sdks_authentication_error(
    azure: Azure, cluster: Cluster, credential: ManagedIdentityCredential
) -> None:
    wrong = ["https://wrong.example/.default"]
    with (
        LogAnalyticsManagementClient(
            credential, SUBSCRIPTION, base_url="https://management.azure.com", credential_scopes=wrong
        ) as client,
        pytest.raises(ClientAuthenticationError),
    ):
        client.clusters.get(RESOURCE_GROUP, cluster.name)
    assert azure.exchanges[-1].status == 401
