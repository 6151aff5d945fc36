"""Subnets that are there: whether the app and its endpoints can be put into them."""

from collections.abc import Iterable, Mapping
from typing import Any

from azure_cli import AzError, Azure
from check_cloud import is_flex
from environment import Installation
from named import Named
from own_group import tags_of_group

NETWORKS = "Microsoft.Network/virtualNetworks"
ENDPOINTS = "Microsoft.Network/privateEndpoints"
SMALLEST = 27
"""learn.microsoft.com/azure/azure-functions/flex-consumption-how-to: the smallest subnet that Flex Consumption takes."""


def check_network(
    azure: Azure, environ: Mapping[str, str], mine: Installation, named: Iterable[Named], notes: list[str]
) -> list[str]:
    """Sentences about subnets that the app or its endpoints cannot be in."""
    subnets = {one.variable: one for one in named if one.variable.endswith("_SUBNET_ID")}
    wrong: list[str] = []
    try:
        for one in subnets.values():
            wrong += _region(azure, environ, one, notes)
        if "APP_SUBNET_ID" in subnets:
            wrong += _for_the_app(azure, environ, subnets["APP_SUBNET_ID"])
        if len({one.id for one in subnets.values()}) < len(subnets):
            wrong.append("APP_SUBNET_ID and ENDPOINT_SUBNET_ID are one subnet, and the app's takes nothing but the app")
        wrong += _moved(azure, environ, mine)
    except AzError as error:
        wrong.append(f"the networks cannot be looked at: {error.short}")
    return list(dict.fromkeys(wrong))


def _region(azure: Azure, environ: Mapping[str, str], one: Named, notes: list[str]) -> list[str]:
    """An app and an endpoint are in the region of their network, which who has only a subnet may not see."""
    network = one.id.rpartition("/subnets/")[0]
    try:
        there = _plain(str(azure.get(network, NETWORKS)["location"]))
    except AzError as error:
        notes.append(f"whether the network {network} is in the app's region could not be seen: {error.short}")
        return []
    wanted = _plain(environ.get("AZURE_LOCATION", ""))
    if not wanted or there == wanted:
        return []
    return [
        f"the network {network} is in {there}, and the app would be in {wanted}: azd env set AZURE_LOCATION {there}"
    ]


def _for_the_app(azure: Azure, environ: Mapping[str, str], one: Named) -> list[str]:
    told = azure.get(one.id, one.kind.type)["properties"]
    service = "Microsoft.App/environments" if is_flex(environ) else "Microsoft.Web/serverFarms"
    delegated = [str(each["properties"]["serviceName"]) for each in told.get("delegations") or []]
    name = one.id.rpartition("/")[2]
    wrong: list[str] = []
    if [each.lower() for each in delegated] != [service.lower()]:
        wrong.append(
            f"the subnet {one.id} is delegated to {', '.join(delegated) or 'nobody'}, and the app needs {service}: "
            f"az network vnet subnet update --delegations {service} --ids {one.id}"
        )
    if is_flex(environ) and "_" in name:
        wrong.append(f"the subnet {name} has an underscore in its name, which Flex Consumption does not take")
    if is_flex(environ) and (length := _length(told)) > SMALLEST:
        wrong.append(
            f"the subnet {name} is a /{length}, and Flex Consumption takes none that is smaller than a /{SMALLEST}"
        )
    return wrong


def _length(subnet: Mapping[str, Any]) -> int:
    """Of its prefix in IPv4; 0 if it does not tell."""
    prefixes = [subnet.get("addressPrefix"), *(subnet.get("addressPrefixes") or [])]
    return max((int(one.rpartition("/")[2]) for one in prefixes if one and "." in one), default=0)


def _moved(azure: Azure, environ: Mapping[str, str], mine: Installation) -> list[str]:
    """An endpoint stays in its subnet for life, and the template calls it by the same name."""
    wanted = environ.get("ENDPOINT_SUBNET_ID", "").strip().lower() or f"{mine.group_id}/"
    if environ.get("VNET_ENABLED", "") != "true" or tags_of_group(azure, mine) is None:
        return []
    there = [
        str(one["properties"]["subnet"]["id"]).lower()
        for one in azure.pages(f"{mine.group_id}/providers/{ENDPOINTS}", ENDPOINTS)
    ]
    return [
        f"{mine.environment} has private endpoints in {one}, and an endpoint cannot move: set ENDPOINT_SUBNET_ID back, or make "
        "another environment ('azd env new NAME'), or 'azd down' first."
        for one in sorted(set(there))
        if not one.startswith(wanted)
    ]


def _plain(text: str) -> str:
    return text.replace(" ", "").lower()
