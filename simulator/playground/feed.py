"""What happens in the playground, one line each: events, visits, updates, clusters, faults."""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

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
    """Simulated time of day, UTC."""
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
            self._lines.append(Line(len(self._lines), f"{self._now():%H:%M:%S}", source, short, bad))
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
    return re.sub(" +", " ", text).strip(), line["level"] in {"Warning", "Error", "Critical"}


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
