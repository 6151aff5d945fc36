"""What Azure Resource Manager shows of clusters, workspaces and operations, in the shapes of its REST specification."""

import math
from collections.abc import Callable
from typing import Any

from simulator.clock import iso
from simulator.entra.identity import principal_id
from simulator.operationalinsights.behaviour import AutoModeShows, Behaviour, Outcome
from simulator.operationalinsights.clusters import Cluster, ClusterKey, Operation
from simulator.operationalinsights.workspaces import Workspace


def cluster_body(
    cluster: Cluster, tenant: str, now: float, behaviour: Behaviour, newest_version: Callable[[ClusterKey], str]
) -> dict[str, Any]:
    """A cluster of a tenant as a GET shows it."""
    state, key = cluster.shown(now, behaviour)
    created = "2026-01-15T09:30:00Z"
    properties: dict[str, Any] = {
        "clusterId": cluster.guid,
        "provisioningState": state,
        "isDoubleEncryptionEnabled": True,
        "isAvailabilityZonesEnabled": True,
        "billingType": cluster.billing_type,
        "createdDate": created,
        "lastModifiedDate": created if cluster.modified is None else iso(cluster.modified),
        "capacityReservationProperties": {"lastSkuUpdate": created, "minCapacity": 100},
        "associatedWorkspaces": [
            {
                "workspaceId": principal_id(id_),
                "workspaceName": id_.rpartition("/")[2],
                "resourceId": _cased(id_, behaviour),
                "associateDate": created,
            }
            for id_ in cluster.workspaces
        ],
        "replication": cluster.replication.body(now),
    }
    if key is not None:
        properties["keyVaultProperties"] = _key_body(key, behaviour, newest_version)
    identity = dict(cluster.identity)
    if "SystemAssigned" in identity.get("type", ""):
        identity |= {"principalId": principal_id(cluster.id), "tenantId": tenant}
    if users := identity.get("userAssignedIdentities"):
        shown = {id_: {"principalId": principal_id(id_), "clientId": principal_id(id_)} for id_ in users}
        identity |= {"userAssignedIdentities": shown, "tenantId": tenant}
    return {
        "id": _cased(cluster.id, behaviour),
        "name": cluster.name,
        "type": "Microsoft.OperationalInsights/clusters",
        "location": cluster.location,
        "tags": cluster.tags,
        "identity": identity,
        "sku": cluster.sku,
        "properties": properties,
    }


def _key_body(
    key: ClusterKey, behaviour: Behaviour, newest_version: Callable[[ClusterKey], str]
) -> dict[str, str | int]:
    body: dict[str, str | int] = {"keyVaultUri": key.vault_uri, "keyName": key.name}
    if key.version or behaviour.auto_mode_shows is AutoModeShows.EMPTY:
        body["keyVersion"] = key.version
    elif behaviour.auto_mode_shows is AutoModeShows.NEWEST:
        body["keyVersion"] = newest_version(key)
    if key.rsa_size is not None:
        body["keyRsaSize"] = key.rsa_size
    return body


def workspace_body(workspace: Workspace, state: str) -> dict[str, Any]:
    """A workspace as a GET shows it in a state."""
    return {
        "id": workspace.id,
        "name": workspace.name,
        "type": "Microsoft.OperationalInsights/workspaces",
        "location": workspace.location,
        "tags": workspace.tags,
        "properties": {
            "customerId": principal_id(workspace.id),
            "provisioningState": state,
            "sku": {"name": "LACluster" if workspace.cluster_id else "PerGB2018"},
            "retentionInDays": 30,
            "publicNetworkAccessForIngestion": "Enabled",
            "publicNetworkAccessForQuery": "Enabled",
            "features": {"clusterResourceId": workspace.cluster_id} if workspace.cluster_id else {},
        },
    }


def operation_body(operation: Operation, path: str, now: float, *, nested_error: bool) -> dict[str, Any]:
    """An operation's status. It has an `endTime` while still running, as the documents' own example does."""
    end = now if math.isinf(operation.ends) else operation.ends
    body: dict[str, Any] = {
        "id": path,
        "name": operation.id,
        "status": operation.status(now),
        "startTime": iso(operation.started),
        "endTime": iso(end),
    }
    if operation.error and now >= operation.ends and operation.outcome is not Outcome.SUCCEEDED:
        error = {"code": operation.error[0], "message": operation.error[1]}
        body["error"] = {"error": error} if nested_error else error
    return body


def _cased(id_: str, behaviour: Behaviour) -> str:
    return id_.lower() if behaviour.dirty_ids else id_
