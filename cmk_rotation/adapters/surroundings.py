"""What `preflight` reads around clusters and their keys, with the operator's own sign-in. Nothing here changes anything.

Each read names the right that it takes, and comes back as `Unread` with it where Azure does not answer. The versions of the
APIs are old ones that have all that is read, for clouds lag behind.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cmk_rotation.adapters.arm import Arm
from cmk_rotation.adapters.json_values import items, mapping, text
from cmk_rotation.adapters.keys import VaultKeys
from cmk_rotation.adapters.linked_accounts import ArmLinkedAccounts
from cmk_rotation.adapters.log_queries import newest_heartbeat
from cmk_rotation.adapters.once import Once
from cmk_rotation.adapters.vault_answers import vault
from cmk_rotation.config.clouds import Cloud
from cmk_rotation.controller.ports import AzureCallError
from cmk_rotation.domain.identifiers import AppId, ClusterId, Key, StorageId
from cmk_rotation.domain.vocabulary import FailureKind
from cmk_rotation.preflight.rights import see_vault, vault_type
from cmk_rotation.preflight.seen import (
    AlertRule,
    Details,
    EventSubscription,
    Grant,
    LinkedAccount,
    Lock,
    Material,
    Unread,
    Vault,
)

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_AUTHORIZATION, _LOCKS, _RESOURCES = "2022-04-01", "2016-09-01", "2020-01-01"
_VAULTS, _EVENT_GRID = "2021-10-01", "2022-06-15"
_WEB, _ALERTS, _SENTINEL = "2022-03-01", "2021-08-01", "2023-02-01"


class Surroundings:
    """Reads of what is around. Threads may ask side by side; what several of them need is read once."""

    def __init__(self, credential: "TokenCredential", cloud: Cloud) -> None:
        self._arm, self._cloud, self._credential = Arm(credential, cloud), cloud, credential
        self._accounts = ArmLinkedAccounts(self._arm)
        self._keys = VaultKeys(credential, cloud)
        self._once = Once()

    # --- clusters ---

    def details(self, cluster_id: ClusterId) -> Details | Unread:
        """Where a cluster is, and as whom it asks for its key."""

        def read() -> Details:
            body = self._arm.get(cluster_id.text, self._cloud.arm_api_version)
            identity = mapping(body.get("identity"))
            users = mapping(identity.get("userAssignedIdentities")).values()
            ids = [identity.get("principalId"), *(mapping(one).get("principalId") for one in users)]
            return Details(
                text(body.get("location")).replace(" ", "").lower(),
                (text(identity.get("type")) or "none").lower(),
                tuple(id_.lower() for id_ in ids if isinstance(id_, str) and id_),
            )

        right = "Microsoft.OperationalInsights/clusters/read on it"
        return self._once(("details", cluster_id.key), lambda: _read("the cluster's identity", right, read))

    def tenant(self, subscription: str) -> str | Unread:
        """Whose a subscription is."""

        def read() -> str:
            return text(self._arm.get(f"/subscriptions/{subscription}", _RESOURCES).get("tenantId")).lower()

        what = f"the tenant of subscription {subscription}"
        return self._once(("tenant", subscription), lambda: _read(what, "a role (Reader) in it", read))

    def locks(self, subscription: str) -> tuple[Lock, ...] | Unread:
        """All locks in a subscription."""

        def read() -> tuple[Lock, ...]:
            path = f"/subscriptions/{subscription}/providers/Microsoft.Authorization/locks"
            return tuple(_lock(body) for body in self._arm.listed(path, _LOCKS))

        what = f"the locks in subscription {subscription}"
        right = "Microsoft.Authorization/locks/read there (Reader)"
        return self._once(("locks", subscription), lambda: _read(what, right, read))

    def sentinel(self, workspace_id: str) -> bool | Unread:
        """Whether Microsoft Sentinel is on a workspace."""

        def read() -> bool:
            path = f"{workspace_id}/providers/Microsoft.SecurityInsights/onboardingStates/default"
            try:
                self._arm.get(path, _SENTINEL)
            except AzureCallError as error:
                if error.failure.kind is FailureKind.NOT_FOUND:
                    return False
                raise
            return True

        right = "Microsoft.SecurityInsights/onboardingStates/read on it (Microsoft Sentinel Reader)"
        return _read(f"whether Microsoft Sentinel is on {_name(workspace_id)}", right, read)

    def linked_accounts(self, workspace_id: str) -> tuple[LinkedAccount, ...] | Unread:
        """The storage accounts that a workspace keeps saved queries and alerts in."""

        def read() -> tuple[LinkedAccount, ...]:
            workspace = StorageId.parse(workspace_id)
            found = self._accounts.of_workspace(workspace) if workspace else ()
            return tuple(map(self._linked_account, found))

        what = f"the storage accounts linked to {_name(workspace_id)}"
        right = (
            "Microsoft.OperationalInsights/workspaces/linkedStorageAccounts/read on it, and Reader on these accounts"
        )
        return _read(what, right, read)

    def _linked_account(self, account: StorageId) -> LinkedAccount:
        found = self._once(("account", account.key), lambda: self._accounts.key_of(account))
        return LinkedAccount(account.text, found.key if found else None, found.key_version if found else None)

    # --- vaults, keys and rights ---

    def vaults(self, subscription: str, host: str) -> tuple[Vault, ...] | Unread:
        """What is like this host in a subscription that whoever asks may see: its vaults, or its Managed HSMs."""
        kind = vault_type(host)

        def read() -> tuple[Vault, ...]:
            bodies = self._arm.listed(f"/subscriptions/{subscription}/providers/Microsoft.KeyVault/{kind}", _VAULTS)
            return tuple(found for found in map(vault, bodies) if found is not None)

        what = f"the {'vaults' if kind == 'vaults' else 'Managed HSMs'} in subscription {subscription}"
        right = f"{see_vault(host)} there (Reader)"
        return self._once((kind, subscription), lambda: _read(what, right, read))

    def subscriptions(self) -> tuple[str, ...]:
        """The subscriptions that whoever asks may see; none if that cannot be told."""

        def read() -> tuple[str, ...]:
            return tuple(
                text(one.get("subscriptionId")).lower() for one in self._arm.listed("/subscriptions", _RESOURCES)
            )

        found = self._once(("subscriptions",), lambda: _read("the subscriptions", "any role", read))
        return () if isinstance(found, Unread) else found

    def material(self, key: Key, version: str) -> Material | Unread:
        """What a version of a key is made of."""
        right = "Microsoft.KeyVault/vaults/keys/read on the vault (or the access policy Key: Get), from a network that it lets in"
        return _read("its type, size and operations", right, lambda: self._keys.material(key, version))

    def grants(self, place: str, principal: str) -> tuple[Grant, ...] | Unread:
        """The roles that a principal holds at a place or above, itself or by its groups."""

        def read() -> tuple[Grant, ...]:
            path = f"{place}/providers/Microsoft.Authorization/roleAssignments"
            # `assignedTo` follows groups, also those within groups; `principalId eq` would not.
            quoted = principal.replace("'", "''")
            bodies = self._arm.listed(path, _AUTHORIZATION, **{"$filter": f"assignedTo('{quoted}')"})
            found = (mapping(body.get("properties")) for body in bodies)
            return tuple(self._grant(one) for one in found if _covers(text(one.get("scope")), place))

        what = f"the role assignments at {_name(place)}"
        right = "Microsoft.Authorization/roleAssignments/read and roleDefinitions/read there (Reader)"
        return self._once(("grants", place.lower(), principal), lambda: _read(what, right, read))

    def _grant(self, assignment: Mapping[str, Any]) -> Grant:
        definition = text(assignment.get("roleDefinitionId"))
        role = mapping(
            self._once(("role", definition.lower()), lambda: self._arm.get(definition, _AUTHORIZATION)).get(
                "properties"
            )
        )

        def actions(name: str) -> tuple[str, ...]:
            every = (mapping(one).get(name) for one in items(role.get("permissions")))
            return tuple(str(one) for found in every for one in items(found))

        return Grant(
            role=text(role.get("roleName")) or definition,
            scope=text(assignment.get("scope")),
            actions=actions("actions"),
            not_actions=actions("notActions"),
            data_actions=actions("dataActions"),
            not_data_actions=actions("notDataActions"),
            conditional=bool(assignment.get("condition")),
        )

    def event_subscriptions(self, found: Vault) -> tuple[EventSubscription, ...] | Unread:
        """Where a vault's events go, by the system topics that there are in its subscription."""

        def read() -> tuple[EventSubscription, ...]:
            subscription = found.id.split("/")[2]
            path = f"/subscriptions/{subscription}/providers/Microsoft.EventGrid/systemTopics"
            topics = self._once(("topics", subscription.lower()), lambda: self._arm.listed(path, _EVENT_GRID))
            own = [
                one for one in topics if text(mapping(one.get("properties")).get("source")).lower() == found.id.lower()
            ]
            paths = [f"{text(one.get('id'))}/eventSubscriptions" for one in own]
            return tuple(_subscription(body) for one in paths for body in self._arm.listed(one, _EVENT_GRID))

        right = "Microsoft.EventGrid/systemTopics/read and …/eventSubscriptions/read in its subscription (Reader)"
        return _read("its event subscriptions", right, read)

    def provider(self, subscription: str, namespace: str) -> Mapping[str, Any] | Unread:
        """A resource provider, as a subscription has it."""

        def read() -> Mapping[str, Any]:
            return self._arm.get(f"/subscriptions/{subscription}/providers/{namespace}", _RESOURCES)

        what = f"whether {namespace} is registered in subscription {subscription}"
        key = ("provider", subscription.lower(), namespace)
        return self._once(key, lambda: _read(what, "a role (Reader) in it", read))

    def registered(self, subscription: str, namespace: str) -> bool | Unread:
        """Whether a subscription knows a resource provider."""
        found = self.provider(subscription, namespace)
        return found if isinstance(found, Unread) else text(found.get("registrationState")).lower() == "registered"

    def api_versions(self, subscription: str) -> tuple[str, ...] | Unread:
        """In which versions of the API clusters can be spoken of."""
        found = self.provider(subscription, "Microsoft.OperationalInsights")
        if isinstance(found, Unread):
            return found
        types = (mapping(one) for one in items(found.get("resourceTypes")))
        clusters = next((one for one in types if text(one.get("resourceType")).lower() == "clusters"), {})
        return tuple(str(one) for one in items(clusters.get("apiVersions")))

    # --- the app ---

    def function_principal(self, app: AppId | None, client_id: str | None) -> str | Unread | None:
        """The object id of the identity that the function works with; None where the app has none such, and gets no token."""
        what = "the function's identity"
        if app is None:
            return Unread(what, "which app it is was not said", "the option --app with its ARM id")

        def read() -> str:
            identity = mapping(self._arm.get(app.text, _WEB).get("identity"))
            users = [mapping(one) for one in mapping(identity.get("userAssignedIdentities")).values()]
            named = (one for one in users if text(one.get("clientId")).lower() == (client_id or "").lower())
            return text((next(named, {}) if client_id else identity).get("principalId")).lower()

        right = "Microsoft.Web/sites/read on the app (Reader)"
        return self._once(("app", app.text), lambda: _read(what, right, read)) or None

    def alert_rules(self, workspace_id: str) -> tuple[AlertRule, ...] | Unread:
        """The log alerts that read a workspace."""

        def read() -> tuple[AlertRule, ...]:
            path = f"/subscriptions/{workspace_id.split('/')[2]}/providers/Microsoft.Insights/scheduledQueryRules"
            bodies = (
                (text(one.get("name")), mapping(one.get("properties"))) for one in self._arm.listed(path, _ALERTS)
            )
            return tuple(
                AlertRule(name, properties.get("enabled") is not False)
                for name, properties in bodies
                if workspace_id.lower() in {str(scope).lower() for scope in items(properties.get("scopes"))}
            )

        return _read("the alert rules", "Microsoft.Insights/scheduledQueryRules/read there (Monitoring Reader)", read)

    def heartbeat(self, workspace_id: str) -> datetime | Unread | None:
        """When the newest heartbeat arrived in a workspace."""
        what, endpoint = f"the newest heartbeat in {_name(workspace_id)}", self._cloud.logs_endpoint
        if endpoint is None:
            return Unread(what, "where this cloud's workspaces are queried is not known", "a look at the workspace")

        def read() -> datetime | None:
            properties = mapping(self._arm.get(workspace_id, self._cloud.arm_api_version).get("properties"))
            return newest_heartbeat(self._credential, endpoint, text(properties.get("customerId")))

        return _read(what, "Microsoft.OperationalInsights/workspaces/query/read on it (Log Analytics Reader)", read)


def _read[T](what: str, right: str, read: Callable[[], T]) -> T | Unread:
    try:
        return read()
    except AzureCallError as error:
        return Unread(what, f"{error.failure.code}: {error.failure.message}", right)


def _covers(scope: str, place: str) -> bool:
    """Whether an assignment reaches a place: ARM lists those below it too. One at a management group is above every place."""
    above = scope.lower().rstrip("/")
    groups = "/providers/microsoft.management/managementgroups/"
    return f"{place.lower()}/".startswith(f"{above}/") or above.startswith(groups)


def _lock(body: Mapping[str, Any]) -> Lock:
    id_ = text(body.get("id"))
    scope = id_[: id_.lower().rfind("/providers/microsoft.authorization/locks/")]
    return Lock(scope, text(mapping(body.get("properties")).get("level")), text(body.get("name")))


def _subscription(body: Mapping[str, Any]) -> EventSubscription:
    properties = mapping(body.get("properties"))
    # With the topic's identity, both the destination and the dead letters are one level deeper.
    delivery = mapping(properties.get("deliveryWithResourceIdentity"))
    destination = mapping(mapping(properties.get("destination") or delivery.get("destination")).get("properties"))
    types = items(mapping(properties.get("filter")).get("includedEventTypes"))
    return EventSubscription(
        destination=text(destination.get("resourceId")) or text(destination.get("endpointBaseUrl")),
        event_types=frozenset(str(one).lower() for one in types),
        state=text(properties.get("provisioningState")),
        dead_letters=bool(properties.get("deadLetterDestination") or properties.get("deadLetterWithResourceIdentity")),
    )


def _name(id_: str) -> str:
    return id_.rpartition("/")[2]
