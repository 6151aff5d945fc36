"""Faults on the wire, written as people say them: `PATCH payments: 429 without Retry-After, then reset after applying`.

LINE      [METHOD] WHAT: FAULT, then FAULT, …
WHAT      a cluster, `vault/key`, a vault, ARM, operations, identity, queues, tables, or a glob for a path (with /) or host
FAULT     see UNDERSTOOD; each is for one request, or ends in `3 times`, `always` or `for 1 h`
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from simulator.playground.words import DURATION, NotUnderstoodError, count, seconds
from simulator.wire.faults import Fault, FaultKind

_METHODS = {"GET", "PATCH", "POST", "PUT", "DELETE", "*"}
_HANG_SECONDS = 600.0
_LETTERS = "*[a-z]*"
"""Every host but the loopback address, where the playground's own surface is."""
UNDERSTOOD = (
    "429 | 503 with Retry-After 120 | 429 without Retry-After | down",
    "reset | reset after applying | hang 5 min | hang after applying 5 min | delay 20 s",
    "empty body | truncated body | wrong-typed body | answer without HEADER",
    "and each of them for one request (`once`), `3 times`, `always` or `for 1 h`; more after `, then`",
)


@dataclass(frozen=True, slots=True)
class Target:
    """Which requests a name stands for."""

    host: str = _LETTERS
    path: str = "*"


def parse(line: str, names: Mapping[str, Target], now: float) -> tuple[Fault, ...]:
    """The faults that a line means, or NotUnderstoodError. `now` is in simulated seconds since the epoch."""
    what, colon, faults = line.partition(":")
    method, _, name = what.strip().rpartition(" ")
    if not colon or method.upper() not in {*_METHODS, ""}:
        raise NotUnderstoodError(f"'{line}' is not of the form [METHOD] WHAT: FAULT, then FAULT")
    target = names.get(name.lower()) or _glob(name, names)
    texts = [text.strip() for text in re.split(r",?\s+then\s+", faults)]
    if any(re.search(r"\balways$", text, re.IGNORECASE) for text in texts[:-1]):
        raise NotUnderstoodError("what comes after `always` would never come")
    about = f"{method.upper()} of {name}" if method not in {"", "*"} else f"request to {name}"
    host, path, method = target.host, target.path, method.upper() or "*"
    return tuple(
        replace(fault, said=f"{about} is {fault.said}", method=method, host=host, path=path)
        for fault in (_fault(text, now) for text in texts)
    )


def foretold(faults: tuple[Fault, ...], now: float) -> str:
    """What will come of them, as a sentence."""
    return "; then ".join(_when(fault, fault.times, now) for fault in faults)


def pending(faults: list[tuple[Fault, int | None]], now: float) -> list[str]:
    """The same of faults that are still to come, and of how many times each is."""
    return [_when(fault, left, now) for fault, left in faults if fault.until is None or fault.until > now]


def _when(fault: Fault, left: int | None, now: float) -> str:
    if fault.until is not None:
        return f"for {_span_text(fault.until - now)} each {fault.said}"
    if left is None:
        return f"each {fault.said}, until `clear`"
    return f"the next {fault.said}, {'once' if left == 1 else f'{left} times'}"


def _span_text(span: float) -> str:
    """A duration in the greatest unit of which there is one."""
    size, unit = next((pair for pair in ((86_400, "d"), (3_600, "h"), (60, "min")) if span >= pair[0]), (1, "s"))
    return f"{round(span / size, 1):g} {unit}"


def _glob(name: str, names: Mapping[str, Target]) -> Target:
    if "/" in name and "*" in name:
        return Target(path=name)
    if "*" in name or "." in name:
        return Target(host=name)
    raise NotUnderstoodError(f"there is no '{name}' here to send requests to; there are {', '.join(sorted(names))}")


def _fault(text: str, now: float) -> Fault:
    times: int | None = 1
    until, fault = None, text
    ends = rf"\s+(?:(?P<times>\d+) times|once|(?P<always>always)|for (?P<span>{DURATION}))$"
    if found := re.search(ends, text, re.IGNORECASE):
        fault = text[: found.start()]
        times = count(found["times"]) if found["times"] else None if found["always"] or found["span"] else 1
        until = now + seconds(found["span"]) if found["span"] else None
    for pattern, make in _PHRASES.items():
        if match := re.fullmatch(pattern, fault, re.IGNORECASE):
            return replace(make(match), times=times, until=until)
    known = "\n".join(f"  {line}" for line in UNDERSTOOD)
    raise NotUnderstoodError(f"'{fault}' is no fault of a request. Of requests is understood:\n{known}")


def _answer(match: re.Match[str]) -> Fault:
    status = int(match["status"])
    if not 300 <= status <= 599:
        why = "would say that it went well" if 200 <= status <= 299 else "is no answer of HTTP"
        raise NotUnderstoodError(f"{status} {why}; a fault answers 300 to 599")
    headers = {match["name"]: match["value"]} if match["name"] else {}
    with_ = f" with {match['name']} {match['value']}" if match["name"] else ""
    return _error(status, headers, f"answered {status}{with_}")


def _error(status: int, headers: Mapping[str, str], said: str) -> Fault:
    error = {"code": _CODES.get(status, "Error"), "message": f"The playground was told to answer {status}."}
    body = json.dumps({"error": error}).encode()
    return Fault(kind=FaultKind.ANSWER, status=status, headers=headers, body=body, said=said)


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


def _held(kind: FaultKind, said: str) -> Callable[[re.Match[str]], Fault]:
    """A fault that takes a while: `said` names how long."""

    def make(match: re.Match[str]) -> Fault:
        span = seconds(match["span"]) if match["span"] else _HANG_SECONDS
        return Fault(kind=kind, seconds=span, said=said.format(_span_text(span)))

    return make


def _plain(kind: FaultKind, said: str, body: bytes = b"") -> Callable[[re.Match[str]], Fault]:
    return lambda _: Fault(kind=kind, said=said, body=body)


_PHRASES: dict[str, Callable[[re.Match[str]], Fault]] = {
    r"(?P<status>\d{3})(?: without retry-after| with (?P<name>[\w-]+):? (?P<value>\S+))?": _answer,
    "down": lambda _: _error(503, {}, "answered 503"),
    "reset(?: before applying)?": _plain(FaultKind.RESET, "cut off before it takes effect"),
    "reset after applying": _plain(FaultKind.RESET_AFTER, "applied and its answer lost"),
    rf"hang(?: (?P<span>{DURATION}))?": _held(FaultKind.HANG, "left without an answer for {} and then cut off"),
    rf"hang after applying(?: (?P<span>{DURATION}))?": _held(
        FaultKind.HANG_AFTER, "applied, left without an answer for {} and then cut off"
    ),
    rf"delay (?:of )?(?P<span>{DURATION})": _held(FaultKind.DELAY, "served {} late"),
    "empty body": _plain(FaultKind.EMPTY_BODY, "answered with an empty body"),
    "truncated body": _plain(FaultKind.TRUNCATED_BODY, "answered with half a body"),
    "wrong-typed body": _plain(
        FaultKind.REPLACED_BODY, "answered with JSON of another type", b'["not", "what", "you", "expect"]'
    ),
    r"answer without (?P<name>[\w-]+)": lambda match: Fault(
        kind=FaultKind.REPLACED_HEADERS,
        headers={match["name"]: None},
        said=f"answered without the header {match['name']}",
    ),
}
