"""Which clusters there are: those that the scopes list, and those on record that no scope lists any more."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cmk_rotation.controller.observe import unreadable
from cmk_rotation.controller.ports import AzureCallError, World
from cmk_rotation.controller.side_by_side import side_by_side
from cmk_rotation.decisions.observation import UnreadableCluster
from cmk_rotation.domain.azure_resources import Cluster, Failure, Listed, UnreadableEntry
from cmk_rotation.domain.cluster_record import Record
from cmk_rotation.domain.identifiers import ClusterId, Scope
from cmk_rotation.domain.vocabulary import FailureKind

READING_LASTS = timedelta(minutes=5)
"""How long scopes and keys are read in one run. What hangs costs up to 45 seconds, and the host ends a run after ten minutes
(`functionTimeout`); this leaves time for the last of them, and for requesting a visit to every cluster left."""
NOT_REACHED = Failure(FailureKind.UNAVAILABLE, "NotReached", "others took all the time that there was")


@dataclass(frozen=True, slots=True)
class Survey:
    """All clusters in scope, as the list calls show them."""

    clusters: Mapping[ClusterId, Cluster]
    empty: tuple[Scope, ...]
    failed: Mapping[Scope, Failure]
    unreadable: Mapping[Scope, tuple[UnreadableEntry, ...]]
    """What the lists hold that cannot be read, of the scopes that have such entries."""


def survey(world: World) -> Survey:
    """List every scope; one that fails does not keep the others from being looked after.

    Azure allows five clusters in a region and subscription, so a large fleet is many subscriptions.
    """
    until = world.now() + READING_LASTS
    clusters: dict[ClusterId, Cluster] = {}
    empty: list[Scope] = []
    failed: dict[Scope, Failure] = {}
    unreadable: dict[Scope, tuple[UnreadableEntry, ...]] = {}
    listed = side_by_side(lambda scope: _listed(world, scope, until), world.scopes)
    for scope, found in zip(world.scopes, listed, strict=True):
        if isinstance(found, Failure):
            failed[scope] = found
            continue
        clusters.update((cluster.id, cluster) for cluster in found.clusters)
        if found.unreadable:
            unreadable[scope] = found.unreadable
        elif not found.clusters:
            empty.append(scope)
    return Survey(clusters, tuple(empty), failed, unreadable)


def _listed(world: World, scope: Scope, until: datetime) -> Listed | Failure:
    if world.now() >= until:
        return NOT_REACHED
    try:
        return world.clusters.in_scope(scope)
    except AzureCallError as error:
        return error.failure


def unlisted(world: World, found: Survey, records: Mapping[ClusterId, Record]) -> Iterator[UnreadableCluster]:
    """The clusters on record that lie in scope but were not listed: gone, hidden by a scope that failed, or unreadable."""
    for cluster_id, record in records.items():
        holding = [scope for scope in world.scopes if scope.contains(cluster_id)]
        if cluster_id in found.clusters or not holding:
            continue
        failure = next((found.failed[scope] for scope in holding if scope in found.failed), None)
        failure = failure or _why_unlisted(
            cluster_id, [one for scope in holding for one in found.unreadable.get(scope, ())]
        )
        if record.status is not None or any(rotation.outcome.finished_at is None for rotation in record.rotations):
            yield unreadable(world, cluster_id, failure, record)


def _why_unlisted(cluster_id: ClusterId, entries: list[UnreadableEntry]) -> Failure:
    """Why no scope shows a cluster. An entry that names none may be any of those that are missed."""
    entry = next((entry for entry in entries if entry.cluster_id in {None, cluster_id}), None)
    if entry is None:
        return Failure(FailureKind.NOT_FOUND, "NotListed", "the scope no longer lists it")
    return Failure(FailureKind.UNAVAILABLE, "UnreadableEntry", entry.problem)
