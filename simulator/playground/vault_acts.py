"""What can be done to keys, vaults and rights in one line."""

import re

from simulator.azure import FUNCTION
from simulator.keyvault.keys import Key, Network
from simulator.keyvault.vaults import Vault
from simulator.playground.cluster_acts import cluster_named
from simulator.playground.subject import Subject
from simulator.playground.words import DURATION, NAME, NotUnderstoodError, seconds
from simulator.playground.world import Playground

_YEAR_SECONDS = 365 * 86_400


def vault_named(playground: Playground, name: str) -> Vault:
    """A vault or Managed HSM by its name, or NotUnderstoodError."""
    vaults = playground.azure.vaults.values()
    for vault in vaults:
        if vault.name.lower() == name.lower():
            return vault
    raise NotUnderstoodError(f"there is no vault '{name}'; there are {', '.join(sorted(one.name for one in vaults))}")


def _key(vault: Vault, name: str) -> Key:
    if name.lower() not in vault.keys:
        known = ", ".join(sorted(one.name for one in vault.keys.values())) or "none"
        raise NotUnderstoodError(f"there is no key '{name}' in {vault.name}; there are {known}")
    return vault.keys[name.lower()]


def _key_act(playground: Playground, match: re.Match[str]) -> str:
    vault, name = vault_named(playground, match["vault"]), match["name"]
    act = match["act"].lower()
    if act in {"recover", "purge"}:
        if name.lower() not in vault.deleted:
            raise NotUnderstoodError(f"'{name}' is not a deleted key of {vault.name}")
        if act == "recover":
            vault.recover_key(name)
            return f"{name} is in {vault.name} again, as it was"
        del vault.deleted[name.lower()]
        return f"{name} is gone from {vault.name} for good"
    key = _key(vault, name)
    if act == "rotate":
        return f"{key.name} in {vault.name} has the new version {vault.rotate(name).version}"
    vault.delete_key(key.name)
    return f"{key.name} is deleted from {vault.name}, and can be recovered"


def _version_act(playground: Playground, match: re.Match[str]) -> str:
    vault = vault_named(playground, match["vault"])
    key = _key(vault, match["name"])
    version, now = _version(key, match["version"].lower()), int(vault.clock.timestamp())
    match match["act"].lower():
        case "expire":
            vault.set_attributes(key.name, version, expires=now)
            done = "has expired"
        case "extend":
            vault.set_attributes(key.name, version, expires=now + _YEAR_SECONDS)
            done = "expires in a year"
        case act:
            vault.set_attributes(key.name, version, enabled=act == "enable")
            done = f"is {act}d"
    return f"version {version} of {key.name} in {vault.name} {done}"


def _version(key: Key, which: str) -> str:
    """A version by its place, or by how its id begins."""
    ids = [one.version for one in key.versions]
    place = {"newest": -1, "previous": -2}.get(which)
    if place is not None and len(ids) < -place:
        raise NotUnderstoodError(f"'{key.name}' has no previous version")
    found = [ids[place]] if place is not None else [one for one in ids if one.startswith(which)]
    if len(found) != 1:
        many = "is not the beginning of one" if not found else "is the beginning of more than one"
        raise NotUnderstoodError(f"'{which}' {many} version of {key.name}; there are {', '.join(ids)}")
    return found[0]


def _vault_act(playground: Playground, match: re.Match[str]) -> str:
    vault, how = vault_named(playground, match["name"]), match["how"].lower()
    match how:
        case "bypass" | "no bypass":
            vault.trusted_services = how == "bypass"
        case "purge protection" | "no purge protection":
            vault.purge_protection = how == "purge protection"
        case "other tenant":
            own = vault.tenant_of(vault.resource_id)
            vault.tenant = next(one for one in playground.azure.tenants.names if one != own)
        case "own tenant":
            vault.tenant = vault.tenant_of(vault.resource_id)
        case _:
            vault.network = Network(how)
    return f"{vault.name} {_BECOMES[how]}"


_BECOMES = {
    Network.FIREWALL: "is behind a firewall now, which lets trusted services in",
    Network.PRIVATE: "can be reached by private endpoints and trusted services alone now",
    Network.PERIMETER: "is secured by a perimeter now, which lets no trusted service in",
    Network.OPEN: "can be reached from everywhere now",
    "bypass": "lets trusted services in now",
    "no bypass": "lets no trusted service in now, unless it is open",
    "purge protection": "is protected from purging now",
    "no purge protection": "is not protected from purging now: Azure gives no cluster a key from it",
    "other tenant": "trusts another tenant now",
    "own tenant": "trusts its own tenant now",
}


def _right(playground: Playground, match: re.Match[str]) -> str:
    """As a role assignment or an access policy is made or removed; a Managed HSM's local role likewise."""
    azure, vault = playground.azure, vault_named(playground, match["vault"])
    is_function = match["who"].lower() == FUNCTION
    who = FUNCTION if is_function else cluster_named(playground, match["who"]).id
    give = match["act"].lower() == "give"
    counts = "at once"
    if vault.hsm:
        change = azure.rights.allow if give else azure.rights.deny
        change(who, "Microsoft.KeyVault/vaults/keys/*", vault.resource_id)
    elif vault.access_policies:
        permissions = ("get", "list") if is_function else ("get", "wrapKey", "unwrapKey")
        vault.permit(who, *(permissions if give else ()))
    else:
        counts = f"in {azure.rights.propagation_seconds / 60:g} min"
        if give:
            role = "Key version reader" if is_function else "Key Vault Crypto Service Encryption User"
            azure.rights.assign(who, role, vault.resource_id)
        else:
            azure.rights.unassign(who, vault.resource_id)
    return f"{match['who'].lower()} {'has its right' if give else 'loses its right'} on {vault.name}, which counts {counts}"


def _propagation(playground: Playground, match: re.Match[str]) -> str:
    playground.azure.rights.propagation_seconds = seconds(match["span"])
    return f"from now on role assignments, and their removal, count after {match['span']}"


SUBJECTS = (
    Subject(
        rf"key (?P<vault>{NAME})/(?P<name>{NAME})",
        "key VAULT/NAME",
        (
            "rotate | delete | recover | purge",
            "disable newest | enable newest | expire newest | extend newest (or previous, or a version's id)",
        ),
        {
            "(?P<act>rotate|delete|recover|purge)": _key_act,
            r"(?P<act>disable|enable|expire|extend) (?P<version>newest|previous|[0-9a-f]{4,32})": _version_act,
        },
    ),
    Subject(
        rf"vault (?P<name>{NAME})",
        "vault NAME",
        (
            "firewall | private | perimeter | open | no bypass | bypass",
            "no purge protection | purge protection | other tenant | own tenant",
        ),
        {f"(?P<how>{'|'.join(_BECOMES)})": _vault_act},
    ),
    Subject(
        rf"right of (?P<who>{NAME}) on (?P<vault>{NAME})",
        "right of CLUSTER on VAULT",
        ("take | give (or of `function`, in place of a cluster)",),
        {"(?P<act>take|give)": _right},
    ),
    Subject("rights", "rights", ("take 10 min to count",), {rf"take (?P<span>{DURATION}) to count": _propagation}),
)
