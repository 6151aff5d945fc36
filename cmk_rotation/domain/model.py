"""The nouns: what is seen in Azure, what is on record, and the words for them. All times are UTC."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cmk_rotation.domain.identifiers import ClusterId, Key
from cmk_rotation.domain.vocabulary import KeyMode, Reason, RequestedBy, Stage, TroubleKind


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
    """Until then the update may be in flight and must not be sent again; after the end, a late announcement may be."""
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
    """The old versions whose early end was called out, separated by commas."""
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
class PoisonQueue:
    """What lies in `cluster-visits-poison`: what can be read there is taken out at once, the rest nobody ever sees.

    Since when cannot be asked of the messages: the host takes each again and again, and while it has them they are hidden. So
    whoever finds some first writes the time down at the queue.
    """

    messages: int
    """About how many, hidden ones included; the queue's own count is an estimate."""
    since: datetime | None = None
    """Since when there has been one each time that somebody looked, as it was written down."""


@dataclass(frozen=True, slots=True)
class VisitRequest:
    """A message on the queue: where to look, and who asked. Nothing else in it is believed."""

    by: RequestedBy
    requested_at: datetime
    cluster: ClusterId | None = None
    key: Key | None = None
    event_id: str | None = None
