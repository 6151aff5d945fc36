"""The messages of one queue: what is due, in which order, and who holds it."""

import heapq
import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from simulator.storage.errors import StorageError, invalid_query_parameter

NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""How Queue Storage writes the expiry of a message that has none."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it is now. Times are simulated, in UTC."""

    id: str
    text: str
    """As the client sent it, so usually base64."""
    inserted_at: datetime
    expires_at: datetime
    due_at: datetime
    """When it can be received next; in the past for a message that waits to be received."""
    pop_receipt: str
    dequeue_count: int = 0


@dataclass(slots=True)
class Messages:
    """Messages by id, and a heap of when each is due.

    Order is by due time, then by insertion. Azure promises no order at all.
    """

    _by_id: dict[str, Message] = field(default_factory=dict)
    _due: list[tuple[datetime, int, Message]] = field(default_factory=list)
    """May hold former states of a message; only the one that `_by_id` holds counts."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def all(self, now: datetime) -> list[Message]:
        """Every unexpired message, due or not."""
        return [message for message in list(self._by_id.values()) if message.expires_at > now]

    def add(self, text: str, now: datetime, due_at: datetime, expires_at: datetime) -> Message:
        """Put a new message."""
        return self._keep(Message(str(uuid.uuid4()), text, now, expires_at, due_at, _receipt()))

    def receive(self, count: int, now: datetime, due_at: datetime) -> list[Message]:
        """Take up to `count` due messages, to be due again at `due_at` unless they are deleted before."""
        taken = [
            replace(message, due_at=due_at, pop_receipt=_receipt(), dequeue_count=message.dequeue_count + 1)
            for message in self._pop_due(count, now)
        ]
        for message in taken:
            self._keep(message)
        return taken

    def peek(self, count: int, now: datetime) -> list[Message]:
        """Look at up to `count` due messages."""
        seen = self._pop_due(count, now)
        for message in seen:
            self._keep(message)
        return seen

    def update(self, message_id: str, pop_receipt: str, now: datetime, due_at: datetime, text: str | None) -> Message:
        """Change when a held message is due again, and perhaps its text. Its old pop receipt is void."""
        held = self._held(message_id, pop_receipt, now)
        if due_at > held.expires_at:
            reason = "A message cannot become visible after it expires."
            raise invalid_query_parameter("visibilitytimeout", str(round((due_at - now).total_seconds())), reason)
        text = held.text if text is None else text
        return self._keep(replace(held, due_at=due_at, pop_receipt=_receipt(), text=text))

    def delete(self, message_id: str, pop_receipt: str, now: datetime) -> None:
        """Remove a message on behalf of its holder."""
        del self._by_id[self._held(message_id, pop_receipt, now).id]

    def clear(self) -> None:
        """Remove every message."""
        self._by_id.clear()
        self._due.clear()

    def next_due(self) -> datetime | None:
        """When the next message is due, or since when one has been."""
        while self._due and self._by_id.get(self._due[0][2].id) is not self._due[0][2]:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def _keep(self, message: Message) -> Message:
        self._by_id[message.id] = message
        heapq.heappush(self._due, (message.due_at, next(self._numbers), message))
        return message

    def _pop_due(self, count: int, now: datetime) -> list[Message]:
        found: list[Message] = []
        while len(found) < count and self._due and self._due[0][0] <= now:
            _, _, message = heapq.heappop(self._due)
            if self._by_id.get(message.id) is not message:
                continue
            if message.expires_at <= now:
                del self._by_id[message.id]
            else:
                found.append(message)
        return found

    def _held(self, message_id: str, pop_receipt: str, now: datetime) -> Message:
        message = self._by_id.get(message_id)
        if message is None or message.expires_at <= now:
            raise StorageError(404, "MessageNotFound", "The specified message does not exist.")
        if message.pop_receipt != pop_receipt:
            text = "The specified pop receipt did not match the pop receipt for a dequeued message."
            raise StorageError(400, "PopReceiptMismatch", text)
        return message


def expiry(now: datetime, seconds: int | None) -> datetime:
    """When a message expires that may live for `seconds`; None means that it never does."""
    if seconds is None or seconds >= (NEVER - now).total_seconds():
        return NEVER
    return now + timedelta(seconds=seconds)


def _receipt() -> str:
    return uuid.uuid4().hex
