"""Azure roles and their assignments, as far as clusters, keys, queues and tables need them.

Names, ids and actions are those of "Azure built-in roles"; a role's data actions on queues and tables are one glob here.
The function's three roles are custom ones, with the fewest actions that its calls need.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from uuid import uuid4

_KEYS = "Microsoft.KeyVault/vaults/keys"
_STORAGE = "Microsoft.Storage/storageAccounts"


@dataclass(frozen=True, slots=True)
class Role:
    """A role definition."""

    name: str
    id: str
    actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    custom: bool = False

    def allows(self, action: str) -> bool:
        """Whether the role holds an action; data actions are only those named as such, not those under a `*`."""
        globs = self.data_actions if is_data_action(action) else self.actions
        return any(fnmatchcase(action.lower(), glob.lower()) for glob in globs)


ROLES = {
    role.name: role
    for role in (
        Role("Owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", ("*",)),
        Role("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7", ("*/read",)),
        Role(
            "Log Analytics Contributor",
            "92aaf0da-9dab-42b6-94a3-d43ce8d16293",
            ("*/read", "Microsoft.OperationalInsights/*"),
        ),
        Role("Key Vault Crypto Officer", "14b46e9e-c2b7-41b4-b07b-48a6ebf60603", (), (f"{_KEYS}/*",)),
        Role(
            "Key Vault Crypto Service Encryption User",
            "e147488a-f6f5-4113-8e2d-b22465e65bf6",
            (),
            (f"{_KEYS}/read", f"{_KEYS}/wrap/action", f"{_KEYS}/unwrap/action"),
        ),
        Role(
            "Key Vault Reader",
            "21090545-7ca7-4776-b22c-e363652d74d2",
            # Its definition says the third, its description that this reads vaults too; Managed HSMs are in neither.
            (
                "Microsoft.Authorization/*/read",
                "Microsoft.KeyVault/vaults/read",
                "Microsoft.KeyVault/vaults/*/read",
                "Microsoft.KeyVault/deletedVaults/read",
                "Microsoft.KeyVault/locations/*/read",
                "Microsoft.KeyVault/operations/read",
                "Microsoft.Resources/subscriptions/resourceGroups/read",
            ),
            ("Microsoft.KeyVault/vaults/*/read",),
        ),
        Role(
            "Storage Queue Data Contributor",
            "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
            (),
            (f"{_STORAGE}/queueServices*",),
        ),
        Role(
            "Storage Queue Data Reader",
            "19e7f393-937e-4f77-808e-94535e297925",
            (),
            (f"{_STORAGE}/queueServices/read",),
        ),
        Role(
            "Storage Queue Data Message Sender",
            "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
            (),
            (f"{_STORAGE}/queueServices/add",),
        ),
        Role(
            "Storage Table Data Reader",
            "76199698-9eea-4c19-bc75-cec21354c6b6",
            (),
            (f"{_STORAGE}/tableServices/read",),
        ),
        Role(
            "Storage Table Data Contributor",
            "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
            (),
            (f"{_STORAGE}/tableServices*",),
        ),
        Role(
            "EventGrid Data Sender",
            "d5a91429-5739-47e2-a06b-3470a27159e7",
            (),
            ("Microsoft.EventGrid/events/send/action",),
        ),
        Role(
            "Cluster key updater",
            "3b0f4a56-7d0a-4a0e-9c55-0c3a5a1f0001",
            (
                "Microsoft.OperationalInsights/clusters/read",
                "Microsoft.OperationalInsights/clusters/write",
                "Microsoft.OperationalInsights/locations/operation*/read",
                "Microsoft.OperationalInsights/workspaces/read",
                "Microsoft.OperationalInsights/workspaces/linkedStorageAccounts/read",
            ),
            custom=True,
        ),
        Role("Key version reader", "3b0f4a56-7d0a-4a0e-9c55-0c3a5a1f0002", (), (f"{_KEYS}/read",), custom=True),
        Role(
            "Linked storage reader",
            "3b0f4a56-7d0a-4a0e-9c55-0c3a5a1f0003",
            (f"{_STORAGE}/read", "Microsoft.OperationalInsights/workspaces/linkedStorageAccounts/read"),
            custom=True,
        ),
    )
}


def is_data_action(action: str) -> bool:
    """Whether an action is on what a resource holds rather than on the resource."""
    return action.startswith((f"{_KEYS}/", f"{_STORAGE}/queueServices", f"{_STORAGE}/tableServices")) or (
        action == "Microsoft.EventGrid/events/send/action"
    )


@dataclass(frozen=True, slots=True)
class Assignment:
    """A role given to a principal at a scope and everything below it."""

    principal_id: str
    role: Role
    scope: str
    """An ARM id."""
    name: str = field(default_factory=lambda: str(uuid4()))
    principal_type: str = "ServicePrincipal"

    @property
    def id(self) -> str:
        """The assignment's own ARM id."""
        return f"{self.scope.rstrip('/')}/providers/Microsoft.Authorization/roleAssignments/{self.name}"

    def allows(self, held: Collection[str], action: str, resource: str) -> bool:
        """Whether the assignment lets whoever goes by one of these object ids do something to a resource."""
        return self.principal_id in held and within(resource, self.scope) and self.role.allows(action)


def within(resource: str, scope: str) -> bool:
    """Whether a resource is the scope or below it."""
    inner, outer = resource.rstrip("/").lower(), scope.rstrip("/").lower()
    return inner == outer or inner.startswith(outer + "/")
