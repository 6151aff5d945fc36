"""What may go wrong with a call, as faults of the wire."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from simulator.wire.exchanges import Exchange
from simulator.wire.faults import Fault, FaultKind

HOUR = 3_600.0
_GIVEN_UP = 100.0
"""Seconds. The longest of the calls, the update, is over by then."""
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}", re.IGNORECASE)
IDENTITY = "127.0.0.1"
"""The endpoint for tokens, an address without a name."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to go wrong."""

    name: str
    faults: Callable[[Exchange], Iterable[Fault]]
    """For a call as it was recorded; none if it cannot go wrong so."""
    lasts: float = 0.0
    """Simulated seconds, from just before the call. Without, it is for the call alone."""
    nameless: bool = False
    """Whether the name of the host leads nowhere meanwhile, in place of faults."""

    def fits(self, made: Exchange) -> bool:
        """Whether a call can go wrong so."""
        return made.host != IDENTITY if self.nameless else any(True for _ in self.faults(made))


def like(made: Exchange, kind: FaultKind, **fields: Any) -> Fault:
    """A fault of a call that was recorded. In another telling ids are others."""
    return Fault(kind=kind, method=made.method, host=made.host, path=_ID.sub("*", made.path), **fields)


def _once(name: str, kind: FaultKind, **fields: Any) -> Kind:
    return Kind(name, lambda made: [like(made, kind, **fields)])


def _in_turn(made: Exchange) -> Iterable[Fault]:
    return [like(made, FaultKind.ANSWER, status=status) for status in (500, 502, 503, 504)]


def _away(made: Exchange) -> Iterable[Fault]:
    return [Fault(kind=FaultKind.ANSWER, host=made.host, times=None)]


def _circle(made: Exchange) -> Iterable[Fault]:
    if made.method != "GET" or b'"value"' not in made.response_body:
        return []
    if ".table." in made.host:
        place = {"x-ms-continuation-NextPartitionKey": "a", "x-ms-continuation-NextRowKey": "b"}
        return [like(made, FaultKind.REPLACED_HEADERS, headers=place, times=None)]
    link = f"https://{made.host}{made.path}?{made.query}"
    body = json.dumps({"value": [], "nextLink": link}).encode()
    return [like(made, FaultKind.REPLACED_BODY, body=body, times=None)]


KINDS = (
    _once("reset before", FaultKind.RESET),
    _once("reset after", FaultKind.RESET_AFTER),
    _once("timeout before", FaultKind.HANG, seconds=_GIVEN_UP),
    _once("timeout after", FaultKind.HANG_AFTER, seconds=_GIVEN_UP),
    _once("429", FaultKind.ANSWER, status=429),
    _once("429 with Retry-After", FaultKind.ANSWER, status=429, headers={"Retry-After": "100"}),
    Kind("500, 502, 503, 504 in turn", _in_turn),
    Kind("an hour away", _away, HOUR),
    Kind("an hour without DNS", lambda _: (), HOUR, nameless=True),
    _once("empty body", FaultKind.EMPTY_BODY),
    _once("half a body", FaultKind.TRUNCATED_BODY),
    _once("HTML", FaultKind.REPLACED_BODY, body=b"<html><body>Bad gateway</body></html>"),
    _once("drip", FaultKind.DRIP),
    _once("drip without end", FaultKind.DRIP, seconds=_GIVEN_UP),
    Kind("pages in a circle", _circle, HOUR),
)
