"""All that is on record about one cluster: what was last seen of it, what it waits for, and its rotations. All times are UTC."""

from dataclasses import dataclass
from datetime import datetime

from cmk_rotation.domain.azure_resources import AccountKey
from cmk_rotation.domain.identifiers import ClusterId, Key, StorageId
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.vocabulary import KeyMode, Reason


@dataclass(frozen=True, slots=True)
class NextVisit:
    """The visit that a cluster waits for."""

    at: datetime
    """When it is due."""
    asked_at: datetime | None
    """When it was requested, to the millisecond: by this the visit is known when it comes."""


@dataclass(frozen=True, slots=True)
class DisabledEarly:
    """An old version that was seen disabled before its time, and that this was said."""

    version: str
    since: datetime | None
    said_at: datetime | None
    """None where an earlier version of this product noted it."""


@dataclass(frozen=True, slots=True)
class AlertState:
    """What was said of a cluster, so that it is not said again before its time."""

    attention_reason: Reason | None = None
    """What a person was last called for; None once that is over."""
    attention_at: datetime | None = None
    """When that was said last."""
    attention_since: datetime | None = None
    """When that began: the same for all that is said of it, however often an update is tried again meanwhile."""
    attention_ended: Reason | None = None
    """Of what it is being said that it is over; None once that was said."""
    expiry_warned_at: datetime | None = None
    disabled_early: tuple[DisabledEarly, ...] = ()
    """Only while they are disabled: one that is enabled and disabled again is said anew."""
    unreadable_rows: str | None = None
    """The rows that could not be read, by their keys, separated by commas."""
    unreadable_at: datetime | None = None
    """When that was said."""
    status_said: str | None = None
    """What `cluster.status` last said."""
    status_at: datetime | None = None
    saying_since: datetime | None = None
    """When a visit noted here that it says something; None once it has said it."""


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """What was last found out about a cluster, and what it waits for."""

    cluster_id: ClusterId
    mode: KeyMode | None
    """None until the cluster could be read once."""
    reason: Reason
    since: datetime
    message: str
    remedy: str | None
    looked_at: datetime
    key_vault_uri: str | None = None
    key_name: str | None = None
    key_version: str | None = None
    key_version_expires_at: datetime | None = None
    newest_version: str | None = None
    cluster_state: str | None = None
    held: bool = False
    """Whether the operator's tag was on it."""
    unavailable_since: datetime | None = None
    """Since when no look could read everything, whatever the reasons; None once one could."""
    busy_since: datetime | None = None
    """Since when the cluster has been seen busy with something that is not our update; None once it was seen at rest."""
    next_visit: NextVisit | None = None
    """None if none was requested."""
    alerts: AlertState = AlertState()
    etag: str | None = None

    @property
    def key(self) -> Key | None:
        """The key, in the form made for comparing."""
        return Key.of(self.key_vault_uri, self.key_name)


@dataclass(frozen=True, slots=True)
class Pin:
    """A version of a key that a cluster or a storage account needs: the one in use, or the one that an update leads to."""

    key: Key
    version: str
    """In lower case."""


@dataclass(frozen=True, slots=True)
class LinkedStorage:
    """What was last found out about a storage account linked to workspaces of clusters.

    Or of a workspace, as long as the accounts that it is linked to cannot be read.
    """

    id: StorageId
    clusters: tuple[ClusterId, ...]
    """The clusters whose workspaces led there."""
    reason: Reason
    since: datetime
    message: str
    remedy: str
    looked_at: datetime
    """When this was written: looks that find nothing new write nothing, but for one a day."""
    account_key: AccountKey | None = None
    """None where it is not known."""
    newest_version: str | None = None
    called_for: Reason | None = None
    """What a person was last called for; None once that is over."""
    called_at: datetime | None = None
    called_since: datetime | None = None
    """Since when that is so: the same for all that is said of it."""
    said: str | None = None
    """What `storage.status` last said."""
    said_at: datetime | None = None
    pins: frozenset[Pin] = frozenset()
    """Under which versions the index names it."""

    @property
    def is_linked(self) -> bool:
        """Whether it still is what it is on record for: rows are never deleted."""
        return self.reason is not Reason.STORAGE_UNLINKED

    @property
    def is_unread(self) -> bool:
        """Whether nobody knows which versions it needs."""
        return self.is_linked and self.account_key is None


@dataclass(frozen=True, slots=True)
class Record:
    """All that is on record about one cluster, history left out."""

    status: ClusterStatus | None = None
    rotations: tuple[Rotation, ...] = ()
    unreadable_rows: tuple[str, ...] = ()
    """The keys of rows that should be rotations and cannot be, for a row is found by its key alone."""
    pins: frozenset[Pin] = frozenset()
    """Under which versions the index names the cluster. Read with everything alone: the index lies in partitions of its own."""
    storage: tuple[LinkedStorage, ...] | None = None
    """The storage accounts that the cluster's workspaces led to: rows of partitions of their own, likewise; else None."""
