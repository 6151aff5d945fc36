"""Create-or-update of clusters: what templates do, and the Azure CLI's `cluster update`, which is a GET and a PUT."""

from typing import Any
from uuid import uuid4

from simulator.behaviour import Outcome
from simulator.clusters import FAILED, Cluster, Operation, RefusedError, valid_body, valid_key

CREATION_SECONDS = 7_200.0
""""Typically two hours", says the dedicated clusters article."""
_LEFT_ALONE = {
    "isAvailabilityZonesEnabled",
    "isDoubleEncryptionEnabled",
    "replication",
    # The Azure CLI (2.91) sends it back as it read it, so Azure cannot be refusing it as it does associatedWorkspaces.
    "capacityReservationProperties",
}


def as_patch(cluster: Cluster, body: Any) -> dict[str, Any]:
    """What a PUT changes of a cluster that exists, as a PATCH body; a key that is the same is no change."""
    patch = _patchable(body)
    properties = patch.get("properties") or {}
    key = properties.get("keyVaultProperties")
    if key is not None and valid_key(key) == cluster.key:
        properties = {name: value for name, value in properties.items() if name != "keyVaultProperties"}
    return {**patch, "properties": properties}


def create(name: str, subscription: str, resource_group: str, body: Any, now: float) -> tuple[Cluster, Operation]:
    """Begin to make a cluster; it has Microsoft's key, because its identity has no rights on a vault yet."""
    made = valid_body(_patchable(body))
    if not made.get("sku"):
        raise RefusedError("No SKU was set")
    if (made.get("properties") or {}).get("keyVaultProperties"):
        raise RefusedError(FAILED)
    cluster = Cluster(
        name, subscription, resource_group, body["location"], None, sku=made["sku"], tags=made.get("tags") or {}
    )
    cluster.identity = made.get("identity") or {"type": "None"}
    cluster.operation = Operation(
        id=str(uuid4()),
        cluster_id=cluster.id,
        started=now,
        ends=now + CREATION_SECONDS,
        outcome=Outcome.SUCCEEDED,
        error=None,
        after_state="Succeeded",
        after_key=None,
        target=None,
        state_meanwhile="ProvisioningAccount",
    )
    return cluster, cluster.operation


def _patchable(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict) or not isinstance(body.get("properties"), dict | None):
        raise RefusedError("The body of the request is null or in bad format")
    if not isinstance(body.get("location"), str):
        raise RefusedError("The location property is required for this definition.", "LocationRequired")
    envelope = {"location", "id", "name", "type"}
    rest = {name: value for name, value in body.items() if name not in envelope}
    properties = rest.get("properties") or {}
    rest["properties"] = {name: value for name, value in properties.items() if name not in _LEFT_ALONE}
    return rest
