"""The hook's way to Azure: what an error means, pages, other code pages, and the program as azd starts it."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import azure_cli
import belongings
import connections
import sign_in
from azure_cli import GONE, AzError
from tests.infra import bicep
from tests.infra.bicep import INFRA, ROOT
from tests.infra.fake_arm import connected
from tests.infra.hook_stage import ALL_THAT_CAN_BE_CONNECTED, VAULT, environ, stage

HOOKS = INFRA / "hooks"
PROGRAM = HOOKS / "connections.py"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ('ERROR: Not Found({"error":{"code":"ResourceNotFound","message":"x"}})', ["ResourceNotFound"]),
        ('ERROR: Not Found({"code":"ResourceNotFound","message":"x"})', ["ResourceNotFound"]),
        ("ERROR: (AuthorizationFailed) The client does not have\nCode: AuthorizationFailed", ["AuthorizationFailed"]),
        (
            r'ERROR: {"code": "DeploymentFailed", "details": [{"code": "Conflict", "message": "{\"code\": \"NotYet\"}"}]}',
            ["DeploymentFailed", "Conflict", "NotYet"],
        ),
        ("ERROR: The subscription of 'x' doesn't exist in cloud 'AzureCloud'.", []),
        ("Subscription 'x' not found. Check the spelling and casing and try again.", []),
    ],
)
def test_a_code_is_read_and_text_is_not(text: str, codes: list[str]) -> None:
    error = AzError(text)
    assert error.codes == codes
    assert error.gone == (codes[:1] == ["ResourceNotFound"])


def test_only_the_outermost_code_says_what_is_gone() -> None:
    assert not AzError('Conflict({"error":{"code":"Failed","details":[{"code":"ResourceNotFound"}]}})').gone
    assert "SubscriptionNotFound" not in GONE


def test_a_list_is_read_to_its_end_whatever_its_token_holds() -> None:
    azure = stage()
    for place in range(25):
        azure.add(f"{VAULT.partition('/providers/')[0]}/providers/Microsoft.EventGrid/systemTopics/t{place}")
    path = f"/subscriptions/{VAULT.split('/')[2]}/providers/Microsoft.EventGrid/systemTopics"
    assert len(list(azure.azure.pages(path, belongings.TOPICS))) == 25
    links = [call for call in azure.state["calls"] if any(argument.startswith("@") for argument in call)]
    assert len(links) == 24
    # cmd.exe, which runs az on Windows, takes these for its own.
    assert [call for call in azure.state["calls"] for argument in call if set(argument) & set('&%^|<>"')] == []


@pytest.mark.parametrize(
    ("said", "account"),
    [
        ('{"status":"authenticated","email":"zoë@contoso.com"}', "zoë@contoso.com"),
        ('{"clientId": "x"}', "x"),
        ("ERROR", ""),
    ],
)
def test_whom_azd_acts_as_is_known_if_it_tells(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, account: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert sign_in.azd_account() == ""
    program = tmp_path / "azd"
    program.write_text(f"#!/bin/sh\necho '{said}'\n", encoding="utf-8")
    program.chmod(0o755)
    assert sign_in.azd_account() == account


def test_an_answer_that_is_no_json_is_an_error_and_no_traceback() -> None:
    azure = azure_cli.Azure(lambda _: (0, "WARNING: a new version is there", ""))
    with pytest.raises(AzError, match="no JSON: WARNING"):
        azure.call("account", "show")


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    """A machine with our `az` in its path, and a folder with a blank in its name."""
    folder = tmp_path / "Program Files"
    folder.mkdir(exist_ok=True)
    program = folder / "az"
    fake = f'exec "{sys.executable}" "{ROOT / "tests/infra/fake_az.py"}" "$@"\n'
    program.write_text(f"#!/bin/sh\n{fake}", encoding="utf-8")
    program.chmod(0o755)
    return {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "FAKE_AZ_STATE": str(tmp_path / "state.json"),
        **environ(CLUSTER_SCOPES=VAULT.partition("/providers/")[0]),
        **more,
    }


def run(word: str, tmp_path: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), *word.split()],
        env=environment(tmp_path, **more),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def test_the_program_connects_and_disconnects_from_any_folder(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text(json.dumps(stage(deletion_polls=0).state), encoding="utf-8")
    connecting = run("connect", tmp_path)
    assert (connecting.returncode, connecting.stderr) == (0, "")
    assert "Connected." in connecting.stdout
    disconnecting = run("disconnect", tmp_path)
    assert (disconnecting.returncode, disconnecting.stderr) == (0, "")
    assert "12 things were found" in disconnecting.stdout
    assert "zoë@contoso.com" in disconnecting.stdout


def test_letters_of_another_code_page_stop_nothing(tmp_path: Path) -> None:
    """What az writes on Windows is in the console's code page; this machine's locale is another."""
    (tmp_path / "state.json").write_text(json.dumps(stage().state), encoding="utf-8")
    done = run("check", tmp_path, FAKE_AZ_CODE_PAGE="cp1252", PYTHONIOENCODING="ascii")
    assert "Traceback" not in done.stderr
    assert "Nothing is in the way." in done.stdout


def test_an_error_is_one_sentence_and_exit_code_one(tmp_path: Path) -> None:
    azure = stage(refusals=[{"method": "get", "path": VAULT, "code": "Öde", "reason": "Forbidden", "times": 1}])
    (tmp_path / "state.json").write_text(json.dumps(azure.state), encoding="utf-8")
    done = run("connect", tmp_path, FAKE_AZ_CODE_PAGE="cp1252")
    assert done.returncode == 1
    assert done.stderr.startswith("Stopped: the Azure CLI said: ERROR: Forbidden")


@pytest.mark.parametrize("words", ["", "reconnect", "connect disconnect"])
def test_a_wrong_word_shows_how_it_is_used(tmp_path: Path, words: str) -> None:
    done = run(words, tmp_path)
    assert done.returncode == 2
    assert "check | connect | disconnect" in done.stderr


def test_a_machine_without_the_azure_cli_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(azure_cli.StoppedError, match="az login"):
        azure_cli.run_az(["version"])


@pytest.mark.parametrize("path", sorted(HOOKS.glob("*.py")), ids=lambda path: path.name)
def test_the_hooks_are_read_by_python_3_10_and_the_first_file_by_older_ones(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 10))
    if path == PROGRAM:
        ast.parse(text, feature_version=(3, 7))
    assert text.count("\n") <= 300
    names = {alias.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import) for alias in node.names}
    froms = {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
    used = {str(name).partition(".")[0] for name in names | froms}
    assert used <= sys.stdlib_module_names | {one.stem for one in HOOKS.glob("*.py")}


def test_an_old_python_is_told_where_to_get_one() -> None:
    code = f"import sys; sys.version_info = (3, 9, 6); sys.argv = ['x', 'check']; exec(open({str(PROGRAM)!r}).read())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert connections.OLDEST_PYTHON == (3, 10)
    assert (done.returncode, done.stdout) == (1, "")
    assert "this is Python 3.9, and the hooks need 3.10" in done.stderr


def test_api_versions_are_those_of_the_templates() -> None:
    declared = {resource.type: resource.version for path in bicep.files() for resource in bicep.parse(path).resources}
    known = azure_cli.VERSIONS.items() & declared.items()
    assert {kind: version for kind, version in azure_cli.VERSIONS.items() if kind in declared} == dict(known)
    assert len(known) >= 9


def made_by_connect() -> Iterator[tuple[bicep.Resource, bicep.File]]:
    """Each resource of connect/, and the file that makes it."""
    for path in bicep.files():
        if path.parent.name == "connect" and path.name != "main.bicep":
            file = bicep.parse(path)
            yield from ((resource, file) for resource in file.resources if not resource.existing)


def test_everything_that_connect_makes_can_be_found_and_removed_and_the_fake_makes_the_same() -> None:
    made = {resource.type for resource, _ in made_by_connect()}
    assert made == set(belongings.REMOVAL_ORDER)
    azure = stage()
    azure.connect(ALL_THAT_CAN_BE_CONNECTED)
    makes = list(connected(azure.state["parameters"]))
    assert {output for output, _ in makes} == bicep.read("connect/main.bicep").outputs.keys()
    assert {belongings.belonging(one["id"]).type for _, one in makes} == made


def test_a_role_is_known_by_its_own_name_however_it_is_listed() -> None:
    ids = (
        "/subscriptions/A/providers/Microsoft.Authorization/roleDefinitions/R",
        "/providers/microsoft.authorization/roledefinitions/r",
    )
    assert len({belongings.belonging(id_).key for id_ in ids}) == 1


def test_what_connect_makes_carries_the_mark_that_the_hook_knows_it_by() -> None:
    main = bicep.read("connect/main.bicep")
    assert main.variables["mark"] == "cmk-rotation:${toLower(functionAppId)}"
    assert main.variables["ourTags"][belongings.TAG] == "toLower(functionAppId)"
    assert main.variables["tags"] == "union(extraTags, ourTags)"
    for resource, file in made_by_connect():
        match resource.type:
            case belongings.ASSIGNMENTS:
                assert resource.properties["description"] == "mark", file.path
            case belongings.ROLES:
                assert resource.properties["description"].endswith(" ${mark}"), file.path
            case belongings.TOPICS | belongings.ALERTS:
                assert resource.body["tags"] == "tags", file.path
            case belongings.EVENTS:
                variables = file.variables
                assert str(resource.properties).startswith("union(always, ")
                assert variables["always"]["destination"] == "destination"
                assert variables["destination"]["properties"]["resourceId"] == "app::onKeyEvent.id"
            case belongings.DIAGNOSTICS:
                assert resource.properties["workspaceId"] == "workspaceId"
                assert resource.properties["logAnalyticsDestinationType"] == "Dedicated"
            case belongings.LINKS:
                assert resource.properties["linkedResourceId"] in {"workspaceId", "insightsId"}
            case kind:
                raise AssertionError(kind)


def test_names_follow_from_ids_in_lower_case_and_fit() -> None:
    kinds = {"'clusters'", "'operations'", "'keys'", "'storage'", "kind", "kindOfRole"}
    lower = {"token", "principalId", "storageBlobDataContributor", "item.name", *kinds}
    for path in bicep.files():
        if path.parent.name != "connect":
            continue
        text = path.read_text(encoding="utf-8")
        for given in re.findall(r"\b(?:guid|uniqueString)\(((?:[^()]|\([^()]*(?:\([^()]*\))?[^()]*\))*)\)", text):
            parts = {part.strip() for part in re.split(r",\s*(?![^(]*\))", given)}
            assert all(part.startswith("toLower(") for part in parts - lower), (path.name, given)
        for name in re.findall(r"name: '(cmk-rotation-[^']*)'", text):
            assert len(re.sub(r"\$\{[^}]*\}", "x" * 13, name)) <= 64 or "vaultName" in name


def test_every_alert_waits_for_no_metric() -> None:
    assert "skipMetricValidation: true" in bicep.read("connect/event-alerts.bicep").text


def test_azd_runs_the_hooks_where_they_are_read() -> None:
    project = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))
    words = {"preprovision": "check", "postdeploy": "connect", "predown": "disconnect"}
    assert project["hooks"].keys() == words.keys()
    for name, word in words.items():
        for system, python, shell in (("posix", "python3", "sh"), ("windows", "python", "pwsh")):
            hook = project["hooks"][name][system]
            # Not interactive, azd shows eight lines of a hook and then takes them away.
            assert hook == {"shell": shell, "run": f"{python} infra/hooks/connections.py {word}", "interactive": True}
    assert project["requiredVersions"]["azd"] == ">= 1.23.5"
