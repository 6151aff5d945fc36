"""The check before provisioning: one list of everything that is wrong, each with its remedy, before anything is made."""

import json
import re

import pytest

import check_cloud
import check_rights
import check_values
from azure_cli import StoppedError
from environment import Installation, Place
from environment import place as place_of
from named import KINDS
from tests.infra import bicep
from tests.infra.bicep import INFRA
from tests.infra.fake_arm import topic
from tests.infra.hook_stage import (
    CLUSTER,
    HUB,
    KEYS,
    LOGS,
    OTHER,
    PROD,
    STORAGE,
    SUBSCRIPTION,
    THEIR_TOPIC,
    VAULT,
    Stage,
    stage,
)

GROUP = PROD["FUNCTION_APP_ID"].partition("/providers/")[0]
FIRST = {
    name: value
    for name, value in PROD.items()
    if name.startswith("AZURE_") or name in ("CLUSTER_SCOPES", "KEY_VAULT_IDS")
} | {"AZURE_RESOURCE_GROUP": "", "MODE": "observe"}
"""What azd knows before it has ever provisioned."""


@pytest.fixture
def azure() -> Stage:
    found = stage()
    for id_ in [one for one in found.resources if one.startswith(GROUP.lower())]:
        del found.resources[id_]
    return found


def wrong(azure: Stage, **changes: str) -> list[str]:
    """The numbered list."""
    with pytest.raises(StoppedError, match=r"^nothing was made, because .* wrong:") as stopped:
        azure.check(FIRST | changes)
    return re.findall(r"^  \d+\. (.*)$", str(stopped.value), re.MULTILINE)


def the_one(azure: Stage, **changes: str) -> str:
    (found,) = wrong(azure, **changes)
    return found


def test_nothing_in_the_way_is_said(azure: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    azure.check(FIRST)
    told = capsys.readouterr().out
    assert told.rstrip().endswith("Nothing is in the way.")
    assert "zoë@contoso.com" in told
    assert all("rest" not in call or "get" in call for call in azure.state["calls"])


def test_everything_is_said_at_once(azure: Stage) -> None:
    azure.state.update(unregistered=["Microsoft.EventGrid"], bicep="")
    azure.state["permissions"] = {LOGS: [{"actions": ["*/read"]}]}
    azure.add(VAULT, location="northeurope", properties={"networkAcls": {"defaultAction": "Deny"}})
    found = wrong(azure, MODE="on", AZURE_LOCATION="nowhere")
    assert len(found) == 7
    signs = (
        "MODE",
        "az bicep install",
        "VNET_ENABLED true",
        "roleAssignments/write",
        "az provider register",
        "nowhere",
    )
    for sign in signs:
        assert any(sign in one for one in found), sign


def test_a_second_check_after_deploying_is_fine_too(azure: Stage) -> None:
    azure.deployed(PROD)
    azure.check(PROD)


@pytest.mark.parametrize("name", ["CLUSTER_SCOPES", "KEY_VAULT_IDS"])
def test_what_azd_may_have_asked_for_has_to_be_set_where_the_hooks_see_it(azure: Stage, name: str) -> None:
    found = the_one(azure, **{name: " "})
    assert found.startswith(f"{name} is not set. azd may have asked you already, and the hooks do not see that answer")
    assert f"azd env set {name} '" in found


def test_managed_hsm_alone_is_fine(azure: Stage) -> None:
    azure.check(FIRST | {"KEY_VAULT_IDS": "none"})


@pytest.mark.parametrize("between", ["\n", ",\r\n", "\n\n", ","])
def test_a_list_on_several_lines_or_ending_in_one_is_refused_with_the_one_that_works(
    azure: Stage, between: str
) -> None:
    found = the_one(azure, CLUSTER_SCOPES=f"{CLUSTER}{between}{LOGS}\n")
    assert f"azd env set CLUSTER_SCOPES '{CLUSTER},{LOGS}'" in found


@pytest.mark.parametrize("character", ['"', "\\", "\n"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KEY_VAULT_IDS", VAULT),
        ("ALERT_EMAIL", "cmk@contoso.com"),
        ("OUTCOME_TOPIC_ENDPOINT", "https://topic.example/api/events"),
        ("AZURE_LOCATION", "westeurope"),
    ],
)
def test_what_breaks_azds_json_is_refused_with_what_does_not(
    azure: Stage, name: str, value: str, character: str
) -> None:
    azure.check(FIRST | {name: value})
    assert f"azd env set {name} '{value}'" in wrong(azure, **{name: f"{character}{value}{character}"})[0]


def test_no_value_that_azd_passes_on_may_break_its_json(azure: Stage) -> None:
    for name in check_values.passed_on():
        assert any(one.startswith(name) for one in wrong(azure, **{name: 'a"b'})), name


@pytest.mark.parametrize("name", check_values.LISTS)
def test_a_list_of_nothing_is_refused(azure: Stage, name: str) -> None:
    assert f"which names nothing: azd env set {name} 'ID,ID'" in the_one(azure, **{name: " , ,"})


def test_scopes_cannot_be_none_as_vaults_can(azure: Stage) -> None:
    assert "'none' is not the ARM id of a subscription" in the_one(azure, CLUSTER_SCOPES="none")
    azure.check(FIRST | {"KEY_VAULT_IDS": " None "})


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("RETENTION_DAYS", "29", "NUMBER, which is from 30 to 730"),
        ("RETENTION_DAYS", "731", "NUMBER, which is from 30 to 730"),
        ("RETENTION_DAYS", "a year", "NUMBER, which is from 30 to 730"),
        ("ALWAYS_READY_INSTANCES", "41", "NUMBER, which is from 0 to 40"),
        ("ALWAYS_READY_INSTANCES", "-1", "NUMBER, which is from 0 to 40"),
        ("RECONCILE_EVERY_MINUTES", "7", "5 or 10 or 15 or 20"),
        ("VNET_ENABLED", "yes", "true or false"),
        ("VNET_ENABLED", " true", "true or false"),
        ("CONNECTED_BY_OTHERS", '"true"', "true or false"),
        ("MODE", "enforce\n", "observe or enforce"),
    ],
)
def test_a_value_that_the_template_refuses_is_refused_before_with_those_that_it_takes(
    azure: Stage, name: str, value: str, remedy: str
) -> None:
    assert the_one(azure, **{name: value}) == f"{name} is {value!r}. azd env set {name} {remedy}"


def test_the_least_and_the_most_are_taken(azure: Stage) -> None:
    for place in (0, 1):
        azure.check(FIRST | {name: str(ends[place]) for name, ends in check_values.RANGES.items()})


def test_the_values_that_the_check_takes_are_those_of_the_template() -> None:
    choices: dict[str, tuple[str, ...]] = {}
    ranges: dict[str, tuple[int, int]] = {}
    names = json.loads(check_values.PARAMETERS.read_text(encoding="utf-8"))["parameters"]
    for variable, name in zip(check_values.passed_on(), names, strict=True):
        parameter = bicep.read("main.bicep").parameters[name]
        told = dict(re.findall(r"@(\w+)\((.*)\)$", "\n".join(parameter.decorators), re.MULTILINE))
        if parameter.type == "bool":
            choices[variable] = ("true", "false")
        if "allowed" in told:
            choices[variable] = tuple(re.findall(r"\w+", told["allowed"]))
        if "minValue" in told:
            ranges[variable] = (int(told["minValue"]), int(told["maxValue"]))
    assert ranges == check_values.RANGES
    assert choices | {"CONNECTED_BY_OTHERS": ("true", "false")} == check_values.CHOICES


@pytest.mark.parametrize("access", check_values.SHUT)
def test_storage_without_public_access_needs_the_network(azure: Stage, access: str) -> None:
    assert "azd env set VNET_ENABLED true" in the_one(azure, STORAGE_PUBLIC_ACCESS=access)
    azure.check(FIRST | {"STORAGE_PUBLIC_ACCESS": access, "VNET_ENABLED": "true"})


def test_an_id_that_is_none_is_named(azure: Stage) -> None:
    found = wrong(azure, CLUSTER_SCOPES="rg-logs", KEY_VAULT_IDS=f"{VAULT}/keys/k")
    assert "'rg-logs' is not the ARM id of a subscription" in found[0]
    assert f"'{VAULT}/keys/k' is not the ARM id of a key vault" in found[1]


@pytest.mark.parametrize("spelt", ["{}/", "{}//", "/{}", "/{}/"])
@pytest.mark.parametrize(
    ("name", "id_"), [("CLUSTER_SCOPES", LOGS), ("KEY_VAULT_IDS", VAULT), ("STORAGE_SCOPES", STORAGE)]
)
def test_an_id_with_another_slash_is_told_as_the_template_takes_it(
    azure: Stage, name: str, id_: str, spelt: str
) -> None:
    for written in (spelt.format(id_), id_[1:]):
        told = f"{name}: '{written}' is written '{id_}', with one slash before and none behind."
        assert the_one(azure, **{name: f"{id_},{written}"}) == told


@pytest.mark.parametrize("missing", [CLUSTER, LOGS])
def test_a_scope_that_does_not_exist_is_named(azure: Stage, missing: str) -> None:
    del azure.resources[missing.lower()]
    assert f"{missing.lower()} does not exist" in the_one(azure, CLUSTER_SCOPES=missing)


@pytest.mark.parametrize("missing", [STORAGE, HUB])
def test_a_place_of_storage_that_does_not_exist_is_named(azure: Stage, missing: str) -> None:
    azure.check(FIRST | {"STORAGE_SCOPES": missing})
    del azure.resources[missing.lower()]
    assert f"{missing.lower()} does not exist" in the_one(azure, STORAGE_SCOPES=missing)
    azure.check(FIRST | {"STORAGE_SCOPES": missing, "CONNECTED_BY_OTHERS": "true"})


def test_a_scope_that_this_sign_in_does_not_see_is_no_missing_one(azure: Stage) -> None:
    azure.state["subscriptions"][OTHER]["tenant"] = "tenant-b"
    found = wrong(azure, CLUSTER_SCOPES=f"/subscriptions/{OTHER}")
    assert "cannot be seen with this sign-in" in found[0]
    assert "cannot be seen with this sign-in" in found[1]


def test_a_vault_that_does_not_exist_is_named(azure: Stage) -> None:
    del azure.resources[VAULT.lower()]
    assert "contoso does not exist: correct the id" in the_one(azure)


def test_a_sign_in_to_another_tenant_is_said_and_nothing_else_is_guessed(azure: Stage) -> None:
    azure.state["tenant"] = "tenant-b"
    assert "does not see the subscription" in the_one(azure)


def test_who_azd_acts_as_is_remarked_when_it_is_somebody_else(azure: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    azure.check(FIRST, azd_acts_as="ZOË@contoso.com")
    assert "azd acts as" not in capsys.readouterr().out
    azure.check(FIRST, azd_acts_as="pipeline@contoso.com")
    assert "azd acts as pipeline@contoso.com" in capsys.readouterr().out


def test_a_subscription_that_azd_has_not_asked_for_yet_is_named(azure: Stage) -> None:
    assert "azd env set AZURE_SUBSCRIPTION_ID ID" in the_one(azure, AZURE_SUBSCRIPTION_ID="")


@pytest.mark.parametrize(
    ("told", "remedy"),
    [
        ("", "az bicep install"),
        ("Bicep CLI version 0.9.1 (x)", "az bicep upgrade"),
        ("Bicep CLI version 0.4.1 (x)", "0.36"),
    ],
)
def test_bicep_must_be_there_and_new_enough(azure: Stage, told: str, remedy: str) -> None:
    azure.state["bicep"] = told
    assert remedy in the_one(azure)


@pytest.mark.parametrize("tags", [{}, {"azd-env-name": "Prod"}, {"azd-env-name": "another"}])
def test_a_group_of_this_name_that_is_somebody_elses_is_refused(azure: Stage, tags: dict[str, str]) -> None:
    azure.add(GROUP, tags=tags)
    assert "azd would adopt it, and 'azd down' would delete all that is in it" in the_one(azure)


def test_the_apps_group_is_the_one_that_the_template_makes_whatever_a_shell_names(azure: Stage) -> None:
    azure.add(GROUP, tags={"azd-env-name": "another"})
    assert "rg-cmk-rotation-prod is there already" in the_one(azure, AZURE_RESOURCE_GROUP="rg-shop")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("CLUSTER_SCOPES", "OperationalInsights/clusters"),
        ("KEY_VAULT_IDS", "KeyVault/vaults"),
        ("STORAGE_SCOPES", "Storage/storageAccounts"),
    ],
)
def test_what_lies_in_the_apps_own_group_is_refused(azure: Stage, name: str, kind: str) -> None:
    inside = f"{GROUP}/providers/Microsoft.{kind}/mine"
    azure.add(inside, location="westeurope", properties={"enableRbacAuthorization": True})
    assert "lies in the app's own resource group" in wrong(azure, **{name: inside})[0]


def test_the_apps_own_group_as_a_scope_is_refused_and_one_whose_name_begins_alike_is_not(azure: Stage) -> None:
    azure.deployed(PROD)
    assert "lies in the app's own resource group" in wrong(azure, CLUSTER_SCOPES=GROUP)[0]
    azure.add(f"{GROUP}-logs")
    azure.check(FIRST | {"CLUSTER_SCOPES": f"{GROUP}-logs"})


def test_an_environment_keeps_its_plan_and_its_region(azure: Stage) -> None:
    azure.deployed(PROD)
    found = wrong(azure, HOSTING_PLAN="ElasticPremium", AZURE_LOCATION="northeurope")
    assert "cannot become ElasticPremium" in found[0]
    assert "is in westeurope and cannot move to northeurope" in found[1]
    azure.deployed(PROD, sku="")
    assert "cannot become ElasticPremium" in the_one(azure, HOSTING_PLAN="ElasticPremium")


def test_flex_consumption_must_be_offered_in_the_region(azure: Stage) -> None:
    assert "not offered in usgovvirginia" in the_one(azure, AZURE_LOCATION="usgovvirginia")
    azure.check(FIRST | {"AZURE_LOCATION": "usgovvirginia", "HOSTING_PLAN": "ElasticPremium"})


def test_providers_must_be_registered_where_they_are_used(azure: Stage) -> None:
    azure.state["unregistered"] = ["Microsoft.EventGrid", "Microsoft.App"]
    assert f"az provider register --namespace Microsoft.EventGrid --subscription {OTHER} --wait" in the_one(azure)
    found = wrong(azure, VNET_ENABLED="true")
    assert f"--namespace Microsoft.App --subscription {SUBSCRIPTION}" in found[0]


def test_premium_with_a_network_needs_nothing_that_is_flex_consumptions(azure: Stage) -> None:
    azure.state["unregistered"] = ["Microsoft.App"]
    azure.check(FIRST | {"VNET_ENABLED": "true", "HOSTING_PLAN": "ElasticPremium"})
    azure.check(FIRST | {"VNET_ENABLED": "false"})
    for plan in ("", "FlexConsumption"):
        assert "--namespace Microsoft.App" in the_one(azure, VNET_ENABLED="true", HOSTING_PLAN=plan)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({}, [OTHER]),
        ({"VNET_ENABLED": "true"}, [OTHER, SUBSCRIPTION]),
        ({"VNET_ENABLED": "true", "CONNECTED_BY_OTHERS": "true"}, [SUBSCRIPTION]),
    ],
)
def test_an_endpoint_to_a_vault_needs_its_provider_in_the_apps_subscription_too(
    azure: Stage, changes: dict[str, str], where: list[str]
) -> None:
    azure.state["unregistered"] = ["Microsoft.KeyVault"]
    found = wrong(azure, **changes)
    commands = {f"az provider register --namespace Microsoft.KeyVault --subscription {one} --wait" for one in where}
    assert {one.partition(": ")[2] for one in found} == commands
    azure.check(FIRST | changes | {"KEY_VAULT_IDS": "none"})


def test_api_versions_must_be_known_to_the_cloud(azure: Stage) -> None:
    versions: dict[str, list[str]] = {}
    for provider, kind, version in check_cloud.declared():
        versions.setdefault(f"{provider}/{kind}", []).append(version)
    azure.state["versions"] = versions
    azure.check(FIRST)
    azure.state["versions"] = versions | {"Microsoft.Web/sites": ["2023-01-01", "2022-03-01"]}
    for one in wrong(azure):
        assert "this cloud does not know Microsoft.Web/sites@" in one
        assert "newest that it has is 2023-01-01" in one


def test_the_rights_that_the_readme_names_are_needed_each_where_it_is_used(azure: Stage) -> None:
    every = {scope: {*actions} for scope, actions in needed().items()}
    assert every[f"/subscriptions/{OTHER}"] == {check_rights.DEPLOY, check_rights.ROLE, check_rights.ASSIGN}
    assert every[KEYS.lower()] == {check_rights.NEW_TOPIC, *check_rights.AT_A_TOPICS_GROUP}
    for scope, actions in every.items():
        for action in actions:
            azure.state["permissions"] = {scope: [{"actions": ["*"], "notActions": [action.upper()]}]}
            found = wrong(azure)
            assert any(f"you may not do {action}" in one and f" at {scope}." in one for one in found), (scope, action)


def needed() -> dict[str, tuple[str, ...]]:
    mine = Installation("prod", SUBSCRIPTION, "rg-cmk-rotation-prod")
    places = [Place(OTHER, "rg-logs"), Place(SUBSCRIPTION)]
    return check_rights.needs(mine, places, [Place(OTHER, "rg-keys", "microsoft.keyvault/vaults", "contoso")], {})


def test_rights_are_missing_where_the_app_is_to_see_storage(azure: Stage) -> None:
    here = {
        "CLUSTER_SCOPES": f"/subscriptions/{SUBSCRIPTION}",
        "KEY_VAULT_IDS": "none",
        "STORAGE_SCOPES": f"{STORAGE},{HUB}",
    }
    azure.check(FIRST | here)
    wanted = {
        f"/subscriptions/{OTHER}": {check_rights.DEPLOY, check_rights.ROLE},
        LOGS.lower(): {check_rights.DEPLOY},
        HUB.lower(): {check_rights.DEPLOY, check_rights.ASSIGN},
        STORAGE.lower(): {check_rights.ASSIGN},
    }
    asked = check_rights.Asked(storage=(must_be(STORAGE), must_be(HUB)))
    mine = Installation("prod", SUBSCRIPTION, "rg-cmk-rotation-prod")
    given = check_rights.needs(mine, [], [], {}, asked)
    assert {where: {*actions} for where, actions in given.items() if SUBSCRIPTION not in where} == wanted
    for scope, actions in wanted.items():
        for action in actions:
            azure.state["permissions"] = {scope: [{"actions": ["*"], "notActions": [action]}]}
            found = wrong(azure, **here)
            assert any(f"you may not do {action}" in one and f" at {scope}." in one for one in found), (scope, action)


def must_be(text: str) -> Place:
    found = place_of(text)
    assert found is not None
    return found


EVENTS = f"/subscriptions/{OTHER}/resourceGroups/rg-events"
TOPIC_ELSEWHERE = f"{EVENTS}/providers/Microsoft.EventGrid/systemTopics/theirs"


@pytest.fixture
def topic_elsewhere(azure: Stage) -> Stage:
    """The vault has a system topic, which lies in another group than the vault."""
    azure.add(TOPIC_ELSEWHERE, properties=topic("", VAULT)["properties"], identity={"principalId": "theirs"})
    azure.check(FIRST)
    return azure


@pytest.mark.parametrize("action", check_rights.AT_A_TOPICS_GROUP)
def test_rights_are_needed_where_the_topic_lies_that_a_vault_has_already(topic_elsewhere: Stage, action: str) -> None:
    topic_elsewhere.state["permissions"] = {EVENTS: [{"actions": ["*"], "notActions": [action]}]}
    found = the_one(topic_elsewhere)
    assert found.startswith(f"you may not do {action} at {EVENTS.lower()}.")
    topic_elsewhere.check(FIRST | {"CONNECTED_BY_OTHERS": "true"})


def test_where_a_vault_lies_whose_topic_is_elsewhere_no_right_to_topics_is_needed(topic_elsewhere: Stage) -> None:
    no = {"actions": ["*"], "notActions": ["Microsoft.EventGrid/*", "Microsoft.Insights/*"]}
    topic_elsewhere.state["permissions"] = {KEYS: [no]}
    topic_elsewhere.check(FIRST)


@pytest.mark.parametrize("scope", [EVENTS, TOPIC_ELSEWHERE])
def test_locks_are_looked_for_where_the_topic_lies_that_a_vault_has_already(
    topic_elsewhere: Stage, capsys: pytest.CaptureFixture[str], scope: str
) -> None:
    lock = topic_elsewhere.lock(scope)
    topic_elsewhere.check(FIRST)
    assert f"the lock {lock.upper()} must be lifted for a moment before 'azd down'" in capsys.readouterr().out
    topic_elsewhere.deployed(PROD)
    topic_elsewhere.connect(PROD)
    assert f"the lock {lock.upper()} (CanNotDelete) must be lifted" in capsys.readouterr().out
    topic_elsewhere.lock(scope, "ReadOnly")
    assert "forbids to make anything" in the_one(topic_elsewhere)
    topic_elsewhere.check(FIRST | {"CONNECTED_BY_OTHERS": "true"})


def test_rights_that_azure_does_not_tell_stop_nothing(azure: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    azure.refuse("get", "/permissions", "InvalidScope", "Bad Request")
    azure.refuse("get", f"{OTHER}/providers$", "AuthorizationFailed")
    azure.check(FIRST)
    told = capsys.readouterr().out
    assert "could not be read, and so were not checked" in told
    assert f"the providers of subscription {OTHER} could not be read" in told


def test_who_may_not_approve_a_private_endpoint_lets_the_vaults_owner(azure: Stage) -> None:
    no = {"actions": ["*"], "notActions": [check_rights.APPROVE]}
    azure.state["permissions"] = {f"/subscriptions/{OTHER}": [no]}
    azure.check(FIRST)
    assert "azd env set VAULT_OWNERS_APPROVE true" in the_one(azure, VNET_ENABLED="true")
    azure.check(FIRST | {"VNET_ENABLED": "true", "VAULT_OWNERS_APPROVE": "true"})


def test_who_leaves_the_connecting_to_others_needs_the_apps_own_subscription_alone(
    azure: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    azure.state["permissions"] = {f"/subscriptions/{OTHER}": [{"actions": ["*/read"]}]}
    azure.refuse("get", VAULT, "AuthorizationFailed")
    assert len(wrong(azure)) > 1
    azure.check(FIRST | {"CONNECTED_BY_OTHERS": "true"})
    assert "contoso cannot be seen" in capsys.readouterr().out
    azure.state["permissions"] = {f"/subscriptions/{SUBSCRIPTION}": [{"actions": ["*/read"]}]}
    assert "you may not do" in the_one(azure, CONNECTED_BY_OTHERS="true")


def test_rights_of_two_roles_add_up(azure: Stage) -> None:
    contributor = {
        "actions": ["*"],
        "notActions": ["Microsoft.Authorization/*/Write", "Microsoft.Authorization/*/Delete"],
    }
    administrator = {"actions": ["*/read", "Microsoft.Authorization/*"], "notActions": []}
    azure.state["permissions"] = {
        f"/subscriptions/{one}": [contributor, administrator] for one in (SUBSCRIPTION, OTHER)
    }
    azure.check(FIRST)
    azure.state["permissions"] = {f"/subscriptions/{OTHER}": [contributor]}
    assert len(wrong(azure)) >= 3


@pytest.mark.parametrize(
    "properties", [{"networkAcls": {"defaultAction": "Deny"}}, {"publicNetworkAccess": "Disabled"}]
)
def test_a_vault_with_a_firewall_needs_the_network(azure: Stage, properties: dict[str, object]) -> None:
    azure.add(VAULT, location="northeurope", properties={"enableRbacAuthorization": True} | properties)
    assert "azd env set VNET_ENABLED true" in the_one(azure)
    azure.check(FIRST | {"VNET_ENABLED": "true"})


def test_access_policies_are_offered(azure: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    azure.add(VAULT, location="northeurope", properties={"enableRbacAuthorization": None})
    azure.check(FIRST)
    assert "az keyvault set-policy --name contoso" in capsys.readouterr().out


def test_a_system_topic_without_an_identity_is_named_with_what_to_do(azure: Stage) -> None:
    azure.add(THEIR_TOPIC, properties=topic("", VAULT)["properties"])
    assert "az eventgrid system-topic update --identity systemassigned" in the_one(azure)


def test_locks_are_named_and_only_one_that_forbids_to_write_stops(
    azure: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = azure.lock(KEYS)
    azure.check(FIRST)
    assert f"the lock {lock.upper()} must be lifted for a moment before 'azd down'" in capsys.readouterr().out
    azure.lock(KEYS, "ReadOnly")
    assert "forbids to make anything" in the_one(azure)


def test_a_lock_on_a_storage_account_counts_where_the_app_is_to_see_it(
    azure: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = azure.lock(STORAGE, "ReadOnly")
    assert f"the lock {lock.upper()} forbids to make anything" in the_one(azure, STORAGE_SCOPES=STORAGE)
    azure.lock(STORAGE)
    azure.check(FIRST | {"STORAGE_SCOPES": STORAGE})
    assert f"the lock {lock.upper()} must be lifted" in capsys.readouterr().out


def test_a_lock_elsewhere_is_nobodys_business(azure: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    azure.lock(KEYS[:-1])
    azure.lock(f"{KEYS}-2")
    azure.check(FIRST)
    assert "lock" not in capsys.readouterr().out


def test_the_readme_names_every_right_of_whoever_deploys() -> None:
    readme = (INFRA / "README.md").read_text(encoding="utf-8")
    rights = readme.split("**Whoever deploys**")[1].split("## ")[0]
    mine = Installation("prod", SUBSCRIPTION, "rg-cmk-rotation-prod")
    vault = Place(OTHER, "rg-keys", "microsoft.keyvault/vaults", "contoso")
    every = {
        action
        for actions in check_rights.needs(
            mine, [Place(OTHER, "rg-logs")], [vault], {}, check_rights.Asked(approving=True)
        ).values()
        for action in actions
    }
    every |= {action for kind in KINDS.values() for action in (*kind.at_it, *kind.at_its_group)}
    assert {action for action in {*every, check_rights.SEE_RIGHTS} if f"`{action}`" not in rights} == set()
