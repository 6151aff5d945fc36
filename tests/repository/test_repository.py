"""What surrounds the code: workflows, make, and the files that people look for."""

import json
import os
import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.bicep import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
DEPLOY = ROOT / ".github/workflows/azure-dev.yml"
TOOLS = ["azurite", "browser", "kusto"]


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
    assert runs == {".ci/run", "make infra-verify", "make audit"}


def test_both_pythons_are_tested_and_have_one_lock_that_is_proved_good_for_each() -> None:
    pythons = read(ROOT / ".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert pythons == re.findall(r"3\.\d+", makefile.split("\nrequirements-check:")[1].split("; do", 1)[0])
    assert (ROOT / ".python-version").read_text(encoding="utf-8").strip() == pythons[0]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={pythons[0]}"


def test_what_is_audited_and_kept_fresh_is_every_lock_that_there_is() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").split("\naudit:")[1].split("\n\n")[0]
    audited = {path for word in recipe.split("for lock in ")[1].split(";")[0].split() for path in ROOT.glob(word)}
    updates = read(ROOT / ".github/dependabot.yml")["updates"]
    fresh = {(update["package-ecosystem"], place) for update in updates for place in update.get("directories") or ["/"]}
    npm = {("npm", f"/{lock.parent.relative_to(ROOT)}") for lock in ROOT.glob("tools/*/package-lock.json")}
    pip = {("pip", "/" + "/".join(lock.relative_to(ROOT).parts[:-1])) for lock in audited}
    assert audited == {*ROOT.glob("requirements*.txt"), *ROOT.glob("tools/*/requirements.txt")}
    assert fresh == npm | pip | {("github-actions", "/")}
    assert "pip_audit --strict" in recipe, "what the database does not know would pass"


def test_only_the_job_that_drafts_a_release_may_write_and_it_runs_nothing_from_a_package_index() -> None:
    jobs = {(path.name, name): job for path in WORKFLOWS for name, job in read(path)["jobs"].items()}
    assert [name for name, job in jobs.items() if "permissions" in job] == [("release.yml", "draft")]
    draft = jobs["release.yml", "draft"]
    assert draft["permissions"] == {"contents": "write"}
    assert [step["run"].split()[0] for step in draft["steps"] if "run" in step] == ["sha256sum", "gh"]
    assert [step["uses"].split("@")[0] for step in draft["steps"] if "uses" in step] == ["actions/download-artifact"]


def test_a_release_is_drafted_of_what_was_tested() -> None:
    build = read(ROOT / ".github/workflows/release.yml")["jobs"]["build"]["steps"]
    tag, *commands = [step["run"] for step in build if "run" in step]
    assert commands == [".ci/run", "make release"]
    assert build[-1]["with"] == {"name": "release", "path": "build/release", "if-no-files-found": "error"}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert read(ROOT / "azure.yaml")["metadata"]["template"] == f"cmk-rotation@{version}"
    for name, code in ((f"v{version}", 0), ("v9.9.9", 1)):
        env = {"PATH": os.environ["PATH"], "GITHUB_REF_NAME": name}
        assert (
            subprocess.run(["/bin/sh", "-c", tag], cwd=ROOT, env=env, capture_output=True, check=False).returncode
            == code
        )


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


def test_each_section_of_the_runbook_that_the_app_names_is_there() -> None:
    app = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "cmk_rotation").rglob("*")
        if path.suffix in {".py", ".html"}
    )
    named = {*re.findall(r"runbook\.md#([\w-]+)", app), *re.findall(r"section `([^`]+)`", app)}
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs/runbook.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"silent", "poison-messages"} <= named
    assert named - {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings} == set()


def test_issue_templates_are_forms() -> None:
    forms = [
        read(path) for path in sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")) if path.name != "config.yml"
    ]
    assert len(forms) == 2
    assert all(form["name"] and form["description"] and form["body"] for form in forms)
