"""ARM's own resources: the tenant, subscriptions, resource groups, providers, and the list of everything.

Shapes are those of the REST references, cut down to what clients read.
"""

import re
from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator.arm.answers import GROUP, SUBSCRIPTION, ArmError, Handler, answer, check_right, envelope, listed
from simulator.entra import identity
from simulator.entra.roles import within
from simulator.state import State

_TYPES = {
    "Microsoft.OperationalInsights": ("clusters", "workspaces", "locations/operationStatuses"),
    "Microsoft.KeyVault": ("vaults", "managedHSMs"),
    "Microsoft.Storage": ("storageAccounts",),
    "Microsoft.EventGrid": ("systemTopics", "systemTopics/eventSubscriptions"),
    "Microsoft.Authorization": ("roleAssignments", "roleDefinitions", "locks"),
    "Microsoft.Web": ("sites",),
    "Microsoft.Insights": ("scheduledQueryRules",),
}
_VERSIONS = {
    "Microsoft.OperationalInsights": ["2025-07-01", "2025-02-01", "2022-10-01"],
    "Microsoft.KeyVault": ["2026-02-01", "2024-11-01", "2023-07-01"],
    "Microsoft.Storage": ["2025-01-01", "2024-01-01"],
    "Microsoft.EventGrid": ["2025-02-15", "2022-06-15"],
    "Microsoft.Authorization": ["2022-04-01", "2016-09-01"],
    "Microsoft.Web": ["2022-03-01"],
    "Microsoft.Insights": ["2021-08-01"],
}


class Resources:
    """The handlers for these paths, over one Azure's things."""

    def __init__(self, state: State) -> None:
        self.state = state

    def routes(self) -> Mapping[str, Handler]:
        """Handlers by the pattern of their paths."""
        return {
            "/subscriptions": self._subscriptions,
            "/tenants": self._tenants,
            SUBSCRIPTION: self._subscription,
            rf"{SUBSCRIPTION}/resourceGroups": self._groups,
            GROUP: self._group,
            rf"{SUBSCRIPTION}/providers": self._providers,
            rf"{SUBSCRIPTION}/providers/(?P<namespace>[^/]+)": self._provider,
            rf"{SUBSCRIPTION}/resources": self._resources,
        }

    def _known(self) -> list[str]:
        return sorted({subscription for subscription, _ in self.state.arm.resource_groups})

    def _subscriptions(self, _: Request, principal: str, __: dict[str, str]) -> Response:
        tenant = self.state.identities.tenant(principal)
        mine = [one for one in self._known() if self.state.tenants.of(one) == tenant]
        visible = [one for one in mine if self._sees_something_in(principal, one)]
        return listed(self._subscription_body(one) for one in visible)

    def _sees_something_in(self, principal: str, subscription: str) -> bool:
        """A subscription is listed for whoever has any role in it."""
        rights = self.state.rights
        if not rights.by_roles:
            return True
        mine = identity.principal_id(principal)
        inside = f"/subscriptions/{subscription}"
        return any(
            one.principal_id == mine and (within(one.scope, inside) or within(inside, one.scope))
            for one in rights.assignments.values()
        )

    def _subscription(self, _: Request, __: str, path: dict[str, str]) -> Response:
        if path["subscription"].lower() not in self._known():
            raise ArmError(
                404, "SubscriptionNotFound", f"The subscription '{path['subscription']}' could not be found."
            )
        return answer(self._subscription_body(path["subscription"]))

    def _subscription_body(self, subscription: str) -> dict[str, Any]:
        return {
            "id": f"/subscriptions/{subscription}",
            "subscriptionId": subscription,
            "tenantId": self.state.tenants.of(subscription),
            "displayName": self.state.subscription_names.get(subscription.lower(), "Simulated"),
            "state": "Enabled",
            "subscriptionPolicies": {"quotaId": "Simulated", "spendingLimit": "Off"},
            "authorizationSource": "RoleBased",
            "managedByTenants": [],
        }

    def _tenants(self, _: Request, principal: str, __: dict[str, str]) -> Response:
        """Only the caller's own: nobody is a guest elsewhere here."""
        tenant = self.state.identities.tenant(principal)
        name = self.state.tenants.names[tenant]
        return listed([{"id": f"/tenants/{tenant}", "tenantId": tenant, "displayName": name}])

    def _groups(self, _: Request, principal: str, path: dict[str, str]) -> Response:
        mine = sorted(name for owner, name in self.state.arm.resource_groups if owner == path["subscription"].lower())
        scope = f"/subscriptions/{path['subscription']}"
        check_right(self.state.rights, principal, "Microsoft.Resources/subscriptions/resourceGroups/read", scope)
        # As they were written by whoever made something there.
        written = {one.resource_group.lower(): one.resource_group for one in self.state.arm.clusters.values()}
        return listed(_group_body(scope, written.get(name, name)) for name in mine)

    def _group(self, _: Request, principal: str, path: dict[str, str]) -> Response:
        scope = f"/subscriptions/{path['subscription']}"
        action = "Microsoft.Resources/subscriptions/resourceGroups/read"
        check_right(self.state.rights, principal, action, f"{scope}/resourceGroups/{path['group']}")
        if (path["subscription"].lower(), path["group"].lower()) not in self.state.arm.resource_groups:
            raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{path['group']}' could not be found.")
        return answer(_group_body(scope, path["group"]))

    def _providers(self, _: Request, __: str, path: dict[str, str]) -> Response:
        return listed(self._provider_body(path["subscription"], namespace) for namespace in _TYPES)

    def _provider(self, _: Request, __: str, path: dict[str, str]) -> Response:
        for namespace in _TYPES:
            if namespace.lower() == path["namespace"].lower():
                return answer(self._provider_body(path["subscription"], namespace))
        raise ArmError(404, "InvalidResourceNamespace", f"The namespace '{path['namespace']}' is not known.")

    def _provider_body(self, subscription: str, namespace: str) -> dict[str, Any]:
        known = (subscription.lower(), namespace.lower()) not in self.state.unregistered
        return {
            "id": f"/subscriptions/{subscription}/providers/{namespace}",
            "namespace": namespace,
            "registrationState": "Registered" if known else "NotRegistered",
            "resourceTypes": [
                {"resourceType": one, "locations": ["West Europe"], "apiVersions": self._versions(namespace, one)}
                for one in _TYPES[namespace]
            ],
        }

    def _versions(self, namespace: str, type_: str) -> list[str]:
        """Newest first, as Azure lists them."""
        if (namespace, type_) == ("Microsoft.OperationalInsights", "clusters"):
            return sorted(self.state.arm.cluster_versions, reverse=True)
        return _VERSIONS[namespace]

    def _resources(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        scope = f"/subscriptions/{path['subscription']}"
        check_right(self.state.rights, principal, "Microsoft.Resources/subscriptions/resources/read", scope)
        arm = self.state.arm
        accounts = [one.resource_id for one in self.state.accounts.values()]
        every = [
            *((one.id, "Microsoft.OperationalInsights/clusters", one.location) for one in arm.clusters.values()),
            *((one.id, "Microsoft.OperationalInsights/workspaces", one.location) for one in arm.workspaces.values()),
            *((one.resource_id, one.resource_type, one.location) for one in self.state.vaults.values()),
            *((one, "Microsoft.Storage/storageAccounts", "westeurope") for one in accounts),
        ]
        wanted = dict(re.findall(r"(\w+) eq '([^']*)'", request.args.get("$filter", "")))
        return listed(
            {"id": id_, "name": id_.rpartition("/")[2], "type": type_, "location": location}
            for id_, type_, location in every
            if within(id_, scope)
            and wanted.get("name", id_.rpartition("/")[2]).lower() == id_.rpartition("/")[2].lower()
            and wanted.get("resourceType", type_).lower() == type_.lower()
        )


def _group_body(scope: str, name: str) -> dict[str, Any]:
    body = envelope(f"{scope}/resourceGroups/{name}", "Microsoft.Resources/resourceGroups")
    return {**body, "properties": {"provisioningState": "Succeeded"}}
