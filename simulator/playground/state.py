"""Where a running playground says how to reach it, so that other commands find it."""

import json
import os
import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / ".playground"
KEY_HEADER = "X-Playground-Key"
HOST = "playground.invalid"
"""A name that leads to the playground by its proxy, and nowhere else: there is no such domain."""


@dataclass(frozen=True, slots=True)
class Running:
    """A playground that is up."""

    pid: int
    port: int
    key: str
    """Proves to the control surface that the caller may read this file: no web page can."""
    environments: dict[str, dict[str, str]]
    """For a client, by who is signed in."""
    commands: str
    """The folder of commands for whoever is inside."""

    @classmethod
    def find(cls, folder: Path = FOLDER) -> Self | None:
        """The playground that runs from a folder; one that has died does not count."""
        try:
            found = cls(**json.loads((folder / "running.json").read_text(encoding="utf-8")))
        except (FileNotFoundError, TypeError, ValueError):
            return None  # None, or the notice of another version.
        try:
            os.kill(found.pid, 0)
        except ProcessLookupError:
            return None
        return found

    def write(self, folder: Path) -> None:
        """Let others find it. Readable by the owner alone."""
        path = folder / "running.json"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def forget(folder: Path) -> None:
    """Take the notice down."""
    (folder / "running.json").unlink(missing_ok=True)


def in_a_terminal(folder: Path = FOLDER) -> str:
    """What a person types, standing where this process stands, before the name of one of the playground's commands."""
    here, python = Path.cwd(), Path(sys.executable)
    words = [str(python.relative_to(here) if python.is_relative_to(here) else python), "-m", "simulator"]
    command = shlex.join(words if folder == FOLDER else [*words, "--folder", str(folder)])
    return command if here == ROOT else f"cd {shlex.quote(str(ROOT))} && {command}"
