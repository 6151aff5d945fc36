"""The words that all lines have in common: names, durations, numbers; and the word for a line that is not understood."""

_UNITS = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "seconds": 1,
    "min": 60,
    "minute": 60,
    "minutes": 60,
    "h": 3_600,
    "hour": 3_600,
    "hours": 3_600,
    "d": 86_400,
    "day": 86_400,
    "days": 86_400,
}
DURATION = rf"\d+(?:\.\d+)? ?(?:{'|'.join(sorted(_UNITS, key=len, reverse=True))})\b"
NAME = r"[\w-]+"


class NotUnderstoodError(ValueError):
    """A line that says nothing known, or cannot be done; the message says why, or what would be understood."""


def seconds(text: str) -> float:
    """A duration such as `90 s`, `10 min`, `1 h`, `2 days`; NotUnderstoodError if it is none at all."""
    unit = text.lstrip("0123456789. ")
    span = float(text.removesuffix(unit)) * _UNITS[unit.lower()]
    if not span:
        raise NotUnderstoodError(f"'{text}' is no time at all")
    return span


def count(text: str) -> int:
    """How often; NotUnderstoodError if never."""
    if not int(text):
        raise NotUnderstoodError("0 times is never; `clear` takes back what is to come")
    return int(text)
