"""The rows that say who pins a key version, and back: a partition for each version, a row for each cluster or account in it.

They are no record: they may be deleted at any time, and reconcile writes again what is missing. So "who else pins this
version?" reads as many rows as there are answers, however large the fleet and however old the record.
"""

from collections.abc import Mapping

from cmk_rotation.controller.ports import Pinner
from cmk_rotation.domain.cluster_record import Pin
from cmk_rotation.domain.identifiers import ClusterId, Key, StorageId

_SCHEME = "https:||"
"""How the partition of a version begins: its id, but a key of the table must not hold slashes."""


def partition(pin: Pin) -> str:
    """The partition of a key version."""
    return f"{_SCHEME}{pin.key.vault}|keys|{pin.key.name}|{pin.version}"


def row_key(who: Pinner) -> str:
    """The row key of a cluster or account. It sorts before `~`, so that whoever reads all but history reads these as well."""
    return who.key.replace("/", "|")


def from_pin(who: Pinner, pin: Pin) -> Mapping[str, str]:
    """The row of a pin."""
    column = "clusterId" if isinstance(who, ClusterId) else "resourceId"
    return {"PartitionKey": partition(pin), "RowKey": row_key(who), column: who.text}


def to_pin(row: Mapping[str, object]) -> tuple[Pinner, Pin] | None:
    """The pin that a row holds; None if it is another kind of row."""
    scheme, _, rest = str(row.get("PartitionKey")).partition(_SCHEME)
    parts = rest.split("|")
    if scheme or len(parts) != 4 or parts[1] != "keys":  # noqa: PLR2004 - vault, "keys", name, version
        return None
    key, who = Key.of(parts[0], parts[2]), _who(str(row.get("RowKey")).replace("|", "/"))
    as_written = _who(row.get("clusterId") or row.get("resourceId"))
    if key is None or who is None:
        return None
    return as_written if as_written == who else who, Pin(key, parts[3])


def _who(text: object) -> Pinner | None:
    return ClusterId.parse(text) or StorageId.parse(text)
