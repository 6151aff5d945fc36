"""How long an old version must stay: who pins it still, and since when nobody does.

A visit that ends a rotation asks the table for others that pin the old version, and reads until it has found one: as many
rows come back in any fleet, though the table looks through all that it has. Who else leaves a version, or goes back to it, is
seen by reconcile, which has the whole picture anyway.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime

from cmk_rotation.controller.ports import ConflictError, World
from cmk_rotation.decisions.observation import Observation
from cmk_rotation.domain.azure_resources import same_version
from cmk_rotation.domain.cluster_record import ClusterStatus, Record
from cmk_rotation.domain.identifiers import ClusterId, Key
from cmk_rotation.domain.rotation import Rotation, Step, old_version_kept
from cmk_rotation.domain.timing import SECOND_READ_AFTER
from cmk_rotation.domain.vocabulary import KeyMode, Reason, Stage

type PinnedBy = Mapping[tuple[Key | None, str], frozenset[ClusterId]]
"""The clusters in scope that pin a version of a key; the version in lower case."""


def keep_old_version_until(world: World, rotation: Rotation) -> datetime | None:
    """Until when the old version must at least stay enabled; None while another cluster in scope still pins it.

    A cluster that has just left it still shows it in its row, until the look that saw it leave is noted. May raise
    `StorageUnavailableError`.
    """
    if rotation.from_version is None or rotation.key is None:
        return None
    others = world.records.pinning(rotation.key, rotation.from_version, other_than=rotation.cluster_id)
    pinning = (status for status in others if _pins(world, status))
    held = any(not _has_left(status, world.records.of_cluster(status.cluster_id).rotations) for status in pinning)
    return None if held else _from_now(world)


def pinned_by(world: World, records: Mapping[ClusterId, Record]) -> PinnedBy:
    """Who pins which version, by the rows and by what rotations have done since."""
    pinned: dict[tuple[Key | None, str], frozenset[ClusterId]] = {}
    for cluster_id, record in records.items():
        status = record.status
        if (
            status is not None
            and status.key_version
            and _pins(world, status)
            and not _has_left(status, record.rotations)
        ):
            version = (status.key, status.key_version.lower())
            pinned[version] = pinned.get(version, frozenset()) | {cluster_id}
    return pinned


def note_retention(world: World, pinned: PinnedBy, observation: Observation) -> None:
    """Put on record which old versions of a cluster have been left by the last that pinned them, or are pinned again."""
    for rotation in _retention_changes(world, pinned, observation):
        name = "old version free" if rotation.outcome.keep_old_version_until else "old version in use again"
        with suppress(ConflictError):  # a visit notes something at this moment; the next reconcile looks again
            world.records.save_rotation(rotation, Step(name, observation.now, rotation))


def _retention_changes(world: World, pinned: PinnedBy, observation: Observation) -> Iterable[Rotation]:
    for rotation in observation.done:
        if not rotation.outcome.announced:
            continue  # a visit is saying it at this moment, and has to find the row as it left it
        version = (rotation.key, (rotation.from_version or "").lower())
        others = pinned.get(version, frozenset()) - {rotation.cluster_id}
        held = bool(others) or rotation.from_version is None
        until = (
            None if held or same_version(observation.cluster.key_version, rotation.from_version) else _from_now(world)
        )
        if (until is None) is not (rotation.outcome.keep_old_version_until is None):
            yield old_version_kept(rotation, until)


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
