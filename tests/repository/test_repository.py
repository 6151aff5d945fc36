"""What surrounds the code: workflows, make, and the files that people look for."""

import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.bicep import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
DEPLOY = ROOT / ".github/workflows/azure-dev.yml"
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


def test_the_deploy_workflow_gives_every_parameter_of_azd_and_the_same_defaults() -> None:
    """A parameter that it left out would be set back to its default by each run."""
    given = read(DEPLOY)["jobs"]["deploy"]["env"]
    parameters = json.loads((ROOT / "infra/main.parameters.json").read_text(encoding="utf-8"))["parameters"]
    wanted = {
        "AZURE_SUBSCRIPTION_ID": "${{ vars.AZURE_SUBSCRIPTION_ID }}",
        "CONNECTED_BY_OTHERS": "${{ vars.CONNECTED_BY_OTHERS || 'false' }}",  # the hooks' alone, as the roles are
    }
    roles = ("CLUSTER_ROLE_ID", "OPERATION_ROLE_ID", "KEY_ROLE_ID", "STORAGE_ROLE_ID")
    wanted |= {name: f"${{{{ vars.{name} }}}}" for name in roles}
    for entry in parameters.values():
        name, _, default = entry["value"].removeprefix("${").removesuffix("}").partition("=")
        wanted[name] = f"${{{{ vars.{name} || '{default}' }}}}" if default else f"${{{{ vars.{name} }}}}"
    assert given == wanted
    own = {"AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_SUBSCRIPTION_ID"}  # azd sets these by itself
    assert set(read(ROOT / "azure.yaml")["pipeline"]["variables"]) == given.keys() - own


def test_the_deploy_workflows_token_is_for_the_subject_that_azd_pipeline_config_trusts() -> None:
    """That is the branch; with a GitHub environment the token would name the environment instead."""
    assert "environment" not in read(DEPLOY)["jobs"]["deploy"]


def test_the_deploy_workflow_builds_the_package_itself_with_the_apps_own_python() -> None:
    steps = read(DEPLOY)["jobs"]["deploy"]["steps"]
    (build,) = [step["run"].splitlines() for step in steps if "pip install" in step.get("run", "")]
    (service,) = read(ROOT / "azure.yaml")["services"]
    assert build == [
        "python -m pip install --require-hashes --target .python_packages/lib/site-packages -r requirements.txt",
        f"yq --inplace '.services.{service}.remoteBuild = false' azure.yaml",
        "azd deploy --no-prompt",
    ]
    (python,) = [step for step in steps if step.get("uses", "").startswith("actions/setup-python@")]
    assert python["with"] == {"python-version-file": ".python-version"}


def test_nothing_that_the_package_needs_is_left_out_of_it() -> None:
    """`.funcignore` holds for the libraries in the package too, wherever a name of it lies in them."""
    patterns = (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()
    names = {line for line in patterns if line and not line.startswith("#")}
    pinned = re.findall(r"^([\w-]+)==", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(pinned) > 7
    modules = [file for one in pinned for file in metadata.files(one) or [] if file.suffix in {".py", ".so"}]
    left_out = {file for file in modules if names & set(file.parts)}
    assert {str(file) for file in left_out if "tests" not in file.parts} == set()


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
    "name",
    [
        "SECURITY.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "infra/README.md",
        "docs/runbook.md",
        "docs/first-deployment.md",
        "README.md",
    ],
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
