"""The host's calls to storage: tried again as its client does, and what becomes of the host when that was in vain.

Azure.Core's defaults as the host has them: six tries, with pauses of 0.8 seconds that double, a fifth of them random.
Measured on the real host (facts of 2026-11-25): no connection ends it after six tries, in 21 to 27 seconds; 5xx to a
release or deletion in 22 to 24; 403 at once. 15 seconds without storage are ridden out.
"""

import random
from collections.abc import Callable
from contextlib import suppress

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    IncompleteReadError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.storage.queue import QueueClient

from simulator.clock import Clock
from simulator.host.drain import Drain
from simulator.host.exit_codes import STORAGE
from simulator.host.logs import HostLog, LogLevel

_PAUSES = (0.8, 1.6, 3.2, 6.4, 12.8)
"""Seconds."""
_TRIED_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


class StorageCalls:
    """Makes calls, patiently, in simulated time."""

    def __init__(self, clock: Clock, log: HostLog, drain: Drain, seed: str) -> None:
        self._clock = clock
        self._log = log
        self._drain = drain
        self._randomness = random.Random(seed)  # noqa: S311 - not a secret, and the same in every run

    def make[T](self, call: Callable[[], T], *, unless: Callable[[], bool] = lambda: False) -> T:
        """Make a call; raises what its last try raised. It is not tried again once `unless` is true."""
        for pause in _PAUSES:
            try:
                return call()
            except AzureError as error:
                if not _may_pass(error) or unless():
                    raise
            self._clock.sleep(pause * self._randomness.uniform(0.8, 1.2))
        return call()

    def send(self, queue: QueueClient, text: str) -> None:
        """Put a message on a queue, which is created when there is none. It lives for the service's default of 7 days."""
        try:
            self.make(lambda: queue.send_message(text))
        except ResourceNotFoundError:
            with suppress(ResourceExistsError):  # Somebody else may create it at this moment.
                self.make(queue.create_queue)
            self.make(lambda: queue.send_message(text))

    def end_the_host(self, what: str, error: AzureError) -> None:
        """What the extension does not expect reaches the handler of unhandled exceptions (WebScriptHostExceptionHandler)."""
        self._log.write(LogLevel.ERROR, "Host.General", f"{what}: {error}")
        self._log.write(LogLevel.ERROR, "Host.General", "An unhandled exception has occurred. Host is shutting down.")
        self._drain.begin(STORAGE)


def is_server_side(error: AzureError) -> bool:
    """Whether the service answered that it failed."""
    return isinstance(error, HttpResponseError) and (error.status_code or 0) >= 500


def is_lost(error: AzureError) -> bool:
    """Whether a message is somebody else's by now, or gone, or its queue is."""
    gone = isinstance(error, ResourceNotFoundError)
    return gone or getattr(error, "error_code", None) in {"PopReceiptMismatch", "QueueBeingDeleted", "QueueDisabled"}


def _may_pass(error: AzureError) -> bool:
    if isinstance(error, HttpResponseError) and error.status_code:
        return error.status_code in _TRIED_AGAIN
    return isinstance(error, ServiceRequestError | ServiceResponseError | IncompleteReadError)
