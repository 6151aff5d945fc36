"""Dedicated clusters: their state, and the rules by which they accept, refuse and carry out an update.

From "Azure Monitor customer-managed keys", "Create and manage a dedicated cluster in Azure Monitor Logs" and the REST
specification of Microsoft.OperationalInsights 2025-07-01. Their texts give messages and no machine-readable codes, so
the codes here are guesses, except where a comment says otherwise.
"""

import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from simulator.operationalinsights.behaviour import Behaviour, BusyAnswer, KeyCheck, Outcome
from simulator.operationalinsights.replication import Replication

CLUSTER_VERSIONS = frozenset(
    {
        *("2020-03-01-preview", "2020-08-01", "2020-10-01", "2021-06-01", "2022-10-01"),
        *("2023-01-01-preview", "2023-09-01", "2025-02-01", "2025-07-01"),
    }
)
"""The API versions of clusters that documents, SDKs and the Azure CLI use; a cloud that lags behind has fewer."""


@dataclass(frozen=True, slots=True)
class ClusterKey:
    """The key that a cluster is told to use, as in `keyVaultProperties`."""

    vault_uri: str
    name: str
    version: str = ""
    """Empty in auto mode: the cluster follows the newest version."""
    rsa_size: int | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """An update under way or ended."""

    id: str
    cluster_id: str
    started: float
    """Simulated seconds since the epoch, as is `ends`."""
    ends: float
    outcome: Outcome
    error: tuple[str, str] | None
    """Code and message."""
    after_state: str
    after_key: ClusterKey | None
    target: ClusterKey | None
    state_meanwhile: str | None = None
    """The cluster's provisioningState until the end; None leaves it to the behaviour."""
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    """Makes the operation's URL a signed one: reading it without this is refused."""

    def status(self, now: float) -> str:
        """What the operation's status reads: documented are InProgress and Updating, until the end."""
        if now >= self.ends:
            return self.outcome.value
        return "InProgress" if now < self.started + min(60.0, (self.ends - self.started) / 2) else "Updating"


@dataclass(slots=True)
class Cluster:
    """A dedicated cluster. Tests and stories may set its fields; a running update overrides key and state at its end."""

    name: str
    subscription: str
    resource_group: str
    location: str
    key: ClusterKey | None
    state: str = "Succeeded"
    identity: dict[str, Any] = field(default_factory=lambda: {"type": "SystemAssigned"})
    sku: dict[str, Any] = field(default_factory=lambda: {"name": "CapacityReservation", "capacity": 100})
    billing_type: str = "Cluster"
    modified: float | None = None
    """When an update was last accepted, in simulated seconds since the epoch; None for not since it was made."""
    tags: dict[str, str] = field(default_factory=dict)
    replication: Replication = field(default_factory=Replication)
    workspaces: list[str] = field(default_factory=list)
    """Ids of the linked workspaces."""
    behaviour: Behaviour | None = None
    """None means as the Azure it is in."""
    guid: str = field(default_factory=lambda: str(uuid4()))
    operation: Operation | None = None
    """The latest one, until its end has been settled."""

    @property
    def id(self) -> str:
        """The ARM id, in the casing that Azure documents."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.OperationalInsights/clusters/{self.name}"
        )

    @property
    def principal(self) -> str | None:
        """Who asks the vault on the cluster's behalf: itself, its user-assigned identity, or nobody."""
        kind, users = self.identity.get("type"), self.identity.get("userAssignedIdentities") or {}
        if kind == "UserAssigned":
            return next(iter(users), None)
        return self.id if kind == "SystemAssigned" else None

    def settle(self, now: float, behaviour: Behaviour) -> None:
        """Let an update that has ended by now, and is no longer hidden by a stale read, take its effect."""
        if self.state == "Deleting":
            return  # What ends then is the cluster: `Clusters.settle` takes it away.
        if self.operation and now >= _shown_from(self.operation, behaviour):
            self.state, self.key = self.operation.after_state, self.operation.after_key
            self.operation = None

    def shown(self, now: float, behaviour: Behaviour) -> tuple[str, ClusterKey | None]:
        """The provisioningState and key that a GET shows."""
        self.settle(now, behaviour)
        if self.state == "Deleting":
            return self.state, self.key
        if self.operation is None:
            replicating = behaviour.replication_is_update and self.replication.changing(now)
            return "Updating" if replicating else self.state, self.key
        if now < self.operation.ends:
            key = self.operation.target if behaviour.new_key_while_running else self.key
            return self.operation.state_meanwhile or behaviour.state_while_running, key
        return "Succeeded", self.key

    def busy(self, now: float, behaviour: Behaviour) -> bool:
        """Whether an update or something else is under way."""
        running = self.operation is not None and now < self.operation.ends
        running = running or (behaviour.replication_is_update and self.replication.changing(now))
        return running or self.state in {"Creating", "Updating", "ProvisioningAccount", "Deleting"}


def _shown_from(operation: Operation, behaviour: Behaviour) -> float:
    stale = behaviour.stale_seconds if operation.outcome is Outcome.SUCCEEDED else 0.0
    return operation.ends + stale


FAILED = "Failed to validate key in Key Vault. Could be due to lack of permissions or when key doesn't exist"
EXPIRED = "Failed to validate key in Key Vault. The key has expired."
"""An expired key goes on working, but the cluster's key cannot be updated until its expiry is extended."""


class RefusedError(Exception):
    """An update that Azure does not accept."""

    def __init__(self, message: str, code: str = "BadRequest", status: int = 400) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


type KeyRefusal = Callable[[Cluster, ClusterKey], str | None]
"""Why the cluster cannot use a key, or None."""

_PATCHABLE = {"properties", "identity", "sku", "tags"}
READ_ONLY = {
    "associatedWorkspaces",
    "capacityReservationProperties",
    "clusterId",
    "createdDate",
    "lastModifiedDate",
    "provisioningState",
}
_CAPACITIES = {100, 200, 300, 400, 500, 1000, 2000, 5000, 10000, 25000, 50000}
_BUSY = {
    BusyAnswer.CONTRACTED: "Operation can't be executed now. Wait for the async operation to complete and try again",
    BusyAnswer.SPELLED_OUT: "Operation cannot be executed now. Wait for the async operation to complete and try again",
    BusyAnswer.CONFLICT: "Another operation is in progress on the resource.",
}


def update(cluster: Cluster, patch: Any, now: float, behaviour: Behaviour, refusal: KeyRefusal) -> Operation | None:
    """Accept a PATCH body, or raise RefusedError. A new key makes an operation; anything else is done at once."""
    body = valid_body(patch)
    # What a stale read hides is in effect all the same.
    cluster.settle(now, replace(behaviour, stale_seconds=0.0))
    _check_state(cluster, now, behaviour)
    properties = body.get("properties") or {}
    identity = body.get("identity")
    key = properties.get("keyVaultProperties")
    if key is not None and identity is not None and valid_identity(identity)["type"] != cluster.identity.get("type"):
        raise RefusedError("The identity and the key can't be changed in the same operation")
    if identity is not None and cluster.key and cluster.principal is None:
        # "You can't revert it without contacting support". How it is refused is a guess.
        raise RefusedError("The cluster's identity was removed and can be set again by support only")
    target = valid_key(key) if key is not None else cluster.key
    error: tuple[str, str] | None = None
    if key is not None:
        problem = _problem(cluster, target, refusal)
        if problem and behaviour.key_check is KeyCheck.AT_ONCE:
            raise RefusedError(problem)
        error = ("BadRequest", problem) if problem else None
    cluster.modified = now
    cluster.identity = valid_identity(identity) if identity is not None else cluster.identity
    cluster.billing_type = properties.get("billingType") or cluster.billing_type
    cluster.sku = body.get("sku") or cluster.sku
    cluster.tags = body["tags"] if body.get("tags") is not None else cluster.tags
    if key is None:
        return None
    cluster.operation = _operation(cluster, target, now, behaviour, error)
    return cluster.operation


def _operation(
    cluster: Cluster, target: ClusterKey | None, now: float, behaviour: Behaviour, error: tuple[str, str] | None
) -> Operation:
    outcome = Outcome.FAILED if error else behaviour.outcome
    succeeded = outcome is Outcome.SUCCEEDED
    applied = behaviour.key_applied if behaviour.key_applied is not None and not error else succeeded
    if outcome in {Outcome.FAILED, Outcome.CANCELED}:
        error = error or (behaviour.error_code, behaviour.error_message)
    return Operation(
        id=str(uuid4()),
        cluster_id=cluster.id,
        started=now,
        ends=math.inf if outcome is Outcome.NEVER else now + behaviour.update_seconds,
        outcome=outcome,
        error=error,
        after_state=behaviour.final_state or ("Succeeded" if succeeded else "Failed"),
        after_key=target if applied else cluster.key,
        target=target,
    )


def _check_state(cluster: Cluster, now: float, behaviour: Behaviour) -> None:
    if cluster.state == "Deleting":
        raise RefusedError("Cluster is in deleting state. Wait for the async operation to complete and try again")
    if cluster.busy(now, behaviour):
        if behaviour.busy_answer is BusyAnswer.CONFLICT:
            raise RefusedError(_BUSY[behaviour.busy_answer], "Conflict", 409)
        raise RefusedError(_BUSY[behaviour.busy_answer])
    if cluster.state != "Succeeded" and not behaviour.failed_accepts_update:
        raise RefusedError(
            "Operation can't be executed now. Async operation is in a state other than succeeded. "
            "Cluster must complete its operation before any update"
        )


def valid_body(patch: Any) -> dict[str, Any]:
    """A PATCH body in its documented form, or RefusedError."""
    if not isinstance(patch, dict):
        raise RefusedError("The body of the request is null or in bad format")
    if not all(isinstance(patch.get(name), dict | None) for name in _PATCHABLE):
        raise RefusedError("The body of the request is null or in bad format")
    properties = patch.get("properties") or {}
    for name in sorted(properties.keys() & READ_ONLY):
        # Code and wording as reported in Azure/azure-rest-api-specs issue 32821.
        raise RefusedError(
            f"'properties.{name}' is a read only property and cannot be set. "
            "Please refer to the documentation and remove the property from the request.",
            "InvalidParameter",
        )
    for name in (patch.keys() - _PATCHABLE) | (properties.keys() - {"keyVaultProperties", "billingType"}):
        raise RefusedError(f"Could not find member '{name}' on object of type 'Cluster'.", "InvalidRequestContent")
    sku, tags = patch.get("sku") or {}, patch.get("tags") or {}
    if sku.keys() - {"name", "capacity"} or not all(isinstance(value, str) for value in tags.values()):
        raise RefusedError("The body of the request is null or in bad format")
    if properties.get("billingType", "Cluster") not in ("Cluster", "Workspaces"):
        raise RefusedError("The body of the request is null or in bad format")
    if patch.get("identity") is not None:
        valid_identity(patch["identity"])
    if sku and str(sku.get("name")).lower() != "capacityreservation":
        raise RefusedError("SKU name is invalid. Set SKU name to capacityReservation")
    if sku and (type(sku.get("capacity")) is not int or sku["capacity"] not in _CAPACITIES):
        raise RefusedError("CapacityReservationLevel must be an allowed value", "InvalidInput")
    return patch


def valid_identity(identity: dict[str, Any]) -> dict[str, Any]:
    """What `identity` asks for, without what only Azure writes, or RefusedError. A cluster has one kind, or none."""
    kinds = {"none": "None", "systemassigned": "SystemAssigned", "userassigned": "UserAssigned"}
    wanted, users = identity.get("type"), identity.get("userAssignedIdentities") or {}
    kind = kinds.get(wanted.lower()) if isinstance(wanted, str) else None
    known = identity.keys() <= {"type", "userAssignedIdentities", "principalId", "tenantId"}
    if kind is None or not known or not isinstance(users, dict) or (kind == "UserAssigned") != bool(users):
        raise RefusedError("The body of the request is null or in bad format")
    return {"type": kind, "userAssignedIdentities": {id_: {} for id_ in users}} if users else {"type": kind}


def valid_key(properties: Any) -> ClusterKey | None:
    """What `keyVaultProperties` asks for, None being Microsoft's key, or RefusedError."""
    bad = RefusedError("KeyVaultProperties isn't empty but has a bad format")
    if not isinstance(properties, dict) or properties.keys() - {"keyVaultUri", "keyName", "keyVersion", "keyRsaSize"}:
        raise bad
    uri, name = properties.get("keyVaultUri"), properties.get("keyName")
    version, size = properties.get("keyVersion", ""), properties.get("keyRsaSize")
    if uri == name == version == "":
        return None  # The documented way to go back to Microsoft's key.
    if not all(isinstance(text, str) for text in (uri, name, version)) or not (size is None or type(size) is int):
        raise bad
    # How a missing URI or name would be merged is not documented; refusing is the stricter reading.
    if not str(uri).lower().startswith("https://") or not name or (version and len(version) != 32):
        raise bad
    return ClusterKey(str(uri), str(name), version, size)


def _problem(cluster: Cluster, target: ClusterKey | None, refusal: KeyRefusal) -> str | None:
    if cluster.key and cluster.key.version and refusal(cluster, cluster.key) == EXPIRED:
        return EXPIRED
    return refusal(cluster, target) if target else None
