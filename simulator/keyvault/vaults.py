"""Key Vault and Managed HSM: which keys there are, and who may use them."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from simulator.clock import Clock
from simulator.entra.identity import principal_id
from simulator.entra.rights import Rights
from simulator.keyvault.keys import (
    API_VERSIONS,
    CALLER_ADDRESS,
    DeletedKey,
    Key,
    KeyVersion,
    Network,
    PublicAccess,
    VaultError,
)
from simulator.operationalinsights.clusters import EXPIRED, FAILED, Cluster, ClusterKey

__all__ = [
    "UNPROTECTED",
    "DeletedKey",
    "DeletedVault",
    "Key",
    "KeyVersion",
    "Network",
    "Permissions",
    "Vault",
    "VaultError",
]

UNPROTECTED = "Key isn't recoverable. Key Vault must be set to Soft-delete and Purge-protection"

type Permissions = dict[str, list[str]]
"""What an access policy gives, by what it gives it on: keys, secrets, certificates, storage."""


@dataclass(slots=True)
class Vault:
    """A vault or a Managed HSM, which answers at the one host it lives at: see `key_api`."""

    name: str
    host: str
    resource_id: str
    audience: str
    login_host: str
    clock: Clock
    rights: Rights
    announce: Callable[["Vault", str, Key | None], None]
    """Tells Event Grid of an event type about the newest version of a key, or about the vault itself."""
    tenant: str
    """Whose tokens it takes; a cluster must be in the same."""
    tenant_of: Callable[[str], str]
    """The tenant of what an ARM id names."""
    hsm: bool = False
    purge_protection: bool = True
    firewalled: bool = False
    """Whether public access is only from `ip_rules`. See `network` for how this and the next go together."""
    public_access: PublicAccess = PublicAccess.ENABLED
    ip_rules: list[str] = field(default_factory=list)
    """Ranges of IPv4 addresses, each as address/length."""
    subnets: list[str] = field(default_factory=list)
    """Ids of virtual networks' subnets that are let in; nobody here calls from one."""
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
    policies: dict[str, Permissions] = field(default_factory=dict)
    """By the principal's object id. They count when rights come from access policies."""
    api_versions: tuple[str, ...] = API_VERSIONS
    """What the data plane can be spoken to in, oldest first."""
    location: str = "westeurope"
    sku: str = "premium"
    tags: dict[str, str] = field(default_factory=dict)
    retention_days: int = 90
    """How long what was deleted can be recovered, the vault itself or a key; 7 to 90."""
    enabled_for: dict[str, bool] = field(default_factory=dict)
    """What else Azure may use the vault for, by the property's name; shown, and without effect."""

    @property
    def resource_type(self) -> str:
        """The type that ARM knows it by."""
        return "Microsoft.KeyVault/managedHSMs" if self.hsm else "Microsoft.KeyVault/vaults"

    @property
    def uri(self) -> str:
        """As customers copy it from the portal, with a slash at the end."""
        return f"https://{self.host}/"

    @property
    def network(self) -> Network:
        """From where the vault may be reached."""
        match self.public_access:
            case PublicAccess.DISABLED:
                return Network.PRIVATE
            case PublicAccess.SECURED_BY_PERIMETER:
                return Network.PERIMETER
        return Network.FIREWALL if self.firewalled else Network.OPEN

    @network.setter
    def network(self, network: Network) -> None:
        access = {Network.PRIVATE: PublicAccess.DISABLED, Network.PERIMETER: PublicAccess.SECURED_BY_PERIMETER}
        self.public_access = access.get(network, PublicAccess.ENABLED)
        self.firewalled = network is not Network.OPEN

    @property
    def admits_caller(self) -> bool:
        """Whether the firewall lists the address that all clients call from."""
        return any(IPv4Address(CALLER_ADDRESS) in IPv4Network(one) for one in self.ip_rules)

    @property
    def admits_services(self) -> bool:
        """Whether Azure Monitor gets in: a perimeter overrides that it is trusted ("Network security for Key Vault")."""
        trusted = self.trusted_services and self.network is not Network.PERIMETER
        return self.network is Network.OPEN or trusted

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

    def purge_expired(self) -> None:
        """Let go for good of deleted keys whose days are over."""
        oldest = self.clock.timestamp() - self.retention_days * 86_400
        self.deleted = {name: one for name, one in self.deleted.items() if one.at > oldest}

    def recover_key(self, name: str) -> Key:
        """Bring a deleted key back, as it was."""
        key = self.deleted.pop(name.lower()).key
        self.keys[name.lower()] = key
        return key

    def usable(self, cluster: Cluster, wanted: ClusterKey) -> bool:
        """Whether a cluster's storage can wrap and unwrap. An expired version goes on working there."""
        near = (self.tenant, self.location) == (self.tenant_of(cluster.id), cluster.location.lower())
        # "You can't use CMK with user-assigned identity if your Key Vault is in Private-Link (vNet)".
        private = self.network is Network.PRIVATE and cluster.principal != cluster.id
        return near and not private and self.opens(cluster.principal, wanted.name, wanted.version)

    def opens(self, principal: str | None, name: str, version: str) -> bool:
        """Whether a service of Azure's, as somebody, can wrap and unwrap with a version of a key, or with its newest."""
        key = self.keys.get(name.lower())
        found = key.find(version) if key else None
        granted = principal is not None and all(self.grants(principal, one) for one in ("wrap/action", "unwrap/action"))
        return found is not None and found.enabled and self.admits_services and granted

    def refusal(self, cluster: Cluster, wanted: ClusterKey) -> str | None:
        """Why a cluster cannot be given a key here, in the words of the cluster documents; None if it can."""
        if not self.usable(cluster, wanted):
            return FAILED
        return self.unfit(cluster.principal, wanted.name, wanted.version)

    def unfit(self, principal: str | None, name: str, version: str) -> str | None:
        """Why a version, or the newest, may not be given to anything anew, in the same words; None if it may."""
        found, now = self.find(name, version), self.clock.timestamp()
        if found.expires is not None and found.expires <= now:
            return EXPIRED
        if found.not_before is not None and found.not_before > now:
            return FAILED
        # "Get" is what the vault's protection is looked at with.
        if not self.purge_protection or principal is None or not self.grants(principal, "read"):
            return UNPROTECTED
        return None

    def admits(self, cluster: Cluster, action: str) -> bool:
        """Whether a cluster, by the identity that it has now, may do something to keys here."""
        return cluster.principal is not None and self.grants(cluster.principal, action)

    def grants(self, principal: str, action: str) -> bool:
        """Whether a principal may do something to keys here."""
        if self.access_policies and self.rights.by_roles:
            # Access policies name permissions as `wrapKey`, data actions as `wrap/action`.
            verb = action.removesuffix("/action")
            wanted = {"read": "get", "wrap": "wrapkey", "unwrap": "unwrapkey"}.get(verb, verb)
            held = {one.lower() for one in self.policies.get(principal_id(principal), {}).get("keys", [])}
            # Not known: whether "all" has the privileged purge in it.
            return wanted in held or ("all" in held and wanted != "purge")
        # Access policies tell listing from reading; roles do not.
        action = "read" if action == "list" else action
        return self.rights.allows(principal, f"Microsoft.KeyVault/vaults/keys/{action}", self.resource_id)

    def permit(self, principal: str, *permissions: str) -> None:
        """Set a principal's access policy: its permissions on keys, or none at all."""
        id_ = principal_id(principal)
        others = {held: granted for held, granted in self.policies.items() if held != id_}
        self.policies = others | {id_: {"keys": list(permissions)}} if permissions else others
        self.announce(self, "VaultAccessPolicyChanged", None)

    def find(self, name: str, version: str = "") -> KeyVersion:
        """A version of a key, or the newest; VaultError if there is none."""
        key = self.keys.get(name.lower())
        found = key.find(version) if key else None
        if found is None:
            message = f"A key with (name/id) {name}/{version} was not found in this key vault."
            raise VaultError(404, "KeyNotFound", message)
        return found


@dataclass(frozen=True, slots=True)
class DeletedVault:
    """A vault in its days of soft delete, with all that it holds."""

    vault: Vault
    at: float
    """Simulated seconds since the epoch."""

    @property
    def purged_at(self) -> float:
        """When it cannot be recovered any more."""
        return self.at + self.vault.retention_days * 86_400
