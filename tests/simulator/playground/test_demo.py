"""`make demo`, as a newcomer runs it, wherever that may be."""

import re
from pathlib import Path

from tests.patience import HANG
from tests.surroundings import ROOT, checkout, far_from_home

README = (ROOT / "README.md").read_text(encoding="utf-8")


def masked(text: str) -> str:
    """Without what differs from run to run: times, versions, and letters that ASCII lacks."""
    for pattern, mask in ((r"\b[0-9a-f]{8}\b", "VERSION"), (r"\d+ min( \d+ s)?", "SPAN"), (r"\d+", "0"), ("→", "?")):
        text = re.sub(pattern, mask, text)
    return " ".join(text.split())


def test_the_demo_shows_each_cluster_and_ends_with_the_rotations_on_record(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "it's a checkout")
    demo = far_from_home(["make", "--no-print-directory", "-C", folder, "demo"], tmp_path)
    said, errors = (output.decode("ascii") for output in demo.communicate(timeout=HANG))
    assert demo.returncode == 0, said + errors
    assert errors == ""
    story, record = said.split("The rotations on record")
    told = " ".join(story.split())
    for cluster in ("payments", "web-shop", "reporting", "archive", "fraud"):
        assert f"{cluster}: key" in told
        assert f"\n{cluster} " in record
    assert "the tag cmk-rotation = hold is set" in told
    assert "Failed to validate key" in told
    assert "what to do: Check that the key exists" in told
    assert "cluster.status" not in told, "it would say everything twice"
    assert record.count("update-confirmed") == 3
    (sample,) = re.findall(r"from `make demo`, shortened:\n\n```\n(.*?)```", README, re.DOTALL)
    shown = masked(said)
    assert [line for line in sample.splitlines() if masked(line) not in shown] == [], (
        "what the README shows is what is seen"
    )
    assert "\x1b" not in said, "colour is for terminals"
