"""The queue trigger: polls a queue and hands its messages to whom they are for.

After QueueListener of the Storage Queues extension (Azure/azure-sdk-for-net,
sdk/storage/Microsoft.Azure.WebJobs.Extensions.Storage.Common).
"""

import itertools
import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueMessage

from simulator.clock import Alarm, Clock, Polls
from simulator.host.back_off import BackOff
from simulator.host.drain import Drain
from simulator.host.host_json import QueueOptions
from simulator.host.invocations import Invocations
from simulator.host.logs import HOST_THREAD, HostLog, LogLevel
from simulator.host.messages import INVISIBLE, LOG_CATEGORY, MessageProcessor
from simulator.host.storage_calls import StorageCalls, is_lost, is_server_side

_SHORTEST_REAL_PAUSE = 0.02
"""Seconds of real time. On a clock that runs fast the host would otherwise do nothing but poll."""
_WAKES_AFTER = 0.08
"""Seconds from a message's move to the poison queue until that queue is polled in the same host (measured)."""


@dataclass(slots=True)
class QueueListener:
    """Polls one queue for one function until told to stop. Polling and processing are due, they have no thread."""

    queue: QueueClient
    options: QueueOptions
    processor: MessageProcessor
    invocations: Invocations
    calls: StorageCalls
    log: HostLog
    clock: Clock
    drain: Drain
    seed: str
    races: bool
    """Whether the messages of one moment are worked on all at once also where time waits for work."""
    _back_off: BackOff = field(init=False)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), init=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, init=False)
    _resting: Alarm | None = field(default=None, init=False)
    """The next poll, while there is none."""
    _in_hand: int = field(default=0, init=False)
    _full: bool = field(default=False, init=False)
    """Whether the next poll waits for messages in hand to be done with."""

    def __post_init__(self) -> None:
        seeded = random.Random(self.seed + self.queue.queue_name)  # noqa: S311 - not a secret, the same in every run
        self._back_off = BackOff(self.options.max_polling_interval, seeded)

    def start(self) -> None:
        """Poll for the first time, at once."""
        self.clock.alarm(self.clock.timestamp(), self._name, lambda: self._poll(found_messages=False))

    def wake(self) -> None:
        """Poll soon: the same host has put a message on the queue, as it does with those that it gives up."""
        with self._guard:
            if self._resting is not None:
                self._resting.cancel()
                self._resting = self.clock.alarm(self.clock.timestamp() + _WAKES_AFTER, self._name, self._look)

    @property
    def _name(self) -> str:
        return f"poll of {self.queue.queue_name}"

    def _poll(self, *, found_messages: bool) -> None:
        """Poll until a poll is in vain or enough messages are in hand."""
        with self.drain.finishes():
            while not self.drain.begun:
                messages = self._receive()
                with self._guard:
                    self._in_hand += len(messages)
                for message in messages:
                    self._begin(message)
                if not messages:
                    self._rest(found_messages=found_messages)
                    return
                found_messages = True
                with self._guard:
                    self._full = self._in_hand > self.options.new_batch_threshold
                    if self._full:
                        return

    def _rest(self, *, found_messages: bool) -> None:
        now = self.clock.timestamp()
        shortest = self.clock.at_least(0.0, _SHORTEST_REAL_PAUSE)
        moments = self._back_off.moments(now, found_messages=found_messages)
        looks = tuple(max(moment, now + shortest) for moment in moments)
        host = urlsplit(self.queue.url).netloc.lower()
        polls = Polls(host, self.queue.queue_name, looks, self.options.max_polling_interval.total_seconds())
        with self._guard:
            self._resting = self.clock.alarm(polls, self._name, self._look)

    def _look(self) -> None:
        with self._guard:
            if self._resting is None:
                return  # Woken at this very moment, where time runs on.
            self._resting = None
        self._back_off.polled(self.clock.timestamp())
        self._poll(found_messages=False)

    def _begin(self, message: QueueMessage) -> None:
        """Let a message be worked on: beside the others, or, where time waits for work, one after the other."""
        invocation = self.invocations.begin()
        name = f"message {next(self._numbers):09} of {self.queue.queue_name}"
        finishing = ExitStack()
        finishing.enter_context(self.drain.finishes())
        if not self.races:
            self.clock.alarm(self.clock.timestamp(), name, lambda: self._work_on(message, invocation, finishing))
            return
        working = ExitStack()
        working.enter_context(self.clock.work(name))

        def race() -> None:
            with working:
                self._work_on(message, invocation, finishing)

        threading.Thread(target=race, name=HOST_THREAD, daemon=True).start()

    def _work_on(self, message: QueueMessage, invocation: str, finishing: ExitStack) -> None:
        with finishing:
            self.processor.process(message, invocation)
            with self._guard:
                self._in_hand -= 1
                room = self._full and self._in_hand <= self.options.new_batch_threshold
                self._full = self._full and not room
            if room:
                self._poll(found_messages=True)

    def _receive(self) -> list[QueueMessage]:
        """One poll. A queue that does not exist has no messages, and one that answers 5xx is polled again later."""
        try:
            return self.calls.make(self._ask, unless=lambda: self.drain.begun)
        except ResourceNotFoundError:
            return []
        except AzureError as error:
            what = f"Polling '{self.queue.queue_name}' failed"
            if is_server_side(error) or is_lost(error):
                self.log.write(LogLevel.ERROR, LOG_CATEGORY, f"{what}: {error}")
            elif not self.drain.begun:
                self.calls.end_the_host(what, error)
            return []

    def _ask(self) -> list[QueueMessage]:
        messages = self.queue.receive_messages(
            messages_per_page=self.options.batch_size, visibility_timeout=int(INVISIBLE.total_seconds())
        )
        return list(next(messages.by_page(), iter(())))
