"""The parent's side of a host: a child process that can be started, killed and started again."""

import json
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlencode

import simulator
from simulator.clock import OwnClock, Shared
from simulator.clock.running import RunningClock
from simulator.host.errors import HostError
from simulator.host.exit_codes import TIMEOUT
from simulator.host.nursery import Child, nursery

_START_SECONDS = 60.0
"""Real time within which a host must be ready; what Azure gives a worker to start."""


@dataclass(frozen=True, slots=True)
class HostSpec:
    """What to host, and how."""

    app: Path
    env: Mapping[str, str]
    """The app settings, and all of the child's environment."""
    folder: Path
    """Where the host keeps its log, its standard error and its timers' status."""
    clock: OwnClock = field(default_factory=RunningClock)
    app_clock: str | None = None
    """The app's module that tells the time and sleeps."""
    least_timeout: float = 30.0
    """Real seconds that a function has in any case, however short `functionTimeout` is in simulated time."""
    races: bool = False
    """Whether the messages of one moment race each other. On a clock that waits they come one after the other without."""
    copied_with: tuple[str, ...] = ()
    """Packages that the app uses, to start quickly as a copy of a process that has imported them; see `nursery`."""
    event_grid_key: str = "event-grid-key"
    master_key: str = "master-key"


class HostProcess:
    """One host. After a function timeout it comes back by itself, as the worker does in Azure."""

    def __init__(self, spec: HostSpec) -> None:
        self.spec = spec
        self.port = 0
        self.functions: dict[str, list[dict[str, Any]]] = {}
        """The bindings of each function, as the real host gets them."""
        self.errors: dict[str, str] = {}
        """Functions in error, and why."""
        self._child: Child | subprocess.Popen[bytes] | None = None
        self._shared: Shared | None = None
        self._wanted = False
        self._lock = threading.RLock()

    @property
    def url(self) -> str:
        """The address of the host's HTTP surface."""
        return f"http://127.0.0.1:{self.port}"

    def event_grid_url(self, function: str) -> str:
        """The endpoint of an event subscription to a function, with its key."""
        query = urlencode({"functionName": function, "code": self.spec.event_grid_key})
        return f"{self.url}/runtime/webhooks/EventGrid?{query}"

    def start(self) -> None:
        """Start the host and wait until it is ready; again on the same port. Raises HostError if it refuses."""
        with self._lock:
            self._wanted = True
            with self.spec.clock.work("a host starts"):
                self._launch()

    def stop(self) -> int:
        """Ask it to end, as a platform does before an update; the result is its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """End it at once, as a crash does."""
        return self._end(signal.SIGKILL)

    def wait(self, seconds: float) -> int:
        """Wait, in real time, for it to end by itself; the result is its exit code."""
        if self._child is None:
            raise HostError("the host is not running")
        return self._child.wait(seconds)

    def restart(self, clock: OwnClock | None = None) -> None:
        """Crash and come back, with another clock if one is given."""
        with self._lock, self.spec.clock.work("a host restarts"):
            self.kill()
            self.spec = replace(self.spec, clock=clock or self.spec.clock)
            self.start()

    def log_lines(self) -> list[dict[str, Any]]:
        """Everything logged so far."""
        path = self.spec.folder / "host.jsonl"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return [json.loads(line) for line in text.split("\n")[:-1]]

    def _launch(self) -> None:
        folder = self.spec.folder.absolute()  # The child works elsewhere.
        folder.mkdir(parents=True, exist_ok=True)
        arguments = [
            *("--app", str(self.spec.app.absolute()), "--port", str(self.port)),
            *("--log", str(folder / "host.jsonl"), "--timers", str(folder / "timers.json")),
            *("--event-grid-key", self.spec.event_grid_key, "--master-key", self.spec.master_key),
        ]
        shared = self.spec.clock.share()
        arguments += ["--least-timeout", str(self.spec.least_timeout), "--clock", shared.argument]
        if self.spec.app_clock is not None:
            arguments += ["--app-clock", self.spec.app_clock]
        if self.spec.races:
            arguments.append("--races")
        with (folder / "stderr.txt").open("wb") as stderr:
            child = self._process(arguments, stderr)
        line = b""
        try:
            line = _first_line(child)
        finally:
            if not line:  # Nor if whoever waits for it is interrupted.
                child.kill()
                child.wait()
                shared.close()
        if not line:
            raise HostError((folder / "stderr.txt").read_text(encoding="utf-8", errors="replace").strip())
        answer = json.loads(line)
        self.port, self.functions, self.errors = answer["port"], answer["functions"], answer["errors"]
        self._child, self._shared = child, shared
        threading.Thread(target=self._watch, args=(child, shared), daemon=True).start()

    def _process(self, arguments: list[str], stderr: BinaryIO) -> "Child | subprocess.Popen[bytes]":
        if self.spec.copied_with and sys.platform == "linux":
            return nursery(self.spec.copied_with).start(arguments, self.spec.env, stderr.fileno())
        return subprocess.Popen(  # noqa: S603  (our own module)
            [sys.executable, "-m", "simulator.host", *arguments],
            env=dict(self.spec.env),
            cwd=Path(simulator.__file__).parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )

    def _watch(self, child: "Child | subprocess.Popen[bytes]", shared: Shared) -> None:
        code = child.wait()
        with self._lock, self.spec.clock.work("a host has ended"):
            # What it was doing counts until now, so nothing happened in between.
            shared.close()
            if code == TIMEOUT and self._wanted and self._child is child:
                self._launch()

    def _end(self, signal_number: signal.Signals) -> int:
        with self._lock:
            self._wanted = False
            child, self._child = self._child, None
        if child is None:
            return 0
        child.send_signal(signal_number)
        code = child.wait()
        if self._shared is not None:
            self._shared.close()
        return code


def _first_line(child: "Child | subprocess.Popen[bytes]") -> bytes:
    """The line that says the child is ready; empty if it ended or took too long."""
    if child.stdout is None:
        return b""
    with child.stdout as stdout:
        ready, _, _ = select.select([stdout], [], [], _START_SECONDS)
        return stdout.readline() if ready else b""
