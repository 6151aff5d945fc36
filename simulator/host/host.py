"""Puts the parts together: binds the functions, starts their listeners and the webhook."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request

from simulator.clock import Clock
from simulator.host.errors import FunctionInError, HostError
from simulator.host.host_json import HostJson
from simulator.host.invocations import BoundFunction, Invocations
from simulator.host.logs import HOST_THREAD, HostLog, LogLevel
from simulator.host.queues import QueueListener, poison_queue_of
from simulator.host.runtime import Function, Message
from simulator.host.settings import Queues, resolve
from simulator.host.timers import ScheduleMonitor, TimerListener, parse_schedule
from simulator.host.webhook import Webhook

if TYPE_CHECKING:
    from werkzeug.serving import BaseWSGIServer

_TRIGGERS = {"eventGridTrigger", "queueTrigger", "timerTrigger"}
_IN_BUNDLE = {"eventGridTrigger", "queueTrigger", "queue"}
"""Binding types of the extension bundle; timers are built in."""


class _SilentHandler(WSGIRequestHandler):
    """Requests are no concern of the app's root logger, to which werkzeug would log them."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  (werkzeug's name)
        pass


@dataclass(slots=True)
class Host:
    """One running host."""

    configuration: HostJson
    settings: Mapping[str, str]
    log: HostLog
    clock: Clock
    queues: Queues
    invocations: Invocations
    monitor: ScheduleMonitor
    races: bool = False
    """Whether messages that are taken at one moment race each other also where time waits for work."""
    errors: dict[str, str] = field(default_factory=dict, init=False)
    """Functions in error, and why."""
    _stopping: threading.Event = field(default_factory=threading.Event, init=False)
    _timers: list[TimerListener] = field(default_factory=list, init=False)
    _queues: list[QueueListener] = field(default_factory=list, init=False)
    _server: "BaseWSGIServer | None" = field(default=None, init=False)

    def start(self, functions: Sequence[Function], port: int, event_grid_key: str, master_key: str) -> int:
        """Start every function that can be started, and the webhook; the result is the webhook's port."""
        bound_functions: dict[str, BoundFunction] = {}
        by_hand: dict[str, Callable[[str], object]] = {}
        for function in functions:
            _refuse_unknown_bindings(function)
            try:
                bound = self._bind(function)
                by_hand[function.name] = self._start_listener(bound)
            except FunctionInError as error:
                self.errors[function.name] = str(error)
                message = f"The '{function.name}' function is in error: {error}"
                self.log.write(LogLevel.ERROR, "Host.Startup", message)
            else:
                bound_functions[function.name] = bound
        background = ThreadPoolExecutor(thread_name_prefix=HOST_THREAD)
        webhook = Webhook(
            bound_functions,
            self.errors,
            by_hand,
            self.invocations,
            self.clock,
            background,
            event_grid_key,
            master_key,
        )
        wsgi = Request.application(webhook)
        self._server = make_server("127.0.0.1", port, wsgi, threaded=True, request_handler=_SilentHandler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        for timer in self._timers:
            timer.start()
        for queue in self._queues:
            queue.start()
        self.clock.heard()
        return self._server.server_port

    def stop(self, grace: float) -> None:
        """Take nothing new; wait at most `grace` real seconds for what is under way."""
        end = time.monotonic() + grace
        self._stopping.set()
        if self._server is not None:
            self._server.shutdown()
        while (self.invocations.running or not all(queue.idle for queue in self._queues)) and time.monotonic() < end:
            time.sleep(0.01)

    def _bind(self, function: Function) -> BoundFunction:
        if not self.configuration.has_extension_bundle:
            for binding in function.bindings:
                if binding["type"] in _IN_BUNDLE:
                    raise FunctionInError(
                        f"The binding type(s) '{binding['type']}' are not registered. Please ensure the type is "
                        "correct and the binding extension is installed."
                    )
        return BoundFunction(
            function,
            {
                binding["name"]: self.queues.client(binding["connection"], binding["queueName"])
                for binding in function.bindings
                if binding["type"] == "queue"
            },
        )

    def _start_listener(self, bound: BoundFunction) -> Callable[[str], object]:
        """Prepare what runs the function, and return what runs it by hand with a given input."""
        trigger = bound.function.trigger
        reason = "This function was programmatically called via the host APIs."
        match trigger["type"]:
            case "timerTrigger":
                schedule = parse_schedule(resolve(trigger["schedule"], self.settings))
                timer = TimerListener(bound, schedule, self.monitor, self.invocations, self.clock, self._stopping)
                self._timers.append(timer)
                return lambda _: timer.run()
            case "queueTrigger":
                queue = self.queues.client(trigger["connection"], trigger["queueName"])
                poison = poison_queue_of(queue.queue_name)
                listener = QueueListener(
                    bound,
                    queue,
                    self.queues.client(trigger["connection"], poison) if poison else None,
                    self.queues,
                    self.configuration.queues,
                    self.invocations,
                    self.log,
                    self.clock,
                    self._stopping,
                    self.races,
                )
                self._queues.append(listener)
                return lambda text: self.invocations.run(bound, Message(string=text), reason)
            case _:
                return lambda text: self.invocations.run(bound, Message(json=text), reason)


def _refuse_unknown_bindings(function: Function) -> None:
    for binding in function.bindings:
        if binding["type"] not in _TRIGGERS | {"queue"}:
            raise HostError(f"function {function.name}: bindings of type {binding['type']} are not simulated")
