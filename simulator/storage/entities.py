"""Entities: their keys, their limits, their versions, and their JSON.

Source of the limits: "Understanding the Table service data model".
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from simulator.storage.edm import Edm, Property, plain, read_property, utf16_bytes, write_datetime, write_property
from simulator.storage.errors import StorageError, invalid_input

type Key = tuple[str, str]
"""PartitionKey and RowKey."""

BODY_BYTES = 4 * 1024 * 1024
"""The largest request, also the largest entity group transaction."""
_ENTITY_BYTES = 1024 * 1024
_KEY_BYTES = 1024
_MOST_PROPERTIES = 252
"""Besides the system's three, PartitionKey, RowKey and Timestamp."""
_NAME_CHARACTERS = 255
_SYSTEM = ("PartitionKey", "RowKey", "Timestamp")
_FORBIDDEN_IN_KEYS = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")
_IDENTIFIER = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Entity:
    """One version of an entity."""

    key: Key
    properties: Mapping[str, Property]
    changed: int
    """The Timestamp, in ticks; every change has its own."""

    @property
    def etag(self) -> str:
        """The version, as conditional requests name it."""
        return f"W/\"datetime'{quote(write_datetime(self.changed), safe='')}'\""

    def get(self, name: str) -> Property | None:
        """A property of the entity or of the system."""
        match name:
            case "PartitionKey":
                return Property(Edm.STRING, self.key[0])
            case "RowKey":
                return Property(Edm.STRING, self.key[1])
            case "Timestamp":
                return Property(Edm.DATETIME, self.changed)
        return self.properties.get(name)

    def to_json(self, *, annotate: bool, select: list[str] | None = None) -> dict[str, object]:
        """JSON members; a selected property that the entity lacks is null, as "Query Entities" has it."""
        members: dict[str, object] = {"odata.etag": self.etag} if annotate else {}
        for name in [*_SYSTEM, *self.properties] if select is None else select:
            found = self.get(name)
            if found is None:
                members[name] = None
            else:
                members |= write_property(name, found, annotate=annotate and name != "Timestamp")
        return members

    def to_dict(self) -> dict[str, Any]:
        """Everything in Python's own types."""
        every = {name: self.get(name) for name in [*_SYSTEM, *self.properties]}
        return {name: plain(found) for name, found in every.items() if found is not None}


def read_body(body: bytes) -> dict[str, Property]:
    """The properties that an entity's JSON sets: nulls set nothing, and what belongs to the system is left out."""
    if len(body) > BODY_BYTES:
        message = "The request body is too large and exceeds the maximum permissible limit."
        raise StorageError(413, "RequestBodyTooLarge", message)
    try:
        members = json.loads(body, object_pairs_hook=_without_repeats)
    except ValueError:
        raise invalid_input("An error occurred while processing this request: the body is not JSON.") from None
    if not isinstance(members, dict):
        raise invalid_input("An error occurred while processing this request: the body is not an object.")
    return {
        name: read_property(name, value, members.get(f"{name}@odata.type"))
        for name, value in members.items()
        if value is not None and "@odata." not in name and not name.startswith("odata.") and name != "Timestamp"
    }


def pop_key(properties: dict[str, Property]) -> Key:
    """Take the keys out of a body that must have them."""
    values = [properties.pop(name, None) for name in ("PartitionKey", "RowKey")]
    match values:
        case [Property(value=str() as partition), Property(value=str() as row)]:
            return partition, row
        case [None, _] | [_, None]:
            message = "The values are not specified for all properties in the entity."
            raise StorageError(400, "PropertiesNeedValue", message)
    raise invalid_input("An error occurred while processing this request: keys are strings.")


def check_key(key: Key) -> None:
    """Refuse a key that is too long or has a character that keys may not have."""
    for name, value in zip(("PartitionKey", "RowKey"), key, strict=True):
        if utf16_bytes(value) > _KEY_BYTES:
            message = f"The {name} exceeds the maximum allowed key size (1KB)."
            raise StorageError(400, "KeyValueTooLarge", message)
        if _FORBIDDEN_IN_KEYS.search(value):
            message = f"The '{name}' parameter of value '{value}' is out of range."
            raise StorageError(400, "OutOfRangeInput", message)


def check_entity(entity: Entity) -> None:
    """Refuse an entity that the data model does not allow."""
    check_key(entity.key)
    if len(entity.properties) > _MOST_PROPERTIES:
        message = "The entity contains more properties than allowed. Each entity can include up to 252 properties."
        raise StorageError(400, "TooManyProperties", message)
    for name in entity.properties:
        if len(name) > _NAME_CHARACTERS:
            raise StorageError(400, "PropertyNameTooLong", "The property name exceeds the maximum allowed length.")
        if not _IDENTIFIER.fullmatch(name):
            raise StorageError(400, "PropertyNameInvalid", "The property name is invalid.")
    size = 4 + sum(map(utf16_bytes, entity.key))
    size += sum(8 + utf16_bytes(name) + found.size for name, found in entity.properties.items())
    if size > _ENTITY_BYTES:
        raise StorageError(400, "EntityTooLarge", "The entity is larger than the maximum allowed size (1MB).")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise StorageError(400, "DuplicatePropertiesSpecified", "A property is specified more than one time.")
    return members
