"""Faults as data: what goes wrong between a client and a service, whatever the service."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase


class FaultKind(StrEnum):
    """What goes wrong. The first four come before the request's effect, which only a delay lets happen; the others after."""

    ANSWER = "answer"
    """Answer with the fault's status, headers and body."""
    DELAY = "delay"
    """Wait for the fault's seconds, then serve the request as usual."""
    HANG = "hang"
    """Wait for the fault's seconds, then cut the connection."""
    RESET = "reset"
    """Cut the connection."""
    HANG_AFTER = "hang-after"
    RESET_AFTER = "reset-after"
    EMPTY_BODY = "empty-body"
    TRUNCATED_BODY = "truncated-body"
    """Promise the whole body, send half of it, cut the connection."""
    DRIP = "drip"
    """Send the whole answer byte by byte; if the fault has seconds, half of it, and cut the connection when these are over."""
    REPLACED_BODY = "replaced-body"
    """Send the fault's body in place of the real one."""
    REPLACED_HEADERS = "replaced-headers"
    """Send the fault's headers in place of the real ones; None leaves a header out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong with the requests that match. Patterns are globs and ignore case."""

    kind: FaultKind
    method: str = "*"
    host: str = "*"
    path: str = "*"
    times: int | None = 1
    """How many requests meet the fault; None means all, until the faults are cleared."""
    status: int = 503
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0
    """Simulated seconds."""
    until: float | None = None
    """Simulated seconds since the epoch after which nobody meets the fault any more."""
    said: str = ""
    """What happens to which request, for whoever asks what is still to come."""

    def matches(self, method: str, host: str, path: str) -> bool:
        """Whether a request meets this fault."""
        pairs = ((method, self.method), (host, self.host), (path, self.path))
        return all(fnmatchcase(text.lower(), pattern.lower()) for text, pattern in pairs)


class Faults:
    """The faults still to come. A request meets at most one: the first that matches, in the order they were added."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._pending: list[tuple[Fault, int | None]] = []
        self.latency: dict[str, float] = {}
        """Simulated seconds that each request to a host takes before anything comes of it, by a glob; the first counts."""

    def latency_of(self, host: str) -> float:
        """How long a request to a host takes; nothing, unless something is chosen."""
        return next((seconds for glob, seconds in self.latency.items() if fnmatchcase(host.lower(), glob.lower())), 0.0)

    def add(self, *faults: Fault) -> None:
        """Let these go wrong, after the ones already added."""
        with self._guard:
            self._pending.extend((fault, fault.times) for fault in faults)

    def pending(self) -> list[tuple[Fault, int | None]]:
        """What is still to come, and how often; None is always."""
        with self._guard:
            return list(self._pending)

    def clear(self) -> None:
        """Let nothing more go wrong."""
        with self._guard:
            self._pending.clear()

    def awaits(self, method: str, host: str, path: str, now: float) -> bool:
        """Whether a request would meet a fault, if it came now."""
        with self._guard:
            return any(
                fault.matches(method, host, path) and (fault.until is None or fault.until > now)
                for fault, _ in self._pending
            )

    def take(self, method: str, host: str, path: str, now: float = 0.0) -> Fault | None:
        """Use up one occurrence of the first fault that matches at a simulated time, seconds since the epoch."""
        with self._guard:
            self._pending = [(fault, left) for fault, left in self._pending if fault.until is None or fault.until > now]
            for index, (fault, left) in enumerate(self._pending):
                if fault.matches(method, host, path):
                    if left is not None and left <= 1:
                        del self._pending[index]
                    elif left is not None:
                        self._pending[index] = (fault, left - 1)
                    return fault
        return None
