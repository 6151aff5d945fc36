"""The queries of alerts and the workbook, in storage that is somebody's own; or no workbook at all."""

from typing import Any

import pytest

import check_watch
from tests.infra.faults import faults
from tests.infra.hook_stage import HUB, Stage
from tests.infra.test_deployment import app, group
from tests.infra.test_hooks_check import FIRST, the_one

ACCOUNT = f"{HUB}/providers/Microsoft.Storage/storageAccounts/stqueries"
CONTAINER = f"{ACCOUNT}/blobServices/default/containers/workbooks"
IDENTITY = f"{HUB}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/queries"
WITH = {"ALERTS_STORAGE_ID": ACCOUNT, "WORKBOOK_STORAGE_ID": CONTAINER, "WATCH_IDENTITY_ID": IDENTITY}
GIVEN: dict[str, Any] = {
    "alertsStorageId": ACCOUNT,
    "workbookStorageId": CONTAINER,
    "watchIdentityId": IDENTITY,
}
WORKBOOK, WORKSPACE = "Microsoft.Insights/workbooks", "Microsoft.OperationalInsights/workspaces"
LINK, RULES = "Microsoft.OperationalInsights/workspaces/linkedStorageAccounts", "Microsoft.Insights/scheduledQueryRules"


@pytest.fixture
def storage(azure: Stage) -> Stage:
    azure.add(ACCOUNT, location="West Europe", kind="StorageV2")
    azure.add(CONTAINER)
    azure.add(IDENTITY)
    return azure


def test_alerts_and_workbook_are_kept_where_that_is_asked_for() -> None:
    deployment = app(**GIVEN)
    assert faults(deployment, group=group("prod")) == []
    link = deployment.the(LINK)
    assert (link.body["name"], link.properties) == ("Alerts", {"storageAccountIds": [ACCOUNT]})
    assert {one.properties["checkWorkspaceAlertsStorageConfigured"] for one in deployment.all(RULES)} == {True}
    assert deployment.the(WORKBOOK).properties["storageUri"] == CONTAINER
    for kind in (WORKBOOK, WORKSPACE):
        assert list(deployment.the(kind).body["identity"]["userAssignedIdentities"]) == [IDENTITY]


def test_nothing_of_it_is_there_where_nothing_is_asked_for() -> None:
    deployment = app()
    assert deployment.all(LINK) == []
    assert {one.properties["checkWorkspaceAlertsStorageConfigured"] for one in deployment.all(RULES)} == {False}
    assert deployment.the(WORKBOOK).properties["storageUri"] is None
    assert [deployment.the(kind).body["identity"] for kind in (WORKBOOK, WORKSPACE)] == [None, None]


@pytest.mark.parametrize("word", ["none", "None"])
def test_there_may_be_no_workbook(word: str) -> None:
    assert app(workbookStorageId=word).all(WORKBOOK) == []


def test_the_workbook_alone_gives_the_workspace_no_identity() -> None:
    deployment = app(workbookStorageId=CONTAINER, watchIdentityId=IDENTITY)
    assert deployment.the(WORKSPACE).body["identity"] is None


def test_storage_that_fits_is_nothing_in_the_way(storage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    storage.check(FIRST | WITH)
    told = capsys.readouterr().out
    for role, id_ in zip(check_watch.ROLES.values(), (ACCOUNT, CONTAINER), strict=True):
        assert f"needs the role {role} on {id_.lower()}" in told
    storage.check(FIRST | {"WORKBOOK_STORAGE_ID": "None"})


@pytest.mark.parametrize("name", check_watch.STORAGE)
def test_storage_without_an_identity_is_refused(storage: Stage, name: str) -> None:
    assert f"azd env set WATCH_IDENTITY_ID ID, of a user-assigned one that has {check_watch.ROLES[name]} there" in (
        the_one(storage, **{name: WITH[name]})
    )


@pytest.mark.parametrize(("name", "id_"), [("WORKBOOK_STORAGE_ID", ACCOUNT), ("ALERTS_STORAGE_ID", "none")])
def test_an_id_of_something_else_is_refused(storage: Stage, name: str, id_: str) -> None:
    assert f"{name}: '{id_}' is not the ARM id of a" in the_one(storage, **WITH | {name: id_})


@pytest.mark.parametrize("name", WITH)
def test_what_is_not_there_is_named(storage: Stage, name: str) -> None:
    del storage.resources[WITH[name].lower()]
    assert f"{name}: {WITH[name].lower()} does not exist" in the_one(storage, **WITH)


def test_a_workspace_takes_storage_of_its_region_and_kind(storage: Stage) -> None:
    storage.add(ACCOUNT, location="northeurope", kind="StorageV2")
    assert "ALERTS_STORAGE_ID is in northeurope" in the_one(storage, **WITH)
    storage.add(ACCOUNT, location="westeurope", kind="BlobStorage")
    assert "ALERTS_STORAGE_ID is of kind BlobStorage" in the_one(storage, **WITH)


def test_who_may_not_give_the_identity_is_told(storage: Stage) -> None:
    storage.state["permissions"] = {HUB: [{"actions": ["*/read"]}]}
    assert "you may not do Microsoft.ManagedIdentity/userAssignedIdentities/assign/action" in the_one(storage, **WITH)
