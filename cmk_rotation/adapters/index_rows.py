"""The rows that say who pins a key version, and back: a partition for each version, a row for each cluster in it.

They are no record: they may be deleted at any time, and reconcile writes again what is missing. So "who else pins this
version?" reads as many rows as there are answers, however large the fleet and however old the record.
"""

from collections.abc import Mapping

from cmk_rotation.adapters.rotations_rows import partition as of_cluster
from cmk_rotation.domain.cluster_record import Pin
from cmk_rotation.domain.identifiers import ClusterId, Key

_SCHEME = "https:||"
"""How the partition of a version begins: its id, but a key of the table must not hold slashes."""


def partition(pin: Pin) -> str:
    """The partition of a key version."""
    return f"{_SCHEME}{pin.key.vault}|keys|{pin.key.name}|{pin.version}"


def row_key(cluster_id: ClusterId) -> str:
    """The row key of a cluster. It sorts before `~`, so that whoever reads all but history reads these as well."""
    return of_cluster(cluster_id)


def from_pin(cluster_id: ClusterId, pin: Pin) -> Mapping[str, str]:
    """The row of a pin."""
    return {"PartitionKey": partition(pin), "RowKey": row_key(cluster_id), "clusterId": cluster_id.text}


def to_pin(row: Mapping[str, object]) -> tuple[ClusterId, Pin] | None:
    """The pin that a row holds; None if it is another kind of row."""
    scheme, _, rest = str(row.get("PartitionKey")).partition(_SCHEME)
    parts = rest.split("|")
    if scheme or len(parts) != 4 or parts[1] != "keys":  # noqa: PLR2004 - vault, "keys", name, version
        return None
    key, cluster_id = Key.of(parts[0], parts[2]), ClusterId.parse(str(row.get("RowKey")).replace("|", "/"))
    as_written = ClusterId.parse(row.get("clusterId"))
    if key is None or cluster_id is None:
        return None
    return as_written if as_written == cluster_id else cluster_id, Pin(key, parts[3])
