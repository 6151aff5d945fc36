"""What a decision is made from, and what it comes to. Frozen values; nothing here reads or writes anything."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from cmk_rotation.domain.azure_resources import (
    Cluster,
    Failure,
    KeyVersion,
    Operation,
    OperationError,
    Workspace,
    same_version,
)
from cmk_rotation.domain.cluster_record import ClusterStatus, LinkedStorage
from cmk_rotation.domain.identifiers import ClusterId
from cmk_rotation.domain.remedies import Remedy, remedy_for
from cmk_rotation.domain.repairs import Names, with_refused
from cmk_rotation.domain.rotation import Rotation, names_of, proposed, same_rotation
from cmk_rotation.domain.timing import (
    CALL_OUT_AFTER,
    CLOCKS_DIFFER,
    LONGEST_RETRY_AFTER,
    Timing,
    plausible,
    unavailable_backoff,
)
from cmk_rotation.domain.vocabulary import OPEN, UNREACHABLE, Action, FailureKind, KeyMode, Reason, RequestedBy, Stage


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about a cluster now, and why."""

    action: Action
    reason: Reason
    message: str
    requeue_after: timedelta | None = None
    """When to look again; None leaves that to the next reconcile."""
    target: KeyVersion | None = None
    """The version to update to."""
    remedy: Remedy | None = None
    """What to do, where the reason's own remedy would not say enough."""
    since: datetime | None = None
    """Since when this has been so, where Azure itself says it."""
    progress: Rotation | None = None
    """The open rotation with what this look learned about it."""


@dataclass(frozen=True, slots=True)
class Finish:
    """One rotation has come to its end, or its claim to nothing, as here. Then decide again."""

    rotation: Rotation


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What every look at a cluster has: its time, and what is on record."""

    now: datetime
    rotations: tuple[Rotation, ...] = ()
    status: ClusterStatus | None = None
    unreadable_rows: tuple[str, ...] = ()
    storage: tuple[LinkedStorage, ...] | None = None

    @property
    def unfinished(self) -> tuple[Rotation, ...]:
        """The rotations that wait or are under way."""
        return tuple(rotation for rotation in self.rotations if rotation.stage in OPEN)

    @property
    def updating(self) -> Rotation | None:
        """The rotation whose update was claimed and has not ended."""
        return under_way(self.rotations)

    def with_rotation(self, rotation: Rotation) -> Self:
        """The same look, with that rotation on record."""
        others = tuple(other for other in self.rotations if not same_rotation(other, rotation))
        return replace(self, rotations=(*others, rotation))


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation(Look):
    """One cluster, as seen in one look."""

    timing: Timing
    by: RequestedBy
    cluster: Cluster
    versions: tuple[KeyVersion, ...] | Failure
    """The key's versions; empty where the cluster has no key or its vault is none of this cloud's."""
    vault_in_cloud: bool = True
    operation: Operation | Failure | None = None
    """Of the open rotation; None if it has none that may be asked."""
    workspaces: tuple[Workspace, ...] = ()
    """The linked workspaces, where they were read."""
    asked_at: datetime | None = None
    """When the queue took the request for this look, if one led to it."""

    @property
    def cluster_id(self) -> ClusterId:
        """Of the cluster, as each kind of look has it."""
        return self.cluster.id

    @property
    def in_use(self) -> KeyVersion | None:
        """The version that the cluster pins, if Key Vault lists it."""
        return self.listed(self.cluster.key_version)

    @property
    def usable(self) -> tuple[KeyVersion, ...]:
        """The versions a cluster could use now, oldest first.

        Of those made in one second, Key Vault's current one is last, or else the one in use.
        """
        versions = () if isinstance(self.versions, Failure) else self.versions
        usable = (version for version in versions if version.usable(self.now))
        pinned = self.cluster.key_version
        return tuple(
            sorted(usable, key=lambda one: (one.created_at, one.is_current, same_version(one.version, pinned)))
        )

    @property
    def target(self) -> KeyVersion | None:
        """The usable version that was created last."""
        return self.usable[-1] if self.usable else None

    @property
    def at_newest(self) -> bool:
        """Whether the cluster pins the newest usable version."""
        return self.target is not None and same_version(self.target.version, self.cluster.key_version)

    @property
    def is_forward(self) -> bool:
        """Whether the newest usable version is no older than the one in use. Of one second, by Key Vault's own word."""
        in_use, target = self.in_use, self.target
        if in_use is None or target is None:
            return True
        return (target.created_at, target.is_current) >= (in_use.created_at, in_use.is_current)

    @property
    def is_behind(self) -> bool:
        """Whether the cluster pins another than the newest usable version."""
        return self.cluster.mode is KeyMode.PINNED and self.target is not None and not self.at_newest

    @property
    def done(self) -> tuple[Rotation, ...]:
        """The rotations of the present key that succeeded."""
        here = (rotation for rotation in self.rotations if rotation.key == self.cluster.key)
        return tuple(rotation for rotation in here if rotation.stage is Stage.SUCCEEDED)

    def listed(self, version: str | None) -> KeyVersion | None:
        """A version as Key Vault lists it, or None."""
        versions = () if isinstance(self.versions, Failure) else self.versions
        return next((listed for listed in versions if same_version(listed.version, version)), None)

    def toward(self, version: str | None) -> Rotation | None:
        """The rotation on record that leads this cluster to a version of its present key."""
        here = (rotation for rotation in self.rotations if rotation.key == self.cluster.key)
        return next((rotation for rotation in here if same_version(rotation.to_version, version)), None)

    def with_rotation(self, rotation: Rotation) -> Self:
        """The same look, with that rotation on record and nothing known of an operation under way.

        Once an attempt has failed, the operator's word was for that one, not for the next.
        """
        return replace(
            Look.with_rotation(self, rotation),
            operation=None,
            workspaces=rotation.outcome.linked_workspaces or self.workspaces,
            by=RequestedBy.FOLLOW if rotation.stage is Stage.FAILED else self.by,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableCluster(Look):
    """One cluster that could not be read."""

    cluster_id: ClusterId
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance(Look):
    """One operation, which goes on. Its cluster and the cluster's key were looked at a short while ago, and not now."""

    timing: Timing
    cluster_id: ClusterId
    operation: Operation


type Seen = Observation | Glance | UnreadableCluster


def under_way(rotations: Iterable[Rotation]) -> Rotation | None:
    """The rotation whose update was claimed and has not ended; of several, the last one that ARM took.

    There are several when the key rotated again between two visits at the same time.
    """
    claimed = [rotation for rotation in rotations if rotation.stage is Stage.UPDATING]
    return max(claimed, key=lambda one: (one.attempt.accepted_at is not None, one.requested_at), default=None)


def reads_target(cluster: Cluster, rotation: Rotation) -> bool:
    """Whether the cluster shows the key and the version that the rotation leads to."""
    return cluster.key == rotation.key and same_version(cluster.key_version, rotation.to_version)


def toward(observation: Observation, target: KeyVersion, event_id: str | None = None) -> Rotation:
    """The rotation on record that leads to the target, or a new one."""
    return observation.toward(target.version) or proposed(
        observation.cluster,
        target,
        by=observation.by,
        event_id=event_id,
        now=observation.now,
    )


def confirms(seen: Seen, rotation: Rotation) -> bool | None:
    """Whether a look bears out a rotation that is on record as ended; None if that cannot be told now.

    A success is borne out by the cluster being at its version, or past it. A failure claims nothing that could be.
    """
    if rotation.stage is not Stage.SUCCEEDED:
        return True
    if isinstance(seen, Glance):
        return None
    if isinstance(seen, UnreadableCluster):
        return None if seen.failure.kind in {FailureKind.UNAVAILABLE, FailureKind.NETWORK_BLOCKED} else False
    if seen.cluster.key != rotation.key:
        return False
    if same_version(seen.cluster.key_version, rotation.to_version):
        return True
    if isinstance(seen.versions, Failure):
        return None
    there, in_use = seen.listed(rotation.to_version), seen.in_use
    return there is not None and in_use is not None and there.created_at < in_use.created_at


def not_again_before(rotation: Rotation, now: datetime) -> datetime:
    """When the update may be sent again, now at the soonest.

    While it may be in flight, by the clock of whoever claimed it, it must not; and while it rests because Azure turned it
    away, or does not answer, it should not.
    """
    latest = now + LONGEST_RETRY_AFTER + CLOCKS_DIFFER
    claimed_until = plausible(rotation.attempt.claimed_until, latest=latest)
    rests_until = plausible(rotation.attempt.rests_until, latest=latest)
    return max(filter(None, (now, claimed_until and claimed_until + CLOCKS_DIFFER, rests_until)))


def since(status: ClusterStatus | None, reason: Reason, now: datetime) -> datetime:
    """Since when this has been the reason."""
    if status is None or status.reason is not reason:
        return now
    return plausible(status.since, latest=now) or now


def unavailable_since(seen: Observation | UnreadableCluster) -> datetime:
    """Since when no look could read everything. Reasons may change meanwhile, as often as they like."""
    status = seen.status
    if status is None:
        return seen.now
    # A row of an earlier version of this product has the reason alone.
    stored = status.unavailable_since or (status.since if status.reason in UNREACHABLE else None)
    return plausible(stored, latest=seen.now) or seen.now


def busy_since(observation: Observation) -> datetime:
    """Since when the cluster has been busy, but for looks that could not see it."""
    stored = observation.status.busy_since if observation.status else None
    return plausible(stored, latest=observation.now) or since(observation.status, Reason.CLUSTER_BUSY, observation.now)


def attention(observation: Observation, reason: Reason, message: str, since: datetime | None = None) -> Decision:
    """Hold, and call a person."""
    return Decision(Action.ATTENTION, reason, f"{observation.cluster.id.name}: {message}", since=since)


def nothing(observation: Observation, reason: Reason, message: str) -> Decision:
    """All is as it should be, or is not ours to change."""
    return Decision(Action.NOTHING, reason, f"{observation.cluster.id.name}: {message}")


def unavailable(seen: Seen, reason: Reason, message: str, failure: Failure, lasted: timedelta) -> Decision:
    """Try again later; after an hour of that, call a person."""
    action = Action.ATTENTION if lasted >= CALL_OUT_AFTER else Action.WAIT
    after = unavailable_backoff(lasted, failure.retry_after)
    return Decision(action, reason, message, requeue_after=after, remedy=remedy_of_failure(seen, reason, failure))


def names(seen: Seen) -> Names:
    """What a remedy may name of a cluster."""
    if not isinstance(seen, Observation):
        return Names(place=seen.cluster_id)
    cluster = seen.cluster
    return replace(
        names_of(seen.updating) if seen.updating else Names(place=cluster.id),
        vault_host=cluster.key.vault if cluster.key and seen.vault_in_cloud else None,
        key_name=cluster.key_name,
        key_vault_uri=cluster.key_vault_uri,
        key_rsa_size=cluster.key_rsa_size,
        version=cluster.key_version,
        identity=cluster.identity_id,
    )


def remedy_of(seen: Seen, decision: Decision) -> Remedy:
    """What to do about what was decided."""
    return decision.remedy or remedy_for(decision.reason, names(seen))


def remedy_of_failure(seen: Seen, reason: Reason, failure: Failure) -> Remedy:
    """What to do about something that could not be read."""
    error = OperationError(failure.code, failure.message)
    return remedy_for(reason, with_refused(names(seen), error), error)
