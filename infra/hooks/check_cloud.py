"""Whether the subscriptions and this cloud know what the templates ask for."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from azure_cli import AzError, Azure
from environment import Installation, Place

INFRA = Path(__file__).resolve().parent.parent
DECLARED = re.compile(r"^\s*resource \w+ '(Microsoft\.\w+)/([\w/]+)@([\w-]+)'", re.MULTILINE)
ELSEWHERE_OR_PREMIUM = (
    "Take another region ('az functionapp list-flexconsumption-locations' lists them): azd env set AZURE_LOCATION REGION; or: "
    "azd env set HOSTING_PLAN ElasticPremium"
)
ONLY_WITH = {
    "Microsoft.Insights/privateLinkScopes": "PRIVATE_LINK_SCOPE_ID",
    "Microsoft.Insights/privateLinkScopes/scopedResources": "PRIVATE_LINK_SCOPE_ID",
    "Microsoft.Network/virtualNetworks": "VNET_ENABLED",
    "Microsoft.OperationalInsights/workspaces/linkedStorageAccounts": "ALERTS_STORAGE_ID",
}
"""Types that nobody needs who has not set a variable: a cloud without them is no hindrance."""
READY = ("Registered", "Registering")
AT_VAULTS = frozenset({"Microsoft.EventGrid", "Microsoft.Insights", "Microsoft.KeyVault"})
AT_CLUSTERS = frozenset({"Microsoft.OperationalInsights"})
NETWORK = "Microsoft.Network"
FLEX_NETWORK = "Microsoft.App"
"""Flex Consumption's subnet is delegated to it. Nothing in a template names it, so Azure would not register it."""
VAULTS_OWN = "Microsoft.KeyVault"
"""A vault takes no connection of an endpoint in a subscription that does not know it, wherever the vault is."""
ELSEWHERE = frozenset({"Microsoft.EventGrid", "Microsoft.KeyVault"})
ALWAYS_THERE = frozenset({"Microsoft.Authorization", "Microsoft.Resources"})


def declared() -> set[tuple[str, str, str]]:
    """Provider, type and API version of every resource in the templates."""
    return {found for file in INFRA.rglob("*.bicep") for found in DECLARED.findall(file.read_text(encoding="utf-8"))}


def network_providers(environ: Mapping[str, str], *, vaults: bool) -> set[str]:
    """Which providers the app's own network takes, in the app's subscription; `vaults` is whether it has endpoints to any."""
    if environ.get("VNET_ENABLED", "") != "true":
        return set()
    return {NETWORK, *([FLEX_NETWORK] if is_flex(environ) else []), *([VAULTS_OWN] if vaults else [])}


def subnet_provider(environ: Mapping[str, str]) -> str:
    """Which provider a subnet that is there takes in its own subscription: the service that it is delegated to."""
    return FLEX_NETWORK if is_flex(environ) else "Microsoft.Web"


def is_flex(environ: Mapping[str, str]) -> bool:
    """Whether the app is to run on Flex Consumption."""
    return (environ.get("HOSTING_PLAN", "").strip() or "FlexConsumption") == "FlexConsumption"


def needed_providers(
    mine: Installation, scopes: Iterable[Place], vaults: Iterable[Place], network: Iterable[str]
) -> dict[str, set[str]]:
    """Which providers must be registered, by subscription."""
    own = {provider for provider, _, _ in declared()} - ALWAYS_THERE - ELSEWHERE - {NETWORK}
    needed = {mine.subscription: {*own, *network}}
    for scope in scopes:
        needed.setdefault(scope.subscription, set()).update(AT_CLUSTERS)
    for vault in vaults:
        needed.setdefault(vault.subscription, set()).update(AT_VAULTS)
    return needed


def unused(environ: Mapping[str, str]) -> set[str]:
    """Types of the templates of which nothing is made."""
    return {kind for kind, variable in ONLY_WITH.items() if environ.get(variable, "") in ("", "false")}


def check_providers(
    azure: Azure, environ: Mapping[str, str], needed: Mapping[str, set[str]], notes: list[str], *, versions_in: str
) -> list[str]:
    """Sentences about providers that are not registered, and API versions that this cloud has not got."""
    wrong: list[str] = []
    for subscription, providers in needed.items():
        try:
            listed = list(azure.pages(f"/subscriptions/{subscription}/providers", "Microsoft.Resources/providers"))
        except AzError as error:
            notes.append(f"the providers of subscription {subscription} could not be read: {error.short}")
            continue
        known = {str(one["namespace"]).lower(): one for one in listed}
        wrong += _unregistered(subscription, providers, known)
        if subscription == versions_in:
            wrong += _unknown(known, unused(environ), used={*providers, *AT_VAULTS, *AT_CLUSTERS, *ALWAYS_THERE})
    return wrong


def _unregistered(subscription: str, needed: Iterable[str], known: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        f"{name} is not registered in subscription {subscription}: az provider register --namespace {name} "
        f"--subscription {subscription} --wait"
        for name in sorted(needed)
        if known.get(name.lower(), {}).get("registrationState") not in READY
    ]


def _unknown(known: Mapping[str, Mapping[str, Any]], unused_types: set[str], *, used: set[str]) -> list[str]:
    """What this cloud says that it does not know. A type that it does not list at all may still be there."""
    found: list[str] = []
    for provider, kind, version in sorted(declared()):
        types = {
            str(one["resourceType"]).lower(): one for one in known.get(provider.lower(), {}).get("resourceTypes") or []
        }
        versions = types.get(kind.lower(), {}).get("apiVersions") or [version]
        if version not in versions and provider in used and f"{provider}/{kind}" not in unused_types:
            found.append(
                f"this cloud does not know {provider}/{kind}@{version}, which the templates use. The newest that it has is "
                f"{max(versions)}: try that one in infra/, or wait until the cloud has ours."
            )
    return found


def check_region(azure: Azure, environ: Mapping[str, str], notes: list[str]) -> list[str]:
    """A sentence if Flex Consumption is not offered where the app is to be."""
    region = environ.get("AZURE_LOCATION", "").replace(" ", "").lower()
    if not region or not is_flex(environ):
        return []
    try:
        listed = azure.call("functionapp", "list-flexconsumption-locations")
    except AzError as error:
        notes.append(f"whether Flex Consumption is offered in {region} could not be found out: {error.short}")
        return []
    offered = {str(one["name"]).replace(" ", "").lower() for one in listed or []}
    if region in offered:
        return []
    return [f"Flex Consumption is not offered in {region}. {ELSEWHERE_OR_PREMIUM}"]
