"""The timer trigger, on the simulated clock, in UTC.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer; TimerListener, TimerSchedule and
ScheduleMonitor in Azure/azure-webjobs-sdk-extensions; and what was measured of them (facts of 2026-11-25).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from simulator.clock import Clock
from simulator.host.blobs import CommonFile, TimerLocks
from simulator.host.drain import Drain
from simulator.host.invocations import BoundFunction, Invocations
from simulator.host.ncrontab import Schedule
from simulator.host.runtime import Message

_ASKS_AGAIN_AFTER = 60.0
"""Seconds: `ListenerLockRecoveryPollingInterval` in Azure/azure-webjobs-sdk."""
_NO_RUN_YET = "0001-01-01T00:00:00"


@dataclass(frozen=True, slots=True)
class ScheduleMonitor:
    """Remembers when each timer ran, so that a restarted host notices a missed occurrence."""

    file: CommonFile

    def status(self, timer: str) -> Mapping[str, str] | None:
        """`Last`, `Next` and `LastUpdated` of a timer that is known."""
        return self.file.read().get(timer)

    def record(self, timer: str, *, last: datetime | None, updated: datetime, due: datetime) -> None:
        """Note a run, or that there was none yet, and the next occurrence."""
        with self.file.changing() as status:
            status[timer] = {
                "Last": last.isoformat() if last else _NO_RUN_YET,
                "Next": due.isoformat(),
                "LastUpdated": updated.isoformat(),
            }

    def is_past_due(self, timer: str, schedule: Schedule, now: datetime) -> bool:
        """Whether an occurrence was missed, of this very schedule: of another one, none counts as missed."""
        status = self.status(timer)
        if status is None:
            self.record(timer, last=None, updated=now, due=schedule.next_after(now))
            return False
        counted_from = datetime.fromisoformat(status["LastUpdated"])
        due = schedule.next_after(counted_from)
        if datetime.fromisoformat(status["Next"]) != due:
            if now > due:
                counted_from, due = now, schedule.next_after(now)
            self.record(timer, last=None, updated=counted_from, due=due)
        return now > due


@dataclass(slots=True)
class TimerListener:
    """Runs one timer function when it is due, one run at a time, until told to stop."""

    bound: BoundFunction
    schedule: Schedule
    monitor: ScheduleMonitor | None
    """None for a schedule that is too fast to be kept on record."""
    locks: TimerLocks
    holder: str
    """This host, as the locks know it."""
    invocations: Invocations
    clock: Clock
    drain: Drain

    def start(self) -> None:
        """Listen if this host has the timer's lock, or else ask for it once a minute."""
        if self.drain.begun:
            return
        # A lease is counted by the clock of the storage account.
        if self.locks.acquire(self._name, self.holder, self.clock.timestamp() - self.clock.skew):
            self._listen()
        else:
            self.clock.alarm(self.clock.timestamp() + _ASKS_AGAIN_AFTER, f"lock of {self._name}", self.start)

    def run(self, *, past_due: bool = False) -> None:
        """One run."""
        argument: dict[str, Any] = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": self.monitor.status(self._name) if self.monitor else None,
            "IsPastDue": past_due,
        }
        reason = f"Timer fired at {self.clock.now().isoformat()}"
        self.invocations.run(self.bound, Message(json=json.dumps(argument)), reason)

    @property
    def _name(self) -> str:
        return self.bound.function.name

    def _listen(self) -> None:
        """Run at once if an occurrence was missed or `runOnStartup` is set; then whenever due."""
        now = self.clock.now()
        missed = self.monitor is not None and self.monitor.is_past_due(self._name, self.schedule, now)
        at_once = missed or self.bound.function.trigger.get("runOnStartup")
        self._set(now if at_once else self.schedule.next_after(now), past_due=missed)

    def _set(self, due: datetime, *, past_due: bool) -> None:
        name = f"timer {self._name}"
        self.clock.alarm(due.timestamp(), name, lambda: self._run_as_scheduled(past_due=past_due))

    def _run_as_scheduled(self, *, past_due: bool) -> None:
        """A failed run is recorded like any other, and not tried again. One that is cut short is not, and so missed."""
        if self.drain.begun:
            return
        now = self.clock.now()
        with self.drain.cut_short():
            self.run(past_due=past_due)
            if self.drain.cuts:
                return
            due = self.schedule.next_after(now)
            if self.monitor is not None:
                self.monitor.record(self._name, last=now, updated=now, due=due)
            # Counted from the run's start: one that outlasts its period is followed at once, and not as past due.
            self._set(max(due, self.clock.now()), past_due=False)
