"""The errors that Azure documents for clusters, keys and workspaces, and what an operator does about each.

Sources: "Azure Monitor customer-managed keys" and "Create and manage a dedicated cluster" on Microsoft Learn (sections on
errors, revocation and rotation), Azure Key Vault's and Azure Resource Manager's pages on common errors.
"""

import re
from dataclasses import dataclass

from cmk_rotation.domain import repairs
from cmk_rotation.domain.azure_resources import OperationError
from cmk_rotation.domain.repairs import Repair
from cmk_rotation.domain.vocabulary import Reason

ACCESS = (
    f"Give the app's identity the role {repairs.CLUSTER_ROLE} on the cluster or above it, or one of your own with clusters/read, "
    "clusters/write and locations/operationStatuses/read; a new role may take ten minutes to work."
)
API_VERSION = (
    "This cloud does not know the version of the API that was asked for; no right cures that. Set ARM_API_VERSION, "
    "KEY_VAULT_API_VERSION or STORAGE_API_VERSION to one that the message names as supported."
)
UPDATES = frozenset({Reason.UPDATE_REFUSED, Reason.UPDATE_FAILED, Reason.CLUSTER_FAILED, Reason.READ_BACK_DIFFERS})
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
    of: frozenset[Reason] = UPDATES
    """The reasons that it may explain: the same word means something else of a cluster than of a key."""
    repairs: tuple[Repair, ...] = ()


KNOWN_ERRORS: tuple[KnownError, ...] = (
    KnownError(
        ("notoken",),
        "The app got no token. Check that its managed identity exists and is assigned to it, and AZURE_CLIENT_ID.",
        UPDATES | _CLUSTERS | _KEYS,
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
        API_VERSION,
    ),
    KnownError(
        ("failed to validate key", "keyvaultauthenticationfailure"),
        "Check that the key exists and is enabled, and that the cluster's own identity may get, wrap and unwrap with it "
        "(Key Vault Crypto Service Encryption User, or the access policy). A new role may take ten minutes to work.",
        repairs=(repairs.LET_CLUSTER_USE, repairs.LET_CLUSTER_USE_BY_POLICY),
    ),
    KnownError(
        ("isn't recoverable", "is not recoverable", "purge-protection", "purge protection"),
        "Turn on purge protection (and soft delete) on the vault: Azure takes no key that could be lost for good.",
        repairs=(repairs.PROTECT,),
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
        ACCESS,
        UPDATES | _CLUSTERS,
        (repairs.LET_APP_UPDATE,),
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
        UPDATES | _CLUSTERS,
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


def known_error(reason: Reason, error: OperationError) -> KnownError | None:
    """What explains the reason, if it is one that Azure documents."""
    message = _NAMES.sub(" ", f"{error.code}: {error.message}".lower())
    for known in KNOWN_ERRORS:
        marks = (rf"(?<![\w-]){re.escape(mark)}(?![\w-])" for mark in known.marks)
        if reason in known.of and any(re.search(mark, message) for mark in marks):
            return known
    return None
