"""Looking: one cluster, its key, its operation and our own record become one frozen observation."""

from collections.abc import Callable
from dataclasses import replace
from traceback import extract_tb

from cmk_rotation.controller.ports import AzureCallError, World
from cmk_rotation.decisions.observation import Decision, Glance, Observation, Seen, UnreadableCluster, under_way
from cmk_rotation.decisions.update_rules import is_enough
from cmk_rotation.domain.azure_resources import (
    AccountKey,
    Cluster,
    Failure,
    KeyVersion,
    Operation,
    Workspace,
    same_version,
)
from cmk_rotation.domain.cluster_record import Record
from cmk_rotation.domain.identifiers import ClusterId, Key, operation_id
from cmk_rotation.domain.redaction import one_line
from cmk_rotation.domain.vocabulary import Action, FailureKind, KeyMode, Reason, RequestedBy

MOST_WORKSPACES = 100
"""A cluster may have a thousand; more than this many are neither read nor put on record."""


class OnlyPartError(Exception):
    """What was read of the record does not tell enough: a look has to be taken with all of it."""


def look(world: World, cluster_id: ClusterId, record: Record, by: RequestedBy, *, enough: bool) -> Seen:
    """Read what has to be read of one cluster now: of an update under way mostly the operation, and else everything.

    Raises `OnlyPartError` if that would be everything and the record is not `enough`.

    The operation comes first. While it goes on, nothing else has to be asked each time; and what the cluster shows after it
    has ended is what that came to.
    """
    if not enough and by is not RequestedBy.FOLLOW:
        raise OnlyPartError
    operation = _operation_under_way(world, record)
    if by is RequestedBy.FOLLOW and isinstance(operation, Operation):
        glance = Glance(
            now=world.now(),
            timing=world.timing,
            cluster_id=cluster_id,
            operation=operation,
            rotations=record.rotations,
            status=record.status,
        )
        if is_enough(glance):
            return glance
    if not enough:
        raise OnlyPartError
    return _look_at_all(world, cluster_id, record, by, operation, versions_of=read_versions)


type Versions = Callable[[World, Cluster], tuple[KeyVersion, ...] | Failure]


def observe(
    world: World, cluster_id: ClusterId, record: Record, by: RequestedBy, versions_of: Versions
) -> Observation | UnreadableCluster:
    """Read all that a decision about one cluster needs. What cannot be read is part of the observation."""
    operation = _operation_under_way(world, record)
    return _look_at_all(world, cluster_id, record, by, operation, versions_of=versions_of)


def _look_at_all(  # noqa: PLR0913 - which cluster, and what is known of it
    world: World,
    cluster_id: ClusterId,
    record: Record,
    by: RequestedBy,
    operation: Operation | Failure | None,
    *,
    versions_of: Versions,
) -> Observation | UnreadableCluster:
    status = record.status
    try:
        cluster = world.clusters.get(cluster_id)
    except AzureCallError as error:
        return unreadable(world, cluster_id, error.failure, record)
    versions = versions_of(world, cluster)
    observation = replace(assemble(world, cluster, versions, record, by), operation=operation)
    if status is not None and Reason.WORKSPACE_FAILED in {status.reason, status.alerts.attention_reason}:
        observation = replace(observation, workspaces=read_workspaces(world, cluster), now=world.now())
    return observation


def unreadable(world: World, cluster_id: ClusterId, failure: Failure, record: Record) -> UnreadableCluster:
    """An observation of a cluster that could not be read, and why."""
    return UnreadableCluster(
        now=world.now(),
        cluster_id=cluster_id,
        failure=failure,
        rotations=record.rotations,
        status=record.status,
        unreadable_rows=record.unreadable_rows,
        storage=record.storage,
    )


def broken(world: World, cluster_id: ClusterId, record: Record, error: Exception) -> tuple[UnreadableCluster, Decision]:
    """What a look comes to that this product itself has failed at: a person is called, and the other clusters go on."""
    place = extract_tb(error.__traceback__)[-1]
    why = one_line(f"{type(error).__name__}: {error} ({place.filename.rsplit('/', 1)[-1]}:{place.lineno})")
    seen = unreadable(world, cluster_id, Failure(FailureKind.REFUSED, "UnexpectedError", why), record)
    return seen, Decision(Action.ATTENTION, Reason.UNEXPECTED_ERROR, f"{cluster_id.name}: cannot be looked at: {why}")


def assemble(
    world: World, cluster: Cluster, versions: tuple[KeyVersion, ...] | Failure, record: Record, by: RequestedBy
) -> Observation:
    """An observation from a cluster and its key's versions, however they were read."""
    return Observation(
        now=world.now(),
        timing=world.timing,
        by=by,
        cluster=cluster,
        versions=versions,
        vault_in_cloud=cluster.mode is KeyMode.NONE or vault_in_cloud(world, cluster),
        rotations=record.rotations,
        status=record.status,
        unreadable_rows=record.unreadable_rows,
        storage=record.storage,
    )


def vault_in_cloud(world: World, user: Cluster | AccountKey) -> bool:
    """Whether the vault of a cluster's or a storage account's key is one of this cloud's, which may be called."""
    return user.key is not None and user.key.vault.endswith(world.vault_suffixes)


def read_versions(world: World, cluster: Cluster) -> tuple[KeyVersion, ...] | Failure:
    """The versions of the cluster's key, or why they could not be read; none if it has no key that may be read."""
    if cluster.key is None or not vault_in_cloud(world, cluster):
        return ()
    try:
        return _in_order(world, cluster.key, world.keys.versions(cluster.key))
    except AzureCallError as error:
        return error.failure


def _in_order(world: World, key: Key, versions: tuple[KeyVersion, ...]) -> tuple[KeyVersion, ...]:
    """The versions, with Key Vault's own word where the newest were created in one second, as far as it gives it.

    May raise `AzureCallError`: an answer that only does not come at the moment is waited for, as that about the versions is.
    """
    now = world.now()
    newest = max((one.created_at for one in versions if one.usable(now)), default=None)
    if sum(one.created_at == newest for one in versions) < 2:  # noqa: PLR2004 - one alone needs no order
        return versions
    try:
        current = world.keys.current_version(key)
    except AzureCallError as error:
        if error.failure.kind is FailureKind.UNAVAILABLE:
            raise
        return versions
    return tuple(replace(one, is_current=same_version(one.version, current)) for one in versions)


def read_workspaces(world: World, cluster: Cluster) -> tuple[Workspace, ...]:
    """The states of the linked workspaces that exist; unknown from the first on that is not readable for now."""
    workspaces: list[Workspace] = []
    reachable = True
    for workspace_id in cluster.workspace_ids[:MOST_WORKSPACES]:
        state = None
        if reachable:
            try:
                state = world.clusters.workspace_state(workspace_id)
            except AzureCallError as error:
                if error.failure.kind is FailureKind.NOT_FOUND:
                    continue  # the cluster's list lags behind
                reachable = error.failure.kind is not FailureKind.UNAVAILABLE
        workspaces.append(Workspace(workspace_id, state))
    return tuple(workspaces)


def _operation_under_way(world: World, record: Record) -> Operation | Failure | None:
    """The operation of an open rotation. A stored URL is called only if it is trustworthy still."""
    rotation = under_way(record.rotations)
    if rotation is None:
        return None
    url, subscription = rotation.attempt.operation_url, rotation.cluster_id.subscription
    if url is None or operation_id(url, arm_host=world.arm_host, subscription=subscription) is None:
        return None
    try:
        return world.clusters.operation(rotation.cluster_id, url)
    except AzureCallError as error:
        return error.failure
