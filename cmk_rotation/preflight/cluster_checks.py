"""What must be true of a cluster. `checks.py` puts them in order."""

from datetime import timedelta

from cmk_rotation.domain.azure_resources import Failure, KeyVersion, same_version
from cmk_rotation.domain.remedies import REMEDIES
from cmk_rotation.domain.vocabulary import KeyMode, Reason
from cmk_rotation.preflight import rights
from cmk_rotation.preflight.findings import Eyes, Found, fails, fine, unknown, warns
from cmk_rotation.preflight.seen import SeenCluster, Unread

_NEEDED_ON_KEYS = {
    f"{rights.KEYS}/read": "get",
    f"{rights.KEYS}/wrap/action": "wrapkey",
    f"{rights.KEYS}/unwrap/action": "unwrapkey",
}
"""What storage does with a cluster's key: the data actions, and the access policies' words for them."""
_STOPS_THE_FUNCTION = frozenset(
    {
        *(
            Reason.CLUSTER_ACCESS_DENIED,
            Reason.CLUSTER_UNREACHABLE,
            Reason.API_VERSION_UNKNOWN,
            Reason.KEY_ACCESS_DENIED,
        ),
        *(Reason.KEY_UNREACHABLE, Reason.KEY_VAULT_BLOCKED, Reason.KEY_NOT_FOUND, Reason.VAULT_NOT_IN_CLOUD),
        Reason.UNEXPECTED_ERROR,
    }
)
LIST_KEYS = (
    "Microsoft.KeyVault/vaults/keys/read on the vault (or the access policy Key: List), from a network that it lets in"
)


def cluster_is_at_rest(seen: SeenCluster) -> Found:
    """An update is taken only then."""
    cluster = seen.cluster
    if cluster.succeeded:
        return fine("at rest")
    if cluster.failed:
        return fails(f"is {cluster.state}", REMEDIES[Reason.CLUSTER_FAILED])
    if cluster.deleting:
        return warns("is being deleted", REMEDIES[Reason.CLUSTER_DELETING])
    return warns(f"is busy ({cluster.state}): an update waits until it is at rest", REMEDIES[Reason.CLUSTER_BUSY])


def mode_is_known(seen: SeenCluster) -> Found:
    """Only a cluster that pins a version is ever moved."""
    cluster = seen.cluster
    match cluster.mode:
        case KeyMode.NONE:
            return fine("uses Microsoft's key: there is nothing to rotate")
        case KeyMode.AUTO:
            return fine(f"follows the newest version of {cluster.key_name} by itself")
        case _ if cluster.held:
            return warns(f"pins a version of {cluster.key_name}, and is held", REMEDIES[Reason.ON_HOLD])
        case _:
            return fine(f"pins version {cluster.key_version} of {cluster.key_name}")


def version_in_use_is_alive(seen: SeenCluster) -> Found | None:
    """Azure refuses to move a cluster whose key has expired, and one whose key is disabled must not be moved."""
    cluster, versions = seen.cluster, seen.versions
    if cluster.mode is not KeyMode.PINNED:
        return None
    if isinstance(versions, Failure):
        return unknown(Unread(f"key {cluster.key_name}", f"{versions.code}: {versions.message}", LIST_KEYS))
    in_use = next((one for one in versions if same_version(one.version, cluster.key_version)), None)
    if in_use is None:
        return fails("Key Vault does not list the version in use", REMEDIES[Reason.IN_USE_UNKNOWN])
    if not in_use.enabled:
        return fails("the version in use is disabled", REMEDIES[Reason.IN_USE_DISABLED])
    return _runway(seen, in_use)


def _runway(seen: SeenCluster, in_use: KeyVersion) -> Found:
    if in_use.expires_at is None:
        return fine("the version in use is enabled and never expires")
    left = in_use.expires_at - seen.now
    if left <= timedelta():
        return fails("the version in use has expired", REMEDIES[Reason.IN_USE_EXPIRED])
    message = f"the version in use is enabled and expires in {left.days} days"
    if left > seen.expiry_warning:
        return fine(message)
    return warns(message, "Rotate the key, or extend the expiry, before that: an expired key cannot be updated.")


def identity_may_use_the_key(seen: SeenCluster) -> Found | None:
    """Without this an update is refused or leaves the cluster Failed: the cause behind most failed rotations."""
    vault, details = seen.vault, seen.details
    if seen.cluster.key is None:
        return None
    if isinstance(details, Unread):
        return unknown(details)
    if not details.principals:
        return fails(
            "has no identity to use its key with",
            "Give the cluster an identity, and that identity its right to the key.",
        )
    if vault is None or isinstance(vault, Unread):
        return unknown(vault or _unseen_vault(seen))
    if vault.hsm:
        right = "the local role Managed HSM Crypto Auditor: `az keyvault role assignment list --hsm-name` shows it"
        return unknown(
            Unread("who may use the keys of a Managed HSM", "its local roles are not in Resource Manager", right)
        )
    return _by_roles(seen) if vault.by_roles else _by_policies(seen)


def _unseen_vault(seen: SeenCluster) -> Unread:
    host = seen.cluster.key.vault if seen.cluster.key else "?"
    return Unread(
        f"vault {host}", "it is in no subscription that you may see", f"{rights.see_vault(host)} on it (Reader)"
    )


def _by_roles(seen: SeenCluster) -> Found:
    grants = seen.grants
    if isinstance(grants, Unread):
        return unknown(grants)
    lacking = rights.missing(grants, _NEEDED_ON_KEYS, data=True)
    if not lacking:
        return fine("its identity may get, wrap and unwrap with the key")
    conditional = rights.perhaps(grants, lacking, data=True)
    if conditional:
        return rights.unknown_for("its identity use the key", conditional)
    return fails(
        f"its identity lacks {', '.join(lacking)} on the key",
        f"Assign the role Key Vault Crypto Service Encryption User at its vault to {_who(seen)}; that takes up to ten minutes.",
    )


def _by_policies(seen: SeenCluster) -> Found:
    vault, details = seen.vault, seen.details
    policies = vault.policies if vault and not isinstance(vault, Unread) else ()
    principals = set() if isinstance(details, Unread) else set(details.principals)
    needed = set(_NEEDED_ON_KEYS.values())
    own = {key for policy in policies if policy.principal in principals for key in policy.keys}
    lacking = set() if "all" in own else needed - own
    if not lacking:
        return fine("an access policy lets its identity get, wrap and unwrap")
    others = [
        one.principal
        for one in policies
        if one.principal not in principals and ({"all"} & one.keys or needed <= one.keys)
    ]
    names = ", ".join(sorted(lacking))
    if others:
        return unknown(
            Unread(
                f"whether its identity, whose own access policy lacks {names}, is in a group that has it ({', '.join(others)})",
                "Resource Manager does not know the members of groups",
                "a look at these object ids in Entra",
            )
        )
    return fails(
        f"no access policy gives its identity {names}",
        f"Add an access policy with Key: Get, Wrap Key, Unwrap Key for {_who(seen)}.",
    )


def _who(seen: SeenCluster) -> str:
    ids = () if isinstance(seen.details, Unread) else seen.details.principals
    return f"object id {', '.join(ids)}"


def vault_is_near(seen: SeenCluster) -> Found | None:
    """A cluster and its vault share region and tenant; subscriptions may differ."""
    vault, details, tenant = seen.vault, seen.details, seen.tenant
    if seen.cluster.key is None or vault is None or isinstance(vault, Unread) or isinstance(details, Unread):
        return None  # said already
    if isinstance(tenant, Unread):
        return unknown(tenant)
    apart = [
        f"{what} {theirs}, the cluster in {ours}"
        for what, theirs, ours in (("region", vault.location, details.location), ("tenant", vault.tenant, tenant))
        if theirs.lower() != ours.lower()
    ]
    if apart:
        return fails(
            f"its vault is in {' and '.join(apart)}", "Use a key of a vault in the cluster's own region and tenant."
        )
    return fine("shares region and tenant with its vault")


def nothing_locks_it(seen: SeenCluster) -> Found:
    """A read-only lock refuses the update."""
    if isinstance(seen.locks, Unread):
        return unknown(seen.locks)
    id_ = seen.cluster.id.key
    over = [
        one for one in seen.locks if one.level.lower() == "readonly" and f"{id_}/".startswith(f"{one.scope.lower()}/")
    ]
    if over:
        names = ", ".join(f"{one.name} at {one.scope}" for one in over)
        return fails(
            f"a read-only lock refuses updates ({names})", "Remove the lock, or move it to where the cluster is not."
        )
    return fine("no lock refuses updates")


def workspaces_are_well(seen: SeenCluster) -> Found | None:
    """A workspace that is Failed already would not be told from one that a bad key has broken."""
    if not seen.workspaces:
        return None
    failed = [one.id.rpartition("/")[2] for one in seen.workspaces if (one.state or "").lower() == "failed"]
    unseen = [one.id.rpartition("/")[2] for one in seen.workspaces if one.state is None]
    if failed:
        return fails(f"linked workspaces are Failed: {', '.join(failed)}", REMEDIES[Reason.WORKSPACE_FAILED])
    if unseen:
        what = f"the state of linked workspaces ({', '.join(unseen)})"
        return unknown(Unread(what, "Azure does not show it", "Microsoft.OperationalInsights/workspaces/read on them"))
    return fine(
        f"{len(seen.workspaces)} linked workspaces are well"
        if len(seen.workspaces) > 1
        else "its linked workspace is well"
    )


def sentinel_agrees(seen: SeenCluster) -> Found | None:
    """Sentinel wants a system-assigned identity, and explicit updates: its key changes by rotation only."""
    if isinstance(seen.sentinel, Unread):
        return unknown(seen.sentinel)
    if not seen.sentinel or seen.cluster.key is None:
        return None
    names = ", ".join(seen.sentinel)
    where = f"Microsoft Sentinel is on {names}"
    if isinstance(seen.details, Unread):
        return unknown(seen.details)
    if seen.cluster.mode is KeyMode.AUTO:
        return warns(
            f"{where}, and the cluster follows its key by itself",
            "Sentinel's documentation asks for explicit updates: pin the version, and this app moves it.",
        )
    if seen.details.identity != "systemassigned":
        return warns(
            f"{where}, and the cluster's identity is {seen.details.identity}",
            "Sentinel's documentation asks for a system-assigned identity. Ask the Sentinel team before you change it.",
        )
    return fine(f"{where}, and its constraints hold")


def linked_storage_follows(seen: SeenCluster) -> Found | None:
    """Saved queries and alerts lie in storage accounts with keys of their own, which nobody moves here."""
    if isinstance(seen.linked, Unread):
        return unknown(seen.linked)
    if not seen.linked:
        return None
    pinned = [one for one in seen.linked if one.version and one.key == seen.cluster.key]
    if pinned and isinstance(seen.versions, Failure):
        why = f"{seen.versions.code}: {seen.versions.message}"
        return unknown(Unread("whether linked storage accounts pin the newest version of the key", why, LIST_KEYS))
    newest = _newest(seen)
    behind = [one.id.rpartition("/")[2] for one in pinned if not same_version(one.version, newest)]
    if behind:
        return warns(
            f"linked storage accounts pin an older version of the key: {', '.join(behind)}",
            "Update their key too, or let them follow it: the old version must stay enabled until then.",
        )
    return fine("linked storage accounts pin no older version of the key")


def _newest(seen: SeenCluster) -> str | None:
    usable = () if isinstance(seen.versions, Failure) else [one for one in seen.versions if one.usable(seen.now)]
    last = max(usable, key=lambda one: one.created_at, default=None)
    return last.version if last else None


def function_sees_it(seen: SeenCluster) -> Found:
    """What the function itself met when it last looked."""
    status = seen.status
    if status is None:
        return warns(
            "the function has not looked at it yet",
            "See that the function runs, and that its CLUSTER_SCOPES are these.",
            Eyes.FUNCTION,
        )
    looked = f"looked at {status.looked_at:%Y-%m-%d %H:%M}Z: {status.reason}"
    if status.reason in _STOPS_THE_FUNCTION:
        return fails(f"{looked} ({status.message})", status.remedy or REMEDIES[status.reason], Eyes.FUNCTION)
    if status.alerts.attention_reason is not None:
        return warns(f"{looked} ({status.message})", status.remedy or REMEDIES[status.reason], Eyes.FUNCTION)
    return fine(looked, Eyes.FUNCTION)
