"""What becomes of a queue message: it is run, kept invisible meanwhile, and deleted, released or given up.

After QueueProcessor and UpdateQueueMessageVisibilityCommand of the Storage Queues extension (Azure/azure-sdk-for-net,
sdk/storage/Microsoft.Azure.WebJobs.Extensions.Storage.Common), and what was measured of them (facts of 2026-11-25).
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from azure.core.exceptions import AzureError
from azure.storage.queue import QueueClient, QueueMessage

from simulator.clock import Clock
from simulator.host.host_json import QueueOptions
from simulator.host.invocations import BoundFunction, Invocations
from simulator.host.logs import HostLog, LogLevel
from simulator.host.runtime import Message
from simulator.host.settings import Queues, UndecodableMessageError
from simulator.host.storage_calls import StorageCalls, is_lost

INVISIBLE = timedelta(minutes=10)
"""For how long a message is taken; renewed at half time for as long as the function runs."""
LOG_CATEGORY = "Host.Triggers.Queue"
_POISON_SUFFIX = "-poison"


@dataclass(frozen=True, slots=True)
class MessageProcessor:
    """Works on the messages of one queue."""

    bound: BoundFunction
    queue: QueueClient
    poison_queue: QueueClient | None
    """None for a queue that is itself a poison queue, or whose name would get too long: see QueueListenerFactory."""
    wake_poison_listener: Callable[[], None]
    queues: Queues
    options: QueueOptions
    invocations: Invocations
    calls: StorageCalls
    log: HostLog
    clock: Clock

    def process(self, message: QueueMessage, invocation: str) -> None:
        """Handle one message. If storage fails, the host ends, and the message shows itself again in ten minutes."""
        try:
            self._process(message, invocation)
        except AzureError as error:
            self.calls.end_the_host(f"Message '{message.id}' could not be settled", error)

    def _process(self, message: QueueMessage, invocation: str) -> None:
        if self.poison_queue and int(message.dequeue_count or 0) > self.options.max_dequeue_count:
            # Whether or not the function ever failed: crashes and lost settlements count. On a poison queue the count is
            # ignored, since 5.3.8.
            self._give_up(message)
            return
        try:
            body = self.queues.decode(message.content)
        except UndecodableMessageError:
            # At once, for trying again would not help (Azure/azure-sdk-for-net pull request 18326). On the poison queue
            # nobody can decode it either: it shows itself every ten minutes until it expires.
            text = f"Message '{message.id}' on '{self.queue.queue_name}' could not be decoded."
            self.log.write(LogLevel.WARNING, LOG_CATEGORY, text)
            self._give_up(message)
            return
        with self._kept_invisible(message):
            error = self._run(message, body, invocation)
        self._complete(message, error)

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
            self._settle(lambda: self.queue.delete_message(message))
        elif self.poison_queue is None:
            pass  # It stays invisible until its ten minutes are over, which prevents a fast endless loop.
        elif int(message.dequeue_count or 0) >= self.options.max_dequeue_count:
            self._give_up(message)
        else:
            seconds = int(self.options.visibility_timeout.total_seconds())
            self._settle(lambda: self.queue.update_message(message, visibility_timeout=seconds))

    def _give_up(self, message: QueueMessage) -> None:
        if self.poison_queue is None:
            return
        self.log.write(
            LogLevel.WARNING,
            LOG_CATEGORY,
            f"Message has reached MaxDequeueCount of {self.options.max_dequeue_count}. "
            f"Moving message to queue '{self.poison_queue.queue_name}'.",
        )
        self.calls.send(self.poison_queue, message.content)
        self._settle(lambda: self.queue.delete_message(message))
        self.wake_poison_listener()

    def _settle(self, call: Callable[[], object]) -> None:
        """Settle a message, unless somebody else has it by now or it is gone."""
        try:
            self.calls.make(call)
        except AzureError as error:
            if not is_lost(error):
                raise

    @contextmanager
    def _kept_invisible(self, message: QueueMessage) -> Iterator[None]:
        """Renew the message at half time; its pop receipt changes with every renewal."""
        guard, half = threading.Lock(), INVISIBLE.total_seconds() / 2
        done = False

        def ask() -> None:
            with guard:
                if not done:
                    renewed = self.queue.update_message(message, visibility_timeout=int(INVISIBLE.total_seconds()))
                    message.pop_receipt = renewed.pop_receipt

        def renew() -> None:
            try:
                self.calls.make(ask, unless=lambda: done)
            except AzureError as error:
                if not done and not is_lost(error):
                    self.calls.end_the_host(f"Message '{message.id}' could not be renewed", error)
                return
            with guard:
                if not done:
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
