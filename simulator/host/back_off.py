"""When an idle queue is polled: after RandomizedExponentialBackoffStrategy of the Storage Queues extension."""

import random
from datetime import timedelta

SHORTEST_POLL = 0.1
"""Seconds."""


class BackOff:
    """When to poll next: the pause doubles from 100 ms to the longest, with a fifth of randomness."""

    def __init__(self, longest: timedelta, randomness: random.Random) -> None:
        self._longest = longest.total_seconds()
        self._randomness = randomness
        self._polls_in_vain = 0
        self._moments: tuple[float, ...] = ()

    def moments(self, now: float, *, found_messages: bool) -> tuple[float, ...]:
        """The next polls, as long as they are in vain, up to the first that comes after the longest pause."""
        if found_messages:
            self._polls_in_vain = 0
        moments: list[float] = []
        pause = 0.0
        while pause < self._longest:
            pause = self._pause(self._polls_in_vain + len(moments))
            now += pause
            moments.append(now)
        self._moments = tuple(moments)
        return self._moments

    def polled(self, now: float) -> None:
        """One of these has come, and those before it were in vain."""
        self._polls_in_vain += max(1, sum(moment <= now for moment in self._moments))

    def _pause(self, polls_in_vain: int) -> float:
        pause = SHORTEST_POLL
        if polls_in_vain:
            # The cap keeps 2**n a number; 100 ms x 2**30 is three years.
            pause += SHORTEST_POLL * self._randomness.uniform(0.8, 1.2) * 2 ** min(polls_in_vain - 1, 30)
        return min(pause, self._longest)
