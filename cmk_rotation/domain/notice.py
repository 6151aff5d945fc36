"""What was said of something that has no row of its own, so that it is not said again before its time."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class NoticeKind(StrEnum):
    """What a notice is about."""

    UNREADABLE_CLUSTER = "unreadable-cluster"
    """An entry in the list of a scope."""
    FAILED_SCOPE = "failed-scope"
    """A scope that cannot be listed, or that holds nothing."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A line that is said on change and then daily."""

    kind: NoticeKind
    subject: str
    """What it is about, as the line names it."""
    message: str
    since: datetime
    """When this trouble began."""
    said_at: datetime | None
    """When it was said last; None once it is over."""
    etag: str | None = None
