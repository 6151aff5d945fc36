"""PUT and DELETE of clusters: what templates do, and the Azure CLI's `cluster update`, which is a GET and a PUT.

From "Create and manage a dedicated cluster in Azure Monitor Logs": what may be made, and that all data of a deleted
cluster is lost for good. Error codes are guesses.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from simulator.operationalinsights.behaviour import Behaviour, Outcome
from simulator.operationalinsights.clusters import (
    FAILED,
    Cluster,
    Operation,
    RefusedError,
    valid_body,
    valid_identity,
    valid_key,
)
from simulator.operationalinsights.replication import Replication, change

CREATION_SECONDS = 7_200.0
""""Typically two hours", says the dedicated clusters article."""
DELETION_SECONDS = 1_800.0
"""Not published."""
RESERVED_SECONDS = 14 * 86_400.0
"""For so long nobody can use a deleted cluster's name."""
_MOST_ACTIVE, _MOST_WITH_DELETED = 5, 7
"""Clusters in a region and subscription; the second counts those deleted within RESERVED_SECONDS."""
_LEFT_ALONE = {
    "isAvailabilityZonesEnabled",
    "isDoubleEncryptionEnabled",
    "replication",  # Changed by `replicated`.
    # The Azure CLI (2.91) sends it back as it read it, so Azure cannot be refusing it as it does associatedWorkspaces.
    "capacityReservationProperties",
}


def as_patch(cluster: Cluster, body: Any) -> dict[str, Any]:
    """What a PUT changes of a cluster that exists, as a PATCH body; a key that is the same is no change."""
    patch = {"tags": {}, **_patchable(body)}  # A PUT replaces tags.
    location = _region(body)
    if location != cluster.location.lower():
        message = f"The resource '{cluster.name}' already exists in location '{cluster.location}'."
        raise RefusedError(message, "InvalidResourceLocation", 409)
    properties = patch.get("properties") or {}
    key = properties.get("keyVaultProperties")
    if key is not None and valid_key(key) == cluster.key:
        properties = {name: value for name, value in properties.items() if name != "keyVaultProperties"}
    return {**patch, "properties": properties}


def replicated(cluster: Cluster, body: Any, now: float, behaviour: Behaviour) -> Replication:
    """What a PUT makes of a cluster's replication, or RefusedError."""
    wanted = body["properties"].get("replication") if body.get("properties") else None
    if wanted is None:
        return cluster.replication
    if not isinstance(wanted, dict):
        raise RefusedError("The body of the request is null or in bad format")
    try:
        return change(cluster.replication, wanted, cluster.location, now, fails=behaviour.replication_fails)
    except ValueError as error:
        raise RefusedError(str(error)) from None


@dataclass(frozen=True, slots=True)
class Deleted:
    """A cluster that was, and when it ended, in simulated seconds since the epoch."""

    cluster: Cluster
    at: float


def check_room(new: Cluster, active: Iterable[Cluster], deleted: Iterable[Deleted], now: float) -> None:
    """Refuse a new cluster whose name is reserved, or that would be one too many."""
    recent = [one.cluster for one in deleted if now < one.at + RESERVED_SECONDS]
    if any(one.name.lower() == new.name.lower() and one.subscription == new.subscription for one in recent):
        raise RefusedError("The name of a deleted cluster is reserved for 14 days", "Conflict", 409)
    beside = sum(_in_one_place(one, new) for one in active)
    if beside >= _MOST_ACTIVE or beside + sum(_in_one_place(one, new) for one in recent) >= _MOST_WITH_DELETED:
        raise RefusedError("The limit of clusters in this region and subscription is reached", "LimitReached")


def _in_one_place(one: Cluster, other: Cluster) -> bool:
    return (one.subscription, one.location.lower()) == (other.subscription, other.location.lower())


def deletion(cluster: Cluster, now: float, behaviour: Behaviour) -> Operation:
    """Begin to delete a cluster, or refuse."""
    if cluster.busy(now, behaviour):
        raise RefusedError("Can't delete a cluster while in provisioning state", "Conflict", 409)
    cluster.state = "Deleting"
    cluster.operation = _sure_operation(cluster, now, DELETION_SECONDS, "Deleting")
    return cluster.operation


def _sure_operation(cluster: Cluster, now: float, seconds: float, meanwhile: str) -> Operation:
    return Operation(
        id=str(uuid4()),
        cluster_id=cluster.id,
        started=now,
        ends=now + seconds,
        outcome=Outcome.SUCCEEDED,
        error=None,
        after_state="Succeeded",
        after_key=None,
        target=None,
        state_meanwhile=meanwhile,
    )


def create(path: Mapping[str, str], body: Any, now: float, behaviour: Behaviour) -> tuple[Cluster, Operation]:
    """Begin to make a cluster; it has Microsoft's key, because its identity has no rights on a vault yet."""
    made = valid_body(_patchable(body))
    if not made.get("sku"):
        raise RefusedError("No SKU was set")
    if (made.get("properties") or {}).get("keyVaultProperties"):
        raise RefusedError(FAILED)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]", path["name"]):
        raise RefusedError("Cluster name isn't valid", "InvalidParameter")
    cluster = Cluster(
        path["name"],
        path["subscription"].lower(),
        path["group"],
        _region(body),
        None,
        sku=made["sku"],
        tags=made.get("tags") or {},
    )
    cluster.replication = replicated(cluster, body, now, behaviour)
    # Nobody asked for an identity: the specification's ClustersCreate example shows the system's.
    cluster.identity = valid_identity(made.get("identity") or {"type": "SystemAssigned"})
    cluster.billing_type = (made.get("properties") or {}).get("billingType") or cluster.billing_type
    cluster.operation = _sure_operation(cluster, now, CREATION_SECONDS, "ProvisioningAccount")
    return cluster, cluster.operation


def _region(body: Mapping[str, Any]) -> str:
    """A region's name, however it is written: "West Europe" is westeurope."""
    return str(body["location"]).replace(" ", "").lower()


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
