"""How long an old version must stay: who pins it still, and since when nobody does.

A pin is a version in use, or the target of an update under way. A visit that ends a rotation asks the index of pins, and
reads as many rows as it names clusters, in any fleet. Who else leaves a version, or goes back to it, is seen by reconcile,
which has the whole picture anyway, and which mends the index.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime

from cmk_rotation.controller.ports import ConflictError, Pinner, World
from cmk_rotation.decisions.observation import Observation
from cmk_rotation.domain.azure_resources import same_version
from cmk_rotation.domain.cluster_record import ClusterStatus, LinkedStorage, Pin, Record
from cmk_rotation.domain.identifiers import ClusterId, Key, StorageId, is_key_version
from cmk_rotation.domain.rotation import Rotation, Step, old_version_kept
from cmk_rotation.domain.timing import SECOND_READ_AFTER
from cmk_rotation.domain.vocabulary import KeyMode, Reason, Stage

MOST_NAMED = 10
"""Clusters that are named as pinning an old version; one more is asked for, to tell whether there are others."""

type PinnedBy = Mapping[Pin, frozenset[Pinner]]
"""The clusters in scope, and the storage accounts linked to them, that pin a version of a key."""


def keep_old_version(world: World, rotation: Rotation) -> Rotation:
    """With the time until which the old version must at least stay enabled, or with who else pins it still.

    The cluster itself has left: the index says so before it is asked, so that of clusters that leave a version together
    the last one finds nobody else. May raise `StorageUnavailableError`.
    """
    left, reached = pin_of(rotation.key, rotation.from_version), pin_of(rotation.key, rotation.to_version)
    if left is None:
        return old_version_kept(rotation, None)
    world.records.index(rotation.cluster_id, add=[reached] if reached else [], remove=[left])
    others = world.records.pinning(left, other_than=rotation.cluster_id, most=MOST_NAMED + 1)
    in_scope = [one for one in others if _counts(world, one)]
    return old_version_kept(rotation, None if in_scope else _from_now(world), named(in_scope))


def _counts(world: World, who: Pinner) -> bool:
    """Whether it matters that somebody pins a version: a cluster in scope, or an account where those are looked at."""
    if isinstance(who, StorageId):
        return world.storage is not None
    return any(scope.contains(who) for scope in world.scopes)


def named(users: Iterable[Pinner]) -> tuple[str, ...]:
    """The names of some clusters and storage accounts, and an ellipsis for more than ten."""
    return few(one.name if isinstance(one, ClusterId) else f"storage account {one.name}" for one in users)


def few(names: Iterable[str]) -> tuple[str, ...]:
    """Some names in order, and an ellipsis for more than ten."""
    ordered = sorted(names)
    return tuple(ordered[:MOST_NAMED]) + (("…",) if len(ordered) > MOST_NAMED else ())


def pin_of(key: Key | None, version: str | None) -> Pin | None:
    """A version as the index has it; None if either is not known. What somebody wrote into a row may be no version at all."""
    return Pin(key, version.lower()) if key is not None and version and is_key_version(version) else None


def pins(world: World, cluster_id: ClusterId, record: Record) -> frozenset[Pin]:
    """The versions that a cluster needs, by its row and by what its rotations have done since."""
    if not any(scope.contains(cluster_id) for scope in world.scopes):
        return frozenset()
    status = record.status
    in_use = status is not None and _pins(world, status) and not _has_left(status, record.rotations)
    found = {pin_of(status.key, status.key_version)} if status is not None and in_use else set()
    targets = {pin_of(one.key, one.to_version) for one in record.rotations if one.stage is Stage.UPDATING}
    return frozenset(pin for pin in {*found, *targets} if pin is not None)


def pinned_by(world: World, records: Mapping[ClusterId, Record], storage: Iterable[LinkedStorage]) -> PinnedBy:
    """Who pins which version: clusters by their records, and those storage accounts."""
    pinned: dict[Pin, set[Pinner]] = {}
    for cluster_id, record in records.items():
        for pin in pins(world, cluster_id, record):
            pinned.setdefault(pin, set()).add(cluster_id)
    for account in storage:
        for pin in storage_pins(account):
            pinned.setdefault(pin, set()).add(account.id)
    return {pin: frozenset(users) for pin, users in pinned.items()}


def storage_pins(storage: LinkedStorage) -> frozenset[Pin]:
    """The versions that a storage account needs: the one that it names, and the one that it uses until it has moved."""
    used = storage.account_key
    if used is None or not storage.is_linked:
        return frozenset()
    return frozenset(filter(None, (pin_of(used.key, one) for one in (used.key_version, used.version_in_use))))


def mend_index(world: World, records: Mapping[ClusterId, Record]) -> None:
    """Let the index name each cluster under the versions that it pins, and under no others. May raise `StorageUnavailableError`.

    A cluster that a visit is moving at this moment may be named a run too long or too short: what reconcile notes of an old
    version rests on the records.
    """
    for cluster_id, record in records.items():
        wanted = pins(world, cluster_id, record)
        if wanted != record.pins:
            world.records.index(cluster_id, add=wanted - record.pins, remove=record.pins - wanted)


def note_retention(world: World, pinned: PinnedBy, observation: Observation) -> None:
    """Put on record which old versions of a cluster have been left by the last that pinned them, or are pinned again."""
    for before, after in _retention_changes(world, pinned, observation):
        name = "old version free" if after.outcome.keep_old_version_until else "old version in use again"
        # Who pins it is no step of the rotation's history; that nobody does any more is.
        step = None if _is_free(before) is _is_free(after) else Step(name, observation.now, after)
        with suppress(ConflictError):  # a visit notes something at this moment; the next reconcile looks again
            world.records.save_rotation(after, step)


def _is_free(rotation: Rotation) -> bool:
    return rotation.outcome.keep_old_version_until is not None


def _retention_changes(world: World, pinned: PinnedBy, observation: Observation) -> Iterable[tuple[Rotation, Rotation]]:
    """The rotations whose old version is pinned by others than is on record, as they are and as they should be."""
    for rotation in observation.done:
        if not rotation.outcome.announced:
            continue  # a visit is saying it at this moment, and has to find the row as it left it
        left = pin_of(rotation.key, rotation.from_version)
        others = pinned.get(left, frozenset()) - {rotation.cluster_id} if left else frozenset()
        back = same_version(observation.cluster.key_version, rotation.from_version)
        until = None if left is None or others or back else _from_now(world)
        changed = old_version_kept(rotation, until, named(others))
        if _is_free(changed) is not _is_free(rotation) or (
            changed.outcome.old_version_pinned_by != rotation.outcome.old_version_pinned_by
        ):
            yield rotation, changed


def _from_now(world: World) -> datetime:
    return world.now() + world.timing.keep_old_version


def _pins(world: World, status: ClusterStatus) -> bool:
    """Whether a cluster is on the version that its row shows, as far as that row tells."""
    gone = status.reason is Reason.CLUSTER_GONE  # its row stays, and says what it pinned; one answer may be wrong
    if status.mode is not KeyMode.PINNED or (gone and world.now() - status.since >= SECOND_READ_AFTER):
        return False
    return any(scope.contains(status.cluster_id) for scope in world.scopes)


def _has_left(status: ClusterStatus, rotations: Iterable[Rotation]) -> bool:
    """Whether a rotation took the cluster off that version after the look that its row shows."""
    return any(
        rotation.stage is Stage.SUCCEEDED
        and same_version(rotation.from_version, status.key_version)
        and (rotation.outcome.finished_at or status.looked_at) >= status.looked_at
        for rotation in rotations
    )
