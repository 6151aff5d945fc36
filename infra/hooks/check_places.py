"""Whether what the app is to look after is there, and its own resource group is its own."""

from collections.abc import Iterable, Mapping
from typing import Any

from azure_cli import AzError, Azure, StoppedError
from environment import Installation, Place
from key_vaults import VAULTS, Vault, look_at, policy_offer
from locks import locks
from own_group import foreign, tags_of_group

SITES = "Microsoft.Web/sites"
GROUPS = "Microsoft.Resources/resourceGroups"
SUBSCRIPTIONS = "Microsoft.Resources/subscriptions"
CLOSED = (
    "has a firewall, and Functions is not one of its trusted services, so the app would never read a key: "
    "azd env set VNET_ENABLED true"
)
RESOURCES = {
    one.lower(): one for one in ("Microsoft.OperationalInsights/clusters", "Microsoft.Storage/storageAccounts", VAULTS)
}


def check_own_group(azure: Azure, environ: Mapping[str, str], mine: Installation, named: Iterable[Place]) -> list[str]:
    """Sentences if the group is somebody else's, holds what it must not, or has an app that would have to move."""
    wrong = [
        f"{one.id} lies in the app's own resource group, which 'azd down' deletes with all that is in it. Take another "
        "environment name: 'azd env new NAME'."
        for one in named
        if f"{one.id}/".startswith(f"{mine.group_id}/")
    ]
    try:
        tags = tags_of_group(azure, mine)
        if somebodys := foreign(tags, mine):
            return [*wrong, somebodys]
        sites = [] if tags is None else list(azure.pages(f"{mine.group_id}/providers/{SITES}", SITES))
        return [*wrong, *(sentence for site in sites for sentence in _moved(azure, environ, mine, site))]
    except AzError as error:
        return [*wrong, f"the resource group {mine.group} cannot be looked at: {error.short}"]


def _moved(azure: Azure, environ: Mapping[str, str], mine: Installation, site: Mapping[str, Any]) -> list[str]:
    """An app changes neither its kind of plan nor its region: a second one would be made beside it."""
    sku = _sku(azure, site.get("properties") or {})
    wanted = environ.get("HOSTING_PLAN", "").strip() or "FlexConsumption"
    there, region = _plain(str(site.get("location"))), _plain(environ.get("AZURE_LOCATION", ""))
    instead = "Set it back, or make another environment ('azd env new NAME'), or 'azd down' first."
    wrong = []
    if _plain(sku) in ("flexconsumption", "elasticpremium") and _plain(sku) != _plain(wanted):
        wrong.append(f"{mine.environment} was deployed as {sku} and cannot become {wanted} (HOSTING_PLAN). {instead}")
    if region and there != region:
        wrong.append(f"{mine.environment} is in {there} and cannot move to {region} (AZURE_LOCATION). {instead}")
    return wrong


def _sku(azure: Azure, app: Mapping[str, Any]) -> str:
    """The kind of plan, by the app's own word or else by its plan's."""
    if app.get("sku") or not app.get("serverFarmId"):
        return str(app.get("sku") or "")
    return str(azure.get(str(app["serverFarmId"]), "Microsoft.Web/serverfarms")["sku"]["tier"])


def _plain(text: str) -> str:
    return text.replace(" ", "").lower()


def not_shown(azure: Azure, one: Place) -> AzError | None:
    """What Azure says if it does not show a scope or vault to this sign-in."""
    try:
        azure.get(one.id, RESOURCES.get(one.type) or (GROUPS if one.group else SUBSCRIPTIONS))
    except AzError as error:
        return error
    return None


def is_visible(azure: Azure, one: Place, wrong: list[str]) -> bool:
    """Whether Azure shows a scope or vault to this sign-in; if not, a sentence is added that tells missing from hidden."""
    error = not_shown(azure, one)
    if error is not None:
        why = "does not exist" if error.gone else "cannot be seen with this sign-in"
        wrong.append(f"{one.id} {why}: correct the id, or get Reader there. {error.short}")
    return error is None


def check_vault(
    azure: Azure, environ: Mapping[str, str], one: Place, wrong: list[str], notes: list[str]
) -> Vault | None:
    """What is known of a vault; sentences are added if the app could not read it, or could not have its events."""
    try:
        vault = look_at(azure, one)
    except StoppedError as stopped:
        wrong.append(str(stopped))
        return None
    except AzError as error:
        wrong.append(f"the system topics of {one.id} cannot be looked at: {error.short}")
        return None
    offer = policy_offer(vault, environ.get("APP_PRINCIPAL_ID", "").strip() or "APP_PRINCIPAL_ID")
    if offer:
        notes.append(f"{offer} (once the app is there: 'azd env get-value APP_PRINCIPAL_ID')")
    if vault.closed and environ.get("VNET_ENABLED", "") != "true":
        wrong.append(f"the key vault {one.name} {CLOSED}")
    return vault


def check_locks(azure: Azure, named: Iterable[Place], notes: list[str]) -> list[str]:
    """Sentences about locks that forbid to make anything; those that forbid only to remove it are remarked."""
    ids = [one.id for one in named]
    wrong: list[str] = []
    for lock in locks(azure, (one.split("/")[2] for one in ids)):
        held = next((one for one in ids if lock.holds(one)), "")
        if held and lock.level == "ReadOnly":
            wrong.append(f"the lock {lock.id} forbids to make anything at {held}: {lock.remedy}")
        elif held:
            notes.append(f"the lock {lock.id} must be lifted for a moment before 'azd down'.")
    return wrong
