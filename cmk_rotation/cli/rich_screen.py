"""A terminal with colours, progress, and what changes in place."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import rich.table
from rich.console import Console, ConsoleDimensions, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from cmk_rotation.cli import plain
from cmk_rotation.cli.screen import Advance, Screen, Update
from cmk_rotation.cli.shown import Call, Cell, Part, Table, Tone, cell
from cmk_rotation.domain.redaction import visible

_STYLES = {
    Tone.PLAIN: "",
    Tone.GOOD: "green",
    Tone.WAITING: "yellow",
    Tone.BAD: "bold red",
    Tone.QUIET: "dim",
    Tone.STRONG: "bold",
}


class RichScreen(Screen):
    """Whichever of the two outputs is a terminal is used as one."""

    def __init__(self) -> None:
        super().__init__()
        # Nothing in a stranger's text is markup, an emoji's name, or a number to be coloured.
        self._out = Console(markup=False, emoji=False, highlight=False)
        if self.width is not None and self._out.is_dumb_terminal:
            self._out.size = ConsoleDimensions(self.width, 25)  # which rich takes to be 80 wide there
        self._error = Console(stderr=True, markup=False, emoji=False, highlight=False)

    def show(self, parts: Iterable[Part]) -> None:
        """Show what was asked for."""
        if self.terminal:
            self._out.print(self._rendered(parts))
        else:
            super().show(parts)

    @contextmanager
    def asking(self, what: str, total: int | None = None) -> Iterator[Advance]:
        """A spinner, and how many are done, until all are."""
        if not self._error.is_terminal:
            yield lambda: None
            return
        # Letters of ASCII: the locale may have no others.
        columns = [SpinnerColumn("line"), TextColumn("{task.description}", markup=False), TimeElapsedColumn()]
        if total is not None:
            columns[2:2] = [BarColumn(30), TextColumn("{task.completed}/{task.total}")]
        with Progress(*columns, console=self._error, transient=True) as progress:
            task = progress.add_task(what, total=total)
            yield lambda: progress.advance(task)

    @contextmanager
    def watching(self) -> Iterator[Update]:
        """In place; the last state stays, whole. What has grown taller than the terminal is cut until then."""
        if not self.terminal or self._out.is_dumb_terminal:
            with super().watching() as update:
                yield update
            return
        with Live(console=self._out, auto_refresh=False) as live:
            yield lambda parts: live.update(self._rendered(parts), refresh=True)

    def _rendered(self, parts: Iterable[Part]) -> RenderableType:
        pieces: list[RenderableType] = []
        for number, part in enumerate(parts):
            pieces += [Text("")] if number else []
            pieces.append(self._one(part))
        return Group(*pieces)

    def _one(self, part: Part) -> RenderableType:
        match part:
            case Table() if plain.fits(plain.lines(part), self.width):
                return _table(part)
            case Table():
                return _stacked(part, self.width)
            case Call():
                message, *remedy = plain.call_lines(part, None)
                return Group(Text(message, _STYLES[part.tone]), *(Text(line) for line in _folded(remedy, self.width)))
            case Cell():
                return Text(visible(part.text), _STYLES[part.tone])
            case _:
                return Text(visible(part))


def _table(table: Table) -> rich.table.Table:
    shown = rich.table.Table(
        *table.heads, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold underline"
    )
    for row in table.rows:
        shown.add_row(*(Text(visible(one.text), _STYLES[one.tone], no_wrap=True) for one in map(cell, row)))
    return shown


def _stacked(table: Table, width: int | None) -> RenderableType:
    """As in plain text, each row's name and its telling fields in their colours."""
    pieces: list[RenderableType] = []
    for row in table.rows:
        cells = [cell(one) for one in row]
        shown = Text("\n".join(plain.stacked(Table(table.heads, [row]), width)))
        for one in cells:
            if one.tone not in {Tone.PLAIN, Tone.QUIET}:
                shown.highlight_words([visible(one.text)], _STYLES[one.tone])
        pieces.append(shown)
    return Group(*pieces)


def _folded(lines: list[str], width: int | None) -> list[str]:
    return [folded for line in lines for folded in plain.wrapped(line.strip(), width, "  ", "    ")]
