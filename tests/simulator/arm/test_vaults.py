"""Vaults are written as the Azure SDKs do it, and what is written has its effect."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
)
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.keyvault.models import (
    ManagedHsm,
    VaultAccessPolicyParameters,
    VaultCreateOrUpdateParameters,
    VaultPatchParameters,
)

from simulator.azure import FUNCTION, RESOURCE_GROUP, SUBSCRIPTION, Azure
from simulator.entra.identity import principal_id
from simulator.entra.tenants import HOME
from simulator.eventgrid.subscriptions import Subscription
from simulator.keyvault.keys import CALLER_ADDRESS, Network
from simulator.keyvault.vaults import Vault
from simulator.operationalinsights.clusters import FAILED, Cluster
from tests.simulator.calling import Caller

pytestmark = pytest.mark.usefixtures("cluster")

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
ELSEWHERE = "11111111-2222-3333-4444-555555555555"
SKU = {"family": "A", "name": "standard"}
SUBNET = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/Net/subnets/Inner"


@pytest.fixture
def client(credential: ManagedIdentityCredential) -> Iterator[KeyVaultManagementClient]:
    with KeyVaultManagementClient(credential, SUBSCRIPTION, retry_total=0, polling_interval=0) as made:
        yield made


@pytest.fixture
def vault(azure: Azure) -> Vault:
    """The vault `contoso`, where nothing is allowed that no policy or role gives."""
    azure.rights.by_roles = True
    azure.rights.assign(FUNCTION, "Owner", f"/subscriptions/{SUBSCRIPTION}")
    azure.rights.assign(FUNCTION, "Key Vault Crypto Officer", f"/subscriptions/{SUBSCRIPTION}")
    return azure.vault("contoso")


def put(
    client: KeyVaultManagementClient,
    name: str,
    location: str = "westeurope",
    group: str = RESOURCE_GROUP,
    **properties: Any,
) -> Any:
    given = {"tenantId": HOME, "sku": SKU, **properties}
    named = {key: value for key, value in given.items() if value is not None}
    body = VaultCreateOrUpdateParameters({"location": location, "properties": named})
    return client.vaults.begin_create_or_update(group, name, body).result()


def patch(client: KeyVaultManagementClient, **properties: Any) -> Any:
    return client.vaults.update(RESOURCE_GROUP, "contoso", VaultPatchParameters({"properties": properties}))


def policy(id_: str, *permissions: str, tenant: str = HOME) -> dict[str, Any]:
    return {"tenantId": tenant, "objectId": id_, "permissions": {"keys": list(permissions)}}


def refused(call: Callable[[], object], code: str, status: int = 400) -> str:
    with pytest.raises(HttpResponseError) as error:
        call()
    assert error.value.error is not None
    assert (error.value.status_code, error.value.error.code) == (status, code)
    return str(error.value.error.message)


def forbidden(keys: KeyClient) -> tuple[str, str]:
    """The inner code and the message with which a vault refuses."""
    with pytest.raises(HttpResponseError) as error:
        keys.get_key("la-cmk")
    assert error.value.error is not None
    assert error.value.error.innererror is not None
    return error.value.error.innererror["code"], str(error.value.error.message)


def test_a_vault_in_arm_tells_of_its_protection_network_and_rights(
    azure: Azure, client: KeyVaultManagementClient
) -> None:
    vault = azure.vault("contoso")
    shown = client.vaults.get(RESOURCE_GROUP, "CONTOSO").properties
    assert (shown.enable_purge_protection, shown.enable_rbac_authorization) == (True, True)
    vault.purge_protection, vault.access_policies = False, True
    vault.permit("someone", "get")
    shown = client.vaults.get(RESOURCE_GROUP, "contoso").properties
    assert shown.enable_purge_protection is None
    assert shown.access_policies is not None
    assert shown.access_policies[0].object_id == principal_id("someone")
    assert shown.access_policies[0].permissions.keys_property == ["get"]
    azure.add_vault("hsm1", hsm=True)
    assert [one.name for one in client.managed_hsms.list_by_subscription()] == ["hsm1"]
    assert [one.name for one in client.vaults.list_by_resource_group(RESOURCE_GROUP)] == ["contoso"]
    assert [one.name for one in client.vaults.list_by_subscription()] == ["contoso"]


def test_a_vault_is_made_with_what_it_is_asked_for_and_holds_keys(
    azure: Azure, vault: Vault, client: KeyVaultManagementClient, credential: ManagedIdentityCredential
) -> None:
    made = put(client, "Fresh-1", "North Europe", softDeleteRetentionInDays=7, enabledForDeployment=True)
    assert made.properties.provisioning_state == "Succeeded"
    assert made.properties.vault_uri == "https://fresh-1.vault.azure.net/"
    assert made.properties.sku.name == "standard"
    assert made.properties.enabled_for_deployment is True
    assert (made.location, made.properties.soft_delete_retention_in_days) == ("northeurope", 7)
    assert made.properties.enable_purge_protection is None
    assert made.properties.enable_rbac_authorization is True, "which is the default since api-version 2026-02-01"
    with KeyClient("https://fresh-1.vault.azure.net", credential, retry_total=0) as keys:
        key = keys.create_rsa_key("first")
        assert key.properties.recovery_level == "CustomizedRecoverable+Purgeable"
    assert azure.vault("Fresh-1").rights is vault.rights
    url = f"https://management.azure.com{GROUP}/providers/Microsoft.KeyVault/vaults/old?api-version=2024-11-01"
    body = {"location": "westeurope", "properties": {"tenantId": HOME, "sku": SKU, "accessPolicies": []}}
    assert Caller(credential)("PUT", url, body)["properties"]["enableRbacAuthorization"] is False


def test_what_a_new_vault_must_say_and_may_not_be_called(
    azure: Azure, client: KeyVaultManagementClient, credential: ManagedIdentityCredential
) -> None:
    assert "sku" in refused(lambda: put(client, "fresh", sku=None), "BadRequest")
    assert "tenantId" in refused(lambda: put(client, "fresh", tenantId=None), "BadRequest")
    by_policies = refused(lambda: put(client, "fresh", enableRbacAuthorization=False), "BadRequest")
    assert by_policies == "The parameter accessPolicies is not specified."
    url = f"https://management.azure.com{GROUP}/providers/Microsoft.KeyVault/vaults/fresh?api-version=2026-02-01"
    nowhere = Caller(credential)("PUT", url, {"properties": {"tenantId": HOME, "sku": SKU}})
    assert nowhere["error"]["code"] == "LocationRequired"
    body = {"location": "westeurope", "properties": {"tenantId": HOME, "sku": SKU}}
    for name in ("under_score", "more-than-24-characters-long"):
        answer = Caller(credential)("PUT", url.replace("/fresh", f"/{name}"), body)
        assert answer["error"]["code"] == "VaultNameNotValid"
    azure.add_vault("taken", resource_group="rg-other")
    assert "already in use" in refused(lambda: put(client, "Taken"), "VaultAlreadyExists", 409)
    refused(lambda: put(client, "contoso", "eastus"), "InvalidResourceLocation", 409)
    checked = client.vaults.check_name_availability({"name": "Taken", "type": "Microsoft.KeyVault/vaults"})
    assert (checked.name_available, checked.reason) == (False, "AlreadyExists")
    checked = client.vaults.check_name_availability({"name": "a_b", "type": "Microsoft.KeyVault/vaults"})
    assert checked.reason == "AccountNameInvalid"
    assert client.vaults.check_name_availability({"name": "free", "type": "Microsoft.KeyVault/vaults"}).name_available
    refused(lambda: put(client, "fresh", group="nowhere"), "ResourceGroupNotFound", 404)


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"enablePurgeProtection": False}, 'The property "enablePurgeProtection" cannot be set to false. Enabling the'),
        ({"enableSoftDelete": False}, "irreversible"),
        ({"softDeleteRetentionInDays": 30}, "has been set already"),
        ({"softDeleteRetentionInDays": 6}, "invalid value"),
        ({"sku": {"family": "A", "name": "gold"}}, "'sku'"),
        ({"tenantId": "home"}, "'tenantId'"),
        ({"publicNetworkAccess": "Perhaps"}, "'publicNetworkAccess'"),
        ({"enableRbacAuthorization": "yes"}, "'enableRbacAuthorization'"),
        ({"networkAcls": {"defaultAction": "Drop"}}, "'networkAcls.defaultAction'"),
        ({"networkAcls": {"ipRules": [{"value": "10.1.2.3"}]}}, "'networkAcls.ipRules'"),
        ({"networkAcls": {"ipRules": [{"value": "2001:db8::1"}]}}, "'networkAcls.ipRules'"),
        ({"networkAcls": "open"}, "'networkAcls'"),
        ({"networkAcls": {"ipRules": ["203.0.113.7"]}}, "'networkAcls.ipRules'"),
        ({"accessPolicies": [{**policy("someone"), "permissions": {"keys": "get"}}]}, "'accessPolicies'"),
        ({"accessPolicies": [policy("someone", "get"), policy("Someone", "list")]}, "'accessPolicies'"),
        ({"accessPolicies": [policy("someone", "Peek")]}, "'accessPolicies'"),
        ({"accessPolicies": [policy("someone", tenant=ELSEWHERE)]}, "'accessPolicies'"),
        ({"accessPolicies": ["someone"]}, "'accessPolicies'"),
        ({"accessPolicies": [{**policy("someone"), "applicationId": "x"}]}, "application"),
        ({"enablePurgeProtektion": True}, "enablePurgeProtektion"),
    ],
)
def test_what_azure_refuses_changes_nothing(
    azure: Azure, client: KeyVaultManagementClient, properties: dict[str, Any], message: str
) -> None:
    azure.vault("contoso").purge_protection = False
    before = client.vaults.get(RESOURCE_GROUP, "contoso").as_dict()
    given = {"publicNetworkAccess": "Disabled", **properties}
    assert message in refused(lambda: patch(client, **given), "BadRequest")
    assert client.vaults.get(RESOURCE_GROUP, "contoso").as_dict() == before


def test_purge_protection_is_turned_on_for_good(
    azure: Azure, client: KeyVaultManagementClient, cluster: Cluster
) -> None:
    vault = azure.vault("contoso")
    vault.purge_protection = False
    assert cluster.key is not None
    assert "recoverable" in str(vault.refusal(cluster, cluster.key))
    assert patch(client, enablePurgeProtection=True).properties.enable_purge_protection is True
    assert vault.refusal(cluster, cluster.key) is None


def test_an_address_rule_opens_a_firewalled_vault_for_the_callers_and_not_for_others(
    azure: Azure, client: KeyVaultManagementClient, keys: KeyClient
) -> None:
    azure.vault("contoso").network = Network.FIREWALL
    code, message = forbidden(keys)
    assert code == "ForbiddenByFirewall"
    assert message.splitlines() == [
        "Client address is not authorized and caller is not a trusted service.",
        f"Client address: {CALLER_ADDRESS}",
        f"Caller: appid={principal_id(FUNCTION)};oid={principal_id(FUNCTION)};iss=https://sts.windows.net/{HOME}/",
        "Vault: contoso;location=westeurope",
    ]
    rules = {"defaultAction": "Deny", "bypass": "None", "virtualNetworkRules": [{"id": SUBNET}]}
    patch(client, networkAcls={**rules, "ipRules": [{"value": "198.51.100.0/24"}]})
    assert forbidden(keys)[0] == "ForbiddenByFirewall"
    patch(client, networkAcls={**rules, "ipRules": [{"value": "203.0.113.0/24"}]})
    assert keys.get_key("la-cmk").name == "la-cmk"
    shown = patch(client, networkAcls={**rules, "ipRules": [{"value": CALLER_ADDRESS}]}).properties.network_acls
    assert keys.get_key("la-cmk").name == "la-cmk"
    assert [one.value for one in shown.ip_rules] == [f"{CALLER_ADDRESS}/32"]
    assert (shown.default_action, shown.bypass) == ("Deny", "None")
    assert [one.id for one in shown.virtual_network_rules] == [SUBNET.lower()]


def test_the_bypass_lets_azure_monitor_in_unless_a_perimeter_overrides_it(
    azure: Azure, client: KeyVaultManagementClient, keys: KeyClient, cluster: Cluster
) -> None:
    vault = azure.vault("contoso")

    def can() -> bool:
        assert cluster.key is not None
        return vault.usable(cluster, cluster.key)

    patch(client, publicNetworkAccess="disabled")
    assert forbidden(keys)[0] == "ForbiddenByConnection"
    assert can()
    patch(client, publicNetworkAccess="SecuredByPerimeter")
    assert forbidden(keys)[0] == "ForbiddenByNsp"
    assert not can()
    patch(client, publicNetworkAccess="Enabled", networkAcls={"defaultAction": "Deny", "bypass": "None"})
    assert not can()
    patch(client, networkAcls={"defaultAction": "Deny", "bypass": "AzureServices"})
    assert can()
    assert vault.network is Network.FIREWALL
    patch(client, networkAcls={"defaultAction": "Allow", "bypass": "None"})
    assert can()
    assert keys.get_key("la-cmk").name == "la-cmk"


def test_the_permission_model_and_policies_decide_who_may_use_keys(
    azure: Azure, vault: Vault, client: KeyVaultManagementClient, keys: KeyClient, cluster: Cluster
) -> None:
    events = len(azure.event_grid.published)
    assert cluster.key is not None
    patch(client, enableRbacAuthorization=False)
    assert forbidden(keys)[0] == "AccessDenied"
    mine, theirs = principal_id(FUNCTION), principal_id(cluster.id)
    patch(client, accessPolicies=[policy(mine.upper(), "All"), policy(theirs, "get", "wrapKey", "unwrapKey")])
    assert keys.rotate_key("la-cmk").name == "la-cmk"
    assert vault.refusal(cluster, cluster.key) is None
    patch(client, enableRbacAuthorization=True)
    assert vault.refusal(cluster, cluster.key) == FAILED, "the policies are kept, and count for nothing"
    changed = [one for one in azure.event_grid.published[events:] if one["type"].endswith("VaultAccessPolicyChanged")]
    assert len(changed) == 3
    assert changed[0]["subject"] == "contoso"
    assert changed[0]["data"] == {
        "Id": "https://contoso.vault.azure.net/",
        "VaultName": "contoso",
        "ObjectType": "Vault",
        "ObjectName": "contoso",
        "Version": None,
        "NBF": None,
        "EXP": None,
    }


def test_policies_are_added_replaced_and_removed_one_principal_at_a_time(
    azure: Azure, vault: Vault, client: KeyVaultManagementClient
) -> None:
    vault.access_policies = True
    vault.permit(FUNCTION, "get")

    def write(kind: str, *permissions: str) -> dict[str, list[str]]:
        body = VaultAccessPolicyParameters({"properties": {"accessPolicies": [policy("someone", *permissions)]}})
        events = len(azure.event_grid.published)
        shown = client.vaults.update_access_policy(RESOURCE_GROUP, "contoso", kind, body)
        assert len(azure.event_grid.published) == events + 1
        return {one.object_id: list(one.permissions.keys_property or []) for one in shown.properties.access_policies}

    mine = {principal_id(FUNCTION): ["get"]}
    assert write("add", "get", "list") == {**mine, "someone": ["get", "list"]}
    assert write("add", "list", "wrapKey") == {**mine, "someone": ["get", "list", "wrapKey"]}
    assert write("remove", "WrapKey") == {**mine, "someone": ["get", "list"]}
    assert write("replace", "sign") == {**mine, "someone": ["sign"]}
    assert write("remove", "sign") == mine


def test_a_put_replaces_what_it_does_not_name_and_keeps_what_cannot_be_taken_back(
    azure: Azure, client: KeyVaultManagementClient
) -> None:
    vault = azure.vault("contoso")
    vault.tags, vault.network, vault.access_policies = {"team": "logs"}, Network.PRIVATE, True
    vault.permit("someone", "get")
    assert "accessPolicies" in refused(lambda: put(client, "contoso"), "BadRequest")
    shown = put(client, "contoso", accessPolicies=[])
    assert (shown.tags, vault.network, vault.policies) == ({}, Network.OPEN, {})
    assert (vault.access_policies, vault.purge_protection, vault.retention_days) == (True, True, 90)
    tagged = client.vaults.update(RESOURCE_GROUP, "contoso", VaultPatchParameters(tags={"team": "logs"}))
    assert tagged.tags == {"team": "logs"}


def test_a_vault_whose_tenant_is_changed_refuses_the_old_ones_tokens(
    vault: Vault, client: KeyVaultManagementClient, keys: KeyClient, cluster: Cluster
) -> None:
    vault.permit("someone", "get")
    assert cluster.key is not None
    refused(lambda: patch(client, tenantId=ELSEWHERE), "BadRequest")
    assert patch(client, tenantId=ELSEWHERE, accessPolicies=[]).properties.tenant_id == ELSEWHERE
    with pytest.raises(ClientAuthenticationError, match="AKV10032"):
        keys.get_key("la-cmk")
    assert vault.refusal(cluster, cluster.key) == FAILED
    patch(client, tenantId=HOME)
    assert keys.get_key("la-cmk").name == "la-cmk"


def test_a_deleted_vault_is_out_of_reach_and_comes_back_with_its_keys_and_policies(
    azure: Azure, vault: Vault, client: KeyVaultManagementClient, keys: KeyClient, cluster: Cluster
) -> None:
    vault.permit("someone", "get")
    azure.rights.assign(cluster.id, "Key Vault Crypto Service Encryption User", vault.resource_id)
    azure.event_grid.subscriptions.append(Subscription(source=vault.resource_id, url="http://127.0.0.1:1/"))
    assert cluster.key is not None
    assert azure.key_refusal(cluster, cluster.key) is None
    keys.get_key("la-cmk")
    client.vaults.delete(RESOURCE_GROUP, "contoso")
    client.vaults.delete(RESOURCE_GROUP, "contoso")
    for _ in range(2):  # On the connection that it has, and on a new one.
        with pytest.raises(ServiceRequestError):
            keys.get_key("la-cmk")
    assert azure.key_refusal(cluster, cluster.key) == FAILED
    refused(lambda: client.vaults.get(RESOURCE_GROUP, "contoso"), "ResourceNotFound", 404)
    assert "recover or purge" in refused(lambda: put(client, "Contoso"), "ConflictError", 409)
    (listed,) = client.vaults.list_deleted()
    shown = client.vaults.get_deleted("contoso", "westeurope").properties
    assert listed.properties is not None
    assert shown is not None
    assert listed.properties.vault_id == shown.vault_id == vault.resource_id
    assert shown.scheduled_purge_date is not None
    assert shown.deletion_date is not None
    assert (shown.scheduled_purge_date - shown.deletion_date).days == 90
    recovered = put(client, "contoso", createMode="recover")
    assert recovered.properties.sku.name == "premium"
    assert recovered.properties.access_policies[0].object_id == principal_id("someone")
    assert keys.get_key("la-cmk").properties.version == cluster.key.version
    assert azure.key_refusal(cluster, cluster.key) == FAILED, "role assignments are not recovered with a vault"
    assert azure.event_grid.subscriptions == []
    assert list(client.vaults.list_deleted()) == []


def test_a_deleted_vault_is_purged_only_without_protection(azure: Azure, client: KeyVaultManagementClient) -> None:
    vault = azure.vault("contoso")
    client.vaults.delete(RESOURCE_GROUP, "contoso")
    refused(lambda: client.vaults.begin_purge_deleted("contoso", "westeurope"), "MethodNotAllowed", 405)
    vault.purge_protection = False
    client.vaults.begin_purge_deleted("contoso", "westeurope").result()
    refused(lambda: client.vaults.get_deleted("contoso", "westeurope"), "DeletedVaultNotFound", 404)
    refused(lambda: put(client, "contoso", createMode="recover"), "DeletedVaultNotFound", 404)
    assert put(client, "contoso").properties.vault_uri == vault.uri
    assert azure.vault("contoso").keys == {}


def test_a_deleted_vault_is_gone_when_its_days_are_over(azure: Azure, client: KeyVaultManagementClient) -> None:
    azure.vault("contoso").retention_days = 7
    client.vaults.delete(RESOURCE_GROUP, "contoso")
    azure.clock.sleep(6.9 * 86_400)
    assert [one.name for one in client.vaults.list_deleted()] == ["contoso"]
    azure.clock.sleep(0.2 * 86_400)
    assert list(client.vaults.list_deleted()) == []


@pytest.mark.parametrize(
    ("action", "call"),
    [
        ("vaults/read", lambda client: client.vaults.get(RESOURCE_GROUP, "contoso")),
        ("vaults/write", lambda client: patch(client, enablePurgeProtection=True)),
        ("vaults/write", lambda client: put(client, "fresh")),
        ("vaults/delete", lambda client: client.vaults.delete(RESOURCE_GROUP, "contoso")),
        (
            "vaults/accessPolicies/write",
            lambda client: client.vaults.update_access_policy(
                RESOURCE_GROUP, "contoso", "add", VaultAccessPolicyParameters({"properties": {"accessPolicies": []}})
            ),
        ),
        ("deletedVaults/read", lambda client: list(client.vaults.list_deleted())),
        ("locations/deletedVaults/read", lambda client: client.vaults.get_deleted("gone", "westeurope")),
        (
            "locations/deletedVaults/purge/action",
            lambda client: client.vaults.begin_purge_deleted("gone", "westeurope"),
        ),
        ("managedHSMs/write", lambda client: client.managed_hsms.begin_update(RESOURCE_GROUP, "hsm1", ManagedHsm())),
    ],
)
def test_each_call_needs_its_right(
    azure: Azure, client: KeyVaultManagementClient, action: str, call: Callable[[KeyVaultManagementClient], object]
) -> None:
    azure.rights.deny(FUNCTION, f"Microsoft.KeyVault/{action}")
    assert action in refused(lambda: call(client), "AuthorizationFailed", 403)


def test_the_permission_model_is_changed_only_by_who_may_assign_roles(
    azure: Azure, client: KeyVaultManagementClient
) -> None:
    azure.rights.deny(FUNCTION, "Microsoft.Authorization/roleAssignments/write")
    assert patch(client, enableRbacAuthorization=True).properties.enable_rbac_authorization is True
    refused(lambda: patch(client, enableRbacAuthorization=False), "AuthorizationFailed", 403)


def test_a_managed_hsm_takes_network_rules_purge_protection_and_tags_and_nothing_else(
    azure: Azure, client: KeyVaultManagementClient
) -> None:
    hsm = azure.add_vault("hsm1", hsm=True)
    body = client.managed_hsms.get(RESOURCE_GROUP, "hsm1")
    assert body is not None
    assert body.properties is not None
    assert body.properties.network_acls is not None
    body.properties.network_acls.default_action = "Deny"
    body.tags = {"team": "logs"}
    client.managed_hsms.begin_create_or_update(RESOURCE_GROUP, "hsm1", body).result()
    assert (hsm.network, hsm.tags) == (Network.FIREWALL, {"team": "logs"})
    access = ManagedHsm({"properties": {"publicNetworkAccess": "Disabled"}})
    client.managed_hsms.begin_update(RESOURCE_GROUP, "hsm1", access).result()
    assert (hsm.network, hsm.tags) == (Network.PRIVATE, {"team": "logs"})
    hsm.purge_protection = False
    protected = ManagedHsm({"properties": {"enablePurgeProtection": True}})
    client.managed_hsms.begin_update(RESOURCE_GROUP, "hsm1", protected).result()
    assert hsm.purge_protection
    taken_back = ManagedHsm({"properties": {"enablePurgeProtection": False}})
    refused(lambda: client.managed_hsms.begin_update(RESOURCE_GROUP, "hsm1", taken_back), "BadRequest")
    body.properties.soft_delete_retention_in_days = 7
    begin = client.managed_hsms.begin_create_or_update
    assert "softDeleteRetentionInDays" in refused(lambda: begin(RESOURCE_GROUP, "hsm1", body), "BadRequest")
    assert "makes no Managed HSMs" in refused(lambda: begin(RESOURCE_GROUP, "hsm2", body), "BadRequest")
    refused(lambda: client.managed_hsms.begin_delete(RESOURCE_GROUP, "hsm1"), "MethodNotAllowed", 405)
    assert list(client.managed_hsms.list_deleted()) == []
