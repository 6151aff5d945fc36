"""The nouns: what is seen in Azure, what is on record, and the words for them. All times are UTC."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from cmk_rotation.identifiers import ClusterId, Key


class Stage(StrEnum):
    """How far a rotation has come on one cluster."""

    WAITING = "waiting"
    """Called for, not sent: the cluster is busy."""
    UPDATING = "updating"
    """Claimed; the update was sent or is about to be."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"


OPEN = frozenset({Stage.WAITING, Stage.UPDATING})


class KeyMode(StrEnum):
    """How a cluster is tied to its key."""

    PINNED = "pinned"
    """To one version: it stays there until somebody updates the cluster."""
    AUTO = "auto"
    """To the key: an empty `keyVersion` makes storage follow the newest version by itself."""
    NONE = "none"
    """Not at all: Microsoft-managed keys."""


class Mode(StrEnum):
    """What the product may do."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


class RequestedBy(StrEnum):
    """Who asked for a visit."""

    EVENT = "event"
    RECONCILE = "reconcile"
    OPERATOR = "operator"
    FOLLOW = "follow"


class Verdict(StrEnum):
    """What is to be done about a cluster now."""

    UPDATE = "update"
    WAIT = "wait"
    NOTHING = "nothing"
    ATTENTION = "attention"


class Reason(StrEnum):
    """Why. Each has a remedy in `remedies.py`."""

    # nothing is called for
    UP_TO_DATE = "up-to-date"
    FOLLOWS_NEWEST_ITSELF = "follows-newest-itself"
    NO_CUSTOMER_KEY = "no-customer-key"
    ON_HOLD = "on-hold"
    CLUSTER_DELETING = "cluster-deleting"
    CLUSTER_GONE = "cluster-gone"
    # an update is called for, or under way
    VERSION_IS_BEHIND = "version-is-behind"
    CLUSTER_BUSY = "cluster-busy"
    UPDATE_RUNNING = "update-running"
    UPDATE_OVERDUE = "update-overdue"
    # how an update ended
    UPDATE_CONFIRMED = "update-confirmed"
    CONFIRMED_BY_CLUSTER = "confirmed-by-cluster"
    CONFIRMED_DESPITE_OPERATION = "confirmed-despite-operation"
    ALREADY_THERE = "already-there"
    UPDATE_FAILED = "update-failed"
    UPDATE_REFUSED = "update-refused"
    CLUSTER_FAILED = "cluster-failed"
    READ_BACK_DIFFERS = "read-back-differs"
    CHANGED_BY_OTHERS = "changed-by-others"
    NEWER_VERSION = "newer-version"
    # something holds the cluster back
    IN_USE_UNKNOWN = "in-use-unknown"
    IN_USE_DISABLED = "in-use-disabled"
    IN_USE_EXPIRED = "in-use-expired"
    NO_USABLE_VERSION = "no-usable-version"
    ORDER_UNKNOWN = "order-unknown"
    WOULD_GO_BACK = "would-go-back"
    MOVED_BACK = "moved-back"
    CLUSTER_STUCK = "cluster-stuck"
    WORKSPACE_FAILED = "workspace-failed"
    CLUSTER_UNREACHABLE = "cluster-unreachable"
    CLUSTER_ACCESS_DENIED = "cluster-access-denied"
    KEY_UNREACHABLE = "key-unreachable"
    KEY_ACCESS_DENIED = "key-access-denied"
    KEY_VAULT_BLOCKED = "key-vault-blocked"
    KEY_NOT_FOUND = "key-not-found"
    VAULT_NOT_IN_CLOUD = "vault-not-in-cloud"


class TroubleKind(StrEnum):
    """What a refusal or a failure means for what comes next."""

    BUSY = "busy"
    """Not now: another operation runs on the cluster."""
    REFUSED = "refused"
    """Not like this: somebody has to change something."""
    UNAVAILABLE = "unavailable"
    """Not at the moment; and of a change one cannot know whether it took effect."""
    GONE = "gone"
    """Not there."""
    BLOCKED = "blocked"
    """Not from here: a firewall or a private endpoint stands before it."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something could not be read or done."""

    kind: TroubleKind
    code: str
    """Azure's error code where it gave one, else the HTTP status or the kind of failure."""
    message: str
    """Azure's words, on one line and truncated."""
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """One version of a key, as Key Vault lists it."""

    version: str
    created_at: datetime
    enabled: bool = True
    not_before: datetime | None = None
    expires_at: datetime | None = None

    def expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now

    def usable(self, now: datetime) -> bool:
        """Whether a cluster could wrap its keys with it now."""
        return self.enabled and not self.expired(now) and (self.not_before is None or self.not_before <= now)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A dedicated cluster, as ARM shows it."""

    id: ClusterId
    state: str
    """`provisioningState`: Creating, Succeeded, Failed, Canceled, Deleting, ProvisioningAccount, Updating, or a word
    of the future (ClusterEntityStatus in azure-rest-api-specs; an open enum)."""
    key_vault_uri: str | None = None
    """As ARM has it, to the letter: it is sent back unchanged."""
    key_name: str | None = None
    key_version: str | None = None
    """None where ARM has it empty or not at all."""
    key_rsa_size: int | None = None
    held: bool = False
    """Whether the operator's tag `cmk-rotation = hold` is on it."""
    workspace_ids: tuple[str, ...] = ()

    @property
    def key(self) -> Key | None:
        """The key, in the form made for comparing; None if there is none or it cannot be understood."""
        return Key.of(self.key_vault_uri, self.key_name)

    @property
    def mode(self) -> KeyMode:
        """How the cluster is tied to its key."""
        if not self.key_vault_uri or not self.key_name:
            return KeyMode.NONE
        return KeyMode.PINNED if self.key_version else KeyMode.AUTO

    @property
    def succeeded(self) -> bool:
        """At rest, and well."""
        return self.state.lower() == "succeeded"

    @property
    def failed(self) -> bool:
        """At rest, and not well."""
        return self.state.lower() in {"failed", "canceled"}

    @property
    def deleting(self) -> bool:
        """On its way out."""
        return self.state.lower() == "deleting"

    @property
    def busy(self) -> bool:
        """Anything else, unknown states included."""
        return not (self.succeeded or self.failed or self.deleting)


@dataclass(frozen=True, slots=True)
class OperationError:
    """What Azure said of an operation or a request that failed. The message is on one line and truncated."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Operation:
    """A long-running operation's status document."""

    status: str
    error: OperationError | None = None
    retry_after: timedelta | None = None

    @property
    def succeeded(self) -> bool:
        """Ended well. `endTime` says nothing: Azure's own sample of a running operation has one."""
        return self.status.lower() == "succeeded"

    @property
    def failed(self) -> bool:
        """Ended otherwise. These and Succeeded are ARM's only final words."""
        return self.status.lower() in {"failed", "canceled", "cancelled"}


@dataclass(frozen=True, slots=True)
class Accepted:
    """ARM's answer to an update that it took."""

    operation_url: str | None
    correlation_id: str | None
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace linked to a cluster."""

    id: str
    state: str | None
    """`provisioningState`; None where it could not be read."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """One cluster's move to one version of its key: lock, progress, result and history in one row."""

    cluster_id: ClusterId
    key_vault_uri: str
    key_name: str
    from_version: str | None
    to_version: str
    to_version_created_at: datetime | None
    stage: Stage
    reason: Reason
    message: str
    requested_at: datetime
    requested_by: RequestedBy
    event_id: str | None = None
    remedy: str | None = None
    cluster_state: str | None = None
    verified: bool = False
    attempts: int = 0
    attempt_id: str | None = None
    """Sent as `x-ms-client-request-id`."""
    correlation_id: str | None = None
    started_at: datetime | None = None
    """When this attempt was claimed."""
    finished_at: datetime | None = None
    keep_old_version_until: datetime | None = None
    operation_id: str | None = None
    operation_url: str | None = field(default=None, repr=False)
    """Holds a signature in its query: for asking ARM, never for showing. Blank once the rotation has ended."""
    operation_status: str | None = None
    operation_error: OperationError | None = None
    linked_workspaces: tuple[Workspace, ...] = ()
    claimed_until: datetime | None = None
    """Until then the update may be in flight and must not be sent again."""
    accepted_at: datetime | None = None
    """When ARM took the update; None while that isn't known."""
    at_target_since: datetime | None = None
    """The first of the two reads that confirm a rotation without its operation's word."""
    elsewhere_since: datetime | None = None
    """Since when the cluster, at rest, has contradicted an update that ARM took."""
    silent_since: datetime | None = None
    """Since when Azure has not answered for the operation."""
    announced: bool = False
    """Whether the end of this attempt was logged."""
    published: bool = False
    """Whether the end of this attempt was published, or need not be any more."""
    etag: str | None = None

    @property
    def key(self) -> Key | None:
        """The key, in the form made for comparing."""
        return Key.of(self.key_vault_uri, self.key_name)

    @property
    def seconds_to_verify(self) -> float | None:
        """From the attempt's claim to its verified end; None for a rotation that isn't verified or wasn't ours."""
        ours = self.verified and self.reason is not Reason.ALREADY_THERE
        if not ours or self.started_at is None or self.finished_at is None:
            return None
        return round((self.finished_at - self.started_at).total_seconds(), 3)


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
    next_visit_at: datetime | None = None
    """When the next requested visit is due; None if none was requested."""
    next_visit_asked_at: datetime | None = None
    """When it was requested, to the millisecond: by this the visit is known when it comes."""
    attention_reason: Reason | None = None
    """What a person was last called for; None once that is over."""
    attention_at: datetime | None = None
    expiry_warned_at: datetime | None = None
    disabled_early_version: str | None = None
    """The old version whose early end was last called out."""
    saying_since: datetime | None = None
    """When a visit noted here that it says something; None once it has said it."""
    etag: str | None = None

    @property
    def key(self) -> Key | None:
        """The key, in the form made for comparing."""
        return Key.of(self.key_vault_uri, self.key_name)


@dataclass(frozen=True, slots=True)
class Record:
    """All that is on record about one cluster, history left out."""

    status: ClusterStatus | None = None
    rotations: tuple[Rotation, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a rotation's history. Written with the change it tells of, never changed."""

    name: str
    at: datetime
    rotation: Rotation


@dataclass(frozen=True, slots=True)
class VisitRequest:
    """A message on the queue: where to look, and who asked. Nothing else in it is believed."""

    by: RequestedBy
    requested_at: datetime
    cluster: ClusterId | None = None
    key: Key | None = None
    event_id: str | None = None
