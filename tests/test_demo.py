"""`make demo`, as a newcomer runs it."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_demo_shows_each_cluster_and_ends_with_the_rotations_on_record() -> None:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "simulator.demo"], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )
    took = time.monotonic() - began
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "demo: .venv/made\n\t@$(BIN)/python -m simulator.demo" in recipe, "what `make demo` runs is what ran here"
    story, record = done.stdout.split("The rotations on record")
    for cluster in ("payments", "web-shop", "reporting", "archive", "fraud"):
        assert f"{cluster}: key" in story
        assert f"\n{cluster} " in record
    told = " ".join(story.split())
    assert "the tag cmk-rotation = hold is set" in told
    assert "Failed to validate key" in told
    assert "what to do: Check that the key exists" in told
    assert record.count("update-confirmed") == 3
    assert "\x1b" not in done.stdout, "colour is for terminals"
    assert took < 60, "under 20 s on an idle machine"
