"""The queue trigger: polls a queue and runs the function on its messages.

After QueueListener, QueueProcessor and RandomizedExponentialBackoffStrategy of the Storage Queues extension
(Azure/azure-sdk-for-net, sdk/storage/Microsoft.Azure.WebJobs.Extensions.Storage.Common).
"""

import itertools
import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueMessage

from simulator.clock import Clock, Polls
from simulator.host.host_json import QueueOptions
from simulator.host.invocations import BoundFunction, Invocations
from simulator.host.logs import HOST_THREAD, HostLog, LogLevel
from simulator.host.runtime import Message
from simulator.host.settings import Queues, UndecodableMessageError, send

_POISON_SUFFIX = "-poison"
_INVISIBLE = timedelta(minutes=10)
"""For how long a message is taken; renewed at half time for as long as the function runs."""
_SHORTEST_POLL = 0.1
"""Seconds."""
_SHORTEST_REAL_PAUSE = 0.02
"""Seconds of real time. On a clock that runs fast the host would otherwise do nothing but poll."""
_LOG_CATEGORY = "Host.Triggers.Queue"


class BackOff:
    """When to poll next: the pause doubles from 100 ms to the longest, with a fifth of randomness."""

    def __init__(self, longest: timedelta, randomness: random.Random) -> None:
        self._longest = longest.total_seconds()
        self._randomness = randomness
        self._polls_in_vain = 0
        self._moments: tuple[float, ...] = ()

    def moments(self, now: float, *, found_messages: bool) -> tuple[float, ...]:
        """The next polls, as long as they are in vain, up to the first that comes after the longest pause."""
        if found_messages:
            self._polls_in_vain = 0
        moments: list[float] = []
        pause = 0.0
        while pause < self._longest:
            pause = self._pause(self._polls_in_vain + len(moments))
            now += pause
            moments.append(now)
        self._moments = tuple(moments)
        return self._moments

    def polled(self, now: float) -> None:
        """One of these has come, and those before it were in vain."""
        self._polls_in_vain += max(1, sum(moment <= now for moment in self._moments))

    def _pause(self, polls_in_vain: int) -> float:
        pause = _SHORTEST_POLL
        if polls_in_vain:
            # The cap keeps 2**n a number; 100 ms x 2**30 is three years.
            pause += _SHORTEST_POLL * self._randomness.uniform(0.8, 1.2) * 2 ** min(polls_in_vain - 1, 30)
        return min(pause, self._longest)


@dataclass(slots=True)
class QueueListener:
    """Polls one queue for one function until told to stop. Polling and processing are due, they have no thread."""

    bound: BoundFunction
    queue: QueueClient
    poison_queue: QueueClient | None
    """None for a queue that is itself a poison queue, or whose name would get too long: see QueueListenerFactory."""
    queues: Queues
    options: QueueOptions
    invocations: Invocations
    log: HostLog
    clock: Clock
    stopping: threading.Event
    races: bool
    """Whether the messages of one moment are worked on all at once also where time waits for work."""
    _back_off: BackOff = field(init=False)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), init=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, init=False)
    _in_hand: int = field(default=0, init=False)
    _full: bool = field(default=False, init=False)
    """Whether the next poll waits for messages in hand to be done with."""

    def __post_init__(self) -> None:
        seeded = random.Random(self.queue.queue_name)  # noqa: S311 - not a secret, and the same in every run
        self._back_off = BackOff(self.options.max_polling_interval, seeded)

    def start(self) -> None:
        """Poll for the first time, at once."""
        self.clock.alarm(self.clock.timestamp(), self._name, lambda: self._poll(found_messages=False))

    @property
    def idle(self) -> bool:
        """Whether no message is in hand."""
        return self._in_hand == 0

    @property
    def _name(self) -> str:
        return f"poll of {self.queue.queue_name}"

    def _poll(self, *, found_messages: bool) -> None:
        """Poll until a poll is in vain or enough messages are in hand."""
        while not self.stopping.is_set():
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
        self.clock.alarm(polls, self._name, self._look)

    def _look(self) -> None:
        self._back_off.polled(self.clock.timestamp())
        self._poll(found_messages=False)

    def _begin(self, message: QueueMessage) -> None:
        """Let a message be worked on: beside the others, or, where time waits for work, one after the other."""
        invocation = self.invocations.begin()
        name = f"message {next(self._numbers):09} of {self.queue.queue_name}"
        if not self.races:
            self.clock.alarm(self.clock.timestamp(), name, lambda: self._work_on(message, invocation))
            return
        working = ExitStack()
        working.enter_context(self.clock.work(name))

        def race() -> None:
            with working:
                self._work_on(message, invocation)

        threading.Thread(target=race, name=HOST_THREAD, daemon=True).start()

    def _work_on(self, message: QueueMessage, invocation: str) -> None:
        self._process(message, invocation)
        with self._guard:
            self._in_hand -= 1
            room = self._full and self._in_hand <= self.options.new_batch_threshold
            self._full = self._full and not room
        if room:
            self._poll(found_messages=True)

    def _receive(self) -> list[QueueMessage]:
        """One poll. A queue that does not exist has no messages."""
        try:
            messages = self.queue.receive_messages(
                messages_per_page=self.options.batch_size, visibility_timeout=int(_INVISIBLE.total_seconds())
            )
            return list(next(messages.by_page(), iter(())))
        except ResourceNotFoundError:
            return []
        except AzureError as error:
            self.log.write(LogLevel.ERROR, _LOG_CATEGORY, f"Polling '{self.queue.queue_name}' failed: {error}")
            return []

    def _process(self, message: QueueMessage, invocation: str) -> None:
        """Handle one message. What storage refuses is logged: the message shows itself again in ten minutes."""
        try:
            if int(message.dequeue_count or 0) > self.options.max_dequeue_count:
                self._move_to_poison_queue(message)
                return
            try:
                body = self.queues.decode(message.content)
            except UndecodableMessageError:
                # At once, for trying again would not help (Azure/azure-sdk-for-net pull request 18326).
                self._move_to_poison_queue(message)
                return
            with self._kept_invisible(message):
                error = self._run(message, body, invocation)
            self._complete(message, error)
        except AzureError as error:
            self.log.write(LogLevel.ERROR, _LOG_CATEGORY, f"Message '{message.id}' could not be settled: {error}")

    def _run(self, message: QueueMessage, body: bytes, invocation: str) -> str | None:
        if self.bound.function.trigger.get("dataType") == "BINARY":
            data = Message(bytes=body)
        else:
            try:
                data = Message(string=body.decode())
            except UnicodeDecodeError as error:
                return f"Exception binding parameter: {error}"
        reason = f"New queue message detected on '{self.queue.queue_name}'."
        return self.invocations.run(self.bound, data, reason, _metadata(message), invocation)

    def _complete(self, message: QueueMessage, error: str | None) -> None:
        if error is None:
            self._delete(message)
        elif self.poison_queue is None:
            pass  # It stays invisible until its ten minutes are over, which prevents a fast endless loop.
        elif int(message.dequeue_count or 0) >= self.options.max_dequeue_count:
            self._move_to_poison_queue(message)
        else:
            seconds = int(self.options.visibility_timeout.total_seconds())
            _unless_lost(lambda: self.queue.update_message(message, visibility_timeout=seconds))

    def _move_to_poison_queue(self, message: QueueMessage) -> None:
        if self.poison_queue is None:
            return
        self.log.write(
            LogLevel.WARNING,
            _LOG_CATEGORY,
            f"Message has reached MaxDequeueCount of {self.options.max_dequeue_count}. "
            f"Moving message to queue '{self.poison_queue.queue_name}'.",
        )
        send(self.poison_queue, message.content)
        self._delete(message)

    def _delete(self, message: QueueMessage) -> None:
        _unless_lost(lambda: self.queue.delete_message(message))

    @contextmanager
    def _kept_invisible(self, message: QueueMessage) -> Iterator[None]:
        """Renew the message at half time; its pop receipt changes with every renewal."""
        guard, half = threading.Lock(), _INVISIBLE.total_seconds() / 2
        done = False

        def renew() -> None:
            with guard:
                if done:
                    return
                try:
                    renewed = self.queue.update_message(message, visibility_timeout=int(_INVISIBLE.total_seconds()))
                except AzureError as error:
                    self.log.write(LogLevel.ERROR, _LOG_CATEGORY, f"Message '{message.id}' not renewed: {error}")
                    return
                message.pop_receipt = renewed.pop_receipt
                renewals.append(self.clock.alarm(self.clock.timestamp() + half, name, renew))

        name = f"renewal of {message.id}"
        renewals = [self.clock.alarm(self.clock.timestamp() + half, name, renew)]
        try:
            yield
        finally:
            with guard:
                done = True
                renewals[-1].cancel()


def poison_queue_of(queue: str) -> str | None:
    """The name of a queue's poison queue, if it has one."""
    poison = queue + _POISON_SUFFIX
    return None if queue.endswith(_POISON_SUFFIX) or len(poison) > 63 else poison


def _unless_lost(settle: Callable[[], object]) -> None:
    """Settle a message, unless somebody else has it by now or it is gone."""
    try:
        settle()
    except ResourceNotFoundError:
        pass
    except HttpResponseError as error:
        if getattr(error, "error_code", None) != "PopReceiptMismatch":
            raise


def _metadata(message: QueueMessage) -> dict[str, Message]:
    """The trigger metadata: whatever is not a string travels as JSON."""

    def moment(value: datetime | None) -> Message:
        return Message(json=json.dumps(value.isoformat() if value else None))

    return {
        "Id": Message(string=message.id),
        "DequeueCount": Message(json=json.dumps(message.dequeue_count)),
        "PopReceipt": Message(string=message.pop_receipt),
        "InsertionTime": moment(message.inserted_on),
        "ExpirationTime": moment(message.expires_on),
        "NextVisibleTime": moment(message.next_visible_on),
    }
