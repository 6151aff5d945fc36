"""Locks: where keys are kept they are common, and one on a group forbids to remove even a right in it."""

from collections.abc import Iterable
from dataclasses import dataclass

from azure_cli import AzError, Azure

TYPE = "Microsoft.Authorization/locks"


@dataclass(frozen=True)
class Lock:
    """A lock, and what it lies on."""

    id: str
    level: str

    @property
    def scope(self) -> str:
        """What it lies on, in lower case."""
        return self.id.lower().rpartition(f"/providers/{TYPE.lower()}/")[0]

    @property
    def remedy(self) -> str:
        """How to lift it for a moment."""
        return f"'az lock delete --ids {self.id}', run this again, then put the lock back"

    def holds(self, resource: str) -> bool:
        """Whether it lies on a resource or above it."""
        return f"{resource.lower()}/".startswith(f"{self.scope}/")


def locks(azure: Azure, subscriptions: Iterable[str]) -> list[Lock]:
    """All locks of some subscriptions. Who may not see them hears of them from Azure, as ScopeLocked."""
    found: list[Lock] = []
    for subscription in sorted(set(subscriptions)):
        try:
            listed = list(azure.pages(f"/subscriptions/{subscription}/providers/{TYPE}", TYPE))
        except AzError:
            continue
        found += [Lock(one["id"], str(one["properties"]["level"])) for one in listed]
    return found


def holding(all_locks: Iterable[Lock], resource: str) -> Lock | None:
    """A lock that forbids to delete a resource, if there is one: ReadOnly forbids it too."""
    return next((lock for lock in all_locks if lock.holds(resource)), None)
