"""`$filter`: the comparisons that Table Storage understands.

Source: "Querying tables and entities". A property stands on the left and a constant on the right. Comparing with a
property that an entity lacks, or that is of another type than the constant, is false: an Int64 needs its `L`.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.storage.edm import Edm, Property, read_property
from simulator.storage.errors import StorageError, invalid_input

type Lookup = Callable[[str], Property | None]
type Filter = Comparison | Both | Either | Not

_MOST_COMPARISONS = 15
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<bracket>[()])
      | (?P<prefix>datetime|guid|binary|X)?'(?P<quoted>(?:[^']|'')*)'
      | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?P<long>[lL]?)\b
      | (?P<word>[^\W\d]\w*)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A property against a constant."""

    name: str
    operator: str
    constant: Property


@dataclass(frozen=True, slots=True)
class Both:
    """`and`."""

    left: Filter
    right: Filter


@dataclass(frozen=True, slots=True)
class Either:
    """`or`."""

    left: Filter
    right: Filter


@dataclass(frozen=True, slots=True)
class Not:
    """`not`."""

    inner: Filter


def matches(condition: Filter, lookup: Lookup) -> bool:
    """Whether the thing whose properties `lookup` finds fulfils the condition."""
    match condition:
        case Comparison(name, compare, constant):
            found = lookup(name)
            if found is None or found.type is not constant.type:
                return False
            return _OPERATORS[compare](found.value, constant.value)
        case Both(left, right):
            return matches(left, lookup) and matches(right, lookup)
        case Either(left, right):
            return matches(left, lookup) or matches(right, lookup)
        case Not(inner):
            return not matches(inner, lookup)


def only_partition(condition: Filter) -> str | None:
    """The one partition that can have matches, if the condition says so: such a query need not look further."""
    match condition:
        case Comparison("PartitionKey", "eq", Property(value=str() as partition)):
            return partition
        case Both(left, right):
            found = only_partition(left)
            return only_partition(right) if found is None else found
    return None


def parse(text: str) -> Filter:
    """Read a `$filter`."""
    return _Parser(text).whole()


class _Parser:
    """Recursive descent; `not` binds closest, then `and`, then `or`."""

    def __init__(self, text: str) -> None:
        self._text = text.strip()
        self._position = 0
        self._comparisons = 0

    def whole(self) -> Filter:
        condition = self._either()
        if self._position != len(self._text):
            raise _syntax(self._text)
        return condition

    def _either(self) -> Filter:
        condition = self._both()
        while self._skip("or"):
            condition = Either(condition, self._both())
        return condition

    def _both(self) -> Filter:
        condition = self._single()
        while self._skip("and"):
            condition = Both(condition, self._single())
        return condition

    def _single(self) -> Filter:
        if self._skip("not"):
            return Not(self._single())
        if self._skip("("):
            condition = self._either()
            if not self._skip(")"):
                raise _syntax(self._text)
            return condition
        return self._comparison()

    def _comparison(self) -> Filter:
        self._comparisons += 1
        if self._comparisons > _MOST_COMPARISONS:
            raise invalid_input("A filter can have at most 15 comparisons.")
        name, compare, constant = self._next()["word"], self._next()["word"], self._next()
        if name is None or compare not in _OPERATORS:
            raise _syntax(self._text)
        return Comparison(name, compare, self._constant(constant))

    def _constant(self, token: re.Match[str]) -> Property:
        match token.groupdict():
            case {"quoted": str(quoted), "prefix": None}:
                return Property(Edm.STRING, quoted.replace("''", "'"))
            case {"quoted": str(quoted), "prefix": "datetime"}:
                return read_property("$filter", quoted, Edm.DATETIME)
            case {"quoted": str(quoted), "prefix": "guid"}:
                return read_property("$filter", quoted, Edm.GUID)
            case {"quoted": str(quoted)}:
                try:
                    return Property(Edm.BINARY, bytes.fromhex(quoted))
                except ValueError:
                    raise _syntax(self._text) from None
            case {"number": str(number), "long": "l" | "L"}:
                return read_property("$filter", number, Edm.INT64)
            case {"number": str(number)} if number.lstrip("-").isdigit():
                return read_property("$filter", int(number), Edm.INT32)
            case {"number": str(number)}:
                return Property(Edm.DOUBLE, float(number))
            case {"word": "true" | "false" as word}:
                return Property(Edm.BOOLEAN, word == "true")
        raise _syntax(self._text)

    def _next(self) -> re.Match[str]:
        token = _TOKEN.match(self._text, self._position)
        if token is None:
            raise _syntax(self._text)
        self._position = token.end()
        return token

    def _skip(self, wanted: str) -> bool:
        token = _TOKEN.match(self._text, self._position)
        if token is None or wanted not in (token["bracket"], token["word"]):
            return False
        self._position = token.end()
        return True


def _syntax(text: str) -> StorageError:
    return invalid_input(f"A syntax error was found in the filter '{text}'.")
