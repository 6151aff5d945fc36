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

    @property
    def name(self) -> str:
        """The last part of the id."""
        return self.id.rpartition("/")[2]
