"""What is deployed, and what the documents say of it, is what is there."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from cmk_rotation.config import settings
from cmk_rotation.config.settings import SETTINGS
from cmk_rotation.domain.vocabulary import Mode, Reason
from simulator.operationalinsights.behaviour import (
    AcceptedHeaders,
    AutoModeShows,
    Behaviour,
    BusyAnswer,
    KeyCheck,
    OperationReading,
    Outcome,
)
from simulator.wire.faults import FaultKind
from tools import release

ROOT = Path(__file__).parent.parent.parent
DECISIONS = ROOT / "docs/decisions"
NOT_OURS = {".venv", "node_modules", ".git", ".pytest_cache", ".hypothesis"}
PAGES = [page for page in ROOT.rglob("*.md") if not NOT_OURS & set(page.relative_to(ROOT).parts)]
HOST_SETTINGS = {"FUNCTIONS_WORKER_RUNTIME"}
"""Settings of local.settings.json that only the host reads."""
CHOICES = (AcceptedHeaders, AutoModeShows, BusyAnswer, KeyCheck, OperationReading, Outcome)
VARIANTS = {str(variant) for choice in CHOICES for variant in list[StrEnum](choice)}
"""The words for how the simulated Azure may behave."""
NO_REASONS = {"cluster-visits", "cluster-visits-poison", "update-hsm"} | VARIANTS
"""Words that look like reasons and are queues, variants, or a command of the Azure CLI."""


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def deployed() -> set[str]:
    """What belongs into the package: the command line stays on the operator's machine."""
    names = (str(file.relative_to(ROOT)) for file in ROOT.glob("cmk_rotation/**/*.py"))
    return {
        "function_app.py",
        "host.json",
        "requirements.txt",
        *(name for name in names if not name.startswith(("cmk_rotation/cli/", "cmk_rotation/__main__"))),
    }


# --- the package --------------------------------------------------------------------------------------------------------


def test_exactly_the_app_is_deployed() -> None:
    """Over all files that are here, whoever put them there."""
    assert set(release.app_files()) == deployed()


def test_a_tool_that_matches_only_from_the_start_deploys_the_same() -> None:
    """Core Tools take a pattern for the beginning of a path, and an exception for the last word, wherever it stands."""
    patterns = [line for line in text_of(".funcignore").splitlines() if line and not line.startswith("#")]
    assert not any(pattern.startswith("!") for pattern in patterns)
    ignored = [re.compile(_from_the_start(pattern)) for pattern in patterns]
    here = (file for file in ROOT.rglob("*") if file.is_file() and ".git" not in file.parts)
    names = (str(file.relative_to(ROOT)) for file in here)
    assert {name for name in names if not any(pattern.match(name) for pattern in ignored)} == deployed()


def _from_the_start(pattern: str) -> str:
    parts = re.split(r"(\*\*|\*)", pattern)
    return "".join({"**": ".+", "*": "[^/]+"}.get(part, re.escape(part)) for part in parts)


def test_whatever_git_ignores_is_not_deployed_either() -> None:
    kept_out = set(text_of(".funcignore").splitlines())
    for pattern in text_of(".gitignore").split():
        name = pattern.rstrip("/*")
        assert name in kept_out or pattern == "*.pyc", pattern  # those lie in __pycache__


def test_the_sample_of_local_settings_is_valid_and_changes_nothing() -> None:
    sample = json.loads(text_of("local.settings.sample.json"))
    assert sample.keys() == {"IsEncrypted", "Values"}
    assert sample["Values"].keys() <= {setting.name for setting in SETTINGS} | HOST_SETTINGS
    assert settings.read(sample["Values"]).mode is Mode.OBSERVE


# --- the decisions ------------------------------------------------------------------------------------------------------


def leaves(section: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The settings of host.json that are not sections, with their values."""
    for name, value in section.items():
        if isinstance(value, dict):
            yield from leaves(value)
        else:
            yield name, value


@pytest.mark.parametrize(("name", "value"), list(leaves(json.loads(text_of("host.json")))))
def test_each_value_of_host_json_is_explained(name: str, value: Any) -> None:
    rows = [row for row in text_of("docs/decisions/0004-host-json.md").splitlines() if row.startswith("| `")]
    shown = value if isinstance(value, str) else json.dumps(value)
    assert [row for row in rows if name in row and f"`{shown}`" in row], f"{name} = {shown}"


def test_nothing_is_explained_that_host_json_does_not_have() -> None:
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \|", text_of("docs/decisions/0004-host-json.md"), re.MULTILINE)
    values = {
        value if isinstance(value, str) else json.dumps(value) for _, value in leaves(json.loads(text_of("host.json")))
    }
    explained = {value for _, cell in rows for value in re.findall(r"`(.+?)`", cell)}
    assert explained == values


def test_every_deployed_library_is_explained() -> None:
    wanted = tomllib.loads(text_of("pyproject.toml"))["project"]["dependencies"]
    explained = set(re.findall(r"^\| `(.+?)` \|", text_of("docs/decisions/0003-libraries.md"), re.MULTILINE))
    assert explained == {requirement.split("==")[0] for requirement in wanted}


def test_every_decision_is_listed_in_order() -> None:
    listed = re.findall(r"^\| \[(\d{4})\]\((.+?)\)", text_of("docs/decisions/README.md"), re.MULTILINE)
    there = sorted(page.name for page in DECISIONS.glob("0*.md"))
    assert [name for _, name in listed] == there
    assert [number for number, _ in listed] == [f"{number:04}" for number in range(1, len(there) + 1)]


@pytest.mark.parametrize("page", sorted(DECISIONS.glob("0*.md")), ids=lambda page: page.name)
def test_every_decision_has_the_same_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.match(rf"# {page.name[:4]} .+\n\n20\d\d-\d\d-\d\d\n\n## Decided\n", text)
    assert {"## Considered", "## What follows"} <= set(text.splitlines())


# --- all pages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_reason_that_is_named_exists(page: Path) -> None:
    """A word in code type that begins as a reason does is one."""
    words = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", page.read_text(encoding="utf-8"))) - NO_REASONS
    beginnings = {reason.split("-")[0] for reason in Reason}
    assert {word for word in words if word.split("-")[0] in beginnings} <= set(Reason)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_module_that_is_named_exists(page: Path) -> None:
    named = re.findall(r"`((?:cmk_rotation|simulator|tests|tools|infra)/[\w./]*)`", page.read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


# --- the simulator's page -----------------------------------------------------------------------------------------------


def test_every_way_of_azure_that_can_be_chosen_is_in_the_simulators_page() -> None:
    page = text_of("docs/simulator.md")
    names = {field.name for field in fields(Behaviour)} | {str(kind) for kind in FaultKind} | VARIANTS
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_the_story_in_the_simulators_page_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", text_of("docs/simulator.md"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - our own page
    names["a_lost_event_is_repaired_by_the_timer"](tmp_path)
