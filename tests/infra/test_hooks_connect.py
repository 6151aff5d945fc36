"""The hook that connects the app to clusters and vaults, with an Azure that remembers and is unfriendly."""

from typing import Any

import pytest

import connect
import indexing
from azure_cli import AzError, StoppedError
from environment import installation
from tests.infra import bicep
from tests.infra.hook_stage import (
    CLUSTER,
    HUB,
    KEYS,
    LOGS,
    OTHER,
    PROD,
    SECOND_VAULT,
    STORAGE,
    SUBSCRIPTION,
    THEIR_TOPIC,
    VAULT,
    Stage,
    environ,
    stage,
)

APP = PROD["FUNCTION_APP_ID"]


def kinds(ids: set[str]) -> list[str]:
    return sorted(id_.rsplit("/", 2)[1] for id_ in ids)


ALL = sorted(
    [
        *["roledefinitions"] * 5,
        *["roleassignments"] * 7,
        *["systemtopics", "eventsubscriptions", "diagnosticsettings", "metricalerts", "metricalerts"],
    ]
)
"""What the example's three scopes and one vault come to."""


def test_connecting_gives_the_template_exactly_its_parameters_each_thing_once(azure: Stage) -> None:
    azure.connect(
        PROD
        | {
            "CLUSTER_SCOPES": f"{CLUSTER},{CLUSTER.upper()},{LOGS}, /subscriptions/{SUBSCRIPTION.upper()},{LOGS.lower()}",
            "KEY_VAULT_IDS": f"{VAULT},{VAULT.upper()}",
            "STORAGE_SCOPES": f"{STORAGE},{STORAGE.upper()}, {HUB},/subscriptions/{OTHER}",
        }
    )
    given = azure.state["parameters"]
    template = bicep.read("connect/main.bicep")
    assert given.keys() == template.parameters.keys()
    assert given["clusterSubscriptions"] == [OTHER, SUBSCRIPTION]
    assert given["subscriptions"] == [SUBSCRIPTION]
    assert given["groups"] == [{"subscription": OTHER, "group": "rg-logs"}]
    assert given["clusters"] == [{"subscription": OTHER, "group": "rg-logs", "name": "cluster-a"}]
    assert given["storageSubscriptions"] == [OTHER]
    assert given["storageGroups"] == [{"subscription": OTHER, "group": "rg-hub"}]
    assert given["storageAccounts"] == [{"subscription": OTHER, "group": "rg-logs", "name": "stqueries"}]
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
    for kind, items in (("groupInScope", "groups"), ("resourceInScope", "clusters"), ("keyVault", "vaults")):
        declared = template.text.split(f"type {kind} = {{")[1].split("\n}")[0]
        assert all(f"  {name}: string" in declared for name in given[items][0])
        assert declared.count(": string") == len(given[items][0])


@pytest.mark.parametrize(
    ("access", "letters"), [("", True), ("Enabled", True), ("Disabled", False), ("SecuredByPerimeter", False)]
)
def test_dead_letters_are_asked_for_where_event_grid_gets_in(azure: Stage, access: str, *, letters: bool) -> None:
    azure.connect(PROD | {"STORAGE_PUBLIC_ACCESS": access})
    assert azure.state["parameters"]["deadLetters"] is letters
    assert any("dead-letters" in id_ for id_ in azure.outside(PROD)) is letters


def test_a_place_taken_out_of_the_storage_scopes_loses_its_right_and_its_role(azure: Stage) -> None:
    azure.connect(PROD)
    bare = azure.outside(PROD)
    azure.connect(PROD | {"STORAGE_SCOPES": f"{STORAGE},{HUB}"})
    assert kinds(azure.outside(PROD) - bare) == ["roleassignments", "roleassignments", "roledefinitions"]
    azure.connect(PROD | {"STORAGE_SCOPES": HUB})
    assert kinds(azure.outside(PROD) - bare) == ["roleassignments", "roledefinitions"]
    azure.connect(PROD)
    assert azure.outside(PROD) == bare


def test_a_right_to_leave_dead_letters_goes_when_event_grid_is_shut_out(connected: Stage) -> None:
    connected.connect(PROD | {"STORAGE_PUBLIC_ACCESS": "Disabled"})
    assert not any("dead-letters" in id_ for id_ in connected.outside(PROD))


def test_connecting_makes_what_the_readme_names(azure: Stage) -> None:
    azure.connect(PROD)
    assert kinds(azure.outside(PROD)) == ALL
    assert azure.state["deleted"] == []


def test_connecting_twice_changes_nothing(azure: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    azure.connect(PROD)
    before = azure.outside(PROD)
    capsys.readouterr()
    azure.connect(PROD)
    assert azure.outside(PROD) == before
    assert azure.state["deleted"] == []
    assert "Keeping" not in capsys.readouterr().out


def test_the_hook_finds_all_it_needs_among_the_outputs_of_the_first_deployment() -> None:
    from_azd = {"AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_SUBSCRIPTION_ID"}
    assert environ().keys() - from_azd <= bicep.read("main.bicep").outputs.keys()


def test_connecting_waits_for_the_function_and_says_so(azure: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    azure.state["polls_until_indexed"] = 2
    azure.connect(PROD)
    assert azure.waits == [indexing.POLL_SECONDS] * 2
    assert "Waiting for the function on_key_event to be indexed (2 of 60)" in capsys.readouterr().out


def test_connecting_gives_up_on_a_function_that_never_comes(azure: Stage) -> None:
    azure.state["polls_until_indexed"] = 1_000
    with pytest.raises(StoppedError, match="was not indexed in 15 minutes"):
        azure.connect(PROD)
    assert azure.deployments == 0


@pytest.mark.parametrize(
    ("code", "reason"), [("SubscriptionNotFound", "Not Found"), ("AuthorizationFailed", "Forbidden")]
)
def test_an_app_that_is_out_of_sight_is_not_waited_for(azure: Stage, code: str, reason: str) -> None:
    azure.refuse("get", f"{APP}/functions", code, reason)
    azure.refuse("get", f"{APP}", code, reason)
    with pytest.raises(AzError, match=code):
        azure.connect(PROD)
    assert azure.waits == []


def test_a_right_that_the_deployer_lacks_is_not_taken_for_a_function_that_is_not_there(azure: Stage) -> None:
    azure.refuse("get", f"{APP}/functions", "AuthorizationFailed")
    with pytest.raises(AzError, match="AuthorizationFailed"):
        azure.connect(PROD)
    assert azure.deployments == 0


def test_an_app_that_goes_out_of_sight_is_not_waited_for_either(azure: Stage) -> None:
    azure.state["polls_until_indexed"] = 1_000
    azure.refuse("get", f"{APP}$", "SubscriptionNotFound", "Not Found", after=3)
    with pytest.raises(AzError, match="SubscriptionNotFound"):
        azure.connect(PROD)
    assert len(azure.waits) == 2


def test_an_app_that_is_gone_is_said_to_be(azure: Stage) -> None:
    del azure.resources[APP.lower()]
    with pytest.raises(StoppedError, match="there is no function app"):
        azure.connect(PROD)


def test_a_host_that_starts_is_waited_for(azure: Stage) -> None:
    azure.refuse("get", f"{APP}/functions", "", "Bad Gateway", times=2)
    azure.connect(PROD)
    assert len(azure.waits) == 2


def test_an_app_that_only_event_grid_reaches_is_connected_without_being_asked(azure: Stage) -> None:
    azure.refuse("get", f"{APP}/functions", "Forbidden", "Forbidden")
    azure.connect(PROD)
    assert azure.deployments == 1
    assert azure.waits == []


def synced(azure: Stage) -> int:
    return sum("syncfunctiontriggers" in "".join(call) for call in azure.state["calls"])


def test_premium_is_told_to_sync_its_triggers_before_it_is_waited_for(azure: Stage) -> None:
    azure.deployed(PROD, sku="ElasticPremium")
    azure.refuse("post", "syncfunctiontriggers", "ServiceUnavailable", "Service Unavailable", times=1)
    azure.state["polls_until_indexed"] = indexing.SYNC_EVERY
    azure.connect(PROD)
    assert synced(azure) == 2


def test_premium_is_known_by_azds_value_where_azure_does_not_tell(azure: Stage) -> None:
    azure.deployed(PROD, sku="")
    azure.connect(PROD | {"HOSTING_PLAN": "ElasticPremium"})
    assert synced(azure) == 1


def test_flex_consumption_syncs_by_itself(azure: Stage) -> None:
    azure.connect(PROD)
    assert synced(azure) == 0


def test_the_one_system_topic_of_a_vault_is_reused(azure: Stage) -> None:
    azure.their_topic("first", "second", identity={"principalId": "topic-identity"})
    azure.connect(PROD)
    (vault,) = azure.state["parameters"]["vaults"]
    assert (vault["topicId"], vault["topicPrincipalId"]) == (THEIR_TOPIC.lower(), "topic-identity")
    assert "systemtopics" not in kinds(azure.outside(PROD))


def test_a_topic_without_an_identity_is_named_with_what_to_do(azure: Stage) -> None:
    azure.their_topic()
    with pytest.raises(StoppedError, match=r"az eventgrid system-topic update .*--name THEIRS"):
        azure.connect(PROD)
    assert azure.deployments == 0


def test_telemetry_in_a_workspace_that_is_linked_to_a_cluster_in_scope_is_refused(azure: Stage) -> None:
    azure.add(PROD["WORKSPACE_ID"], properties={"features": {"clusterResourceId": CLUSTER.upper()}})
    with pytest.raises(StoppedError, match="the evidence goes with it"):
        azure.connect(PROD)
    assert azure.deployments == 0


def test_a_workspace_that_is_linked_to_a_cluster_out_of_scope_is_fine(azure: Stage) -> None:
    azure.add(PROD["WORKSPACE_ID"], properties={"features": {"clusterResourceId": f"{CLUSTER}-2"}})
    azure.connect(PROD | {"CLUSTER_SCOPES": CLUSTER})
    assert azure.deployments == 1


def test_what_is_no_longer_asked_for_is_removed_after_connecting_again(azure: Stage) -> None:
    both = PROD | {"KEY_VAULT_IDS": f"{VAULT},{SECOND_VAULT}"}
    azure.connect(both)
    azure.connect(PROD | {"CLUSTER_SCOPES": CLUSTER, "KEY_VAULT_IDS": SECOND_VAULT})
    alone = stage()
    alone.connect(PROD | {"CLUSTER_SCOPES": CLUSTER, "KEY_VAULT_IDS": SECOND_VAULT})
    assert azure.outside(PROD) == alone.outside(PROD)
    assert not any("contoso" in id_ for id_ in azure.outside(PROD))
    assert sum("/dead-letters/" in id_ for id_ in azure.outside(PROD)) == 1


def test_a_vault_taken_out_while_it_is_locked_goes_when_the_lock_is_lifted(azure: Stage) -> None:
    azure.connect(PROD | {"KEY_VAULT_IDS": f"{VAULT},{SECOND_VAULT}"})
    lock = azure.lock(VAULT)
    with pytest.raises(StoppedError, match=r"connected, but .* this stays:(?s:.*)az lock delete --ids"):
        azure.connect(PROD | {"KEY_VAULT_IDS": SECOND_VAULT})
    assert any(id_.startswith(f"{VAULT.lower()}/") for id_ in azure.outside(PROD))
    azure.unlock(lock)
    azure.connect(PROD | {"KEY_VAULT_IDS": SECOND_VAULT})
    assert not any(id_.startswith(f"{VAULT.lower()}/") for id_ in azure.outside(PROD))


def test_a_lock_that_down_will_meet_is_named_before_anything_is_made(
    azure: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = azure.lock(KEYS)
    azure.connect(PROD)
    told = capsys.readouterr().out
    assert told.index(lock.upper()) < told.index("Connecting the app")


SLOW = [
    ("RoleDefinitionDoesNotExist", "The specified role definition does not exist."),
    ("PrincipalNotFound", "Principal does not exist in the directory."),
    ("InvalidRequest", "Destination endpoint not found. Resource details: resourceId: /subscriptions/x."),
    ("Managed Identity Authorization Error", "Managed identity does not have permission on the destination."),
    ("BadRequest", "Couldn't find a metric named DeadLetteredCount."),
]


@pytest.mark.parametrize("trouble", SLOW, ids=lambda trouble: trouble[0])
def test_what_only_needs_time_is_tried_again_and_said(
    azure: Stage, trouble: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    azure.state["slow"] = [trouble, trouble]
    azure.connect(PROD)
    assert azure.waits == [connect.TRY_SECONDS] * 2
    assert "yet; trying again in 60 s (2 of 12)" in capsys.readouterr().out
    assert kinds(azure.outside(PROD)) == ALL


def test_patience_ends_with_a_sentence(azure: Stage) -> None:
    azure.state["slow"] = [SLOW[1]] * 100
    with pytest.raises(StoppedError, match=r"even after 12 minutes(?s:.*)azd hooks run postdeploy"):
        azure.connect(PROD)


@pytest.mark.parametrize("code", sorted(connect.REMEDIES))
def test_what_time_does_not_heal_stops_at_once_with_its_remedy(azure: Stage, code: str) -> None:
    azure.state["slow"] = [(code, "No.")]
    with pytest.raises(StoppedError) as stopped:
        azure.connect(PROD)
    assert connect.REMEDIES[code] in str(stopped.value)
    assert '"code": "' + code in str(stopped.value)
    assert azure.waits == []


@pytest.mark.parametrize("code", sorted(connect.REMEDIES))
def test_what_time_does_not_heal_stops_at_once_whatever_it_speaks_of(azure: Stage, code: str) -> None:
    azure.state["slow"] = [(code, "You may not give a right to leave a dead letter: destination endpoint not found.")]
    with pytest.raises(StoppedError, match="connecting failed") as stopped:
        azure.connect(PROD)
    assert connect.REMEDIES[code] in str(stopped.value)
    assert azure.waits == []


def test_nothing_is_removed_after_a_deployment_that_failed_or_says_nothing(azure: Stage) -> None:
    azure.connect(PROD)
    azure.state["fails_after"] = 3
    with pytest.raises(StoppedError, match="connecting failed"):
        azure.connect(PROD | {"KEY_VAULT_IDS": SECOND_VAULT})
    assert azure.state["deleted"] == []
    with pytest.raises(StoppedError, match="does not say what it deployed"):
        connect.remove_the_rest(azure.azure, PROD, installation(PROD), {})


def test_managed_hsm_alone_needs_no_vault(azure: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    azure.connect(PROD | {"KEY_VAULT_IDS": "none"})
    assert azure.state["parameters"]["vaults"] == []
    assert "the timer alone finds rotations" in capsys.readouterr().out


def test_who_leaves_the_connecting_to_others_connects_nothing(azure: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    azure.connect(PROD | {"CONNECTED_BY_OTHERS": "true"})
    assert azure.deployments == 0
    assert "Not connected" in capsys.readouterr().out


def test_access_policies_are_offered_until_the_app_has_one(azure: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    policy: dict[str, Any] = {"objectId": PROD["APP_PRINCIPAL_ID"].upper(), "permissions": {"keys": ["Get", "List"]}}
    azure.add(VAULT, location="northeurope", properties={"enableRbacAuthorization": False, "accessPolicies": None})
    azure.connect(PROD)
    unable = policy | {"permissions": {"keys": ["Get"]}}
    command = f"az keyvault set-policy --name contoso --subscription {OTHER} --object-id {PROD['APP_PRINCIPAL_ID']}"
    assert command in capsys.readouterr().out
    azure.add(VAULT, location="northeurope", properties={"accessPolicies": [unable]})
    azure.connect(PROD)
    assert command in capsys.readouterr().out
    azure.add(VAULT, location="northeurope", properties={"accessPolicies": [unable, policy]})
    azure.connect(PROD)
    assert "set-policy" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLUSTER_SCOPES", APP),
        ("CLUSTER_SCOPES", "/subscriptions"),
        ("CLUSTER_SCOPES", "/subscriptions/not-a-guid"),
        ("CLUSTER_SCOPES", " , "),
        ("KEY_VAULT_IDS", CLUSTER),
        ("KEY_VAULT_IDS", f"{VAULT}/"),
        ("KEY_VAULT_IDS", f"/subscriptions/{OTHER}"),
        ("STORAGE_SCOPES", CLUSTER),
        ("FUNCTION_APP_ID", " "),
        ("APP_PRINCIPAL_ID", ""),
        ("AZURE_ENV_NAME", ""),
    ],
)
def test_what_makes_no_sense_is_named(azure: Stage, name: str, value: str) -> None:
    with pytest.raises(StoppedError, match=name):
        azure.connect(PROD | {name: value})
    assert azure.deployments == 0


def test_an_environment_of_the_longest_name_connects(azure: Stage) -> None:
    long = azure.deployed(environ("x" * 64))
    azure.connect(long)
    azure.disconnect(long)
    assert azure.outside(long) == set()
