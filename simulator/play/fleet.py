"""The fleet of the playground: a few clusters, and every way in which one can have its key."""

from dataclasses import replace

from simulator.azure import FUNCTION, RESOURCE_GROUP, SUBSCRIPTION, Azure
from simulator.behaviour import Behaviour
from simulator.clusters import Cluster

SECOND_SUBSCRIPTION = "9f3c1d2e-5a4b-4c6d-8e7f-00112233aabb"
SECOND_GROUP = "rg-fraud"
OPERATOR = "operator"
ACCOUNT = "cmkrotation"
QUEUE = "cluster-visits"
TABLE = "rotations"

CLUSTERS = {
    "payments": "pinned to la-cmk in the vault contoso",
    "web-shop": "pinned to la-cmk too",
    "reporting": "uses la-cmk, and lets Azure follow its newest version",
    "archive": "pinned to la-cmk, in another subscription; tagged cmk-rotation=hold",
    "fraud": "pinned to fraud-cmk in fabrikam, a vault with access policies, in that other subscription",
    "ledger": "pinned to hsm-cmk in the Managed HSM contoso-hsm, which sends no events",
}


def build(azure: Azure) -> None:
    """Make everything, with rights by role assignments: what nobody was given is refused."""
    # A quarter of an hour, or of a minute when simulated time is hardly faster than real time.
    azure.behaviour = Behaviour(update_seconds=min(900.0, 15 * azure.clock.speed), retry_after=5)
    azure.subscription_names |= {SUBSCRIPTION: "Production", SECOND_SUBSCRIPTION: "Fraud and archive"}
    azure.add_vault("contoso")
    azure.add_vault("fabrikam", subscription=SECOND_SUBSCRIPTION, resource_group=SECOND_GROUP).access_policies = True
    azure.add_vault("contoso-hsm", hsm=True)
    for vault, key in (("contoso", "la-cmk"), ("fabrikam", "fraud-cmk"), ("contoso-hsm", "hsm-cmk")):
        azure.add_key(vault, key)
    shared = azure.pinned("contoso", "la-cmk")
    clusters = [
        azure.add_cluster("payments", key=shared),
        azure.add_cluster("web-shop", key=shared),
        azure.add_cluster("reporting", key=replace(shared, version="")),
        azure.add_cluster("archive", key=shared, subscription=SECOND_SUBSCRIPTION, resource_group=SECOND_GROUP),
        azure.add_cluster(
            "fraud",
            key=azure.pinned("fabrikam", "fraud-cmk"),
            subscription=SECOND_SUBSCRIPTION,
            resource_group=SECOND_GROUP,
        ),
        azure.add_cluster("ledger", key=replace(azure.pinned("contoso-hsm", "hsm-cmk"), rsa_size=2048)),
    ]
    clusters[3].tags["cmk-rotation"] = "hold"
    for cluster in clusters:
        azure.add_workspace(f"law-{cluster.name}", cluster)
    azure.storage_account(ACCOUNT)
    _grant(azure, clusters)


def _grant(azure: Azure, clusters: list[Cluster]) -> None:
    rights = azure.rights
    rights.by_roles = True
    contoso, fabrikam, hsm = (azure.vault(name) for name in ("contoso", "fabrikam", "contoso-hsm"))
    account = azure.storage_account(ACCOUNT).resource_id
    for subscription in (SUBSCRIPTION, SECOND_SUBSCRIPTION):
        scope = f"/subscriptions/{subscription}"
        rights.assign(FUNCTION, "Cluster key updater", scope)
        for role in ("Owner", "Key Vault Crypto Officer"):
            rights.assign(OPERATOR, role, scope)
    rights.assign(FUNCTION, "Key version reader", contoso.resource_id)
    for principal in (FUNCTION, OPERATOR):
        for role in ("Storage Queue Data Contributor", "Storage Table Data Contributor"):
            rights.assign(principal, role, account)
    for cluster in clusters[:4]:
        rights.assign(cluster.id, "Key Vault Crypto Service Encryption User", contoso.resource_id)
    fabrikam.policies |= {
        clusters[4].id: {"get", "wrapKey", "unwrapKey"},
        FUNCTION: {"get", "list"},
        OPERATOR: {"get", "list", "create", "update", "rotate", "delete", "recover", "purge"},
    }
    for principal, action in ((FUNCTION, "read"), (OPERATOR, "*"), (clusters[5].id, "*")):
        rights.allow(principal, f"Microsoft.KeyVault/vaults/keys/{action}", hsm.resource_id)


def app_settings() -> dict[str, str]:
    """The settings of the function app that runs in the playground."""
    return {
        "CLUSTER_SCOPES": f"/subscriptions/{SUBSCRIPTION},/subscriptions/{SECOND_SUBSCRIPTION}",
        "MODE": "enforce",
        "AzureWebJobsStorage__accountName": ACCOUNT,
    }


GROUP_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
