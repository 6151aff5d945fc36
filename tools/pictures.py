"""`make pictures`: what `make demo` shows, and the report that it writes, as the pictures in docs/pictures."""

import html
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs/pictures"
STYLE = "body{margin:0;background:#10151b;color:#e8edf2}pre{margin:1rem;font:13px/1.45 monospace}.e{color:#ff9a94}"
WRONG = re.compile("^(.*\\b(?:refused|failed)\\b.*)$", re.MULTILINE)


def main() -> None:
    """Play the demo, and take both pictures."""
    demo = [sys.executable, "-m", "simulator.playground.demo"]
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        env = {
            **os.environ,
            "COLUMNS": "118",
            "TMPDIR": folder,
        }  # where the demo makes a folder of its own, with the report
        told = subprocess.run(demo, cwd=ROOT, env=env, capture_output=True, encoding="utf-8", check=True)  # noqa: S603
        (report,) = Path(folder).glob("*/report.html")
        page = Path(folder) / "demo.html"
        text = WRONG.sub(r'<span class="e">\1</span>', html.escape(told.stdout))
        page.write_text(f"<meta charset=utf-8><style>{STYLE}</style><pre>$ make demo\n{text}</pre>", encoding="utf-8")
        _take(page, {"width": 1060, "height": 1000, "whole": False, "picture": str(PICTURES / "demo.png")})
        _take(report, {"width": 1180, "height": 1500, "whole": False, "picture": str(PICTURES / "report.png")})


def _take(page: Path, view: dict[str, object]) -> None:
    asked = json.dumps({"page": str(page), "views": [view]})
    look = ["node", str(ROOT / "tools/browser/look.mjs"), asked]
    subprocess.run(look, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own program


if __name__ == "__main__":
    main()
