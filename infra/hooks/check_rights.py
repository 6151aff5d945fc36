"""Whether the caller may do what the two deployments do. A condition on a role may still refuse; Azure does not tell."""

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from azure_cli import AzError, Azure
from belongings import AT_ONCE
from environment import Installation, Place

TYPE = "Microsoft.Authorization/permissions"
DEPLOY = "Microsoft.Resources/deployments/write"
GROUP = "Microsoft.Resources/subscriptions/resourceGroups/write"
ROLE = "Microsoft.Authorization/roleDefinitions/write"
ASSIGN = "Microsoft.Authorization/roleAssignments/write"
AT_A_VAULTS_GROUP = (
    DEPLOY,
    "Microsoft.EventGrid/systemTopics/write",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions/write",
    "Microsoft.Insights/diagnosticSettings/write",
    "Microsoft.Insights/metricAlerts/write",
)


def check_rights(azure: Azure, mine: Installation, scopes: Iterable[Place], vaults: Iterable[Place]) -> list[str]:
    """A sentence for each place where rights are missing."""
    needed = needs(mine, scopes, vaults)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [found for found in pool.map(lambda place: _check(azure, place, needed[place]), needed) if found]


def needs(mine: Installation, scopes: Iterable[Place], vaults: Iterable[Place]) -> dict[str, tuple[str, ...]]:
    """What must be allowed, by ARM id."""
    needed: dict[str, tuple[str, ...]] = {}

    def need(place: str, *actions: str) -> None:
        needed[place] = tuple(dict.fromkeys((*needed.get(place, ()), *actions)))

    need(f"/subscriptions/{mine.subscription}", DEPLOY, GROUP, ASSIGN)
    for scope in scopes:
        # The right to follow operations is one on the whole subscription: their address lies below it.
        need(f"/subscriptions/{scope.subscription}", DEPLOY, ROLE, ASSIGN)
        need(scope.id, ASSIGN)
        if scope.group:
            need(Place(scope.subscription, scope.group).id, DEPLOY)
    for vault in vaults:
        need(f"/subscriptions/{vault.subscription}", DEPLOY, ROLE)
        need(Place(vault.subscription, vault.group).id, *AT_A_VAULTS_GROUP)
        need(vault.id, ASSIGN)
    return needed


def allows(permissions: Iterable[Mapping[str, Any]], action: str) -> bool:
    """Whether any of the caller's roles allows an action and does not take it back itself."""
    return any(
        _matches(role.get("actions") or (), action) and not _matches(role.get("notActions") or (), action)
        for role in permissions
    )


def _matches(patterns: Iterable[str], action: str) -> bool:
    return any(re.fullmatch(re.escape(one).replace(r"\*", ".*"), action, re.IGNORECASE) for one in patterns)


def _check(azure: Azure, place: str, actions: tuple[str, ...]) -> str:
    try:
        permissions = list(azure.pages(f"{place}/providers/{TYPE}", TYPE))
    except AzError as error:
        return f"your rights at {place} cannot be read: {error.short}"
    missing = [action for action in actions if not allows(permissions, action)]
    if not missing:
        return ""
    return (
        f"you may not do {', '.join(missing)} at {place}. Owner may, or Contributor with User Access Administrator: get them, "
        "or let somebody who has them deploy."
    )
