"""The SDKs' own clients against the simulated ARM: what they read is what it holds, and what they write it takes."""

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.authorization.v2022_04_01.models import RoleAssignmentCreateParameters
from azure.mgmt.eventgrid import EventGridManagementClient
from azure.mgmt.loganalytics import LogAnalyticsManagementClient
from azure.mgmt.loganalytics.models import Cluster as ClusterModel
from azure.mgmt.loganalytics.models import (
    ClusterPatch,
    ClusterPatchProperties,
    ClusterProperties,
    ClusterReplicationProperties,
    ClusterSku,
    KeyVaultProperties,
    LinkedStorageAccountsProperties,
    LinkedStorageAccountsResource,
    ManagedServiceIdentity,
    UserAssignedIdentity,
)
from azure.mgmt.resource.subscriptions import SubscriptionClient

from simulator.azure import FUNCTION, RESOURCE_GROUP, SUBSCRIPTION, Azure
from simulator.entra.identity import principal_id
from simulator.entra.roles import ROLES
from simulator.entra.tenants import HOME
from simulator.eventgrid.subscriptions import Schema, Subscription
from simulator.operationalinsights.clusters import Cluster, ClusterKey

VAULT = "https://contoso.vault.azure.net"
SCOPE = f"/subscriptions/{SUBSCRIPTION}"
GROUP = f"{SCOPE}/resourceGroups/{RESOURCE_GROUP}"
IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cmk"
TOPIC = "contoso-events"
NAME = "7f5c5f9e-7a0e-4b59-8d12-7a52a0c0a001"


def reader(principal: str) -> RoleAssignmentCreateParameters:
    definition = f"{SCOPE}/providers/Microsoft.Authorization/roleDefinitions/{ROLES['Reader'].id}"
    return RoleAssignmentCreateParameters(
        role_definition_id=definition, principal_id=principal_id(principal), principal_type="ServicePrincipal"
    )


def _linked_to(*ids: str) -> LinkedStorageAccountsResource:
    return LinkedStorageAccountsResource(properties=LinkedStorageAccountsProperties(storage_account_ids=list(ids)))


def test_storage_is_linked_to_a_workspace_listed_and_let_go(
    azure: Azure, credential: ManagedIdentityCredential
) -> None:
    azure.add_workspace("law", azure.add_cluster("law-one"))
    saved = azure.storage_account("saved").resource_id
    with LogAnalyticsManagementClient(credential, SUBSCRIPTION, retry_total=0) as client:
        links = client.linked_storage_accounts
        accounts = _linked_to(saved)
        made = links.create_or_update(RESOURCE_GROUP, "law", "query", accounts)
        assert made.properties is not None
        assert (made.properties.data_source_type, made.properties.storage_account_ids) == ("Query", [saved])
        assert links.get(RESOURCE_GROUP, "law", "Query").id == made.id
        assert [one.name for one in links.list_by_workspace(RESOURCE_GROUP, "law")] == ["Query"]
        for kind, ids in (("Queries", [saved]), ("Alerts", []), ("Alerts", [f"{saved}2"])):
            with pytest.raises(HttpResponseError, match="InvalidParameter"):
                links.create_or_update(RESOURCE_GROUP, "law", kind, _linked_to(*ids))
        links.delete(RESOURCE_GROUP, "law", "Query")
        with pytest.raises(ResourceNotFoundError):
            links.get(RESOURCE_GROUP, "law", "Query")
        azure.rights.deny(FUNCTION, "Microsoft.OperationalInsights/workspaces/linkedStorageAccounts/write")
        with pytest.raises(HttpResponseError, match="AuthorizationFailed"):
            links.create_or_update(RESOURCE_GROUP, "law", "Query", accounts)


def test_role_assignments_are_made_read_listed_and_removed(azure: Azure, credential: ManagedIdentityCredential) -> None:
    azure.rights.assign("someone", "Owner", SCOPE)
    with AuthorizationManagementClient(credential, SUBSCRIPTION, retry_total=0) as client:
        made = client.role_assignments.create(SCOPE, NAME, reader(FUNCTION))
        assert (made.name, made.scope, made.principal_id) == (NAME, SCOPE, principal_id(FUNCTION))
        assert made.role_definition_id.endswith(ROLES["Reader"].id)
        assert [one.role.name for one in azure.rights.assignments.values()] == ["Owner", "Reader"]
        with pytest.raises(ResourceExistsError):
            client.role_assignments.create(SCOPE, NAME.replace("1", "2"), reader(FUNCTION))
        assert client.role_assignments.get(SCOPE, NAME) == made
        listed = client.role_assignments.list_for_scope(SCOPE)
        assert {one.id.lower() for one in listed} == azure.rights.assignments.keys()
        mine = f"principalId eq '{principal_id(FUNCTION)}'"
        assert list(client.role_assignments.list_for_scope(GROUP, filter=mine)) == [made]
        assert client.role_assignments.delete(SCOPE, NAME) == made
        assert [one.role.name for one in azure.rights.assignments.values()] == ["Owner"]
        assert client.role_assignments.delete(SCOPE, NAME) is None
        with pytest.raises(ResourceNotFoundError):
            client.role_assignments.get(SCOPE, NAME)


def test_role_definitions_are_listed_with_what_they_allow(credential: ManagedIdentityCredential) -> None:
    with AuthorizationManagementClient(credential, SUBSCRIPTION, retry_total=0) as client:
        listed = {one.role_name: one for one in client.role_definitions.list(SCOPE)}
        assert listed.keys() == ROLES.keys()
        for name, role in ROLES.items():
            (permission,) = listed[name].permissions
            assert (listed[name].name, listed[name].role_type == "CustomRole") == (role.id, role.custom)
            assert permission.actions == list(role.actions)
            assert permission.data_actions == list(role.data_actions)
        (found,) = client.role_definitions.list(SCOPE, filter="roleName eq 'Reader'")
        assert client.role_definitions.get_by_id(found.id) == found


def test_system_topics_and_their_subscriptions_are_read(azure: Azure, credential: ManagedIdentityCredential) -> None:
    vault, far = azure.add_vault("contoso"), azure.add_vault("far", resource_group="rg-Far")
    url = "https://app.example/runtime/webhooks/EventGrid?functionName=f&code=secret"
    one = Subscription(source=vault.resource_id, url=url, schema=Schema.CLOUD_EVENTS, max_attempts=7, ttl_seconds=600)
    azure.event_grid.subscriptions += [one, Subscription(source=far.resource_id, url=url, name="other")]
    with EventGridManagementClient(credential, SUBSCRIPTION, retry_total=0) as client:
        topics = client.system_topics
        (topic,) = topics.list_by_resource_group(RESOURCE_GROUP)
        assert (topic.source, topic.topic_type) == (vault.resource_id, "Microsoft.KeyVault.Vaults")
        assert topics.get(RESOURCE_GROUP.upper(), TOPIC) == topic
        assert {it.source for it in topics.list_by_subscription()} == {vault.resource_id, far.resource_id}
        with pytest.raises(ResourceNotFoundError):
            topics.get(RESOURCE_GROUP, "far-events")

        subscriptions = client.system_topic_event_subscriptions
        (found,) = subscriptions.list_by_system_topic(RESOURCE_GROUP, TOPIC)
        assert (found.topic, found.event_delivery_schema) == (topic.id, "CloudEventSchemaV1_0")
        told = found.as_dict()
        assert set(told["filter"]["included_event_types"]) == one.event_types
        assert told["retry_policy"] == {"max_delivery_attempts": 7, "event_time_to_live_in_minutes": 10}
        assert told["destination"] == {"endpoint_type": "WebHook", "endpoint_base_url": url.partition("?")[0]}
        assert subscriptions.get_full_url(RESOURCE_GROUP, TOPIC, one.name).endpoint_url == url
        with pytest.raises(ResourceNotFoundError):
            subscriptions.get_full_url(RESOURCE_GROUP, TOPIC, "other")


def test_the_full_url_is_for_who_may_ask_for_it(azure: Azure, credential: ManagedIdentityCredential) -> None:
    one = Subscription(source=azure.add_vault("contoso").resource_id, url="https://app.example/?code=secret")
    azure.event_grid.subscriptions.append(one)
    azure.rights.by_roles = True
    azure.rights.assign(FUNCTION, "Reader", SCOPE)
    with EventGridManagementClient(credential, SUBSCRIPTION, retry_total=0) as client:
        subscriptions = client.system_topic_event_subscriptions
        assert len(list(subscriptions.list_by_system_topic(RESOURCE_GROUP, TOPIC))) == 1
        with pytest.raises(HttpResponseError, match="getFullUrl/action"):
            subscriptions.get_full_url(RESOURCE_GROUP, TOPIC, one.name)


def test_subscriptions_and_tenants_are_listed(azure: Azure, credential: ManagedIdentityCredential) -> None:
    azure.subscription_names[SUBSCRIPTION] = "Production"
    with SubscriptionClient(credential, retry_total=0) as client:
        (tenant,) = client.tenants.list()
        (found,) = client.subscriptions.list()
        assert (found.subscription_id, found.display_name, found.state) == (SUBSCRIPTION, "Production", "Enabled")
        assert (found.id, found.tenant_id) == (SCOPE, tenant.tenant_id)
        assert client.subscriptions.get(SUBSCRIPTION) == found


KEY = KeyVaultProperties(key_vault_uri=VAULT, key_name="la-cmk", key_version="", key_rsa_size=1024)
USER_ASSIGNED = ManagedServiceIdentity(type="UserAssigned", user_assigned_identities={IDENTITY: UserAssignedIdentity()})
COMMON: dict[str, Any] = {
    "identity": USER_ASSIGNED,
    "sku": ClusterSku(name="CapacityReservation", capacity=1000),
    "tags": {"tag1": "val1"},
}


@pytest.fixture
def user_assigned(cluster: Cluster) -> Cluster:
    """A cluster whose identity is already of the type that it is to have: type and key cannot change together."""
    cluster.identity = {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}}}
    return cluster


def check_taken(cluster: Cluster) -> None:
    assert (cluster.sku, cluster.tags) == ({"name": "CapacityReservation", "capacity": 1000}, {"tag1": "val1"})
    assert cluster.identity["userAssignedIdentities"] == {IDENTITY: {}}
    assert cluster.operation is not None
    assert cluster.operation.target == ClusterKey(VAULT, "la-cmk", "", 1024)


def test_an_update_with_every_field_of_the_specifications_example_is_taken(
    user_assigned: Cluster, arm: LogAnalyticsManagementClient
) -> None:
    patch = ClusterPatch(properties=ClusterPatchProperties(key_vault_properties=KEY, billing_type="Cluster"), **COMMON)
    arm.clusters.begin_update(RESOURCE_GROUP, user_assigned.name, patch, polling=False)
    check_taken(user_assigned)


def test_a_put_with_every_field_of_the_specifications_example_is_taken(
    user_assigned: Cluster, arm: LogAnalyticsManagementClient
) -> None:
    properties = ClusterProperties(
        key_vault_properties=KEY,
        billing_type="Cluster",
        is_double_encryption_enabled=True,
        is_availability_zones_enabled=True,
        replication=ClusterReplicationProperties(enabled=False),
    )
    body = ClusterModel(location="westeurope", properties=properties, **COMMON)
    arm.clusters.begin_create_or_update(RESOURCE_GROUP, user_assigned.name, body, polling=False)
    check_taken(user_assigned)


def test_a_cluster_is_made_from_every_field_of_the_specifications_example(
    azure: Azure, arm: LogAnalyticsManagementClient
) -> None:
    body = ClusterModel(
        location="westeurope", sku=ClusterSku(name="CapacityReservation", capacity=100), tags={"a": "b"}
    )
    arm.clusters.begin_create_or_update(RESOURCE_GROUP, "fresh", body, polling=False)
    (made,) = azure.arm.clusters.values()
    assert (made.sku, made.tags) == ({"name": "CapacityReservation", "capacity": 100}, {"a": "b"})


def test_the_kinds_of_identity_that_the_model_has_are_taken(
    cluster: Cluster, arm: LogAnalyticsManagementClient
) -> None:
    for identity in (USER_ASSIGNED, ManagedServiceIdentity(type="SystemAssigned")):
        arm.clusters.begin_update(RESOURCE_GROUP, cluster.name, ClusterPatch(identity=identity), polling=False)
        found = arm.clusters.get(RESOURCE_GROUP, cluster.name).identity
        assert found is not None
        assert found.type == identity.type
        assert found.tenant_id == HOME
        if found.user_assigned_identities:
            assert found.user_assigned_identities[IDENTITY].principal_id == principal_id(IDENTITY)
