"""Every body that the simulated ARM and Key Vault write, held to the SDKs' models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys._generated.models import DeletedKeyBundle, DeletedKeyItem, KeyBundle, KeyItem, KeyVaultError
from azure.mgmt.authorization.v2022_04_01.models import RoleAssignment, RoleDefinition
from azure.mgmt.eventgrid.models import EventSubscription, EventSubscriptionFullUrl, SystemTopic
from azure.mgmt.loganalytics.models import Cluster as ClusterModel
from azure.mgmt.loganalytics.models import ErrorResponse, LinkedService, OperationStatus, Workspace
from azure.mgmt.resource.subscriptions.models import Subscription, TenantIdDescription

from simulator.azure import FUNCTION, Azure
from simulator.eventgrid.subscriptions import Schema
from simulator.eventgrid.subscriptions import Subscription as Delivery
from simulator.operationalinsights.behaviour import AutoModeShows, Behaviour, Outcome
from simulator.operationalinsights.clusters import Cluster, ClusterKey
from tests.simulator.bodies import (
    ARM,
    GROUP,
    INSIGHTS,
    REPLICATED,
    SCOPE,
    USER_ASSIGNED,
    VAULT,
    VERSION,
    alter,
    get,
    move,
    status,
)
from tests.simulator.calling import Caller
from tests.simulator.sdk.shapes import problems

TOPIC = f"{GROUP}/providers/Microsoft.EventGrid/systemTopics/contoso-events"
AUTO = ClusterKey(VAULT, "la-cmk", rsa_size=2048)

CLUSTERS: Mapping[str, Mapping[str, Any]] = {
    "pinned": {},
    "auto, empty": {"key": AUTO, "behaviour": Behaviour(auto_mode_shows=AutoModeShows.EMPTY)},
    "auto, absent": {"key": AUTO, "behaviour": Behaviour(auto_mode_shows=AutoModeShows.ABSENT)},
    "auto, newest": {"key": AUTO, "behaviour": Behaviour(auto_mode_shows=AutoModeShows.NEWEST)},
    "no key": {"key": None},
    "user-assigned identity": {"identity": USER_ASSIGNED},
    "no identity": {"identity": {"type": "None"}},
    "replicated": {"replication": REPLICATED},
    "failed": {"state": "Failed"},
    "canceled": {"state": "Canceled"},
    "dirty ids": {"behaviour": Behaviour(dirty_ids=True)},
}


@pytest.fixture
def call(credential: ManagedIdentityCredential, cluster: Cluster) -> Caller:
    """Calls ARM; there is a cluster, and the vault of its key."""
    assert cluster.name == "Cluster-1"
    return Caller(credential)


@pytest.fixture
def call_vault(credential: ManagedIdentityCredential, cluster: Cluster) -> Caller:
    assert cluster.name == "Cluster-1"
    return Caller(credential, "https://vault.azure.net")


def wrong(cluster: object) -> list[str]:
    """What of a cluster is not in the model's shape."""
    return problems(cluster, ClusterModel)


@pytest.mark.parametrize("changes", CLUSTERS.values(), ids=CLUSTERS.keys())
def test_a_cluster_is_in_the_models_shape(
    azure: Azure, call: Caller, cluster: Cluster, changes: Mapping[str, Any]
) -> None:
    azure.add_workspace("ws-1", cluster)
    alter(cluster, changes)
    assert wrong(get(call, cluster.id)) == []


def test_a_cluster_is_in_the_models_shape_from_its_making_to_its_deletion(call: Caller) -> None:
    path = f"{INSIGHTS}/clusters/fresh"
    made = {"location": "westeurope", "sku": {"name": "CapacityReservation", "capacity": 100}}
    assert wrong(call("PUT", f"{ARM}{path}?{VERSION}", made)) == []
    assert wrong(get(call, path)) == []
    assert wrong(call("DELETE", f"{ARM}{INSIGHTS}/clusters/Cluster-1?{VERSION}")) == []
    listed = get(call, f"{INSIGHTS}/clusters")
    assert [one["properties"]["provisioningState"] for one in listed["value"]] == ["Deleting", "ProvisioningAccount"]
    assert [wrong(one) for one in listed["value"]] == [[], []]


def test_a_page_of_clusters_has_a_list_and_a_link_to_the_next(azure: Azure, call: Caller) -> None:
    azure.add_cluster("Cluster-2")
    azure.arm.page_size = 1
    page = get(call, f"{SCOPE}/providers/Microsoft.OperationalInsights/clusters")
    assert wrong(page.pop("value")[0]) == []
    last = call("GET", page.pop("nextLink"))
    assert wrong(last.pop("value")[0]) == []
    assert (page, last) == ({}, {})


@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(outcome=Outcome.FAILED)])
def test_an_operation_is_in_the_models_shape(
    azure: Azure, call: Caller, cluster: Cluster, behaviour: Behaviour
) -> None:
    cluster.behaviour = behaviour
    operation = move(azure, call, cluster)
    assert wrong(get(call, cluster.id)) == []
    running = status(call, operation)
    assert (running["status"], problems(running, OperationStatus)) == ("InProgress", [])
    azure.arm.finish_update(cluster)
    ended = status(call, operation)
    assert (ended["status"], problems(ended, OperationStatus)) == (behaviour.outcome, [])


def test_a_failed_operation_may_have_its_error_flat_as_older_documents_do(
    azure: Azure, call: Caller, cluster: Cluster
) -> None:
    cluster.behaviour = Behaviour(outcome=Outcome.FAILED, nested_error=False)
    operation = move(azure, call, cluster)
    azure.arm.finish_update(cluster)
    found = problems(status(call, operation), OperationStatus)
    assert found == ["error: code is not in the model", "error: message is not in the model"]


def test_a_workspace_and_its_link_are_in_the_models_shape(azure: Azure, call: Caller, cluster: Cluster) -> None:
    workspace = azure.add_workspace("ws-1", cluster)
    link = f"{workspace.id}/linkedServices/cluster"
    assert problems(get(call, workspace.id), Workspace) == []
    assert problems(get(call, link), LinkedService) == []
    assert problems(call("DELETE", f"{ARM}{link}?{VERSION}"), LinkedService) == []
    unlinked = azure.add_workspace("ws-2", cluster)
    unlinked.cluster_id = None
    assert problems(get(call, unlinked.id), Workspace) == []
    link = f"{unlinked.id}/linkedServices/cluster"
    wanted = {"properties": {"writeAccessResourceId": cluster.id}}
    assert problems(call("PUT", f"{ARM}{link}?{VERSION}", wanted), LinkedService) == []
    assert problems(get(call, link), LinkedService) == []


@dataclass(frozen=True, slots=True)
class Other:
    """A body of another kind, by where it is got and its model; a list gives its entries."""

    path: str
    model: type


OTHERS = [
    Other("/subscriptions", Subscription),
    Other(SCOPE, Subscription),
    Other("/tenants", TenantIdDescription),
    Other(f"{SCOPE}/providers/Microsoft.Authorization/roleAssignments", RoleAssignment),
    Other(f"{SCOPE}/providers/Microsoft.Authorization/roleDefinitions", RoleDefinition),
    Other(f"{GROUP}/providers/Microsoft.EventGrid/systemTopics", SystemTopic),
    Other(TOPIC, SystemTopic),
    Other(f"{TOPIC}/eventSubscriptions", EventSubscription),
]


@pytest.mark.parametrize("other", OTHERS, ids=[f"{one.model.__name__} {one.path[-20:]}" for one in OTHERS])
def test_what_else_is_in_arm_is_in_the_models_shape(azure: Azure, call: Caller, other: Other) -> None:
    azure.rights.assign(FUNCTION, "Reader", SCOPE)
    source = azure.vault("contoso").resource_id
    for schema in Schema:
        azure.event_grid.subscriptions.append(Delivery(source=source, url="https://f/x?code=1", schema=schema))
    answer = get(call, other.path)
    found = answer.get("value", [answer])
    assert len(found) >= 1
    assert [problems(one, other.model) for one in found] == [[] for _ in found]


def test_the_full_url_of_an_event_subscription_is_in_the_models_shape(azure: Azure, call: Caller) -> None:
    azure.event_grid.subscriptions.append(Delivery(source=azure.vault("contoso").resource_id, url="https://f/x?code=1"))
    answer = call("POST", f"{ARM}{TOPIC}/eventSubscriptions/key-events/getFullUrl?{VERSION}")
    assert problems(answer, EventSubscriptionFullUrl) == []
    assert "endpointUrl" in answer


def test_keys_are_in_the_models_shape(azure: Azure, call_vault: Caller) -> None:
    vault = azure.vault("contoso")
    vault.set_attributes("la-cmk", expires=2_000_000_000, not_before=1_700_000_000)
    for path in ("/keys", "/keys/la-cmk/versions"):
        listed = get(call_vault, path, VAULT)
        assert listed.keys() == {"value", "nextLink"}
        assert [problems(one, KeyItem) for one in listed["value"]] == [[]]
    assert problems(get(call_vault, "/keys/la-cmk", VAULT), KeyBundle) == []
    assert problems(call_vault("POST", f"{VAULT}/keys/la-cmk/rotate?{VERSION}"), KeyBundle) == []
    assert problems(call_vault("DELETE", f"{VAULT}/keys/la-cmk?{VERSION}"), DeletedKeyBundle) == []
    assert problems(get(call_vault, "/deletedkeys/la-cmk", VAULT), DeletedKeyBundle) == []
    listed = get(call_vault, "/deletedkeys", VAULT)
    assert [problems(one, DeletedKeyItem) for one in listed["value"]] == [[]]
    assert problems(call_vault("POST", f"{VAULT}/deletedkeys/la-cmk/recover?{VERSION}"), KeyBundle) == []


@pytest.mark.parametrize("path", ["/keys/nothing", "/secrets/x", "/keys/la-cmk"])
def test_a_refusal_of_a_vault_is_in_the_models_shape(azure: Azure, call_vault: Caller, path: str) -> None:
    azure.vault("contoso").disable("la-cmk")
    answer = get(call_vault, path, VAULT)
    assert problems(answer, KeyVaultError) == []
    assert answer.keys() == {"error"}


@pytest.mark.parametrize("path", ["/subscriptions/x", f"{INSIGHTS}/clusters/none", "/x", f"{TOPIC}-no", f"{GROUP}-no"])
def test_a_refusal_of_arm_is_in_the_models_shape(call: Caller, path: str) -> None:
    answer = get(call, path)
    assert problems(answer, ErrorResponse) == []
    assert answer["error"].keys() >= {"code", "message"}


def test_a_refused_update_is_in_the_models_shape(call: Caller, cluster: Cluster) -> None:
    answer = call("PATCH", f"{ARM}{cluster.id}?{VERSION}", {"properties": {"clusterId": "x"}})
    assert problems(answer, ErrorResponse) == []
    assert answer["error"]["code"] == "InvalidParameter"
