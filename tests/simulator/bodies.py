"""Where the tests of bodies get them, over HTTP from a running simulated Azure, and what they make of a cluster first."""

from collections.abc import Mapping
from typing import Any

from simulator.azure import RESOURCE_GROUP, SUBSCRIPTION, Azure
from simulator.operationalinsights.clusters import Cluster, Operation
from simulator.operationalinsights.replication import Replication
from tests.simulator.calling import Caller

ARM = "https://management.azure.com"
VAULT = "https://contoso.vault.azure.net"
SCOPE = f"/subscriptions/{SUBSCRIPTION}"
GROUP = f"{SCOPE}/resourceGroups/{RESOURCE_GROUP}"
INSIGHTS = f"{GROUP}/providers/Microsoft.OperationalInsights"
VERSION = "api-version=2025-07-01"
IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cmk"

USER_ASSIGNED = {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}}}
REPLICATED = Replication(enabled=True, location="northeurope", asked=1_700_000_000.0)


def get(call: Caller, path: str, service: str = ARM) -> Any:
    return call("GET", f"{service}{path}?{VERSION}")


def alter(cluster: Cluster, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        setattr(cluster, name, value)


def move(azure: Azure, call: Caller, cluster: Cluster) -> Operation:
    """Move a cluster to a new version of its key."""
    new = azure.vault("contoso").rotate("la-cmk").version
    key = {"keyVaultUri": VAULT, "keyName": "la-cmk", "keyVersion": new}
    call("PATCH", f"{ARM}{cluster.id}?{VERSION}", {"properties": {"keyVaultProperties": key}})
    assert cluster.operation is not None
    return cluster.operation


def status(call: Caller, operation: Operation) -> Any:
    path = f"{SCOPE}/providers/Microsoft.OperationalInsights/locations/westeurope/operationStatuses/{operation.id}"
    return call("GET", f"{ARM}{path}?{VERSION}&t={operation.secret}&c=c")
