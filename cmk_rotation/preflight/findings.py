"""What a check finds, and with whose eyes it was seen."""

from dataclasses import dataclass
from enum import StrEnum

from cmk_rotation.preflight.seen import Unread


class Level(StrEnum):
    """What a finding means for the next rotation."""

    FAILS = "fails"
    UNKNOWN = "unknown"
    WARNING = "warning"
    FINE = "fine"


class Eyes(StrEnum):
    """Who saw it."""

    YOU = "as you"
    FUNCTION = "as the function"
    """From what it last recorded."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one check found about one thing."""

    level: Level
    message: str
    remedy: str | None = None
    eyes: Eyes = Eyes.YOU


@dataclass(frozen=True, slots=True)
class Finding:
    """The same, with the check and what it is about."""

    check: str
    about: str
    """A name that people know it by."""
    about_id: str
    found: Found


def fine(message: str, eyes: Eyes = Eyes.YOU) -> Found:
    """As it should be."""
    return Found(Level.FINE, message, None, eyes)


def warns(message: str, remedy: str, eyes: Eyes = Eyes.YOU) -> Found:
    """The next rotation works, but not as it should."""
    return Found(Level.WARNING, message, remedy, eyes)


def fails(message: str, remedy: str, eyes: Eyes = Eyes.YOU) -> Found:
    """The next rotation would fail, or must not happen."""
    return Found(Level.FAILS, message, remedy, eyes)


def unknown(unread: Unread) -> Found:
    """Nobody knows: it could not be read by whoever asks."""
    return Found(
        Level.UNKNOWN, f"{unread.what} cannot be read ({unread.why})", f"To see it takes {unread.right}.", Eyes.YOU
    )
