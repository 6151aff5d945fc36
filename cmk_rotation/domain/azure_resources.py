"""What is seen in Azure: clusters, versions of keys, operations, and why something could not be read. All times are UTC."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cmk_rotation.domain.identifiers import ClusterId, Key
from cmk_rotation.domain.vocabulary import FailureKind, KeyMode


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something could not be read or done."""

    kind: FailureKind
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
    updated_at: datetime | None = None
    """When it was last changed: enabled, disabled, or given another expiry."""
    is_current: bool = False
    """Whether Key Vault itself names it as the key's current version. Asked only where the newest have no order."""

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
    identity_id: str | None = None
    """The object id of the identity by which it uses its key; None where it has none, or several."""

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
class AccountKey:
    """The key of its owner's that encrypts a storage account, as ARM shows it."""

    key_vault_uri: str
    key_name: str
    key_version: str | None = None
    """The version that the account pins; None where it follows its key by itself."""
    version_in_use: str | None = None
    """The version of this key that Azure Storage says it uses; None where it does not say."""
    rotated_at: datetime | None = None
    """When Azure Storage last took another version up."""

    @property
    def key(self) -> Key | None:
        """The key, in the form made for comparing; None if it cannot be understood."""
        return Key.of(self.key_vault_uri, self.key_name)

    @property
    def mode(self) -> KeyMode:
        """How the account is tied to its key."""
        return KeyMode.PINNED if self.key_version else KeyMode.AUTO

    @property
    def in_use(self) -> str | None:
        """The version that it cannot be read without: until Azure Storage has moved, not the one that it names."""
        return self.version_in_use or self.key_version


@dataclass(frozen=True, slots=True)
class UnreadableEntry:
    """An entry in a list of clusters that cannot be read."""

    name: str
    """Its id as it was listed, on one line and truncated, or that it has none."""
    problem: str
    cluster_id: ClusterId | None = None
    """Which cluster it must be, where that can be told."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The clusters in a scope, and what the list holds beside them."""

    clusters: tuple[Cluster, ...] = ()
    unreadable: tuple[UnreadableEntry, ...] = ()


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


def same_version(one: str | None, other: str | None) -> bool:
    """Whether two version names are one version's; hexadecimal, so case means nothing."""
    return one is not None and other is not None and one.lower() == other.lower()
