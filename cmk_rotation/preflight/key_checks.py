"""What must be true of a key and of its vault. `checks.py` puts them in order."""

from cmk_rotation.domain.azure_resources import Failure
from cmk_rotation.domain.remedies import REMEDIES
from cmk_rotation.domain.vocabulary import Reason, RequestedBy
from cmk_rotation.preflight import rights
from cmk_rotation.preflight.cluster_checks import LIST_KEYS
from cmk_rotation.preflight.findings import Eyes, Found, fails, fine, unknown, warns
from cmk_rotation.preflight.seen import EventSubscription, SeenKey, SeenVault, Unread, Vault

_SIZES = {2048, 3072, 4096}
"""Of RSA keys that storage takes ("Customer-managed keys for Azure Storage encryption")."""
_OPERATIONS = {"wrapkey", "unwrapkey"}
_NEW_VERSION = "microsoft.keyvault.keynewversioncreated"


def a_version_is_usable(seen: SeenKey) -> Found:
    """There must be something to move to."""
    if isinstance(seen.versions, Failure):
        why = f"{seen.versions.code}: {seen.versions.message}"
        return unknown(Unread("its versions", why, LIST_KEYS))
    usable = [one for one in seen.versions if one.usable(seen.now)]
    if not usable:
        return fails("has no usable version", REMEDIES[Reason.NO_USABLE_VERSION])
    return fine(f"newest usable version {max(usable, key=lambda one: one.created_at).version}")


def function_reads_it(seen: SeenKey) -> Found | None:
    """Whether the function, when it last looked, saw its versions."""
    reasons = {Reason.KEY_ACCESS_DENIED, Reason.KEY_VAULT_BLOCKED, Reason.KEY_NOT_FOUND, Reason.KEY_UNREACHABLE}
    trouble = next((one for one in seen.statuses if one.reason in reasons), None)
    if trouble is not None:
        return fails(trouble.message, trouble.remedy or REMEDIES[trouble.reason], Eyes.FUNCTION)
    if any(one.newest_version for one in seen.statuses):
        return fine("the function last read its versions without trouble", Eyes.FUNCTION)
    return None


def material_is_fit(seen: SeenKey) -> Found:
    """Storage wraps with RSA keys of three sizes, if the key's operations allow it."""
    made = seen.material
    if isinstance(made, Unread):
        return unknown(made)
    if made.kind.upper().removesuffix("-HSM") != "RSA":
        return fails(f"is of type {made.kind}", "Clusters take RSA keys (RSA or RSA-HSM) only: use one.")
    if made.size not in _SIZES:
        return fails(f"has {made.size} bits", "Use an RSA key of 2048, 3072 or 4096 bits.")
    lacking = _OPERATIONS - made.operations
    if lacking:
        return fails(
            f"does not permit {' and '.join(sorted(lacking))}",
            "Permit wrapKey and unwrapKey among the key's operations (`az keyvault key set-attributes --ops`).",
        )
    return fine(f"{made.kind}, {made.size} bits, permits wrapKey and unwrapKey")


def vault_is_recoverable(seen: SeenVault) -> Found:
    """Azure takes no key that could be lost for good."""
    vault = seen.vault
    if not isinstance(vault, Vault):
        return unknown(vault or _unseen(seen))
    off = [
        name
        for name, on in (("soft delete", vault.soft_delete), ("purge protection", vault.purge_protection))
        if not on
    ]
    if off:
        return fails(f"{' and '.join(off)} off", "Turn it on: without, Azure says that the key is not recoverable.")
    return fine("soft delete and purge protection are on")


def _unseen(seen: SeenVault) -> Unread:
    return Unread(
        f"vault {seen.host}", "it is in no subscription that you may see", f"{rights.see_vault(seen.host)} (Reader)"
    )


def azure_monitor_gets_in(seen: SeenVault) -> Found | None:
    """Clusters reach a closed vault as a trusted service."""
    vault = seen.vault
    if not isinstance(vault, Vault):
        return None  # said already
    if vault.public_access == "securedbyperimeter":
        return fails(
            "a network security perimeter overrides that Azure Monitor is trusted",
            "Let Azure Monitor in by an access rule of the perimeter, or take the vault out of it.",
        )
    closed = vault.public_access == "disabled"
    if closed and seen.user_assigned:
        return fails(
            f"has no public access, and clusters with a user-assigned identity cannot reach it ({', '.join(seen.user_assigned)})",
            "Give these clusters a system-assigned identity with the same right; Azure supports no other way.",
        )
    if (closed or vault.default_deny) and not vault.trusted_services:
        return fails(
            "its network lets trusted services in no more",
            "Allow trusted Microsoft services to bypass the firewall (`az keyvault update --bypass AzureServices`).",
        )
    return fine("lets Azure Monitor in" if closed or vault.default_deny else "is open to all networks")


def function_gets_in(seen: SeenVault) -> Found | None:
    """The function is no trusted service. What it met when it last looked is the proof."""
    blocked = [one.cluster_id.name for one in seen.statuses if one.reason is Reason.KEY_VAULT_BLOCKED]
    if blocked:
        return fails("its network keeps the function out", REMEDIES[Reason.KEY_VAULT_BLOCKED], Eyes.FUNCTION)
    read = [one for one in seen.statuses if one.newest_version]
    if not read:
        return warns(
            "the function has not read a key there yet",
            "If the vault has a firewall, give the function a way in: VNet integration or a private endpoint.",
            Eyes.FUNCTION,
        )
    last = max(one.looked_at for one in read)
    return fine(f"the function last read a key there at {last:%Y-%m-%d %H:%M}Z", Eyes.FUNCTION)


def function_may_list_its_keys(seen: SeenVault) -> Found | None:
    """And nothing more: it never uses a key."""
    vault = seen.vault
    if not isinstance(vault, Vault) or vault.hsm:
        return None
    if isinstance(seen.function_principal, Unread):
        return unknown(seen.function_principal)
    if not vault.by_roles:
        held = {key for policy in vault.policies if policy.principal == seen.function_principal for key in policy.keys}
        return _judged(bool({"list", "all"} & held), sorted(held - {"list", "get"}))
    if isinstance(seen.function_grants, Unread):
        return unknown(seen.function_grants)
    more = rights.broader(
        seen.function_grants,
        ["Microsoft.KeyVault/vaults/write"],
        [f"{rights.KEYS}/wrap/action", f"{rights.KEYS}/delete"],
    )
    lacking = rights.missing(seen.function_grants, [f"{rights.KEYS}/read"], data=True)
    if conditional := rights.perhaps(seen.function_grants, lacking, data=True):
        return rights.unknown_for("the function's identity list its keys", conditional)
    return _judged(not lacking, [f"{grant.role} at {grant.scope}" for grant in more])


def _judged(may_list: bool, more: list[str]) -> Found:  # noqa: FBT001 - one of two facts, each said once
    if not may_list:
        return fails("the function's identity may not list its keys", REMEDIES[Reason.KEY_ACCESS_DENIED])
    if more:
        return warns(
            f"the function's identity holds more than it needs: {', '.join(more)}",
            "Take it away: Microsoft.KeyVault/vaults/keys/read (or the access policy Key: List) is enough.",
        )
    return fine("the function's identity may list its keys, and no more")


def its_events_reach_the_app(seen: SeenVault) -> Found | None:
    """Without events every rotation still is found, by the timer."""
    vault = seen.vault
    if not isinstance(vault, Vault):
        return None
    if vault.hsm:
        return fine("a Managed HSM sends no events: reconcile only")
    for unread in (seen.registered, seen.events):
        if isinstance(unread, Unread):
            return unknown(unread)
    if not seen.registered:
        return warns(
            "Event Grid is not registered in its subscription: reconcile only",
            "Register the provider Microsoft.EventGrid (`az provider register --namespace Microsoft.EventGrid`).",
        )
    mine = [one for one in seen.events if _is_ours(one, seen.app)] if not isinstance(seen.events, Unread) else []
    if not mine:
        return warns(
            "no event subscription points to this app: reconcile only",
            "`azd up`, or its step `connect`, makes one; until then the timer finds each rotation within its period.",
        )
    return _delivers(mine, seen)


def _is_ours(one: EventSubscription, app: str | None) -> bool:
    """A subscription to the function `on_key_event`: of this app, where it is known which one that is."""
    to = one.destination.lower()
    if app is None:
        return "on_key_event" in to
    return to == f"{app.lower()}/functions/on_key_event" or f"//{app.lower().rpartition('/')[2]}." in to


def _delivers(mine: list[EventSubscription], seen: SeenVault) -> Found:
    if not any(not one.event_types or _NEW_VERSION in one.event_types for one in mine):
        return warns(
            "its event subscription leaves new key versions out: reconcile only", "Include KeyNewVersionCreated."
        )
    if all(one.state.lower() != "succeeded" for one in mine):
        return warns(f"its event subscription is {mine[0].state}: reconcile only", "Make the event subscription again.")
    arrived = [one for one in seen.rotations if one.requested_by is RequestedBy.EVENT]
    if not arrived and seen.rotations:
        return warns(
            "no event has led to a rotation on record yet, and the timer has",
            "Look at the metrics of the system topic: deliveries that fail, and dead letters.",
            Eyes.FUNCTION,
        )
    if not any(one.dead_letters for one in mine):
        return warns(
            "its event subscription has no dead letters: an event that is given up is lost unseen",
            "Set a container for them.",
        )
    return fine(
        "its events reach the app"
        if arrived
        else "an event subscription points to the app; no rotation has shown it yet"
    )
