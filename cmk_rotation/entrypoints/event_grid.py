"""What Key Vault says through Event Grid: a key changed, or something that is not for us.

Both schemas are read (Event Grid's own and CloudEvents 1.0), without regard to the case of field names and with stray
blanks removed: such events have been seen (azure-docs issue 78126, and Microsoft's own sample). An event is a hint.
Its version is logged and never applied; its vault is compared and never called.
"""

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from cmk_rotation.domain.identifiers import Key
from cmk_rotation.domain.redaction import one_line

_KEY_EVENTS = "microsoft.keyvault.key"
"""KeyNewVersionCreated, KeyNearExpiry, KeyExpired, and any key event to come (Event Grid schema of Key Vault)."""


@dataclass(frozen=True, slots=True)
class KeyChanged:
    """Something happened to a key: reason enough to look."""

    key: Key
    event_type: str
    event_id: str | None
    version: str | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ignored:
    """A proper event, but none of ours."""

    why: str
    event_id: str | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not understood; another delivery would not be either."""

    why: str
    event_id: str | None = None


def parse(payload: str) -> KeyChanged | Ignored | Rejected:
    """Read one event, as the Functions host hands it over."""
    try:
        event = _fields(json.loads(payload))
    except (ValueError, RecursionError):
        return Rejected("the event is not JSON")
    if event is None:
        return Rejected("the event is not a JSON object")
    event_id = _event_id(event.get("id"))
    event_type = _text(event.get("type" if "specversion" in event else "eventtype"))
    if event_type is None:
        return Rejected("the event has no type", event_id)
    if not event_type.lower().startswith(_KEY_EVENTS):
        return Ignored(f"events of type {event_type} do not concern keys", event_id)
    data = _data(event)
    if data is None:
        return Rejected("the event has no data", event_id)
    object_type = _text(data.get("objecttype"))
    if object_type is not None and object_type.lower() != "key":
        return Ignored(f"the event is about a {object_type}, not a key", event_id)
    key, version = _key(data)
    if key is None:
        return Rejected("the event's Id is not the id of a key", event_id)
    return KeyChanged(key, event_type, event_id, version or _text(data.get("version")), _epoch(data.get("exp")))


def _fields(value: object) -> dict[str, Any] | None:
    """An object with its field names in one form; of two names that become the same, the first counts."""
    if not isinstance(value, Mapping):
        return None
    fields: dict[str, Any] = {}
    for name, field in value.items():
        fields.setdefault(str(name).strip().lower(), field)
    return fields


def _data(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """The event's data, which may also come as JSON in a string, or, in a CloudEvent, in base64."""
    data = event.get("data")
    try:
        if data is None and isinstance(event.get("data_base64"), str):
            data = b64decode(event["data_base64"], validate=True).decode()
        return _fields(json.loads(data) if isinstance(data, str) else data)
    except (ValueError, RecursionError):
        return None


def _key(data: Mapping[str, Any]) -> tuple[Key | None, str | None]:
    """The key in an id such as `https://contoso.vault.azure.net/keys/la-cmk/0123…`, and its version."""
    text = _text(data.get("id"))
    if text is None:
        return None, None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None, None
    path = parts.path.strip("/").split("/")
    if parts.scheme != "https" or len(path) not in {2, 3} or path[0].lower() != "keys":
        return None, None
    version = path[2] if len(path) == 3 else None  # noqa: PLR2004 - keys/name/version
    return Key.of(f"https://{parts.netloc}", path[1]), version


def _text(value: object) -> str | None:
    """A non-empty string without the blanks around it."""
    return value.strip() or None if isinstance(value, str) else None


def _event_id(value: object) -> str | None:
    """The event's id, short enough for a queue message: a forged one may be a megabyte long."""
    text = _text(value)
    return one_line(text) or None if text is not None else None


def _epoch(value: object) -> datetime | None:
    """A time in epoch seconds, which the specification makes a number and real events a string or null."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, OverflowError, OSError):
        return None
