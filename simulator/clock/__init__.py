"""Simulated time: the same everywhere in one simulation.

Two clocks keep it. `RunningClock` runs, a number of times as fast as real time, for whoever watches. `WaitingClock`
stands still while anything is being done and then jumps to the next moment at which something is due, so what happens
does not depend on how fast the machine is. All of the simulator is written for either.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, Self

TWO_HOURS = 7_200.0
"""Simulated seconds within which, unless a test says otherwise, what it waits for has to come."""
SOMETHING = "something that is to happen"
"""What is waited for, if nobody says."""


@dataclass(frozen=True, slots=True)
class Polls:
    """The moments at which somebody would look at a queue. Looks that find nothing change nothing and can be left out."""

    host: str
    """Of the storage service, in lower case."""
    queue: str
    moments: tuple[float, ...]
    """Seconds since the epoch, ascending; at least one."""
    period: float
    """Seconds from one look to the next after those."""

    def first_from(self, moment: float) -> float:
        """The first look at or after a moment."""
        for look in self.moments:
            if look >= moment:
                return look
        last = self.moments[-1]
        looks = -((last - moment) // self.period)  # rounded up
        return last + looks * self.period


class Alarm(Protocol):
    """Something that is due at some time."""

    def cancel(self) -> None:
        """Let it not happen. Whoever calls this is at work, so it cannot be happening at this moment."""
        ...


class Shared(Protocol):
    """A clock, as it is given to another process."""

    @property
    def argument(self) -> str:
        """What `simulator.clock.link.join` makes the clock of there."""
        ...

    def close(self) -> None:
        """The other process is gone: nothing is done there any more, and nothing due."""
        ...


class Clock(Protocol):
    """Simulated time, as every process has it. Spans are simulated seconds, moments are such seconds since the epoch."""

    @property
    def skew(self) -> float:
        """The span by which it is ahead of the others, or behind."""
        ...

    def timestamp(self) -> float:
        """The moment that it is."""
        ...

    def now(self) -> datetime:
        """The moment that it is, in UTC."""
        ...

    def at_least(self, span: float, real_seconds: float) -> float:
        """The longer of two spans, the second of which computing takes in reality, however fast this clock runs."""
        ...

    def sleep(self, span: float) -> None:
        """Let time pass. The caller does nothing meanwhile."""
        ...

    def work(self, what: str) -> AbstractContextManager[None]:
        """Something is being done, which takes no simulated time. `what` is for people who wait for its end."""
        ...

    def idle(self, what: str) -> AbstractContextManager[None]:
        """Something that is being done waits for other work, and does not count meanwhile.

        Whoever ends the wait is at work, and goes on with that until this has ended.
        """
        ...

    def alarm(self, due: float | Polls, name: str, action: Callable[[], object]) -> Alarm:
        """Do something at a moment, or at the first look that may find something, in a thread of its own.

        The name orders what is due at the same moment.
        """
        ...

    def heard(self) -> None:
        """Return when what was begun, ended or set here has been taken account of, wherever time is kept.

        For those who are about to give the work back to another process by another way.
        """
        ...

    def close(self) -> None:
        """Nothing happens any more."""
        ...


class OwnClock(Clock, Protocol):
    """Simulated time, where it is kept."""

    def until(self, happened: Callable[[], object], within: float = TWO_HOURS, what: str = SOMETHING) -> bool:
        """Let time pass until something has happened; False if it has not within a span. `what` is for people, if all hangs."""
        ...

    def hold(self, span: float, held: Callable[[], bool]) -> None:
        """Let a request wait, and with it whoever sent it, who does nothing meanwhile, for as long as `held`."""
        ...

    def mark(self, due: float, name: str) -> None:
        """A moment at which something looks different, though nobody does anything."""
        ...

    def watch_queues(self, visible: Callable[[str, str], float | None]) -> None:
        """Tell from which moment on a look at a host's queue is not in vain; None means that it is for now."""
        ...

    def skewed(self, span: float) -> Self:
        """The same clock, but wrong: ahead of the others by a span, or behind."""
        ...

    def share(self) -> Shared:
        """Give it to another process, which lives by it until `close`."""
        ...


def iso(timestamp: float) -> str:
    """A time as ARM and Event Grid write it."""
    return datetime.fromtimestamp(timestamp, UTC).isoformat().replace("+00:00", "Z")
