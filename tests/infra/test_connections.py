"""The hook that connects the app to clusters and vaults, with an Azure CLI that remembers."""

import json
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.hooks import connections
from tests.infra import bicep

SUBSCRIPTION = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
OTHER = "11111111-1bf0-4dda-aec3-cb9272f09590"
APP_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-cmk"
APP = f"{APP_GROUP}/providers/Microsoft.Web/sites/func-cmk"
WORKSPACE = f"{APP_GROUP}/providers/Microsoft.OperationalInsights/workspaces/log-cmk"
LOGS = f"/subscriptions/{OTHER}/resourceGroups/rg-Logs"
CLUSTER = f"{LOGS}/providers/Microsoft.OperationalInsights/clusters/cluster-a"
VAULT = f"/subscriptions/{OTHER}/resourceGroups/rg-keys/providers/Microsoft.KeyVault/vaults/contoso"
TOPIC = f"/subscriptions/{OTHER}/resourceGroups/rg-keys/providers/Microsoft.EventGrid/systemTopics/topic"
EVENTS = f"{TOPIC}/eventSubscriptions/cmk-rotation-x"
DIAGNOSTICS = f"{TOPIC}/providers/Microsoft.Insights/diagnosticSettings/cmk-rotation-x"
ROLE = f"/subscriptions/{OTHER}/providers/Microsoft.Authorization/roleDefinitions/r"
RIGHT = f"{VAULT}/providers/Microsoft.Authorization/roleAssignments/a"
ENVIRON = {
    "AZURE_ENV_NAME": "cmk",
    "AZURE_LOCATION": "westeurope",
    "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
    "FUNCTION_APP_ID": APP,
    "APP_PRINCIPAL_ID": "object-id",
    "STORAGE_ACCOUNT_ID": f"{APP_GROUP}/providers/Microsoft.Storage/storageAccounts/stcmk",
    "WORKSPACE_ID": WORKSPACE,
    "ACTION_GROUP_ID": f"{APP_GROUP}/providers/Microsoft.Insights/actionGroups/ag-cmk",
    "CLUSTER_SCOPES": f"{CLUSTER}, {LOGS}/,/subscriptions/{SUBSCRIPTION.upper()}",
    "KEY_VAULT_IDS": VAULT,
}


@dataclass
class Az:
    """The fake Azure CLI's memory, from outside."""

    file: Path
    waits: list[float] = field(default_factory=list)

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file.read_text(encoding="utf-8"))
        return found

    def be(self, **changes: Any) -> None:
        self.file.write_text(json.dumps(self.state | changes), encoding="utf-8")

    def add(self, id_: str, **resource: Any) -> None:
        self.be(resources=self.state["resources"] | {id_.lower(): {"id": id_} | resource})

    def connect(self, **environ: str) -> None:
        connections.connect(ENVIRON | environ, self.waits.append)

    def disconnect(self) -> None:
        connections.disconnect(ENVIRON, self.waits.append)


@pytest.fixture
def az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Az:
    program = tmp_path / "az"
    command = shlex.join([sys.executable, "-S", str(Path(__file__).parent / "fake_az.py")])
    program.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    state = tmp_path / "state.json"
    empty: dict[str, Any] = {
        "calls": [],
        "deployments": [],
        "deleted": [],
        "forbidden": [],
        "makes": [],
        "polls_until_indexed": 0,
        "resources": {},
        "seems_assigned": 0,
    }
    state.write_text(json.dumps(empty), encoding="utf-8")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("FAKE_AZ_STATE", str(state))
    fake = Az(state)
    fake.add(WORKSPACE, properties={"features": {}})
    fake.add(VAULT, location="northeurope")
    return fake


def test_connecting_gives_the_template_exactly_its_parameters(az: Az) -> None:
    az.connect()
    given = az.state["parameters"]
    template = bicep.read("connect/main.bicep")
    assert given.keys() == template.parameters.keys()
    assert given["clusterSubscriptions"] == [OTHER, SUBSCRIPTION]
    assert given["subscriptions"] == [SUBSCRIPTION]
    assert given["groups"] == [{"subscription": OTHER, "group": "rg-Logs"}]
    assert given["clusters"] == [{"subscription": OTHER, "group": "rg-Logs", "name": "cluster-a"}]
    assert given["vaults"] == [
        {
            "subscription": OTHER,
            "group": "rg-keys",
            "name": "contoso",
            "location": "northeurope",
            "topicId": "",
            "topicPrincipalId": "",
        }
    ]
    for kind, items in (("clusterGroup", "groups"), ("singleCluster", "clusters"), ("keyVault", "vaults")):
        declared = template.text.split(f"type {kind} = {{")[1].split("\n}")[0]
        assert all(f"  {name}: string" in declared for name in given[items][0])
        assert declared.count(": string") == len(given[items][0])


def test_the_hook_finds_all_it_needs_among_the_outputs_of_the_first_deployment() -> None:
    from_azd = {"AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_SUBSCRIPTION_ID"}
    assert ENVIRON.keys() - from_azd <= bicep.read("main.bicep").outputs.keys()


def test_connecting_waits_for_the_function_and_says_so(az: Az, capsys: pytest.CaptureFixture[str]) -> None:
    az.be(polls_until_indexed=2)
    az.connect()
    assert az.waits == [connections.POLL_SECONDS] * 2
    assert "Waiting for the function on_key_event to be indexed (2 of 60)" in capsys.readouterr().out


def test_connecting_gives_up_on_a_function_that_never_comes(az: Az) -> None:
    az.be(polls_until_indexed=1_000)
    with pytest.raises(connections.StoppedError, match="was not indexed in 15 minutes"):
        az.connect()
    assert az.state["deployments"] == []


def test_a_right_that_the_deployer_lacks_is_not_taken_for_a_function_that_is_not_there(az: Az) -> None:
    az.be(forbidden=[f"{APP}/functions/on_key_event".lower()])
    with pytest.raises(connections.AzError, match="Forbidden"):
        az.connect()
    assert az.waits == []


def test_the_one_system_topic_of_a_vault_is_reused(az: Az) -> None:
    for name in ("first", "second"):
        az.add(TOPIC.replace("systemTopics/topic", f"systemTopics/{name}"), properties={"source": CLUSTER})
    az.add(TOPIC, properties={"source": VAULT.upper()}, identity={"principalId": "topic-identity"}, tags=None)
    az.connect()
    (vault,) = az.state["parameters"]["vaults"]
    assert (vault["topicId"], vault["topicPrincipalId"]) == (TOPIC, "topic-identity")


def test_a_topic_without_an_identity_is_named_with_what_to_do(az: Az) -> None:
    az.add(TOPIC, properties={"source": VAULT})
    with pytest.raises(connections.StoppedError, match="az eventgrid system-topic update"):
        az.connect()


def test_a_topic_that_this_made_before_is_made_again_and_not_taken_for_somebody_elses(az: Az) -> None:
    az.add(TOPIC, properties={"source": VAULT}, tags={"cmk-rotation-environment": "cmk"})
    az.connect()
    (vault,) = az.state["parameters"]["vaults"]
    assert vault["topicId"] == ""


def test_telemetry_in_a_workspace_that_is_linked_to_a_cluster_in_scope_is_refused(az: Az) -> None:
    az.add(WORKSPACE, properties={"features": {"clusterResourceId": CLUSTER.upper()}})
    with pytest.raises(connections.StoppedError, match="the evidence goes with it"):
        az.connect()
    assert az.state["deployments"] == []


def test_a_workspace_that_is_linked_to_a_cluster_out_of_scope_is_fine(az: Az) -> None:
    az.add(WORKSPACE, properties={"features": {"clusterResourceId": f"{CLUSTER}-2"}})
    az.connect(CLUSTER_SCOPES=CLUSTER)
    assert len(az.state["deployments"]) == 1


def test_what_is_no_longer_asked_for_is_removed_after_connecting_again(az: Az) -> None:
    az.be(makes=[EVENTS, TOPIC, RIGHT, ROLE])
    az.connect()
    az.be(makes=[ROLE.upper()])
    az.connect()
    assert az.state["deleted"] == [one.lower() for one in (EVENTS, TOPIC, RIGHT)]


def test_connecting_twice_removes_nothing(az: Az) -> None:
    az.be(makes=[EVENTS, TOPIC, RIGHT, ROLE])
    az.connect()
    az.connect()
    assert az.state["deleted"] == []


def test_disconnecting_removes_everything_those_that_hang_on_others_first(az: Az) -> None:
    az.be(makes=[ROLE, RIGHT, TOPIC, "", DIAGNOSTICS, EVENTS])
    az.connect()
    az.disconnect()
    assert az.state["deleted"] == [one.lower() for one in (EVENTS, DIAGNOSTICS, TOPIC, RIGHT, ROLE)]


def test_disconnecting_what_is_gone_or_was_never_connected_is_fine(az: Az) -> None:
    az.disconnect()
    az.be(makes=[EVENTS, ROLE])
    az.connect()
    az.disconnect()
    az.disconnect()
    assert az.state["deleted"].count(ROLE.lower()) == 2


def test_a_role_that_seems_assigned_still_is_tried_again_for_a_while(az: Az) -> None:
    az.be(makes=[RIGHT, ROLE], seems_assigned=2)
    az.connect()
    az.disconnect()
    assert az.state["deleted"] == [RIGHT.lower(), ROLE.lower()]
    assert az.waits == [connections.POLL_SECONDS] * 2
    az.be(seems_assigned=1_000)
    az.connect()
    with pytest.raises(connections.AzError, match="RoleDefinitionHasAssignments"):
        az.disconnect()


def test_a_topic_with_somebody_elses_subscription_is_kept(az: Az, capsys: pytest.CaptureFixture[str]) -> None:
    az.be(makes=[EVENTS, TOPIC])
    az.connect()
    az.add(f"{TOPIC}/eventSubscriptions/theirs")
    az.disconnect()
    assert az.state["deleted"] == [EVENTS.lower()]
    assert f"Keeping {TOPIC}" in capsys.readouterr().out


def test_another_environments_deployments_are_left_alone(az: Az) -> None:
    az.be(makes=[EVENTS])
    az.connect(AZURE_ENV_NAME="cmk2")
    az.disconnect()
    assert az.state["deleted"] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLUSTER_SCOPES", f"{APP}"),
        ("CLUSTER_SCOPES", "/subscriptions"),
        ("KEY_VAULT_IDS", CLUSTER),
        ("FUNCTION_APP_ID", " "),
    ],
)
def test_what_makes_no_sense_is_named(az: Az, name: str, value: str) -> None:
    with pytest.raises(connections.StoppedError, match=name):
        az.connect(**{name: value})
    assert az.state["deployments"] == []


def test_everything_that_is_deployed_outside_can_be_removed() -> None:
    """The hook knows the type, and the version, of whatever the second deployment makes outside the app's group."""
    inside = {"connect/dead-letter-access.bicep"}
    made = {
        (resource.type, resource.version)
        for path in bicep.files()
        if path.parent.name == "connect" and str(path.relative_to(bicep.INFRA)) not in inside
        for resource in bicep.parse(path).resources
        if not resource.existing
    }
    assert {kind for kind, _ in made} == set(connections.REMOVAL_ORDER)
    assert all(connections.API_VERSIONS[kind] == version for kind, version in made)


@pytest.mark.parametrize(("arguments", "code"), [(["connect"], 0), (["disconnect"], 0), (["connects"], 2), ([], 2)])
def test_the_exit_code_tells_azd(az: Az, arguments: list[str], code: int) -> None:
    assert connections.main(arguments, ENVIRON) == code
    assert (az.state["deployments"] != []) == (arguments == ["connect"])


def test_what_is_in_the_way_is_said_on_stderr(
    az: Az, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    az.be(forbidden=[VAULT.lower()])
    assert connections.main(["connect"], ENVIRON) == 1
    assert "Stopped: the Azure CLI said: ERROR: Forbidden" in capsys.readouterr().err
    monkeypatch.setenv("PATH", "/nowhere")
    assert connections.main(["connect"], ENVIRON) == 1
    assert "Stopped: the Azure CLI is needed" in capsys.readouterr().err
