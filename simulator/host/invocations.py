"""Runs a function as the host does: the log lines around it, its timeout, its output bindings."""

import asyncio
import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from azure.core.exceptions import AzureError
from azure.storage.queue import QueueClient

from simulator.host import runtime
from simulator.host.app_time import AppTime
from simulator.host.drain import Drain
from simulator.host.exit_codes import TIMEOUT
from simulator.host.logs import HostLog, LogLevel
from simulator.host.runtime import Function, Message, Response
from simulator.host.settings import Queues
from simulator.host.storage_calls import StorageCalls


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


@dataclass(slots=True)
class Invocations:
    """Runs functions on the worker's event loop, from the threads of the listeners."""

    loop: asyncio.AbstractEventLoop
    queues: Queues
    calls: StorageCalls
    log: HostLog
    time: AppTime
    limit: Limit
    drain: Drain
    running: dict[str, str] = field(default_factory=dict, init=False)
    """Invocation id to function name."""
    _in_worker: dict[str, tuple[Future[Response], Future[Response]]] = field(default_factory=dict, init=False)
    """Of each invocation that the worker runs: what it answers, and what is taken for its answer."""
    _guard: threading.Lock = field(default_factory=threading.Lock, init=False)

    def begin(self) -> str:
        """An id for an invocation that is about to run. Its place among those of this moment is fixed with it."""
        invocation = str(uuid.uuid4())
        with self._guard:
            self.time.begin(invocation)
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
        self.log.write(
            LogLevel.INFORMATION,
            f"Function.{name}",
            f"Executing 'Functions.{name}' (Reason='{reason}', Id={invocation})",
            name,
            invocation,
        )
        self.running[invocation] = name
        started = self.time.clock.timestamp()
        try:
            with self._watched(name, invocation):
                response = self._invoke(bound, data, metadata or {}, invocation)
            error = response.error or self._write_outputs(bound, response.outputs)
        finally:
            del self.running[invocation]
            self.time.end(invocation)
        result = "Failed" if error else "Succeeded"
        milliseconds = round((self.time.clock.timestamp() - started) * 1000)
        self.log.write(
            LogLevel.ERROR if error else LogLevel.INFORMATION,
            f"Function.{name}",
            f"Executed 'Functions.{name}' ({result}, Id={invocation}, Duration={milliseconds}ms)"
            + (f"\n{error}" if error else ""),
            name,
            invocation,
        )
        return error

    def _invoke(
        self, bound: BoundFunction, data: Message, metadata: Mapping[str, Message], invocation: str
    ) -> Response:
        """Let the worker run the function; if it is restarted meanwhile, the function has failed."""
        taken: Future[Response] = Future()
        answer = asyncio.run_coroutine_threadsafe(runtime.invoke(bound.function, invocation, data, metadata), self.loop)
        self._in_worker[invocation] = (answer, taken)
        answer.add_done_callback(lambda answer: _take(taken, answer))
        try:
            return taken.result()
        finally:
            del self._in_worker[invocation]

    @contextmanager
    def _watched(self, name: str, invocation: str) -> Iterator[None]:
        """Restart the worker when the function runs too long: the only way to stop it.

        https://learn.microsoft.com/azure/azure-functions/functions-host-json#functiontimeout. Its message is released at
        once, and what else runs in the worker fails with it (measured).
        """
        timeout = self.limit.timeout
        if timeout is None:
            yield
            return

        def end() -> None:
            message = f"Timeout value of {timeout} exceeded by function 'Functions.{name}' (Id: '{invocation}')."
            self.log.write(LogLevel.ERROR, f"Function.{name}", message, name, invocation)
            self.drain.begin(TIMEOUT)
            self._give_up_all("The worker restarts because a function ran past its timeout.")

        seconds = self.time.clock.at_least(timeout.total_seconds(), self.limit.least_real_seconds)
        watchdog = self.time.clock.alarm(self.time.clock.timestamp() + seconds, f"timeout of {invocation}", end)
        try:
            yield
        finally:
            watchdog.cancel()

    def _give_up_all(self, why: str) -> None:
        given_up = list(self._in_worker.values())
        for answer, _ in given_up:
            # It sleeps, or it would have ended by now, on behalf of somebody who goes on without it: so this counts for it.
            counted = ExitStack()
            counted.enter_context(self.time.clock.work("a function that was given up"))
            answer.add_done_callback(partial(_close, counted))
        for _, taken in given_up:
            with suppress(InvalidStateError):
                taken.set_result(Response({}, why))

    def _write_outputs(self, bound: BoundFunction, outputs: Mapping[str, Any]) -> str | None:
        """Write what the function left in its output bindings; a failure fails the invocation."""
        for name, data in outputs.items():
            for body in _bodies(data):
                try:
                    self.calls.send(bound.outputs[name], self.queues.encode(body))
                except (AzureError, UnicodeDecodeError) as error:
                    return f"Error while handling parameter {name} after function returned: {error}"
        return None


def _close(counted: ExitStack, _answer: Future[Response]) -> None:
    counted.close()


def _take(taken: Future[Response], answer: Future[Response]) -> None:
    """Take the worker's answer, unless it was given up."""
    with suppress(InvalidStateError):
        if (error := answer.exception()) is not None:
            taken.set_exception(error)
        else:
            taken.set_result(answer.result())


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
