"""The key of its owner's that encrypts a storage account, as far as Resource Manager shows it.

From "Customer-managed keys for Azure Storage encryption" and the REST reference of Microsoft.Storage.
"""

from dataclasses import dataclass

CHECKED_EVERY = 86_400.0
"""Seconds. "Azure Storage checks the key vault daily for a new version of the key." """


@dataclass(slots=True)
class CustomerKey:
    """A key in a vault, and the version that the account really uses."""

    vault_uri: str
    name: str
    version: str
    """Empty where the account follows its key by itself."""
    in_use: str
    rotated: float
    """When the account took that version up, in simulated seconds since the epoch."""
    checked: float
    """When it last looked for a newer one."""
