"""What is ours and what is not: names that begin alike, shared vaults and topics, other tenants."""

import pytest

from azure_cli import StoppedError
from tests.infra.fake_arm import event_subscription
from tests.infra.hook_stage import (
    CLUSTER,
    FRESH_CHECKOUT,
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
)

PREFIXED = ("prod-eu", "prod2", "pro", "prod-eu-1700000000")
"""Environments whose names begin as another's does."""


@pytest.mark.parametrize("name", PREFIXED)
@pytest.mark.parametrize("subscription", [SUBSCRIPTION, OTHER])
def test_an_environment_whose_name_begins_alike_keeps_all_that_is_its(
    azure: Stage, name: str, subscription: str
) -> None:
    other = azure.deployed(environ(name, subscription))
    azure.connect(other)
    azure.connect(PROD)
    theirs = azure.outside(other)
    azure.connect(PROD | {"CLUSTER_SCOPES": CLUSTER})
    azure.disconnect(PROD)
    assert azure.outside(other) == theirs
    assert azure.outside(PROD) == set()
    azure.disconnect(other)
    assert azure.outside(other) == set()


def test_the_same_name_in_two_subscriptions_is_two_environments(azure: Stage) -> None:
    twin = azure.deployed(environ("prod", OTHER))
    azure.connect(PROD)
    azure.connect(twin)
    theirs = azure.outside(twin)
    azure.disconnect({name: PROD[name] for name in FRESH_CHECKOUT})
    assert azure.outside(twin) == theirs - {id_ for id_ in theirs if id_ in azure.state["deleted"]} == theirs
    azure.disconnect(twin)
    assert azure.outside(PROD, twin) == set()


@pytest.mark.parametrize("first_to_leave", ["blue", "green"])
def test_the_last_to_leave_a_topic_that_one_of_ours_made_removes_it(azure: Stage, first_to_leave: str) -> None:
    apps = {name: azure.deployed(environ(name)) for name in ("blue", "green")}
    azure.connect(apps["blue"])
    azure.connect(apps["green"])
    (topic,) = (id_ for id_ in azure.resources if is_topic(id_))
    azure.disconnect(apps.pop(first_to_leave))
    assert topic in azure.resources
    (last,) = apps.values()
    azure.disconnect(last)
    assert topic not in azure.resources


def test_a_topic_whose_maker_is_gone_goes_when_its_deletion_failed_before(azure: Stage) -> None:
    blue, green = (azure.deployed(environ(name)) for name in ("blue", "green"))
    azure.connect(blue)
    azure.connect(green)
    azure.disconnect(blue)
    del azure.resources[blue["FUNCTION_APP_ID"].lower()]
    (topic,) = (id_ for id_ in azure.resources if is_topic(id_))
    azure.refuse("delete", f"{topic}$", "InternalServerError", "Internal Server Error")
    with pytest.raises(StoppedError, match="things stay"):
        azure.disconnect(green)
    azure.forget_refusals()
    azure.disconnect(green)
    assert not any(is_topic(id_) for id_ in azure.resources)


def test_a_topic_that_another_of_ours_made_and_uses_is_not_looked_at(azure: Stage) -> None:
    blue = azure.deployed(environ("blue"))
    azure.connect(blue)
    azure.resources.pop(next(id_ for id_ in azure.resources if "/eventsubscriptions/" in id_))
    azure.disconnect(PROD)
    assert any(is_topic(id_) for id_ in azure.resources)
    azure.refuse("get", f"{blue['FUNCTION_APP_ID']}$", "SubscriptionNotFound", "Not Found")
    azure.disconnect(PROD)
    assert any(is_topic(id_) for id_ in azure.resources), "not to be seen is not gone"


def test_a_topic_of_somebody_else_is_kept_without_subscriptions_too(azure: Stage) -> None:
    azure.their_topic(identity={"principalId": "topic-identity"})
    azure.connect(PROD)
    azure.disconnect(PROD)
    assert THEIR_TOPIC.lower() in azure.resources


def test_a_topic_of_somebody_else_is_kept_with_its_subscriptions(azure: Stage) -> None:
    azure.their_topic("theirs", identity={"principalId": "topic-identity"})
    before = set(azure.resources)
    azure.connect(PROD)
    azure.disconnect(PROD)
    assert set(azure.resources) == before


def test_a_topic_of_ours_that_somebody_uses_is_kept_and_said(
    connected: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = next(id_ for id_ in connected.resources if is_topic(id_))
    somebody = event_subscription("", "/subscriptions/x/resourcegroups/y/providers/microsoft.web/sites/z")
    connected.add(f"{topic}/eventSubscriptions/audit", properties=somebody["properties"])
    connected.disconnect(PROD)
    assert topic in connected.resources
    assert "it serves audit" in capsys.readouterr().out


def test_another_tenant_is_refused_and_removes_nothing(connected: Stage) -> None:
    connected.state["tenant"] = "tenant-b"
    with pytest.raises(StoppedError, match="SubscriptionNotFound"):
        connected.disconnect(PROD)
    assert connected.state["deleted"] == []


def test_a_default_subscription_in_another_tenant_is_refused(connected: Stage) -> None:
    connected.state["subscriptions"][SUBSCRIPTION]["tenant"] = "tenant-b"
    with pytest.raises(StoppedError, match="does not see the subscription"):
        connected.disconnect(PROD)


def test_another_cloud_is_refused_and_named(connected: Stage) -> None:
    connected.state.update(cloud="AzureUSGovernment", subscriptions={})
    with pytest.raises(StoppedError, match=r"cloud AzureUSGovernment(?s:.*)az cloud set"):
        connected.disconnect(PROD)


def test_another_tenant_than_azd_tells_is_refused(connected: Stage) -> None:
    with pytest.raises(StoppedError, match="tenant-z"):
        connected.disconnect(PROD | {"AZURE_TENANT_ID": "tenant-z"})


def test_a_subscription_of_ours_that_is_out_of_sight_stops(connected: Stage) -> None:
    connected.state["subscriptions"][OTHER]["tenant"] = "tenant-b"
    with pytest.raises(StoppedError, match=f"whatever is in subscription {OTHER}"):
        connected.disconnect(PROD)
    connected.state["subscriptions"][OTHER]["tenant"] = "tenant-a"
    connected.disconnect(PROD)
    assert connected.outside(PROD) == set()


def test_who_leaves_the_connecting_to_others_is_not_stopped_by_what_is_out_of_sight(
    connected: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    connected.state["subscriptions"][OTHER]["tenant"] = "tenant-b"
    connected.disconnect(PROD | {"CONNECTED_BY_OTHERS": "true"})
    assert "taken for removed by whoever connected the app" in capsys.readouterr().out


@pytest.mark.parametrize("hidden", [CLUSTER, LOGS, VAULT, STORAGE])
@pytest.mark.parametrize("end", ["", "/"])
def test_what_a_list_leaves_out_without_a_word_does_not_count_as_gone(connected: Stage, hidden: str, end: str) -> None:
    connected.connect(PROD | {"STORAGE_SCOPES": STORAGE})
    connected.state["unlisted"] = [f"/subscriptions/{OTHER}/"]
    connected.refuse("get", f"{hidden}$", "AuthorizationFailed")
    told = rf"whatever is at {hidden.lower()}\n +why: not to be seen(?s:.*)sign in as somebody who may read there"
    scopes = f"{CLUSTER}{end},{LOGS}{end},/subscriptions/{SUBSCRIPTION}"
    with pytest.raises(StoppedError, match=rf"^1 things stay(?s:.*){told}"):
        connected.disconnect(
            PROD | {"CLUSTER_SCOPES": scopes, "KEY_VAULT_IDS": f"{VAULT}{end}", "STORAGE_SCOPES": f"{STORAGE}{end}"}
        )
    assert any(id_.startswith(hidden.lower()) for id_ in connected.outside(PROD))
    connected.disconnect(PROD | {"CONNECTED_BY_OTHERS": "true"})
    connected.state["unlisted"] = []
    connected.forget_refusals()
    connected.disconnect(PROD)
    assert connected.outside(PROD) == set()


def test_who_may_not_see_rights_in_a_named_subscription_sees_empty_lists_and_is_stopped(
    connected: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    connected.state["unlisted"] = [f"/subscriptions/{OTHER}/"]
    connected.state["permissions"] = {f"/subscriptions/{OTHER}": [{"actions": ["Microsoft.KeyVault/*"]}]}
    told = (
        rf"whatever is in subscription {OTHER}(?s:.*)roleAssignments/read(?s:.*)sign in as somebody who may read there"
    )
    with pytest.raises(StoppedError, match=rf"^1 things stay(?s:.*){told}"):
        connected.disconnect(PROD)
    connected.disconnect(PROD | {"CONNECTED_BY_OTHERS": "true"})
    connected.refuse("get", "/permissions", "InvalidScope", "Bad Request")
    connected.disconnect(PROD)
    assert f"your rights at /subscriptions/{OTHER} could not be read" in capsys.readouterr().out


def test_a_strange_subscription_that_may_not_be_read_is_only_said(
    connected: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = OTHER.replace("1", "2")
    connected.state["subscriptions"][strange] = {"tenant": "tenant-a"}
    connected.refuse("get", f"/subscriptions/{strange}/", "AuthorizationFailed")
    connected.disconnect(PROD)
    assert f"Note: not looked through, because Azure did not let us: {strange}. Of" in capsys.readouterr().out


def test_a_provider_that_is_not_registered_somewhere_has_nothing_there(connected: Stage) -> None:
    connected.refuse(
        "get", f"{SUBSCRIPTION}/providers/microsoft.eventgrid", "MissingSubscriptionRegistration", "Conflict"
    )
    connected.disconnect(PROD)
    assert connected.outside(PROD) == set()


def test_a_group_of_this_name_that_is_somebody_elses_is_refused(connected: Stage) -> None:
    group = PROD["FUNCTION_APP_ID"].partition("/providers/")[0]
    for tags in ({}, None, {"azd-env-name": "Prod"}, {"azd-env-name": "prod2"}):
        connected.add(group, tags=tags)
        with pytest.raises(StoppedError, match="belongs to"):
            connected.disconnect(PROD)
    assert connected.state["deleted"] == []


@pytest.mark.parametrize("outputs", [FRESH_CHECKOUT, tuple(PROD)])
def test_a_resource_group_that_a_shell_names_is_not_taken_for_the_apps(
    connected: Stage, outputs: tuple[str, ...]
) -> None:
    connected.add(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop", tags={"azd-env-name": "prod"})
    connected.disconnect({name: PROD[name] for name in outputs} | {"AZURE_RESOURCE_GROUP": "rg-shop"})
    assert connected.outside(PROD) == set()


def test_an_environment_that_was_turned_to_another_subscription_is_refused(connected: Stage) -> None:
    with pytest.raises(StoppedError, match="An environment cannot move"):
        connected.disconnect(PROD | {"AZURE_SUBSCRIPTION_ID": OTHER})


def test_a_right_that_somebody_gave_the_app_by_hand_is_named_and_left(
    connected: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand = f"{LOGS}/providers/Microsoft.Authorization/roleAssignments/by-hand"
    told = {"principalId": PROD["APP_PRINCIPAL_ID"].upper(), "roleDefinitionId": "/x/event-grid-data-sender"}
    connected.add(by_hand, properties=told)
    connected.connect(PROD)
    connected.disconnect(PROD)
    assert by_hand.lower() in connected.resources
    assert f"az role assignment delete --ids {by_hand.upper()}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("where", "principal", "whose"),
    [(VAULT, "zoe", "zoe"), (SECOND_VAULT, PROD["APP_PRINCIPAL_ID"].upper(), "the app's identity")],
)
def test_a_right_by_a_role_of_ours_that_somebody_gave_by_hand_is_named_and_left(
    connected: Stage, capsys: pytest.CaptureFixture[str], where: str, principal: str, whose: str
) -> None:
    role = next(id_ for id_, one in connected.resources.items() if "keys" in one["properties"].get("roleName", ""))
    by_hand = f"{where}/providers/Microsoft.Authorization/roleAssignments/by-hand"
    connected.add(by_hand, properties={"principalId": principal, "roleDefinitionId": role.upper()})
    named = f"not given by connect, and so left: a right of {whose}"
    connected.connect(PROD)
    assert connected.state["deleted"] == []
    assert named in capsys.readouterr().out
    with pytest.raises(StoppedError, match=r"^1 things stay(?s:.*)az role assignment list --all --role ID"):
        connected.disconnect(PROD)
    assert by_hand.lower() in connected.resources
    assert connected.outside(PROD) == {role}, "it goes when nobody uses it"
    told = capsys.readouterr().out
    assert named in told
    assert f"az role assignment delete --ids {by_hand.upper()}" in told


def test_a_diagnostic_setting_of_somebody_else_stays(azure: Stage) -> None:
    azure.their_topic(identity={"principalId": "topic-identity"})
    theirs = f"{THEIR_TOPIC}/providers/Microsoft.Insights/diagnosticSettings/cmk-rotation-theirs"
    azure.add(
        theirs,
        properties={"workspaceId": PROD["WORKSPACE_ID"].replace("rg-cmk-rotation-prod", "rg-cmk-rotation-prod2")},
    )
    azure.connect(PROD)
    azure.disconnect(PROD)
    assert theirs.lower() in azure.resources


def is_topic(id_: str) -> bool:
    return id_.rsplit("/", 2)[1] == "systemtopics"
