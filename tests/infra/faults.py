"""What an evaluated deployment must not have: anything twice or elsewhere, a wrong name, an unknown property, a null."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.infra.deployed import Deployment, Resource

_NAMES = {
    "Microsoft.EventGrid/systemTopics": r"[a-zA-Z0-9-]{3,50}",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": r"[a-zA-Z0-9-]{3,64}",
    "Microsoft.Insights/actionGroups": r"[^:<>+/&%\\?]{1,260}",
    "Microsoft.Insights/components": r"[a-zA-Z0-9._()-]{1,260}",
    "Microsoft.Insights/metricAlerts": r"[^*#&+:<>?@%{}\\/]{1,260}",
    "Microsoft.Insights/scheduledQueryRules": r"[^*<>%{}&:\\?/#|]{1,260}",
    "Microsoft.ManagedIdentity/userAssignedIdentities": r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}",
    "Microsoft.Network/privateEndpoints": r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}[a-zA-Z0-9_]",
    "Microsoft.Network/virtualNetworks": r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}[a-zA-Z0-9_]",
    "Microsoft.OperationalInsights/workspaces": r"[a-zA-Z0-9][a-zA-Z0-9-]{2,61}[a-zA-Z0-9]",
    "Microsoft.Resources/resourceGroups": r"[\w.()-]{0,89}[\w()-]",
    "Microsoft.Storage/storageAccounts": r"[a-z0-9]{3,24}",
    "Microsoft.Web/serverfarms": r"[a-zA-Z0-9-]{1,60}",
    "Microsoft.Web/sites": r"[a-zA-Z0-9][a-zA-Z0-9-]{0,58}[a-zA-Z0-9]",
}
"""learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules"""
_DEPLOYMENT_NAME = r"[\w.()-]{1,64}"
_SITE = {
    "functionAppConfig",
    "httpsOnly",
    "keyVaultReferenceIdentity",
    "serverFarmId",
    "siteConfig",
    "virtualNetworkSubnetId",
    "vnetContentShareEnabled",
    "vnetRouteAllEnabled",
}
_SITE_CONFIG = {
    "ftpsState",
    "functionsRuntimeScaleMonitoringEnabled",
    "http20Enabled",
    "ipSecurityRestrictions",
    "ipSecurityRestrictionsDefaultAction",
    "linuxFxVersion",
    "minTlsVersion",
    "minimumElasticInstanceCount",
    "scmIpSecurityRestrictionsUseMain",
    "scmMinTlsVersion",
}
"""Of Microsoft.Web/sites@2023-12-01, as far as they are used: both were held against the models of that version in
azure-mgmt-web 7.3.1. In a `union` the compiler does not look at names."""


def faults(deployment: Deployment, *, group: str | None = None) -> list[str]:
    """All that is wrong, in words. With a group, nothing may lie outside it."""
    return [
        *_twice(deployment),
        *(fault for resource in deployment.everything() for fault in _of(resource)),
        *(f"deployed outside: {one.id}" for one in deployment.everything() if group and not _within(one.id, group)),
    ]


def _twice(deployment: Deployment) -> Iterator[str]:
    """A template may define a resource once, a scope takes one deployment of a name, and a right is given once."""
    resources = Counter(resource.id.lower() for resource in deployment.everything())
    nested = Counter(f"{one.scope}: {one.name}".lower() for one in deployment.deployments())
    rights = Counter(_right(one) for one in deployment.all("Microsoft.Authorization/roleAssignments"))
    for kind, counted in (("resource", resources), ("deployment", nested), ("right", rights)):
        yield from (f"{kind} twice: {name}" for name, times in counted.items() if times > 1)
    names = [one.name for one in deployment.deployments()]
    yield from (f"deployment's name: {name}" for name in names if not re.fullmatch(_DEPLOYMENT_NAME, name))


def _right(one: Resource) -> str:
    """Who may do what where, whatever the assignment's own name is."""
    where = one.id.lower().rpartition("/providers/microsoft.authorization/")[0]
    return f"{where} {one.properties['roleDefinitionId']} {one.properties['principalId']}".lower()


def _of(resource: Resource) -> Iterator[str]:
    name = resource.id.rpartition("/")[2]
    if not re.fullmatch(_NAMES.get(resource.type, r"[^/]{1,128}"), name):
        yield f"{resource.type}'s name: {name}"
    if resource.type == "Microsoft.Web/sites":
        config = resource.properties["siteConfig"]
        yield from (f"sites has no {name}" for name in resource.properties.keys() - _SITE)
        yield from (f"siteConfig has no {name}" for name in config.keys() - _SITE_CONFIG)
        yield from (f"null in siteConfig: {name}" for name in _nulls(config))


def _nulls(value: Any, name: str = "") -> Iterator[str]:
    if value is None:
        yield name
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from _nulls(item, f"{name}/{key}")


def _within(id_: str, group: str) -> bool:
    return f"{id_}/".lower().startswith(f"{group}/".lower())
