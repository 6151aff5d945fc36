"""Logs without public access: they are in a private link scope, and taken out of it again."""

import pytest

from azure_cli import StoppedError
from tests.infra.faults import faults
from tests.infra.hook_stage import HUB, KEYS, LINK_SCOPE, OTHER, PROD, Stage
from tests.infra.test_deployment import app, connect
from tests.infra.test_hooks_check import FIRST, the_one

WITH = {"PRIVATE_LINK_SCOPE_ID": LINK_SCOPE, "VNET_ENABLED": "true"}
LINK = "Microsoft.Insights/privateLinkScopes/scopedResources"


@pytest.mark.parametrize(("scope", "access"), [("", "Enabled"), (LINK_SCOPE, "Disabled")])
def test_logs_have_public_access_unless_there_is_a_scope(scope: str, access: str) -> None:
    deployment = app(privateLinkScopeId=scope)
    for kind in ("Microsoft.OperationalInsights/workspaces", "Microsoft.Insights/components"):
        told = deployment.the(kind).properties
        assert {told["publicNetworkAccessForIngestion"], told["publicNetworkAccessForQuery"]} == {access}
    assert deployment.outputs["INSIGHTS_ID"] == deployment.the("Microsoft.Insights/components").id
    assert deployment.outputs["PRIVATE_LINK_SCOPE_ID"] == scope


def test_both_are_put_into_the_scope_where_it_lies() -> None:
    deployment = connect(privateLinkScopeId=LINK_SCOPE)
    links = deployment.all(LINK)
    assert [one.id.partition("/scopedResources/")[0] for one in links] == [LINK_SCOPE, LINK_SCOPE]
    assert [one.properties["linkedResourceId"].rpartition("/")[2] for one in links] == ["log-1", "appi-1"]
    assert faults(deployment) == []
    assert links[1].body["dependsOn"] != []
    assert connect().all(LINK) == []


def links(azure: Stage) -> list[str]:
    return [id_ for id_ in azure.resources if "/scopedresources/" in id_]


def test_connecting_puts_the_logs_in_and_disconnecting_takes_them_out(azure: Stage) -> None:
    azure.connect(PROD | WITH)
    assert len(links(azure)) == 2
    azure.disconnect({name: PROD[name] for name in ("AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_SUBSCRIPTION_ID")})
    assert links(azure) == []
    assert LINK_SCOPE.lower() in azure.resources


def test_what_somebody_else_put_in_is_left(azure: Stage) -> None:
    theirs = f"{LINK_SCOPE}/scopedResources/theirs"
    azure.add(theirs, properties={"linkedResourceId": f"{KEYS}/providers/Microsoft.Insights/components/theirs"})
    ours_by_a_policy = f"{LINK_SCOPE}/scopedResources/by-policy"
    azure.add(ours_by_a_policy, properties={"linkedResourceId": PROD["WORKSPACE_ID"].upper()})
    azure.connect(PROD)
    assert azure.state["deleted"] == []
    azure.disconnect(PROD)
    assert links(azure) == [theirs.lower()], "what leads to logs that go, goes"


def test_the_check_wants_an_id_a_network_and_the_scope_itself(azure: Stage) -> None:
    azure.check(FIRST | WITH)
    assert "azd env set VNET_ENABLED true" in the_one(azure, PRIVATE_LINK_SCOPE_ID=LINK_SCOPE)
    for value in ("hub", f"{LINK_SCOPE}/", KEYS):
        assert "is not the ARM id of an Azure Monitor private link scope" in the_one(
            azure, **WITH | {"PRIVATE_LINK_SCOPE_ID": value}
        )
    del azure.resources[LINK_SCOPE.lower()]
    assert "hub does not exist" in the_one(azure, **WITH)
    azure.check(FIRST | WITH | {"CONNECTED_BY_OTHERS": "true"})


def test_a_scope_in_the_group_that_goes_with_the_app_is_refused(azure: Stage) -> None:
    inside = f"{PROD['FUNCTION_APP_ID'].partition('/providers/')[0]}{LINK_SCOPE.partition('rg-hub')[2]}"
    assert "lies in the app's own resource group" in the_one(azure, **WITH | {"PRIVATE_LINK_SCOPE_ID": inside})


def test_who_may_not_write_into_the_scope_is_told(azure: Stage) -> None:
    azure.state["permissions"] = {HUB: [{"actions": ["*"], "notActions": [f"{LINK}/write"]}]}
    assert f"you may not do {LINK}/write at {HUB.lower()}." in the_one(azure, **WITH)
    azure.check(FIRST | WITH | {"CONNECTED_BY_OTHERS": "true"})


@pytest.mark.parametrize("code", ["NoRegisteredProviderFound", "InvalidResourceType"])
def test_a_cloud_that_knows_no_such_scope_hinders_nobody(azure: Stage, code: str) -> None:
    azure.connect(PROD)
    azure.refuse("get", "/providers/microsoft.insights/privatelinkscopes", code, "Bad Request")
    azure.connect(PROD)
    azure.disconnect(PROD)
    assert azure.outside(PROD) == set()


def test_a_version_that_only_those_need_who_have_a_scope_is_looked_at_for_them_alone(azure: Stage) -> None:
    azure.state["versions"] = {LINK: ["2019-10-17-preview"]}
    azure.check(FIRST)
    assert f"this cloud does not know {LINK}@2021-07-01-preview" in the_one(azure, **WITH)


def test_a_scope_that_may_not_be_listed_stops_the_removal(azure: Stage) -> None:
    azure.connect(PROD | WITH)
    azure.refuse("get", f"{OTHER}/providers/microsoft.insights/privatelinkscopes", "AuthorizationFailed")
    with pytest.raises(StoppedError, match="whatever is in subscription"):
        azure.disconnect(PROD)
