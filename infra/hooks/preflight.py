"""Everything that is wrong, said at once and before anything is made. `azd` runs this before provisioning."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from azure_cli import AzError, Azure, StoppedError, say
from check_cloud import check_providers, check_region, needed_providers, network_providers, subnet_provider
from check_network import check_network
from check_places import check_locks, check_own_group, check_vault, is_visible
from check_policies import check_policies
from check_rights import Asked, check_rights, needs, needs_also
from check_values import check_values
from check_watch import check_watch
from environment import (
    SCOPE_KINDS,
    STORAGE_KINDS,
    VAULT_KINDS,
    Installation,
    Place,
    connected_by_others,
    installation,
    places,
)
from extra_tags import check_tags_of_others
from given_roles import CLUSTER_ROLES, KEY_ROLES, STORAGE_ROLES, check_roles, given_role
from named import Named, check_named, named
from sign_in import azd_account, sign_in

OLDEST_BICEP = (0, 36)
"""Older ones do not know the rules of infra/bicepconfig.json. What was compiled was compiled with 0.49."""


@dataclass
class Findings:
    """What stops, each with its remedy, and what is only good to know."""

    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check(azure: Azure, environ: Mapping[str, str], whom_azd_acts_as: Callable[[], str] = azd_account) -> None:
    """Look at everything; stop with one list if anything is wrong."""
    say("Checking what the deployment needs, before anything is made ...")
    findings = Findings()
    findings.wrong += check_values(environ)
    _check_bicep(azure, findings)
    if (mine := _check_sign_in(azure, environ, findings, whom_azd_acts_as)) is not None:
        _check_azure(azure, environ, mine, findings)
    for note in findings.notes:
        say(f"Note: {note}")
    if findings.wrong:
        items = "".join(f"\n  {number}. {one}" for number, one in enumerate(findings.wrong, 1))
        count = "one thing is" if len(findings.wrong) == 1 else f"{len(findings.wrong)} things are"
        raise StoppedError(f"nothing was made, because {count} wrong:{items}\nThen run the same command again.")
    say("Nothing is in the way.")


def _check_bicep(azure: Azure, findings: Findings) -> None:
    try:
        told = azure.text("bicep", "version")
    except AzError as error:
        findings.wrong.append(f"the Azure CLI has no Bicep: 'az bicep install'. It said: {error.short}")
        return
    found = re.search(r"(\d+)\.(\d+)\.\d+", told)
    if found and (int(found[1]), int(found[2])) < OLDEST_BICEP:
        oldest = ".".join(map(str, OLDEST_BICEP))
        findings.wrong.append(f"the Azure CLI has Bicep {found[0]}, and {oldest} is needed: 'az bicep upgrade'")


def _check_sign_in(
    azure: Azure, environ: Mapping[str, str], findings: Findings, whom_azd_acts_as: Callable[[], str]
) -> Installation | None:
    if not environ.get("AZURE_SUBSCRIPTION_ID", "").strip():
        findings.wrong.append(
            "AZURE_SUBSCRIPTION_ID is not set: 'azd up' asks for it first, or: azd env set AZURE_SUBSCRIPTION_ID ID"
        )
        return None
    try:
        mine = installation(environ)
        account = sign_in(azure, environ, mine.subscription)
    except StoppedError as stopped:
        findings.wrong.append(str(stopped))
        return None
    findings.notes.append(
        f"rights are those of {account}; a condition on a role of theirs may refuse what looks allowed."
    )
    acts_as = whom_azd_acts_as()
    if acts_as and acts_as.lower() != account.name.lower():
        findings.notes.append(f"azd acts as {acts_as}, and it needs the rights on the app's own subscription.")
    return mine


def _check_azure(azure: Azure, environ: Mapping[str, str], mine: Installation, findings: Findings) -> None:
    where = places(environ, "CLUSTER_SCOPES", SCOPE_KINDS)[0]
    keys = places(environ, "KEY_VAULT_IDS", VAULT_KINDS)[0]
    storage = places(environ, "STORAGE_SCOPES", STORAGE_KINDS)[0]
    wrong, notes = findings.wrong, findings.notes
    wrong += check_own_group(azure, environ, mine, [*where, *keys, *storage])
    # What only those who connect must see and may do does not stop a deployer who leaves that to them.
    outside = notes if connected_by_others(environ) else wrong
    seen = [one for one in where if is_visible(azure, one, outside)]
    seen_vaults = [one for one in keys if is_visible(azure, one, outside)]
    seen_storage = [one for one in storage if is_visible(azure, one, outside)]
    looked_at = [check_vault(azure, environ, vault, outside, notes) for vault in seen_vaults]
    theirs = _check_named(azure, environ, mine, findings)
    wrong += check_network(azure, environ, mine, theirs, notes)
    wrong += check_watch(azure, environ, theirs, notes)
    topics = {vault.place: vault.topic for vault in looked_at if vault is not None and vault.topic is not None}
    if connected_by_others(environ):
        seen, seen_vaults, seen_storage, topics = [], [], [], {}
    needed_rights = needs(mine, seen, seen_vaults, topics, _asked(environ, seen_storage))
    wrong += check_rights(azure, needs_also(needed_rights, theirs), notes)
    wrong += check_roles(azure, environ, CLUSTER_ROLES, (one.subscription for one in seen), notes)
    wrong += check_roles(azure, environ, KEY_ROLES, (one.subscription for one in seen_vaults), notes)
    wrong += check_roles(azure, environ, STORAGE_ROLES, (one.subscription for one in seen_storage), notes)
    needed = needed_providers(mine, seen, seen_vaults, network_providers(environ, vaults=bool(keys)))
    for subnet in (one for one in theirs if one.variable == "APP_SUBNET_ID"):
        needed.setdefault(subnet.subscription, set()).add(subnet_provider(environ))
    wrong += check_providers(azure, environ, needed, notes, versions_in=mine.subscription)
    check_tags_of_others(azure, environ, mine, (one.subscription for one in [*seen_vaults, *topics.values()]), notes)
    wrong += check_region(azure, environ, notes)
    places_to_lock = [Place(mine.subscription, mine.group), *seen, *seen_vaults, *seen_storage, *topics.values()]
    wrong += check_locks(azure, places_to_lock, notes)
    if not wrong:
        known = [one for one in looked_at if one is not None]
        outside_too = None if connected_by_others(environ) else (where, known, storage)
        wrong += check_policies(azure, environ, mine, notes, outside_too)


def _asked(environ: Mapping[str, str], storage: list[Place]) -> Asked:
    return Asked(
        approving=environ.get("VNET_ENABLED", "") == "true" and environ.get("VAULT_OWNERS_APPROVE", "") != "true",
        cluster_roles=not all(given_role(environ, one) for one in CLUSTER_ROLES),
        key_role=not all(given_role(environ, one) for one in KEY_ROLES),
        storage=tuple(storage),
        storage_role=not all(given_role(environ, one) for one in STORAGE_ROLES),
    )


def _check_named(azure: Azure, environ: Mapping[str, str], mine: Installation, findings: Findings) -> list[Named]:
    """The resources that variables name, which are there and must allow what is done with them."""
    found: list[Named] = []
    for one in named(environ):
        others = one.kind.by_connect and connected_by_others(environ)
        if check_named(azure, mine, one, findings.notes if others else findings.wrong) and not others:
            found.append(one)
    return found
