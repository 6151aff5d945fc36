"""A world of fakes, and what the Functions host does in it: it delivers messages, rings the timer, and dies."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

from cmk_rotation.controller import fan_out, reconcile, visit
from cmk_rotation.controller.ports import StorageUnavailableError, World
from cmk_rotation.domain.cluster_record import ClusterStatus
from cmk_rotation.domain.identifiers import ClusterId, Scope
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.timing import LATELY, Timing
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import Mode, RequestedBy, Stage
from tests.unit.support.builders import ARM, CLUSTER, KEY, MINUTE, SCOPE, SECOND, V1, V2, cluster, version
from tests.unit.support.fakes import (
    Effects,
    FakeClock,
    FakeClusters,
    FakeKeys,
    FakeLinkedAccounts,
    FakeLog,
    FakeOutcomes,
    FakeRecords,
    FakeRequests,
    Message,
    ProcessDiedError,
)


@dataclass
class Fakes:
    """One cluster on V1 of a key that has a V2, and nothing on record."""

    clock: FakeClock = field(default_factory=FakeClock)
    effects: Effects = field(default_factory=Effects)
    mode: Mode = Mode.ENFORCE
    timing: Timing = field(default_factory=Timing)
    lately: timedelta = LATELY
    scopes: tuple[Scope, ...] = (SCOPE,)
    with_topic: bool = True
    watches_storage: bool = True
    deliveries: int = 5
    """After which the host moves a message to the poison queue (maxDequeueCount)."""
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.clusters = FakeClusters(self.clock, self.effects, {CLUSTER: cluster()})
        self.keys = FakeKeys({KEY: (version(V1), version(V2))})
        self.records = FakeRecords(self.effects)
        self.requests = FakeRequests(self.clock, self.effects)
        self.outcomes = FakeOutcomes(self.effects)
        self.storage = FakeLinkedAccounts()
        self.log = FakeLog(self.effects)
        self.poisoned: list[Message] = []

    @property
    def world(self) -> World:
        return World(
            clusters=self.clusters,
            keys=self.keys,
            records=self.records,
            requests=self.requests,
            outcomes=self.outcomes if self.with_topic else None,
            log=self.log,
            now=self.clock,
            new_id=lambda: f"attempt-{next(self.ids)}",
            mode=self.mode,
            scopes=self.scopes,
            timing=self.timing,
            lately=self.lately,
            arm_host=ARM,
            vault_suffixes=(".vault.azure.net", ".managedhsm.azure.net"),
            storage=self.storage if self.watches_storage else None,
        )

    # --- what the host does ---

    def visit(self, cluster_id: ClusterId = CLUSTER, by: RequestedBy = RequestedBy.EVENT) -> None:
        """One visit, now."""
        now = self.clock.now
        visit.visit(self.world, VisitRequest(by, now, cluster=cluster_id, event_id="event-1", enqueued_at=now))

    def key_changed(self) -> None:
        """An event is on the queue."""
        event = VisitRequest(RequestedBy.EVENT, self.clock.now, key=KEY, event_id="event-1")
        self.requests.pending.append(Message(event, self.clock.now))

    def deliver(self, message: Message) -> None:
        """Hand a message to the function, as often as the host does."""
        self.requests.pending.remove(message)
        self.clock.now = max(self.clock.now, message.due)
        message.deliveries += 1
        try:
            if message.visit.key is not None:
                fan_out.key_changed(self.world, message.visit)
            else:
                visit.visit(self.world, message.visit)
        except (StorageUnavailableError, ProcessDiedError):
            if message.deliveries >= self.deliveries:
                self.poisoned.append(message)
            else:
                message.due = self.clock.now + SECOND
                self.requests.pending.append(message)

    def run(self, time: timedelta, *, reconcile: bool = True) -> None:
        """Let time pass: messages are delivered when they are due, and the timer rings every ten minutes."""
        until = self.clock.now + time
        rings = self.clock.now + 10 * MINUTE
        while True:
            message = min(self.requests.pending, key=lambda message: message.due, default=None)
            if reconcile and rings <= until and (message is None or rings < message.due):
                self.clock.now = max(self.clock.now, rings)
                rings += 10 * MINUTE
                self.reconcile()
            elif message is not None and message.due <= until:
                self.deliver(message)
            else:
                break
        self.clock.now = until

    def reconcile(self) -> None:
        """One run of the timer. Whatever becomes of it, the next comes in ten minutes."""
        try:
            reconcile.reconcile(self.world)
        except (StorageUnavailableError, ProcessDiedError):
            return

    # --- what a test asks ---

    @property
    def rotation(self) -> Rotation:
        """The only rotation on record."""
        (only,) = self.records.rotations.values()
        return only

    @property
    def status(self) -> ClusterStatus:
        """The cluster's row."""
        return self.records.statuses[CLUSTER]

    @property
    def finished(self) -> list[Stage]:
        """How rotations ended, by the log."""
        return [Stage(str(line.fields["stage"])) for line in self.log.of(LogEvent.ROTATION_FINISHED)]
