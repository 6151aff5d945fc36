"""The fleet of the playground: a few clusters, and every way in which one can have its key."""

from dataclasses import replace

from simulator.azure import FUNCTION, RESOURCE_GROUP, SUBSCRIPTION, Azure
from simulator.entra.tenants import HOME
from simulator.operationalinsights.behaviour import Behaviour
from simulator.operationalinsights.clusters import Cluster

SECOND_SUBSCRIPTION = "9f3c1d2e-5a4b-4c6d-8e7f-00112233aabb"
SECOND_GROUP = "rg-fraud"
PARTNER_TENANT = "c0a8f7de-3b52-4a6e-9d0c-6a1f5e2b7c94"
PARTNER_SUBSCRIPTION = "2b7d9e10-8c35-4f1a-a6d4-55d0c1e7f203"
PARTNER_GROUP = "rg-partner"
PROPAGATION_SECONDS = 300.0
"""Until a role assignment counts. Azure says up to ten minutes."""
OPERATOR = "operator"
PRINCIPALS = {OPERATOR: HOME, "partner": PARTNER_TENANT, FUNCTION: HOME}
"""Who can sign in, and the tenant where each is at home."""
ACCOUNT = "cmkrotation"
QUEUE = "cluster-visits"
TABLE = "rotations"
SAVED_QUERIES = "savedqueries"
"""A storage account beside the app's own, of which nothing has come yet: no workspace is linked to it, and no key of its
owner's encrypts it."""

CLUSTERS = {
    "payments": "pinned to la-cmk in the vault contoso",
    "web-shop": "pinned to la-cmk too",
    "reporting": "uses la-cmk, and lets Azure follow its newest version",
    "archive": "pinned to la-cmk, in another subscription; tagged cmk-rotation=hold",
    "fraud": "pinned to fraud-cmk in fabrikam, a vault with access policies, in that other subscription",
    "ledger": "pinned to hsm-cmk in the Managed HSM contoso-hsm, which sends no events",
    "orders": "pinned to orders-cmk in partner-kv, in another tenant: none of the app's business",
}


def build(azure: Azure) -> None:
    """Make everything, with rights by role assignments: what nobody was given is refused."""
    # A quarter of an hour, or of a minute when simulated time is hardly faster than real time.
    azure.behaviour = Behaviour(update_seconds=min(900.0, azure.clock.at_least(0.0, 15.0)), retry_after=5)
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
    clusters.append(_partner(azure))
    for cluster in clusters:
        azure.add_workspace(f"law-{cluster.name}", cluster)
    azure.storage_account(ACCOUNT)
    azure.storage_account(SAVED_QUERIES)
    _grant(azure, clusters)
    # Nothing of this happened just now.
    azure.event_grid.published.clear()


def _partner(azure: Azure) -> Cluster:
    azure.tenants.names[PARTNER_TENANT] = "Partner"
    azure.tenants.by_subscription[PARTNER_SUBSCRIPTION] = PARTNER_TENANT
    azure.subscription_names[PARTNER_SUBSCRIPTION] = "Partner"
    subscription, group = PARTNER_SUBSCRIPTION, PARTNER_GROUP
    vault = azure.add_vault("partner-kv", subscription=subscription, resource_group=group)
    azure.add_key("partner-kv", "orders-cmk")
    key = azure.pinned("partner-kv", "orders-cmk")
    cluster = azure.add_cluster("orders", key=key, subscription=subscription, resource_group=group)
    for role in ("Owner", "Key Vault Crypto Officer"):
        azure.rights.assign("partner", role, f"/subscriptions/{PARTNER_SUBSCRIPTION}")
    azure.rights.assign(cluster.id, "Key Vault Crypto Service Encryption User", vault.resource_id)
    return cluster


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
    rights.assign(FUNCTION, "Linked storage reader", GROUP_ID)
    saved = azure.storage_account(SAVED_QUERIES).resource_id
    rights.assign(saved, "Key Vault Crypto Service Encryption User", contoso.resource_id)
    for principal in (FUNCTION, OPERATOR):
        for role in ("Storage Queue Data Contributor", "Storage Table Data Contributor"):
            rights.assign(principal, role, account)
    for cluster in clusters[:4]:
        rights.assign(cluster.id, "Key Vault Crypto Service Encryption User", contoso.resource_id)
    fabrikam.permit(clusters[4].id, "get", "wrapKey", "unwrapKey")
    fabrikam.permit(FUNCTION, "get", "list")
    fabrikam.permit(OPERATOR, "get", "list", "create", "update", "rotate", "delete", "recover", "purge")
    for principal, action in ((FUNCTION, "read"), (OPERATOR, "*"), (clusters[5].id, "*")):
        rights.allow(principal, f"Microsoft.KeyVault/vaults/keys/{action}", hsm.resource_id)
    rights.allow(OPERATOR, "Microsoft.KeyVault/managedHsm/*", hsm.resource_id)
    # What was given so far has been in effect for long.
    rights.propagation_seconds = PROPAGATION_SECONDS


def app_settings() -> dict[str, str]:
    """The settings of the function app that runs in the playground."""
    return {
        "CLUSTER_SCOPES": f"/subscriptions/{SUBSCRIPTION},/subscriptions/{SECOND_SUBSCRIPTION}",
        "MODE": "enforce",
        "AzureWebJobsStorage__accountName": ACCOUNT,
    }


GROUP_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
