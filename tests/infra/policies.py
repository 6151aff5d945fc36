"""Policies that refuse deployments, and what they make of a resource.

Conditions are those of the definitions that are public: github.com/Azure/azure-policy (built-in), and of the landing zones,
github.com/Azure/Enterprise-Scale. An effect is Deny, whatever the definition's own default is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.infra.deployed import Resource

WITHOUT_TAGS = {
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Authorization/roleDefinitions",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions",
    "Microsoft.Insights/diagnosticSettings",
    "Microsoft.Insights/privateLinkScopes/scopedResources",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
    "Microsoft.OperationalInsights/workspaces/linkedStorageAccounts",
    "Microsoft.Storage/storageAccounts/blobServices",
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    "Microsoft.Storage/storageAccounts/queueServices",
    "Microsoft.Storage/storageAccounts/queueServices/queues",
    "Microsoft.Storage/storageAccounts/tableServices",
    "Microsoft.Storage/storageAccounts/tableServices/tables",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
    "Microsoft.Web/sites/config",
}
"""learn.microsoft.com/azure/azure-resource-manager/management/tag-support"""
GROUP = "Microsoft.Resources/subscriptions/resourceGroups"
"""As policies call it."""
NETWORKS = "Microsoft.Network/virtualNetworks"
STORAGE, WORKSPACES = "Microsoft.Storage/storageAccounts", "Microsoft.OperationalInsights/workspaces"
COMPONENTS, WORKBOOKS = "Microsoft.Insights/components", "Microsoft.Insights/workbooks"
RULES, ROLES = "Microsoft.Insights/scheduledQueryRules", "Microsoft.Authorization/roleDefinitions"
Rule = Mapping[str, Any]


@dataclass(frozen=True)
class Policy:
    """A policy; of mode Indexed are those that look only at what has tags and a location, and at no resource group."""

    name: str
    rule: Rule
    indexed: bool = False

    def denies(self, resource: Mapping[str, Any]) -> bool:
        """Whether it refuses a resource, given as Azure's API takes it, with its type."""
        kind = resource["type"]
        if self.indexed and (kind == GROUP or kind in WITHOUT_TAGS):
            return False
        return _holds(self.rule, resource)


def as_sent(resource: Resource) -> dict[str, Any]:
    """What the template asks Azure for, as a policy looks at it."""
    body = {name: value for name, value in resource.body.items() if name not in {"parent", "scope", "dependsOn"}}
    return {**body, "type": resource.type, "name": resource.name, "id": resource.id, "apiVersion": resource.version}


def _holds(rule: Rule, resource: Mapping[str, Any]) -> bool:
    match rule:
        case {"allOf": rules}:
            return all(_holds(one, resource) for one in rules)
        case {"anyOf": rules}:
            return any(_holds(one, resource) for one in rules)
        case {"field": "type", "equals": kind}:
            return bool(resource["type"].lower() == kind.lower())
        case {"some": field, "exists": there}:
            return any((value is not None) is there for value in _values(resource, field))
        case {"field": field, "exists": there}:
            return all((value is not None) is there for value in _values(resource, field))
        case {"field": field, "notEquals": wanted}:
            return all(str(value).lower() != wanted.lower() for value in _values(resource, field))
        case {"field": field, "equals": wanted}:
            return all(str(value).lower() == wanted.lower() for value in _values(resource, field))
        case _:
            raise AssertionError(rule)


def _values(resource: Any, field: str) -> list[Any]:
    """What a path leads to: of each item where it has `[*]`; None where it leads nowhere."""
    found = [resource]
    for step in field.split("."):
        name, _, each = step.partition("[*]")
        found = [one.get(name) if isinstance(one, dict) else None for one in found]
        if step.endswith("[*]") or each:
            found = [item for one in found for item in one or []]
    return found


def _public(kind: str) -> Rule:
    fields = ("publicNetworkAccessForIngestion", "publicNetworkAccessForQuery")
    return {
        "allOf": [
            {"field": "type", "equals": kind},
            {"anyOf": [{"field": f"properties.{one}", "notEquals": "Disabled"} for one in fields]},
        ]
    }


def _of(kind: str, *rules: Rule) -> Rule:
    return {"allOf": [{"field": "type", "equals": kind}, *rules]}


TAG = Policy("Require a tag on resources", {"field": "tags.owner", "exists": False}, indexed=True)
TAG_OF_GROUPS = Policy("Require a tag on resource groups", _of(GROUP, {"field": "tags.owner", "exists": False}))
PUBLIC_STORAGE = Policy(
    "Storage accounts should disable public network access",
    _of(STORAGE, {"field": "properties.publicNetworkAccess", "notEquals": "Disabled"}),
)
NO_SECURITY_GROUP = Policy(
    "Subnets should have a Network Security Group",
    _of(NETWORKS, {"some": "properties.subnets[*].properties.networkSecurityGroup.id", "exists": False}),
)
NOT_PRIVATE = Policy(
    "Subnets should be private",
    _of(NETWORKS, {"field": "properties.subnets[*].properties.defaultOutboundAccess", "notEquals": "false"}),
)
"""Of a field of many, a condition holds if it holds for all: one private subnet is enough for this one."""
PRIVATE_ZONES = Policy(
    "Deny the creation of private DNS", {"field": "type", "equals": "Microsoft.Network/privateDnsZones"}
)
OWN_NETWORKS = Policy("Not allowed resource types (virtual networks)", {"field": "type", "equals": NETWORKS})
PUBLIC_WORKSPACE = Policy(
    "Log Analytics workspaces should block log ingestion and querying from public networks", _public(WORKSPACES)
)
PUBLIC_COMPONENT = Policy(
    "Application Insights components should block log ingestion and querying from public networks", _public(COMPONENTS)
)
LOCAL_SIGN_IN = Policy(
    "Application Insights components should block non-Azure Active Directory based ingestion",
    _of(COMPONENTS, {"field": "properties.DisableLocalAuth", "notEquals": "true"}),
)
ALERTS_UNDER_AZURES_KEY = Policy(
    "Azure Log Search Alerts over Log Analytics workspaces should use customer-managed keys",
    _of(RULES, {"field": "properties.checkWorkspaceAlertsStorageConfigured", "notEquals": "true"}),
)
WORKBOOK_UNDER_AZURES_KEY = Policy(
    "Workbooks should be saved to storage accounts that you control",
    _of(WORKBOOKS, {"field": "properties.storageUri", "exists": False}),
)
CUSTOM_ROLES = Policy(
    "Audit usage of custom RBAC roles", _of(ROLES, {"field": "properties.type", "equals": "CustomRole"})
)
EVERY = [one for one in list(globals().values()) if isinstance(one, Policy)]
