"""Keys and their versions, as Key Vault and Managed HSM keep them."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

CALLER_ADDRESS = "203.0.113.7"
"""From where every client calls, as a vault's firewall sees it: an address of the documentation range, RFC 5737."""


API_VERSIONS = ("2016-10-01", "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6-preview.2", "7.6", "2025-07-01")
"""Those of the data plane, oldest first; of the previews the one that the Azure CLI (2.91) speaks."""


class PublicAccess(StrEnum):
    """`publicNetworkAccess` of a vault."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"
    SECURED_BY_PERIMETER = "SecuredByPerimeter"


class Network(StrEnum):
    """From where a vault may be reached."""

    OPEN = "open"
    FIREWALL = "firewall"
    """Only from the addresses that the vault lists."""
    PRIVATE = "private"
    """Public network access is disabled."""
    PERIMETER = "perimeter"
    """As a network security perimeter says; none here lets anybody in, and no service is trusted."""


@dataclass(slots=True)
class KeyVersion:
    """One version of a key. Times are whole simulated seconds since the epoch."""

    version: str
    created: int
    updated: int
    enabled: bool = True
    not_before: int | None = None
    expires: int | None = None
    size: int = 2048


@dataclass(slots=True)
class Key:
    """A key with its versions, oldest first."""

    name: str
    versions: list[KeyVersion] = field(default_factory=list)
    lifetime: int | None = None
    """Seconds until a version made by rotation expires, as a rotation policy says; None means never."""

    @property
    def newest(self) -> KeyVersion:
        """The version made last."""
        return self.versions[-1]

    def find(self, version: str) -> KeyVersion | None:
        """A version by its name; empty means the newest."""
        return self.newest if version == "" else next((one for one in self.versions if one.version == version), None)


@dataclass(frozen=True, slots=True)
class DeletedKey:
    """A key that can be recovered still."""

    key: Key
    at: int


class VaultError(Exception):
    """An answer other than success, in Key Vault's shape."""

    def __init__(self, status: int, code: str, message: str, inner: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error: dict[str, Any] = {"code": code, "message": message}
        if inner:
            self.error["innererror"] = {"code": inner}
