"""The world outside, in memory and with state: what it was told stays, and what takes time ends when its time has come.

Nothing here checks the product; only the log insists on what every line of it must carry.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cmk_rotation.controller.ports import AzureCallError, ConflictError, Pinner, StorageUnavailableError
from cmk_rotation.domain import visit_message
from cmk_rotation.domain.azure_resources import (
    Accepted,
    AccountKey,
    Cluster,
    Failure,
    KeyVersion,
    Listed,
    Operation,
    UnreadableEntry,
)
from cmk_rotation.domain.cluster_record import ClusterStatus, LinkedStorage, Pin, Record
from cmk_rotation.domain.identifiers import ClusterId, Key, Scope, StorageId
from cmk_rotation.domain.log_events import LogEvent, LogLine
from cmk_rotation.domain.notice import Notice, NoticeKind
from cmk_rotation.domain.rotation import Rotation, Step
from cmk_rotation.domain.visit_message import PoisonQueue, VisitRequest
from cmk_rotation.domain.vocabulary import OPEN, FailureKind, Stage
from tests.unit.support.builders import ARM, MINUTE, NOW, SECOND, operation_url

BUSY = Failure(
    FailureKind.BUSY, "HTTP 400", "Operation can't be executed now. Wait for the async operation to complete"
)


class ProcessDiedError(BaseException):
    """The process is gone between two instructions: nothing in it can catch that."""


@dataclass
class Effects:
    """Everything that changed the world, in order, and the moments at which something goes wrong."""

    done: list[str] = field(default_factory=list)
    die_after: int | None = None
    """The process dies right after its n-th effect; counted from 1."""
    calls: int = 0
    """How often storage was called."""
    failing_calls: frozenset[int] = frozenset()
    """Which of those calls fail without having had an effect; counted from 1."""
    failing_names: frozenset[str] = frozenset()
    """Which calls fail each time, by name."""
    storage_is_down: bool = False

    def happened(self, what: str) -> None:
        self.done.append(what)
        if len(self.done) == self.die_after:
            raise ProcessDiedError(what)

    def storage_called(self, what: str) -> None:
        self.calls += 1
        if self.storage_is_down or self.calls in self.failing_calls or what in self.failing_names:
            raise StorageUnavailableError(what)


@dataclass
class FakeClock:
    """A clock that stands still until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Running:
    """A long-running operation in ARM."""

    cluster_id: ClusterId
    version: str
    ends_at: datetime
    end: Operation
    leaves: str
    """The cluster's state afterwards."""
    arrives: bool
    """Whether the cluster has the new version afterwards."""
    settled: bool = False


@dataclass
class FakeClusters:
    """ARM: one operation at a time on each cluster, which takes `lasts` and ends as `end` says."""

    clock: FakeClock
    effects: Effects
    stored: dict[ClusterId, Cluster] = field(default_factory=dict)
    operations: dict[str, Running] = field(default_factory=dict)
    patches: list[tuple[ClusterId, str]] = field(default_factory=list)
    """The updates that ARM took."""
    sent: list[str] = field(default_factory=list)
    """The attempt ids of all updates that were sent, taken or not."""
    workspaces: dict[str, str | Failure] = field(default_factory=dict)
    lasts: timedelta = 10 * MINUTE
    end: Operation = field(default_factory=lambda: Operation("Succeeded"))
    leaves: str = "Succeeded"
    arrives: bool = True
    answer_lost: Failure | None = None
    """ARM takes the update, but the caller hears this."""
    without_operation: bool = False
    url_host: str = ARM
    refuses: Failure | None = None
    get_failure: Failure | None = None
    get_fails_each: int = 1
    """Of how many reads of a cluster one meets that failure."""
    gets: int = 0
    operation_reads: int = 0
    """How often an operation was asked about."""
    operation_failure: Failure | None = None
    scope_failures: dict[Scope, Failure] = field(default_factory=dict)
    unreadable: tuple[UnreadableEntry, ...] = ()
    """What each list holds beside the clusters that can be read."""
    on_patch: Callable[[], None] | None = None
    """What somebody else does while the update is on its way."""

    def settle(self) -> None:
        for running in self.operations.values():
            if running.settled or self.clock.now < running.ends_at:
                continue
            running.settled = True
            before = self.stored[running.cluster_id]
            key_version = running.version if running.arrives else before.key_version
            self.stored[running.cluster_id] = replace(before, state=running.leaves, key_version=key_version)

    def in_scope(self, scope: Scope) -> Listed:
        if scope in self.scope_failures:
            raise AzureCallError(self.scope_failures[scope])
        self.settle()
        odd = {entry.cluster_id for entry in self.unreadable}
        found = [one for one in self.stored.values() if scope.contains(one.id) and one.id not in odd]
        return Listed(tuple(found), self.unreadable)

    def get(self, cluster_id: ClusterId) -> Cluster:
        self.gets += 1
        if self.get_failure is not None and self.gets % self.get_fails_each == 0:
            raise AzureCallError(self.get_failure)
        self.settle()
        if cluster_id not in self.stored:
            raise AzureCallError(Failure(FailureKind.NOT_FOUND, "ResourceNotFound", "Cluster not found"))
        return self.stored[cluster_id]

    def set_key_version(self, cluster: Cluster, version: str, attempt_id: str) -> Accepted:
        self.sent.append(attempt_id)
        self.clock.now += SECOND  # a PATCH takes its time
        if self.on_patch is not None:
            self.on_patch()
        if self.refuses is not None:
            raise AzureCallError(self.refuses)
        before = self.get(cluster.id)
        if before.busy:
            raise AzureCallError(BUSY)
        self.patches.append((cluster.id, version))
        name = f"operation-{len(self.patches)}"
        url = operation_url(name, host=self.url_host)
        self.operations[url] = Running(
            cluster.id, version, self.clock.now + self.lasts, self.end, self.leaves, self.arrives
        )
        self.stored[cluster.id] = replace(before, state="Updating")
        self.effects.happened("PATCH")
        if self.answer_lost is not None:
            raise AzureCallError(self.answer_lost)
        return Accepted(None if self.without_operation else url, f"correlation-{len(self.patches)}")

    def operation(self, cluster_id: ClusterId, url: str) -> Operation:
        del cluster_id
        self.operation_reads += 1
        if self.operation_failure is not None:
            raise AzureCallError(self.operation_failure)
        self.settle()
        running = self.operations.get(url)
        if running is None:
            raise AzureCallError(Failure(FailureKind.NOT_FOUND, "InvalidResourceType", "operationStatuses not found"))
        return running.end if running.settled else Operation("Updating")

    def workspace_state(self, workspace_id: str) -> str:
        state = self.workspaces.get(workspace_id, "Succeeded")
        if isinstance(state, Failure):
            raise AzureCallError(state)
        return state


@dataclass
class FakeKeys:
    """Key Vault."""

    listed: dict[Key, tuple[KeyVersion, ...]] = field(default_factory=dict)
    failure: Failure | None = None
    current: str | Failure = field(
        default_factory=lambda: Failure(FailureKind.REFUSED, "Forbidden", "not allowed to get")
    )
    """The version that the vault names as the current one, or why it does not."""
    reads: int = 0
    asked_for_current: int = 0

    def versions(self, key: Key) -> tuple[KeyVersion, ...]:
        self.reads += 1
        if self.failure is not None:
            raise AzureCallError(self.failure)
        if key not in self.listed:
            raise AzureCallError(Failure(FailureKind.NOT_FOUND, "KeyNotFound", "no such key"))
        return self.listed[key]

    def current_version(self, key: Key) -> str:
        del key
        self.asked_for_current += 1
        if isinstance(self.current, Failure):
            raise AzureCallError(self.current)
        return self.current


@dataclass
class FakeLinkedAccounts:
    """Workspaces, the storage accounts that they are linked to, and the keys of these."""

    links: dict[StorageId, tuple[StorageId, ...]] = field(default_factory=dict)
    keys: dict[StorageId, AccountKey | None] = field(default_factory=dict)
    """None for an account that Azure's own key encrypts."""
    failures: dict[StorageId, Failure] = field(default_factory=dict)
    asked: list[StorageId] = field(default_factory=list)

    def of_workspace(self, workspace: StorageId) -> tuple[StorageId, ...]:
        self._ask(workspace)
        return self.links.get(workspace, ())

    def key_of(self, account: StorageId) -> AccountKey | None:
        self._ask(account)
        if account not in self.keys:
            raise AzureCallError(Failure(FailureKind.NOT_FOUND, "ResourceNotFound", "no such account"))
        return self.keys[account]

    def _ask(self, what: StorageId) -> None:
        self.asked.append(what)
        if what in self.failures:
            raise AzureCallError(self.failures[what])


type RotationKey = tuple[ClusterId, Key | None, str]


@dataclass
class FakeRecords:
    """The table: a row is written only by who knows its etag, and a step of history only together with its row."""

    effects: Effects
    statuses: dict[ClusterId, ClusterStatus] = field(default_factory=dict)
    rotations: dict[RotationKey, Rotation] = field(default_factory=dict)
    pins: set[tuple[Pinner, Pin]] = field(default_factory=set)
    """The index."""
    accounts: dict[StorageId, LinkedStorage] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()
    """Rows that somebody else put into the cluster's partition."""
    steps: list[Step] = field(default_factory=list)
    noted: dict[tuple[NoticeKind, str], Notice] = field(default_factory=dict)
    writes: Counter[object] = field(default_factory=Counter)
    """How often each row was written: what its etag tells."""
    rows_read: int = 0
    before_save: Callable[[Rotation | ClusterStatus], None] | None = None
    """What another instance does before a row is written."""

    def put(self, *rows: Rotation | ClusterStatus) -> None:
        """Put rows on record as if they had always been there."""
        for row in rows:
            if isinstance(row, Rotation):
                self.rotations[_key(row)] = replace(row, etag=self._etag(_key(row)))
            else:
                self.statuses[row.cluster_id] = replace(row, etag=self._etag(row.cluster_id))

    def of_cluster(self, cluster_id: ClusterId, *, lately: datetime | None = None) -> Record:
        self.effects.storage_called("of_cluster")
        return self._read(cluster_id, lately)

    def everything(self) -> Mapping[ClusterId, Record]:
        self.effects.storage_called("everything")
        accounts = [replace(one, pins=self._pinned(one.id)) for one in self.accounts.values()]
        pinned = [who for who, _ in self.pins if isinstance(who, ClusterId)]
        led = [cluster_id for one in accounts for cluster_id in one.clusters]
        ids = {*self.statuses, *(key[0] for key in self.rotations), *pinned, *led}
        return {
            cluster_id: replace(
                self._read(cluster_id),
                pins=self._pinned(cluster_id),
                storage=tuple(one for one in accounts if cluster_id in one.clusters),
            )
            for cluster_id in sorted(ids, key=lambda found: found.key)
        }

    def _pinned(self, who: Pinner) -> frozenset[Pin]:
        return frozenset(pin for pinned, pin in self.pins if pinned == who)

    def save_storage(self, storage: LinkedStorage) -> None:
        self.effects.storage_called("save_storage")
        self.accounts[storage.id] = storage
        self.effects.happened("storage")

    def storage_of(self, cluster_id: ClusterId) -> tuple[LinkedStorage, ...]:
        self.effects.storage_called("storage_of")
        return tuple(one for one in self.accounts.values() if cluster_id in one.clusters)

    def pinning(self, pin: Pin, *, other_than: ClusterId, most: int) -> list[Pinner]:
        self.effects.storage_called("pinning")
        named = sorted((one for one, held in self.pins if held == pin), key=lambda found: found.key)
        self.rows_read += min(len(named), most + 1)
        return [one for one in named if one != other_than][:most]

    def index(self, who: Pinner, add: Iterable[Pin], remove: Iterable[Pin]) -> None:
        add, remove = list(add), list(remove)
        if any(set(pin.version) & set("/\\#?") or len(pin.version) > 400 for pin in (*add, *remove)):
            raise StorageUnavailableError("OutOfRangeInput: no such key can be in a table")
        for pin in add:
            self.effects.storage_called("index")
            self.pins.add((who, pin))
            self.effects.happened("index")
        for pin in remove:
            self.effects.storage_called("index")
            self.pins.discard((who, pin))
            self.effects.happened("index")

    def history(self, cluster_id: ClusterId | None = None) -> Iterable[Step]:
        return [step for step in self.steps if cluster_id in (None, step.rotation.cluster_id)]

    def save_status(self, status: ClusterStatus) -> ClusterStatus:
        self._begin("save_status", status)
        stored = self.statuses.get(status.cluster_id)
        if (stored.etag if stored else None) != status.etag:
            raise ConflictError("~cluster")
        saved = self.statuses[status.cluster_id] = replace(status, etag=self._etag(status.cluster_id))
        self.effects.happened("status")
        return saved

    def save_rotation(self, rotation: Rotation, step: Step | None = None) -> Rotation:
        self._begin("save_rotation", rotation)
        stored = self.rotations.get(_key(rotation))
        if (stored.etag if stored else None) != rotation.etag:
            raise ConflictError(rotation.to_version)
        saved = self.rotations[_key(rotation)] = replace(rotation, etag=self._etag(_key(rotation)))
        if step is not None:
            self.steps.append(step)
        self.effects.happened(step.name if step else "rotation")
        return saved

    def notices(self) -> Iterable[Notice]:
        self.effects.storage_called("notices")
        return list(self.noted.values())

    def save_notice(self, notice: Notice) -> None:
        self.effects.storage_called("save_notice")
        stored = self.noted.get((notice.kind, notice.subject))
        if (stored.etag if stored else None) != notice.etag:
            raise ConflictError(notice.subject)
        self.noted[notice.kind, notice.subject] = replace(notice, etag=self._etag((notice.kind, notice.subject)))
        self.effects.happened("notice")

    def _begin(self, what: str, row: Rotation | ClusterStatus) -> None:
        self.effects.storage_called(what)
        if self.before_save is not None:
            self.before_save(row)

    def _etag(self, row: object) -> str:
        self.writes[row] += 1
        return f"etag-{self.writes[row]}"

    def _read(self, cluster_id: ClusterId, lately: datetime | None = None) -> Record:
        rotations = [row for key, row in self.rotations.items() if key[0] == cluster_id]
        if lately is not None:
            rotations = [row for row in rotations if _matters(row, lately)]
        status = self.statuses.get(cluster_id)
        self.rows_read += len(rotations) + (status is not None)
        return Record(status, tuple(rotations), self.unreadable if lately is None else ())


def _matters(row: Rotation, lately: datetime) -> bool:
    times = (row.outcome.finished_at, row.outcome.keep_old_version_until)
    kept = bool(row.outcome.old_version_pinned_by) or any(time is not None and time >= lately for time in times)
    return row.stage in {*OPEN, Stage.FAILED} or kept


def _key(rotation: Rotation) -> RotationKey:
    return rotation.cluster_id, rotation.key, rotation.to_version.lower()


@dataclass
class Message:
    """A message on the queue."""

    visit: VisitRequest
    due: datetime
    deliveries: int = 0


@dataclass
class FakeRequests:
    """The queue: a message is seen once its time has come."""

    clock: FakeClock
    effects: Effects
    pending: list[Message] = field(default_factory=list)
    requested: list[tuple[VisitRequest, timedelta]] = field(default_factory=list)
    poison: PoisonQueue = field(default_factory=lambda: PoisonQueue(0))

    def poison_queue(self) -> PoisonQueue:
        self.effects.storage_called("poison_queue")
        return self.poison

    def note_poison(self, since: datetime | None) -> None:
        self.effects.storage_called("note_poison")
        self.poison = PoisonQueue(self.poison.messages, since)
        self.effects.happened("note_poison")

    def request(self, visit: VisitRequest, after: timedelta = timedelta()) -> None:
        self.effects.storage_called("request")
        self.requested.append((visit, after))
        told = visit_message.from_text(
            visit_message.to_text(visit), self.clock.now
        )  # the queue keeps text, not objects
        assert isinstance(told, VisitRequest)
        self.pending.append(Message(told, self.clock.now + after))
        self.effects.happened("request")


@dataclass
class FakeOutcomes:
    """The custom topic."""

    effects: Effects
    published: list[tuple[str, str, Mapping[str, object]]] = field(default_factory=list)
    failure: Failure | None = None

    def publish(self, *, id: str, subject: str, time: datetime, data: Mapping[str, object]) -> None:  # noqa: A002 - the port's own word
        if self.failure is not None:
            raise AzureCallError(self.failure)
        assert time.tzinfo is not None
        self.published.append((id, subject, data))
        self.effects.happened("publish")


@dataclass
class FakeLog:
    """The log. Whatever calls for a person says what is the matter, what to do, and since when.

    On Python 3.13 the host never hears of what a thread other than the invocation's own says.
    """

    effects: Effects
    lines: list[LogLine] = field(default_factory=list)
    thread: int = field(default_factory=threading.get_ident)

    def __call__(self, line: LogLine, /) -> None:
        assert threading.get_ident() == self.thread, line
        if line.level >= logging.WARNING:
            assert all(line.fields.get(name) for name in ("message", "remedy", "since")), line
            assert isinstance(line.fields["since"], datetime)
        assert "c=signed" not in str(line.fields), "an operation's URL holds a signature"
        self.lines.append(line)
        if line.level > logging.DEBUG:
            self.effects.happened(f"log {line.event}")

    def of(self, event: LogEvent, level: int = logging.DEBUG) -> list[LogLine]:
        return [line for line in self.lines if line.event is event and line.level >= level]

    @property
    def errors(self) -> list[str]:
        return [line.event.value for line in self.lines if line.level >= logging.ERROR]
