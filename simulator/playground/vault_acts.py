"""What can be done to keys, vaults and rights in one line."""

import re
from collections.abc import Callable, Mapping

from simulator.azure import FUNCTION
from simulator.keyvault.keys import Key, Network
from simulator.keyvault.vaults import Vault
from simulator.playground.cluster_acts import cluster_named
from simulator.playground.wire_faults import DURATION, NAME, NotUnderstoodError, seconds
from simulator.playground.world import Playground

_YEAR_SECONDS = 365 * 86_400


def vault_named(playground: Playground, name: str) -> Vault:
    """A vault or Managed HSM by its name, or NotUnderstoodError."""
    for vault in playground.azure.vaults.values():
        if vault.name.lower() == name.lower():
            return vault
    raise NotUnderstoodError(f"there is no vault '{name}'")


def _key(vault: Vault, name: str) -> Key:
    if name.lower() not in vault.keys:
        raise NotUnderstoodError(f"there is no key '{name}' in {vault.name}")
    return vault.keys[name.lower()]


def _key_act(playground: Playground, match: re.Match[str]) -> None:
    vault, name = vault_named(playground, match["vault"]), match["name"]
    act = match["act"].lower()
    if act in {"recover", "purge"}:
        if name.lower() not in vault.deleted:
            raise NotUnderstoodError(f"'{name}' is not a deleted key of {vault.name}")
        if act == "recover":
            vault.recover_key(name)
        else:
            del vault.deleted[name.lower()]
        return
    key = _key(vault, name)
    if act == "rotate":
        vault.rotate(name)
    else:
        vault.delete_key(key.name)


def _version_act(playground: Playground, match: re.Match[str]) -> None:
    vault = vault_named(playground, match["vault"])
    key = _key(vault, match["name"])
    place = 2 if match["version"].lower() == "previous" else 1
    if len(key.versions) < place:
        raise NotUnderstoodError(f"'{key.name}' has no previous version")
    version = key.versions[-place].version
    match match["act"].lower():
        case "expire":
            vault.set_attributes(key.name, version, expires=int(vault.clock.timestamp()))
        case "extend":
            vault.set_attributes(key.name, version, expires=int(vault.clock.timestamp()) + _YEAR_SECONDS)
        case act:
            vault.set_attributes(key.name, version, enabled=act == "enable")


def _vault_act(playground: Playground, match: re.Match[str]) -> None:
    vault = vault_named(playground, match["name"])
    match match["how"].lower():
        case "no bypass":
            vault.trusted_services = False
        case "no purge protection":
            vault.purge_protection = False
        case "bypass":
            vault.trusted_services = True
        case "purge protection":
            vault.purge_protection = True
        case "other tenant":
            own = vault.tenant_of(vault.resource_id)
            vault.tenant = next(one for one in playground.azure.tenants.names if one != own)
        case "own tenant":
            vault.tenant = vault.tenant_of(vault.resource_id)
        case how:
            vault.network = Network(how)


def _right(playground: Playground, match: re.Match[str]) -> None:
    """As a role assignment or an access policy is made or removed; a Managed HSM's local role likewise."""
    azure, vault = playground.azure, vault_named(playground, match["vault"])
    is_function = match["who"].lower() == FUNCTION
    who = FUNCTION if is_function else cluster_named(playground, match["who"]).id
    give = match["act"].lower() == "give"
    if vault.hsm:
        change = azure.rights.allow if give else azure.rights.deny
        change(who, "Microsoft.KeyVault/vaults/keys/*", vault.resource_id)
    elif vault.access_policies:
        permissions = ("get", "list") if is_function else ("get", "wrapKey", "unwrapKey")
        vault.permit(who, *(permissions if give else ()))
    elif give:
        role = "Key version reader" if is_function else "Key Vault Crypto Service Encryption User"
        azure.rights.assign(who, role, vault.resource_id)
    else:
        azure.rights.unassign(who, vault.resource_id)


def _propagation(playground: Playground, match: re.Match[str]) -> None:
    playground.azure.rights.propagation_seconds = seconds(match["span"])


ACTS: Mapping[str, Callable[[Playground, re.Match[str]], None]] = {
    rf"key (?P<vault>{NAME})/(?P<name>{NAME}): (?P<act>rotate|delete|recover|purge)": _key_act,
    rf"key (?P<vault>{NAME})/(?P<name>{NAME}): (?P<act>disable|enable|expire|extend) (?P<version>newest|previous)": (
        _version_act
    ),
    rf"vault (?P<name>{NAME}): (?P<how>{'|'.join(Network)}|(?:no )?bypass|(?:no )?purge protection|(?:other|own) tenant)": (
        _vault_act
    ),
    rf"right of (?P<who>{NAME}) on (?P<vault>{NAME}): (?P<act>take|give)": _right,
    rf"rights: take (?P<span>{DURATION}) to count": _propagation,
}
