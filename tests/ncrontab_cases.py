"""What the real host makes of a timer's schedule: one table, for the local host and for the product's own reading of it.

Measured on Microsoft.Azure.WebJobs.Extensions 3.0.6 on 2026-11-25, or read in NCrontab, of which it is made.
"""

from dataclasses import dataclass

AFTER = "2026-03-02T08:00:00"
"""A Monday. Occurrences are those after it, in UTC."""


@dataclass(frozen=True, slots=True)
class Case:
    """A schedule, and when it comes first and second after `AFTER`; None where it puts the function in error."""

    text: str
    first: str | None = None
    second: str | None = None
    span: bool = False
    """Whether it is a time span, which Azure takes in App Service plans alone."""


UNDERSTOOD = (
    Case("0 */10 * * * *", "2026-03-02T08:10:00", "2026-03-02T08:20:00"),
    Case("*/10 * * * *", "2026-03-02T08:10:00", "2026-03-02T08:20:00"),  # five fields: on the minute
    Case("0   */10 * * *  *", "2026-03-02T08:10:00", "2026-03-02T08:20:00"),
    Case("30 0 9 * * Mon-Fri", "2026-03-02T09:00:30", "2026-03-03T09:00:30"),
    Case("30 0 9 * * monday-FRI", "2026-03-02T09:00:30", "2026-03-03T09:00:30"),
    Case("0 0 0 * * t", "2026-03-03T00:00:00", "2026-03-10T00:00:00"),  # the first name that begins so: Tuesday
    Case("0 0 0 * * s", "2026-03-08T00:00:00", "2026-03-15T00:00:00"),  # Sunday, not Saturday
    Case("0 0 0 1 j *", "2027-01-01T00:00:00", "2028-01-01T00:00:00"),  # January, not June or July
    Case("0 0 0 1 ju *", "2026-06-01T00:00:00", "2027-06-01T00:00:00"),
    Case("0 0 22-3 * * *", "2026-03-02T09:00:00", "2026-03-02T10:00:00"),  # swapped: 3 to 22
    Case("0 0 0 * * fri-mon", "2026-03-03T00:00:00", "2026-03-04T00:00:00"),  # swapped: Monday to Friday
    Case("0 0 0 13 * 5", "2026-03-13T00:00:00", "2026-11-13T00:00:00"),  # both day fields must match
    Case("0 0 0 29 2 *", "2028-02-29T00:00:00", "2032-02-29T00:00:00"),
    Case("0 50/5 * * * *", "2026-03-02T08:50:00", "2026-03-02T08:55:00"),  # a value with a step: up to the end
    Case("0 10-20/5 * * * *", "2026-03-02T08:10:00", "2026-03-02T08:15:00"),
    Case("0 5,2-3 * * * *", "2026-03-02T08:02:00", "2026-03-02T08:03:00"),
    Case("0 007 * * * *", "2026-03-02T08:07:00", "2026-03-02T09:07:00"),
    Case("*/30 * * * * *", "2026-03-02T08:00:30", "2026-03-02T08:01:00"),
    Case("0 */0 * * * *", "2026-03-02T08:01:00", "2026-03-02T08:02:00"),  # read in NCrontab: less than one is one
    Case("00:30:00", "2026-03-02T08:30:00", "2026-03-02T09:00:00", span=True),
    Case("00:30", "2026-03-02T08:30:00", "2026-03-02T09:00:00", span=True),
    Case("1.00:00:00", "2026-03-03T08:00:00", "2026-03-04T08:00:00", span=True),
    Case("24:00:00", "2026-03-26T08:00:00", "2026-04-19T08:00:00", span=True),  # 24 days, not hours
    Case("2", "2026-03-04T08:00:00", "2026-03-06T08:00:00", span=True),  # days
)
"""Each with its first two occurrences."""

IN_ERROR = tuple(
    Case(text)
    for text in (
        *("", "often", "@hourly", "10 * * *", "0 0 0 0 * * *"),
        *("0 60 * * * *", "0 0 24 * * *", "0 0 0 0 * *", "0 0 0 32 * *", "0 0 0 * 13 *", "0 0 0 * 0 *"),
        "0 0 0 * * 7",  # no weekday: Sunday is 0 alone
        *("0 0 0 L * *", "0 0 0 ? * *", "0 0 0 * * 5#2", "0 0 0 15W * *"),
        *("0 */x * * * *", "0 */-1 * * * *", "0 ,5 * * * *", "0 5, * * * *", "0 -5 * * * *", "0 5- * * * *"),
        *("0 0 0 * * x", "0 0 0 * * mondays", "0 mon * * * *", "0\t*/10 * * * *"),
        *("25:61:00", "00:60:00", "24:00"),
    )
)
"""The real host does not know what these mean."""

NEVER = (Case("0 0 0 30 2 *"), Case("0 0 0 31 4,6,9,11 *"), Case("0 0 0 31 2-2 *"))
"""Understood, and yet the function is in error: the schedule never occurs."""
