"""How a host ends: it takes nothing new, finishes what it has to finish, and is gone.

Measured on the real host (facts of 2026-11-25): told to stop, it waits for queue functions, 89 seconds if need be, and
settles their messages; a run of a timer is not waited for, not recorded, and repeated at the next start.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from simulator.clock import Clock
from simulator.host.exit_codes import TIMEOUT


class Drain:
    """Counts what must be finished before the host may end."""

    def __init__(self, clock: Clock, end: Callable[[int], None]) -> None:
        self._clock = clock
        self._end = end
        """Ends the process with a code."""
        self._guard = threading.Lock()
        self._to_finish = 0
        self._cut = 0
        self._code: int | None = None
        self._ending = False

    @property
    def begun(self) -> bool:
        """Whether nothing new is to be taken."""
        return self._code is not None

    @property
    def cuts(self) -> bool:
        """Whether what can be cut is being cut: what comes of it does not count any more."""
        return self._code not in {None, TIMEOUT}

    def begin(self, code: int) -> None:
        """End as soon as everything is finished. Whoever calls this is at work; the first code counts."""
        with self._guard:
            self._code = code if self._code is None else self._code
        self._look()

    @contextmanager
    def finishes(self) -> Iterator[None]:
        """Something that has to be finished, by somebody who is at work until after it."""
        with self._guard:
            self._to_finish += 1
        try:
            yield
        finally:
            with self._guard:
                self._to_finish -= 1
            self._look()

    @contextmanager
    def cut_short(self) -> Iterator[None]:
        """Something that is cut when the host is stopped. When the worker alone restarts, it fails like all the others."""
        with self._guard:
            self._cut += 1
        try:
            yield
        finally:
            with self._guard:
                self._cut -= 1
            self._look()

    def _look(self) -> None:
        with self._guard:
            left = self._to_finish + (self._cut if self._code == TIMEOUT else 0)
            if self._code is None or left or self._ending:
                return
            self._ending, code = True, self._code
        with self._clock.work("a host ends"):  # Nothing happens between its last work and its end.
            self._end(code)
