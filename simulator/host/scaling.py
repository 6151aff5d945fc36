"""Instances that come and go, as Flex Consumption has them without one that is always ready.

Each function has instances of its own. What is measured or reported of them (facts of 2026-11-25): the scale controller
counts what a queue holds, delayed messages and those in process included, but wants no instance if a look finds nothing
visible (`QueueTargetScaler`); after about half a minute without, an instance is gone, and the first message that is visible
then waits for up to two minutes (azure-functions-host #10706). How long a cold start takes is drawn from a range of guesses.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from simulator.clock import OwnClock, Polls
from simulator.host.errors import HostError
from simulator.host.front_end import FrontEnd
from simulator.host.hosting import HostSpec, event_grid_url
from simulator.host.instances import ComeAndGo, Instances
from simulator.host.ncrontab import Schedule, parse_schedule
from simulator.host.process import HostProcess
from simulator.host.settings import resolve


@dataclass(frozen=True, slots=True)
class QueueLooks:
    """What the scale controller sees of a storage account's queues."""

    host: str
    count: Callable[[str], tuple[int, int]]
    """How many messages of a queue are visible, and how many there are."""


class ScaleController:
    """Hosts an app on instances that come and go. To be used as one host is."""

    def __init__(self, spec: HostSpec, how: ComeAndGo, queues: QueueLooks) -> None:
        self.spec = spec
        self.how = how
        self.errors: dict[str, str] = {}
        self._queues = queues
        self._groups: dict[str, Instances] = {}
        self._front_end = FrontEnd(spec.clock, self._at_hand)
        self._life: object | None = None
        """Another one each time that hosting begins; None while nothing is hosted."""

    @property
    def url(self) -> str:
        """Where the platform answers for whichever instance."""
        return self._front_end.url

    @property
    def comings(self) -> dict[str, int]:
        """How often instances of each function have come from nothing."""
        return {name: group.comings for name, group in self._groups.items()}

    def there(self, function: str) -> int:
        """How many instances of a function there are, with those that are told to end and have not yet."""
        group = self._groups[function]
        return len(group.running) + len(group.going)

    def event_grid_url(self, function: str) -> str:
        """The endpoint of an event subscription to a function, with its key."""
        return event_grid_url(self.url, self.spec, function)

    def start(self) -> None:
        """Deploy the app: the platform learns its triggers, and timers get their first status."""
        deployed = HostProcess(replace(self.spec, name="deployment", functions=()))
        deployed.start()
        functions, self.errors = deployed.functions, deployed.errors
        deployed.kill()
        self._life = object()
        for name, bindings in functions.items():
            if name not in self.errors:
                trigger = next(one for one in bindings if one["type"].endswith("Trigger"))
                self._begin(self._group(name), trigger)
        self._front_end.start()

    def stop(self) -> None:
        """Nothing comes any more; time passes until those that are there have finished what they have."""
        self._end()
        for group in self._groups.values():
            group.go()
        if not self.spec.clock.until(lambda: not any(group.going for group in self._groups.values())):
            raise HostError("instances that are told to end do not")

    def kill(self) -> None:
        """Nothing comes any more, and what is there is gone."""
        self._end()
        for group in self._groups.values():
            group.crash()

    def restart(self, clock: OwnClock | None = None) -> None:
        """All instances crash, and come back when there is something for them, with another clock if one is given."""
        for group in self._groups.values():
            crashed = group.crash()
            if clock is not None:
                group.use(clock)
            if crashed:  # Or somebody sees to it already.
                group.gone()

    def log_lines(self) -> list[dict[str, Any]]:
        """Everything that was logged so far on any instance, in the order of time."""
        lines = [line for group in self._groups.values() for host in group.hosts for line in host.log_lines()]
        return sorted(lines, key=lambda line: datetime.fromisoformat(line["time"]))

    def _end(self) -> None:
        self._life = None
        self._front_end.stop()

    def _group(self, name: str) -> Instances:
        if name not in self._groups:
            seeded = random.Random(f"{self.how.seed} {name}")  # noqa: S311 - the same in every run
            self._groups[name] = Instances(self.spec, name, self.how, seeded, None)
        return self._groups[name]

    def _begin(self, group: Instances, trigger: dict[str, Any]) -> None:
        match trigger["type"]:
            case "queueTrigger":
                queue = resolve(trigger["queueName"], self.spec.env).lower()
                group.messages = lambda: self._queues.count(queue)
                group.gone = group.come if group.is_ready else lambda: self._await_message(group, queue)
                group.gone()
            case "timerTrigger":
                schedule = parse_schedule(resolve(trigger["schedule"], self.spec.env))
                group.come()
                self._await_occurrence(group, schedule)

    def _await_message(self, group: Instances, queue: str) -> None:
        def see() -> None:
            if self._queues.count(queue)[0]:
                self._come_later(group, group.randomness.uniform(*self.how.notice))
            else:
                self._await_message(group, queue)

        first = self.spec.clock.timestamp() + 1.0
        self._later(Polls(self._queues.host, queue, (first,), 1.0), f"notice of {queue}", see)

    def _await_occurrence(self, group: Instances, schedule: Schedule) -> None:
        def occur() -> None:
            self._await_occurrence(group, schedule)
            self._come_later(group)

        due = schedule.next_after(self.spec.clock.now())
        self._later(due.timestamp(), f"occurrence for {group.function}", occur)

    def _come_later(self, group: Instances, notice: float = 0.0) -> None:
        late = notice + group.cold_start()
        self._later(self.spec.clock.timestamp() + late, f"instance of {group.function}", group.come)

    def _later(self, due: float | Polls, name: str, action: Callable[[], object]) -> None:
        """Do something later, unless hosting has ended by then, even if it has begun again."""
        life = self._life
        self.spec.clock.alarm(due, name, lambda: action() if self._life is life else None)

    def _at_hand(self, function: str) -> str | None:
        """The address of an instance of a function, which the caller waits for if there is none."""
        group, life = self._groups.get(function), self._life
        if group is None:
            return None
        if not group.running:
            self.spec.clock.hold(group.cold_start(), lambda: True)
        return group.come().url if self._life is life else None
