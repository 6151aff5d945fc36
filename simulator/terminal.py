"""Plain and coloured lines on a terminal."""

import os
import sys


def say(text: str, colour: str = "") -> None:
    """Print at once; in colour only on a terminal."""
    plain = not colour or not sys.stdout.isatty() or "NO_COLOR" in os.environ
    sys.stdout.write(f"{text}\n" if plain else f"\x1b[{colour}m{text}\x1b[0m\n")
    sys.stdout.flush()
