"""What makes a clock wait: counts what is being done, and once nothing is, lets the next thing happen that is due."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event

from simulator.clock import Polls

_PATIENCE_SECONDS = 300.0
"""Real seconds without any progress after which the simulation counts as hung. Load slows it down and never stops it."""


class StuckError(Exception):
    """Nothing goes on any more, though something is being waited for. The text says what."""


@dataclass(frozen=True, slots=True)
class Due:
    """Something that is due: at a moment, or at the first look at a queue that may find something."""

    moment: float | Polls
    name: str
    number: int
    fire: Callable[[], None]
    """Called when it is due, with its work already counted; must not block."""
    wakes: bool = False
    """Whether it ends somebody's sleep, rather than being work of its own."""
    last: bool = False
    """Whether it happens after everything else that is due at the moment: for those who only look at what comes of it."""


@dataclass(slots=True)
class _Wait:
    """Somebody who does nothing until something has happened."""

    happened: Callable[[], object]
    woken: Event = field(default_factory=Event)
    answer: bool = False
    error: BaseException | None = None

    def look(self) -> bool:
        """Whether it has happened, or cannot be told."""
        try:
            self.answer = bool(self.happened())
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits
            self.error = error
        return self.answer or self.error is not None

    def last_look(self) -> None:
        """Time is over."""
        self.look()
        self.woken.set()


class Conductor:
    """Time that stands still while anything is being done.

    What is being done is counted: a piece of work from its begin to its end, less those who sleep meanwhile, and less
    those whose request is held. When nothing is left, the next thing that is due happens, alone, at its moment, and
    becomes work itself. What is due at the same moment happens in the order of names, each after the one before has
    come to rest. So who hands work on must begin the new before ending the old.

    It begins with one piece of work: whoever made it is at work until they let time pass.
    """

    def __init__(self, start: float, tell: Callable[[float], None]) -> None:
        self._now = start
        self._tell = tell
        """Called with each new moment before anything happens at it."""
        self._changed = threading.Condition()
        self._version = 0
        """Grows with every change, so that a hang can be told from slowness, and a decision from a stale one."""
        self._numbers = itertools.count(1)
        self._work: dict[object, str] = {0: "whoever made the clock"}
        self._sleepers: dict[object, str] = {}
        self._holds: dict[int, Callable[[], bool]] = {}
        self._due: dict[int, Due] = {}
        self._waits: dict[int, _Wait] = {}
        self._visible: Callable[[str, str], float | None] = lambda *_: self._now
        self._closed = False
        self._thread = threading.Thread(target=self._conduct, daemon=True, name="simulated-time")
        self._thread.start()

    @property
    def moment(self) -> float:
        """The moment that it is."""
        return self._now

    def number(self) -> int:
        """A number that nothing else has."""
        return next(self._numbers)

    def begin(self, what: str, ticket: object = None) -> object:
        """Something is being done from now on, until `end` is told the ticket."""
        with self._change():
            ticket = ticket or self.number()
            self._work[ticket] = what
            return ticket

    def end(self, *tickets: object) -> None:
        """Something is over."""
        with self._change():
            for ticket in tickets:
                self._work.pop(ticket, None)

    def set(self, due: Due) -> None:
        """Let something be due. Whose sleep it ends sleeps from now on: were these two steps, time could go on in between."""
        with self._change():
            self._due[due.number] = due
            if due.wakes:
                self._sleepers[due.number] = due.name

    def unset(self, *numbers: int) -> None:
        """Let something not be due after all."""
        with self._change():
            for number in numbers:
                self._due.pop(number, None)

    def asleep(self, who: object, what: str) -> None:
        """Somebody who was at work does nothing until they say that they are awake."""
        with self._change():
            self._sleepers[who] = what

    def awake(self, who: object) -> None:
        """They are at work again."""
        with self._change():
            self._sleepers.pop(who, None)

    def forget(self, tickets: list[object], numbers: list[int]) -> None:
        """All at once: somebody is gone, with the work, the sleep and what was due."""
        with self._change():
            for ticket in tickets:
                self._work.pop(ticket, None)
            for number in numbers:
                self._due.pop(number, None)
                self._sleepers.pop(number, None)

    def until(self, happened: Callable[[], object], moment: float, what: str) -> bool:
        """Sleep until something has happened, looked for whenever all is at rest, or until a moment."""
        number, wait = self.number(), _Wait(happened)
        with self._change():
            self._waits[number] = wait
            self._due[number] = Due(moment, what, number, wait.last_look, wakes=True, last=True)
            self._sleepers[number] = what
            over = self._closed
        if over:
            wait.last_look()
        try:
            self._await(wait.woken)
        finally:
            with self._change():
                self._waits.pop(number, None)
                self._due.pop(number, None)
                self._sleepers.pop(number, None)
        if wait.error is not None:
            raise wait.error
        return wait.answer

    def hold(self, moment: float, held: Callable[[], bool], what: str) -> None:
        """Sleep until a moment on behalf of a request, and of whoever sent it while `held`."""
        number, woken = self.number(), Event()
        with self._change():
            self._holds[number] = held
            self._due[number] = Due(moment, what, number, woken.set, wakes=True)
            over = self._closed
        if over:
            woken.set()
        try:
            self._await(woken)
        finally:
            with self._change():
                self._holds.pop(number, None)
                self._due.pop(number, None)

    def watch_queues(self, visible: Callable[[str, str], float | None]) -> None:
        """Tell from when on a look at a queue is not in vain."""
        self._visible = visible

    def close(self) -> None:
        """Nothing happens any more; whoever sleeps wakes, and whoever comes to sleep is woken at once."""
        with self._change():
            self._closed = True
            sleepers = [due for due in self._due.values() if due.wakes]
        for due in sleepers:
            due.fire()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def describe(self) -> str:
        """What is being done, and what is due next."""
        with self._changed:
            lines = [f"simulated time stands at {self._now}"]
            lines += [f"is being done: {what}" for what in self._work.values()]
            lines += [f"sleeps: {what}" for what in self._sleepers.values()]
            lines += [f"held: {len(self._holds)} requests"] if self._holds else []
            lines += [
                f"due: {due.name} at {due.moment}" for due in sorted(self._due.values(), key=lambda due: due.name)
            ]
        return "\n".join(lines)

    @contextmanager
    def _change(self) -> Iterator[None]:
        with self._changed:
            yield
            self._version += 1
            self._changed.notify_all()

    def _await(self, woken: Event) -> None:
        with self._changed:
            seen = self._version
        while not woken.wait(_PATIENCE_SECONDS):
            with self._changed:
                if self._version == seen and not self._closed:
                    break
                seen = self._version
        else:
            return
        raise StuckError(f"nothing went on for {_PATIENCE_SECONDS:g} real seconds\n{self.describe()}")

    def _at_rest(self) -> bool:
        # A request that is held stands still, and so does whoever sent it, unless that one has hung up.
        held = sum(2 if is_held() else 1 for is_held in self._holds.values())
        return len(self._work) - len(self._sleepers) - held <= 0

    def _conduct(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._at_rest())
                if self._closed:
                    return
                version, waits, everything = self._version, dict(self._waits), list(self._due.values())
            if self._wake(waits):
                continue
            # Not under the lock: the queues have one of their own, under which things are set here.
            moments = [(moment, due) for due in everything if (moment := self._when(due)) is not None]
            moment, due = min(moments, default=(0.0, None), key=_order)
            with self._changed:
                if due is None and self._version == version:
                    self._changed.wait()  # For any change: nothing is due at all.
                if due is None or self._version != version:
                    continue
                self._version += 1
                self._now = max(self._now, moment)
                self._tell(self._now)
                del self._due[due.number]
                if due.wakes:
                    self._sleepers.pop(due.number, None)
                    self._holds.pop(due.number, None)
                    self._waits.pop(due.number, None)
                else:
                    self._work[due.number] = due.name
            due.fire()

    def _when(self, due: Due) -> float | None:
        if not isinstance(due.moment, Polls):
            return due.moment
        visible = self._visible(due.moment.host, due.moment.queue)
        return None if visible is None else due.moment.first_from(max(visible, self._now))

    def _wake(self, waits: dict[int, _Wait]) -> bool:
        """Wake the first of those for whom it has happened."""
        for number, wait in waits.items():
            if wait.look():
                with self._change():
                    self._waits.pop(number, None)
                    self._due.pop(number, None)
                    self._sleepers.pop(number, None)
                wait.woken.set()
                return True
        return False


def _order(one: tuple[float, Due]) -> tuple[float, bool, str, int]:
    moment, due = one
    return moment, due.last, due.name, due.number
