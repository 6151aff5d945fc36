"""Vaults, storage accounts and system topics, as ARM shows them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

from simulator import identity
from simulator.arm_answers import EITHER, GROUP, Handler, answer, check_right, envelope, listed, not_found
from simulator.event_grid import Subscription
from simulator.roles import within
from simulator.vaults import Network, Vault

if TYPE_CHECKING:
    from simulator.azure import Azure


class OtherResources:
    """The handlers for these paths, over one Azure's things."""

    def __init__(self, azure: "Azure") -> None:
        self.azure = azure

    def routes(self) -> Mapping[str, Handler]:
        """Handlers by the pattern of their paths."""
        vaults = r"/providers/Microsoft\.KeyVault/(?P<kind>vaults|managedHSMs)"
        accounts = r"/providers/Microsoft\.Storage/storageAccounts"
        topics = r"/providers/Microsoft\.EventGrid/systemTopics"
        return {
            rf"{EITHER}{vaults}": self._vaults,
            rf"{GROUP}{vaults}/(?P<name>[^/]+)": self._vault,
            rf"{EITHER}{accounts}": self._accounts,
            rf"{GROUP}{accounts}/(?P<name>[^/]+)": self._account,
            rf"{GROUP}{accounts}/(?P<name>[^/]+)/listKeys": self._account_keys,
            rf"{GROUP}{topics}": self._system_topics,
            rf"{GROUP}{topics}/(?P<name>[^/]+)": self._system_topic,
            rf"{GROUP}{topics}/(?P<name>[^/]+)/eventSubscriptions": self._event_subscriptions,
        }

    def _vaults(self, _: Request, principal: str, path: dict[str, str]) -> Response:
        check_right(self.azure.rights, principal, f"Microsoft.KeyVault/{path['kind']}/read", path["scope"])
        hsm = path["kind"].lower() == "managedhsms"
        found = [one for one in self.azure.vaults.values() if one.hsm is hsm and within(one.resource_id, path["scope"])]
        return listed(self._vault_body(one) for one in found)

    def _vault(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_right(self.azure.rights, principal, f"Microsoft.KeyVault/{path['kind']}/read", request.path)
        for vault in self.azure.vaults.values():
            if vault.resource_id.lower() == request.path.rstrip("/").lower():
                return answer(self._vault_body(vault))
        raise not_found(request.path)

    def _vault_body(self, vault: Vault) -> dict[str, Any]:
        open_ = vault.network is Network.OPEN
        properties: dict[str, Any] = {
            "tenantId": vault.tenant,
            "enableSoftDelete": True,
            "softDeleteRetentionInDays": 90,
            "publicNetworkAccess": "Disabled" if vault.network is Network.PRIVATE else "Enabled",
            "networkAcls": {
                "bypass": "AzureServices" if vault.trusted_services else "None",
                "defaultAction": "Allow" if open_ else "Deny",
                "ipRules": [],
                "virtualNetworkRules": [],
            },
            "provisioningState": "Succeeded",
        }
        if vault.purge_protection:
            # Azure shows the property only when it is true: it cannot be turned off again.
            properties["enablePurgeProtection"] = True
        if vault.hsm:
            properties |= {"hsmUri": vault.uri, "statusMessage": "The Managed HSM is provisioned and ready to use."}
        else:
            properties |= {
                "vaultUri": vault.uri,
                "sku": {"family": "A", "name": "premium"},
                "enableRbacAuthorization": not vault.access_policies,
                "accessPolicies": [
                    {
                        "tenantId": vault.tenant,
                        "objectId": identity.principal_id(principal),
                        "permissions": {"keys": sorted(granted)},
                    }
                    for principal, granted in vault.policies.items()
                ],
            }
        body = {**envelope(vault.resource_id, vault.resource_type), "properties": properties}
        return {**body, "sku": {"family": "B", "name": "Standard_B1"}} if vault.hsm else body

    def _accounts(self, _: Request, principal: str, path: dict[str, str]) -> Response:
        check_right(self.azure.rights, principal, "Microsoft.Storage/storageAccounts/read", path["scope"])
        return listed(
            self._account_body(one.name)
            for one in self.azure.accounts.values()
            if within(one.resource_id, path["scope"])
        )

    def _account(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_right(self.azure.rights, principal, "Microsoft.Storage/storageAccounts/read", request.path)
        if path["name"].lower() not in self.azure.accounts:
            raise not_found(request.path)
        return answer(self._account_body(path["name"].lower()))

    def _account_body(self, name: str) -> dict[str, Any]:
        account = self.azure.accounts[name]
        kinds = ("queue", "table")
        return {
            **envelope(account.resource_id, "Microsoft.Storage/storageAccounts"),
            "kind": "StorageV2",
            "sku": {"name": "Standard_LRS", "tier": "Standard"},
            "properties": {
                "provisioningState": "Succeeded",
                "allowSharedKeyAccess": account.key is not None,
                "primaryEndpoints": {kind: f"https://{name}.{kind}.{account.suffix}/" for kind in kinds},
            },
        }

    def _account_keys(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        scope = request.path.rstrip("/").rpartition("/")[0]
        check_right(self.azure.rights, principal, "Microsoft.Storage/storageAccounts/listKeys/action", scope)
        account = self.azure.accounts.get(path["name"].lower())
        if account is None:
            raise not_found(scope)
        keys = [{"keyName": "key1", "value": account.key, "permissions": "FULL"}] if account.key else []
        return answer({"keys": keys})

    def _topics_in(self, path: dict[str, str]) -> dict[str, list[Subscription]]:
        scope = f"/subscriptions/{path['subscription']}/resourceGroups/{path['group']}"
        topics: dict[str, list[Subscription]] = {}
        for one in self.azure.event_grid.subscriptions:
            if within(one.source, scope):
                topics.setdefault(f"{one.source.rpartition('/')[2]}-events", []).append(one)
        return topics

    def _system_topics(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_right(self.azure.rights, principal, "Microsoft.EventGrid/systemTopics/read", request.path)
        base = request.path.rstrip("/")
        return listed(_topic_body(f"{base}/{name}", found) for name, found in self._topics_in(path).items())

    def _system_topic(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_right(self.azure.rights, principal, "Microsoft.EventGrid/systemTopics/read", request.path)
        found = self._topics_in(path).get(path["name"])
        if found is None:
            raise not_found(request.path)
        return answer(_topic_body(request.path.rstrip("/"), found))

    def _event_subscriptions(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_right(
            self.azure.rights, principal, "Microsoft.EventGrid/systemTopics/eventSubscriptions/read", request.path
        )
        found = self._topics_in(path).get(path["name"])
        if found is None:
            raise not_found(request.path.rstrip("/").rpartition("/")[0])
        return listed(_event_subscription_body(request.path.rstrip("/"), one) for one in found)


def _topic_body(id_: str, subscriptions: list[Subscription]) -> dict[str, Any]:
    properties = {
        "provisioningState": "Succeeded",
        "source": subscriptions[0].source,
        "topicType": "Microsoft.KeyVault.Vaults",
    }
    return {**envelope(id_, "Microsoft.EventGrid/systemTopics"), "properties": properties}


def _event_subscription_body(list_id: str, one: Subscription) -> dict[str, Any]:
    body = envelope(f"{list_id}/{one.name}", "Microsoft.EventGrid/systemTopics/eventSubscriptions", None)
    return {
        **body,
        "properties": {
            "topic": list_id.rpartition("/")[0],
            "provisioningState": "Succeeded",
            # Without its query, which holds the key: Azure shows the full URL only to a call of its own.
            "destination": {"endpointType": "WebHook", "properties": {"endpointBaseUrl": one.url.partition("?")[0]}},
            "filter": {"includedEventTypes": sorted(one.event_types)},
            "eventDeliverySchema": one.schema.value,
            "retryPolicy": {
                "maxDeliveryAttempts": one.max_attempts,
                "eventTimeToLiveInMinutes": int(one.ttl_seconds // 60),
            },
        },
    }
