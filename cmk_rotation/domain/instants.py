"""Times as text: ISO 8601 in UTC with `Z`, wherever the product writes one."""

from datetime import UTC, datetime


def iso(at: datetime, precision: str = "milliseconds") -> str:
    """A time as text. One that lost its zone counts as UTC, as everything here is."""
    utc = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return utc.isoformat(timespec=precision).removesuffix("+00:00") + "Z"


def from_iso(text: object) -> datetime | None:
    """A time that was written down, in UTC; None if that makes no sense, or names no zone."""
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
        return at.astimezone(UTC) if at is not None and at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
