"""What must be known of a key vault before the app is connected to it."""

from dataclasses import dataclass
from typing import Any

from azure_cli import Azure, StoppedError
from belongings import TOPICS
from environment import Place, place

VAULTS = "Microsoft.KeyVault/vaults"


@dataclass(frozen=True)
class Vault:
    """A key vault, and the one system topic that it may have."""

    place: Place
    location: str
    properties: dict[str, Any]
    topic_id: str
    topic_principal: str

    @property
    def topic(self) -> Place | None:
        """The system topic, if there is one."""
        return place(self.topic_id)

    @property
    def closed(self) -> bool:
        """Whether a firewall keeps out who is neither let in nor one of its trusted services, as Functions is not."""
        rules = self.properties.get("networkAcls") or {}
        return str(rules.get("defaultAction")).lower() == "deny" or (
            str(self.properties.get("publicNetworkAccess")).lower() == "disabled"
        )


def look_at(azure: Azure, place: Place) -> Vault:
    """Find out where a vault is and which system topic it has. One that is there is used, whoever made it: there can be only
    one, and Event Grid refuses a second.
    """
    vault = azure.get(place.id, VAULTS)
    topics = azure.pages(f"/subscriptions/{place.subscription}/providers/{TOPICS}", TOPICS)
    topic = next((one for one in topics if str(one["properties"].get("source")).strip("/").lower() == place.id[1:]), {})
    principal = str((topic.get("identity") or {}).get("principalId") or "")
    if topic and not principal:
        found = str(topic["id"]).split("/")
        raise StoppedError(
            f"the vault {place.name} already has the system topic {topic['id']}, and that has no system-assigned identity "
            "to leave dead letters with. Give it one: az eventgrid system-topic update --identity systemassigned "
            f"--subscription {found[2]} --resource-group {found[4]} --name {found[-1]}"
        )
    return Vault(
        place, str(vault["location"]), dict(vault["properties"]), str(topic.get("id") or "").lower(), principal
    )


def policy_offer(vault: Vault, principal: str) -> str:
    """The command that gives the app its right where a vault has access policies; empty if there is nothing to do."""
    if vault.properties.get("enableRbacAuthorization"):
        return ""
    for policy in vault.properties.get("accessPolicies") or []:
        allowed = {str(one).lower() for one in (policy.get("permissions") or {}).get("keys") or []}
        if str(policy.get("objectId")).lower() == principal.lower() and allowed & {"list", "all"}:
            return ""
    return (
        f"the vault {vault.place.name} uses access policies, where a role has no effect: az keyvault set-policy --name "
        f"{vault.place.name} --subscription {vault.place.subscription} --object-id {principal} --key-permissions list"
    )
