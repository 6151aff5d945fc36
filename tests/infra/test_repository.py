"""What surrounds the code: workflows, make, and the files that people look for."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.bicep import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TOOLS = ["azurite", "kusto"]


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_pins_its_actions_by_commit_and_may_do_little(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    uses = re.findall(r"uses: (.*)", text)
    assert uses
    assert [one for one in uses if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)] == []
    assert "secrets." not in text
    assert set(read(path)["permissions"].items()) <= {("contents", "read"), ("id-token", "write")}


def test_ci_runs_everything_and_the_bicep_compiler() -> None:
    jobs = read(ROOT / ".github/workflows/ci.yml")["jobs"]
    runs = {step["run"] for job in jobs.values() for step in job["steps"] if "run" in step}
    assert runs == {".ci/run", "make infra-verify"}


def test_only_the_deploy_workflow_may_sign_in() -> None:
    assert [path.name for path in WORKFLOWS if "id-token" in read(path)["permissions"]] == ["azure-dev.yml"]


def test_the_deploy_workflow_answers_every_question_of_azd() -> None:
    deploy = (ROOT / ".github/workflows/azure-dev.yml").read_text(encoding="utf-8")
    parameters = json.loads((ROOT / "infra/main.parameters.json").read_text(encoding="utf-8"))["parameters"]
    asked = {found[1] for entry in parameters.values() if (found := re.fullmatch(r"\$\{([A-Z_]+)\}", entry["value"]))}
    assert {name for name in asked if f"{name}: ${{{{ vars.{name} }}}}" not in deploy} == set()


def test_infra_verify_compiles_and_lints_both_deployments() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").split("\ninfra-verify:\n")[1].split("\n\n")[0]
    for part in (
        "infra/main.bicep infra/connect/main.bicep",
        "az bicep build",
        "az bicep lint",
        "azd provision --preview",
    ):
        assert part in recipe


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_from_npm_is_pinned_and_comes_from_whatever_registry_is_set(tool: str) -> None:
    package = json.loads((ROOT / "tools" / tool / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((ROOT / "tools" / tool / "package-lock.json").read_text(encoding="utf-8"))
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in package["dependencies"].values())
    assert [name for name, entry in lock["packages"].items() if "resolved" in entry] == []
    assert all("integrity" in entry for name, entry in lock["packages"].items() if name)


@pytest.mark.parametrize(
    "name", ["SECURITY.md", "CONTRIBUTING.md", "LICENSE", "infra/README.md", "docs/runbook.md", "README.md"]
)
def test_a_file_that_people_look_for_is_there_and_its_links_lead_somewhere(name: str) -> None:
    file = ROOT / name
    links = re.findall(r"\]\((?!https?:)([^)#]+)", file.read_text(encoding="utf-8"))
    assert [link for link in links if not (file.parent / link).exists()] == []


def test_issue_templates_are_forms() -> None:
    forms = [
        read(path) for path in sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")) if path.name != "config.yml"
    ]
    assert len(forms) == 2
    assert all(form["name"] and form["description"] and form["body"] for form in forms)
