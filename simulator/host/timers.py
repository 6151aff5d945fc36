"""The timer trigger: NCRONTAB or a constant interval, on the simulated clock, in UTC.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer and TimerListener in
Azure/azure-webjobs-sdk-extensions.
"""

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from croniter import croniter

from simulator.clock import Clock
from simulator.host.errors import FunctionInError
from simulator.host.host_json import parse_time_span
from simulator.host.invocations import BoundFunction, Invocations
from simulator.host.runtime import Message

_FIELD = re.compile(r"(?:\*|[0-9]+|[A-Za-z]{3})(?:-(?:[0-9]+|[A-Za-z]{3}))?(?:/[0-9]+)?")
"""One element of a field's list. Croniter knows more signs (L, #, ?, H, R); NCRONTAB does not."""


class Schedule(Protocol):
    """When a timer is due."""

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence after a moment (UTC)."""
        ...


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """Six fields: second, minute, hour, day, month, day of the week. A day must satisfy both day fields."""

    expression: str

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence after a moment (UTC)."""
        cron = croniter(self.expression, moment, second_at_beginning=True, day_or=False)
        due: datetime = cron.get_next(datetime)
        return due


@dataclass(frozen=True, slots=True)
class ConstantSchedule:
    """A fixed interval after the last run."""

    interval: timedelta

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence after a moment (UTC)."""
        return moment + self.interval


def parse_schedule(text: str) -> Schedule:
    """An NCRONTAB expression of six fields, or a time span."""
    fields = text.split()
    if len(fields) == 6 and all(_FIELD.fullmatch(part) for field in fields for part in field.split(",")):
        expression = " ".join(fields)
        if croniter.is_valid(expression, second_at_beginning=True):
            return CronSchedule(expression)
    try:
        return ConstantSchedule(parse_time_span(text))
    except ValueError:
        raise FunctionInError(
            f"The schedule expression '{text}' was not recognized as a valid cron expression or timespan string."
        ) from None


class ScheduleMonitor:
    """Remembers when each timer ran, so that a restarted host notices a missed occurrence.

    The real one keeps this in blob storage. The file is replaced in one step: a killed host leaves it whole.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._status: dict[str, dict[str, str]] = json.loads(path.read_text()) if path.exists() else {}

    def status(self, timer: str) -> Mapping[str, str] | None:
        """`Last`, `Next` and `LastUpdated` of a timer that is known."""
        return self._status.get(timer)

    def record(self, timer: str, *, last: datetime, due: datetime) -> None:
        """Note a run, or a first start, and the next occurrence."""
        with self._lock:
            self._status[timer] = {
                "Last": last.isoformat(), "Next": due.isoformat(), "LastUpdated": last.isoformat()
            }  # fmt: skip
            unfinished = self._path.with_suffix(".unfinished")
            unfinished.write_text(json.dumps(self._status))
            unfinished.replace(self._path)


@dataclass(frozen=True, slots=True)
class TimerListener:
    """Runs one timer function when it is due, one run at a time, until told to stop."""

    bound: BoundFunction
    schedule: Schedule
    monitor: ScheduleMonitor
    invocations: Invocations
    clock: Clock
    stopping: threading.Event

    def start(self) -> None:
        """Run at once if an occurrence was missed or `runOnStartup` is set; then whenever due."""
        name, now = self.bound.function.name, self.clock.now()
        status = self.monitor.status(name)
        missed = False
        if status is None:
            self.monitor.record(name, last=now, due=self.schedule.next_after(now))
        else:
            missed = self.schedule.next_after(datetime.fromisoformat(status["LastUpdated"])) < now
        if missed or self.bound.function.trigger.get("runOnStartup"):
            self._set(now, past_due=missed)
        else:
            self._rest()

    def run(self, *, past_due: bool = False) -> None:
        """One run."""
        argument: dict[str, Any] = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": self.monitor.status(self.bound.function.name),
            "IsPastDue": past_due,
        }
        reason = f"Timer fired at {self.clock.now().isoformat()}"
        self.invocations.run(self.bound, Message(json=json.dumps(argument)), reason)

    def _rest(self) -> None:
        self._set(self.schedule.next_after(self.clock.now()), past_due=False)

    def _set(self, due: datetime, *, past_due: bool) -> None:
        name = f"timer {self.bound.function.name}"
        self.clock.alarm(due.timestamp(), name, lambda: self._run_as_scheduled(past_due=past_due))

    def _run_as_scheduled(self, *, past_due: bool) -> None:
        """A failed run is recorded like any other: the real host does not try it again."""
        if self.stopping.is_set():
            return
        now = self.clock.now()
        self.run(past_due=past_due)
        self.monitor.record(self.bound.function.name, last=now, due=self.schedule.next_after(now))
        self._rest()
