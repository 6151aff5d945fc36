"""The settings that are durations: numbers, which may be fractions."""

import math
import re
from collections.abc import Mapping
from datetime import timedelta

from cmk_rotation.domain.redaction import one_line
from cmk_rotation.domain.timing import Timing

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_LONGEST = timedelta(days=3650)
_LONGEST_POLL = timedelta(days=7)
"""Azure Storage hides a queue message for seven days at most."""


def timing_of(given: Mapping[str, str], problems: list[str]) -> Timing:
    """The durations that are set, each within its bounds."""
    usual = Timing()

    def span(name: str, unit: timedelta, default: timedelta, longest: timedelta = _LONGEST) -> timedelta:
        text = given.get(name, "").strip()
        if not text:
            return default
        number = float(text) if _NUMBER.fullmatch(text) else math.nan
        if not 0 < number <= longest / unit:
            problems.append(
                f"{name} is '{one_line(text)}': expected a number above 0 and up to {longest / unit:g}, such as "
                f"{default / unit:g}."
            )
            return default
        return max(number * unit, timedelta.resolution)

    second, hour, day = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
    timing = Timing(
        poll_floor=span("POLL_FLOOR_SECONDS", second, usual.poll_floor, _LONGEST_POLL),
        poll_ceiling=span("POLL_CEILING_SECONDS", second, usual.poll_ceiling, _LONGEST_POLL),
        retry_floor=span("RETRY_FLOOR_SECONDS", second, usual.retry_floor),
        retry_ceiling=span("RETRY_CEILING_SECONDS", second, usual.retry_ceiling),
        update_deadline=span("UPDATE_DEADLINE_HOURS", hour, usual.update_deadline),
        keep_old_version=span("KEEP_OLD_VERSION_HOURS", hour, usual.keep_old_version),
        expiry_warning=span("EXPIRY_WARNING_DAYS", day, usual.expiry_warning),
    )
    for name, floor, ceiling in (
        ("POLL", timing.poll_floor, timing.poll_ceiling),
        ("RETRY", timing.retry_floor, timing.retry_ceiling),
    ):
        if floor > ceiling:
            problems.append(
                f"{name}_FLOOR_SECONDS is {floor / second:g} and {name}_CEILING_SECONDS {ceiling / second:g}: expected "
                "the floor to be no higher than the ceiling."
            )
    return timing
