"""A clock as a process has it that did not make it."""

import itertools
import json
import mmap
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simulator.clock import Clock, Polls
from simulator.clock.running import RunningClock
from simulator.clock.waiting import MOMENT

THREAD = "simulator-host"
"""How the names of the threads begin that do what is due."""


def join(argument: str, gone: Callable[[], object] = lambda: None) -> Clock:
    """The clock that another process shares; `gone` is called should that process end without ending this one."""
    told = json.loads(argument)
    return LinkedClock(told, gone) if "port" in told else RunningClock(**told)


class LinkedClock:
    """A waiting clock that lives in another process: shows its time, and tells it what is done and due here."""

    def __init__(self, told: dict[str, Any], gone: Callable[[], object] = lambda: None) -> None:
        self._gone = gone
        self.skew: float = told["skew"]
        with Path(told["file"]).open("rb") as file:
            self._shown = mmap.mmap(file.fileno(), MOMENT.size, access=mmap.ACCESS_READ)
        self._numbers = itertools.count(1)
        self._actions: dict[int, Callable[[], object]] = {}
        self._events: dict[int, threading.Event] = {}
        """Of those who sleep, or wait for an answer."""
        self._guard = threading.Lock()
        self._connection = socket.create_connection(("127.0.0.1", told["port"]))
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._say(secret=told["secret"], link=told["link"])
        threading.Thread(target=self._listen, name=THREAD, daemon=True).start()

    def timestamp(self) -> float:
        """Simulated seconds since the epoch."""
        (moment,) = MOMENT.unpack_from(self._shown)
        return float(moment) + self.skew

    def now(self) -> datetime:
        """The simulated time, in UTC."""
        return datetime.fromtimestamp(self.timestamp(), UTC)

    def at_least(self, span: float, real_seconds: float) -> float:
        """The span: computing takes no simulated time."""
        del real_seconds
        return span

    def sleep(self, span: float) -> None:
        """Let a span of time pass."""
        number, woken = next(self._numbers), threading.Event()
        with self._guard:
            self._events[number] = woken
        self._set(number, self.timestamp() + max(0.0, span), "sleep", asleep=True)
        woken.wait()

    @contextmanager
    def work(self, what: str) -> Iterator[None]:
        """Time stands still, as soon as the owner has heard of it."""
        number, begun = next(self._numbers), threading.Event()
        with self._guard:
            self._events[number] = begun
        self._say(say="begin", number=number, what=what)
        begun.wait()
        try:
            yield
        finally:
            self._say(say="end", number=number)

    @contextmanager
    def idle(self, what: str) -> Iterator[None]:
        """Time goes on, unless something else is being done."""
        number = next(self._numbers)
        self._say(say="idle", number=number, what=what)
        try:
            yield
        finally:
            self._say(say="busy", number=number)

    def alarm(self, due: float | Polls, name: str, action: Callable[[], object]) -> "_Alarm":
        """Do something at a moment, in a thread of its own."""
        number = next(self._numbers)
        with self._guard:
            self._actions[number] = action
        self._set(number, due, name)
        return _Alarm(self, number)

    def heard(self) -> None:
        """An answer comes when everything said before has been heard."""
        with self.work("to be heard"):
            pass

    def close(self) -> None:
        """The process ends."""
        self._connection.close()

    def cancel(self, number: int) -> None:
        """Take an alarm back."""
        with self._guard:
            if self._actions.pop(number, None) is None:
                return
        self._say(say="unset", number=number)

    def _set(self, number: int, due: float | Polls, name: str, *, asleep: bool = False) -> None:
        when = {"polls": asdict(due)} if isinstance(due, Polls) else {"due": due - self.skew}
        self._say(say="set", number=number, name=name, asleep=asleep, **when)

    def _say(self, **what: Any) -> None:
        line = json.dumps(what).encode() + b"\n"
        with self._guard, suppress(OSError):  # Whoever keeps the time may be gone: then nobody minds what is said.
            self._connection.sendall(line)

    def _listen(self) -> None:
        with suppress(OSError):
            for line in self._connection.makefile("r", encoding="utf-8"):
                self._hear(line)
        self._connection.close()
        self._gone()

    def _hear(self, line: str) -> None:
        heard = json.loads(line)
        number = heard.get("ring") or heard["begun"]
        with self._guard:
            event, action = self._events.pop(number, None), self._actions.pop(number, None)
        if event is not None:
            event.set()
        elif action is not None:
            threading.Thread(target=self._run, args=(number, action), name=THREAD, daemon=True).start()
        else:
            self._say(say="end", number=number)

    def _run(self, number: int, action: Callable[[], object]) -> None:
        try:
            action()
        finally:
            self._say(say="end", number=number)


class _Alarm:
    def __init__(self, clock: LinkedClock, number: int) -> None:
        self._clock, self._number = clock, number

    def cancel(self) -> None:
        self._clock.cancel(self._number)
