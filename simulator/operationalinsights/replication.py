"""Replication of a cluster to a second region, which has a state of its own beside the cluster's.

The states are those of the REST specification 2025-07-01 (ClusterReplicationState). How long a change takes is not
published; "Enhance resilience by replicating your Log Analytics workspace" says of workspaces that it takes a few
minutes, and up to an hour until all tables are replicated. The region groups are that article's.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.clock import iso

REQUEST_SECONDS = 60.0
CHANGE_SECONDS = 3_600.0
_GROUPS = (
    {"eastus", "eastus2", "westus", "westus2", "centralus", "southcentralus", "canadacentral"},
    {"westeurope", "northeurope", "uksouth", "ukwest", "germanywestcentral", "francecentral"},
)
_APART = {"eastus", "eastus2"}


@dataclass(frozen=True, slots=True)
class Replication:
    """What was last asked for, and when. Times are simulated seconds since the epoch."""

    enabled: bool = False
    location: str | None = None
    asked: float = -math.inf
    undone: "Replication | None" = None
    """What it was before, if the change is to be rolled back in the end."""

    def state(self, now: float) -> str:
        """The provisioningState of the replication."""
        age = now - self.asked
        if age < REQUEST_SECONDS:
            return "EnableRequested" if self.enabled else "DisableRequested"
        if age < CHANGE_SECONDS:
            return "Enabling" if self.enabled else "Disabling"
        if self.undone is None:
            return "Succeeded"
        if age < CHANGE_SECONDS + REQUEST_SECONDS:
            return "RollbackRequested"
        return "RollingBack" if age < 2 * CHANGE_SECONDS else "Failed"

    def changing(self, now: float) -> bool:
        """Whether a change is under way."""
        return self.state(now) not in {"Succeeded", "Failed", "Canceled"}

    def body(self, now: float) -> dict[str, Any]:
        """As a GET of the cluster shows it."""
        state = self.state(now)
        shown = self.undone if self.undone and state == "Failed" else self
        body: dict[str, Any] = {"enabled": shown.enabled, "provisioningState": state}
        if shown.location is not None:
            body |= {"location": shown.location, "isAvailabilityZonesEnabled": True}
        if math.isfinite(self.asked):
            body |= {"createdDate": iso(self.asked), "lastModifiedDate": iso(self.asked)}
        return body


def change(current: Replication, wanted: Mapping[str, Any], region: str, now: float, *, fails: bool) -> Replication:
    """What a PUT's `replication` makes of the current one; ValueError says what is wrong with it."""
    if current.undone and current.state(now) == "Failed":
        current = current.undone
    enabled = wanted.get("enabled", current.enabled)
    location = wanted.get("location", current.location)
    if type(enabled) is not bool or not isinstance(location, str | None):
        raise ValueError("The replication property has a bad format")
    location = location.replace(" ", "").lower() if location else None
    if (enabled, location) == (current.enabled, current.location):
        return current
    if current.changing(now):
        raise ValueError("Replication can't be changed while it is being enabled or disabled")
    if enabled and not _may_replicate(region, location or ""):
        raise ValueError(f"A cluster in '{region}' can't be replicated to '{location}'")
    return Replication(enabled, location, now, current if fails else None)


def _may_replicate(region: str, location: str) -> bool:
    if region == location or {region, location} == _APART:
        return False
    return any({region, location} <= group for group in _GROUPS)
