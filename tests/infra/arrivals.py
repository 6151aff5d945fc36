"""A table whose rows arrive one by one, and what a query that is run at some time sees of it.

A rule is evaluated hundreds of times over nearly the same rows. What is made of a row alone is made once for all of them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

type Row = dict[str, Any]
type Change = Callable[[Row], Row | None]
"""What becomes of a row, by the row alone; None is a row that is left out."""


@dataclass(frozen=True)
class Arrived:
    """A row, or what a query made of it."""

    at: datetime
    said: datetime
    row: Row
    place: int
    """Of the row that it was made from, among all."""


@dataclass
class Log:
    """Rows in the order in which they arrive, which is never before they were said."""

    rows: list[Arrived]
    changed: dict[Change, "Log"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.times = [one.at for one in self.rows]

    def through(self, change: Change) -> "Log":
        """What becomes of its rows: the same each time."""
        if change not in self.changed:
            made = ((one, change(one.row)) for one in self.rows)
            self.changed[change] = Log(
                [Arrived(one.at, one.said, row, one.place) for one, row in made if row is not None]
            )
        return self.changed[change]


def log(rows: Iterable[tuple[datetime, Row]]) -> Log:
    """Of rows, and when each arrives."""
    found = sorted(rows, key=lambda one: one[0])
    return Log([Arrived(at, row["TimeGenerated"], row, place) for place, (at, row) in enumerate(found)])


@dataclass(frozen=True)
class Seen:
    """What a query sees: whatever arrived until a time and was said since another, but for one row that was lost."""

    log: Log
    until: datetime
    since: datetime
    lost: int = -1

    def through(self, change: Change) -> "Seen":
        """What becomes of what is seen."""
        return Seen(self.log.through(change), self.until, self.since, self.lost)

    def __iter__(self) -> Iterator[Row]:
        times = self.log.times
        for one in self.log.rows[bisect_left(times, self.since) : bisect_right(times, self.until)]:
            if one.said >= self.since and one.place != self.lost:
                yield one.row
