import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient
from azure.mgmt.loganalytics import LogAnalyticsManagementClient
from azure.mgmt.loganalytics.models import ClusterPatch, ClusterPatchProperties, KeyVaultProperties

from simulator.azure import FUNCTION, RESOURCE_GROUP, SUBSCRIPTION, Azure
from simulator.entra.roles import ROLES
from simulator.operationalinsights.behaviour import AcceptedHeaders, Behaviour, KeyCheck
from simulator.operationalinsights.clusters import FAILED, Cluster
from tests.simulator.calling import Caller

SCOPE = f"/subscriptions/{SUBSCRIPTION}"


def patch(version: str) -> ClusterPatch:
    key = KeyVaultProperties(key_vault_uri="https://contoso.vault.azure.net/", key_name="la-cmk", key_version=version)
    return ClusterPatch(properties=ClusterPatchProperties(key_vault_properties=key))


@pytest.fixture
def strict(azure: Azure, cluster: Cluster) -> Azure:
    """An Azure in which nothing is allowed that no role gives; nobody has one yet."""
    assert cluster.key is not None
    azure.rights.by_roles = True
    return azure


def test_without_a_role_everything_is_refused(
    strict: Azure, arm: LogAnalyticsManagementClient, keys: KeyClient
) -> None:
    with pytest.raises(HttpResponseError) as refused:
        arm.clusters.get(RESOURCE_GROUP, "Cluster-1")
    assert refused.value.error is not None
    assert refused.value.error.code == "AuthorizationFailed"
    with pytest.raises(HttpResponseError) as forbidden:
        keys.get_key("la-cmk")
    assert forbidden.value.status_code == 403
    assert strict.rights.assignments == {}


def test_a_role_gives_what_it_lists_at_its_scope_and_below(
    strict: Azure, arm: LogAnalyticsManagementClient, keys: KeyClient
) -> None:
    strict.rights.assign(FUNCTION, "Reader", SCOPE)
    assert arm.clusters.get(RESOURCE_GROUP, "Cluster-1").name == "Cluster-1"
    with pytest.raises(HttpResponseError):
        arm.clusters.begin_update(RESOURCE_GROUP, "Cluster-1", patch("a" * 32))
    with pytest.raises(HttpResponseError):
        keys.get_key("la-cmk")  # Reading the resource is not reading what it holds.
    strict.rights.assign(FUNCTION, "Key version reader", strict.vault("contoso").resource_id)
    assert keys.get_key("la-cmk").name == "la-cmk"
    with pytest.raises(HttpResponseError):
        keys.rotate_key("la-cmk")


@pytest.mark.parametrize("principal", ["owner"])
def test_an_owner_of_the_subscription_cannot_use_its_keys(strict: Azure, principal: str) -> None:
    strict.rights.assign(principal, "Owner", SCOPE)
    vault = strict.vault("contoso").resource_id
    assert strict.rights.allows(principal, "Microsoft.KeyVault/vaults/delete", vault)
    assert not strict.rights.allows(principal, "Microsoft.KeyVault/vaults/keys/read", vault)


@pytest.mark.parametrize("check", list(KeyCheck))
def test_a_cluster_without_its_role_cannot_be_moved(
    strict: Azure, arm: LogAnalyticsManagementClient, cluster: Cluster, check: KeyCheck
) -> None:
    strict.behaviour = Behaviour(update_seconds=0, retry_after=None, key_check=check)
    strict.rights.assign(FUNCTION, "Cluster key updater", SCOPE)
    version = strict.vault("contoso").rotate("la-cmk").version
    with pytest.raises(HttpResponseError, match="Failed to validate key") as refused:
        arm.clusters.begin_update(RESOURCE_GROUP, "Cluster-1", patch(version)).result()
    assert FAILED in str(refused.value)
    assert refused.value.status_code == (400 if check is KeyCheck.AT_ONCE else 200)
    strict.rights.assign(cluster.id, "Key Vault Crypto Service Encryption User", strict.vault("contoso").resource_id)
    moved = arm.clusters.begin_update(RESOURCE_GROUP, "Cluster-1", patch(version)).result()
    assert moved.properties is not None
    assert moved.properties.key_vault_properties is not None
    assert moved.properties.key_vault_properties.key_version == version


def test_whoever_may_update_a_cluster_in_a_group_may_read_its_result(
    strict: Azure, arm: LogAnalyticsManagementClient, cluster: Cluster
) -> None:
    strict.behaviour = Behaviour(update_seconds=0, retry_after=None, accepted_headers=AcceptedHeaders.LOCATION)
    vault = strict.vault("contoso")
    strict.rights.assign(cluster.id, "Key Vault Crypto Service Encryption User", vault.resource_id)
    strict.rights.assign(FUNCTION, "Log Analytics Contributor", f"{SCOPE}/resourceGroups/{RESOURCE_GROUP}")
    arm.clusters.begin_update(RESOURCE_GROUP, "Cluster-1", patch(vault.rotate("la-cmk").version)).result()
    assert any("/operationresults/" in one.path for one in strict.exchanges)


def test_access_policies_name_key_permissions(strict: Azure, cluster: Cluster, keys: KeyClient) -> None:
    vault = strict.vault("contoso")
    vault.access_policies = True
    strict.rights.assign(cluster.id, "Key Vault Crypto Service Encryption User", vault.resource_id)
    assert cluster.key is not None
    assert vault.refusal(cluster, cluster.key) == FAILED, "roles count for nothing there"
    vault.permit(cluster.id, "get", "wrapKey", "unwrapKey")
    assert vault.refusal(cluster, cluster.key) is None
    with pytest.raises(HttpResponseError, match="does not have keys get permission on key vault 'contoso;"):
        keys.get_key("la-cmk")
    vault.permit(FUNCTION, "Get")
    assert keys.get_key("la-cmk").name == "la-cmk"
    with pytest.raises(HttpResponseError, match="does not have keys list permission"):
        list(keys.list_properties_of_keys())
    vault.permit(FUNCTION, "Get", "List")
    assert [one.name for one in keys.list_properties_of_keys()] == ["la-cmk"]


def test_assignments_are_listed_made_and_removed_over_arm(strict: Azure, credential: ManagedIdentityCredential) -> None:
    strict.rights.assign(FUNCTION, "Owner", SCOPE)
    base = f"https://management.azure.com{SCOPE}/providers/Microsoft.Authorization/roleAssignments"
    call = Caller(credential)
    listed = call("GET", f"{base}?api-version=2022-04-01")["value"]
    assert [one["properties"]["scope"] for one in listed] == [SCOPE]
    role = ROLES["Reader"].id
    made = {
        "properties": {
            "principalId": listed[0]["properties"]["principalId"],
            "roleDefinitionId": f"{SCOPE}/providers/Microsoft.Authorization/roleDefinitions/{role}",
        }
    }
    name = "7f5c5f9e-7a0e-4b59-8d12-7a52a0c0a001"
    assert call("PUT", f"{base}/{name}?api-version=2022-04-01", made)["name"] == name
    assert call("PUT", f"{base}/{name}1?api-version=2022-04-01", made)["error"]["code"] == "RoleAssignmentExists"
    assert len(call("GET", f"{base}?api-version=2022-04-01")["value"]) == 2
    call("DELETE", f"{base}/{name}?api-version=2022-04-01")
    assert len(call("GET", f"{base}?api-version=2022-04-01")["value"]) == 1
    definition = call(
        "GET", f"https://management.azure.com{made['properties']['roleDefinitionId']}?api-version=2022-04-01"
    )
    assert definition["properties"]["roleName"] == "Reader"
