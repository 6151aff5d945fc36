"""What to host, and what whatever hosts it can do."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

from simulator.clock import OwnClock
from simulator.clock.running import RunningClock


@dataclass(frozen=True, slots=True)
class HostSpec:
    """What to host, and how."""

    app: Path
    env: Mapping[str, str]
    """The app settings, and all of the child's environment."""
    folder: Path
    """Where the host keeps its log and its standard error."""
    clock: OwnClock = field(default_factory=RunningClock)
    app_clock: str | None = None
    """The app's module that tells the time and sleeps."""
    least_timeout: float = 30.0
    """Real seconds that a function has in any case, however short `functionTimeout` is in simulated time."""
    races: bool = False
    """Whether the messages of one moment race each other. On a clock that waits they come one after the other without."""
    copied_with: tuple[str, ...] = ()
    """Packages that the app uses, to start quickly as a copy of a process that has imported them; see `nursery`."""
    name: str = "host"
    """Hosts of one app that run side by side have different names, and folders, and the same in `common`."""
    common: Path | None = None
    """Where hosts of one app keep the status of timers and their locks, which Azure keeps in blobs. None is the folder."""
    python: Path = Path(sys.executable)
    """What it runs on: an environment's, with the packages that are installed there."""
    functions: tuple[str, ...] | None = None
    """The functions that it runs; None means all."""
    public_origin: bool = False
    """Whether it answers OPTIONS as the Event Grid extension did before 3.4.4: in every cloud with the public one's origin."""
    event_grid_key: str = "event-grid-key"
    master_key: str = "master-key"


class Hosting(Protocol):
    """One host, or whatever hosts an app in its place."""

    @property
    def spec(self) -> HostSpec:
        """What is hosted, and how."""
        ...

    @property
    def errors(self) -> dict[str, str]:
        """Functions in error, and why."""
        ...

    @property
    def url(self) -> str:
        """Where it answers."""
        ...

    def event_grid_url(self, function: str) -> str:
        """The endpoint of an event subscription to a function, with its key."""
        ...

    def start(self) -> None:
        """Host the app."""
        ...

    def stop(self) -> object:
        """Host it no more, and let time pass until it has ended in good order."""
        ...

    def kill(self) -> object:
        """Host it no more, at once."""
        ...

    def restart(self, clock: OwnClock | None = None) -> None:
        """Crash, and come back as it does, with another clock if one is given."""
        ...

    def log_lines(self) -> list[dict[str, Any]]:
        """Everything logged so far."""
        ...


def event_grid_url(url: str, spec: HostSpec, function: str) -> str:
    """The endpoint of an event subscription to a function, with its key."""
    query = urlencode({"functionName": function, "code": spec.event_grid_key})
    return f"{url}/runtime/webhooks/EventGrid?{query}"
