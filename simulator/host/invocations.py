"""Runs a function as the host does: the log lines around it, its timeout, its output bindings."""

import asyncio
import json
import os
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from azure.core.exceptions import AzureError
from azure.storage.queue import QueueClient

from simulator.clock import Clock
from simulator.host import runtime
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
        self, loop: asyncio.AbstractEventLoop, queues: Queues, log: HostLog, clock: Clock, limit: Limit
    ) -> None:
        self._loop = loop
        self._queues = queues
        self._log = log
        self._clock = clock
        self._limit = limit
        self.running: dict[str, str] = {}
        """Invocation id to function name."""

    def run(
        self, bound: BoundFunction, data: Message, reason: str, metadata: Mapping[str, Message] | None = None
    ) -> str | None:
        """Run the function and write its outputs; wait for both. The answer is why it failed, None when it did not."""
        name, invocation = bound.function.name, str(uuid.uuid4())
        self._log.write(
            LogLevel.INFORMATION,
            f"Function.{name}",
            f"Executing 'Functions.{name}' (Reason='{reason}', Id={invocation})",
            name,
            invocation,
        )
        self.running[invocation] = name
        started = time.monotonic()
        watchdog = self._watchdog(name, invocation)
        try:
            response = asyncio.run_coroutine_threadsafe(
                runtime.invoke(bound.function, invocation, data, metadata or {}), self._loop
            ).result()
            watchdog.cancel()
            error = response.error or self._write_outputs(bound, response.outputs)
        finally:
            watchdog.cancel()
            del self.running[invocation]
        result = "Failed" if error else "Succeeded"
        milliseconds = round((time.monotonic() - started) * self._clock.speed * 1000)
        self._log.write(
            LogLevel.ERROR if error else LogLevel.INFORMATION,
            f"Function.{name}",
            f"Executed 'Functions.{name}' ({result}, Id={invocation}, Duration={milliseconds}ms)"
            + (f"\n{error}" if error else ""),
            name,
            invocation,
        )
        return error

    def _watchdog(self, name: str, invocation: str) -> threading.Timer:
        """End the process when the function runs too long: the only way to stop it, and what befalls the worker.

        https://learn.microsoft.com/azure/azure-functions/functions-host-json#functiontimeout
        """
        timeout = self._limit.timeout
        seconds = threading.TIMEOUT_MAX if timeout is None else self._clock.real_seconds(timeout.total_seconds())

        def end() -> None:
            message = f"Timeout value of {timeout} exceeded by function 'Functions.{name}' (Id: '{invocation}')."
            self._log.write(LogLevel.ERROR, f"Function.{name}", message, name, invocation)
            os._exit(TIMEOUT)

        watchdog = threading.Timer(min(max(seconds, self._limit.least_real_seconds), threading.TIMEOUT_MAX), end)
        watchdog.daemon = True
        watchdog.start()
        return watchdog

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
