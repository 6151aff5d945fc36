"""NCRONTAB, the grammar of the timer trigger: second, minute, hour, day, month, day of the week, in UTC.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions. What the host would take
and nobody means is a problem too: five fields (a forgotten second turns ten minutes into ten hours), a time span (for App
Service plans alone), a range that runs backwards, and a day that never comes.
"""

import re

_MONTHS = {
    "january": 31,
    "february": 29,
    "march": 31,
    "april": 30,
    "may": 31,
    "june": 30,
    "july": 31,
    "august": 31,
    "september": 30,
    "october": 31,
    "november": 30,
    "december": 31,
}
"""Each with its most days."""
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_NAMES = {"month": tuple(_MONTHS), "day of the week": _DAYS}
_FIELDS = {
    "second": range(60),
    "minute": range(60),
    "hour": range(24),
    "day": range(1, 32),
    "month": range(1, 13),
    "day of the week": range(7),
}
_VALUE = r"\d{1,2}|[a-z]{3,9}"
_ELEMENT = re.compile(rf"(?:\*|({_VALUE})(?:-({_VALUE}))?)(?:/([1-9]\d?))?", re.ASCII)
"""`*`, a value, or a range of values, each with a step or without. A value alone with a step runs up to the last."""


def problem_of(text: str) -> str | None:
    """What is wrong with a schedule, as the middle of a sentence; None if nothing is."""
    texts = text.lower().split()
    if len(texts) != len(_FIELDS):
        return f"it has {len(texts)} instead of six fields"
    fields = {name: _values(name, text) for name, text in zip(_FIELDS, texts, strict=True)}
    wrong = next((name for name, values in fields.items() if not values), None)
    if wrong is not None:
        return f"its {wrong} cannot be understood"
    if min(fields["day"]) > max(tuple(_MONTHS.values())[month - 1] for month in fields["month"]):
        return "no month in it has such a day"
    return None


def _values(name: str, text: str) -> set[int]:
    """The values that a field stands for; none if any element of its list cannot be understood."""
    values: set[int] = set()
    for element in text.split(","):
        found = _ELEMENT.fullmatch(element)
        run = _run(name, *found.groups()) if found else range(0)
        if not run:
            return set()
        values.update(run)
    return values


def _run(name: str, first: str | None, last: str | None, step: str | None) -> range:
    allowed = _FIELDS[name]
    start = allowed[0] if first is None else _number(name, first)
    end = _number(name, last) if last else start if first and not step else allowed[-1]
    every = int(step or 1)
    sound = start in allowed and end in allowed and every <= len(allowed)
    return range(start, end + 1, every) if sound else range(0)


def _number(name: str, value: str) -> int:
    """A number, or the number of a name that is written out or cut to three letters or more; -1 if there is none."""
    if value.isdigit():
        return int(value)
    names = _NAMES.get(name, ())
    return next((number for number, full in zip(_FIELDS[name], names, strict=False) if full.startswith(value)), -1)
