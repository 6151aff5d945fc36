"""Drives the real Python runtime as its proxy worker does: the same calls, in the same order.

The runtime takes the classes of its messages from whoever drives it and uses them only to hold attributes, so neither
protobuf nor gRPC is needed. Read in azure-functions-runtime 1.3.0; a test notices when those names change.
"""

import asyncio
import json
import threading
import uuid
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from contextvars import Context
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import azure_functions_runtime as runtime

from simulator.clock import Clock
from simulator.host.errors import HostError


class Message:
    """Any message of the host's protocol (FunctionRpc.proto): an attribute bag."""

    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields)

    def __getattr__(self, name: str) -> Any:
        # Tells type checkers that any field may be there.
        raise AttributeError(name)

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802  (protobuf's name)
        """Which alternative is set: a TypedData's only field, or what a ParameterBinding carries besides its name."""
        return next((key for key, value in vars(self).items() if key != "name" and value is not None), None)


class StatusResult(Message):
    """FunctionRpc's StatusResult."""

    Failure = 0
    Success = 1


class BindingInfo(Message):
    """FunctionRpc's BindingInfo, with its enumerations."""

    undefined = 0
    out = 1
    inout = 2


class Protos:
    """Stands in for the module of generated message classes."""

    StatusResult = StatusResult
    BindingInfo = BindingInfo

    def __getattr__(self, name: str) -> type[Message]:
        return Message


@dataclass(frozen=True, slots=True)
class Function:
    """A function as the runtime declares it to the host."""

    name: str
    id: str
    bindings: tuple[Mapping[str, Any], ...]
    """As the host gets them: `%NAME%` unresolved."""

    @property
    def trigger(self) -> Mapping[str, Any]:
        """The one binding that starts the function."""
        return next(binding for binding in self.bindings if binding["type"].endswith("Trigger"))


@dataclass(frozen=True, slots=True)
class Response:
    """How an invocation ended in the worker."""

    outputs: Mapping[str, Any]
    """For each output binding that was set, a TypedData."""
    error: str | None
    """`Type: message` and the traceback."""


class InvocationTask(asyncio.Task[Any]):
    """A task that knows its invocation, and hands that on to the tasks it creates.

    The proxy worker does so too. It is why a log line of an `async def` function carries the invocation id while one
    from `asyncio.to_thread` or from a thread of the function's own does not.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, Any], **options: Any) -> None:
        parent = asyncio.current_task(options.get("loop"))
        self.invocation_id: str | None = getattr(parent, "invocation_id", None)
        super().__init__(coroutine, **options)


def task_factory(
    loop: asyncio.AbstractEventLoop,
    coroutine: Any,
    *,
    name: str | None = None,
    context: Context | None = None,
    **_: Any,
) -> InvocationTask:
    """Make the loop's tasks know their invocation."""
    return InvocationTask(coroutine, loop=loop, name=name, context=context)


def current_invocation_id() -> str | None:
    """The invocation on whose behalf this code runs, as far as the worker can tell."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    if isinstance(task, InvocationTask) and task.invocation_id is not None:
        return task.invocation_id
    in_pool_thread: str | None = runtime.invocation_id_cv.get()
    return in_pool_thread


class Threads:
    """The worker's threads, of which there are few: what waits for one of them waits for what the others do."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pool = runtime.get_threadpool_executor()
        self._guard = threading.Lock()
        self._running = 0
        self._waiting: deque[ExitStack] = deque()
        self._submit = self._pool.submit
        self._pool.submit = self.submit

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function as soon as a thread is free."""

        def run() -> Any:
            try:
                return function(*arguments)
            finally:
                self._next()

        with self._guard:
            if self._running < self._pool._max_workers:  # noqa: SLF001 - it tells nobody otherwise
                self._running += 1
            else:
                waiting = ExitStack()
                waiting.enter_context(self._clock.idle("a function that waits for a thread"))
                self._waiting.append(waiting)
        return self._submit(run)

    def _next(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().close()
            else:
                self._running -= 1


async def index(app: Path, clock: Clock) -> tuple[Function, ...]:
    """Import the app and return its functions; raises HostError with the runtime's words when it cannot be indexed."""
    runtime.start_threadpool_executor()
    Threads(clock)
    started = await runtime.worker_init_request(
        _request(
            "worker_init_request",
            Message(host_version="4", capabilities={}, function_app_directory=str(app)),
            {"protos": Protos(), "host": "127.0.0.1"},
        )
    )
    if started.result.status != StatusResult.Success:
        exception = started.result.exception
        raise HostError(f"the app cannot be indexed. {exception.message}\n{exception.stack_trace}")
    answer = await runtime.functions_metadata_request(_request("functions_metadata_request", Message()))
    if answer.function_metadata_results is None:
        raise HostError(f"no functions found in {app}")
    functions = tuple(
        Function(found.name, found.function_id, tuple(json.loads(text) for text in found.raw_bindings))
        for found in answer.function_metadata_results
    )
    for function in functions:
        await runtime.function_load_request(_request("function_load_request", Message(function_id=function.id)))
    return functions


async def invoke(function: Function, invocation_id: str, data: Message, metadata: Mapping[str, Message]) -> Response:
    """Run a function once. Only the runtime's own failures raise; the function's are in the response."""
    task = asyncio.current_task()
    if isinstance(task, InvocationTask):
        task.invocation_id = invocation_id
    trace = Message(trace_parent=f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01", trace_state="", attributes={})
    answer = await runtime.invocation_request(
        _request(
            "invocation_request",
            Message(
                invocation_id=invocation_id,
                function_id=function.id,
                input_data=[Message(name=function.trigger["name"], data=data)],
                trigger_metadata=metadata,
                trace_context=trace,
                retry_context=Message(retry_count=0, max_retry_count=0, exception=None),
            ),
        )
    )
    if answer.result.status != StatusResult.Success:
        exception = answer.result.exception
        return Response({}, f"{exception.message}\n{exception.stack_trace}")
    return Response({output.name: output.data for output in answer.output_data if output.data is not None}, None)


def _request(name: str, message: Message, properties: Mapping[str, Any] | None = None) -> Message:
    return Message(name=name, request=Message(**{name: message}), properties=properties or {})
