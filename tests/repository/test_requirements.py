"""What is deployed is pinned, hashed, and no more than what is asked for."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DEPLOYED = (ROOT / "requirements.txt").read_text(encoding="utf-8")


def test_every_deployed_package_has_an_exact_version_and_hashes() -> None:
    entries = re.split(r"\n(?=[a-z])", DEPLOYED.split("\n", 2)[2])
    assert len(entries) > 7
    for entry in entries:
        assert re.match(r"[a-z0-9-]+==[0-9.]+ \\\n    --hash=sha256:", entry), entry[:60]


def test_what_is_deployed_is_what_the_project_asks_for_and_what_that_needs() -> None:
    """`make requirements` writes it; `make requirements-check`, in CI, makes it again and compares."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert {line.split(" ", 1)[0] for line in DEPLOYED.splitlines() if "==" in line} >= set(wanted)
    assert "make requirements" in DEPLOYED.splitlines()[1]
    assert "requirements-check" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_no_address_of_a_package_index_is_written_down() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        assert not re.search(r"https?://|--(extra-)?index-url", (ROOT / name).read_text(encoding="utf-8"))


def test_neither_the_runtime_nor_a_test_tool_is_deployed() -> None:
    """The host brings azure-functions-runtime itself."""
    assert not re.search(r"^(azure-functions-runtime|pytest|trustme|werkzeug-dev|mypy)==", DEPLOYED, re.MULTILINE)
