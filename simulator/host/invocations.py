"""Runs a function as the host does: the log lines around it, its timeout, its output bindings."""

import asyncio
import json
import os
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from azure.core.exceptions import AzureError
from azure.storage.queue import QueueClient

from simulator.host import runtime
from simulator.host.app_time import AppTime
from simulator.host.exit_codes import TIMEOUT
from simulator.host.logs import HostLog, LogLevel
from simulator.host.runtime import Function, Message
from simulator.host.settings import Queues, send


@dataclass(frozen=True, slots=True)
class BoundFunction:
    """A function whose bindings are resolved: it can run."""

    function: Function
    outputs: Mapping[str, QueueClient]
    """The queue of each output binding, by the name of its parameter."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How long a function may run."""

    timeout: timedelta | None
    """Simulated; None means for ever."""
    least_real_seconds: float
    """It always has this long in reality: computing, and the SDKs' pauses between tries, get no faster."""


class Invocations:
    """Runs functions on the worker's event loop, from the threads of the listeners."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, queues: Queues, log: HostLog, time: AppTime, limit: Limit
    ) -> None:
        self._loop = loop
        self._guard = threading.Lock()
        self._time = time
        self._queues = queues
        self._log = log
        self._clock = time.clock
        self._limit = limit
        self.running: dict[str, str] = {}
        """Invocation id to function name."""

    def begin(self) -> str:
        """An id for an invocation that is about to run. Its place among those of this moment is fixed with it."""
        invocation = str(uuid.uuid4())
        with self._guard:
            self._time.begin(invocation)
        return invocation

    def run(
        self,
        bound: BoundFunction,
        data: Message,
        reason: str,
        metadata: Mapping[str, Message] | None = None,
        invocation: str | None = None,
    ) -> str | None:
        """Run the function and write its outputs; wait for both. The answer is why it failed, None when it did not."""
        name, invocation = bound.function.name, invocation or self.begin()
        self._log.write(
            LogLevel.INFORMATION,
            f"Function.{name}",
            f"Executing 'Functions.{name}' (Reason='{reason}', Id={invocation})",
            name,
            invocation,
        )
        self.running[invocation] = name
        started = self._clock.timestamp()
        try:
            with self._watched(name, invocation):
                response = asyncio.run_coroutine_threadsafe(
                    runtime.invoke(bound.function, invocation, data, metadata or {}), self._loop
                ).result()
            error = response.error or self._write_outputs(bound, response.outputs)
        finally:
            del self.running[invocation]
            self._time.end(invocation)
        result = "Failed" if error else "Succeeded"
        milliseconds = round((self._clock.timestamp() - started) * 1000)
        self._log.write(
            LogLevel.ERROR if error else LogLevel.INFORMATION,
            f"Function.{name}",
            f"Executed 'Functions.{name}' ({result}, Id={invocation}, Duration={milliseconds}ms)"
            + (f"\n{error}" if error else ""),
            name,
            invocation,
        )
        return error

    @contextmanager
    def _watched(self, name: str, invocation: str) -> Iterator[None]:
        """End the process when the function runs too long: the only way to stop it, and what befalls the worker.

        https://learn.microsoft.com/azure/azure-functions/functions-host-json#functiontimeout
        """
        timeout = self._limit.timeout
        if timeout is None:
            yield
            return

        def end() -> None:
            message = f"Timeout value of {timeout} exceeded by function 'Functions.{name}' (Id: '{invocation}')."
            self._log.write(LogLevel.ERROR, f"Function.{name}", message, name, invocation)
            os._exit(TIMEOUT)

        seconds = self._clock.at_least(timeout.total_seconds(), self._limit.least_real_seconds)
        watchdog = self._clock.alarm(self._clock.timestamp() + seconds, f"timeout of {invocation}", end)
        try:
            yield
        finally:
            watchdog.cancel()

    def _write_outputs(self, bound: BoundFunction, outputs: Mapping[str, Any]) -> str | None:
        """Write what the function left in its output bindings; a failure fails the invocation."""
        for name, data in outputs.items():
            for body in _bodies(data):
                try:
                    send(bound.outputs[name], self._queues.encode(body))
                except (AzureError, UnicodeDecodeError) as error:
                    return f"Error while handling parameter {name} after function returned: {error}"
        return None


def _bodies(data: Any) -> list[str]:
    """The messages in an output: a JSON array is one message for each of its elements."""
    kind = data.WhichOneof("data")
    if kind == "string":
        return [data.string]
    if kind == "bytes":
        return [data.bytes.decode()]
    value = json.loads(data.json)
    return [
        item if isinstance(item, str) else json.dumps(item) for item in (value if isinstance(value, list) else [value])
    ]
