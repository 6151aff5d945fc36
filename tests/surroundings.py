"""Where a child process may find itself: before a person's terminal, or far from any."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent
type Output = int | IO[bytes]
# Python knows ways around the locale C; without them it stands for any locale but UTF-8.
ASCII = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
FAR_FROM_HOME = {
    **ASCII,
    "COLUMNS": "1",
    "NO_COLOR": "",
    "FORCE_COLOR": "1",
    "TERM": "dumb",
    "TZ": "Pacific/Chatham",  # three quarters of an hour off
}


@contextmanager
def before_a_terminal() -> Iterator[None]:
    """What is started herein ends on Ctrl-C, and when the terminal closes, even if these tests themselves don't."""
    with _children_meet(signal.SIG_DFL):
        yield


@contextmanager
def in_the_background() -> Iterator[None]:
    """What is started herein ignores both, as after `nohup` and `&` in a script."""
    with _children_meet(signal.SIG_IGN):
        yield


@contextmanager
def _children_meet(what: signal.Handlers) -> Iterator[None]:
    before = {number: signal.signal(number, what) for number in (signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def far_from_home(
    command: Sequence[str | Path],
    folder: Path,
    stdout: Output = subprocess.PIPE,
    stderr: Output = subprocess.PIPE,
    **environment: str,
) -> "subprocess.Popen[bytes]":
    """Start a command in the background, with standard input closed, in an odd environment."""
    # Neither this make's options nor this pytest's are meant for another one; nor is what conftest.py sets.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PYTEST_"))}
    kept.pop("PYTHONIOENCODING", None)
    with in_the_background():
        return subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *command],
            cwd=folder,
            env={**kept, **FAR_FROM_HOME, **environment},
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )


def checkout(folder: Path) -> Path:
    """The product as somebody else may have it: what it takes to run, elsewhere; with this Python in place of a .venv."""
    for name in ("cmk_rotation", "simulator"):
        # A process beside this one may be about to rename such a file.
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.pyc.*"))
    for name in ("function_app.py", "host.json", "Makefile", "requirements-dev.txt"):
        shutil.copy2(ROOT / name, folder / name)
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    (folder / ".venv" / "made").touch()
    return folder
