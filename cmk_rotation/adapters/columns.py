"""The values of a table's columns: written as JSON has them, and believed only if they are what they should be."""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from cmk_rotation.domain.instants import from_iso, iso

type Row = Mapping[str, object]

LONGEST_TEXT = 16 * 1024
"""Characters. A string property ends at 64 KiB of UTF-16, where a character takes two bytes or four."""
_MOST_TIMES = 9_999
_SURROGATE = re.compile("[\ud800-\udfff]")


def row(**columns: object) -> Row:
    """A row of all that is known: what is not has no column."""
    return {name: column(value) for name, value in columns.items() if value not in (None, "")}


def column(value: object) -> object:
    """A value as a column holds it."""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, datetime):
        return iso(value, "microseconds")
    return _SURROGATE.sub("�", value)[:LONGEST_TEXT] if isinstance(value, str) else value


def text(row: Row, name: str) -> str | None:
    """A text; None if there is none."""
    value = row.get(name)
    return value if isinstance(value, str) and value else None


def time(row: Row, name: str) -> datetime | None:
    """A time, in UTC; None if there is none that makes sense."""
    return from_iso(row.get(name))


def count(row: Row, name: str) -> int:
    """A number of times. One that nobody can have counted to would only overflow the column when it is counted on."""
    value = row.get(name)
    return min(max(value, 0), _MOST_TIMES) if isinstance(value, int) and not isinstance(value, bool) else 0


def word[W: StrEnum](row: Row, name: str, words: type[W]) -> W | None:
    """A word of a vocabulary; None if it is none of it."""
    value = row.get(name)
    return words(value) if isinstance(value, str) and value in set(words) else None
