"""Faults on the wire, written as people say them: `PATCH payments: 429 without Retry-After, then reset after applying`.

LINE      [METHOD] WHAT: FAULT, then FAULT, …
WHAT      a cluster, `vault/key`, a vault, ARM, operations, identity, queues, tables, or a glob for a path (with /) or host
FAULT     429 | 503 with Retry-After 120 | down | reset | reset after applying | hang 5 min | hang after applying
| delay 20 s | empty body | truncated body | wrong-typed body | answer without Location
…         each may end in `3 times`, `always` or `for 1 h`
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from simulator.wire.faults import Fault, FaultKind

_UNITS = {
    "s": 1,
    "sec": 1,
    "seconds": 1,
    "min": 60,
    "minutes": 60,
    "h": 3_600,
    "hour": 3_600,
    "hours": 3_600,
    "d": 86_400,
}
DURATION = rf"\d+(?:\.\d+)? ?(?:{'|'.join(sorted(_UNITS, key=len, reverse=True))})\b"
NAME = r"[\w-]+"
_METHODS = {"GET", "PATCH", "POST", "PUT", "DELETE", "*"}
_HANG_SECONDS = 600.0
_LETTERS = "*[a-z]*"
"""Every host but the loopback address, where the playground's own surface is."""


class NotUnderstoodError(ValueError):
    """A line that says nothing known; the message says what would."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which requests a name stands for."""

    host: str = _LETTERS
    path: str = "*"


def seconds(text: str) -> float:
    """A duration such as `90 s`, `10 min`, `1 h`, `2 d`."""
    unit = text.lstrip("0123456789. ")
    return float(text.removesuffix(unit)) * _UNITS[unit]


def parse(line: str, names: Mapping[str, Target], now: float) -> tuple[Fault, ...]:
    """The faults that a line means, or NotUnderstoodError. `now` is in simulated seconds since the epoch."""
    what, colon, faults = line.partition(":")
    method, _, name = what.strip().rpartition(" ")
    if not colon or method.upper() not in {*_METHODS, ""}:
        raise NotUnderstoodError(f"'{line}' is not of the form [METHOD] WHAT: FAULT, then FAULT")
    target = names.get(name.lower()) or _glob(name, names)
    wanted = [text.strip() for text in re.split(r",?\s+then\s+", faults)]
    return tuple(
        replace(_fault(text, now), method=method.upper() or "*", host=target.host, path=target.path) for text in wanted
    )


def _glob(name: str, names: Mapping[str, Target]) -> Target:
    if "/" in name and "*" in name:
        return Target(path=name)
    if "*" in name or "." in name:
        return Target(host=name)
    raise NotUnderstoodError(f"there is no '{name}' here; there are {', '.join(sorted(names))}")


def _fault(text: str, now: float) -> Fault:
    times: int | None = 1
    until = None
    if found := re.search(rf"\s+(?:(?P<times>\d+) times|(?P<always>always)|for (?P<span>{DURATION}))$", text):
        text = text[: found.start()]
        times = int(found["times"]) if found["times"] else None
        until = now + seconds(found["span"]) if found["span"] else None
    for pattern, make in _PHRASES.items():
        if match := re.fullmatch(pattern, text, re.IGNORECASE):
            return replace(make(match), times=times, until=until)
    raise NotUnderstoodError(f"'{text}' is no fault; {_HELP}")


_HELP = "try 429, 503 with Retry-After 120, down, reset, reset after applying, hang 5 min, delay 20 s, empty body"


def _answer(match: re.Match[str]) -> Fault:
    headers = {match["name"]: match["value"]} if match["name"] else {}
    return _error(int(match["status"]), headers)


def _error(status: int, headers: Mapping[str, str]) -> Fault:
    error = {"code": _CODES.get(status, "Error"), "message": f"The playground was told to answer {status}."}
    body = json.dumps({"error": error}).encode()
    return Fault(kind=FaultKind.ANSWER, status=status, headers=headers, body=body)


_CODES = {
    400: "BadRequest",
    401: "AuthenticationFailed",
    403: "AuthorizationFailed",
    404: "ResourceNotFound",
    409: "Conflict",
    429: "TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}

_PHRASES: dict[str, Callable[[re.Match[str]], Fault]] = {
    r"(?P<status>[1-5]\d\d)(?: without retry-after| with (?P<name>[\w-]+):? (?P<value>\S+))?": _answer,
    "down": lambda _: _error(503, {}),
    "reset(?: before applying)?": lambda _: Fault(kind=FaultKind.RESET),
    "reset after applying": lambda _: Fault(kind=FaultKind.RESET_AFTER),
    rf"hang(?: (?P<span>{DURATION}))?": lambda match: Fault(kind=FaultKind.HANG, seconds=_span(match)),
    rf"hang after applying(?: (?P<span>{DURATION}))?": lambda match: Fault(
        kind=FaultKind.HANG_AFTER, seconds=_span(match)
    ),
    rf"delay (?:of )?(?P<span>{DURATION})": lambda match: Fault(kind=FaultKind.DELAY, seconds=_span(match)),
    "empty body": lambda _: Fault(kind=FaultKind.EMPTY_BODY),
    "truncated body": lambda _: Fault(kind=FaultKind.TRUNCATED_BODY),
    "wrong-typed body": lambda _: Fault(kind=FaultKind.REPLACED_BODY, body=b'["not", "what", "you", "expect"]'),
    r"answer without (?P<name>[\w-]+)": lambda match: Fault(
        kind=FaultKind.REPLACED_HEADERS, headers={match["name"]: None}
    ),
}


def _span(match: re.Match[str]) -> float:
    return seconds(match["span"]) if match["span"] else _HANG_SECONDS
