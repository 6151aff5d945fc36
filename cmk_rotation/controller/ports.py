"""The world outside: what the flow needs of it, and the errors that cross from it. No SDK exception does."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from cmk_rotation.domain.azure_resources import Accepted, AccountKey, Cluster, Failure, KeyVersion, Listed, Operation
from cmk_rotation.domain.cluster_record import ClusterStatus, LinkedStorage, Pin, Record
from cmk_rotation.domain.identifiers import ClusterId, Key, Scope, StorageId
from cmk_rotation.domain.log_events import LogLine
from cmk_rotation.domain.notice import Notice
from cmk_rotation.domain.rotation import Rotation, Step
from cmk_rotation.domain.timing import LATELY, Timing
from cmk_rotation.domain.visit_message import PoisonQueue, VisitRequest
from cmk_rotation.domain.vocabulary import Mode, Reason

type Pinner = ClusterId | StorageId
"""Who can pin a version of a key: a cluster, or a storage account."""


class AzureCallError(Exception):
    """ARM, Key Vault or the outcome topic did not do what was asked. `failure` says what that means."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.kind}: {failure.code}: {failure.message}")
        self.failure = failure


class StorageUnavailableError(Exception):
    """The product's own table or queue did not answer as it should. The only error that may reach the host.

    `reason` says why where that has a remedy of its own, and `failure` what storage answered.
    """

    def __init__(self, message: str, reason: Reason | None = None, failure: Failure | None = None) -> None:
        super().__init__(message)
        self.reason, self.failure = reason, failure


class ConflictError(Exception):
    """A row was not as it was read: another visit got there first."""


class Clusters(Protocol):
    """Dedicated clusters in ARM. Every method may raise `AzureCallError`."""

    def in_scope(self, scope: Scope) -> Listed:
        """All clusters in a scope, and the entries of its list that cannot be read.

        A resource group or cluster that isn't there is `gone`.
        """
        ...

    def get(self, cluster_id: ClusterId) -> Cluster:
        """One cluster."""
        ...

    def set_key_version(self, cluster: Cluster, version: str, attempt_id: str) -> Accepted:
        """Ask for the same key at another version: one PATCH, never repeated, of `keyVaultProperties` alone."""
        ...

    def operation(self, cluster_id: ClusterId, url: str) -> Operation:
        """Read the status of a long-running operation at a URL that was found trustworthy."""
        ...

    def workspace_state(self, workspace_id: str) -> str:
        """The `provisioningState` of a workspace."""
        ...


class Keys(Protocol):
    """Keys in Key Vault or Managed HSM."""

    def versions(self, key: Key) -> tuple[KeyVersion, ...]:
        """All versions of a key, in no order. May raise `AzureCallError`."""
        ...

    def current_version(self, key: Key) -> str:
        """The version that Key Vault gives to whoever names none."""
        ...


class LinkedAccounts(Protocol):
    """The storage accounts that workspaces are linked to. Every method may raise `AzureCallError`."""

    def of_workspace(self, workspace: StorageId) -> tuple[StorageId, ...]:
        """The storage accounts that a workspace keeps saved queries, log alerts and custom logs in."""
        ...

    def key_of(self, account: StorageId) -> AccountKey | None:
        """The key of its owner's that encrypts an account; None where Azure's own does."""
        ...


class Records(Protocol):
    """The table `rotations`. Every method may raise `StorageUnavailableError`."""

    def of_cluster(self, cluster_id: ClusterId, *, lately: datetime | None = None) -> Record:
        """What is on record about one cluster; an empty record if nothing is.

        With `lately` without the rotations that had ended by then, but for those that are on record as failed, and those with
        an old version that others pin, or that had to stay longer.
        """
        ...

    def everything(self) -> Mapping[ClusterId, Record]:
        """What is on record about all clusters."""
        ...

    def pinning(self, pin: Pin, *, other_than: ClusterId, most: int) -> list[Pinner]:
        """The others that the index names under a version; not many more of them are read than are asked for."""
        ...

    def index(self, who: Pinner, add: Iterable[Pin], remove: Iterable[Pin]) -> None:
        """Name a cluster or a storage account in the index under some versions, and under others not any more."""
        ...

    def history(self, cluster_id: ClusterId | None = None) -> Iterable[Step]:
        """The history of one cluster's rotations, or of all, oldest first for each cluster."""
        ...

    def save_status(self, status: ClusterStatus) -> ClusterStatus:
        """Write a cluster's row: insert it if it has no etag, else replace it if the etag still matches.

        Returns it with its new etag. Raises `ConflictError`.
        """
        ...

    def save_rotation(self, rotation: Rotation, step: Step | None = None) -> Rotation:
        """Write a rotation's row likewise, and in the same transaction a line of its history."""
        ...

    def storage_of(self, cluster_id: ClusterId) -> tuple[LinkedStorage, ...]:
        """The storage accounts that a cluster's workspaces led to. Azure has to look through the whole table for them."""
        ...

    def save_storage(self, storage: LinkedStorage) -> None:
        """Write the row of a storage account, over the one that is there: only reconcile does."""
        ...

    def notices(self) -> Iterable[Notice]:
        """What was said of what has no row of its own."""
        ...

    def save_notice(self, notice: Notice) -> None:
        """Write down what was said, likewise."""
        ...


class Requests(Protocol):
    """The queue `cluster-visits`."""

    def request(self, visit: VisitRequest, after: timedelta = ...) -> None:
        """Put a message there that becomes visible after a while. May raise `StorageUnavailableError`."""
        ...

    def poison_queue(self) -> PoisonQueue:
        """What lies in its poison queue. May raise `StorageUnavailableError`."""
        ...

    def note_poison(self, since: datetime | None) -> None:
        """Write down at the poison queue since when something has lain there, or that nothing does.

        May raise `StorageUnavailableError`.
        """
        ...


class Outcomes(Protocol):
    """The custom topic that hears of finished rotations, if there is one."""

    def publish(self, *, id: str, subject: str, time: datetime, data: Mapping[str, object]) -> None:  # noqa: A002 - CloudEvents' own word
        """Publish one CloudEvent of type `CmkRotation.RotationFinished`. May raise `AzureCallError`."""
        ...


class Log(Protocol):
    """The function's log: one JSON line per event."""

    def __call__(self, line: LogLine, /) -> None:
        """Write one line."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """All that a visit needs, and all that a test replaces."""

    clusters: Clusters
    keys: Keys
    records: Records
    requests: Requests
    outcomes: Outcomes | None
    log: Log
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    mode: Mode
    scopes: tuple[Scope, ...]
    timing: Timing
    arm_host: str
    vault_suffixes: tuple[str, ...]
    """With their leading dot, lower case: `.vault.azure.net`."""
    telemetry_workspace: str | None = None
    """ARM id of the workspace that this app's own telemetry goes to, if it is known."""
    storage: LinkedAccounts | None = None
    """None where nobody is to look at storage accounts."""
    lately: timedelta = LATELY
