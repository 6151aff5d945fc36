"""What the hosts of one app have in common: the status of each timer, and who has its lock.

The real ones keep this in blob storage. The files are replaced in one step: a killed host leaves them whole.
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LEASE_SECONDS = 60.0
RENEWED_AFTER = LEASE_SECONDS / 2
"""Seconds: a lease is renewed when it is half over (SingletonManager in Azure/azure-webjobs-sdk)."""


@dataclass(frozen=True, slots=True)
class CommonFile:
    """A JSON object that several processes change, one at a time."""

    path: Path

    def read(self) -> dict[str, Any]:
        """What it holds."""
        found: dict[str, Any] = json.loads(self.path.read_text()) if self.path.exists() else {}
        return found

    @contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """Change what it holds."""
        with self.path.with_suffix(".guard").open("w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            content = self.read()
            yield content
            unfinished = self.path.with_suffix(".unfinished")
            unfinished.write_text(json.dumps(content))
            unfinished.replace(self.path)


class TimerLocks:
    """One host of several runs a timer: the one that has the timer's lock, a lease of a minute that it keeps renewing.

    A host that is killed renews it no more, so for up to a minute nobody has it. Measured: 45 and 62 seconds until another
    host ran the timer, which also asks once a minute only. Renewals are not written down: when the last one was follows
    from when the lock was taken and when its holder died, which whoever runs the hosts says.
    """

    def __init__(self, folder: Path) -> None:
        self._file = CommonFile(folder / "locks.json")

    def acquire(self, timer: str, holder: str, now: float) -> bool:
        """Take a timer's lock, unless another host has it."""
        with self._file.changing() as locks:
            found = locks.get(timer)
            if found is not None and found["holder"] != holder and now < _free_from(found):
                return False
            locks[timer] = {"holder": holder, "since": now, "died": None}
            return True

    def release(self, holder: str) -> None:
        """Give back what a host has that ends in good order."""
        with self._file.changing() as locks:
            for timer in [timer for timer, found in locks.items() if found["holder"] == holder]:
                del locks[timer]

    def died(self, holder: str, now: float) -> None:
        """A host is gone, and has given nothing back."""
        with self._file.changing() as locks:
            for found in locks.values():
                if found["holder"] == holder and found["died"] is None:
                    found["died"] = now


def _free_from(lock: dict[str, Any]) -> float:
    if lock["died"] is None:
        return float("inf")
    renewals = (lock["died"] - lock["since"]) // RENEWED_AFTER
    return float(lock["since"] + renewals * RENEWED_AFTER + LEASE_SECONDS)
