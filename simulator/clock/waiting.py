"""A clock that waits: simulated time stands still while anything is being done, here or in processes that share it."""

import json
import mmap
import secrets
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self

from simulator.clock import SOMETHING, TWO_HOURS, Polls
from simulator.clock.conductor import Conductor, Due

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
"""When simulations begin: a Monday morning, the same for each."""
MOMENT = struct.Struct("d")


@dataclass(frozen=True, slots=True)
class WaitingClock:
    """A view of the time that a conductor keeps. Use `starting` to make one."""

    conductor: Conductor
    sharing: "_Sharing"
    skew: float = 0.0
    """Simulated seconds by which this clock is ahead of the others, or behind."""

    @classmethod
    def starting(cls, start: datetime = START) -> Self:
        """A clock that stands at a time, and whose maker is at work."""
        sharing = _Sharing()
        sharing.tell(start.timestamp())
        sharing.conductor = Conductor(start.timestamp(), sharing.tell)
        return cls(sharing.conductor, sharing)

    def timestamp(self) -> float:
        """Simulated seconds since the epoch."""
        return self.conductor.moment + self.skew

    def now(self) -> datetime:
        """The simulated time, in UTC."""
        return datetime.fromtimestamp(self.timestamp(), UTC)

    def at_least(self, span: float, real_seconds: float) -> float:
        """The span: computing takes no simulated time."""
        del real_seconds
        return span

    def sleep(self, span: float) -> None:
        """Let a span of time pass."""
        self.conductor.until(lambda: False, self.conductor.moment + max(0.0, span), "a span of time")

    def until(self, happened: Callable[[], object], within: float = TWO_HOURS, what: str = SOMETHING) -> bool:
        """Let time pass until something has happened; looked for whenever all is at rest."""
        return self.conductor.until(happened, self.conductor.moment + within, what)

    @contextmanager
    def work(self, what: str) -> Iterator[None]:
        """Time stands still."""
        ticket = self.conductor.begin(what)
        try:
            yield
        finally:
            self.conductor.end(ticket)

    @contextmanager
    def idle(self, what: str) -> Iterator[None]:
        """Time goes on, unless something else is being done."""
        number = self.conductor.number()
        self.conductor.asleep(number, what)
        try:
            yield
        finally:
            self.conductor.awake(number)

    def hold(self, span: float, held: Callable[[], bool]) -> None:
        """Let a request wait."""
        self.conductor.hold(self.conductor.moment + span, held, "a request that is held")

    def alarm(self, due: float | Polls, name: str, action: Callable[[], object]) -> "_Alarm":
        """Do something at a moment, in a thread of its own."""
        number = self.conductor.number()

        def run() -> None:
            try:
                action()
            finally:
                self.conductor.end(number)

        def fire() -> None:
            threading.Thread(target=run, name=name, daemon=True).start()

        moment = due if isinstance(due, Polls) else due - self.skew
        self.conductor.set(Due(moment, name, number, fire))
        return _Alarm(self.conductor, number)

    def heard(self) -> None:
        """Nobody has to be told."""

    def mark(self, due: float, name: str) -> None:
        """Come to rest at a moment, so that those who wait look."""
        number = self.conductor.number()
        self.conductor.set(Due(due - self.skew, name, number, lambda: self.conductor.end(number)))

    def watch_queues(self, visible: Callable[[str, str], float | None]) -> None:
        """Tell from when on a look at a queue is not in vain."""
        self.conductor.watch_queues(visible)

    def skewed(self, span: float) -> Self:
        """The same clock, but wrong."""
        return replace(self, skew=self.skew + span)

    def share(self) -> "_Link":
        """Give it to another process."""
        return self.sharing.link(self.skew)

    def close(self) -> None:
        """Nothing happens any more."""
        self.conductor.close()
        self.sharing.close()


@dataclass(frozen=True, slots=True)
class _Alarm:
    conductor: Conductor
    number: int

    def cancel(self) -> None:
        self.conductor.unset(self.number)


class _Sharing:
    """What other processes have of the clock: a file that shows the moment, and a port to talk to."""

    conductor: Conductor

    def __init__(self) -> None:
        self._file = tempfile.NamedTemporaryFile(prefix="simulated-time-")  # noqa: SIM115 - closed by close
        self._file.write(bytes(MOMENT.size))
        self._file.flush()
        self._shown = mmap.mmap(self._file.fileno(), MOMENT.size)
        self._secret = secrets.token_hex(16)
        self._links: list[_Link] = []
        self._door: socket.socket | None = None

    def tell(self, moment: float) -> None:
        """Show the moment to the other processes."""
        MOMENT.pack_into(self._shown, 0, moment)

    def link(self, skew: float) -> "_Link":
        """A link for one process."""
        if self._door is None:
            self._door = socket.create_server(("127.0.0.1", 0))
            threading.Thread(target=self._open, args=(self._door,), daemon=True, name="simulated-time-door").start()
        told = {
            "port": self._door.getsockname()[1],
            "secret": self._secret,
            "link": len(self._links),
            "file": self._file.name,
            "skew": skew,
        }
        link = _Link(self.conductor, json.dumps(told), len(self._links))
        self._links.append(link)
        return link

    def close(self) -> None:
        """Stop listening. The file stays readable for as long as somebody has it open."""
        for link in self._links:
            link.close()
        if self._door is not None:
            # Closing alone would leave the thread waiting for somebody to come.
            with suppress(OSError):
                self._door.shutdown(socket.SHUT_RDWR)
            self._door.close()
        self._file.close()

    def _open(self, door: socket.socket) -> None:
        while True:
            try:
                connection, _ = door.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            lines = connection.makefile("r", encoding="utf-8")
            first = json.loads(lines.readline() or "{}")
            if first.get("secret") != self._secret:
                lines.close()
                connection.close()
                continue
            link = self._links[first["link"]]
            link.connect(connection)
            threading.Thread(target=link.listen, args=(lines,), daemon=True, name="simulated-time-link").start()


@dataclass(slots=True)
class _Link:
    """One process that shares the clock, as its owner sees it. What is said is JSON, a line each."""

    conductor: Conductor
    argument: str
    number: int
    """Of two processes that set the same for the same moment, the one that came first is first."""
    connection: socket.socket | None = None
    _work: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Tickets of work that is being done there, by their numbers there."""
    _due: dict[int, int] = field(default_factory=dict)
    """Numbers of what is due there, by its numbers there."""
    _idle: dict[int, int] = field(default_factory=dict)
    """Numbers of work that waits for other work there, by its numbers there."""
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False

    def connect(self, connection: socket.socket) -> None:
        """Talk to the process from now on; or hang up at once, if all was over before it came."""
        with self._guard:
            self.connection = connection
            if self._closed:
                self._hang_up(connection)

    def listen(self, lines: Any) -> None:
        """Take what the process says, until it is gone."""
        with suppress(OSError):
            for line in lines:
                self._hear(json.loads(line))

    def close(self) -> None:
        """The process is gone, and what it did and was about to do with it."""
        with self._guard:
            self._closed = True
            self.conductor.forget(list(self._work.values()), [*self._due.values(), *self._idle.values()])
            if self.connection is not None:
                self._hang_up(self.connection)

    @staticmethod
    def _hang_up(connection: socket.socket) -> None:
        # Closing alone would leave it open for as long as somebody reads from it.
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    def _hear(self, said: dict[str, Any]) -> None:
        with self._guard:
            if self._closed:
                return
            number = said["number"]
            match said["say"]:
                case "begin":
                    self._begin(number, said["what"])
                    self._tell({"begun": number})
                case "end":
                    ticket = self._work.pop(number, None)
                    self.conductor.end(ticket)
                case "set":
                    self._set(number, said)
                case "unset" if number in self._due:
                    self.conductor.unset(self._due.pop(number))
                case "idle":
                    self._idle[number] = self.conductor.number()
                    self.conductor.asleep(self._idle[number], said["what"])
                case "busy":
                    self.conductor.awake(self._idle.pop(number))
                case _:
                    pass

    def _begin(self, number: int, what: str) -> None:
        ticket = (id(self), number)
        self._work[number] = ticket
        self.conductor.begin(what, ticket)

    def _set(self, number: int, said: dict[str, Any]) -> None:
        polls = said.get("polls")
        moment = (
            Polls(polls["host"], polls["queue"], tuple(polls["moments"]), polls["period"]) if polls else said["due"]
        )
        here = self.conductor.number()
        self._due[number] = here

        def fire() -> None:
            # Under no lock of the conductor's; the work has been counted as `here`.
            with self._guard:
                self._due.pop(number, None)
                if self._closed:
                    self.conductor.end(here)
                    return
                if not said["asleep"]:
                    self._begin(number, said["name"])
                    self.conductor.end(here)
                self._tell({"ring": number})

        name = f"{said['name']} in {self.number:06}"
        self.conductor.set(Due(moment, name, here, fire, wakes=said["asleep"]))

    def _tell(self, what: dict[str, int]) -> None:
        if self.connection is not None:
            with suppress(OSError):  # It is dying; whoever started it will close this.
                self.connection.sendall(json.dumps(what).encode() + b"\n")
