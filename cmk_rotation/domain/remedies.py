"""What an operator does about it: one entry for every reason; `known_errors.py` has one for every error that Azure documents.

An entry is advice in words, and the commands that carry it out, with the names that are known filled in. No remedy begins
with deleting anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cmk_rotation.domain import repairs
from cmk_rotation.domain.azure_resources import OperationError
from cmk_rotation.domain.known_errors import ACCESS, API_VERSION, UPDATES, known_error
from cmk_rotation.domain.repairs import Names, Repair, Right
from cmk_rotation.domain.vocabulary import Reason

_NOTHING = "Nothing to do."
STORAGE = (
    "Check that the storage account of AzureWebJobsStorage exists, that its network rules admit the app, and that the app's "
    "identity has the roles Storage Blob Data Owner, Storage Queue Data Contributor and Storage Table Data Contributor on it. If "
    "Azure's service health tells of an outage, no command repairs this."
)
"""What to do where the app's own storage fails."""
UNREADABLE_CLUSTER = (
    "Look at it in the portal: until Azure shows it well, this cluster is not looked after. Keep every version of its key "
    "enabled. If it stays as it is, open a support request: no command of yours mends it. Never delete it."
)
"""What to do where a scope lists what cannot be read."""

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
        "support request with the operation id and the correlation id. Azure alone can end the operation."
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
        "Key Vault does not list the version that the cluster uses. If the key was deleted, recover it; if it was purged, only a "
        "backup brings it back. If the cluster names a wrong version, update it by hand to one that exists."
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
        "Look at the cluster's activity log for what runs; if it does not end, open a support request: no command of yours ends "
        "it. The update is sent when the cluster is free."
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
    Reason.CLUSTER_ACCESS_DENIED: ACCESS,
    Reason.API_VERSION_UNKNOWN: API_VERSION,
    Reason.KEY_UNREACHABLE: (
        "Check that the vault exists, Azure's service health for Key Vault, and the function's outbound network and DNS."
    ),
    Reason.KEY_ACCESS_DENIED: (
        f"Give the app's identity the right to list the key's versions: the role {repairs.KEY_READER} or one of your own with "
        f"Microsoft.KeyVault/vaults/keys/read, the access policy Key: List, or {repairs.HSM_READER} on a Managed HSM."
    ),
    Reason.KEY_VAULT_BLOCKED: (
        "The vault's firewall keeps the app out (Functions is not a trusted service). Integrate the app with a virtual network "
        "that the vault admits, or give it a private endpoint: an outbound address may be shared, and may change."
    ),
    Reason.KEY_NOT_FOUND: (
        "The key does not exist, and the cluster cannot read its data without it. If it was deleted, recover it at once; if it "
        "was purged, only a backup brings it back."
    ),
    Reason.VAULT_NOT_IN_CLOUD: (
        "The cluster names a vault outside this cloud, which is never called. Check AZURE_CLOUD, or KEY_VAULT_SUFFIXES with "
        "a custom cloud, and the cluster's keyVaultUri."
    ),
    Reason.STORAGE_CURRENT: "Nothing to do now. It pins this version: after the next rotation, move it too.",
    Reason.STORAGE_FOLLOWS: (
        "Nothing to do: Azure Storage looks for a newer version daily, and moves this account by itself. Keep the version that "
        "it uses enabled until it has."
    ),
    Reason.STORAGE_BEHIND: (
        "Keep the old version enabled: without it, saved queries and log alerts are lost. Move the account by hand "
        "(Encryption, in the portal), or let it follow its key by itself; this app does not touch it."
    ),
    Reason.STORAGE_OTHER_KEY: "Nothing to do here: no cluster in scope uses the account's key, so its versions are not read.",
    Reason.STORAGE_UNLINKED: _NOTHING,
    Reason.STORAGE_UNREAD: (
        "Give the app's identity Microsoft.OperationalInsights/workspaces/linkedStorageAccounts/read on the workspaces and "
        "Microsoft.Storage/storageAccounts/read on the accounts (both are in Reader), or look yourself before you disable an old "
        "version. Until then what was last read counts, if anything was, unless the account is linked no more. With "
        "STORAGE_ACCOUNTS=ignore nobody looks, and nothing counts."
    ),
    Reason.STORAGE_KEY_DISABLED: (
        "Is this a revocation? If so, leave it. If not, enable or recover the version at once: until then nobody reads the "
        "account's saved queries and log alerts. Then move the account to the newest version."
    ),
    Reason.STORAGE_KEY_EXPIRED: (
        "Extend the expiry date of the version that the account uses, then move the account to the newest version."
    ),
}

STORAGE_UNREACHABLE = (
    "Nothing to correct unless this lasts: Azure did not answer in time, or asked to be asked less, and the next run looks "
    "again. Until then what was last read counts, if anything was. If it lasts, look yourself before you disable an old version."
)
STORAGE_API_UNKNOWN = (
    "This cloud does not know the version of the API that was asked for; no right and no setting cures that. Please report this "
    "line, and look yourself before you disable an old version."
)
STORAGE_KEY_UNREAD = (
    "What the account needs counts. Why its key cannot be read is said of the clusters that use the key: see there."
)
"""What to do about storage that is unread where no right to it is missing."""

_REPAIRS: Mapping[Reason, tuple[Repair, ...]] = {
    Reason.IN_USE_UNKNOWN: (repairs.RECOVER,),
    Reason.IN_USE_DISABLED: (repairs.ENABLE,),
    Reason.IN_USE_EXPIRED: (repairs.EXTEND,),
    Reason.NO_USABLE_VERSION: (repairs.ROTATE,),
    Reason.ORDER_UNKNOWN: (repairs.ROTATE,),
    Reason.WOULD_GO_BACK: (repairs.ROTATE,),
    Reason.MOVED_BACK: (repairs.SET_VERSION,),
    Reason.CLUSTER_ACCESS_DENIED: (repairs.LET_APP_UPDATE,),
    Reason.KEY_VAULT_BLOCKED: (repairs.ADMIT,),
    Reason.KEY_NOT_FOUND: (repairs.RECOVER,),
    Reason.STORAGE_BEHIND: (repairs.MOVE_ACCOUNT,),
    Reason.STORAGE_KEY_DISABLED: (repairs.ENABLE, repairs.MOVE_ACCOUNT),
    Reason.STORAGE_KEY_EXPIRED: (repairs.EXTEND, repairs.MOVE_ACCOUNT),
}
_LET_APP_READ: Mapping[bool | None, tuple[Repair, ...]] = {
    False: (repairs.LET_APP_READ,),
    True: (repairs.LET_APP_READ_BY_POLICY,),
    None: (repairs.LET_APP_READ, repairs.LET_APP_READ_BY_POLICY),
}
"""By whether an access policy was missing, if that is known."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do, with the names that are known."""

    text: str
    lacks: Right | None = None
    """The right that is missing, if that is the matter."""


def advice_for(reason: Reason, error: OperationError | None = None) -> str:
    """What to do, in words: Azure's own error decides if it is a known one, else the reason."""
    known = known_error(reason, error) if error else None
    return known.remedy if known else REMEDIES[reason]


def remedy_for(
    reason: Reason, names: Names, error: OperationError | None = None, *, by_hand: tuple[Repair, ...] = ()
) -> Remedy:
    """What to do, in words and with the commands that do it; `by_hand` are those for what the app itself leaves alone."""
    chosen = by_hand or _repairs(reason, error)
    told = [repair.told(names) for repair in chosen]
    if reason is Reason.UPDATE_OVERDUE:
        told.append(repairs.for_support(names))
    lacks = next((repair.right(names) for repair in chosen if repair.right), None)
    return Remedy(" ".join(filter(None, dict.fromkeys((advice_for(reason, error), *told)))), lacks)


def _repairs(reason: Reason, error: OperationError | None) -> tuple[Repair, ...]:
    known = known_error(reason, error) if error else None
    chosen = _REPAIRS.get(reason, ()) if known is None else known.repairs
    if known is None and reason is Reason.KEY_ACCESS_DENIED:
        chosen = _LET_APP_READ[repairs.refused_by_policy(error)]
    again = reason in UPDATES and (known is None or bool(known.repairs))
    return (*chosen, repairs.VISIT) if again else chosen
