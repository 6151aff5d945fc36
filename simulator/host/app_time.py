"""What the app is told the time is, on a clock that stands still while it works.

Computing takes no time on such a clock, so all that is done at one moment would seem to happen in the same microsecond,
which in reality nothing does, and what is told apart by its time could not be. So each invocation that begins at a moment
is told a time one millisecond after that of the one before, and each time that it asks, one more microsecond. Both depend
on the order of messages and on the code alone, never on which thread was faster.
"""

from datetime import datetime, timedelta

from simulator.clock import Clock
from simulator.host import runtime

_FEW = 50
"""Places: the last is still told less than half of the shortest time between two polls, 100 ms."""


class AppTime:
    """Tells each invocation a time of its own."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._moment = 0.0
        self._places = 0
        self._told: dict[str | None, timedelta] = {}
        """What an invocation was told last, beyond the moment."""

    def begin(self, invocation: str) -> None:
        """An invocation is about to begin. Called in the order of the messages, one at a time."""
        moment = self.clock.timestamp()
        self._places = self._places + 1 if moment == self._moment else 0
        self._moment = moment
        self._told[invocation] = timedelta(milliseconds=self._places % _FEW)

    def end(self, invocation: str) -> None:
        """An invocation is over."""
        self._told.pop(invocation, None)

    def now(self) -> datetime:
        """The time, as the code that asks is told it."""
        invocation = runtime.current_invocation_id()
        told = self._told.get(invocation, timedelta()) + timedelta(microseconds=1)
        self._told[invocation] = told
        return self.clock.now() + told
