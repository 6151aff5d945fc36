"""What is deployed is pinned, hashed, and no more than what is asked for."""

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DEPLOYED = (ROOT / "requirements.txt").read_text(encoding="utf-8")
IMPORT_ALL = """
import importlib, json, pkgutil, sys
before = set(sys.modules)
import function_app, cmk_rotation
for found in pkgutil.walk_packages(cmk_rotation.__path__, "cmk_rotation."):
    if not found.name.startswith(("cmk_rotation.cli", "cmk_rotation.__main__")):
        importlib.import_module(found.name)
new = {name: getattr(sys.modules[name], "__file__", None) for name in sys.modules.keys() - before}
print(json.dumps({name: file for name, file in new.items() if file and name.split(".")[0] not in sys.stdlib_module_names}))
"""


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


def test_nothing_is_imported_at_run_time_that_is_not_pinned() -> None:
    """Every module of the app, and all that these import. What a rotation imports later, tests/e2e/test_released.py meets."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    owners = {
        Path(str(file.locate())).resolve(): _normal(distribution.name)
        for distribution in metadata.distributions()
        for file in distribution.files or ()
    }
    imported = {name: Path(file).resolve() for name, file in json.loads(done.stdout).items()}
    foreign = {name: file for name, file in imported.items() if not file.is_relative_to(ROOT / "cmk_rotation")}
    assert imported.keys() - foreign.keys() >= {"cmk_rotation.bootstrap", "cmk_rotation.entrypoints.functions"}
    used = {owners.get(file, name) for name, file in foreign.items() if name != "function_app"}
    pinned = {_normal(name) for name in re.findall(r"^([\w-]+)==", DEPLOYED, re.MULTILINE)}
    assert used - pinned == set()
    assert used >= {"azure-functions", "azure-core", "azure-identity", "azure-data-tables", "requests", "cryptography"}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_neither_the_runtime_nor_a_test_tool_is_deployed() -> None:
    """The host brings azure-functions-runtime itself."""
    assert not re.search(r"^(azure-functions-runtime|pytest|trustme|werkzeug-dev|mypy)==", DEPLOYED, re.MULTILINE)
