"""`make lint` holds the layers: a module in the wrong room, or one that no layer names, fails it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LINT = "from importlinter.cli import lint_imports_command as lint; lint()"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the contracts are about, to spoil."""
    folder = tmp_path_factory.mktemp("checkout")
    for package in ("cmk_rotation", "simulator"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def linted(checkout: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", LINT, "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=checkout, capture_output=True, encoding="utf-8", check=False)


def test_the_layers_hold(checkout: Path) -> None:
    done = linted(checkout)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("where", "imports", "broken"),
    [
        ("domain/throwaway.py", "import requests", "Only the adapters and what builds them"),
        ("config/throwaway.py", "from azure.identity import DefaultAzureCredential", "Only the adapters"),
        ("entrypoints/throwaway.py", "import azure.core", "Only the adapters"),
        ("controller/throwaway.py", "from azure.keyvault.keys import KeyClient", "Only the adapters"),
        ("domain/throwaway.py", "import os", "What decides and what flows"),
        ("decisions/throwaway.py", "import time", "What decides and what flows"),
        ("controller/throwaway.py", "import socket", "What decides and what flows"),
        ("controller/throwaway.py", "from cmk_rotation import clock", "What decides and what flows"),
        ("controller/throwaway.py", "from cmk_rotation.config import settings", "The layers of the product"),
        ("domain/throwaway.py", "from cmk_rotation.decisions import policy", "The layers of the product"),
        ("decisions/throwaway.py", "from cmk_rotation.controller import ports", "The layers of the product"),
        ("controller/throwaway.py", "from cmk_rotation.adapters import errors", "The layers of the product"),
        ("throwaway.py", "import json", "The layers of the product"),
        ("adapters/throwaway.py", "import simulator.azure", "The product knows nothing of the simulator"),
    ],
)
def test_a_module_that_breaks_a_layer_fails_it(checkout: Path, where: str, imports: str, broken: str) -> None:
    module = checkout / "cmk_rotation" / where
    module.write_text(f'"""Breaks a rule."""\n\n{imports}\n', encoding="utf-8")
    try:
        done = linted(checkout)
    finally:
        module.unlink()
    assert done.returncode == 1, done.stdout
    assert any(line.startswith(broken) and "BROKEN" in line for line in done.stdout.splitlines()), done.stdout


@pytest.mark.parametrize(
    ("where", "imports", "broken"),
    [
        ("state.py", "from simulator.arm import answers", "The layers of the simulator"),
        ("entra/rights.py", "from simulator.keyvault import vaults", "The layers of the simulator"),
        ("operationalinsights/clusters.py", "from simulator.entra import identity", "The layers of the simulator"),
        ("wire/server.py", "from simulator.host import errors", "The layers of the simulator"),
        ("azure.py", "from simulator.playground import fleet", "The layers of the simulator"),
        ("throwaway.py", "import json", "The layers of the simulator"),
        ("keyvault/keys.py", "from simulator.keyvault import vaults", "No circle in the simulator"),
        ("playground/fleet.py", "import cmk_rotation.clock", "The simulator knows nothing of the product"),
    ],
)
def test_an_import_that_breaks_a_layer_of_the_simulator_fails_it(
    checkout: Path, where: str, imports: str, broken: str
) -> None:
    module = checkout / "simulator" / where
    before = module.read_text(encoding="utf-8") if module.exists() else None
    module.write_text(f"{before or ''}\n{imports}\n", encoding="utf-8")
    try:
        done = linted(checkout)
    finally:
        if before is None:
            module.unlink()
        else:
            module.write_text(before, encoding="utf-8")
    assert done.returncode == 1, done.stdout
    assert any(line.startswith(broken) and "BROKEN" in line for line in done.stdout.splitlines()), done.stdout


def test_only_the_playground_names_the_product() -> None:
    naming = [
        path.relative_to(ROOT / "simulator")
        for path in (ROOT / "simulator").rglob("*.py")
        if re.search(r"cmk[-_]?rotation", path.read_text(encoding="utf-8"), re.IGNORECASE)
    ]
    assert {path.parts[0] for path in naming} == {"playground"}
