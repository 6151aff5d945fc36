"""The log: one JSON object per line, in the message itself.

The Functions host passes on only the formatted message of a log record; a logger's `extra` does not reach
Application Insights.
"""

import json
import logging
import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum

from cmk_rotation import clock
from cmk_rotation.domain.identifiers import ClusterId, Key, Scope
from cmk_rotation.domain.instants import iso
from cmk_rotation.domain.log_events import LogLine
from cmk_rotation.domain.redaction import one_line

_LOGGER = logging.getLogger("cmk_rotation")
_MORE = re.compile(r"and (\d+) more")
_FIRST = (
    "message",
    "remedy",
    "since",
    "clusterId",
    "vault",
    "keyName",
    "fromVersion",
    "toVersion",
    "stage",
    "reason",
    "operationId",
    "operationStatus",
    "attempt",
    "eventId",
    "correlationId",
)
"""The order in which a person reads a line. Fields that are not named here follow in alphabetical order."""
LONGEST_LINE = 16_000
"""Characters."""
LONGEST_REMEDY = 4_000
"""Characters. It is our own text, with commands that are of no use when they are cut."""
_SHORT = 40
"""Characters. What is no longer than that is not worth cutting."""
_ORDER = {name: place for place, name in enumerate(_FIRST)}


def write(line: LogLine, /) -> None:
    """Write one line. Fields that are None are left out, and no value, however odd, makes this fail.

    A line that calls for a person always says what is the matter, what to do and since when. Where a caller
    did not, the line says so rather than being lost.
    """
    if not _LOGGER.isEnabledFor(line.level):
        return
    now = clock.utc_now()
    known = {name: value for name, value in line.fields.items() if value is not None}
    if line.level >= logging.WARNING:
        honest = {"message": line.event.value, "remedy": "None is on record for this line.", "since": now}
        known = honest | known
    names = sorted(known.keys() - {"event", "at"}, key=lambda name: (_ORDER.get(name, len(_ORDER)), name))
    shown = {"event": line.event.value, "at": iso(now)} | {name: _shown(known[name]) for name in names}
    if isinstance(remedy := known.get("remedy"), str):
        shown["remedy"] = one_line(remedy, LONGEST_REMEDY)
    _LOGGER.log(line.level, "%s", _cut(shown))


def _cut(line: dict[str, object]) -> str:
    """The line as JSON, short enough: Azure cuts at 32,768, and half a line is no JSON.

    What is longest is cut first; and of more fields than fit, the last are left out.
    """
    while len(text := _json(line)) > LONGEST_LINE:
        name = max(line, key=lambda one: len(_json(line[one])))
        if len(_json(line[name])) > _SHORT:
            line = line | {name: _shorter(line[name])}
        else:
            line = dict(list(line.items())[: len(line) * 3 // 4])
    return text


def _shorter(value: object) -> object:
    """About half of a list or a text; of anything else, only how long it was."""
    match value:
        case [_, _, *_]:
            kept = value[: len(value) // 2]
            before = _MORE.fullmatch(str(value[-1]))
            more = len(value) - len(kept) + (int(before[1]) - 1 if before else 0)
            return [*kept, f"and {more} more"]
        case str():
            return value[: len(value) // 2] + "…"
        case _:
            return f"{len(_json(value))} characters"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _shown(value: object) -> object:
    """A value as JSON has it, whatever it is."""
    try:
        plain = _plain(value)
        json.dumps(plain)
    except Exception:  # noqa: BLE001 - a value that cannot be written must not cost the line it stands in
        return f"a {type(value).__name__} that cannot be shown"
    return plain


def _plain(value: object) -> object:
    match value:
        case Mapping():
            return {one_line(key): _plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
        case Enum():
            return _plain(value.value)
        case ClusterId() | Scope():
            return value.text
        case Key():
            return f"{value.vault}/{value.name}"
        case _:
            return _scalar(value)


def _scalar(value: object) -> object:
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case datetime():
            return iso(value)
        case timedelta():
            return value.total_seconds()
        case bytes():
            return f"{len(value)} bytes"
        case _:
            return one_line(value)
