"""What happens in the playground, one line each: events, visits, updates, clusters, faults."""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from simulator.wire.exchanges import Exchange
from simulator.wire.faults import FaultKind

_VERSION = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{24}\b")
_TOLD = {"key.changed", "update.sent", "update.refused", "update.overdue", "rotation.finished", "cluster.attention"}
_TOLD |= {
    "visit.decided",
    "cluster.recovered",
    "key.expiring",
    "old-version.disabled-early",
    "visit.lost",
    "visit.failed",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened."""

    number: int
    at: str
    """Simulated time, UTC."""
    source: str
    """Who tells of it: `app`, `events`, `cluster`, `storage`, `fault`, `story`."""
    text: str
    bad: bool = False

    def to_json(self) -> dict[str, Any]:
        """For the control surface."""
        return asdict(self)


class Feed:
    """The lines so far; may be written to and read from any thread."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lines: list[Line] = []
        self._changed = threading.Condition()

    def say(self, source: str, text: str, *, bad: bool = False) -> None:
        """Add a line."""
        short = _VERSION.sub(r"\1", text)
        with self._changed:
            self._lines.append(Line(len(self._lines), f"{self._now():%Y-%m-%d %H:%M:%S}", source, short, bad))
            self._changed.notify_all()

    def after(self, number: int) -> list[Line]:
        """The lines from a number on."""
        with self._changed:
            return self._lines[number:]

    def wait(self, number: int, seconds: float) -> list[Line]:
        """The lines from a number on; waits for one for up to so many real seconds."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._lines) > number, seconds)
            return self._lines[number:]


def told(line: dict[str, Any]) -> tuple[str, bool] | None:
    """What a line of the function log says to someone who watches, and whether it is bad news."""
    message = str(line["message"])
    if not message.startswith('{"event"'):
        return None
    fields = json.loads(message)
    if fields["event"] not in _TOLD:
        return None
    said = str(fields.get("message") or "")
    name = str(fields.get("clusterId") or fields.get("keyName") or "").rsplit("/", 1)[-1]
    text = f"{fields['event']} {fields.get('reason') or ''} {'' if name in said else name} {said}"
    bad = line["level"] in {"Warning", "Error", "Critical"}
    if until := fields.get("keepOldVersionUntil"):
        text += f"; keep the old version enabled until {until} at least"
    if bad and fields.get("remedy"):
        text += f". What to do: {fields['remedy']}"
    return re.sub(" +", " ", text).strip(), bad


def asked(exchange: Exchange) -> str:
    """A request that met a fault, as `fault` would name it, and what became of it."""
    where, status = f"{exchange.host}{exchange.path}", exchange.status
    named = next(filter(None, (pattern.search(where) for pattern in _NAMED_IN)), None)
    name = named[1] if named else "operations" if _OF_AN_OPERATION in where.lower() else where
    came = _CAME_OF_IT.get(exchange.fault, "{status}") if exchange.fault else "{status}"
    return f"{exchange.method} {name}: {came.format(status=status)}"


_NAMED_IN = (
    re.compile(r"/clusters/([^/]+)$", re.IGNORECASE),
    re.compile(r"^([^/.]+)\.(?:vault|managedhsm)\.", re.IGNORECASE),
)
_OF_AN_OPERATION = "/operation"
_CAME_OF_IT = {
    FaultKind.DELAY: "{status}, late",
    FaultKind.HANG: "no answer, and then cut off",
    FaultKind.RESET: "cut off",
    FaultKind.HANG_AFTER: "applied ({status}), no answer, and then cut off",
    FaultKind.RESET_AFTER: "applied ({status}), and the answer lost",
    FaultKind.EMPTY_BODY: "{status} with an empty body",
    FaultKind.TRUNCATED_BODY: "{status} with half a body",
    FaultKind.REPLACED_BODY: "{status} with another body",
    FaultKind.REPLACED_HEADERS: "{status} with other headers",
}


class Tail:
    """A file of JSON lines that grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[dict[str, Any]]:
        """The whole lines that are new."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            text, _, _ = file.read().rpartition(b"\n")
        self._offset += len(text) + 1 if text else 0
        return [json.loads(line) for line in text.split(b"\n")] if text else []
