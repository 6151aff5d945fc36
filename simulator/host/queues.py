"""The queue trigger: polls a queue and runs the function on its messages.

After QueueListener, QueueProcessor and RandomizedExponentialBackoffStrategy of the Storage Queues extension
(Azure/azure-sdk-for-net, sdk/storage/Microsoft.Azure.WebJobs.Extensions.Storage.Common).
"""

import json
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueMessage

from simulator.clock import Clock
from simulator.host.host_json import QueueOptions
from simulator.host.invocations import BoundFunction, Invocations
from simulator.host.logs import HOST_THREAD, HostLog, LogLevel
from simulator.host.runtime import Message
from simulator.host.settings import Queues, UndecodableMessageError, send

_POISON_SUFFIX = "-poison"
_INVISIBLE = timedelta(minutes=10)
"""For how long a message is taken; renewed at half time for as long as the function runs."""
_SHORTEST_POLL = timedelta(milliseconds=100)
_SHORTEST_REAL_PAUSE = 0.02
"""Seconds of real time. On a fast clock the host would otherwise do nothing but poll."""
_LOG_CATEGORY = "Host.Triggers.Queue"


class BackOff:
    """How long to wait before the next poll: doubles from 100 ms to the longest, with a fifth of randomness."""

    def __init__(self, longest: timedelta) -> None:
        self._longest = longest
        self._polls_in_vain = 0

    def next_delay(self, *, found_messages: bool) -> timedelta:
        """The delay after a poll in vain; `found_messages` tells whether any was found since the last delay."""
        if found_messages:
            self._polls_in_vain = 1
            return _SHORTEST_POLL
        delay = _SHORTEST_POLL
        if self._polls_in_vain:
            # The cap keeps 2**n a number that timedelta can hold; 100 ms x 2**30 is three years.
            delay += _SHORTEST_POLL * random.uniform(0.8, 1.2) * 2 ** min(self._polls_in_vain - 1, 30)  # noqa: S311  (not a secret)
        self._polls_in_vain += 1
        return min(delay, self._longest)


@dataclass(frozen=True, slots=True)
class QueueListener:
    """Polls one queue for one function until told to stop."""

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

    def listen(self) -> None:
        """Poll until stopping, then wait for the messages in hand."""
        back_off = BackOff(self.options.max_polling_interval)
        found_messages = False
        processing: set[Future[None]] = set()
        most = self.options.batch_size + self.options.new_batch_threshold
        with ThreadPoolExecutor(most, HOST_THREAD) as pool:
            while not self.stopping.is_set():
                messages = self._receive()
                if messages:
                    found_messages = True
                    processing |= {pool.submit(self._process, message) for message in messages}
                processing = _settled(processing, self.options.new_batch_threshold)
                if not messages:
                    delay = back_off.next_delay(found_messages=found_messages)
                    found_messages = False
                    self.stopping.wait(max(self.clock.real_seconds(delay.total_seconds()), _SHORTEST_REAL_PAUSE))

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

    def _process(self, message: QueueMessage) -> None:
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
                error = self._run(message, body)
            self._complete(message, error)
        except AzureError as error:
            self.log.write(LogLevel.ERROR, _LOG_CATEGORY, f"Message '{message.id}' could not be settled: {error}")

    def _run(self, message: QueueMessage, body: bytes) -> str | None:
        if self.bound.function.trigger.get("dataType") == "BINARY":
            data = Message(bytes=body)
        else:
            try:
                data = Message(string=body.decode())
            except UnicodeDecodeError as error:
                return f"Exception binding parameter: {error}"
        reason = f"New queue message detected on '{self.queue.queue_name}'."
        return self.invocations.run(self.bound, data, reason, _metadata(message))

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
        done = threading.Event()

        def renew() -> None:
            while not done.wait(self.clock.real_seconds(_INVISIBLE.total_seconds() / 2)):
                try:
                    renewed = self.queue.update_message(message, visibility_timeout=int(_INVISIBLE.total_seconds()))
                except AzureError as error:
                    self.log.write(LogLevel.ERROR, _LOG_CATEGORY, f"Message '{message.id}' not renewed: {error}")
                    return
                message.pop_receipt = renewed.pop_receipt

        renewing = threading.Thread(target=renew, name=HOST_THREAD, daemon=True)
        renewing.start()
        try:
            yield
        finally:
            done.set()
            renewing.join()


def poison_queue_of(queue: str) -> str | None:
    """The name of a queue's poison queue, if it has one."""
    poison = queue + _POISON_SUFFIX
    return None if queue.endswith(_POISON_SUFFIX) or len(poison) > 63 else poison


def _settled(processing: set[Future[None]], most: int) -> set[Future[None]]:
    """Wait until no more than `most` are unfinished; the result is those. A bug met in one is raised here."""
    while True:
        done, processing = wait(processing, timeout=0)
        for future in done:
            future.result()
        if len(processing) <= most:
            return processing
        wait(processing, return_when=FIRST_COMPLETED)


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
