"""What is said on a terminal, and when to stop: with a terminal that shows and sends everything, or with none at all."""

import contextlib
import io
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""The exit code of what Ctrl-C has ended, as shells have it."""


def say(text: str, colour: str = "") -> None:
    """Print at once, in colour only on a terminal that has it."""
    plain = not colour or not on_terminal() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    sys.stdout.write(f"{text}\n" if plain else f"\x1b[{colour}m{text}\x1b[0m\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Say on standard error why something was not done."""
    sys.stderr.write(f"{text}\n")


def on_terminal() -> bool:
    """Whether somebody watches."""
    return sys.stdout.isatty()


def wrapped(text: str, begins: str, indent: int) -> str:
    """A paragraph as wide as the terminal, or as people read it, behind what it begins with."""
    width = min(max(shutil.get_terminal_size((110, 24)).columns, 60), 120)
    wrapper = textwrap.TextWrapper(width, begins, " " * indent, break_long_words=False, break_on_hyphens=False)
    return wrapper.fill(text)


def run(command: Callable[[], int]) -> int:
    """Run a command on whatever terminal there is; the result is its exit code.

    A letter that the locale's encoding does not have is a question mark, and no error. Output that was closed by whoever
    started this, as for a service, goes nowhere. Ctrl-C, and a reader that has had enough, are no defects.
    """
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        return command()
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):  # Nobody reads this where a terminal has closed.
            complain("\nStopped.")
        return INTERRUPTED
    except BrokenPipeError:
        # Such as `head`; what is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1  # Not all was told.


def _open_what_is_closed() -> None:
    """Else the next file or connection that is opened would be taken for it, here or in a child."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The lowest number that is free: this one.
            os.set_inheritable(number, True)  # noqa: FBT003 - os's signature
    sys.stdin = sys.stdin or io.StringIO()
    sys.stdout = sys.stdout or os.fdopen(os.dup(1), "w")
    sys.stderr = sys.stderr or os.fdopen(os.dup(2), "w")


def obeys_ctrl_c() -> bool:
    """Whether Ctrl-C is for us. What a script's `&` starts ignores it, and what that starts must do so too."""
    return signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


@contextmanager
def killed_as_by_ctrl_c() -> Iterator[None]:
    """`kill` ends it as Ctrl-C does, and so does a terminal that closes, unless `nohup` says otherwise.

    Ctrl-C does so even where a script's `&` has it ignored: whoever sends the signal means it.
    """

    def interrupt(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # A shell that ends may say so twice; cleaning up goes on.
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if before[signal.SIGHUP] is signal.SIG_IGN:
        del before[signal.SIGHUP]
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
