"""Plain text: aligned, and where that is too wide for whoever looks, one thing below the other."""

import textwrap
from collections.abc import Iterable, Sequence

from cmk_rotation.cli.shown import UNKNOWN, Call, Cell, Part, Table, cell
from cmk_rotation.domain.redaction import visible

_GAP = "  "


def text(parts: Iterable[Part], width: int | None = None) -> str:
    """All parts, each after an empty line but the first; `width` is of the terminal, None where there is none."""
    return "\n".join("".join(f"{line}\n" for line in lines(part, width)) for part in parts)


def lines(part: Part, width: int | None = None) -> list[str]:
    """One part."""
    match part:
        case Table():
            aligned = _aligned(part)
            return aligned if fits(aligned, width) else stacked(part, width)
        case Call():
            return call_lines(part, width)
        case Cell():
            return wrapped(part.text, width)
        case _:
            return wrapped(part, width)


def fits(aligned: Sequence[str], width: int | None) -> bool:
    """Whether no line is wider than the terminal."""
    return width is None or all(len(line) <= width for line in aligned)


def _aligned(table: Table) -> list[str]:
    """Columns, two blanks apart."""
    rows = [list(table.heads), *([visible(cell(one).text) for one in row] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [_GAP.join(one.ljust(width) for one, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def stacked(table: Table, width: int | None) -> list[str]:
    """Each row below the last, its fields below its name, what is not known left out."""
    indent = max(map(len, table.heads[1:])) + 2 * len(_GAP)
    found: list[str] = []
    for row in table.rows:
        name, *fields = (visible(cell(one).text) for one in row)
        found += wrapped(name, width)
        for head, field in zip(table.heads[1:], fields, strict=True):
            if field != UNKNOWN:
                found += wrapped(field, width, f"{_GAP}{head}".ljust(indent), " " * indent)
    return found


def call_lines(call: Call, width: int | None) -> list[str]:
    """What is the matter, and what to do."""
    begins = f"{_GAP}what to do: "
    return [*wrapped(call.message, width), *wrapped(call.remedy or UNKNOWN, width, begins, " " * len(begins))]


def wrapped(line: str, width: int | None, first: str = "", rest: str = "") -> list[str]:
    """A line as several, each no wider than the terminal."""
    whole = f"{first}{visible(line)}"
    if width is None or len(whole) <= width:
        return [whole]
    return textwrap.wrap(visible(line), width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
