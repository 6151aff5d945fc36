"""A real browser, and what is seen in it. `make test` brings one in."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.patience import HANG

ROOT = Path(__file__).parent.parent.parent.parent
LOOK = ROOT / "tools/browser/look.mjs"


def look(page: Path, views: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is seen of a page in each of these views."""
    node = shutil.which("node")
    assert node, "the report is looked at in a real browser, which needs Node 20 or later"
    asked = json.dumps({"page": str(page), "views": list(views)})
    done = subprocess.run(
        [node, LOOK, asked], capture_output=True, encoding="utf-8", timeout=HANG, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    seen: list[dict[str, Any]] = json.loads(done.stdout)
    return seen
