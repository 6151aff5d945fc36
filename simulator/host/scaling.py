"""Instances that come and go, as Flex Consumption has them without one that is always ready.

Each function has instances of its own. What is measured or reported of them (facts of 2026-11-25): the scale controller
counts what a queue holds, delayed messages and those in process included, but wants no instance if a look finds nothing
visible (`QueueTargetScaler`); after about half a minute without, an instance is gone, and the first message that is visible
then waits for up to two minutes (azure-functions-host #10706). How long a cold start takes is drawn from a range of guesses.
"""

import json
import math
import random
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from simulator.clock import OwnClock, Polls
from simulator.host.front_end import FrontEnd
from simulator.host.hosting import HostSpec, event_grid_url
from simulator.host.ncrontab import Schedule, parse_schedule
from simulator.host.process import HostProcess
from simulator.host.settings import resolve

_LOOKS_EVERY = 10.0
"""Simulated seconds between two looks at a function that has instances."""


@dataclass(frozen=True, slots=True)
class ComeAndGo:
    """How instances come and go. Spans are simulated seconds, drawn evenly between two bounds."""

    seed: int = 1
    gone_after: float = 30.0
    notice: tuple[float, float] = (0.0, 120.0)
    """From a message that is visible to its being noticed."""
    cold_start: tuple[float, float] = (2.0, 12.0)
    most: int = 10
    """Instances of one function."""
    messages_for_one: int = 12
    """`batchSize` and `newBatchThreshold`: one instance is wanted for so many messages."""
    ready: frozenset[str] = frozenset()
    """Functions that have one instance always ready, as Flex Consumption keeps it for a price."""


@dataclass(frozen=True, slots=True)
class QueueLooks:
    """What the scale controller sees of a storage account's queues."""

    host: str
    count: Callable[[str], tuple[int, int]]
    """How many messages of a queue are visible, and how many there are."""


@dataclass(slots=True)
class _Instances:
    """The instances of one function."""

    spec: HostSpec
    function: str
    how: ComeAndGo
    randomness: random.Random
    messages: Callable[[], tuple[int, int]] | None
    """Visible, and all; None for a function that no queue triggers."""
    gone: Callable[[], object] = lambda: None
    """Called when the last takes nothing new any more."""
    comings: int = 0
    """How often the first of them has come."""
    hosts: list[HostProcess] = field(default_factory=list)
    running: list[HostProcess] = field(default_factory=list)
    going: list[HostProcess] = field(default_factory=list)
    """Those that are told to end, and finish what they have. Who needs one meanwhile needs another."""
    _guard: threading.RLock = field(default_factory=threading.RLock)
    _used_at: float = 0.0

    @property
    def is_ready(self) -> bool:
        return self.function in self.how.ready

    def cold_start(self) -> float:
        return self.randomness.uniform(*self.how.cold_start)

    def come(self) -> HostProcess:
        """Let there be one."""
        with self._guard:
            self._used_at = self.spec.clock.timestamp()
            if not self.running:
                self.comings += 1
                self._add()
                self._look_later()
            return self.running[0]

    def end(self) -> None:
        """All of them are killed."""
        with self._guard:
            for host in self.running:
                host.kill()
            self.running.clear()

    def _add(self) -> None:
        host = next((one for one in self.hosts if one not in [*self.running, *self.going]), None) or self._another()
        host.start()
        self.running.append(host)

    def _another(self) -> HostProcess:
        name = f"{self.function}-{len(self.hosts) + 1}"
        common = self.spec.common or self.spec.folder
        spec = replace(self.spec, name=name, folder=self.spec.folder / name, common=common, functions=(self.function,))
        host = HostProcess(spec)
        self.hosts.append(host)
        return host

    def _look_later(self) -> None:
        clock = self.spec.clock
        clock.alarm(clock.timestamp() + _LOOKS_EVERY, f"scaling of {self.function}", self._look)

    def _look(self) -> None:
        with self._guard:
            if not self.running:
                return
            now = self.spec.clock.timestamp()
            if self._busy():
                self._used_at = now
                while len(self.running) < self._wanted():
                    self._add()
            if now - self._used_at < self.how.gone_after:
                self._look_later()
                return
            stay = 1 if self.is_ready else 0
            going, self.running = self.running[stay:], self.running[:stay]
            self.going += going
        if stay:
            self._look_later()
        else:
            self.gone()  # At once: what comes while they finish is for another, which somebody has to see to.
        clock = self.spec.clock
        for host in going:
            clock.alarm(clock.timestamp(), f"end of {host.spec.name}", partial(self._stop, host))

    def _stop(self, host: HostProcess) -> None:
        host.stop()
        with self._guard:
            self.going.remove(host)

    def _busy(self) -> bool:
        if self.messages is not None:
            return self.messages()[0] > 0
        return any(_runs_something(host) for host in self.running)

    def _wanted(self) -> int:
        if self.messages is None:
            return 1
        return min(self.how.most, math.ceil(self.messages()[1] / self.how.messages_for_one))


class ScaleController:
    """Hosts an app on instances that come and go. To be used as one host is."""

    def __init__(self, spec: HostSpec, how: ComeAndGo, queues: QueueLooks) -> None:
        self.spec = spec
        self.how = how
        self.errors: dict[str, str] = {}
        self._queues = queues
        self._groups: dict[str, _Instances] = {}
        self._front_end = FrontEnd(spec.clock, self._at_hand)
        self._ended = False

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
        for name, bindings in functions.items():
            if name not in self.errors:
                trigger = next(one for one in bindings if one["type"].endswith("Trigger"))
                self._groups[name] = self._group(name, trigger)
        self._front_end.start()

    def stop(self) -> None:
        """Nothing comes any more."""
        self.kill()

    def kill(self) -> None:
        """Nothing comes any more, and what is there is gone."""
        self._ended = True
        self._front_end.stop()
        for group in self._groups.values():
            group.end()

    def restart(self, clock: OwnClock | None = None) -> None:
        """All instances crash, and come back when there is something for them, with another clock if one is given."""
        for group in self._groups.values():
            group.end()
            for host in group.hosts:
                host.spec = replace(host.spec, clock=clock or host.spec.clock)
            group.gone()

    def log_lines(self) -> list[dict[str, Any]]:
        """Everything that was logged so far on any instance, in the order of time."""
        lines = [line for group in self._groups.values() for host in group.hosts for line in host.log_lines()]
        return sorted(lines, key=lambda line: datetime.fromisoformat(line["time"]))

    def _group(self, name: str, trigger: dict[str, Any]) -> _Instances:
        seeded = random.Random(f"{self.how.seed} {name}")  # noqa: S311 - the same in every run
        group = _Instances(self.spec, name, self.how, seeded, None)
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
        return group

    def _await_message(self, group: _Instances, queue: str) -> None:
        clock = self.spec.clock
        looks = Polls(self._queues.host, queue, (clock.timestamp() + 1.0,), 1.0)

        def see() -> None:
            if self._ended:
                return
            if not self._queues.count(queue)[0]:
                self._await_message(group, queue)
                return
            late = group.randomness.uniform(*self.how.notice) + group.cold_start()
            clock.alarm(clock.timestamp() + late, f"instance of {group.function}", self._unless_ended(group.come))

        clock.alarm(looks, f"notice of {queue}", see)

    def _await_occurrence(self, group: _Instances, schedule: Schedule) -> None:
        clock = self.spec.clock
        due = schedule.next_after(clock.now())

        def occur() -> None:
            if self._ended:
                return
            self._await_occurrence(group, schedule)
            clock.alarm(
                clock.timestamp() + group.cold_start(),
                f"instance of {group.function}",
                self._unless_ended(group.come),
            )

        clock.alarm(due.timestamp(), f"occurrence for {group.function}", occur)

    def _unless_ended(self, action: Callable[[], object]) -> Callable[[], object]:
        return lambda: None if self._ended else action()

    def _at_hand(self, function: str) -> str | None:
        """The address of an instance of a function, which the caller waits for if there is none."""
        group = self._groups.get(function)
        if group is None:
            return None
        if not group.running:
            self.spec.clock.hold(group.cold_start(), lambda: True)
        return group.come().url


def _runs_something(host: HostProcess) -> bool:
    request = urllib.request.Request(  # noqa: S310 - the local host
        f"{host.url}/admin/host/status", headers={"x-functions-key": host.spec.master_key}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the local host
        return bool(json.load(answer)["running"])
