"""A clock that runs, possibly faster than real time: for whoever watches."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Self

from simulator.clock import SOMETHING, TWO_HOURS, Alarm, Polls

_LOOK_SECONDS = 0.02
"""Real seconds between two looks at something that is waited for."""
_PATIENCE_SECONDS = 120.0
"""Real seconds within which something that is waited for has to come, whatever the speed."""


@dataclass(frozen=True, slots=True)
class RunningClock:
    """A clock that runs `speed` simulated seconds for each real second.

    Processes that share one simulation share its clock by what is written in `argument`: both read the machine's real
    time, so they agree without talking.
    """

    speed: float = 1.0
    real_origin: float = 0.0
    """The real time, in seconds since the epoch, at which simulated time was `simulated_origin`."""
    simulated_origin: float = 0.0
    skew: float = 0.0
    """Simulated seconds by which this clock is ahead of the others, or behind."""

    @classmethod
    def starting_now(cls, speed: float = 1.0) -> Self:
        """A clock that shows the real time now and runs on from there at `speed`."""
        now = time.time()
        return cls(speed, now, now)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a clock that another process wrote down."""
        return cls(**json.loads(text))

    def timestamp(self) -> float:
        """Simulated seconds since the epoch."""
        return self.simulated_origin + (time.time() - self.real_origin) * self.speed + self.skew

    def now(self) -> datetime:
        """The simulated time, in UTC."""
        return datetime.fromtimestamp(self.timestamp(), UTC)

    def real_seconds(self, span: float) -> float:
        """How long a span of simulated time takes in reality."""
        return span / self.speed

    def at_least(self, span: float, real_seconds: float) -> float:
        """The longer of a simulated span and one that takes its time in reality."""
        return max(span, real_seconds * self.speed)

    def sleep(self, span: float) -> None:
        """Wait for a span of simulated time."""
        time.sleep(self.real_seconds(max(0.0, span)))

    def until(self, happened: Callable[[], object], within: float = TWO_HOURS, what: str = SOMETHING) -> bool:
        """Look again and again until something has happened."""
        del what
        ends = time.monotonic() + max(self.real_seconds(within), _PATIENCE_SECONDS)
        while not happened():
            if time.monotonic() > ends:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    @contextmanager
    def work(self, what: str) -> Iterator[None]:
        """Time runs on."""
        del what
        yield

    def idle(self, what: str) -> AbstractContextManager[None]:
        """Time runs on."""
        return self.work(what)

    def hold(self, span: float, held: Callable[[], bool]) -> None:
        """Wait, or less if it is not held any more."""
        ends = time.monotonic() + self.real_seconds(span)
        while held() and (left := ends - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_SECONDS))

    def alarm(self, due: float | Polls, name: str, action: Callable[[], object]) -> Alarm:
        """Do something at a moment. Of looks, the next: only looking tells whether there is something."""
        moment = due.moments[0] if isinstance(due, Polls) else due
        wait = max(0.0, self.real_seconds(moment - self.timestamp()))
        timer = threading.Timer(min(wait, threading.TIMEOUT_MAX), action)
        timer.name, timer.daemon = name, True
        timer.start()
        return timer

    def heard(self) -> None:
        """Nobody has to be told."""

    def mark(self, due: float, name: str) -> None:
        """Every moment comes by itself."""

    def watch_queues(self, visible: Callable[[str, str], float | None]) -> None:
        """Looks are not left out."""

    def skewed(self, span: float) -> Self:
        """The same clock, but wrong."""
        return replace(self, skew=self.skew + span)

    def share(self) -> "RunningClock":
        """Processes agree without talking."""
        return self

    @property
    def argument(self) -> str:
        """Write the clock down for another process."""
        return json.dumps(asdict(self))

    def close(self) -> None:
        """It runs on, and nobody minds."""
