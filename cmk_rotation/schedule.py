"""NCRONTAB, the grammar of the timer trigger: second, minute, hour, day, month, day of the week, in UTC.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions. What the host takes is
taken: five fields without the seconds, a setting's name between percent signs, a range written backwards. A time span is
not, for it works in App Service plans alone.
"""

import re

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
_VALUE = r"\d+|[a-z]+"
_ELEMENT = re.compile(rf"(?:\*|({_VALUE})(?:-({_VALUE}))?)(?:/0*[1-9]\d*)?", re.ASCII)
"""`*`, a value, or a range of values, each with a step or without."""


def problem_of(text: str) -> str | None:
    """What is wrong with a schedule, as the middle of a sentence; None if nothing is."""
    if re.fullmatch(r"%[^%]+%", text):
        return None
    texts = [one for one in text.lower().split(" ") if one]  # as the host splits it: other white space is none
    names = list(_FIELDS)[-len(texts) :]
    if len(texts) not in {len(_FIELDS), len(_FIELDS) - 1}:
        return f"it has {len(texts)} instead of six fields"
    wrong = next((name for name, field in zip(names, texts, strict=True) if not _is_understood(name, field)), None)
    return f"its {wrong} cannot be understood" if wrong else None


def _is_understood(name: str, field: str) -> bool:
    found = [_ELEMENT.fullmatch(element) for element in field.split(",")]
    return all(one and all(value is None or _is_value(name, value) for value in one.groups()) for one in found)


def _is_value(name: str, value: str) -> bool:
    """Whether a value is a number in the field's range, or the beginning of a name in it."""
    if value.isdigit():
        return int(value) in _FIELDS[name]
    return any(full.startswith(value) for full in _NAMES.get(name, ()))
