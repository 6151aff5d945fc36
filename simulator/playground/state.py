"""Where a running playground says how to reach it, so that other commands find it."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / ".playground"


@dataclass(frozen=True, slots=True)
class Running:
    """A playground that is up."""

    pid: int
    port: int
    key: str
    """Proves to the control surface that the caller may read this file: no web page can."""
    environments: dict[str, dict[str, str]]
    """For a client, by who is signed in."""

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
