"""What rows and messages mean to the version whose package is on the path, how it writes them again, and its settings.

Run as a program of its own, by this version and by the one before: JSON in, JSON out.
"""

import dataclasses
import json
import sys
from datetime import UTC, datetime
from typing import Any

from cmk_rotation.adapters import index_rows, notice_rows, rotations_rows
from cmk_rotation.config.settings import SETTINGS
from cmk_rotation.domain import visit_message

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def understood(row: dict[str, Any]) -> tuple[str, Any, Any]:
    """Which kind of row it is, what it says, and the row written again."""
    if row["PartitionKey"] == notice_rows.PARTITION:
        notice = notice_rows.to_notice(row, None)
        return "notice", notice, notice and notice_rows.from_notice(notice)
    if pinned := index_rows.to_pin(row):
        return "pin", pinned, index_rows.from_pin(*pinned)
    cluster = rotations_rows.cluster_of(row)
    if cluster is None:
        return "none of this version's", None, None
    if row["RowKey"] == rotations_rows.STATUS_ROW:
        status = rotations_rows.to_status(row, cluster, None)
        return "cluster", status, rotations_rows.from_status(status)
    if step := rotations_rows.to_step(row, cluster):
        return "history", step, rotations_rows.from_step(step)
    rotation = rotations_rows.to_rotation(row, cluster, None)
    return "rotation", rotation, rotation and rotations_rows.from_rotation(rotation)


def main() -> None:
    """Read what is asked."""
    asked = json.load(sys.stdin)
    rows = [understood(row) for row in asked["rows"]]
    requests = [visit_message.from_text(text, NOW) for text in asked["messages"]]
    again = [one if isinstance(one, str) else visit_message.to_text(one) for one in requests]
    settings = {setting.name: setting.default for setting in SETTINGS}
    read = {"rows": rows, "messages": list(zip(requests, again, strict=True)), "settings": settings}
    json.dump(read, sys.stdout, default=_plain)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return sorted(value, key=str) if isinstance(value, frozenset) else value.isoformat()


if __name__ == "__main__":
    main()
