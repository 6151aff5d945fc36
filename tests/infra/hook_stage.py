"""A tenant with two subscriptions, clusters, a vault and deployed apps, for the hooks to act on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import connect
import disconnect
import preflight
from azure_cli import Azure
from tests.infra.fake_arm import event_subscription, topic
from tests.infra.fake_az import Fake

SUBSCRIPTION = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
OTHER = "11111111-1bf0-4dda-aec3-cb9272f09590"
LOGS = f"/subscriptions/{OTHER}/resourceGroups/rg-Logs"
CLUSTER = f"{LOGS}/providers/Microsoft.OperationalInsights/clusters/Cluster-A"
KEYS = f"/subscriptions/{OTHER}/resourceGroups/rg-keys"
VAULT = f"{KEYS}/providers/Microsoft.KeyVault/vaults/contoso"
SECOND_VAULT = f"{KEYS}/providers/Microsoft.KeyVault/vaults/fabrikam"
HUB = f"/subscriptions/{OTHER}/resourceGroups/rg-hub"
LINK_SCOPE = f"{HUB}/providers/Microsoft.Insights/privateLinkScopes/Hub"
STORAGE = f"{LOGS}/providers/Microsoft.Storage/storageAccounts/stqueries"
THEIR_TOPIC = f"{KEYS}/providers/Microsoft.EventGrid/systemTopics/theirs"


def environ(name: str = "prod", subscription: str = SUBSCRIPTION, **more: str) -> dict[str, str]:
    """What azd tells the hooks after provisioning."""
    group = f"/subscriptions/{subscription}/resourceGroups/rg-cmk-rotation-{name}"
    return {
        "AZURE_ENV_NAME": name,
        "AZURE_LOCATION": "westeurope",
        "AZURE_SUBSCRIPTION_ID": subscription,
        "AZURE_RESOURCE_GROUP": f"rg-cmk-rotation-{name}",
        "FUNCTION_APP_ID": f"{group}/providers/Microsoft.Web/sites/func-{name}",
        "APP_PRINCIPAL_ID": f"identity-of-{name}-in-{subscription[:4]}",
        "STORAGE_ACCOUNT_ID": f"{group}/providers/Microsoft.Storage/storageAccounts/st{name}",
        "WORKSPACE_ID": f"{group}/providers/Microsoft.OperationalInsights/workspaces/log-{name}",
        "INSIGHTS_ID": f"{group}/providers/Microsoft.Insights/components/appi-{name}",
        "CALLED_ACTION_GROUP_IDS": f"{group}/providers/Microsoft.Insights/actionGroups/ag-{name}",
        "CLUSTER_SCOPES": f"{CLUSTER}, {LOGS},/subscriptions/{SUBSCRIPTION.upper()}",
        "KEY_VAULT_IDS": VAULT,
    } | more


PROD = environ()
"""Of the app that is there from the start."""
ALL_THAT_CAN_BE_CONNECTED = PROD | {
    "PRIVATE_LINK_SCOPE_ID": LINK_SCOPE,
    "STORAGE_SCOPES": f"{STORAGE},{HUB},/subscriptions/{SUBSCRIPTION}",
}
FRESH_CHECKOUT = ("AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_SUBSCRIPTION_ID")
"""What azd knows of an environment that was only chosen again: no outputs."""


@dataclass
class Stage:
    """The fake Azure, and the hooks as azd runs them."""

    fake: Fake
    waits: list[float] = field(default_factory=list)

    @property
    def azure(self) -> Azure:
        return Azure(self.fake.run, self.waits.append)

    @property
    def state(self) -> dict[str, Any]:
        return self.fake.state

    @property
    def resources(self) -> dict[str, Any]:
        found: dict[str, Any] = self.state["resources"]
        return found

    def outside(self, *apps: Mapping[str, str]) -> set[str]:
        """What connect made for some apps that is there now."""
        marks = [app["FUNCTION_APP_ID"].lower() for app in apps]
        ours = [app[name] for app in apps for name in ("WORKSPACE_ID", "INSIGHTS_ID")]
        workspaces = [app["WORKSPACE_ID"] for app in apps]
        return {
            id_
            for id_, one in self.resources.items()
            if any(self._names(one, mark) for mark in marks)
            or one["properties"].get("workspaceId") in workspaces
            or one["properties"].get("linkedResourceId") in ours
        }

    def _names(self, one: dict[str, Any], mark: str) -> bool:
        told = one["properties"]
        target = ((told.get("destination") or {}).get("properties") or {}).get("resourceId", "")
        return (
            str(told.get("description")).endswith(f"cmk-rotation:{mark}")
            or (one.get("tags") or {}).get("cmk-rotation-app") == mark
            or target.rpartition("/functions/")[0] == mark
        )

    def add(self, id_: str, **resource: Any) -> None:
        given = {"properties": {}, "name": id_.rsplit("/", 1)[-1]} | resource
        self.resources[id_.lower()] = {"id": id_} | given

    def deployed(self, app: Mapping[str, str], sku: str = "FlexConsumption") -> dict[str, str]:
        """An app as `azd provision` leaves it."""
        group = app["FUNCTION_APP_ID"].partition("/providers/")[0]
        self.add(group, tags={"azd-env-name": app["AZURE_ENV_NAME"]})
        plan = f"{group}/providers/Microsoft.Web/serverfarms/plan"
        self.add(plan, sku={"tier": "FlexConsumption"})
        self.add(app["FUNCTION_APP_ID"], location="West Europe", properties={"sku": sku, "serverFarmId": plan})
        self.add(app["WORKSPACE_ID"], properties={"features": {}})
        return dict(app)

    def lock(self, scope: str, level: str = "CanNotDelete") -> str:
        id_ = f"{scope}/providers/Microsoft.Authorization/locks/keep"
        self.add(id_, properties={"level": level})
        return id_

    def unlock(self, id_: str) -> None:
        del self.resources[id_.lower()]

    def their_topic(self, *subscriptions: str, **more: Any) -> None:
        """A system topic that the vault has already, made by somebody else."""
        self.add(
            THEIR_TOPIC,
            **{name: told for name, told in topic(THEIR_TOPIC, VAULT.upper(), **more).items() if name != "id"},
        )
        for name in subscriptions:
            theirs = event_subscription("", "/subscriptions/x/resourcegroups/y/providers/microsoft.web/sites/theirs")
            self.add(f"{THEIR_TOPIC}/eventSubscriptions/{name}", properties=theirs["properties"])

    def refuse(  # noqa: PLR0913 - each is a part of one sentence
        self, method: str, path: str, code: str, reason: str = "Forbidden", *, times: int = 1_000_000, after: int = 0
    ) -> None:
        """Let Azure say no to what has these words in its path; a `$` is its end."""
        refusal = {"method": method, "path": path, "code": code, "reason": reason, "times": times, "after": after}
        self.state["refusals"].append(refusal)

    def forget_refusals(self) -> None:
        self.state["refusals"] = []

    def connect(self, app: Mapping[str, str]) -> None:
        connect.connect(self.azure, app)

    def disconnect(self, app: Mapping[str, str]) -> None:
        disconnect.disconnect(self.azure, app)

    def check(self, app: Mapping[str, str], azd_acts_as: str = "") -> None:
        preflight.check(self.azure, app, lambda: azd_acts_as)

    @property
    def deployments(self) -> int:
        return sum(call[:3] == ["deployment", "sub", "create"] for call in self.state["calls"])


def stage(**state: Any) -> Stage:
    """A tenant in which nothing is connected yet, with the app `prod` deployed."""
    subscriptions = {one: {"tenant": "tenant-a"} for one in (SUBSCRIPTION, OTHER)}
    found = Stage(Fake(json.loads(json.dumps({"subscriptions": subscriptions} | state))))
    for one in (LOGS, KEYS, HUB, LINK_SCOPE, STORAGE):
        found.add(one)
    found.add(CLUSTER, properties={})
    for vault in (VAULT, SECOND_VAULT):
        found.add(vault, location="northeurope", properties={"enableRbacAuthorization": True})
    found.deployed(PROD)
    return found
