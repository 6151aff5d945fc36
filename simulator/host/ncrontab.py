"""NCRONTAB and .NET's time spans, as the timer trigger reads its schedule.

After CrontabFieldImpl and CrontabField of NCrontab (atifaziz/NCrontab), and what the real host was seen to make of them:
five or six fields, names by prefix, ranges written backwards, and no day 7. `tests/ncrontab_cases.py` is the table of cases.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from simulator.host.errors import FunctionInError

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_LONGEST_SEARCH = timedelta(days=12 * 366)
"""The rarest day that comes, a 29 February on a given weekday, comes again within this, except around a year like 2100."""


class Schedule(Protocol):
    """When a timer is due."""

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence after a moment (UTC)."""
        ...


@dataclass(frozen=True, slots=True)
class ConstantSchedule:
    """A fixed interval after the last run."""

    interval: timedelta

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence after a moment (UTC)."""
        return moment + self.interval


@dataclass(frozen=True, slots=True)
class _Field:
    """The numbers that a field may hold, and the names that stand for them."""

    least: int
    most: int
    names: tuple[str, ...] = ()

    def parse(self, text: str) -> frozenset[int]:
        """The numbers that a text stands for; raises ValueError if it stands for none."""
        return frozenset(number for element in text.split(",") for number in self._element(element))

    def _element(self, text: str) -> range:
        values, slash, step_text = text.partition("/")
        if slash and not (step_text.isascii() and step_text.isdecimal()):
            raise ValueError(text)
        step = max(1, int(step_text or 1))  # a step of nothing is one
        if values == "*":
            return range(self.least, self.most + 1, step)
        first_text, dash, last_text = values.partition("-")
        first = self._value(first_text)
        last = self._value(last_text) if dash else self.most if slash else first
        first, last = min(first, last), max(first, last)
        if first < self.least or last > self.most:
            raise ValueError(text)
        return range(first, last + 1, step)

    def _value(self, text: str) -> int:
        if text.isdecimal() and text.isascii():
            return int(text)
        found = [index for index, name in enumerate(self.names) if text and name.startswith(text.lower())]
        if not found:
            raise ValueError(text)
        return found[0] + self.least


_FIELDS = (_Field(0, 59), _Field(0, 59), _Field(0, 23), _Field(1, 31), _Field(1, 12, _MONTHS), _Field(0, 6, _WEEKDAYS))


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """Second, minute, hour, day, month, day of the week. A day must satisfy both day fields."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence after a moment (UTC); raises FunctionInError if there is none."""
        moment = moment.replace(microsecond=0) + timedelta(seconds=1)
        for day in self._days_from(moment):
            start = moment if day.date() == moment.date() else day
            for hour, minute, second in self._times_from((start.hour, start.minute, start.second)):
                return day.replace(hour=hour, minute=minute, second=second)
        raise FunctionInError("The schedule never occurs.")

    def _days_from(self, moment: datetime) -> Iterator[datetime]:
        day = moment.replace(hour=0, minute=0, second=0)
        ends = day + _LONGEST_SEARCH
        while day < ends:
            if day.day in self.days and day.month in self.months and day.isoweekday() % 7 in self.weekdays:
                yield day
            day += timedelta(days=1)

    def _times_from(self, earliest: tuple[int, int, int]) -> Iterator[tuple[int, int, int]]:
        return (
            time
            for hour in sorted(self.hours)
            if hour >= earliest[0]
            for minute in sorted(self.minutes)
            if (hour, minute) >= earliest[:2]
            for second in sorted(self.seconds)
            if (time := (hour, minute, second)) >= earliest
        )


def parse_schedule(text: str) -> Schedule:
    """An NCRONTAB expression of five or six fields, or a time span."""
    fields = [field for field in text.split(" ") if field]
    if len(fields) == len(_FIELDS) - 1:
        fields = ["0", *fields]
    if len(fields) == len(_FIELDS):
        try:
            return CronSchedule(*(field.parse(part) for field, part in zip(_FIELDS, fields, strict=True)))
        except ValueError:
            pass
    interval = _time_span(text.strip())
    if interval is None:
        raise FunctionInError(
            f"The schedule expression '{text}' was not recognized as a valid cron expression or timespan string."
        )
    return ConstantSchedule(interval)


def checked(schedule: Schedule, now: datetime) -> Schedule:
    """A schedule that comes at some time; raises FunctionInError for 30 February, as the real host's listener fails on it."""
    schedule.next_after(now)
    return schedule


def is_kept_on_record(schedule: Schedule, now: datetime) -> bool:
    """Whether a timer has a status, and catches up: not where more than one occurrence falls into the next minute.

    TimerSchedule.cs in azure-webjobs-sdk-extensions; measured too (facts of 2026-11-25).
    """
    if isinstance(schedule, ConstantSchedule):
        return schedule.interval >= timedelta(minutes=1)
    return schedule.next_after(schedule.next_after(now)) > now + timedelta(minutes=1)


_SPANS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<days>[0-9]{1,8})",
        r"(?:(?P<days>[0-9]{1,8})\.)?(?P<hours>[0-9]{1,2}):(?P<minutes>[0-9]{1,2})(?::(?P<seconds>[0-9]{1,2}(?:\.[0-9]{1,7})?))?",
        r"(?P<days>[0-9]{1,8}):(?P<hours>[0-9]{1,2}):(?P<minutes>[0-9]{1,2}):(?P<seconds>[0-9]{1,2}(?:\.[0-9]{1,7})?)",
        r"(?P<days>[0-9]{1,8}):(?P<hours>[0-9]{1,2}):(?P<minutes>[0-9]{1,2})",
    )
)
"""What `TimeSpan.TryParse` reads, in this order: a plain number is days, and so is what cannot be hours (24:00:00)."""


def _time_span(text: str) -> timedelta | None:
    for pattern in _SPANS:
        if (match := pattern.fullmatch(text)) is None:
            continue
        parts = {name: float(part or 0) for name, part in match.groupdict().items()}
        span = timedelta(**parts)
        in_range = parts.get("hours", 0) < 24 and parts.get("minutes", 0) < 60 and parts.get("seconds", 0) < 60
        if in_range and span:
            return span
    return None
