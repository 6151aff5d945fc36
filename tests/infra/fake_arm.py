"""What connect/main.bicep makes, and the resources of a subscription, as a dictionary by id in lower case."""

import hashlib
from collections.abc import Iterator
from typing import Any

Resource = dict[str, Any]
AUTHORIZATION = "providers/Microsoft.Authorization"


class RefusedError(Exception):
    """Azure's no: an HTTP reason and a code, or the code of a deployment's error."""

    def __init__(self, reason: str, code: str, message: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.code = code


def short(*texts: str) -> str:
    """As uniqueString: equal for equal texts, and thirteen letters."""
    return hashlib.sha256("|".join(texts).encode()).hexdigest()[:13]


def guid(*texts: str) -> str:
    digest = hashlib.sha256("|".join(texts).encode()).hexdigest()
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))


def connected(given: dict[str, Any]) -> Iterator[tuple[str, Resource]]:
    """Every resource of connect/main.bicep with the name of its output, in an order in which Azure may make them."""
    template = Template(given)
    yield from template.for_clusters()
    yield from template.for_storage()
    yield from template.links()
    roles: dict[str, str] = {}
    for subscription in dict.fromkeys(vault["subscription"] for vault in given["vaults"]):
        made = template.roles(subscription, "keys")["keys"]
        roles[subscription] = made["id"]
        yield from (("keyRoles", one) for one in [made] if "properties" in one)
    for vault in given["vaults"]:
        yield from template.for_vault(vault, roles[vault["subscription"]])


class Template:
    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given
        self.app = given["functionAppId"].lower()
        self.token = short(self.app)
        self.mark = f"cmk-rotation:{self.app}"
        self.tags = given["extraTags"] | {
            "cmk-rotation-app": self.app,
            "cmk-rotation-environment": given["environmentName"],
        }

    def role(self, subscription: str, kind: str) -> Resource:
        name = guid(subscription, self.token, kind)
        told = {
            "type": "CustomRole",
            "roleName": f"CMK rotation: {kind}",
            "description": f"What it is for. {self.mark}",
        }
        return {"id": f"/subscriptions/{subscription}/{AUTHORIZATION}/roleDefinitions/{name}", "properties": told}

    def roles(self, subscription: str, *kinds: str) -> dict[str, Resource]:
        """Our own role of each kind, or where another is given, that one, which is made by nobody here."""
        given = {"clusters": "clusterRole", "operations": "operationRole", "keys": "keyRole", "storage": "storageRole"}
        made = {kind: self.role(subscription, kind) for kind in kinds}
        for kind in kinds:
            if self.given[given[kind]]:
                id_ = f"/subscriptions/{subscription}/{AUTHORIZATION}/roleDefinitions/{self.given[given[kind]]}"
                made[kind] = {"id": id_}
        return made

    def right(self, scope: str, role_id: str, whom: str = "") -> Resource:
        principal = whom or self.given["principalId"]
        name = guid(scope.lower(), self.token, role_id.lower(), principal)
        told = {"roleDefinitionId": role_id, "principalId": principal, "description": self.mark}
        return {"id": f"{scope}/{AUTHORIZATION}/roleAssignments/{name}", "properties": told}

    def for_clusters(self) -> Iterator[tuple[str, Resource]]:
        roles: dict[str, str] = {}
        for subscription in self.given["clusterSubscriptions"]:
            of = self.roles(subscription, "clusters", "operations")
            roles[subscription] = of["clusters"]["id"]
            yield from (("clusterRoles", one) for one in [of["clusters"]] if "properties" in one)
            yield from (("operationRoles", one) for one in [of["operations"]] if "properties" in one)
            yield "operationAccess", self.right(f"/subscriptions/{subscription}", of["operations"]["id"])
        for subscription in self.given["subscriptions"]:
            yield "subscriptionAccess", self.right(f"/subscriptions/{subscription}", roles[subscription])
        for one in self.given["groups"]:
            yield "groupAccess", self.right(group_of(one), roles[one["subscription"]])
        for one in self.given["clusters"]:
            scope = f"{group_of(one)}/providers/Microsoft.OperationalInsights/clusters/{one['name']}"
            yield "clusterAccess", self.right(scope, roles[one["subscription"]])

    def for_storage(self) -> Iterator[tuple[str, Resource]]:
        wholes, groups, singles = (self.given[f"storage{kind}"] for kind in ("Subscriptions", "Groups", "Accounts"))
        scopes = [
            *(("storageSubscriptionAccess", one, f"/subscriptions/{one}") for one in wholes),
            *(("storageGroupAccess", one["subscription"], group_of(one)) for one in groups),
            *(
                (
                    "storageAccess",
                    one["subscription"],
                    f"{group_of(one)}/providers/Microsoft.Storage/storageAccounts/{one['name']}",
                )
                for one in singles
            ),
        ]
        roles = {subscription: self.roles(subscription, "storage")["storage"] for _, subscription, _ in scopes}
        yield from (("storageRoles", one) for one in roles.values() if "properties" in one)
        yield from ((output, self.right(scope, roles[subscription]["id"])) for output, subscription, scope in scopes)

    def links(self) -> Iterator[tuple[str, Resource]]:
        scope = self.given["privateLinkScopeId"]
        for output, what in (("workspaceLinks", "workspace"), ("insightsLinks", "insights")):
            id_ = f"{scope}/scopedResources/cmk-rotation-{self.token}-{what}"
            if scope:
                yield output, {"id": id_, "properties": {"linkedResourceId": self.given[f"{what}Id"]}}

    def for_vault(self, vault: dict[str, str], role_id: str) -> Iterator[tuple[str, Resource]]:
        vault_id = f"{group_of(vault)}/providers/Microsoft.KeyVault/vaults/{vault['name']}"
        unique = short(self.token, vault_id)
        yield "vaultAccess", self.right(vault_id, role_id)
        new_topic = f"{group_of(vault)}/providers/Microsoft.EventGrid/systemTopics/cmk-rotation-{unique}"
        topic_id = vault["topicId"] or new_topic
        principal = vault["topicPrincipalId"] or guid(topic_id)
        if not vault["topicId"]:
            yield "systemTopics", topic(topic_id, vault_id, tags=self.tags, identity={"principalId": principal})
        contributor = f"/subscriptions/{vault['subscription']}/{AUTHORIZATION}/roleDefinitions/blob-data-contributor"
        container = f"{self.given['storageAccountId']}/blobServices/default/containers/dead-letters"
        if self.given["deadLetters"]:
            yield "deadLetterAccess", self.right(container, contributor, principal)
        yield (
            "eventSubscriptions",
            event_subscription(f"{topic_id}/eventSubscriptions/cmk-rotation-{self.token}", self.app),
        )
        setting = f"{topic_id}/providers/Microsoft.Insights/diagnosticSettings/cmk-rotation-{self.token}"
        yield "diagnosticSettings", {"id": setting, "properties": {"workspaceId": self.given["workspaceId"]}}
        for output, metric in (("deadLetterAlerts", "DeadLetteredCount"), ("droppedEventAlerts", "DroppedEventCount")):
            name = f"cmk-rotation-events-{vault['name']}-{unique}-{metric}"
            id_ = f"{group_of(vault)}/providers/Microsoft.Insights/metricAlerts/{name}"
            yield output, {"id": id_, "tags": self.tags, "properties": {"scopes": [topic_id]}}


def group_of(one: dict[str, str]) -> str:
    return f"/subscriptions/{one['subscription']}/resourceGroups/{one['group']}"


def topic(id_: str, source: str, **more: Any) -> Resource:
    return {"id": id_, "properties": {"source": source, "topicType": "Microsoft.KeyVault.Vaults"}, **more}


def event_subscription(id_: str, app: str) -> Resource:
    target = {"endpointType": "AzureFunction", "properties": {"resourceId": f"{app}/functions/on_key_event"}}
    return {"id": id_, "properties": {"destination": target}}
