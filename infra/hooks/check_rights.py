"""Whether the caller may do what the two deployments do. A condition on a role may still refuse; Azure does not tell."""

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from azure_cli import AzError, Azure
from belongings import AT_ONCE
from environment import Installation, Place
from named import Named

TYPE = "Microsoft.Authorization/permissions"
DEPLOY = "Microsoft.Resources/deployments/write"
GROUP = "Microsoft.Resources/subscriptions/resourceGroups/write"
ROLE = "Microsoft.Authorization/roleDefinitions/write"
ASSIGN = "Microsoft.Authorization/roleAssignments/write"
SEE_RIGHTS = "Microsoft.Authorization/roleAssignments/read"
APPROVE = "Microsoft.KeyVault/vaults/PrivateEndpointConnectionsApproval/action"
NEW_TOPIC = "Microsoft.EventGrid/systemTopics/write"
AT_A_TOPICS_GROUP = (
    DEPLOY,
    "Microsoft.EventGrid/systemTopics/eventSubscriptions/write",
    "Microsoft.Insights/diagnosticSettings/write",
    "Microsoft.Insights/metricAlerts/write",
)


@dataclass(frozen=True)
class Asked:
    """What is asked for, as far as rights hang on it."""

    approving: bool = False
    """Whether the deployment approves private endpoints to the vaults."""
    cluster_roles: bool = True
    """Whether it makes roles for clusters, or for operations."""
    key_role: bool = True
    storage: tuple[Place, ...] = ()
    """Where the app may see which keys encrypt storage accounts."""
    storage_role: bool = True


NOTHING_UNUSUAL = Asked()


def check_rights(azure: Azure, needed: Mapping[str, tuple[str, ...]], notes: list[str]) -> list[str]:
    """A sentence for each place where rights are missing. Where Azure does not tell rights, that is only a note."""
    wrong: list[str] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for place, permissions in zip(needed, pool.map(lambda one: _permissions(azure, one), needed), strict=True):
            if isinstance(permissions, AzError):
                notes.append(f"your rights at {place} could not be read, and so were not checked: {permissions.short}")
                continue
            missing = [action for action in needed[place] if not allows(permissions, action)]
            if missing:
                wrong.append(f"you may not do {', '.join(missing)} at {place}. {_remedy(missing)}")
    return wrong


def needs(
    mine: Installation,
    scopes: Iterable[Place],
    vaults: Iterable[Place],
    topics: Mapping[Place, Place],
    asked: Asked = NOTHING_UNUSUAL,
) -> dict[str, tuple[str, ...]]:
    """What must be allowed, by ARM id. `topics` are the system topics that vaults have already, wherever they lie."""
    needed: dict[str, tuple[str, ...]] = {}

    def need(place: str, *actions: str) -> None:
        needed[place] = tuple(dict.fromkeys((*needed.get(place, ()), *actions)))

    need(f"/subscriptions/{mine.subscription}", DEPLOY, GROUP, ASSIGN)
    for scope in scopes:
        # The right to follow operations is one on the whole subscription: their address lies below it.
        need(f"/subscriptions/{scope.subscription}", DEPLOY, *([ROLE] if asked.cluster_roles else []), ASSIGN)
        need(scope.id, ASSIGN)
        if scope.group:
            need(Place(scope.subscription, scope.group).id, DEPLOY)
    for scope in asked.storage:
        need(f"/subscriptions/{scope.subscription}", DEPLOY, *([ROLE] if asked.storage_role else []))
        need(scope.id, ASSIGN)
        if scope.group:
            need(Place(scope.subscription, scope.group).id, DEPLOY)
    for vault in vaults:
        need(f"/subscriptions/{vault.subscription}", DEPLOY, *([ROLE] if asked.key_role else []))
        need(Place(vault.subscription, vault.group).id, DEPLOY, *([] if vault in topics else [NEW_TOPIC]))
        topic = topics.get(vault, vault)
        need(Place(topic.subscription, topic.group).id, *AT_A_TOPICS_GROUP)
        need(vault.id, ASSIGN, *([APPROVE] if asked.approving else []))
    return needed


def needs_also(needed: Mapping[str, tuple[str, ...]], named: Iterable[Named]) -> dict[str, tuple[str, ...]]:
    """With what must be allowed at what variables name."""
    found = dict(needed)
    for one in named:
        for place, actions in ((one.id, one.kind.at_it), (one.group, one.kind.at_its_group)):
            if actions:
                found[place] = tuple(dict.fromkeys((*found.get(place, ()), *actions)))
    return found


def allows(permissions: Iterable[Mapping[str, Any]], action: str, *, data: bool = False) -> bool:
    """Whether any of some roles allows an action, or data action, and does not take it back itself."""
    yes, no = ("dataActions", "notDataActions") if data else ("actions", "notActions")
    return any(
        _matches(role.get(yes) or (), action) and not _matches(role.get(no) or (), action) for role in permissions
    )


def _matches(patterns: Iterable[str], action: str) -> bool:
    return any(re.fullmatch(re.escape(one).replace(r"\*", ".*"), action, re.IGNORECASE) for one in patterns)


def _permissions(azure: Azure, place: str) -> list[dict[str, Any]] | AzError:
    try:
        return list(azure.pages(f"{place}/providers/{TYPE}", TYPE))
    except AzError as error:
        return error


def _remedy(missing: list[str]) -> str:
    if missing == [APPROVE]:
        return "Let the vault's owner approve the private endpoint: azd env set VAULT_OWNERS_APPROVE true"
    return "Owner may, or Contributor with User Access Administrator: get them, or let somebody who has them deploy."
