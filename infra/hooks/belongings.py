"""What one installation has outside its own resource group, found where Azure lists it now.

Known by the function app's id alone: in descriptions of roles and rights, in tags, as an event subscription's destination; and
a diagnostic setting by the workspace it writes to, a place in a private link scope by what it leads to. Never by how a name
begins, and never by deployment history, which knows nothing of a deployment that failed half way.
"""

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from azure_cli import AzError, Azure, say
from environment import Installation

ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"
ROLES = "Microsoft.Authorization/roleDefinitions"
TOPICS = "Microsoft.EventGrid/systemTopics"
EVENTS = "Microsoft.EventGrid/systemTopics/eventSubscriptions"
DIAGNOSTICS = "Microsoft.Insights/diagnosticSettings"
ALERTS = "Microsoft.Insights/metricAlerts"
LINK_SCOPES = "Microsoft.Insights/privateLinkScopes"
LINKS = "Microsoft.Insights/privateLinkScopes/scopedResources"
REMOVAL_ORDER = (LINKS, EVENTS, ALERTS, DIAGNOSTICS, TOPICS, ASSIGNMENTS, ROLES)
"""What hangs on something goes before it."""
MARK = re.compile(r"cmk-rotation:(/\S+)")
"""How connect/main.bicep writes the function app's id into a description."""
TAG = "cmk-rotation-app"
"""How it writes it into tags."""
UNKNOWN_KIND = frozenset({"InvalidResourceType", "NoRegisteredProviderFound"})
"""Codes by which a cloud says that it does not know a type, or its API version."""
AT_ONCE = 4
"""Subscriptions that are looked through at once; each question is a process."""


@dataclass(frozen=True)
class Belonging:
    """A resource of this installation, or a system topic that it may have to leave."""

    id: str
    type: str
    what: str = ""

    @property
    def key(self) -> str:
        """By which two ids are one thing: the id, but a role's or right's own name, which is unique, however it is listed."""
        return self.id.rstrip("/").lower().rsplit("/", 1)[-1] if self.type in (ROLES, ASSIGNMENTS) else self.id.lower()


def belonging(resource: str) -> Belonging:
    """A resource by its ARM id; KeyError for a type that nothing here makes."""
    parts = resource.lower().rsplit("/providers/", 1)[1].split("/")
    spelt = "/".join([parts[0], *parts[1::2]])
    return Belonging(resource, {name.lower(): name for name in REMOVAL_ORDER}[spelt])


@dataclass(frozen=True)
class GivenByHand:
    """A right that connect did not give: by a role of ours, or to the app's identity."""

    id: str
    whose: str


@dataclass
class Found:
    """All that is this installation's, and where nothing could be seen."""

    ours: list[Belonging] = field(default_factory=list)
    by_hand: list[GivenByHand] = field(default_factory=list)
    unseen: dict[str, str] = field(default_factory=dict)
    """Subscriptions that could not be looked through, and what Azure said."""


def visible_subscriptions(azure: Azure) -> list[str]:
    """Ids of the subscriptions of this tenant that the caller sees."""
    listed = azure.pages("/subscriptions", "Microsoft.Resources/subscriptions")
    return sorted({str(one["subscriptionId"]).lower() for one in listed})


def find(azure: Azure, mine: Installation, principal: str, named: Iterable[str]) -> Found:
    """Look through every subscription that the caller sees, and through those named."""
    subscriptions = sorted({*visible_subscriptions(azure), *(one.lower() for one in named), mine.subscription})
    say(f"Looking through {len(subscriptions)} subscriptions for what is there of {mine.environment} ...")
    found = Found()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = pool.map(lambda one: _look_through(azure, mine, principal, one), subscriptions)
        for subscription, answer in zip(subscriptions, answers, strict=True):
            if isinstance(answer, AzError):
                found.unseen[subscription] = answer.short
            else:
                found.ours += answer.ours
                found.by_hand += answer.by_hand
    # What lies above subscriptions is listed in each of them.
    found.ours = list({one.key: one for one in found.ours}.values())
    found.by_hand = list(dict.fromkeys(found.by_hand))
    return found


def tell_unseen(unseen: Mapping[str, str]) -> None:
    """Remark where nothing could be seen; there may be many such subscriptions, and most are nobody's concern here."""
    if unseen:
        why = next(iter(unseen.values()))
        say(f"Note: not looked through, because Azure did not let us: {', '.join(unseen)}. Of the first it said: {why}")


def tell_by_hand(rights: Iterable[GivenByHand]) -> None:
    """Name the rights that are somebody's own doing: whoever gave one takes it away."""
    for one in rights:
        say(
            f"Note: not given by connect, and so left: a right of {one.whose}. If nobody needs it: "
            f"az role assignment delete --ids {one.id}"
        )


def _look_through(azure: Azure, mine: Installation, principal: str, subscription: str) -> Found | AzError:
    try:
        found = Found()
        roles = _roles(azure, mine, subscription)
        for right in azure.pages(f"/subscriptions/{subscription}/providers/{ASSIGNMENTS}", ASSIGNMENTS):
            # To use a role of ours makes a right no less somebody else's.
            if _marked(mine, right["properties"]):
                found.ours.append(Belonging(right["id"], ASSIGNMENTS))
            elif whose := _whose(mine, right, principal, roles):
                found.by_hand.append(GivenByHand(right["id"], whose))
        found.ours += roles
        found.ours += [
            Belonging(alert["id"], ALERTS)
            for alert in azure.pages(f"/subscriptions/{subscription}/providers/{ALERTS}", ALERTS)
            if mine.owns(_tagged(alert))
        ]
        found.ours += _links(azure, mine, subscription)
        for topic in azure.pages(f"/subscriptions/{subscription}/providers/{TOPICS}", TOPICS):
            if str(topic["properties"].get("topicType")).lower() == "microsoft.keyvault.vaults":
                found.ours += _at_topic(azure, mine, topic)
    except AzError as error:
        return error
    return found


def _whose(mine: Installation, right: dict[str, Any], principal: str, roles: Iterable[Belonging]) -> str:
    """Who has a right that connect did not give and the operator must know of; empty for one that is no concern of ours."""
    told = right["properties"]
    if principal and str(told["principalId"]).lower() == principal and not mine.contains(right["id"]):
        return "the app's identity"
    by_ours = str(told["roleDefinitionId"]).lower().rsplit("/", 1)[-1] in {role.key for role in roles}
    return str(told["principalId"]) if by_ours else ""


def _roles(azure: Azure, mine: Installation, subscription: str) -> list[Belonging]:
    path = f"/subscriptions/{subscription}/providers/{ROLES}"
    listed = azure.pages(path, ROLES, "$filter=type eq 'CustomRole'")
    return [
        Belonging(f"{path}/{role['name']}", ROLES, str(role["properties"].get("roleName", "")))
        for role in listed
        if _marked(mine, role["properties"])
    ]


def _links(azure: Azure, mine: Installation, subscription: str) -> list[Belonging]:
    """What is ours in private link scopes. A cloud that does not know such a thing has none."""
    try:
        scopes = list(azure.pages(f"/subscriptions/{subscription}/providers/{LINK_SCOPES}", LINK_SCOPES))
    except AzError as error:
        if error.code not in UNKNOWN_KIND:
            raise
        return []
    return [
        Belonging(link["id"], LINKS)
        for scope in scopes
        for link in azure.pages(f"{scope['id']}/scopedResources", LINKS)
        if mine.contains(str(link["properties"].get("linkedResourceId") or ""))
    ]


def _at_topic(azure: Azure, mine: Installation, topic: dict[str, Any]) -> list[Belonging]:
    """What is ours at a vault's system topic; and the topic, if one of this product made it and it may be ours to leave."""
    events = [
        Belonging(one["id"], EVENTS)
        for one in azure.pages(f"{topic['id']}/eventSubscriptions", EVENTS)
        if mine.owns(destination(one))
    ]
    settings = [
        Belonging(one["id"], DIAGNOSTICS)
        for one in azure.pages(f"{topic['id']}/providers/{DIAGNOSTICS}", DIAGNOSTICS)
        if mine.contains(str(one["properties"].get("workspaceId") or ""))
    ]
    maker = _tagged(topic)
    leaves = mine.owns(maker) or (maker and (events or settings or _is_gone(azure, maker)))
    return [*events, *settings, *([Belonging(topic["id"], TOPICS)] if leaves else [])]


def destination(subscription: dict[str, Any]) -> str:
    """ARM id of the function app that an event subscription delivers to; empty for another kind of destination."""
    target = subscription["properties"].get("destination") or {}
    app, function, _ = str((target.get("properties") or {}).get("resourceId") or "").lower().partition("/functions/")
    return app if function else ""


def _marked(mine: Installation, properties: dict[str, Any]) -> bool:
    return any(mine.owns(app) for app in MARK.findall(str(properties.get("description") or "")))


def _tagged(resource: dict[str, Any]) -> str:
    return str((resource.get("tags") or {}).get(TAG) or "").lower()


def _is_gone(azure: Azure, app: str) -> bool:
    """Whether the app that made a topic is no more. Not to be seen is not gone."""
    try:
        return not azure.exists(app, "Microsoft.Web/sites")
    except AzError:
        return False
