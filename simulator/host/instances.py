"""The instances of one function on Flex Consumption, which come and go; who decides when is in `scaling`."""

import json
import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from simulator.clock import Alarm, OwnClock
from simulator.host import local
from simulator.host.front_end import HANGS_AFTER
from simulator.host.hosting import HostSpec
from simulator.host.process import HostProcess

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
    messages_for_one: int = 32
    """`batchSize` and `newBatchThreshold`: one instance is wanted for so many messages."""
    ready: frozenset[str] = frozenset()
    """Functions that have one instance always ready, as Flex Consumption keeps it for a price."""


@dataclass(slots=True)
class Instances:
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
    _next_look: Alarm | None = None

    @property
    def is_ready(self) -> bool:
        """Whether one of them never goes."""
        return self.function in self.how.ready

    def cold_start(self) -> float:
        """How long the next takes until it is there."""
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

    def go(self) -> None:
        """All are told to end, and finish what they have."""
        with self._guard:
            going, self.running = self.running, []
            self._tell_to_end(going)

    def crash(self) -> bool:
        """All are killed, but for those that are about to end; whether there were any."""
        with self._guard:
            crashed, self.running = self.running, []
        for host in crashed:
            host.kill()
        return bool(crashed)

    def use(self, clock: OwnClock) -> None:
        """Another clock, for those that come from now on."""
        with self._guard:
            self.spec = replace(self.spec, clock=clock)
            for host in self.hosts:
                host.spec = replace(host.spec, clock=clock)

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
        if self._next_look is not None:
            self._next_look.cancel()  # Of instances that have crashed.
        clock = self.spec.clock
        name = f"scaling of {self.function}"
        self._next_look = clock.alarm(clock.timestamp() + _LOOKS_EVERY, name, self._look)

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
            self._tell_to_end(going)
        if stay:
            self._look_later()
        else:
            self.gone()  # At once: what comes while they finish is for another, which somebody has to see to.

    def _tell_to_end(self, going: list[HostProcess]) -> None:
        self.going += going
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


def _runs_something(host: HostProcess) -> bool:
    url, key = f"{host.url}/admin/host/status", {"x-functions-key": host.spec.master_key}
    with local.ask(url, None, key, method="GET", timeout=HANGS_AFTER) as answer:
        return bool(json.load(answer)["running"])
