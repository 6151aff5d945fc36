"""The typed values of Table Storage, and their JSON.

Sources: "Understanding the Table service data model" and "Payload format for Table service operations".
"""

import base64
import binascii
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from simulator.storage.errors import StorageError, invalid_input

type Value = str | int | float | bytes | UUID


class Edm(StrEnum):
    """The property types."""

    BINARY = "Edm.Binary"
    BOOLEAN = "Edm.Boolean"
    DATETIME = "Edm.DateTime"
    DOUBLE = "Edm.Double"
    GUID = "Edm.Guid"
    INT32 = "Edm.Int32"
    INT64 = "Edm.Int64"
    STRING = "Edm.String"


_PAYLOAD_BYTES = 64 * 1024
_FIXED_SIZES = {Edm.BOOLEAN: 1, Edm.DATETIME: 8, Edm.DOUBLE: 8, Edm.GUID: 16, Edm.INT32: 4, Edm.INT64: 8}
_INFERRED = frozenset({Edm.BOOLEAN, Edm.DOUBLE, Edm.INT32, Edm.STRING})

_ORIGIN = datetime(1, 1, 1, tzinfo=UTC)
_TICKS = 10**7
_OLDEST = datetime(1601, 1, 1, tzinfo=UTC)
_DATETIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?")


@dataclass(frozen=True, slots=True)
class Property:
    """A value and its type. A DateTime is an int: 100 ns ticks since the year 1, UTC."""

    type: Edm
    value: Value

    @property
    def size(self) -> int:
        """Bytes it takes in an entity, by the formula in the data model's description."""
        match self.value:
            case str() as text:
                return 4 + utf16_bytes(text)
            case bytes() as data:
                return 4 + len(data)
        return _FIXED_SIZES[self.type]


def ticks(moment: datetime) -> int:
    """A time as Table Storage counts it."""
    return (moment - _ORIGIN) // timedelta(microseconds=1) * 10


def from_ticks(count: int) -> datetime:
    """A time of Table Storage, cut to microseconds, in UTC."""
    return _ORIGIN + timedelta(microseconds=count // 10)


def read_datetime(text: str) -> int:
    """Ticks of an ISO 8601 time; one without a zone is UTC."""
    found = _DATETIME.fullmatch(text)
    if not found:
        raise invalid_input(f"'{text}' is not an Edm.DateTime.")
    whole, fraction, zone = found.groups(default="")
    try:
        moment = datetime.fromisoformat(whole + (zone or "Z")).astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid_input(f"'{text}' is not an Edm.DateTime.") from None
    if moment < _OLDEST:
        raise StorageError(400, "OutOfRangeInput", f"The time '{text}' is out of range.")
    return ticks(moment) + int(fraction[:7].ljust(7, "0"))


def write_datetime(count: int) -> str:
    """ISO 8601 with up to seven digits of fraction."""
    seconds, fraction = divmod(count, _TICKS)
    whole = (_ORIGIN + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    return f"{whole}.{fraction:07}".rstrip("0").rstrip(".") + "Z"


def read_property(name: str, value: object, annotation: object) -> Property:
    """Understand one JSON value, with the type that its `@odata.type` claims."""
    try:
        edm = _inferred(value) if annotation is None else Edm(str(annotation))
        found = Property(edm, _read(edm, value))
    except (TypeError, ValueError, binascii.Error):
        raise invalid_input(f"An error occurred while processing this request: property '{name}'.") from None
    too_long = isinstance(found.value, str | bytes) and found.size - 4 > _PAYLOAD_BYTES
    if too_long:
        message = "The property value exceeds the maximum allowed size (64KB). If the property value is a string, it is"
        raise StorageError(400, "PropertyValueTooLarge", message + " UTF-16 encoded: at most 32K characters.")
    return found


def write_property(name: str, found: Property, *, annotate: bool) -> dict[str, object]:
    """The JSON members for one property; types that a reader can infer are not annotated."""
    written = _write(found)
    if annotate and (found.type not in _INFERRED or (found.type is Edm.DOUBLE and isinstance(written, str))):
        return {f"{name}@odata.type": found.type.value, name: written}
    return {name: written}


def plain(found: Property) -> object:
    """A property's value in Python's own types."""
    if found.type is Edm.DATETIME and isinstance(found.value, int):
        return from_ticks(found.value)
    return found.value


def utf16_bytes(text: str) -> int:
    """How long a string is as Table Storage counts it."""
    return len(text.encode("utf-16-le", "surrogatepass"))


def _inferred(value: object) -> Edm:
    match value:
        case bool():
            return Edm.BOOLEAN
        case int():
            return Edm.INT32
        case float():
            return Edm.DOUBLE
        case str():
            return Edm.STRING
    raise TypeError(value)


def _read(edm: Edm, value: object) -> Value:
    match edm, value:
        case Edm.STRING, str():
            return value
        case Edm.BOOLEAN, bool():
            return value
        case _, bool():
            raise TypeError(value)
        case Edm.INT32, int():
            return _in_range(value, 32)
        case Edm.INT64, str() | int():
            return _in_range(int(value), 64)
        case Edm.DOUBLE, int() | float() | str():
            return float(value)
        case Edm.DATETIME, str():
            return read_datetime(value)
        case Edm.GUID, str():
            return UUID(value)
        case Edm.BINARY, str():
            return base64.b64decode(value, validate=True)
    raise TypeError(value)


def _in_range(value: int, bits: int) -> int:
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise ValueError(value)
    return value


def _write(found: Property) -> object:
    match found.type, found.value:
        case Edm.DATETIME, int() as count:
            return write_datetime(count)
        case Edm.INT64, int() as number:
            return str(number)
        case Edm.DOUBLE, float() as number if math.isnan(number):
            return "NaN"
        case Edm.DOUBLE, float() as number if math.isinf(number):
            return "Infinity" if number > 0 else "-Infinity"
        case _, UUID() as guid:
            return str(guid)
        case _, bytes() as data:
            return base64.b64encode(data).decode()
        case _, value:
            return value
