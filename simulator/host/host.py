"""Puts the parts together: binds the functions, starts their listeners and the webhook."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from azure.storage.queue import QueueClient
from werkzeug.serving import make_server
from werkzeug.wrappers import Request

from simulator.clock import Clock
from simulator.host.blobs import CommonFile, TimerLocks
from simulator.host.drain import Drain
from simulator.host.errors import FunctionInError, HostError
from simulator.host.host_json import HostJson
from simulator.host.invocations import BoundFunction, Invocations
from simulator.host.logs import HOST_THREAD, HostLog, LogLevel
from simulator.host.messages import MessageProcessor, poison_queue_of
from simulator.host.ncrontab import Schedule, checked, is_kept_on_record, parse_schedule
from simulator.host.queues import QueueListener
from simulator.host.runtime import Function, Message
from simulator.host.settings import Queues, resolve
from simulator.host.silence import SilentHandler
from simulator.host.storage_calls import StorageCalls
from simulator.host.timers import ScheduleMonitor, TimerListener
from simulator.host.webhook import Webhook

_TRIGGERS = {"eventGridTrigger", "queueTrigger", "timerTrigger"}
_IN_BUNDLE = {"eventGridTrigger", "queueTrigger", "queue"}
"""Binding types of the extension bundle; timers are built in."""


@dataclass(frozen=True, slots=True)
class Options:
    """What may be chosen of a host that is not the app's to choose."""

    holder: str
    """This host, as the timers' locks know it."""
    common: Path
    """The folder of what hosts of the same app keep in common."""
    seed: str
    """Beside another host this one's polls come at other moments."""
    event_grid_key: str
    master_key: str
    functions: frozenset[str] | None = None
    """The functions that this host runs; None means all."""
    knows_clouds: bool = True
    """Whether the Event Grid extension allows each cloud's own origin."""
    races: bool = False
    """Whether messages that are taken at one moment race each other also where time waits for work."""


@dataclass(slots=True)
class Host:
    """One running host."""

    configuration: HostJson
    settings: Mapping[str, str]
    options: Options
    log: HostLog
    clock: Clock
    queues: Queues
    calls: StorageCalls
    invocations: Invocations
    drain: Drain
    errors: dict[str, str] = field(default_factory=dict, init=False)
    """Functions in error, and why."""
    _timers: list[TimerListener] = field(default_factory=list, init=False)
    _queues: dict[str, QueueListener] = field(default_factory=dict, init=False)

    def start(self, functions: Sequence[Function], port: int) -> int:
        """Start every function that can be started, and the webhook; the result is the webhook's port."""
        bound_functions: dict[str, BoundFunction] = {}
        by_hand: dict[str, Callable[[str], object]] = {}
        for function in functions:
            _refuse_unknown_bindings(function)
            try:
                bound = self._bind(function)
                by_hand[function.name] = self._listener(bound)
            except FunctionInError as error:
                self.errors[function.name] = str(error)
                message = f"The '{function.name}' function is in error: {error}"
                self.log.write(LogLevel.ERROR, "Host.Startup", message)
            else:
                bound_functions[function.name] = bound
        webhook = Webhook(
            bound_functions,
            self.errors,
            by_hand,
            self.invocations,
            self.clock,
            self.drain,
            ThreadPoolExecutor(thread_name_prefix=HOST_THREAD),
            self.options.event_grid_key,
            self.options.master_key,
            self.options.knows_clouds,
        )
        wsgi = Request.application(webhook)
        server = make_server("127.0.0.1", port, wsgi, threaded=True, request_handler=SilentHandler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for timer in self._timers:
            timer.start()
        for queue in self._queues.values():
            queue.start()
        self.clock.heard()
        return server.server_port

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

    def _listener(self, bound: BoundFunction) -> Callable[[str], object]:
        """Prepare what runs the function, and return what runs it by hand with a given input."""
        trigger = bound.function.trigger
        listens = self.options.functions is None or bound.function.name in self.options.functions
        reason = "This function was programmatically called via the host APIs."
        match trigger["type"]:
            case "timerTrigger":
                timer = self._timer_listener(bound, parse_schedule(resolve(trigger["schedule"], self.settings)))
                if listens:
                    self._timers.append(timer)
                return lambda _: timer.run()
            case "queueTrigger":
                queue = self.queues.client(trigger["connection"], trigger["queueName"])
                if listens:
                    self._queues[queue.queue_name] = self._queue_listener(bound, queue)
                return lambda text: self.invocations.run(bound, Message(string=text), reason)
            case _:
                return lambda text: self.invocations.run(bound, Message(json=text), reason)

    def _timer_listener(self, bound: BoundFunction, schedule: Schedule) -> TimerListener:
        now = self.clock.now()
        schedule = checked(schedule, now)
        monitor = ScheduleMonitor(CommonFile(self.options.common / "timers.json"))
        return TimerListener(
            bound,
            schedule,
            monitor if is_kept_on_record(schedule, now) else None,
            TimerLocks(self.options.common),
            self.options.holder,
            self.invocations,
            self.clock,
            self.drain,
        )

    def _queue_listener(self, bound: BoundFunction, queue: QueueClient) -> QueueListener:
        poison = poison_queue_of(queue.queue_name)
        processor = MessageProcessor(
            bound,
            queue,
            self.queues.client(bound.function.trigger["connection"], poison) if poison else None,
            lambda: self._wake(poison),
            self.queues,
            self.configuration.queues,
            self.invocations,
            self.calls,
            self.log,
            self.clock,
        )
        return QueueListener(
            queue,
            self.configuration.queues,
            processor,
            self.invocations,
            self.calls,
            self.log,
            self.clock,
            self.drain,
            self.options.seed,
            self.options.races,
        )

    def _wake(self, queue: str | None) -> None:
        if queue in self._queues:
            self._queues[queue].wake()


def _refuse_unknown_bindings(function: Function) -> None:
    for binding in function.bindings:
        if binding["type"] not in _TRIGGERS | {"queue"}:
            raise HostError(f"function {function.name}: bindings of type {binding['type']} are not simulated")
