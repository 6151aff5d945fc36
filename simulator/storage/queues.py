"""Queue Storage: the routes, their limits, and their XML."""

import re
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from xml.sax.saxutils import escape, quoteattr

from werkzeug.wrappers import Request, Response

from simulator.clock import Clock
from simulator.storage.auth import Authorize
from simulator.storage.errors import StorageError, as_xml, invalid_query_parameter
from simulator.storage.messages import Message, Messages, expiry
from simulator.storage.queue_wire import (
    CONTENT,
    METADATA,
    RECEIPT,
    SEVEN_DAYS,
    http_date,
    integer,
    lifetime_of,
    message_text,
    messages_xml,
    metadata_of,
    pop_receipt,
    xml_answer,
)
from simulator.storage.service import REMOVAL_SECONDS, Account, operation

_MOST_MESSAGES = 32
_MOST_QUEUES = 5000
_NAME = re.compile(r"[a-z0-9](?:-?[a-z0-9])*")


class _Mishap(StrEnum):
    LOST = "lost"
    DUPLICATED = "duplicated"


@dataclass(slots=True)
class _Queue:
    metadata: dict[str, str]
    messages: Messages = field(default_factory=Messages)


class QueueService:
    """Queue Storage of one account.

    `authorize` judges bearer tokens; it may raise a `StorageError` to refuse in its own way. `key` is the account key
    in base64; without one, shared keys are not permitted.
    """

    def __init__(self, account: str, clock: Clock, authorize: Authorize, *, key: str | None = None) -> None:
        self._account = Account(account, "queue", clock, authorize, key)
        self._queues: dict[str, _Queue] = {}
        self._removed_until: dict[str, datetime] = {}
        self._mishaps: deque[_Mishap | timedelta] = deque()

    def set_newest_version(self, version: str) -> None:
        """Know no newer version of the API than this, from now on."""
        self._account.newest_version = version

    def set_clock(self, clock: Clock) -> None:
        """Live by another clock, such as a wrong one, from now on."""
        self._account.clock = clock

    def __call__(self, request: Request) -> Response:
        """Answer one request."""
        return self._account.answer(request, self._route, as_xml)

    def messages(self, queue: str) -> list[Message]:
        """Every unexpired message of a queue, also those not yet due; none if there is no such queue."""
        return self._queues[queue].messages.all(self._now()) if queue in self._queues else []

    def visible_from(self, queue: str) -> float | None:
        """The moment, on a clock that is right, from which a queue has a message that is visible; None without one."""
        if queue not in self._queues:
            return None
        due_at = self._queues[queue].messages.next_due()
        return due_at.timestamp() - self._account.clock.skew if due_at else None

    def put(self, queue: str, text: str, after: float = 0.0) -> None:
        """Put a message from nowhere, for good, visible at once or after a span; the queue is made if it is not there."""
        now = self._now()
        due_at = now + timedelta(seconds=after)
        self._queues.setdefault(queue, _Queue({})).messages.add(text, now, due_at, expiry(now, None))

    def lose_next(self) -> None:
        """Accept the next message that is put, in whichever queue, and never deliver it."""
        self._mishaps.append(_Mishap.LOST)

    def duplicate_next(self) -> None:
        """Keep the next message that is put twice, as when a client repeats a put whose answer was lost."""
        self._mishaps.append(_Mishap.DUPLICATED)

    def delay_next(self, seconds: float) -> None:
        """Deliver the next message that is put later than asked, by simulated seconds."""
        self._mishaps.append(timedelta(seconds=seconds))

    def mishaps(self) -> list[str]:
        """What happens to the next messages, for people."""
        return [str(one) if isinstance(one, _Mishap) else f"{one} late" for one in self._mishaps]

    def clear_mishaps(self) -> None:
        """Let nothing happen any more to the next messages."""
        self._mishaps.clear()

    def _now(self) -> datetime:
        return self._account.clock.now()

    def _route(self, request: Request, path: str) -> Response:
        asked = request.method, request.args.get("comp", "")
        name, *rest = path.removeprefix("/").split("/")
        if not name:
            return operation({("GET", "list"): self._list_queues}, asked)(request)
        _check_name(name)
        if not rest:
            operations = {
                ("PUT", ""): self._create,
                ("DELETE", ""): self._delete,
                ("GET", "metadata"): self._get_metadata,
                ("PUT", "metadata"): self._set_metadata,
            }
            return operation(operations, asked)(request, name)
        messages = self._queue(name).messages
        match rest:
            case ["messages"]:
                peek = request.args.get("peekonly", "").lower() == "true"
                on_messages = {
                    ("POST", ""): self._put,
                    ("GET", ""): self._peek if peek else self._receive,
                    ("DELETE", ""): self._clear,
                }
                return operation(on_messages, asked)(request, messages)
            case ["messages", message_id]:
                on_message = {("PUT", ""): self._update, ("DELETE", ""): self._delete_message}
                return operation(on_message, asked)(request, messages, message_id)
        raise StorageError(400, "InvalidUri", "The requested URI does not represent any resource on the server.")

    def _refuse_while_removed(self, name: str) -> None:
        until = self._removed_until.get(name)
        if until is not None and self._now() < until:
            raise StorageError(409, "QueueBeingDeleted", "The specified queue is being deleted.")

    def _queue(self, name: str) -> _Queue:
        self._refuse_while_removed(name)
        if name not in self._queues:
            raise StorageError(404, "QueueNotFound", "The specified queue does not exist.")
        return self._queues[name]

    def _create(self, request: Request, name: str) -> Response:
        """Creating a queue again succeeds, with 204, if it has the same metadata (Create Queue)."""
        metadata = metadata_of(request)
        self._refuse_while_removed(name)
        if name not in self._queues:
            self._queues[name] = _Queue(metadata)
            return Response(status=201)
        if self._queues[name].metadata != metadata:
            raise StorageError(409, "QueueAlreadyExists", "The specified queue already exists.")
        return Response(status=204)

    def _delete(self, _request: Request, name: str) -> Response:
        self._queue(name)
        del self._queues[name]
        self._removed_until[name] = self._now() + timedelta(seconds=REMOVAL_SECONDS)
        return Response(status=204)

    def _get_metadata(self, _request: Request, name: str) -> Response:
        queue = self._queue(name)
        headers = {METADATA + key: value for key, value in queue.metadata.items()}
        headers["x-ms-approximate-messages-count"] = str(len(queue.messages.all(self._now())))
        return Response(status=200, headers=headers)

    def _set_metadata(self, request: Request, name: str) -> Response:
        self._queue(name).metadata = metadata_of(request)
        return Response(status=204)

    def _list_queues(self, request: Request) -> Response:
        prefix, marker = request.args.get("prefix", ""), request.args.get("marker", "")
        most = integer(request, "maxresults", _MOST_QUEUES, 1, _MOST_QUEUES)
        names = sorted(name for name in self._queues if name.startswith(prefix) and name >= marker)
        shown = "".join(
            f"<Queue><Name>{name}</Name>{self._metadata_xml(name, request)}</Queue>" for name in names[:most]
        )
        following = "".join(names[most : most + 1])
        return xml_answer(
            f"<EnumerationResults ServiceEndpoint={quoteattr(request.host_url)}><Prefix>{escape(prefix)}</Prefix>"
            f"<MaxResults>{most}</MaxResults><Queues>{shown}</Queues><NextMarker>{following}</NextMarker>"
            "</EnumerationResults>"
        )

    def _metadata_xml(self, name: str, request: Request) -> str:
        if "metadata" not in request.args.get("include", ""):
            return ""
        items = self._queues[name].metadata.items()
        return f"<Metadata>{''.join(f'<{key}>{escape(value)}</{key}>' for key, value in items)}</Metadata>"

    def _put(self, request: Request, messages: Messages) -> Response:
        """Put Message: visible after 0 s to 7 days, which must be less than its life, by default 7 days."""
        hidden = integer(request, "visibilitytimeout", 0, 0, SEVEN_DAYS)
        lifetime = lifetime_of(request)
        if lifetime is not None and hidden >= lifetime:
            reason = "messagettl must be greater than visibilitytimeout."
            raise invalid_query_parameter("visibilitytimeout", str(hidden), reason)
        text, now = message_text(request), self._now()
        due_at, expires_at = now + timedelta(seconds=hidden), expiry(now, lifetime)
        mishap = self._mishaps.popleft() if self._mishaps else None
        if isinstance(mishap, timedelta):
            due_at += mishap
        put = messages.add(text, now, due_at, expires_at)
        if mishap is _Mishap.DUPLICATED:
            messages.add(text, now, due_at, expires_at)
        if mishap is _Mishap.LOST:
            messages.delete(put.id, put.pop_receipt, now)
        return xml_answer(messages_xml([put], RECEIPT), status=201)

    def _receive(self, request: Request, messages: Messages) -> Response:
        count = integer(request, "numofmessages", 1, 1, _MOST_MESSAGES)
        hidden = integer(request, "visibilitytimeout", 30, 1, SEVEN_DAYS)
        now = self._now()
        return xml_answer(
            messages_xml(messages.receive(count, now, now + timedelta(seconds=hidden)), RECEIPT + CONTENT)
        )

    def _peek(self, request: Request, messages: Messages) -> Response:
        count = integer(request, "numofmessages", 1, 1, _MOST_MESSAGES)
        return xml_answer(messages_xml(messages.peek(count, self._now()), CONTENT))

    def _clear(self, _request: Request, messages: Messages) -> Response:
        messages.clear()
        return Response(status=204)

    def _update(self, request: Request, messages: Messages, message_id: str) -> Response:
        hidden = integer(request, "visibilitytimeout", None, 0, SEVEN_DAYS)
        text = message_text(request) if request.get_data() else None
        now = self._now()
        due_at = now + timedelta(seconds=hidden)
        message = messages.update(message_id, pop_receipt(request), now, due_at, text)
        headers = {"x-ms-popreceipt": message.pop_receipt, "x-ms-time-next-visible": http_date(message.due_at)}
        return Response(status=204, headers=headers)

    def _delete_message(self, request: Request, messages: Messages, message_id: str) -> Response:
        messages.delete(message_id, pop_receipt(request), self._now())
        return Response(status=204)


def _check_name(name: str) -> None:
    """3 to 63 lower-case letters, digits and single dashes between them ("Naming queues and metadata")."""
    if not 3 <= len(name) <= 63:
        message = "The specified resource name length is not within the permissible limits."
        raise StorageError(400, "OutOfRangeInput", message)
    if not _NAME.fullmatch(name):
        raise StorageError(400, "InvalidResourceName", "The specified resource name contains invalid characters.")
