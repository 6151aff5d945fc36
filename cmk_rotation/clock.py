"""The one place that knows time: reads the time of day, and lets time pass."""

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def sleep(seconds: float) -> None:
    """Do nothing for a while."""
    time.sleep(seconds)
