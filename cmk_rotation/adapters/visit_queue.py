"""Requests for visits, in Azure Queue Storage."""

import math
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from cmk_rotation.adapters.audiences import STORAGE, OneAudience
from cmk_rotation.adapters.errors import TIMEOUTS, patiently, storage_error, translated
from cmk_rotation.adapters.wire import Wire
from cmk_rotation.config.settings import Storage
from cmk_rotation.controller.ports import AzureCallError, StorageUnavailableError
from cmk_rotation.domain.instants import from_iso, iso
from cmk_rotation.domain.visit_message import PoisonQueue, VisitRequest, to_text
from cmk_rotation.domain.vocabulary import FailureKind

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

QUEUE = "cluster-visits"
POISON_QUEUE = f"{QUEUE}-poison"
_LONGEST_WAIT = timedelta(days=7)
"""Azure's own limit for `visibilitytimeout`."""
_SINCE = "cmkrotationsince"
"""In the poison queue's metadata, whose names are those of C# identifiers."""
_FOREVER = -1
"""Time to live: a request waits for as long as the app is down. The default of seven days would lose it."""


class QueueRequests:
    """`ports.Requests` over azure-storage-queue."""

    def __init__(self, storage: Storage, credential: "TokenCredential | None" = None) -> None:
        options: dict[str, Any] = {
            "message_encode_policy": TextBase64EncodePolicy(),  # the host's default for a queue trigger
            "retry_total": 0,
            "permit_redirects": False,
            "api_version": storage.api_version,
            **TIMEOUTS,
        }

        def client(queue: str) -> QueueClient:
            if storage.connection_string is not None:
                return QueueClient.from_connection_string(storage.connection_string, queue, transport=Wire(), **options)
            url, only = storage.queue_url or "", credential and OneAudience(credential, STORAGE)
            return QueueClient(url, queue, credential=only, transport=Wire(urlsplit(url).hostname or ""), **options)

        self._queue, self._poison = client(QUEUE), client(POISON_QUEUE)

    def request(self, visit: VisitRequest, after: timedelta = timedelta()) -> None:
        """Put a message on the queue. Where an answer is lost it may be there twice, which costs one more look."""
        text = to_text(visit)
        wait = math.ceil(min(max(after, timedelta()), _LONGEST_WAIT).total_seconds())
        try:
            patiently(lambda: self._send(text, wait))
        except AzureCallError as error:
            raise _away(self._queue, error) from None

    def poison_queue(self) -> PoisonQueue:
        """How many messages there are, and since when as far as is written down. There may be no such queue yet."""

        def read() -> PoisonQueue:
            with translated():
                properties = self._poison.get_queue_properties()
            return PoisonQueue(
                properties.approximate_message_count or 0, from_iso((properties.metadata or {}).get(_SINCE))
            )

        try:
            return patiently(read)
        except AzureCallError as error:
            if error.failure.kind is FailureKind.NOT_FOUND:
                return PoisonQueue(0)
            raise _away(self._poison, error) from None

    def note_poison(self, since: datetime | None) -> None:
        """Write since when into the queue's metadata, which holds nothing else of ours or the host's."""

        def write() -> None:
            with translated():
                self._poison.set_queue_metadata({_SINCE: iso(since, "microseconds")} if since else {})

        try:
            patiently(write)
        except AzureCallError as error:
            raise _away(self._poison, error) from None

    def _send(self, text: str, wait: int) -> None:
        """Send a message. The queue is created when Azure says that there is none, and never asked for before."""
        try:
            with translated():
                self._queue.send_message(text, visibility_timeout=wait, time_to_live=_FOREVER)
        except AzureCallError as error:
            if error.failure.code != "QueueNotFound":
                raise
        else:
            return
        with translated():
            with suppress(ResourceExistsError):
                self._queue.create_queue()
            self._queue.send_message(text, visibility_timeout=wait, time_to_live=_FOREVER)


def _away(queue: QueueClient, error: AzureCallError) -> StorageUnavailableError:
    return storage_error(error, f"queue {queue.queue_name} of storage account {queue.account_name}")
