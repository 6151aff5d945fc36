"""The functions and operators of the Kusto language that the queries of this repository use, in Python."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any


def _null_in_null_out(work: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *values: None if any(value is None for value in values) else work(*values)


def _equal(one: Any, other: Any) -> bool | None:
    """Of two nulls nobody knows; one null is no other value ("null values" in the language's reference)."""
    return None if one is None and other is None else one == other


def _not_equal(one: Any, other: Any) -> bool | None:
    return None if one is None and other is None else one != other


def place(value: Any) -> tuple[bool, Any]:
    """For sorting: null comes before everything else."""
    return (value is not None, value)


def less(one: Any, other: Any) -> bool:
    """Whether one value is less than another; null is less than any."""
    return other is not None and (one is None or one < other)


def element(whole: Any, at: int) -> Any:
    """One of a list, counted from the end if negative; null if there is none."""
    return whole[at] if isinstance(whole, list) and -len(whole) <= at < len(whole) else None


@cache
def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def tostring(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return str(value).lower()
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
        case list() | dict():
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        case _:
            return str(value)


def _todatetime(value: Any) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def _number(value: Any, kind: Callable[[Any], Any]) -> Any:
    try:
        return None if value is None or value == "" else kind(value)
    except (TypeError, ValueError):
        return None


def _format_datetime(at: datetime | None, form: str) -> str:
    assert form == "yyyy-MM-dd", form
    return at.strftime("%Y-%m-%d") if at is not None else ""


def _bin(at: datetime | None, size: timedelta) -> datetime | None:
    start = datetime(1970, 1, 1, tzinfo=UTC)
    return None if at is None else at - (at - start) % size


def _coalesce(*values: Any) -> Any:
    return next((value for value in values if value not in (None, "")), values[-1])


def _set_has_element(items: Any, item: Any) -> bool | None:
    return item in items if isinstance(items, list) else None


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "array_length": lambda items: len(items) if isinstance(items, list) else None,
    "bin": _bin,
    "coalesce": _coalesce,
    "format_datetime": _format_datetime,
    "isempty": lambda value: value is None or value == "",
    "isnotempty": lambda value: value is not None and value != "",
    "isnotnull": lambda value: value is not None,
    "isnull": lambda value: value is None,
    "not": _null_in_null_out(lambda value: not value),
    "parse_json": _parse_json,
    "round": _null_in_null_out(round),
    "set_has_element": _set_has_element,
    "split": lambda text, at: text.split(at),
    "strcat": lambda *parts: "".join(map(tostring, parts)),
    "todatetime": _todatetime,
    "todouble": lambda value: _number(value, float),
    "toint": lambda value: _number(value, int),
    "tolower": lambda text: tostring(text).lower(),
    "tostring": tostring,
}
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "AndExpression": lambda one, other: one is True and other is True,
    "OrExpression": lambda one, other: one is True or other is True,
    "AddExpression": _null_in_null_out(lambda one, other: one + other),
    "ContainsExpression": lambda text, part: part.lower() in text.lower(),
    "DivideExpression": _null_in_null_out(lambda one, other: one / other),
    "EqualExpression": _equal,
    "EqualTildeExpression": lambda one, other: one.lower() == other.lower(),
    "GreaterThanExpression": _null_in_null_out(lambda one, other: one > other),
    "GreaterThanOrEqualExpression": _null_in_null_out(lambda one, other: one >= other),
    "LessThanExpression": _null_in_null_out(lambda one, other: one < other),
    "NotEqualExpression": _not_equal,
    "StartsWithCsExpression": lambda text, start: text.startswith(start),
    "StartsWithExpression": lambda text, start: text.lower().startswith(start.lower()),
    "SubtractExpression": _null_in_null_out(lambda one, other: one - other),
}


def _known(rows: list[Any], value: Callable[[Any], Any]) -> list[Any]:
    return [found for row in rows if (found := value(row)) is not None]


def _make_set(rows: list[Any], value: Callable[[Any], Any], most: Callable[[Any], int] | None = None) -> list[Any]:
    found = list(dict.fromkeys(_known(rows, value)))
    return found[: most({})] if most else found


def _percentile(rows: list[Any], value: Callable[[Any], Any], share: Callable[[Any], int]) -> Any:
    found = sorted(_known(rows, value))
    return found[max(math.ceil(share({}) / 100 * len(found)) - 1, 0)] if found else None


AGGREGATES: dict[str, Callable[..., Any]] = {
    "count": len,
    "dcount": lambda rows, value: len(set(_known(rows, value))),
    "make_set": _make_set,
    "max": lambda rows, value: max(_known(rows, value), default=None),
    "min": lambda rows, value: min(_known(rows, value), default=None),
    "percentile": _percentile,
}
