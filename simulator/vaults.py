"""Key Vault and Managed HSM: which keys there are, and who may use them."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from werkzeug.wrappers import Request, Response

from simulator import key_api
from simulator.clock import Clock
from simulator.clusters import EXPIRED, FAILED, ClusterKey
from simulator.identity import TENANT
from simulator.keys import DeletedKey, Key, KeyVersion, Network, VaultError
from simulator.rights import Rights

__all__ = ["DeletedKey", "Key", "KeyVersion", "Network", "Vault", "VaultError"]


@dataclass(slots=True)
class Vault:
    """A vault or a Managed HSM: a service for the one host it lives at."""

    name: str
    host: str
    resource_id: str
    audience: str
    login_host: str
    clock: Clock
    rights: Rights
    announce: Callable[["Vault", str, Key], None]
    """Tells Event Grid of an event type about the newest version of a key."""
    hsm: bool = False
    tenant: str = TENANT
    """A cluster's must be the same."""
    purge_protection: bool = True
    network: Network = Network.OPEN
    trusted_services: bool = True
    """Whether Azure Monitor gets past the firewall."""
    access_policies: bool = False
    """Whether rights come from access policies, whose refusals have another code than those of Azure roles."""
    page_size: int = 25
    """The most versions that one list page holds, which is Key Vault's own maximum."""
    absent_key_lists_empty: bool = False
    """Not known: whether listing the versions of a key that does not exist is a 404 or an empty list."""
    keys: dict[str, Key] = field(default_factory=dict)
    """By name in lower case, as are the deleted ones."""
    deleted: dict[str, DeletedKey] = field(default_factory=dict)
    """Keys that can be recovered still."""
    policies: dict[str, set[str]] = field(default_factory=dict)
    """Key permissions by principal, when rights come from access policies."""

    @property
    def resource_type(self) -> str:
        """The type that ARM knows it by."""
        return "Microsoft.KeyVault/managedHSMs" if self.hsm else "Microsoft.KeyVault/vaults"

    @property
    def uri(self) -> str:
        """As customers copy it from the portal, with a slash at the end."""
        return f"https://{self.host}/"

    def add_key(self, name: str, *, size: int = 2048, lifetime: int | None = None) -> Key:
        """Make a key with one version, or a new version of a key that exists; an event tells of it either way."""
        key = self.keys.setdefault(name.lower(), Key(name, lifetime=lifetime))
        now = int(self.clock.timestamp())
        expires = now + key.lifetime if key.lifetime is not None else None
        key.versions.append(KeyVersion(secrets.token_hex(16), now, now, expires=expires, size=size))
        self.announce(self, "KeyNewVersionCreated", key)
        return key

    def rotate(self, name: str) -> KeyVersion:
        """Make a new version of a key."""
        key = self.keys[name.lower()]
        return self.add_key(key.name, size=key.newest.size).newest

    def set_attributes(
        self,
        name: str,
        version: str = "",
        *,
        enabled: bool | None = None,
        not_before: int | None = None,
        expires: int | None = None,
    ) -> KeyVersion:
        """Change what is given, of one version or the newest."""
        found = self.find(name, version)
        found.enabled = found.enabled if enabled is None else enabled
        found.not_before = found.not_before if not_before is None else not_before
        found.expires = found.expires if expires is None else expires
        found.updated = int(self.clock.timestamp())
        return found

    def disable(self, name: str, version: str = "") -> None:
        """Disable a version: how a customer revokes access."""
        self.set_attributes(name, version, enabled=False)

    def enable(self, name: str, version: str = "") -> None:
        """Enable a version again."""
        self.set_attributes(name, version, enabled=True)

    def delete_key(self, name: str) -> None:
        """Delete a key with all its versions; it can be recovered."""
        self.deleted[name.lower()] = DeletedKey(self.keys.pop(name.lower()), int(self.clock.timestamp()))

    def recover_key(self, name: str) -> Key:
        """Bring a deleted key back, as it was."""
        key = self.deleted.pop(name.lower()).key
        self.keys[name.lower()] = key
        return key

    def usable(self, principal: str, wanted: ClusterKey) -> bool:
        """Whether a cluster's storage can wrap and unwrap. An expired version goes on working there."""
        key = self.keys.get(wanted.name.lower())
        version = key.find(wanted.version) if key else None
        reachable = self.network is Network.OPEN or self.trusted_services
        granted = self.grants(principal, "wrap/action") and self.grants(principal, "unwrap/action")
        return version is not None and version.enabled and reachable and granted and self.tenant == TENANT

    def refusal(self, principal: str, wanted: ClusterKey) -> str | None:
        """Why a cluster's identity cannot be given a key here, in the words of the cluster documents; None if it can."""
        if not self.usable(principal, wanted):
            return FAILED
        version, now = self.find(wanted.name, wanted.version), self.clock.timestamp()
        if version.expires is not None and version.expires <= now:
            return EXPIRED
        if version.not_before is not None and version.not_before > now:
            return FAILED
        # "Get" is what the cluster looks at the vault's protection with.
        if not self.purge_protection or not self.grants(principal, "read"):
            return "Key isn't recoverable. Key Vault must be set to Soft-delete and Purge-protection"
        return None

    def grants(self, principal: str, action: str) -> bool:
        """Whether a principal may do something to keys here."""
        if self.access_policies and self.rights.by_roles:
            # Access policies name permissions as `wrapKey`, data actions as `wrap/action`.
            verb = action.removesuffix("/action")
            wanted = {"read": "get", "wrap": "wrapkey", "unwrap": "unwrapkey"}.get(verb, verb)
            return wanted in {one.lower() for one in self.policies.get(principal, set())}
        return self.rights.allows(principal, f"Microsoft.KeyVault/vaults/keys/{action}", self.resource_id)

    def find(self, name: str, version: str = "") -> KeyVersion:
        """A version of a key, or the newest; VaultError if there is none."""
        key = self.keys.get(name.lower())
        found = key.find(version) if key else None
        if found is None:
            message = f"A key with (name/id) {name}/{version} was not found in this key vault."
            raise VaultError(404, "KeyNotFound", message)
        return found

    def __call__(self, request: Request) -> Response:
        """Answer a request to the data plane."""
        return key_api.answer(self, request)
