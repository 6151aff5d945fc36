"""Networks: what the app's own has, and subnets and zones that are somebody else's."""

from typing import Any

import pytest

import check_values
from tests.infra.deployed import Deployment
from tests.infra.faults import faults
from tests.infra.hook_stage import HUB, OTHER, PROD, Stage
from tests.infra.test_deployment import ENDPOINTS, LISTS, PLANS, SITES, app, connection, group
from tests.infra.test_hooks_check import FIRST, GROUP, the_one, wrong

NETWORK = f"{HUB}/providers/Microsoft.Network/virtualNetworks/Spoke"
APP, OTHERS = f"{NETWORK}/subnets/app", f"{NETWORK}/subnets/endpoints"
GIVEN: dict[str, Any] = {"appSubnetId": APP, "endpointSubnetId": OTHERS, "vnetEnabled": True}
WITH = {"VNET_ENABLED": "true", "APP_SUBNET_ID": APP, "ENDPOINT_SUBNET_ID": OTHERS}
NETWORKS, RULES = "Microsoft.Network/virtualNetworks", "Microsoft.Network/networkSecurityGroups"
ZONES = "Microsoft.Network/privateDnsZones"


def subnets(deployment: Deployment) -> dict[str, Any]:
    return {one["name"]: one["properties"] for one in deployment.the(NETWORKS).properties["subnets"]}


# --- the templates -----------------------------------------------------------------------------------------------------


def test_each_subnet_of_our_own_has_a_security_group_and_says_what_it_may_call() -> None:
    deployment = app(vnetEnabled=True)
    groups = {one.id for one in deployment.all(RULES)}
    found = subnets(deployment)
    assert {one["networkSecurityGroup"]["id"] for one in found.values()} == groups
    assert len(groups) == 2
    assert {name: one["defaultOutboundAccess"] for name, one in found.items()} == {"app": True, "endpoints": False}


@pytest.mark.parametrize("plan", PLANS)
def test_subnets_that_are_there_are_taken_and_neither_network_nor_zone_is_made(plan: str) -> None:
    deployment = app(hostingPlan=plan, keyVaultIds=LISTS["lines"], **GIVEN)
    assert faults(deployment, group=group("prod")) == []
    assert deployment.the(SITES).properties["virtualNetworkSubnetId"] == APP
    endpoints = deployment.all(ENDPOINTS)
    assert [one.properties["subnet"]["id"] for one in endpoints] == [OTHERS] * 5
    assert [connection(one)["groupIds"] for one in endpoints][:3] == [["blob"], ["queue"], ["table"]]
    made = {one.type for one in deployment.everything()}
    assert [kind for kind in made if kind.startswith("Microsoft.Network/")] == [ENDPOINTS]
    assert deployment.the("Microsoft.Storage/storageAccounts").properties["networkAcls"]["defaultAction"] == "Deny"


def test_subnets_have_no_effect_where_no_network_is_asked_for() -> None:
    deployment = app(**GIVEN | {"vnetEnabled": False})
    assert deployment.the(SITES).properties["virtualNetworkSubnetId"] is None
    assert deployment.all(ENDPOINTS) == []


def test_our_own_network_may_do_without_zones_of_our_own() -> None:
    deployment = app(vnetEnabled=True, ownPrivateZones=False)
    assert [one.type for one in deployment.everything() if "DnsZone" in one.type] == []
    assert len(deployment.all(ENDPOINTS)) == 4
    assert len(app(vnetEnabled=True).all(ZONES)) == 4


# --- the check ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def spoke(azure: Stage) -> Stage:
    """A network with two subnets, and nothing deployed."""
    for id_ in [one for one in azure.resources if one.startswith(GROUP.lower())]:
        del azure.resources[id_]
    azure.add(NETWORK, location="West Europe")
    subnet(azure, APP, "Microsoft.App/environments")
    subnet(azure, OTHERS)
    return azure


def subnet(azure: Stage, id_: str, *services: str, prefix: str = "10.1.0.0/27") -> None:
    delegations = [{"properties": {"serviceName": service}} for service in services]
    azure.add(id_, properties={"delegations": delegations, "addressPrefix": prefix})


def test_subnets_that_fit_are_nothing_in_the_way(spoke: Stage) -> None:
    spoke.check(FIRST | WITH)
    subnet(spoke, APP, "microsoft.web/serverfarms", prefix="10.1.0.0/28")
    spoke.check(FIRST | WITH | {"HOSTING_PLAN": "ElasticPremium"})


@pytest.mark.parametrize("name", check_values.SUBNETS)
def test_one_subnet_alone_or_without_the_network_is_refused(spoke: Stage, name: str) -> None:
    assert f"{name} is set alone" in the_one(spoke, VNET_ENABLED="true", **{name: WITH[name]})
    assert "would have no effect: azd env set VNET_ENABLED true" in the_one(spoke, **WITH | {"VNET_ENABLED": "false"})
    assert "is not the ARM id of a subnet" in the_one(spoke, **WITH | {name: NETWORK})


def test_a_subnet_that_does_not_exist_is_named(spoke: Stage) -> None:
    del spoke.resources[APP.lower()]
    assert f"APP_SUBNET_ID: {APP.lower()} does not exist" in the_one(spoke, **WITH)


@pytest.mark.parametrize("services", [(), ("Microsoft.Web/serverFarms",), ("Microsoft.App/environments", "x/y")])
def test_the_apps_subnet_must_be_delegated_to_its_plan_alone(spoke: Stage, services: tuple[str, ...]) -> None:
    subnet(spoke, APP, *services)
    found = the_one(spoke, **WITH)
    assert f"is delegated to {', '.join(services) or 'nobody'}, and the app needs Microsoft.App/environments" in found


def test_flex_consumption_takes_no_small_subnet_and_no_underscore(spoke: Stage) -> None:
    odd = f"{NETWORK}/subnets/the_app"
    subnet(spoke, odd, "Microsoft.App/environments", prefix="10.1.0.0/28")
    found = wrong(spoke, **WITH | {"APP_SUBNET_ID": odd})
    assert [sign in one for one, sign in zip(found, ("underscore", "is a /28"), strict=True)] == [True, True]


def test_the_app_is_where_its_network_is(spoke: Stage) -> None:
    assert "azd env set AZURE_LOCATION westeurope" in the_one(spoke, **WITH, AZURE_LOCATION="northeurope")


def test_the_app_has_its_subnet_for_itself(spoke: Stage) -> None:
    assert "are one subnet" in the_one(
        spoke, **WITH | {"ENDPOINT_SUBNET_ID": APP.upper().replace("SUBNETS", "subnets")}
    )


def test_who_may_not_join_a_subnet_is_told(spoke: Stage) -> None:
    spoke.state["permissions"] = {HUB: [{"actions": ["*/read"]}]}
    found = wrong(spoke, **WITH)
    assert len(found) == 2
    assert all("you may not do Microsoft.Network/virtualNetworks/subnets/join/action at" in one for one in found)


def test_endpoints_stay_where_they_are_for_life(spoke: Stage) -> None:
    spoke.deployed(PROD)
    endpoint = f"{GROUP}/providers/Microsoft.Network/privateEndpoints/pe-blob"
    spoke.add(endpoint, properties={"subnet": {"id": f"{GROUP}{NETWORK.partition('rg-hub')[2]}/subnets/endpoints"}})
    spoke.check(PROD | {"MODE": "observe", "VNET_ENABLED": "true"})
    assert "and an endpoint cannot move: set ENDPOINT_SUBNET_ID back" in the_one(spoke, **WITH)
    spoke.add(endpoint, properties={"subnet": {"id": OTHERS.upper()}})
    spoke.check(PROD | WITH | {"MODE": "observe"})
    assert "cannot move" in the_one(spoke, VNET_ENABLED="true")


def test_who_has_only_a_subnet_may_not_see_its_network(spoke: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    spoke.refuse("get", f"{NETWORK}$", "AuthorizationFailed")
    spoke.check(FIRST | WITH)
    assert f"whether the network {NETWORK.lower()} is in the app's region could not be seen" in capsys.readouterr().out


def test_endpoints_that_may_not_be_listed_stop(spoke: Stage) -> None:
    spoke.deployed(PROD)
    spoke.refuse("get", "/privateendpoints", "AuthorizationFailed")
    assert "the networks cannot be looked at" in the_one(spoke, **WITH)


@pytest.mark.parametrize(
    ("plan", "provider"), [("FlexConsumption", "Microsoft.App"), ("ElasticPremium", "Microsoft.Web")]
)
def test_the_subnets_own_subscription_knows_the_service_that_it_is_delegated_to(
    spoke: Stage, plan: str, provider: str
) -> None:
    service = {"FlexConsumption": "Microsoft.App/environments", "ElasticPremium": "Microsoft.Web/serverFarms"}[plan]
    subnet(spoke, APP, service)
    spoke.state["unregistered"] = [provider]
    found = wrong(spoke, **WITH, HOSTING_PLAN=plan)
    assert any(f"--namespace {provider} --subscription {OTHER} --wait" in one for one in found)
