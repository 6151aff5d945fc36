"""Where the output goes: standard output for what was asked for, standard error for what is wrong and for progress.

Without `rich`, which comes with the extra `cli`, and wherever no terminal is, it is plain text.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from cmk_rotation.cli import plain
from cmk_rotation.cli.shown import Part
from cmk_rotation.domain.redaction import visible

type Advance = Callable[[], None]
type Update = Callable[[Iterable[Part]], None]

_NARROWEST = 40
_CLEAR = "\x1b[H\x1b[2J"


class Screen:
    """Plain text, on a terminal or not."""

    def __init__(self) -> None:
        self.terminal = sys.stdout.isatty()
        """Whether somebody looks at the output now."""

    @property
    def width(self) -> int | None:
        """How wide a line may be; None where nobody looks, for programs read whole lines."""
        return max(shutil.get_terminal_size().columns, _NARROWEST) if self.terminal else None

    def holds(self, parts: Iterable[Part]) -> bool:
        """Whether a terminal shows all this at once."""
        return plain.text(parts, self.width).count("\n") < shutil.get_terminal_size().lines

    def show(self, parts: Iterable[Part]) -> None:
        """Show what was asked for."""
        _write(plain.text(parts, self.width))

    def show_json(self, value: object, indent: int | None = 2) -> None:
        """Show it to a machine."""
        _write(json_text(value, indent))

    def complain(self, text: str) -> None:
        """Say what is wrong."""
        sys.stderr.write(f"{visible(text)}\n")

    @contextmanager
    def asking(self, what: str, total: int | None = None) -> Iterator[Advance]:
        """While something is asked for that may take a while; the result is called when another of `total` is done."""
        del total
        if sys.stderr.isatty():
            sys.stderr.write(f"{what} …\n")
        yield lambda: None

    @contextmanager
    def watching(self) -> Iterator[Update]:
        """While something is shown that changes: each time in place of the last."""
        clear = _CLEAR if self.terminal and os.environ.get("TERM") != "dumb" else ""

        def update(parts: Iterable[Part]) -> None:
            _write(clear + plain.text(parts, self.width))

        yield update


def screen() -> Screen:
    """The screen of this process."""
    if sys.stdout.isatty() or sys.stderr.isatty():
        try:
            from cmk_rotation.cli.rich_screen import RichScreen  # noqa: PLC0415 - it may not be installed
        except ModuleNotFoundError as error:
            if error.name != "rich":
                raise
        else:
            return RichScreen()
    return Screen()


def json_text(value: object, indent: int | None = 2) -> str:
    """What a machine reads: in ASCII, so that it gets every letter, whatever the locale."""
    return json.dumps(_visible(value), indent=indent) + "\n"


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _visible(value: object) -> object:
    """The same value without what a terminal would obey, for it may be shown by whoever reads it."""
    match value:
        case str():
            return visible(value)
        case dict():
            return {name: _visible(field) for name, field in value.items()}
        case list():
            return [_visible(item) for item in value]
        case _:
            return value
