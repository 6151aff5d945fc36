"""Every order, not a sample: of processes that switch at calls of ports, die once, hear nothing once, wait once.

An order is walked by playing it from the start; what it has in common with another is not walked again, for a state that
was met before leads to nothing new. The state is the world and what each process has seen, with what may still happen.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from cmk_rotation.domain.identifiers import Scope
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.vocabulary import RequestedBy
from tests.prove.actors import CHANGES, PATCH, Actor, Crew, Fate
from tests.prove.scene import ONE, TWO, Scene
from tests.unit.support.builders import DAY, HOUR, KEY, MINUTE, SECOND, V1, V2, V3, must, version
from tests.unit.support.fakes import Message

SLOW = 9 * MINUTE
"""How long a slow call takes: longer than a claim lasts, clocks that differ included."""


class Turn(StrEnum):
    """What may happen at a call."""

    GO = "goes on"
    SWITCH = "another goes on"
    DIE = "dies after"
    LOSE = "hears nothing of"
    SLOW = "takes minutes over"


@dataclass(frozen=True)
class Bounds:
    """How often what may happen in one order."""

    switches: int
    dies: int = 0
    loses: int = 0
    slow: int = 0


@dataclass(frozen=True)
class Case:
    """What happens at once."""

    name: str
    bounds: Bounds
    quick: Bounds
    """The bounds of the part that runs in `make test`."""
    stage: Callable[[Scene], list[Message]]
    timer: bool = False
    outside: Callable[[Scene], None] | None = None
    """What somebody else does at one moment of it."""


@dataclass
class Found:
    """What a walk came to."""

    orders: int = 0
    states: int = 0
    end_states: set[int] = field(default_factory=set)
    broken: dict[str, list[str]] = field(default_factory=dict)
    """What does not hold, with the first order in which it does not."""


@dataclass
class Play:
    """One order, played: the choices up to a point are given, and from there on each is the first that there is."""

    case: Case
    given: list[int]
    met: set[int]
    bounds: Bounds
    first: int = 0
    """Which process begins."""
    chosen: list[tuple[int, list[tuple[Turn, int]]]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scene = Scene(alone=True)
        self.messages = self.case.stage(self.scene)
        count = len(self.messages) + self.case.timer + (self.case.outside is not None)
        self.actors = [replace(self.scene.actor(), fate=self.fate) for _ in range(count)]
        self.crew = Crew(self.actors)
        self.left = self.bounds
        self.pending: dict[str, str] = {}
        self.ended_early = False

    def fate(self, actor: Actor, name: str) -> Fate:
        """Choose what happens at this call."""
        if name == "log" or actor.done:
            return Fate.GOES_ON
        self.pending[actor.name] = name
        while True:
            turns = self.turns(actor, name)
            turn, to = self.choose(actor, turns) if len(turns) > 1 else turns[0]
            if turn is not Turn.GO:
                self.told.append(
                    f"{actor.name} {turn} {name}" if to < 0 else f"{self.actors[to].name} goes on at {name}"
                )
            match turn:
                case Turn.GO:
                    return Fate.GOES_ON
                case Turn.DIE:
                    self.left = replace(self.left, dies=self.left.dies - 1)
                    return Fate.DIES_AFTER
                case Turn.LOSE:
                    self.left = replace(self.left, loses=self.left.loses - 1)
                    return Fate.ANSWER_LOST
                case Turn.SLOW:
                    self.left = replace(self.left, slow=self.left.slow - 1)
                    self.scene.fakes.clock.now += SLOW
                case Turn.SWITCH:
                    self.left = replace(self.left, switches=self.left.switches - 1)
                    self.crew.hand_over(actor, self.actors[to])

    def turns(self, actor: Actor, name: str) -> list[tuple[Turn, int]]:
        """All that may happen here."""
        found = [(Turn.GO, -1)]
        left = self.left
        if left.switches:
            found += [(Turn.SWITCH, n) for n, one in enumerate(self.actors) if not one.done and one is not actor]
        if left.dies:
            found.append((Turn.DIE, -1))
        if left.loses and name in CHANGES:
            found.append((Turn.LOSE, -1))
        # Nobody can guard against a process that stands still for minutes just before it sends.
        sending = any(self.pending.get(one.name) == PATCH and not one.done for one in self.actors)
        if left.slow and not sending:
            found.append((Turn.SLOW, -1))
        return found

    def choose(self, actor: Actor, turns: list[tuple[Turn, int]]) -> tuple[Turn, int]:
        """As given; or the first, if this state was never met before."""
        at = len(self.chosen)
        if at < len(self.given):
            choice = self.given[at]
        else:
            state = hash((self.actors.index(actor), self.state()))
            if state in self.met:
                self.ended_early = True
                self.crew.abandon()
            self.met.add(state)
            choice = 0
        self.chosen.append((choice, turns))
        return turns[choice]

    def state(self) -> int:
        """The world, what each process has seen of it, and what may still happen."""
        fakes, watch = self.scene.fakes, self.scene.watch
        actors = tuple((one.trace, one.done, one.dead, one.failed, self.pending.get(one.name)) for one in self.actors)
        queue = sorted(
            (one.due, one.visit.by, one.visit.requested_at, one.deliveries) for one in fakes.requests.pending
        )
        said = sum(line.event is LogEvent.ROTATION_FINISHED for _, line in self.scene.told)
        return hash(
            (
                actors,
                tuple(queue),
                tuple(fakes.records.statuses.values()),
                frozenset(fakes.records.rotations.values()),
                frozenset(fakes.records.pins),
                tuple(fakes.clusters.stored.values()),
                tuple((url, one.ends_at, one.settled) for url, one in fakes.clusters.operations.items()),
                tuple(fakes.keys.listed.values()),
                fakes.clock.now,
                len(fakes.clusters.sent),
                len(fakes.outcomes.published),
                said,
                len(watch.broken),
                self.left,
            )
        )

    def run(self) -> None:
        """Play it."""
        outside = self.case.outside
        if outside is None:
            self.scene.together(self.messages, self.actors, self.crew, self.first)
            return
        # What somebody else does has one call before it, at which to wait for its moment.
        works = [self.scene.take(one, actor) for one, actor in zip(self.messages, self.actors, strict=False)]
        theirs = self.actors[-1]

        def others() -> None:
            theirs.call("somebody else's change", lambda: outside(self.scene))

        self.crew.run([*works, others], self.first)
        for one, actor in zip(self.messages, self.actors, strict=False):
            self.scene.done(one, actor)


def walk(case: Case, bounds: Bounds, met: set[int] | None = None) -> Found:
    """Play every order. `met` remembers the states that need not be walked again."""
    found = Found()
    met = set() if met is None else met
    given: list[int] | None = []
    first = 0
    while given is not None:
        play = Play(case, given, met, bounds, first)
        play.run()
        found.orders += 1
        if not play.ended_early:
            end = play.state()
            if end not in found.end_states:
                found.end_states.add(end)
                most = 1 + (bounds.dies - play.left.dies) + (bounds.loses - play.left.loses)
                for what in [*play.scene.rest(), *_sent_too_often(play.scene, most), *_lost(play.scene, most)]:
                    found.broken.setdefault(what, play.told)
        given = _next(play.chosen)
        if given is None and first + 1 < len(play.actors):
            given, first = [], first + 1
    found.states = len(met)
    return found


def _sent_too_often(scene: Scene, most: int) -> list[str]:
    sent = len(scene.fakes.clusters.sent)
    rotations = sum(row.attempt.started_at is not None for row in scene.fakes.records.rotations.values())
    return [f"an update is sent {sent} times"] if sent > max(rotations, 1) * most else []


def _lost(scene: Scene, most: int) -> list[str]:
    """Where nobody died and every answer was heard, that ARM took an update is on record."""
    rows = scene.fakes.records.rotations.values()
    taken = {version for _, version in scene.fakes.clusters.patches} if most == 1 else set()
    return ["an operation is lost" for row in rows if row.to_version in taken and row.attempt.accepted_at is None][:1]


def _next(chosen: list[tuple[int, list[tuple[Turn, int]]]]) -> list[int] | None:
    """The choices that lead to the next order: the last that can be another is."""
    while chosen:
        choice, turns = chosen.pop()
        if choice + 1 < len(turns):
            return [*(one for one, _ in chosen), choice + 1]
    return None


# --- the cases ---


def _rotated(scene: Scene) -> None:
    scene.timer()
    scene.run(MINUTE)
    scene.fakes.clock.now += MINUTE
    scene.fakes.keys.listed[KEY] += (version(V2, created_at=scene.fakes.clock.now),)


def two_events(scene: Scene) -> list[Message]:
    """The key has rotated, and two events tell of it."""
    _rotated(scene)
    return [scene.ask(RequestedBy.EVENT, ONE) for _ in range(2)]


def one_event(scene: Scene) -> list[Message]:
    """The key has rotated, and one event tells of it."""
    _rotated(scene)
    return [scene.ask(RequestedBy.EVENT, ONE)]


def at_the_end(scene: Scene) -> list[Message]:
    """An update has ended in Azure: the visit that is due comes, and an event."""
    scene.deliver(one_event(scene)[0])
    scene.run(9 * MINUTE)
    scene.fakes.clock.now += 3 * MINUTE
    return [*scene.fakes.requests.pending[:1], scene.ask(RequestedBy.EVENT, ONE)]


def due_at_the_end(scene: Scene) -> list[Message]:
    """An update has ended in Azure, and the visit that is due comes."""
    return at_the_end(scene)[:1]


def after_a_claim(scene: Scene) -> list[Message]:
    """A process has died after its claim, which has lapsed; two visits come."""
    message = one_event(scene)[0]
    scene.deliver(
        message, replace(scene.actor(), fate=lambda _, name: Fate.DIES_AFTER if name == "request" else Fate.GOES_ON)
    )
    scene.fakes.clock.now += SLOW
    return [*scene.fakes.requests.pending[:1], scene.ask(RequestedBy.EVENT, ONE)]


def moved_back(scene: Scene) -> list[Message]:
    """The operator has put the cluster back to where it came from."""
    _rotated(scene)
    scene.run(30 * MINUTE)
    _change(key_version=V1)(scene)
    return [scene.ask(RequestedBy.EVENT, ONE) for _ in range(2)]


def only_older(scene: Scene) -> list[Message]:
    """The version in use is valid only later, and one that the cluster never had is the newest that can be used."""
    _rotated(scene)
    scene.fakes.clock.now += HOUR
    _rotate_again(scene)
    scene.run(30 * MINUTE)
    *before, newest = scene.fakes.keys.listed[KEY]
    scene.fakes.keys.listed[KEY] = (*before, replace(newest, not_before=scene.fakes.clock.now + DAY))
    return [scene.ask(RequestedBy.EVENT, ONE) for _ in range(2)]


def out_of_scope(scene: Scene) -> list[Message]:
    """The cluster was taken out of scope, and visits to it lie on the queue."""
    messages = two_events(scene)
    scene.fakes.scopes = (must(Scope.parse(TWO.text)),)
    return messages


def without_an_operation(scene: Scene) -> list[Message]:
    """An update has ended, and no operation tells of it."""
    scene.fakes.clusters.without_operation = True
    return at_the_end(scene)


def long_under_way(scene: Scene) -> list[Message]:
    """An update takes hours."""
    scene.fakes.clusters.lasts = 4 * HOUR
    _rotated(scene)
    scene.run(HOUR)
    return [scene.ask(RequestedBy.EVENT, ONE) for _ in range(2)]


def _change(**changes: object) -> Callable[[Scene], None]:
    def change(scene: Scene) -> None:
        stored = scene.fakes.clusters.stored
        if not stored[ONE].busy:
            stored[ONE] = replace(stored[ONE], **changes)  # type: ignore[arg-type]

    return change


def _disable(scene: Scene) -> None:
    first, *others = scene.fakes.keys.listed[KEY]
    scene.fakes.keys.listed[KEY] = (replace(first, enabled=False, updated_at=scene.fakes.clock.now), *others)


def _rotate_again(scene: Scene) -> None:
    scene.fakes.clock.now += SECOND  # in one second, they would have no order
    scene.fakes.keys.listed[KEY] += (version(V3, created_at=scene.fakes.clock.now),)


ALL = Bounds(3, dies=1, loses=1)
CASES = (
    Case("two visits", ALL, Bounds(1, dies=1), two_events),
    Case("two visits, of which a call takes minutes", Bounds(2, slow=1, dies=1), Bounds(1, slow=1), two_events),
    Case("a visit beside a reconcile", ALL, Bounds(2), one_event, timer=True),
    Case("two visits as an update has ended", ALL, Bounds(1, dies=1), at_the_end),
    Case("a reconcile as an update has ended", ALL, Bounds(2), due_at_the_end, timer=True),
    Case("two visits after a process died with its claim", ALL, Bounds(1, loses=1), after_a_claim),
    Case("a visit beside a hold", ALL, Bounds(2, dies=1), one_event, outside=_change(held=True)),
    Case("a visit beside automatic rotation", ALL, Bounds(2), one_event, outside=_change(key_version=None)),
    Case("a visit beside a revocation", ALL, Bounds(2, dies=1), one_event, outside=_disable),
    Case("a visit beside another rotation", ALL, Bounds(2), one_event, outside=_rotate_again),
    Case("two visits to a cluster that was moved back", ALL, Bounds(1), moved_back),
    Case("two visits where only an older version can be used", ALL, Bounds(1), only_older),
    Case("two visits to a cluster out of scope", ALL, Bounds(1), out_of_scope),
    Case("two visits to an update without an operation", ALL, Bounds(1), without_an_operation),
    Case("two visits to an update that takes hours", ALL, Bounds(1), long_under_way),
    Case("two visits beside another rotation", Bounds(3), Bounds(1), two_events, outside=_rotate_again),
)
