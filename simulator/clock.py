"""Simulated time: the same everywhere in one simulation, and possibly faster than real time."""

import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Self


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock that runs `speed` simulated seconds for each real second.

    Processes that share one simulation share its clock by `to_json` and `from_json`: both read the machine's real
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

    def timestamp(self) -> float:
        """Simulated seconds since the epoch."""
        return self.simulated_origin + (time.time() - self.real_origin) * self.speed + self.skew

    def now(self) -> datetime:
        """The simulated time, in UTC."""
        return datetime.fromtimestamp(self.timestamp(), UTC)

    def real_seconds(self, simulated_seconds: float) -> float:
        """How long a span of simulated time takes in reality."""
        return simulated_seconds / self.speed

    def sleep(self, simulated_seconds: float) -> None:
        """Wait for a span of simulated time."""
        time.sleep(self.real_seconds(max(0.0, simulated_seconds)))

    def to_json(self) -> str:
        """Write the clock down for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a clock that another process wrote down."""
        return cls(**json.loads(text))


def iso(timestamp: float) -> str:
    """A time as ARM and Event Grid write it."""
    return datetime.fromtimestamp(timestamp, UTC).isoformat().replace("+00:00", "Z")
