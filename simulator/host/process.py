"""The parent's side of a host: a child process that can be started, killed and started again."""

import json
import select
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import simulator
from simulator.clock import Alarm, OwnClock, Shared
from simulator.host.blobs import TimerLocks
from simulator.host.errors import HostError
from simulator.host.exit_codes import STORAGE, TIMEOUT
from simulator.host.hosting import HostSpec, event_grid_url
from simulator.host.nursery import Child, nursery
from simulator.host.ports import reserve

_START_SECONDS = 600.0
"""Real time within which a host must be ready. Azure gives a worker 60 seconds; load must not end one here."""
_HEARS_WITHIN = 600.0
"""Real time within which a host hears that it is to end. Load slows it down and never makes it deaf."""
_COMES_BACK_WITHIN = 10.0, 120.0
"""Simulated seconds until the platform starts another host where storage has ended one: the first time, and the most that
they double to while that happens again and again. A guess, for no document says: a cold start, and the longest pause between
two tries of the real host to come up (`ScriptHostService`)."""


class HostProcess:
    """One host.

    After a function timeout it comes back at once, as the worker does in Azure; after a failure of storage later, as the
    platform starts another.
    """

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
        self._launches = 0
        self._launched_at = 0.0
        self._failures = 0
        """How often in a row storage has ended it."""
        self._return: Alarm | None = None
        self._lock = threading.RLock()

    @property
    def url(self) -> str:
        """The address of the host's HTTP surface."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the process, while there is one; for measuring what it uses."""
        return self._child.pid if self._child is not None else 0

    def event_grid_url(self, function: str) -> str:
        """The endpoint of an event subscription to a function, with its key."""
        return event_grid_url(self.url, self.spec, function)

    def start(self) -> None:
        """Start the host and wait until it is ready; again on the same port. Raises HostError if it refuses."""
        with self._lock:
            self._wanted = True
            with self.spec.clock.work("a host starts"):
                self._launch()

    def stop(self) -> int:
        """Ask it to end, as a platform does before an update, and let time pass until it has; the result is its exit code.

        Nobody may call this on behalf of a request that what it waits for has sent.
        """
        child = self._let_go()
        if child is None:
            return 0
        child.send_signal(signal.SIGTERM)
        try:
            _line(child, _HEARS_WITHIN)  # It has heard, and takes nothing new; or it has ended already.
        except TimeoutError:
            child.kill()
            child.wait()
            self._bury(child)
            raise HostError("the host does not hear that it is to end") from None
        with self.spec.clock.idle("a host that ends"):
            code = child.wait()
        self._bury(child)
        return code

    def kill(self) -> int:
        """End it at once, as a crash does."""
        child = self._let_go()
        if child is None:
            return 0
        child.kill()
        code = child.wait()
        self._bury(child)
        return code

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
        self._common.mkdir(parents=True, exist_ok=True)
        self.port = self.port or reserve(self)
        self._launches += 1
        self._launched_at = self.spec.clock.timestamp()
        arguments = [
            *("--app", str(self.spec.app.absolute()), "--port", str(self.port)),
            *("--log", str(folder / "host.jsonl"), "--common", str(self._common)),
            *("--holder", self._holder, "--seed", self.spec.name),
            *("--event-grid-key", self.spec.event_grid_key, "--master-key", self.spec.master_key),
        ]
        shared = self.spec.clock.share()
        arguments += ["--least-timeout", str(self.spec.least_timeout), "--clock", shared.argument]
        if self.spec.app_clock is not None:
            arguments += ["--app-clock", self.spec.app_clock]
        if self.spec.functions is not None:
            arguments += ["--functions", ",".join(self.spec.functions)]
        if self.spec.races:
            arguments.append("--races")
        if self.spec.public_origin:
            arguments.append("--public-origin")
        with (folder / "stderr.txt").open("wb") as stderr:
            child = self._process(arguments, stderr)
        line = b""
        try:
            with suppress(TimeoutError):
                line = _line(child, _START_SECONDS)
        finally:
            if not line:  # Nor if whoever waits for it is interrupted.
                child.kill()
                child.wait()
                _close(child)
                shared.close()
        if not line:
            raise HostError((folder / "stderr.txt").read_text(encoding="utf-8", errors="replace").strip())
        answer = json.loads(line)
        self.port, self.functions, self.errors = answer["port"], answer["functions"], answer["errors"]
        self._child, self._shared = child, shared
        threading.Thread(target=self._watch, args=(child,), daemon=True).start()

    def _process(self, arguments: list[str], stderr: BinaryIO) -> "Child | subprocess.Popen[bytes]":
        if self.spec.copied_with and self.spec.python == Path(sys.executable) and sys.platform == "linux":
            return nursery(self.spec.copied_with).start(arguments, self.spec.env, stderr.fileno())
        return subprocess.Popen(  # noqa: S603  (our own module)
            [self.spec.python, "-m", "simulator.host", *arguments],
            env=dict(self.spec.env),
            cwd=Path(simulator.__file__).parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )

    @property
    def _common(self) -> Path:
        return (self.spec.common or self.spec.folder).absolute()

    @property
    def _holder(self) -> str:
        return f"{self.spec.name}.{self._launches}"

    def _watch(self, child: "Child | subprocess.Popen[bytes]") -> None:
        """Let it come back if it ends by itself."""
        code = child.wait()
        with self._lock, self.spec.clock.work("a host has ended"):
            if self._child is not child:
                return  # Somebody has ended it, and buries it.
            self._bury(child)
            if code == TIMEOUT:
                self._launch()
            elif code == STORAGE:
                self._child = None
                self._come_back_later()

    def _come_back_later(self) -> None:
        clock = self.spec.clock
        lived = clock.timestamp() - self._launched_at
        self._failures = self._failures + 1 if lived < _COMES_BACK_WITHIN[1] else 1
        shortest, longest = _COMES_BACK_WITHIN
        pause = min(shortest * 2 ** (self._failures - 1), longest)

        def come_back() -> None:
            with self._lock:
                if self._wanted and self._child is None:
                    self._launch()

        self._return = clock.alarm(clock.timestamp() + pause, "a host comes back", come_back)

    def _let_go(self) -> "Child | subprocess.Popen[bytes] | None":
        """The child that runs, which is not to come back by itself."""
        with self._lock:
            self._wanted = False
            if self._return is not None:
                self._return.cancel()
                self._return = None
            child, self._child = self._child, None
            return child

    def _bury(self, child: "Child | subprocess.Popen[bytes]") -> None:
        """What it was doing counts until now, so nothing happened since it ended."""
        with self._lock:
            shared, self._shared = self._shared, None
        if shared is not None:
            TimerLocks(self._common).died(self._holder, self.spec.clock.timestamp() - self.spec.clock.skew)
            shared.close()
        _close(child)


def _line(child: "Child | subprocess.Popen[bytes]", seconds: float) -> bytes:
    """The next line that the child says within so many real seconds; empty if it has ended. May raise `TimeoutError`."""
    if child.stdout is None or child.stdout.closed:
        return b""
    ready, _, _ = select.select([child.stdout], [], [], seconds)
    if not ready:
        raise TimeoutError
    return child.stdout.readline()


def _close(child: "Child | subprocess.Popen[bytes]") -> None:
    if child.stdout is not None:
        child.stdout.close()
