"""What a foreign client, such as the Azure CLI, asks of ARM, Key Vault and Graph besides clusters."""

import base64
import json

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient

from simulator.azure import FUNCTION, RESOURCE_GROUP, SUBSCRIPTION, Azure
from simulator.entra import identity
from simulator.entra.tenants import HOME
from simulator.eventgrid.subscriptions import Subscription
from simulator.keyvault.keys import VaultError
from simulator.operationalinsights.clusters import Cluster
from tests.simulator.calling import Caller

pytestmark = pytest.mark.usefixtures("cluster")

ARM = "https://management.azure.com"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"


def get(call: Caller, path: str) -> dict[str, object]:
    answer = call("GET", f"{ARM}{path}{'&' if '?' in path else '?'}api-version=2022-10-01")
    assert isinstance(answer, dict)
    return answer


def names(answer: dict[str, object]) -> list[str]:
    listed = answer["value"]
    assert isinstance(listed, list)
    return [one["name"] for one in listed]


def test_a_token_is_a_web_token_that_says_whose_it_is() -> None:
    claims = identity.issue(ARM, FUNCTION).split(".")[1]
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert told["tid"] == HOME
    assert told["oid"] == identity.principal_id(FUNCTION)
    assert told["aud"] == ARM


def test_subscriptions_are_listed_for_whoever_has_a_role_in_them(azure: Azure, call: Caller) -> None:
    azure.add_cluster("far", subscription="9f3c1d2e-5a4b-4c6d-8e7f-00112233aabb", resource_group="rg-far")
    azure.subscription_names[SUBSCRIPTION] = "Production"
    both = get(call, "/subscriptions")["value"]
    assert isinstance(both, list)
    assert {one["displayName"] for one in both} == {"Production", "Simulated"}
    assert {one["tenantId"] for one in both} == {HOME}
    azure.rights.by_roles = True
    azure.rights.assign(FUNCTION, "Reader", GROUP)
    mine = get(call, "/subscriptions")["value"]
    assert isinstance(mine, list)
    assert [one["subscriptionId"] for one in mine] == [SUBSCRIPTION]


def test_groups_providers_and_everything_in_a_subscription(azure: Azure, call: Caller) -> None:
    azure.storage_account("stcmk")
    assert names(get(call, f"/subscriptions/{SUBSCRIPTION}/resourceGroups")) == [RESOURCE_GROUP]
    assert get(call, GROUP)["name"] == RESOURCE_GROUP
    provider = get(call, f"/subscriptions/{SUBSCRIPTION}/providers/microsoft.operationalinsights")
    assert provider["registrationState"] == "Registered"
    assert set(names(get(call, f"/subscriptions/{SUBSCRIPTION}/resources"))) == {"Cluster-1", "contoso", "stcmk"}
    query = "?$filter=resourceType%20eq%20'Microsoft.KeyVault/vaults'"
    assert names(get(call, f"/subscriptions/{SUBSCRIPTION}/resources{query}")) == ["contoso"]
    assert "error" in get(call, f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Nothing")
    assert "error" in get(call, "/subscriptions/00000000-0000-0000-0000-000000000000")


def test_an_empty_segment_in_a_path_is_no_segment(call: Caller) -> None:
    assert get(call, f"{GROUP}/providers/Microsoft.OperationalInsights//clusters/cluster-1")["name"] == "Cluster-1"


def test_an_account_gives_its_keys_to_who_may_list_them(azure: Azure, call: Caller) -> None:
    account = azure.storage_account("stcmk")
    keys = call("POST", f"{ARM}{account.resource_id}/listKeys?api-version=2024-01-01")["keys"]
    assert [one["value"] for one in keys] == [account.key]
    azure.rights.deny(FUNCTION, "Microsoft.Storage/storageAccounts/listKeys/action")
    refused = call("POST", f"{ARM}{account.resource_id}/listKeys?api-version=2024-01-01")
    assert refused["error"]["code"] == "AuthorizationFailed"


def test_an_event_subscription_is_shown_without_its_key(azure: Azure, call: Caller) -> None:
    url = "http://127.0.0.1:7071/runtime/webhooks/EventGrid?functionName=f&code=secret"
    azure.event_grid.subscriptions.append(Subscription(source=azure.vault("contoso").resource_id, url=url))
    topics = f"{GROUP}/providers/Microsoft.EventGrid/systemTopics"
    assert names(get(call, topics)) == ["contoso-events"]
    listed = get(call, f"{topics}/contoso-events/eventSubscriptions")
    assert names(listed) == ["key-events"]
    assert "secret" not in json.dumps(listed)
    assert "error" in get(call, f"{topics}/other/eventSubscriptions")


def test_keys_and_full_urls_are_not_remembered(azure: Azure, call: Caller) -> None:
    account = azure.storage_account("stcmk")
    url = "http://127.0.0.1:7071/runtime/webhooks/EventGrid?functionName=f&code=secret"
    azure.event_grid.subscriptions.append(Subscription(source=azure.vault("contoso").resource_id, url=url))
    call("POST", f"{ARM}{account.resource_id}/listKeys?api-version=2024-01-01")
    below = f"{GROUP}/providers/Microsoft.EventGrid/systemTopics/contoso-events/eventSubscriptions/key-events"
    assert call("POST", f"{ARM}{below}/getFullUrl?api-version=2025-02-15") == {"endpointUrl": url}
    assert "error" in call("GET", f"{ARM}{below}/getFullUrl?api-version=2025-02-15")
    remembered = [(one.path, one.response_body) for one in azure.exchanges if one.method == "POST"]
    assert [(path.rpartition("/")[2], body) for path, body in remembered] == [("listKeys", b""), ("getFullUrl", b"")]


def test_a_list_is_of_what_is_there_and_only_read(call: Caller) -> None:
    for kind in ("KeyVault/vaults", "OperationalInsights/clusters", "OperationalInsights/workspaces"):
        nowhere = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/nowhere/providers/Microsoft.{kind}"
        assert "ResourceGroupNotFound" in str(get(call, nowhere))
        deleted = call("DELETE", f"{ARM}{GROUP}/providers/Microsoft.{kind}?api-version=2022-10-01")
        assert deleted["error"]["code"] == "MethodNotAllowed"


def test_graph_tells_the_names_of_principals(cluster: Cluster, credential: ManagedIdentityCredential) -> None:
    call = Caller(credential, "https://graph.microsoft.com")
    ids = [identity.principal_id(FUNCTION), identity.principal_id(cluster.id), "00000000-0000-0000-0000-000000000000"]
    found = call("POST", "https://graph.microsoft.com/v1.0/directoryObjects/getByIds", {"ids": ids})["value"]
    assert [one["displayName"] for one in found] == [FUNCTION, "Cluster-1"]


def test_arm_throttles_by_a_bucket_that_fills_again(azure: Azure, call: Caller) -> None:
    azure.front_door.throttle.sizes["reads"] = 3
    azure.front_door.throttle.rates["reads"] = 0.001
    answers = [get(call, GROUP) for _ in range(4)]
    assert ["error" in answer for answer in answers] == [False, False, False, True]
    assert "SubscriptionRequestsThrottled" in str(answers[-1])
    last = azure.exchanges[-1]
    assert last.status == 429
    assert last.response_headers is not None
    assert 900 < int(last.response_headers["Retry-After"]) <= 1_000
    azure.clock.sleep(1_000)
    assert "error" not in get(call, GROUP)


def test_a_put_that_changes_the_key_is_an_update_and_one_that_does_not_is_none(
    azure: Azure, call: Caller, cluster: Cluster
) -> None:
    url = f"{ARM}{cluster.id}?api-version=2025-02-01"
    body = call("GET", url)
    assert "read only" in call("PUT", url, body)["error"]["message"], "a GET body sent back is refused"
    del body["properties"]["associatedWorkspaces"]
    for name in ("clusterId", "provisioningState", "createdDate", "lastModifiedDate"):
        del body["properties"][name]
    body["tags"] = {"team": "shop"}
    assert call("PUT", url, body)["tags"] == {"team": "shop"}
    assert azure.arm.operations == {}
    new = azure.vault("contoso").rotate("la-cmk").version
    body["properties"]["keyVaultProperties"]["keyVersion"] = new
    assert call("PUT", url, body)["properties"]["provisioningState"] == "Updating"
    assert len(azure.arm.operations) == 1
    del body["location"]
    assert call("PUT", url, body)["error"]["code"] == "LocationRequired"


def test_a_cluster_that_is_made_provisions_for_two_hours(azure: Azure, call: Caller) -> None:
    url = f"{ARM}{GROUP}/providers/Microsoft.OperationalInsights/clusters/fresh?api-version=2025-07-01"
    body = {"location": "westeurope", "sku": {"name": "capacityReservation", "capacity": 100}}
    assert call("PUT", url, body)["properties"]["provisioningState"] == "ProvisioningAccount"
    made = next(one for one in azure.arm.clusters.values() if one.name == "fresh")
    assert made.operation is not None
    assert made.operation.ends - made.operation.started == 7_200
    refused = call("PATCH", url, {"tags": {}})
    assert "can't be executed now" in refused["error"]["message"]
    assert "No SKU" in call("PUT", url.replace("/fresh?", "/fresher?"), {"location": "westeurope"})["error"]["message"]


def test_a_deleted_key_can_be_recovered_and_purged_only_without_protection(azure: Azure, keys: KeyClient) -> None:
    vault = azure.vault("contoso")
    made = vault.keys["la-cmk"].newest.version
    keys.begin_delete_key("la-cmk").wait()
    assert [one.name for one in keys.list_deleted_keys()] == ["la-cmk"]
    with pytest.raises(VaultError):
        vault.find("la-cmk")
    with pytest.raises(Exception, match="deleted but recoverable"):
        keys.create_rsa_key("la-cmk")
    keys.begin_recover_deleted_key("la-cmk").wait()
    assert keys.get_key("la-cmk").properties.version == made
    keys.begin_delete_key("la-cmk").wait()
    with pytest.raises(Exception, match="purge protection"):
        keys.purge_deleted_key("la-cmk")
    vault.purge_protection = False
    keys.purge_deleted_key("la-cmk")
    assert keys.create_rsa_key("la-cmk", size=3072).properties.version != made
    assert [one.name for one in keys.list_properties_of_keys()] == ["la-cmk"]


def test_a_deleted_key_can_be_recovered_only_for_as_long_as_the_vault_keeps_it(azure: Azure, keys: KeyClient) -> None:
    vault = azure.vault("contoso")
    vault.retention_days = 7
    keys.begin_delete_key("la-cmk").wait()
    azure.clock.sleep(6.9 * 86_400)
    assert [one.name for one in keys.list_deleted_keys()] == ["la-cmk"]
    azure.clock.sleep(0.2 * 86_400)
    assert list(keys.list_deleted_keys()) == []


def test_a_key_is_made_with_the_attributes_it_is_asked_for(keys: KeyClient) -> None:
    assert keys.create_rsa_key("other", enabled=False, size=4096).properties.enabled is False
    with pytest.raises(Exception, match="2048, 3072 or 4096"):
        keys.create_rsa_key("odd", size=1024)
