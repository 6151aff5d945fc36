"""What is shown to people, before it is known where: tables, calls for somebody to do something, and plain sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

UNKNOWN = "-"


class Tone(StrEnum):
    """What a text says beside its words; a colour where there are colours."""

    PLAIN = ""
    GOOD = "good"
    WAITING = "waiting"
    BAD = "bad"
    QUIET = "quiet"
    STRONG = "strong"


@dataclass(frozen=True, slots=True)
class Cell:
    """A text with a tone."""

    text: str
    tone: Tone = Tone.PLAIN


type Content = Cell | str | None
"""None is what is not known."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under heads. The first column names what a row is about."""

    heads: Sequence[str]
    rows: Sequence[Sequence[Content]]


@dataclass(frozen=True, slots=True)
class Call:
    """What is the matter, and what to do."""

    message: str
    remedy: str | None
    tone: Tone = Tone.STRONG


type Part = Table | Call | Cell | str
"""A cell or a string is a line of its own."""


def cell(content: Content) -> Cell:
    """The same as a cell."""
    if content is None or content == "":
        return Cell(UNKNOWN, Tone.QUIET)
    return content if isinstance(content, Cell) else Cell(content)
