"""What an operator does about it: one entry for every reason, one for every error that Azure documents.

No remedy begins with deleting anything. Sources: "Azure Monitor customer-managed keys" and "Create and manage a
dedicated cluster" on Microsoft Learn (sections on errors, revocation and rotation), Azure Key Vault's and Azure Resource
Manager's pages on common errors.
"""

import re
from dataclasses import dataclass

from cmk_rotation.domain.azure_resources import OperationError
from cmk_rotation.domain.vocabulary import Reason

_NOTHING = "Nothing to do."
_ACCESS = (
    "Give the function's identity the custom role of infra/ (clusters/read, clusters/write, "
    "locations/operationStatuses/read) on the cluster or above it; a new role may take ten minutes to work."
)
_API_VERSION = (
    "This cloud does not know the version of the API that was asked for; no right cures that. Set ARM_API_VERSION, "
    "KEY_VAULT_API_VERSION or STORAGE_API_VERSION to one that the message names as supported."
)

REMEDIES: dict[Reason, str] = {
    Reason.UP_TO_DATE: _NOTHING,
    Reason.FOLLOWS_NEWEST_ITSELF: (
        "Nothing to do: Azure moves this cluster by itself. The vault's audit log shows which version storage really uses."
    ),
    Reason.NO_CUSTOMER_KEY: _NOTHING,
    Reason.ON_HOLD: "Remove the tag cmk-rotation from the cluster when it may be updated again.",
    Reason.CLUSTER_DELETING: _NOTHING,
    Reason.CLUSTER_GONE: "If it was deleted on purpose, take it out of CLUSTER_SCOPES where it is named there.",
    Reason.VERSION_IS_BEHIND: (
        "Nothing to do in MODE=enforce: the update is sent by the next visit. In MODE=observe, update the cluster yourself."
    ),
    Reason.CLUSTER_BUSY: "Nothing to do: another operation runs on the cluster, and the update is sent after it.",
    Reason.UPDATE_RUNNING: "Nothing to do. Keep the old key version enabled.",
    Reason.UPDATE_OVERDUE: (
        "Keep both key versions enabled. Look at the cluster's activity log and provisioning state; if neither moves, open a "
        "support request with the operation id and the correlation id."
    ),
    Reason.UPDATE_CONFIRMED: (
        "Keep the old version enabled at least until keepOldVersionUntil, and until the vault's audit log shows no more "
        "wrap or unwrap calls on it: other services may use it too."
    ),
    Reason.CONFIRMED_BY_CLUSTER: (
        "Keep the old version enabled as after any rotation. Azure's own word on the operation was missing; if that is the "
        "rule, check the right locations/operationStatuses/read."
    ),
    Reason.CONFIRMED_DESPITE_OPERATION: (
        "The cluster is on the new version although Azure called the operation failed. Keep the old version enabled, check "
        "that logs still arrive, and keep the operation's error for a support request."
    ),
    Reason.ALREADY_THERE: (
        "Nothing to do: the cluster came to this version without us. Keep the old version enabled as after any rotation."
    ),
    Reason.UPDATE_FAILED: (
        "Keep the old key version enabled. Repair what the error names: the cluster identity's right to the key, the key "
        "itself, or the vault's firewall. The update is tried again later, or at once after `visit`."
    ),
    Reason.UPDATE_REFUSED: (
        "Keep the old key version enabled. Repair what the error names; the update is tried again later, or at once after "
        "`visit`."
    ),
    Reason.CLUSTER_FAILED: (
        "Keep every key version enabled and repair the cause: most often the cluster identity's right to the key. An update "
        "of ours is then tried again later, or at once after `visit`. A cluster that failed otherwise is not touched: send a "
        "PATCH of its keyVaultProperties with the version that it has (REST, or the portal; the CLI sends the whole cluster). "
        "If it stays Failed, open a support request, and never delete it. A redeployed template may put an old key back."
    ),
    Reason.READ_BACK_DIFFERS: (
        "Azure reported success but the cluster shows another version. Keep both versions enabled; the update is tried again "
        "later. If it happens twice, open a support request with the operation id."
    ),
    Reason.CHANGED_BY_OTHERS: (
        "Somebody gave the cluster another key, or none, or automatic rotation, while it was being moved. If that was not "
        "meant, see the cluster's activity log. It is never moved back by itself."
    ),
    Reason.NEWER_VERSION: "Nothing to do: the key rotated again, and the cluster goes straight to the newer version.",
    Reason.IN_USE_UNKNOWN: (
        "Key Vault does not list the version that the cluster uses. If the key was deleted, recover it (`az keyvault key "
        "recover`); if it was purged, only a backup brings it back (`az keyvault key restore`). If the cluster names a wrong "
        "version, update it by hand to one that exists."
    ),
    Reason.IN_USE_DISABLED: (
        "Is this a revocation? If so, leave it: logs sent meanwhile are lost. If not, enable the version again at once; "
        "ingestion returns within 30 minutes, and the cluster is then moved to the newest version."
    ),
    Reason.IN_USE_EXPIRED: (
        "Extend the expiry date of the version in use: Azure refuses to update a cluster whose key has expired. The update "
        "follows by itself."
    ),
    Reason.NO_USABLE_VERSION: "Enable a version of the key, extend its expiry, or wait for its activation date.",
    Reason.ORDER_UNKNOWN: (
        "Two versions were created in the same second, so which is newer is unknown. Rotate the key once more: a version "
        "created later settles the order. If the cluster should stay as it is, set the tag cmk-rotation = hold on it."
    ),
    Reason.WOULD_GO_BACK: (
        "The newest usable version is older than the one in use. Enable or create a newer version, or move the cluster back "
        "by hand if that is meant."
    ),
    Reason.MOVED_BACK: (
        "Somebody put the cluster back to an older version. If that was meant, set the tag cmk-rotation = hold; if not, "
        "update the cluster by hand. The next new version is applied as usual."
    ),
    Reason.CLUSTER_STUCK: (
        "Look at the cluster's activity log for what runs; if it does not end, open a support request. The update is sent "
        "when the cluster is free."
    ),
    Reason.WORKSPACE_FAILED: (
        "Keep the old key version enabled and check the cluster identity's right to the key. Then redeploy the workspace "
        "(portal or template); if it stays Failed, open a support request. Recreating it loses its data."
    ),
    Reason.UNEXPECTED_ERROR: (
        "Please report this line. The other clusters are looked after; until this is mended, rotate this one by hand if its "
        "key has rotated."
    ),
    Reason.CLUSTER_UNREACHABLE: (
        "Check Azure's service health for Azure Resource Manager, and the function's outbound network and DNS. Visits go on."
    ),
    Reason.CLUSTER_ACCESS_DENIED: _ACCESS,
    Reason.API_VERSION_UNKNOWN: _API_VERSION,
    Reason.KEY_UNREACHABLE: (
        "Check that the vault exists, Azure's service health for Key Vault, and the function's outbound network and DNS."
    ),
    Reason.KEY_ACCESS_DENIED: (
        "Give the function's identity the right to read key metadata: the custom role of infra/ "
        "(Microsoft.KeyVault/vaults/keys/read), the access policy Key: List, or Managed HSM Crypto Auditor on a managed HSM."
    ),
    Reason.KEY_VAULT_BLOCKED: (
        "The vault's firewall keeps the function out (Functions is not a trusted service). Integrate the function with a "
        "virtual network that the vault admits, or give it a private endpoint."
    ),
    Reason.KEY_NOT_FOUND: (
        "The key does not exist, and the cluster cannot read its data without it. If it was deleted, recover it at once (`az "
        "keyvault key recover`); if it was purged, only a backup brings it back (`az keyvault key restore`)."
    ),
    Reason.VAULT_NOT_IN_CLOUD: (
        "The cluster names a vault outside this cloud, which is never called. Check AZURE_CLOUD, or KEY_VAULT_SUFFIXES with "
        "a custom cloud, and the cluster's keyVaultUri."
    ),
}


_UPDATES = frozenset({Reason.UPDATE_REFUSED, Reason.UPDATE_FAILED, Reason.CLUSTER_FAILED, Reason.READ_BACK_DIFFERS})
_CLUSTERS = frozenset({Reason.CLUSTER_ACCESS_DENIED, Reason.CLUSTER_UNREACHABLE})
_KEYS = frozenset({Reason.KEY_ACCESS_DENIED, Reason.KEY_VAULT_BLOCKED, Reason.KEY_NOT_FOUND, Reason.KEY_UNREACHABLE})
# ARM ids and URLs hold names that people chose, and these mean nothing: a resource group may be called rg-sku.
_NAMES = re.compile(r"(?:https?://|/(?:subscriptions|resourcegroups|providers)/)[^\s\"'<>]*")


@dataclass(frozen=True, slots=True)
class KnownError:
    """An error that Azure documents, known by its code or by words in its message."""

    marks: tuple[str, ...]
    """Lower case; one of them stands, as whole words, in `code: message`. Azure publishes no codes for cluster updates,
    so these are mostly words."""
    remedy: str
    of: frozenset[Reason] = _UPDATES
    """The reasons that it may explain: the same word means something else of a cluster than of a key."""


KNOWN_ERRORS: tuple[KnownError, ...] = (
    KnownError(
        ("notoken",),
        "The app got no token. Check that its managed identity exists and is assigned to it, and AZURE_CLIENT_ID.",
        _UPDATES | _CLUSTERS | _KEYS,
    ),
    KnownError(
        ("akv10032",),
        "The vault trusts another tenant than the app's and the cluster's, as after a move of its subscription; no right "
        "cures that. Somebody must set the vault's tenantId and give all rights on it again, as Key Vault's article on moving "
        "a vault to a different subscription says. Until then disable nothing.",
        _KEYS,
    ),
    KnownError(
        ("forbiddenbynsp", "network security perimeter", "nsp policy"),
        "The network security perimeter around the vault keeps the function out. Add an inbound access rule for it to the "
        "perimeter's profile, or give it a private endpoint of the vault; a virtual network rule of the vault does not help.",
        _KEYS,
    ),
    KnownError(
        ("forbiddenbyconnection", "public network access is disabled", "approved private link"),
        "The vault takes no calls from public networks. Integrate the function with a virtual network that has an approved "
        "private endpoint of the vault, and resolves its name to it.",
        _KEYS,
    ),
    KnownError(
        ("noregisteredproviderfound", "invalidapiversionparameter"),
        _API_VERSION,
    ),
    KnownError(
        ("failed to validate key", "keyvaultauthenticationfailure"),
        "Check that the key exists and is enabled, and that the cluster's own identity may get, wrap and unwrap with it "
        "(Key Vault Crypto Service Encryption User, or the access policy). A new role may take ten minutes to work.",
    ),
    KnownError(
        ("isn't recoverable", "is not recoverable", "purge-protection", "purge protection"),
        "Turn on purge protection (and soft delete) on the vault: Azure takes no key that could be lost for good.",
    ),
    KnownError(
        ("keyvaultproperties isn't empty", "keyvaultproperties is not empty"),
        "The cluster's key details are malformed. Compare keyVaultUri, keyName and keyVersion of the cluster with the vault.",
    ),
    KnownError(
        ("deleting state",),
        "The cluster is being deleted. If that was not meant, open a support request at once; else nothing is to be done.",
    ),
    KnownError(
        ("in a state other than succeeded",),
        "The cluster's last operation failed, and Azure takes no update until it is repaired. Repair the cause, most often "
        "the cluster identity's right to the key. If it stays Failed, open a support request, and never delete it.",
    ),
    KnownError(
        ("can't be executed now", "cannot be executed now", "async operation", "anotheroperationinprogress"),
        "Another operation runs on the cluster. Wait for it to end; the update is then sent again.",
    ),
    KnownError(
        ("invalidresourcetype",),
        "Azure did not know the operation's address; the update may still have worked. Look at the cluster's key version.",
    ),
    KnownError(
        ("linkedauthorizationfailed", "authorizationfailed"),
        _ACCESS,
        _UPDATES | _CLUSTERS,
    ),
    KnownError(
        ("requestdisallowedbypolicy",),
        "An Azure Policy forbids the update. Exempt the cluster or change the policy that the error names.",
    ),
    KnownError(
        ("scopelocked",),
        "A resource lock forbids the update. Remove the lock on the cluster or above it, or exempt the cluster.",
    ),
    KnownError(
        ("readonlydisabledsubscription", "subscriptionnotfound", "subscriptionnotregistered"),
        "The subscription is disabled, moved, or lacks the provider Microsoft.OperationalInsights. Repair it there.",
        _UPDATES | _CLUSTERS,
    ),
    KnownError(
        ("capacityreservationlevel", "capacity is locked", "sku"),
        "Azure complains of the cluster's commitment tier, which the product never sends. Check the tier in the portal.",
    ),
    KnownError(
        ("associatedworkspaces", "read only property", "read-only property"),
        "A whole cluster body was sent by another tool. Update the key with a PATCH of keyVaultProperties alone.",
    ),
    KnownError(
        ("workspace not found", "workspace wasn't found"),
        "A linked workspace was deleted or moved. Recover it within 14 days if it is still wanted.",
    ),
    KnownError(
        ("link or unlink operation", "link or unlink in process", "workspace link", "workspace unlink"),
        "A workspace is being linked or unlinked. Wait up to two hours for it to end.",
    ),
    KnownError(
        ("cluster not found", "resourcenotfound", "resourcegroupnotfound"),
        "The cluster no longer exists under this id. Take it out of CLUSTER_SCOPES if it was deleted on purpose.",
    ),
    KnownError(
        ("provisioning state",),
        "The cluster is still being provisioned. Wait for it to end.",
    ),
    KnownError(
        ("body of the request is null", "bad format", "invalidparameter", "invalidrequestcontent"),
        "Azure did not understand the update. Compare the cluster's key details with the vault, and report it with the "
        "correlation id.",
    ),
)


def remedy_for(reason: Reason, error: OperationError | None = None) -> str:
    """What to do: Azure's own error decides if it is a known one, else the reason."""
    if error is not None:
        message = _NAMES.sub(" ", f"{error.code}: {error.message}".lower())
        for known in KNOWN_ERRORS:
            if reason in known.of and any(
                re.search(rf"(?<![\w-]){re.escape(mark)}(?![\w-])", message) for mark in known.marks
            ):
                return known.remedy
    return REMEDIES[reason]
