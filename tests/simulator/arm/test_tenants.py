"""Two tenants: what is at home in one refuses everybody of the other."""

import json

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.resource.subscriptions import SubscriptionClient

from simulator.azure import FUNCTION, RESOURCE_GROUP, SUBSCRIPTION, Azure
from simulator.entra import identity
from simulator.entra.tenants import HOME
from simulator.operationalinsights.clusters import FAILED, Cluster
from tests.patience import HANG

OTHER = "c0a8f7de-3b52-4a6e-9d0c-6a1f5e2b7c94"
OTHER_SUBSCRIPTION = "2b7d9e10-8c35-4f1a-a6d4-55d0c1e7f203"
GUEST = "guest"


class SignedIn:
    """A credential of the other tenant."""

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        resource = scopes[0].removesuffix("/.default")
        return AccessToken(identity.issue(resource, GUEST, tenant=OTHER), 4_000_000_000)


@pytest.fixture
def two(azure: Azure, cluster: Cluster) -> Azure:
    """The cluster's tenant, and another one with a cluster and a vault of its own."""
    assert azure.tenants.of(cluster.id) == HOME
    azure.tenants.names[OTHER] = "Partner"
    azure.tenants.by_subscription[OTHER_SUBSCRIPTION] = OTHER
    azure.identities.add(GUEST, OTHER)
    azure.add_vault("partner-kv", subscription=OTHER_SUBSCRIPTION, resource_group="rg-partner")
    azure.add_key("partner-kv", "orders-cmk")
    key = azure.pinned("partner-kv", "orders-cmk")
    azure.add_cluster("orders", key=key, subscription=OTHER_SUBSCRIPTION, resource_group="rg-partner")
    return azure


@pytest.mark.parametrize("who", [ManagedIdentityCredential, SignedIn])
def test_everybody_sees_the_tenant_and_the_subscriptions_that_are_theirs(
    two: Azure, who: type[ManagedIdentityCredential | SignedIn]
) -> None:
    mine = (
        (HOME, "Contoso", SUBSCRIPTION) if who is ManagedIdentityCredential else (OTHER, "Partner", OTHER_SUBSCRIPTION)
    )
    with SubscriptionClient(who()) as client:
        tenants = [(one.tenant_id, one.display_name) for one in client.tenants.list()]
        subscriptions = [(one.tenant_id, one.subscription_id) for one in client.subscriptions.list()]
    assert tenants == [mine[:2]]
    assert subscriptions == [(mine[0], mine[2])]
    assert two.server.refused == []


def test_arm_refuses_a_token_from_the_wrong_issuer(two: Azure) -> None:
    token = SignedIn().get_token("https://management.azure.com/.default").token
    url = f"https://management.azure.com{next(iter(two.arm.clusters.values())).id}?api-version=2025-07-01"
    answer = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=HANG)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (401, "InvalidAuthenticationTokenTenant")
    assert f"sts.windows.net/{OTHER}/" in error["message"]
    assert f"sts.windows.net/{HOME}/" in error["message"]


def test_the_root_belongs_to_one_tenant(two: Azure) -> None:
    token = SignedIn().get_token("https://management.azure.com/.default").token
    url = "https://management.azure.com/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01"
    assert requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=HANG).status_code == 401
    with pytest.raises(ValueError, match="another tenant"):
        two.identities.add(GUEST, HOME)


def test_a_vault_refuses_a_token_from_the_wrong_issuer(two: Azure) -> None:
    with (
        KeyClient("https://contoso.vault.azure.net", SignedIn(), retry_total=0) as keys,
        pytest.raises(ClientAuthenticationError, match="AKV10032"),
    ):
        keys.get_key("la-cmk")
    with KeyClient("https://partner-kv.vault.azure.net", SignedIn(), retry_total=0) as keys:
        assert (
            keys.get_key("orders-cmk").properties.version == two.vault("partner-kv").keys["orders-cmk"].newest.version
        )


def test_a_cluster_cannot_use_a_key_of_another_tenant(two: Azure, cluster: Cluster) -> None:
    key = two.pinned("partner-kv", "orders-cmk")
    orders = next(one for one in two.arm.clusters.values() if one.name == "orders")
    assert two.vault("partner-kv").refusal(orders, key) is None
    assert two.vault("partner-kv").refusal(cluster, key) == FAILED
    # As after a subscription moved to another tenant, until somebody updates the vault.
    assert cluster.key is not None
    assert two.vault("contoso").refusal(cluster, cluster.key) is None
    two.vault("contoso").tenant = OTHER
    assert two.vault("contoso").refusal(cluster, cluster.key) == FAILED


def test_storage_and_topics_refuse_the_other_tenant_too(two: Azure) -> None:
    two.storage_account("stcmk")
    topic = two.add_topic("outcomes")
    storage = SignedIn().get_token("https://storage.azure.com/.default").token
    headers = {"Authorization": f"Bearer {storage}", "x-ms-version": "2025-01-05"}
    assert (
        requests.get("https://stcmk.queue.core.windows.net/?comp=list", headers=headers, timeout=HANG).status_code
        == 401
    )
    events = {"Authorization": f"Bearer {SignedIn().get_token('https://eventgrid.azure.net/.default').token}"}
    assert requests.post(topic.endpoint, "[]", headers=events, timeout=HANG).status_code == 401


def test_graph_knows_the_principals_of_the_callers_tenant(two: Azure) -> None:
    token = SignedIn().get_token("https://graph.microsoft.com/.default").token
    ids = [identity.principal_id(one) for one in (FUNCTION, GUEST)]
    answer = requests.post(
        "https://graph.microsoft.com/v1.0/directoryObjects/getByIds",
        json.dumps({"ids": ids}),
        headers={"Authorization": f"Bearer {token}"},
        timeout=HANG,
    )
    assert [one["displayName"] for one in answer.json()["value"]] == [GUEST]
    assert two.identities.tenant(GUEST) == OTHER


def test_a_role_for_somebody_of_another_tenant_is_refused_unless_the_caller_says_what_it_is(two: Azure) -> None:
    assert two.rights.assignments == {}
    scope = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
    role = f"{scope}/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
    wanted = {"properties": {"roleDefinitionId": role, "principalId": identity.principal_id(GUEST)}}
    with AuthorizationManagementClient(ManagedIdentityCredential(), SUBSCRIPTION) as client:
        with pytest.raises(HttpResponseError, match="does not exist in the directory") as refused:
            client.role_assignments.create(scope, "7f5c5f9e-7a0e-4b59-8d12-7a52a0c0a001", wanted)
        assert refused.value.error is not None
        assert refused.value.error.code == "PrincipalNotFound"
        wanted["properties"]["principalType"] = "ServicePrincipal"
        client.role_assignments.create(scope, "7f5c5f9e-7a0e-4b59-8d12-7a52a0c0a001", wanted)
    (held,) = two.rights.assignments.values()
    assert held.role.name == "Reader"


def test_an_assignment_is_not_changed_by_writing_it_again(azure: Azure, cluster: Cluster) -> None:
    scope = cluster.id
    roles = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
    reader, owner = "acdd72a7-3385-48ef-bd42-f606fba81ae7", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
    name = "7f5c5f9e-7a0e-4b59-8d12-7a52a0c0a001"
    with AuthorizationManagementClient(ManagedIdentityCredential(), SUBSCRIPTION) as client:
        for role, code in (
            (reader, None),
            (reader, "RoleAssignmentExists"),
            (owner, "RoleAssignmentUpdateNotPermitted"),
        ):
            properties = {"roleDefinitionId": f"{roles}/{role}", "principalId": identity.principal_id(FUNCTION)}
            if code is None:
                client.role_assignments.create(scope, name, {"properties": properties})
                continue
            with pytest.raises(HttpResponseError) as refused:
                client.role_assignments.create(scope, name, {"properties": properties})
            assert refused.value.error is not None
            assert refused.value.error.code == code
        unknown = {"roleDefinitionId": f"{roles}/{owner}", "principalId": name, "principalType": None}
        with pytest.raises(HttpResponseError, match="does not exist in the directory"):
            client.role_assignments.create(scope, name, {"properties": unknown})
    assert [one.role.name for one in azure.rights.assignments.values()] == ["Reader"]
