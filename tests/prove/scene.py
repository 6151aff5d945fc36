"""A small Azure with the app in it: processes that carry out visits and look at everything, on ports that live in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cmk_rotation.controller import fan_out, reconcile, visit
from cmk_rotation.controller.ports import World
from cmk_rotation.domain.azure_resources import Cluster, KeyVersion
from cmk_rotation.domain.identifiers import ClusterId, Key
from cmk_rotation.domain.log_events import LogEvent, LogLine
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.timing import CLAIM_LASTS, Timing
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import OPEN, KeyMode, Mode, Reason, RequestedBy, Stage
from tests.prove.actors import Actor, Crew, Port
from tests.prove.invariants import Watch
from tests.unit.support.builders import (
    DAY,
    HOUR,
    KEY,
    KEY_NAME,
    MINUTE,
    V1,
    V2,
    cluster,
    cluster_id,
    must,
    version,
)
from tests.unit.support.fakes import FakeClusters, Message
from tests.unit.support.worlds import Fakes

ONE, TWO = cluster_id("law-one"), cluster_id("law-two")
AUTO, FOREIGN = cluster_id("law-auto"), cluster_id("law-foreign")
ELSEWHERE = cluster_id("law-elsewhere", subscription="0b1f6471-1bf0-4dda-aec3-cb9272f09591")
OTHER_KEY = must(Key.of("https://contoso.vault.azure.net", "other"))
FOREIGN_KEY = must(Key.of("https://contoso.vault.example.org", KEY_NAME))
REST = 14 * HOUR
"""Once faults have stopped: a retry's longest rest, two operations, and an hour of calling out, with time to spare."""
HIDDEN = 10 * MINUTE
"""How long a message stays hidden whose process died (host.json)."""
MOST_VISITS = 400
"""To come to rest with two clusters. Undisturbed, a rotation needs a dozen."""


@dataclass
class Scene:
    """Two clusters that pin a version of one key, and three that must be left alone."""

    alone: bool = False
    """Whether there is but one cluster."""
    fakes: Fakes = field(default_factory=lambda: Fakes(timing=Timing(retry_ceiling=4 * HOUR, update_deadline=3 * HOUR)))
    told: list[tuple[datetime, LogLine]] = field(default_factory=list)
    visits: int = 0
    born: int = 0

    def __post_init__(self) -> None:
        fakes = self.fakes
        everybody = [cluster(id=ONE)] if self.alone else []
        if not self.alone:
            everybody = [
                *(cluster(id=one) for one in (ONE, TWO, ELSEWHERE)),
                cluster(id=AUTO, key_version=None),
                cluster(id=FOREIGN, key_vault_uri="https://contoso.vault.example.org"),
            ]
        fakes.clusters.stored = {one.id: one for one in everybody}
        fakes.keys.listed = {KEY: (version(V1),), OTHER_KEY: (version(V1),), FOREIGN_KEY: (version(V1), version(V2))}
        self.watch = Watch(fakes, lambda actor: fakes.clock.now + actor.skew)

    # --- the processes ---

    def actor(self, skew: timedelta = timedelta()) -> Actor:
        """A process that nobody has heard of."""
        self.born += 1
        return Actor(f"process-{self.born}", skew, watch=self.watch)

    def world(self, actor: Actor) -> World:
        """What the app sees, in that process."""
        fakes = self.fakes

        def now() -> datetime:
            at = fakes.clock.now + actor.skew
            actor.saw("now", at)
            return at

        def new_id() -> str:
            actor.ids += 1
            return f"{actor.name}-{actor.ids}"

        def log(line: LogLine) -> None:
            fakes.log.thread = actor.thread
            fakes.log(line)
            self.told.append((fakes.clock.now, line))
            unexpected = line.fields.get("reason") is Reason.UNEXPECTED_ERROR
            self.watch.must(not unexpected, f"the product fails: {line.fields.get('message')}")

        return replace(
            fakes.world,
            clusters=Port(actor, fakes.clusters),
            keys=Port(actor, fakes.keys),
            records=Port(actor, fakes.records),
            requests=Port(actor, fakes.requests),
            outcomes=Port(actor, fakes.outcomes),
            log=lambda line: actor.call("log", log, line),
            now=now,
            new_id=new_id,
        )

    # --- what the host does ---

    def take(self, message: Message, actor: Actor) -> Callable[[], None]:
        """Take a message from the queue, early or late, for that process."""
        self.fakes.requests.pending.remove(message)
        message.deliveries += 1
        world = self.world(actor)

        def work() -> None:
            self.visits += 1
            # When the queue took it: only an operator's word depends on it, and that is asked for right away.
            asked = replace(message.visit, enqueued_at=message.visit.requested_at)
            (fan_out.key_changed if asked.key is not None else visit.visit)(world, asked)

        return work

    def done(self, message: Message, actor: Actor) -> None:
        """What the host makes of how a process ended."""
        self.end(actor)
        if (actor.dead or actor.failed) and message.deliveries < self.fakes.deliveries:
            message.due = self.fakes.clock.now + (HIDDEN if actor.dead else MINUTE)
            self.fakes.requests.pending.append(message)

    def end(self, actor: Actor) -> None:
        """What a process may come to."""
        self.watch.must(actor.crashed is None, f"the product fails: {actor.crashed!r}")
        self.watch.known.pop(actor.name, None)

    def deliver(self, message: Message, actor: Actor | None = None) -> None:
        """Hand a message over, and let the process come to its end."""
        actor = actor or self.actor()
        actor.run(self.take(message, actor))
        self.done(message, actor)

    def timer(self, actor: Actor | None = None) -> None:
        """Look at everything."""
        actor = actor or self.actor()
        actor.run(lambda: reconcile.reconcile(self.world(actor)))
        self.end(actor)

    def together(self, messages: Sequence[Message], actors: Sequence[Actor], crew: Crew, first: int = 0) -> None:
        """Several messages at once, and behind them, where there are more processes than messages, the timer."""
        works = [self.take(message, actor) for message, actor in zip(messages, actors, strict=False)]
        timers = [self.world(actor) for actor in actors[len(works) :]]
        crew.run([*works, *((lambda world=world: reconcile.reconcile(world)) for world in timers)], first)
        for actor in actors[len(works) :]:
            self.end(actor)
        for message, actor in zip(messages, actors, strict=False):
            self.done(message, actor)

    def ask(self, by: RequestedBy, at: ClusterId | Key) -> Message:
        """Put a message on the queue."""
        cluster, key = (at, None) if isinstance(at, ClusterId) else (None, at)
        message = Message(VisitRequest(by, self.fakes.clock.now, cluster, key, "event-1"), self.fakes.clock.now)
        self.fakes.requests.pending.append(message)
        return message

    def run(self, time: timedelta) -> None:
        """Let time pass: messages are delivered when they are due, and the timer rings."""
        clock, pending = self.fakes.clock, self.fakes.requests.pending
        until, rings = clock.now + time, clock.now + 10 * MINUTE
        while True:
            message = min(pending, key=lambda one: one.due, default=None)
            if rings <= until and (message is None or rings < message.due):
                clock.now = max(clock.now, rings)
                rings += 10 * MINUTE
                self.timer()
            elif message is not None and message.due <= until:
                clock.now = max(clock.now, message.due)
                self.deliver(message)
            else:
                break
        clock.now = until

    # --- rest ---

    def heal(self) -> None:
        """Faults stop."""
        fakes, fresh = self.fakes, FakeClusters(self.fakes.clock, self.fakes.effects)
        fakes.effects.storage_is_down = False
        fakes.keys.failure = fakes.outcomes.failure = None
        for name in ("lasts", "end", "leaves", "arrives", "without_operation", "refuses", "get_failure"):
            setattr(fakes.clusters, name, getattr(fresh, name))
        fakes.clusters.operation_failure = None

    def rest(self) -> list[str]:
        """Let things come to rest, and say what does not hold then."""
        self.heal()
        before, until = self.visits, self.fakes.clock.now + REST
        self.run(HOUR + 20 * MINUTE)
        self._one_chain()
        while self.fakes.clock.now < until and not self._at_rest():
            self.run(HOUR)
        self._one_chain()
        fakes, must = self.fakes, self.watch.must
        must(self.visits - before <= MOST_VISITS, f"things do not come to rest: {self.visits - before} visits")
        for one in fakes.clusters.stored.values():
            must(
                not self._can_be_current(one) or self._is_current(one),
                f"{one.id.name} is left behind: {self._row(one)}",
            )
            must(self._is_explained(one), f"nothing is said of {one.id.name}, which is behind: {self._row(one)}")
        for row in fakes.records.rotations.values():
            ends = row.stage not in OPEN or (row.stage is Stage.WAITING and self._waits(row))
            must(ends, f"a rotation does not end: {row.stage} {row.reason}: {row.message}")
            must(row.stage in OPEN or row.outcome.announced, f"nobody hears that a rotation ended: {row.reason}")
        return self.watch.broken

    def _one_chain(self) -> None:
        for one in self.fakes.clusters.stored.values():
            waiting = [message for message in self.fakes.requests.pending if message.visit.cluster == one.id]
            what = f"{len(waiting)} visits to {one.id.name} wait at a time when at most one should"
            self.watch.must(len(waiting) <= 1 + self._just_claimed(one), what)

    def _just_claimed(self, one: Cluster) -> bool:
        """Whether the look is still to come that makes sure of an update that was sent a short while ago."""
        started = (
            row.attempt.started_at
            for row in self.fakes.records.rotations.values()
            if row.cluster_id == one.id and row.stage is Stage.UPDATING
        )
        return any(at is not None and self.fakes.clock.now < at + CLAIM_LASTS for at in started)

    def _at_rest(self) -> bool:
        fakes = self.fakes
        over = all(row.outcome.announced or self._waits(row) for row in fakes.records.rotations.values())
        behind = any(self._can_be_current(one) and not self._is_current(one) for one in fakes.clusters.stored.values())
        return over and not behind and not fakes.requests.pending

    def _waits(self, row: Rotation) -> bool:
        """Whether a rotation may wait: what is called for still, and held back by the operator, the key or Azure."""
        one = self.fakes.clusters.stored.get(row.cluster_id)
        in_scope = any(scope.contains(row.cluster_id) for scope in self.fakes.scopes)
        if row.stage is not Stage.WAITING or one is None or one.key != row.key or not in_scope:
            return False
        there = self._is_current(one) and one.succeeded
        return one.mode is KeyMode.PINNED and not self._can_be_current(one) and not there

    def _row(self, one: Cluster) -> str:
        row = self.fakes.records.statuses.get(one.id)
        return f"{row.reason}: {row.message}" if row else "it has no row"

    def _newest(self, key: Key | None) -> list[KeyVersion]:
        """The usable version that was made last; several if they were made in one second, and nothing orders them."""
        usable = [one for one in self.fakes.keys.listed.get(key, ()) if one.usable(self.fakes.clock.now)] if key else []
        newest = [one for one in usable if one.created_at == max(other.created_at for other in usable)]
        return [one for one in newest if one.version == self.fakes.keys.current] or newest

    def _is_current(self, one: Cluster) -> bool:
        return [version.version for version in self._newest(one.key)] == [one.key_version]

    def _is_ours(self, one: Cluster) -> bool:
        in_scope = any(scope.contains(one.id) for scope in self.fakes.scopes)
        ours = in_scope and self.fakes.mode is Mode.ENFORCE and not one.held and one.mode is KeyMode.PINNED
        return ours and one.key is not None and one.key.vault.endswith(".vault.azure.net")

    def _can_be_current(self, one: Cluster) -> bool:
        """Whether Azure and the operator let it be."""
        listed = self.fakes.keys.listed.get(one.key, ()) if one.key else ()
        in_use = next((each for each in listed if each.version == one.key_version), None)
        newest = self._newest(one.key)
        if not self._is_ours(one) or in_use is None or not in_use.usable(self.fakes.clock.now) or len(newest) != 1:
            return False
        been_there = (one.id, one.key, newest[0].version) in self.watch.done  # moved back on purpose
        return one.succeeded and not been_there and in_use.created_at <= newest[0].created_at

    def _is_explained(self, one: Cluster) -> bool:
        """Whether a line of the last day names a cluster that is behind, with a remedy."""
        if not self._is_ours(one) or (self._is_current(one) and one.succeeded):
            return True
        since = self.fakes.clock.now - DAY - HOUR
        return any(
            at >= since and line.fields.get("clusterId") == one.id.text and line.fields.get("remedy")
            for at, line in self.told
            if line.event is not LogEvent.CLUSTER_STATUS
        )
