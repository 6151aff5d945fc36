"""NCRONTAB, the grammar of the timer trigger: second, minute, hour, day, month, day of the week, in UTC.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions. What the host takes is
taken: five fields without the seconds, a setting's name between percent signs, a range written backwards. A time span is
not, for it works in App Service plans alone.
"""

import re
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from itertools import product

_NAMES = {
    "month": (
        *("january", "february", "march", "april", "may", "june"),
        *("july", "august", "september", "october", "november", "december"),
    ),
    "day of the week": ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"),
}
_FIELDS = {
    "second": range(60),
    "minute": range(60),
    "hour": range(24),
    "day": range(1, 32),
    "month": range(1, 13),
    "day of the week": range(7),
}
_SETTING = re.compile(r"%[^%]+%")
_NUMBER = r"\d{1,9}"  # the host's own end at 2³¹; Python's `int` raises over a text of thousands of digits
_VALUE = rf"{_NUMBER}|[a-z]+"
_ELEMENT = re.compile(rf"(?:(\*)|({_VALUE})(?:-({_VALUE}))?)(?:/({_NUMBER}))?", re.ASCII)
"""`*`, a value, or a range of values, each with a step or without."""
_LONGEST_MONTHS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


def problem_of(text: str) -> str | None:
    """What is wrong with a schedule, as the middle of a sentence; None if nothing is."""
    if _SETTING.fullmatch(text):
        return None
    texts = _split(text)
    if len(texts) not in {len(_FIELDS), len(_FIELDS) - 1}:
        return f"it has {len(texts)} instead of six fields"
    values = _read(texts)
    wrong = next((name for name, found in values.items() if not found), None)
    if wrong:
        return f"its {wrong} cannot be understood"
    # Every such day falls on each day of the week sooner or later, 29 February too.
    comes = any(day <= _LONGEST_MONTHS.get(month, 31) for month in values["month"] for day in values["day"])
    return None if comes else "it names a day that no month has, so it never comes"


def runs_before(text: str, moment: datetime) -> Iterator[datetime]:
    """When a schedule that has no problem, nor names a setting, came before a moment (UTC), newest first."""
    seconds, minutes, hours, days, months, weekdays = ({"second": {0}} | _read(_split(text))).values()
    day = moment.date()
    while True:
        if day.month in months and day.day in days and day.isoweekday() % 7 in weekdays:
            for hour, minute, second in product(*(sorted(one, reverse=True) for one in (hours, minutes, seconds))):
                came = datetime.combine(day, time(hour, minute, second), moment.tzinfo)
                if came < moment:
                    yield came
        day -= timedelta(days=1)


def _split(text: str) -> list[str]:
    return [one for one in text.lower().split(" ") if one]  # as the host splits it: other white space is none


def _read(texts: list[str]) -> dict[str, set[int]]:
    """The values of each field that there is: all six, or all but the second."""
    return {name: _values(name, field) for name, field in zip(list(_FIELDS)[-len(texts) :], texts, strict=True)}


def _values(name: str, field: str) -> set[int]:
    """The values that a field allows; none if it cannot be understood."""
    values: set[int] = set()
    for element in field.split(","):
        found = _element(name, element)
        if not found:
            return set()
        values.update(found)
    return values


def _element(name: str, element: str) -> range | None:
    found = _ELEMENT.fullmatch(element)
    if found is None:
        return None
    star, first, last, step = found.groups()
    numbers = _FIELDS[name]
    low, high = (numbers[0], numbers[-1]) if star else (_value(name, first), _value(name, last or first))
    if low is None or high is None:
        return None
    if step and not last and not star:
        high = numbers[-1]  # From a value on.
    return range(min(low, high), max(low, high) + 1, max(1, int(step or 1)))  # the host takes a step of none for one


def _value(name: str, text: str) -> int | None:
    """A number in the field's range, or that of the first name in it which begins so."""
    numbers = _FIELDS[name]
    if text.isdigit():
        return int(text) if int(text) in numbers else None
    names = _NAMES.get(name, ())
    return next((number for number, full in zip(numbers, names, strict=False) if full.startswith(text)), None)
