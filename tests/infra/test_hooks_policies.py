"""The check asks Azure Policy what it would refuse, before anything is made."""

from typing import Any

import pytest

import check_policies
from tests.infra import bicep, policies
from tests.infra.hook_stage import OTHER, SUBSCRIPTION, VAULT, Stage
from tests.infra.policies import Policy
from tests.infra.test_deployment import SCOPE, app
from tests.infra.test_hooks_check import FIRST, the_one, wrong

OUTSIDE = [policies.CUSTOM_ROLES]
"""Policies that meet something of the second deployment alone."""


def test_what_would_be_refused_is_named_with_the_policy_and_where_the_answer_is(azure: Stage) -> None:
    azure.state["policies"] = [policies.PUBLIC_STORAGE.name]
    found = the_one(azure)
    assert found.startswith("Azure Policy would refuse Microsoft.Storage/storageAccounts st")
    assert f"by the assignment 'deny-2' of the policy '{policies.PUBLIC_STORAGE.name}'" in found
    assert "infra/README.md, Policies, names the setting" in found
    azure.check(FIRST | {"STORAGE_PUBLIC_ACCESS": "Disabled", "VNET_ENABLED": "true"})


@pytest.mark.parametrize(
    "policy", [policies.TAG, policies.TAG_OF_GROUPS, policies.PUBLIC_WORKSPACE, *OUTSIDE], ids=lambda one: one.name
)
def test_each_policy_is_one_sentence_however_much_it_refuses(azure: Stage, policy: Policy) -> None:
    azure.state["policies"] = [policy.name]
    assert policy.name in the_one(azure)


def test_both_deployments_are_looked_at(azure: Stage) -> None:
    azure.state["policies"] = [policies.TAG.name]
    found = the_one(azure)
    assert "Microsoft.Web/sites func-" in found
    assert "Microsoft.EventGrid/systemTopics cmk-rotation-" in found
    azure.check(FIRST | {"EXTRA_TAGS": "owner=ops"})


def test_who_leaves_the_connecting_to_others_hears_of_the_first_alone(azure: Stage) -> None:
    azure.state["policies"] = [one.name for one in OUTSIDE]
    assert len(wrong(azure)) == 1
    azure.check(FIRST | {"CONNECTED_BY_OTHERS": "true"})


def test_the_templates_get_their_own_parameters_in_their_own_types(azure: Stage) -> None:
    azure.check(FIRST | {"VNET_ENABLED": "true", "RETENTION_DAYS": "30", "ALERT_EMAIL": "a@b.c"})
    first, second = azure.state["what_if"]
    main = bicep.read("main.bicep").parameters
    assert first.keys() == main.keys()
    types: dict[str, type] = {"bool": bool, "int": int, "string": str}
    assert {name: type(value) for name, value in first.items()} == {name: types[one.type] for name, one in main.items()}
    assert (first["vnetEnabled"], first["retentionDays"], first["alertEmail"]) == (True, 30, "a@b.c")
    assert first["reconcileEveryMinutes"] == main["reconcileEveryMinutes"].default
    assert second.keys() == bicep.read("connect/main.bicep").parameters.keys()
    assert [one["name"] for one in second["vaults"]] == ["contoso"]


def test_nothing_is_asked_while_something_else_is_wrong(azure: Stage) -> None:
    del azure.resources[VAULT.lower()]
    wrong(azure)
    assert "what_if" not in azure.state


def test_nothing_is_made_by_asking(azure: Stage) -> None:
    azure.state["policies"] = [policies.TAG.name]
    before = dict(azure.resources)
    wrong(azure)
    assert azure.resources == before
    assert azure.deployments == 0


def test_each_resource_is_asked_about_in_its_own_subscription(azure: Stage) -> None:
    azure.state["policies"] = [policies.PRIVATE_ZONES.name]
    azure.check(FIRST)
    urls = [call[call.index("--url") + 1] for call in azure.state["calls"] if "--body" in call]
    assert {url.split("/")[2] for url in urls} == {SUBSCRIPTION, OTHER}


def test_a_what_if_that_a_policy_refuses_itself_names_it(azure: Stage) -> None:
    info: list[Any] = [{"info": {"policyAssignmentDisplayName": "No storage here"}}]
    azure.state["what_if_refuses"] = {"RequestDisallowedByPolicy": info}
    found = wrong(azure)
    assert len(found) == 2
    assert "refuse a part of infra/main.bicep: No storage here." in found[0]
    azure.state["what_if_refuses"] = {"RequestDisallowedByPolicy": []}
    assert "RequestDisallowedByPolicy" in wrong(azure)[0]


def test_who_may_ask_for_no_what_if_is_told_so(azure: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    azure.state["what_if_refuses"] = {"AuthorizationFailed": []}
    azure.check(FIRST)
    told = capsys.readouterr().out
    assert "Azure does not say what infra/main.bicep would deploy, so no policy was asked about that" in told
    assert "Azure does not say what connect/main.bicep would deploy" in told
    assert "would refuse" not in told


def test_without_a_what_if_the_policies_are_asked_about_types_and_tags(
    azure: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    azure.state["what_if_refuses"] = {"AuthorizationFailed": []}
    azure.state["policies"] = [policies.TAG.name, policies.PUBLIC_STORAGE.name]
    azure.check(FIRST)
    told = capsys.readouterr().out
    assert told.count("It was asked without properties, and may take what has them.") == 2
    assert "Azure Policy would refuse Microsoft.Storage/storageAccounts storageAccounts, by" in told
    azure.check(FIRST | {"EXTRA_TAGS": "owner=ops"})
    assert capsys.readouterr().out.count("It was asked without properties") == 1


def test_what_there_always_is_are_the_templates_own_types_that_take_tags() -> None:
    group = f"{SCOPE}/providers/Microsoft.Insights/actionGroups/theirs"
    made = {one.type for one in app(workbookStorageId="none", actionGroupIds=group).everything()}
    assert made - policies.WITHOUT_TAGS == check_policies.ALWAYS


def test_who_may_not_ask_the_policies_is_told_so_once(azure: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    azure.state["policies"] = [policies.PUBLIC_STORAGE.name]
    azure.refuse("post", "/checkpolicyrestrictions", "AuthorizationFailed")
    azure.check(FIRST)
    assert capsys.readouterr().out.count("Azure Policy could not be asked about") == 1


def test_an_answer_without_an_evaluation_refuses_nothing() -> None:
    for answer in (
        None,
        {},
        {"contentEvaluationResult": None},
        {"contentEvaluationResult": {"policyEvaluations": None}},
    ):
        assert list(check_policies.denying(answer)) == []
