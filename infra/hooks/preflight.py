"""Everything that is wrong, said at once and before anything is made. `azd` runs this before provisioning."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from azure_cli import AzError, Azure, StoppedError, say
from check_cloud import check_providers, check_region, needed_providers
from check_rights import check_rights, needs
from environment import (
    NONE,
    SCOPE_KINDS,
    VAULT_KINDS,
    Installation,
    Place,
    installation,
    places,
)
from key_vaults import look_at, policy_offer
from locks import locks
from own_group import foreign, tags_of_group
from sign_in import azd_account, sign_in

OLDEST_BICEP = (0, 36)
"""Older ones do not know the rules of infra/bicepconfig.json. What was compiled was compiled with 0.49."""
SITES = "Microsoft.Web/sites"
SWITCHES = ("VNET_ENABLED", "VAULT_OWNERS_APPROVE", "ONLY_EVENT_GRID_INBOUND")
UNFIT = re.compile(r'[\r\n"\\]')
"""azd writes values into JSON as they are: these would end in 'error unmarshalling Bicep template parameters'."""


@dataclass
class Findings:
    """What stops, each with its remedy, and what is only good to know."""

    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check(azure: Azure, environ: Mapping[str, str], whom_azd_acts_as: Callable[[], str] = azd_account) -> None:
    """Look at everything; stop with one list if anything is wrong."""
    say("Checking what the deployment needs, before anything is made ...")
    findings = Findings()
    _check_values(environ, findings)
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


def _check_values(environ: Mapping[str, str], findings: Findings) -> None:
    for name, kinds, example in (
        ("CLUSTER_SCOPES", SCOPE_KINDS, "IDS of subscriptions, resource groups or clusters"),
        ("KEY_VAULT_IDS", VAULT_KINDS, f"IDS of key vaults', or '{NONE}' if every key is in a Managed HSM: '"),
    ):
        value = environ.get(name, "").strip()
        if not value:
            findings.wrong.append(
                f"{name} is not set. azd asks for it after this check. azd env set {name} '{example}'"
            )
        elif UNFIT.search(value):
            one_line = ",".join(part.strip(' "\\') for part in re.split(r"[,\r\n]+", value) if part.strip(' "\\'))
            findings.wrong.append(
                f"{name} has line breaks, quotes or backslashes, which azd cannot pass on. azd env set {name} '{one_line}'"
            )
        findings.wrong += places(environ, name, kinds)[1]
    for name, allowed in {
        "MODE": ("observe", "enforce"),
        "HOSTING_PLAN": ("FlexConsumption", "ElasticPremium"),
        **dict.fromkeys(SWITCHES, ("true", "false")),
    }.items():
        value = environ.get(name, "").strip()
        if value and value not in allowed:
            findings.wrong.append(f"{name} is '{value}'. azd env set {name} {' or '.join(allowed)}")


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
    _check_own_group(azure, environ, mine, [*where, *keys], findings)
    seen = [one for one in where if _is_visible(azure, one, findings)]
    seen_vaults = [one for one in keys if _check_vault(azure, environ, one, findings)]
    vnet = environ.get("VNET_ENABLED", "") == "true"
    approving = vnet and environ.get("VAULT_OWNERS_APPROVE", "") != "true"
    findings.wrong += check_rights(azure, needs(mine, seen, seen_vaults, approving=approving), findings.notes)
    needed = needed_providers(mine, seen, seen_vaults, vnet=vnet)
    findings.wrong += check_providers(azure, needed, findings.notes, versions_in=mine.subscription)
    findings.wrong += check_region(azure, environ, findings.notes)
    for lock in locks(azure, (mine.subscription, *(one.subscription for one in [*seen, *seen_vaults]))):
        held = next((one for one in (mine.group_id, *(p.id for p in [*seen, *seen_vaults])) if lock.holds(one)), "")
        if held and lock.level == "ReadOnly":
            findings.wrong.append(f"the lock {lock.id} forbids to make anything at {held}: {lock.remedy}")
        elif held:
            findings.notes.append(f"the lock {lock.id} must be lifted for a moment before 'azd down'.")


def _check_own_group(
    azure: Azure, environ: Mapping[str, str], mine: Installation, named: list[Place], findings: Findings
) -> None:
    findings.wrong += [
        f"{one.id} lies in the app's own resource group, which 'azd down' deletes with all that is in it. Take another "
        "environment name: 'azd env new NAME'."
        for one in named
        if mine.contains(one.id) or one.id == mine.group_id
    ]
    try:
        tags = tags_of_group(azure, mine)
        if tags is None:
            return
        if somebodys := foreign(tags, mine):
            findings.wrong.append(somebodys)
            return
        sites = list(azure.pages(f"{mine.group_id}/providers/{SITES}", SITES))
    except AzError as error:
        findings.wrong.append(f"the resource group {mine.group} cannot be looked at: {error.short}")
        return
    for site in sites:
        findings.wrong += _moved(environ, mine, site)


def _moved(environ: Mapping[str, str], mine: Installation, site: "dict[str, object]") -> list[str]:
    """An app changes neither its kind of plan nor its region: a second one would be made beside it."""
    properties = site.get("properties")
    sku = str(properties.get("sku")) if isinstance(properties, dict) else ""
    wanted = environ.get("HOSTING_PLAN", "").strip() or "FlexConsumption"
    there, region = _plain(str(site.get("location"))), _plain(environ.get("AZURE_LOCATION", ""))
    instead = "Set it back, or make another environment ('azd env new NAME'), or 'azd down' first."
    found = []
    if _plain(sku) in ("flexconsumption", "elasticpremium") and _plain(sku) != _plain(wanted):
        found.append(f"{mine.environment} was deployed as {sku} and cannot become {wanted} (HOSTING_PLAN). {instead}")
    if region and there != region:
        found.append(f"{mine.environment} is in {there} and cannot move to {region} (AZURE_LOCATION). {instead}")
    return found


def _plain(text: str) -> str:
    return text.replace(" ", "").lower()


def _is_visible(azure: Azure, one: Place, findings: Findings) -> bool:
    kind = one.type or ("Microsoft.Resources/resourceGroups" if one.group else "Microsoft.Resources/subscriptions")
    return _answers(azure, one, {kind.lower(): kind for kind in KINDS}[kind.lower()], findings)


KINDS = (
    "Microsoft.Resources/resourceGroups",
    "Microsoft.Resources/subscriptions",
    "Microsoft.OperationalInsights/clusters",
)


def _answers(azure: Azure, one: Place, kind: str, findings: Findings) -> bool:
    try:
        azure.get(one.id, kind)
    except AzError as error:
        why = "does not exist" if error.gone else "cannot be seen with this sign-in"
        findings.wrong.append(f"{one.id} {why}: correct the id, or get Reader there. {error.short}")
        return False
    return True


def _check_vault(azure: Azure, environ: Mapping[str, str], one: Place, findings: Findings) -> bool:
    try:
        vault = look_at(azure, one)
    except StoppedError as stopped:
        findings.wrong.append(str(stopped))
        return True
    except AzError as error:
        why = "does not exist" if error.gone else "cannot be seen with this sign-in"
        findings.wrong.append(
            f"the key vault {one.id} {why}: correct KEY_VAULT_IDS, or get Reader there. {error.short}"
        )
        return False
    if vault.closed and environ.get("VNET_ENABLED", "") != "true":
        findings.wrong.append(
            f"the key vault {one.name} has a firewall, and Functions is not one of its trusted services: the app would "
            "never read a key. azd env set VNET_ENABLED true"
        )
    offer = policy_offer(vault, environ.get("APP_PRINCIPAL_ID", "").strip() or "APP_PRINCIPAL_ID")
    if offer:
        findings.notes.append(f"{offer} (once the app is there: 'azd env get-value APP_PRINCIPAL_ID')")
    return True
