"""What was said of what has no row of its own, as rows of the table `rotations`, and back.

They lie in a partition of their own, which is no cluster's, under keys that sort behind those of clusters and rotations: whoever
reads these never meets them. Reading believes nothing, as everywhere in the table.
"""

import hashlib
from collections.abc import Mapping

from cmk_rotation.domain.instants import from_iso, iso
from cmk_rotation.domain.notice import Notice, NoticeKind

PARTITION = "~notices"


def from_notice(notice: Notice) -> Mapping[str, object]:
    """The row of a notice. Its key is made from what it is about, which may hold anything."""
    row = {
        "PartitionKey": PARTITION,
        "RowKey": f"~{notice.kind}|{hashlib.sha256(notice.subject.encode()).hexdigest()}",
        "kind": notice.kind.value,
        "subject": notice.subject,
        "message": notice.message,
        "since": iso(notice.since, "microseconds"),
        "saidAt": iso(notice.said_at, "microseconds") if notice.said_at else None,
    }
    return {name: value for name, value in row.items() if value is not None}


def to_notice(row: Mapping[str, object], etag: str | None) -> Notice | None:
    """The notice that a row holds, if it is one that could be said again."""
    kind, subject, message, since = (row.get(name) for name in ("kind", "subject", "message", "since"))
    began = from_iso(since)
    if not isinstance(subject, str) or kind not in set(NoticeKind) or began is None:
        return None
    said = message if isinstance(message, str) else ""
    return Notice(NoticeKind(str(kind)), subject, said, began, from_iso(row.get("saidAt")), etag)
