"""The commands that repair what stands in the way, with the names filled in, to be pasted into a shell.

The names are strangers' texts: each is printed only if it is of its own grammar, and quoted. Where one is not known there is
no command, but what is to be looked up. The commands are the Azure CLI's, which knows the endpoints of the cloud that it is
signed in to; `$(…)` is read by bash, zsh and PowerShell alike. In which subscription a vault lies, nobody tells the app.
"""

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv4Address

from cmk_rotation.domain.azure_resources import OperationError
from cmk_rotation.domain.identifiers import ClusterId, Scope, StorageId, is_hsm

_VAULT = re.compile(r"[a-z0-9-]{3,24}", re.IGNORECASE)
_KEY = re.compile(r"[a-z0-9-]{1,127}", re.IGNORECASE)
_VERSION = re.compile(r"[0-9a-z]{32}", re.IGNORECASE)
_VAULT_URI = re.compile(r"https://[a-z0-9.-]+(?::443)?/?", re.IGNORECASE)
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_OPERATION = re.compile(r"[a-z0-9._-]{1,128}", re.IGNORECASE)
# How a refusal names who was refused: Azure Resource Manager ("Troubleshoot Azure RBAC"), then Key Vault ("Azure Key Vault
# REST API error codes"), which also says from where.
_CALLER = re.compile(rf"\bobject id '({_GUID.pattern})'|\boid=({_GUID.pattern})\b", re.IGNORECASE)
_ADDRESS = re.compile(r"\bclient address: ([0-9a-f.:]+)", re.IGNORECASE)
_BY_ROLES = re.compile(r"ForbiddenByRbac|caller is not authorized to perform action", re.IGNORECASE)
_BY_POLICIES = re.compile(r"ForbiddenByPolicy|AccessDenied|does not have keys \w+ permission", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a command may have to name, as far as it is known."""

    place: ClusterId | StorageId | Scope | None = None
    """The cluster, the storage account, or the scope that could not be listed."""
    vault_host: str | None = None
    key_name: str | None = None
    key_vault_uri: str | None = None
    """As the cluster or the storage account has it."""
    key_rsa_size: int | None = None
    version: str | None = None
    """The one that the trouble is about, or that the cluster is to have."""
    newest: str | None = None
    """The one that a storage account is to have that pins another."""
    identity: str | None = None
    """The object id of the cluster's identity."""
    until: datetime | None = None
    """Till when a version that has expired is to live on."""
    caller: str | None = None
    """The object id of whom Azure refused."""
    address: str | None = None
    """From where, as the vault saw it."""
    operation_id: str | None = None
    correlation_id: str | None = None

    @property
    def hsm(self) -> bool:
        """Whether the key lies in a Managed HSM."""
        return is_hsm(self.vault_host or "")

    @property
    def vault(self) -> str | None:
        """The vault's or the Managed HSM's name."""
        return _checked(_VAULT.fullmatch((self.vault_host or "").partition(".")[0]))

    @property
    def key(self) -> str | None:
        """The key's name."""
        return _checked(_KEY.fullmatch(self.key_name or ""))


def with_refused(names: Names, error: OperationError | None) -> Names:
    """With whom Azure refused, and from where, as far as its own words say that."""
    caller = _CALLER.search(error.message) if error else None
    address = _ADDRESS.search(error.message) if error else None
    return replace(
        names,
        caller=(caller[1] or caller[2]) if caller else None,
        address=address[1] if address else None,
    )


@dataclass(frozen=True, slots=True)
class Right:
    """A right that somebody lacks."""

    principal_id: str | None
    role: str


@dataclass(frozen=True, slots=True)
class Repair:
    """One thing that a person can do with one command."""

    aim: str
    """Stands before the command."""
    command: Callable[[Names], str | None]
    """None where a name is not known."""
    look_up: str = ""
    """What to do then. Blank where that needs no word."""
    right: Callable[[Names], Right] | None = None
    """Which right it gives, if it is that."""

    def told(self, names: Names) -> str:
        """As it stands in a remedy."""
        command = self.command(names)
        return f"{self.aim}: `{command}`." if command else self.look_up


# --- keys ---


def enable_version(names: Names) -> str | None:
    """Enable a version that was disabled."""
    return _set_attributes(names, "--enabled", "true")


def extend_version(names: Names) -> str | None:
    """Let a version live on that has expired."""
    return _set_attributes(names, "--expires", f"{names.until:%Y-%m-%dT%H:%M:%SZ}" if names.until else None)


def rotate_key(names: Names) -> str | None:
    """Make a new version."""
    return _az("keyvault", "key", "rotate", *_key(names))


def recover_key(names: Names) -> str | None:
    """Bring a deleted key back."""
    return _az("keyvault", "key", "recover", *_key(names))


def _set_attributes(names: Names, *change: str | None) -> str | None:
    version = _checked(_VERSION.fullmatch(names.version or ""))
    return _az("keyvault", "key", "set-attributes", *_key(names), "--version", version, *change)


def _key(names: Names) -> tuple[str | None, ...]:
    place = "--hsm-name" if names.hsm else "--vault-name"
    return (place, names.vault, "--name", names.key)


# --- vaults ---


def admit_address(names: Names) -> str | None:
    """Let the address through a vault's firewall from which the app was refused."""
    if names.hsm:
        return None
    return _az("keyvault", "network-rule", "add", "--name", names.vault, "--ip-address", _address(names.address))


def protect_from_purge(names: Names) -> str | None:
    """Turn purge protection on."""
    kind = ("update-hsm", "--hsm-name") if names.hsm else ("update", "--name")
    return _az("keyvault", *kind, names.vault, "--enable-purge-protection", "true")


# --- rights ---

CLUSTER_ROLE = "Log Analytics Contributor"
KEY_READER = "Key Vault Reader"
KEY_USER = "Key Vault Crypto Service Encryption User"
HSM_READER = "Managed HSM Crypto Auditor"
HSM_USER = "Managed HSM Crypto Service Encryption User"


def let_app_update(names: Names) -> str | None:
    """Give whom Azure refused the right to clusters."""
    return _assign(names.caller, CLUSTER_ROLE, "--scope", names.place.text if names.place else None)


def let_app_read_keys(names: Names) -> str | None:
    """Give whom a vault refused the right to list keys, where the vault goes by roles. A Managed HSM does not say whom."""
    return None if names.hsm else _on_vault(names, names.caller, KEY_READER)


def let_app_read_keys_by_policy(names: Names) -> str | None:
    """The same, where the vault goes by access policies."""
    return _policy(names, names.caller, "list", "get")


def let_cluster_use_key(names: Names) -> str | None:
    """Give the cluster's identity the right to wrap with its key, where the vault goes by roles."""
    if not names.hsm:
        return _on_vault(names, names.identity, KEY_USER)
    scope = f"/keys/{names.key}" if names.key else None
    assigned = _assign(names.identity, HSM_USER, "--hsm-name", names.vault, "--scope", scope)
    return assigned and assigned.replace("az role", "az keyvault role", 1)


def let_cluster_use_key_by_policy(names: Names) -> str | None:
    """The same, where the vault goes by access policies."""
    return _policy(names, names.identity, "get", "wrapKey", "unwrapKey")


def refused_by_policy(error: OperationError | None) -> bool | None:
    """Whether it was an access policy that was missing, and no role; None if the refusal does not say."""
    text = f"{error.code} {error.message}" if error else ""
    return False if _BY_ROLES.search(text) else True if _BY_POLICIES.search(text) else None


def _on_vault(names: Names, principal: str | None, role: str) -> str | None:
    assigned = _assign(principal, role)
    vault = _az("keyvault", "show", "--name", names.vault, "--query", "id", "--output", "tsv")
    return f"{assigned} --scope $({vault})" if assigned and vault else None


def _assign(principal: str | None, role: str, *where: str | None) -> str | None:
    who = (
        "--assignee-object-id",
        _checked(_GUID.fullmatch(principal or "")),
        "--assignee-principal-type",
        "ServicePrincipal",
    )
    return _az("role", "assignment", "create", *who, "--role", role, *where)


def _policy(names: Names, principal: str | None, *permissions: str) -> str | None:
    if names.hsm:
        return None
    who = ("--object-id", _checked(_GUID.fullmatch(principal or "")))
    return _az("keyvault", "set-policy", "--name", names.vault, *who, "--key-permissions", *permissions)


# --- clusters ---


def set_version(names: Names) -> str | None:
    """Give the cluster a version by hand. `cluster update` of the Azure CLI would send the whole cluster back."""
    uri, version = (
        _checked(_VAULT_URI.fullmatch(names.key_vault_uri or "")),
        _checked(_VERSION.fullmatch(names.version or "")),
    )
    known = names.vault and names.key and uri and version
    if not isinstance(names.place, ClusterId) or not known:
        return None
    key: dict[str, object] = {"keyVaultUri": uri, "keyName": names.key, "keyVersion": version}
    if names.key_rsa_size is not None:
        key["keyRsaSize"] = names.key_rsa_size
    body = json.dumps({"keyVaultProperties": key})
    return _az("resource", "patch", "--ids", names.place.text, "--properties", body)


def visit_now(names: Names) -> str | None:
    """Have the app look at once."""
    if not isinstance(names.place, ClusterId):
        return None
    return shlex.join(("cmk-rotation", "visit", names.place.text))


# --- storage accounts ---


def move_account(names: Names) -> str | None:
    """Have a storage account pin the newest version. The Azure CLI takes the rest of its encryption as it finds it."""
    if not isinstance(names.place, StorageId) or not names.place.is_account:
        return None
    key = {
        "vault": _checked(_VAULT_URI.fullmatch(names.key_vault_uri or "")),
        "name": names.key,
        "version": _checked(_VERSION.fullmatch(names.newest or "")),
    }
    words = (word for part, value in key.items() for word in (f"--encryption-key-{part}", value))
    update = ("storage", "account", "update", "--ids", names.place.text)
    return _az(*update, "--encryption-key-source", "Microsoft.Keyvault", *words)


def for_support(names: Names) -> str:
    """What Azure's support asks for. Nobody else can end an operation."""
    known = {
        "operation id": _checked(_OPERATION.fullmatch(names.operation_id or "")),
        "correlation id": _checked(_GUID.fullmatch(names.correlation_id or "")),
    }
    told = [f"the {name} {value}" if value else f"the {name} (Azure gave none)" for name, value in known.items()]
    return f"No command repairs this. What support asks for: {' and '.join(told)}."


def _az(*words: str | None) -> str | None:
    known = [word for word in words if word is not None]
    return shlex.join(("az", *known)) if len(known) == len(words) else None


def _checked(found: re.Match[str] | None) -> str | None:
    """A name, if it is one. One that begins with a hyphen would be taken for an option."""
    return found[0] if found and not found[0].startswith("-") else None


def _address(text: str | None) -> str | None:
    """An address that a vault's firewall can let in: it has rules for no others."""
    try:
        return str(IPv4Address(text or ""))
    except ValueError:
        return None


# --- as they are told ---

_APP = "Look up the object id of the app's identity first (Identity, in the portal)."
_CLUSTER = "Look up the object id of the cluster's identity first (the cluster's JSON view, in the portal)."


def _app_reads(names: Names) -> Right:
    return Right(names.caller, HSM_READER if names.hsm else KEY_READER)


def _cluster_uses(names: Names) -> Right:
    return Right(names.identity, HSM_USER if names.hsm else KEY_USER)


ENABLE = Repair("To enable it", enable_version, "Look up the version in Key Vault.")
EXTEND = Repair("To let it live on", extend_version, "Look up the version in Key Vault.")
ROTATE = Repair("To make a new version", rotate_key, "Look up the key that the cluster names.")
RECOVER = Repair("To recover a deleted key", recover_key, "Look up the key that the cluster names.")
_THERE = "in the vault's subscription"
ADMIT = Repair(f"To let in the address that was refused, if it is the app's own and stays so, {_THERE}", admit_address)
PROTECT = Repair(f"To turn it on for good, {_THERE}", protect_from_purge, "Look up the vault that the cluster names.")
LET_APP_UPDATE = Repair(
    "To give the app its role", let_app_update, _APP, lambda names: Right(names.caller, CLUSTER_ROLE)
)
LET_APP_READ = Repair(f"To give the app its role, {_THERE}", let_app_read_keys, _APP, _app_reads)
LET_APP_READ_BY_POLICY = Repair(
    f"To give the app its access policy, where the vault goes by those, {_THERE}",
    let_app_read_keys_by_policy,
    right=lambda names: Right(names.caller, "access policy Key: List"),
)
LET_CLUSTER_USE = Repair(f"To give the cluster its role, {_THERE}", let_cluster_use_key, _CLUSTER, _cluster_uses)
LET_CLUSTER_USE_BY_POLICY = Repair(
    f"To give the cluster its access policy, where the vault goes by those, {_THERE}", let_cluster_use_key_by_policy
)
SET_VERSION = Repair("To send it", set_version, "Look up the key and its version in Key Vault first.")
MOVE_ACCOUNT = Repair("To move it to the newest version", move_account)
VISIT = Repair("To have it tried at once", visit_now)

ALL = (
    *(ENABLE, EXTEND, ROTATE, RECOVER, ADMIT, PROTECT),
    *(LET_APP_UPDATE, LET_APP_READ, LET_APP_READ_BY_POLICY, LET_CLUSTER_USE, LET_CLUSTER_USE_BY_POLICY),
    *(SET_VERSION, MOVE_ACCOUNT, VISIT),
)
"""All that is ever printed."""
