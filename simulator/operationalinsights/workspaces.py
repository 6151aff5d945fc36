"""Workspaces, as far as they are linked to clusters."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Workspace:
    """A workspace linked to a cluster."""

    id: str
    location: str
    cluster_id: str | None
    state: str = "Succeeded"
    tags: dict[str, str] = field(default_factory=dict)
    sentinel: bool = False
    """Whether Microsoft Sentinel is on it."""
    linked_accounts: dict[str, list[str]] = field(default_factory=dict)
    """Ids of storage accounts by what they hold: `Query`, `Alerts`."""
    heartbeats: list[float] = field(default_factory=list)
    """When lines of the app's timer arrived, in simulated seconds since the epoch."""

    @property
    def name(self) -> str:
        """The last part of the id."""
        return self.id.rpartition("/")[2]
