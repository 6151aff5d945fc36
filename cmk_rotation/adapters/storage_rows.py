"""Storage accounts that clusters' workspaces are linked to, as rows of the table `rotations`, and back.

Each lies in a partition of its own, its id's, as a cluster does. Reading believes nothing, as everywhere in the table.
"""

from cmk_rotation.adapters import columns
from cmk_rotation.adapters.columns import Row
from cmk_rotation.domain.azure_resources import AccountKey
from cmk_rotation.domain.cluster_record import LinkedStorage
from cmk_rotation.domain.identifiers import ClusterId, StorageId
from cmk_rotation.domain.vocabulary import Reason

ROW = "~account"
"""It sorts before a cluster's row, so that whoever reads all but history reads these as well."""


def from_storage(storage: LinkedStorage) -> Row:
    """The row of a storage account."""
    key = storage.account_key
    return columns.row(
        PartitionKey=_partition(storage.id),
        RowKey=ROW,
        resourceId=storage.id.text,
        clusters=",".join(one.text for one in storage.clusters),
        reason=storage.reason,
        since=storage.since,
        message=storage.message,
        remedy=storage.remedy,
        lookedAt=storage.looked_at,
        keyVaultUri=key.key_vault_uri if key else None,
        keyName=key.key_name if key else None,
        keyVersion=key.key_version if key else None,
        versionInUse=key.version_in_use if key else None,
        rotatedAt=key.rotated_at if key else None,
        newestVersion=storage.newest_version,
        calledFor=storage.called_for,
        calledAt=storage.called_at,
        calledSince=storage.called_since,
        said=storage.said,
        saidAt=storage.said_at,
    )


def to_storage(row: Row) -> LinkedStorage | None:
    """The storage account that a row is about; None if it is another kind of row, or leads to no cluster."""
    by_partition = StorageId.parse(str(row.get("PartitionKey")).replace("|", "/"))
    as_written = StorageId.parse(row.get("resourceId"))
    named = (ClusterId.parse(one) for one in (columns.text(row, "clusters") or "").split(","))
    clusters = tuple(one for one in named if one is not None)
    looked_at, reason = columns.time(row, "lookedAt"), columns.word(row, "reason", Reason)
    if row.get("RowKey") != ROW or by_partition is None or looked_at is None or reason is None:
        return None
    uri, name = columns.text(row, "keyVaultUri"), columns.text(row, "keyName")
    version, in_use = columns.text(row, "keyVersion"), columns.text(row, "versionInUse")
    rotated_at = columns.time(row, "rotatedAt")
    return LinkedStorage(
        id=as_written if as_written is not None and as_written == by_partition else by_partition,
        clusters=clusters,
        reason=reason,
        since=columns.time(row, "since") or looked_at,
        message=columns.text(row, "message") or "",
        remedy=columns.text(row, "remedy") or "",
        looked_at=looked_at,
        account_key=AccountKey(uri, name, version, in_use, rotated_at) if uri and name else None,
        newest_version=columns.text(row, "newestVersion"),
        called_for=columns.word(row, "calledFor", Reason),
        called_at=columns.time(row, "calledAt"),
        called_since=columns.time(row, "calledSince"),
        said=columns.text(row, "said"),
        said_at=columns.time(row, "saidAt"),
    )


def _partition(id_: StorageId) -> str:
    return id_.key.replace("/", "|")
