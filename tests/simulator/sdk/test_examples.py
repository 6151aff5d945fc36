"""Bodies of clusters, operations, workspaces and links have what the published examples have.

The examples are those of the REST specification of Microsoft.OperationalInsights 2025-07-01 in Azure/azure-rest-api-specs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from azure.identity import ManagedIdentityCredential

from simulator.azure import Azure
from simulator.operationalinsights.clusters import Cluster
from tests.simulator.bodies import ARM, INSIGHTS, REPLICATED, USER_ASSIGNED, VERSION, alter, get, move, status
from tests.simulator.calling import Caller
from tests.simulator.sdk.shapes import paths

ENVELOPE = {"id", "name", "type", "location"}
REPLICATION = {"location", "enabled", "provisioningState", "createdDate", "lastModifiedDate"}
WORKSPACES = {"workspaceId", "workspaceName", "resourceId", "associateDate"}
CREATED_CLUSTER = {
    *ENVELOPE,
    *(f"identity.{name}" for name in ("type", "principalId", "tenantId")),
    *(f"sku.{name}" for name in ("name", "capacity")),
    *(f"properties.{name}" for name in ("provisioningState", "clusterId", "billingType")),
    *(f"properties.{name}" for name in ("lastModifiedDate", "createdDate")),
    *(f"properties.{name}" for name in ("isDoubleEncryptionEnabled", "isAvailabilityZonesEnabled")),
}
READ_CLUSTER = {
    *CREATED_CLUSTER,
    *(f"properties.keyVaultProperties.{name}" for name in ("keyVaultUri", "keyName", "keyVersion")),
    *(f"properties.associatedWorkspaces[].{name}" for name in WORKSPACES),
    *(f"properties.capacityReservationProperties.{name}" for name in ("lastSkuUpdate", "minCapacity")),
    *(f"properties.replication.{name}" for name in REPLICATION),
}
UPDATED_CLUSTER = {
    *(one for one in READ_CLUSTER if "replication" not in one and one != "identity.principalId"),
    *(f"identity.userAssignedIdentities.*.{name}" for name in ("clientId", "principalId")),
    "tags.tag1",
}
OPERATION = {"id", "name", "status", "startTime", "endTime"}
WORKSPACE = {
    *ENVELOPE,
    *(f"properties.{name}" for name in ("customerId", "provisioningState", "sku.name", "retentionInDays")),
    *(f"properties.publicNetworkAccessFor{name}" for name in ("Query", "Ingestion")),
    *(f"properties.replication.{name}" for name in REPLICATION),
    *(f"properties.failover.{name}" for name in ("state", "lastModifiedDate")),
}
LINK = {"id", "name", "type", "properties.provisioningState", "properties.writeAccessResourceId"}


def created_cluster(azure: Azure, call: Caller, _: Cluster) -> Any:
    path = f"{INSIGHTS}/clusters/fresh"
    sku = {"name": "CapacityReservation", "capacity": 100}
    call(
        "PUT", f"{ARM}{path}?{VERSION}", {"location": "westeurope", "sku": sku, "identity": {"type": "SystemAssigned"}}
    )
    azure.arm.finish_update(azure.arm.clusters[path.lower()])
    return get(call, path)


def cluster_with(azure: Azure, call: Caller, cluster: Cluster, **changes: Any) -> Any:
    azure.add_workspace("ws-1", cluster)
    alter(cluster, changes)
    return get(call, cluster.id)


def ended_operation(azure: Azure, call: Caller, cluster: Cluster) -> Any:
    operation = move(azure, call, cluster)
    azure.arm.finish_update(cluster)
    return status(call, operation)


def workspace(azure: Azure, call: Caller, cluster: Cluster) -> Any:
    return get(call, azure.add_workspace("ws-1", cluster).id)


def link(azure: Azure, call: Caller, cluster: Cluster) -> Any:
    return get(call, azure.add_workspace("ws-1", cluster).id + "/linkedServices/cluster")


@dataclass(frozen=True, slots=True)
class Example:
    """A published example: its name, the simulator's body like it, the example's paths, and those left out here."""

    name: str
    body: Callable[[Azure, Caller, Cluster], Any]
    paths: set[str]
    left_out: frozenset[str] = frozenset()


EXAMPLES = [
    Example("ClustersCreate", created_cluster, CREATED_CLUSTER),
    Example("ClustersGet", partial(cluster_with, replication=REPLICATED), READ_CLUSTER),
    Example("ClustersUpdate", partial(cluster_with, identity=USER_ASSIGNED, tags={"tag1": ""}), UPDATED_CLUSTER),
    Example("OperationStatusesGet", ended_operation, OPERATION),
    Example(
        "WorkspacesGet",
        workspace,
        WORKSPACE,
        # A workspace's own replication and failover are not simulated: they have nothing to do with its cluster's key.
        left_out=frozenset(one for one in WORKSPACE if "replication" in one or "failover" in one),
    ),
    Example("LinkedServicesGet", link, LINK),
]


@pytest.fixture
def call(credential: ManagedIdentityCredential) -> Caller:
    return Caller(credential)


@pytest.mark.parametrize("example", EXAMPLES, ids=[one.name for one in EXAMPLES])
def test_a_body_has_what_the_specifications_example_has(
    azure: Azure, call: Caller, cluster: Cluster, example: Example
) -> None:
    assert example.paths - paths(example.body(azure, call, cluster)) == example.left_out
