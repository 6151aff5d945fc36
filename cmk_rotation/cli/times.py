"""Times and durations as people read them."""

from collections.abc import Callable
from datetime import datetime, timedelta

type Clock = Callable[[datetime | None], str | None]
"""How a time is written; None for one that is not known."""


def minute(time: datetime | None) -> str | None:
    """A time as people read it, UTC."""
    return f"{time:%Y-%m-%d %H:%M}Z" if time else None


def minute_and_ago(now: datetime) -> Clock:
    """The same, with how long ago or from when on; for whoever looks at it now."""

    def written(time: datetime | None) -> str | None:
        return f"{minute(time)} ({ago(now, time)})" if time else None

    return written


def ago(now: datetime, time: datetime) -> str:
    """How long ago a time was, or in how long it will be."""
    away = abs(now - time)
    if away < timedelta(minutes=1):
        return "now"
    near = span(away, units=1)
    return f"in {near}" if time > now else f"{near} ago"


def span(duration: timedelta, units: int = 2) -> str:
    """A duration in the units that matter most."""
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next((index for index, (number, _) in enumerate(parts) if number), len(parts) - 1)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + units] if number) or "0 s"
