"""What the key's versions say: whether one can be moved to, and whether the one in use lets it happen.

`policy.py` puts them in order, with the others.
"""

from dataclasses import replace

from cmk_rotation.decisions.observation import (
    Decision,
    Observation,
    attention,
    names,
    remedy_of_failure,
    unavailable,
    unavailable_since,
)
from cmk_rotation.domain.azure_resources import Failure, KeyVersion
from cmk_rotation.domain.remedies import remedy_for
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.timing import LIVES_ON
from cmk_rotation.domain.vocabulary import FailureKind, KeyMode, Reason

_REASONS = {
    FailureKind.NETWORK_BLOCKED: Reason.KEY_VAULT_BLOCKED,
    FailureKind.NOT_FOUND: Reason.KEY_NOT_FOUND,
    FailureKind.UNKNOWN_VERSION: Reason.API_VERSION_UNKNOWN,
}


def vault_is_not_in_this_cloud(observation: Observation) -> Decision | None:
    """A vault outside the cloud is never called: its name came from elsewhere, and our token would go there."""
    if observation.vault_in_cloud:
        return None
    message = f"the key's vault {observation.cluster.key_vault_uri} is not in this cloud"
    return attention(observation, Reason.VAULT_NOT_IN_CLOUD, message)


def key_cannot_be_read(observation: Observation) -> Decision | None:
    """Without the key's versions nothing can be decided about them."""
    failure = observation.versions
    if not isinstance(failure, Failure):
        return None
    message = f"key {observation.cluster.key_name} cannot be read ({failure.code}: {failure.message})"
    if failure.kind in {FailureKind.UNAVAILABLE, FailureKind.BUSY}:
        reason = Reason.KEY_UNREACHABLE
        lasted = observation.now - unavailable_since(observation)
        return unavailable(observation, reason, f"{observation.cluster.id.name}: {message}", failure, lasted)
    reason = _REASONS.get(failure.kind, Reason.KEY_ACCESS_DENIED)
    return replace(attention(observation, reason, message), remedy=remedy_of_failure(observation, reason, failure))


def version_in_use_is_unknown(observation: Observation) -> Decision | None:
    """Nothing is known of the version in use, so nothing can be known to be newer."""
    return _unlisted(observation, observation.cluster.key_version, "which the cluster uses")


def version_in_use_is_disabled(observation: Observation) -> Decision | None:
    """Disabling the version in use is how a customer revokes access: never go around that."""
    return _disabled(observation, observation.in_use, "which the cluster uses")


def version_in_use_has_expired(observation: Observation) -> Decision | None:
    """Azure keeps such a cluster running but refuses to update its key."""
    return _expired(observation, observation.in_use, "which the cluster uses")


def update_in_danger(observation: Observation) -> Decision | None:
    """An update under way is followed whatever becomes of its keys; but a person is called if either of them is dead."""
    update, versions = observation.updating, observation.versions
    if update is None or not shows_key_of(observation, update):
        return None
    if isinstance(versions, Failure):
        danger = key_cannot_be_read(observation) if versions.kind is FailureKind.NOT_FOUND else None
    else:
        danger = _dead_version(observation, update)
    return danger and replace(danger, message=f"{danger.message} (an update to {update.to_version} is under way)")


def _dead_version(observation: Observation, update: Rotation) -> Decision | None:
    left, of_left = observation.listed(update.from_version), "which the cluster leaves"
    target, of_target = observation.listed(update.to_version), "which the cluster is to use"
    return (
        version_in_use_is_unknown(observation)
        or version_in_use_is_disabled(observation)
        or version_in_use_has_expired(observation)
        # A cluster may show the target from the start; until the update has ended, the other is needed too.
        or _disabled(observation, left, of_left)
        or _expired(observation, left, of_left)
        or _unlisted(observation, update.to_version, of_target)
        or _disabled(observation, target, of_target)
        or _expired(observation, target, of_target)
    )


def update_is_safe(observation: Observation) -> bool:
    """Whether an update is under way whose key was read, and neither version of which is dead."""
    update = observation.updating
    read = update is not None and shows_key_of(observation, update) and not isinstance(observation.versions, Failure)
    return read and update_in_danger(observation) is None


def shows_key_of(observation: Observation, update: Rotation) -> bool:
    """Whether the cluster shows the key that an update is about. While it is being changed it may show none for a while."""
    return observation.cluster.key == update.key and observation.cluster.mode is KeyMode.PINNED


def _unlisted(observation: Observation, version: str | None, which: str) -> Decision | None:
    if observation.listed(version) is not None:
        return None
    message = f"Key Vault does not list version {version} of key {observation.cluster.key_name}, {which}"
    return attention(observation, Reason.IN_USE_UNKNOWN, message)


def _disabled(observation: Observation, version: KeyVersion | None, which: str) -> Decision | None:
    if version is None or version.enabled:
        return None
    message = f"version {version.version} of key {observation.cluster.key_name}, {which}, is disabled"
    remedy = remedy_for(Reason.IN_USE_DISABLED, replace(names(observation), version=version.version))
    return replace(attention(observation, Reason.IN_USE_DISABLED, message, version.updated_at), remedy=remedy)


def _expired(observation: Observation, version: KeyVersion | None, which: str) -> Decision | None:
    if version is None or not version.expired(observation.now):
        return None
    message = f"version {version.version} of key {observation.cluster.key_name}, {which}, has expired"
    until = (observation.now + LIVES_ON).replace(hour=0, minute=0, second=0)
    remedy = remedy_for(Reason.IN_USE_EXPIRED, replace(names(observation), version=version.version, until=until))
    return replace(attention(observation, Reason.IN_USE_EXPIRED, message, version.expires_at), remedy=remedy)


def no_version_is_usable(observation: Observation) -> Decision | None:
    """All are disabled, expired or not yet valid."""
    if observation.target is not None:
        return None
    return attention(observation, Reason.NO_USABLE_VERSION, f"key {observation.cluster.key_name} has no usable version")


def order_is_unknown(observation: Observation) -> Decision | None:
    """Key Vault counts creation in whole seconds: two newest versions of one second have no order but its own word.

    Without that word, a cluster that is on one of them may be behind all the same. One that the operator holds needs no order.
    """
    cluster, in_use, target = observation.cluster, observation.in_use, observation.target
    if target is None or cluster.held:
        return None
    newest = {one for one in (*observation.usable, in_use) if one is not None and one.created_at == target.created_at}
    if len(newest) == 1 or any(one.is_current for one in newest):
        return None
    tied = " and ".join(sorted(one.version for one in newest))
    message = (
        f"versions {tied} of key {cluster.key_name} were created in the same second, and Key Vault does not say which is the "
        f"newest; the cluster uses {cluster.key_version}"
    )
    return attention(observation, Reason.ORDER_UNKNOWN, message)


def would_go_back(observation: Observation) -> Decision | None:
    """Only forward: the newest usable version is older than the one in use."""
    in_use, target = observation.in_use, observation.target
    if in_use is None or target is None or observation.is_forward:
        return None
    message = f"the newest usable version {target.version} is older than {in_use.version}, which the cluster uses"
    return attention(observation, Reason.WOULD_GO_BACK, message)
