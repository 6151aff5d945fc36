"""What is said on a terminal, and when to stop: with a terminal that shows and sends everything, or with none at all."""

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def say(text: str, colour: str = "") -> None:
    """Print at once, if there is where to; in colour only on a terminal."""
    if sys.stdout is None:
        return  # Closed by whoever started this, as for a service.
    plain = not colour or not on_terminal() or os.environ.get("NO_COLOR")
    sys.stdout.write(f"{text}\n" if plain else f"\x1b[{colour}m{text}\x1b[0m\n")
    sys.stdout.flush()


def on_terminal() -> bool:
    """Whether somebody watches."""
    return sys.stdout is not None and sys.stdout.isatty()


def show_what_can_be_shown() -> None:
    """From now on a letter that the locale's encoding does not have is a question mark, and no error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def obeys_ctrl_c() -> bool:
    """Whether Ctrl-C is for us. A script's `&` starts what ignores it, and what that starts must do so too."""
    return signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


@contextmanager
def killed_as_by_ctrl_c() -> Iterator[None]:
    """`kill` ends it as Ctrl-C does, and so does a terminal that closes, unless `nohup` says otherwise."""

    def interrupt(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # A shell that ends may say so twice; cleaning up goes on.
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    if before[signal.SIGHUP] is signal.SIG_IGN:
        del before[signal.SIGHUP]
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
