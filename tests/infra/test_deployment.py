"""What is deployed for what is asked: the templates, evaluated for each plan, network, cloud and list of vaults."""

import itertools
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.infra import bicep
from tests.infra.bicep import INFRA
from tests.infra.deployed import Deployment
from tests.infra.evaluation import SUBSCRIPTION, deploy
from tests.infra.faults import faults
from tests.infra.functions import FailedError, World

OTHER = "/subscriptions/11111111-1111-1111-1111-111111111111"
VAULT = f"{OTHER}/resourceGroups/rg-keys/providers/Microsoft.KeyVault/vaults/Contoso"
SECOND = f"{OTHER}/resourceGroups/rg-keys/providers/Microsoft.KeyVault/vaults/fabrikam"
SCOPE = f"{OTHER}/resourceGroups/rg-logs"
LONGEST = "e" * 64
"""azd's own limit for the name of an environment."""
PLANS = ["FlexConsumption", "ElasticPremium"]
GOVERNMENT = World(cloud="AzureUSGovernment", zones=())
LISTS = {
    "none": "none",
    "empty": "",
    "one": VAULT,
    "two casings": f"{VAULT}, {VAULT.upper()}",
    "lines": f"{VAULT}\n{SECOND}\r\n{VAULT}\n",
}
SITES, COMPONENTS = "Microsoft.Web/sites", "Microsoft.Insights/components"
ENDPOINTS = "Microsoft.Network/privateEndpoints"


def app(infra: Path = INFRA, world: World | None = None, **given: Any) -> Deployment:
    asked = {
        "environmentName": "prod",
        "location": "westeurope",
        "clusterScopes": SCOPE,
        "keyVaultIds": VAULT,
        "mode": "observe",
    }
    return deploy(infra / "main.bicep", asked | given, world)


def group(environment: str) -> str:
    return f"{SUBSCRIPTION}/resourceGroups/rg-cmk-rotation-{environment}"


def vault(name: str) -> dict[str, str]:
    return {"subscription": OTHER.rpartition("/")[2], "group": "rg-keys", "name": name, "location": "westeurope"}


THEIR_TOPIC = f"{SECOND.partition('/providers/')[0]}/providers/Microsoft.EventGrid/systemTopics/theirs"
LOOKED_AFTER: dict[str, list[Any]] = {
    "clusterSubscriptions": ["a", "b"],
    "subscriptions": ["a"],
    "groups": [{"subscription": "b", "group": "rg-logs"}],
    "clusters": [{"subscription": "b", "group": "rg-logs", "name": name} for name in ("one", "two")],
    "storageSubscriptions": ["c"],
    "storageGroups": [{"subscription": "b", "group": "rg-logs"}],
    "storageAccounts": [{"subscription": "b", "group": "rg-logs", "name": name} for name in ("one", "two")],
    "vaults": [
        {**vault("Contoso"), "topicId": "", "topicPrincipalId": ""},
        {**vault("f" * 24), "topicId": THEIR_TOPIC, "topicPrincipalId": "<topic>"},
    ],
}
"""All that can be connected: subscriptions, groups, clusters, storage accounts, a vault without a topic and one that has one."""


def connect(infra: Path = INFRA, **given: Any) -> Deployment:
    asked = {
        "environmentName": LONGEST,
        "principalId": "<principal>",
        "functionAppId": f"{group(LONGEST)}/providers/Microsoft.Web/sites/func-1",
        "storageAccountId": f"{group(LONGEST)}/providers/Microsoft.Storage/storageAccounts/st1",
        "workspaceId": f"{group(LONGEST)}/providers/Microsoft.OperationalInsights/workspaces/log-1",
        "actionGroupIds": [f"{group(LONGEST)}/providers/Microsoft.Insights/actionGroups/ag-1"],
        "insightsId": f"{group(LONGEST)}/providers/Microsoft.Insights/components/appi-1",
        "privateLinkScopeId": "",
        "clusterRole": "",
        "operationRole": "",
        "keyRole": "",
        "storageRole": "",
        "deadLetters": True,
        "extraTags": {},
    }
    return deploy(infra / "connect/main.bicep", asked | LOOKED_AFTER | given)


def settings(deployment: Deployment) -> dict[str, Any]:
    return deployment.the("Microsoft.Web/sites/config").properties


# --- whatever is asked -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "network", "vaults", "environment"),
    list(itertools.product(PLANS, [False, True], LISTS, ["prod", LONGEST])),
)
def test_nothing_is_deployed_twice_or_elsewhere_or_with_a_name_that_azure_refuses(
    *, plan: str, network: bool, vaults: str, environment: str
) -> None:
    deployment = app(
        environmentName=environment,
        hostingPlan=plan,
        vnetEnabled=network,
        keyVaultIds=LISTS[vaults],
        alertEmail="a@b.c",
    )
    assert faults(deployment, group=group(environment)) == []
    assert len(deployment.everything()) > 25


def test_connecting_makes_nothing_twice_and_no_name_that_azure_refuses() -> None:
    deployment = connect()
    assert faults(deployment) == []
    assert len(deployment.all("Microsoft.Authorization/roleAssignments")) == 14
    assert faults(connect(vaults=[])) == []


def test_each_thing_is_connected_where_it_was_said_to_be() -> None:
    deployment = connect()
    logs, keys = "/subscriptions/b/resourcegroups/rg-logs", f"{OTHER}/resourcegroups/rg-keys"
    rights = deployment.all("Microsoft.Authorization/roleAssignments")
    scopes = {one.id.lower().rpartition("/providers/microsoft.authorization/")[0] for one in rights}
    assert {scope for scope in scopes if "dead-letters" not in scope} == {
        "/subscriptions/a",
        "/subscriptions/b",
        "/subscriptions/c",
        logs,
        *(f"{logs}/providers/microsoft.storage/storageaccounts/{name}" for name in ("one", "two")),
        *(f"{logs}/providers/microsoft.operationalinsights/clusters/{name}" for name in ("one", "two")),
        *(f"{keys}/providers/microsoft.keyvault/vaults/{name}" for name in ("contoso", "f" * 24)),
    }
    topic = deployment.the("Microsoft.EventGrid/systemTopics")
    assert topic.body["location"] == "westeurope"
    leaving = {str(one.properties["principalId"]) for one in rights if "dead-letters" in one.id}
    assert leaving == {"<topic>", f"<{topic.id}>.identity.principalId"}


def shouted(item: Any) -> Any:
    """The same in another casing, and a region as Azure also writes it."""
    if isinstance(item, dict):
        return {name: "West Europe" if name == "location" else shouted(value) for name, value in item.items()}
    return item.upper()


def test_what_is_given_twice_in_two_casings_is_connected_once() -> None:
    twice: dict[str, Any] = {name: [*items, *map(shouted, items)] for name, items in LOOKED_AFTER.items()}
    once, both = connect(), connect(**twice)
    assert faults(both) == []
    assert [one.id.lower() for one in both.everything()] == [one.id.lower() for one in once.everything()]
    assert both.outputs.keys() == once.outputs.keys()
    assert {name: len(ids) for name, ids in both.outputs.items()} == {
        name: len(ids) for name, ids in once.outputs.items()
    }


@pytest.mark.parametrize("plan", PLANS)
def test_what_is_given_twice_in_two_casings_is_deployed_once(plan: str) -> None:
    once, both = (
        app(vnetEnabled=True, hostingPlan=plan, clusterScopes=scopes, keyVaultIds=vaults)
        for scopes, vaults in (
            (SCOPE, f"{VAULT},{SECOND}"),
            (f"{SCOPE},{SCOPE.upper()}", f"{VAULT},{SECOND},{VAULT.upper()},{SECOND.upper()}"),
        )
    )
    assert faults(both, group=group("prod")) == []
    assert [one.id for one in both.everything()] == [one.id for one in once.everything()]


@pytest.mark.parametrize(
    ("file", "text", "planted", "fault"),
    [
        ("main.bicep", "replace(toLower(keyVaultIds)", "replace((keyVaultIds)", "resource twice"),
        (
            "main.bicep",
            "union(filter(map(vaultList, id => trim(id)), id => !contains(['', 'none'], id)), [])",
            "filter(map(vaultList, id => trim(id)), id => !contains(['', 'none'], id))",
            "resource twice",
        ),
        ("main.bicep", "'st${token}'", "'st${environmentName}'", "storageAccounts's name"),
        ("main.bicep", "name: 'identity'", "name: 'identity-${environmentName}'", "deployment's name"),
        ("main.bicep", "name: 'actions'", "name: 'alerts'", "deployment twice"),
        ("main.bicep", "  scope: group\n", "  scope: resourceGroup('rg-keys')\n", "deployed outside"),
        ("app/function.bicep", "name: 'ftp'", "name: 'scm'", "resource twice"),
        ("app/function.bicep", "vnetRouteAllEnabled", "vnetRouteAlEnabled", "sites has no vnetRouteAlEnabled"),
        ("app/function.bicep", "ftpsState", "ftpState", "siteConfig has no ftpState"),
        ("app/function.bicep", "  http20Enabled: true", "  http20Enabled: null", "null in siteConfig: /http20Enabled"),
        ("app/storage.bicep", "principalId, role.value)", "principalId, role.value, role.key)", None),
        (
            "app/storage.bicep",
            "'0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'",
            "'974c5e8b-45b9-4653-ba55-5f855dd0fb88'",
            "right twice",
        ),
    ],
)
def test_a_planted_mistake_is_found(tmp_path: Path, file: str, text: str, planted: str, fault: str | None) -> None:
    """But for one that is none: a right may have any name, if it is given once."""
    shutil.copytree(INFRA, tmp_path / "infra")
    changed = tmp_path / "infra" / file
    source = changed.read_text(encoding="utf-8")
    assert text in source
    changed.write_text(source.replace(text, planted, 1), encoding="utf-8")
    deployment = app(
        tmp_path / "infra",
        environmentName=LONGEST,
        hostingPlan="ElasticPremium",
        vnetEnabled=True,
        keyVaultIds=LISTS["two casings"],
    )
    found = faults(deployment, group=group(LONGEST))
    assert any(one.startswith(fault) or fault in one for one in found) if fault else found == []


# --- what is not ours --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "inside",
    [
        {"clusterScopes": group("prod")},
        {"clusterScopes": f"{SCOPE},{group('prod')}/providers/Microsoft.OperationalInsights/clusters/a"},
        {"keyVaultIds": f"{VAULT},\n {group('PROD').upper()}/providers/Microsoft.KeyVault/vaults/a"},
        {"keyVaultIds": f"{group('prod')}/providers/Microsoft.KeyVault/vaults/a".strip("/")},
    ],
)
def test_what_is_looked_after_may_not_lie_in_the_group_that_azd_down_deletes(inside: dict[str, Any]) -> None:
    with pytest.raises(FailedError, match=r"which azd down deletes with all that is in it: /?subscriptions/"):
        app(**inside)


@pytest.mark.parametrize("near", [group("prod-eu"), group("pro"), SUBSCRIPTION, group("prod").replace("0000", "2222")])
def test_a_group_of_another_name_or_subscription_is_no_matter_and_neither_is_a_whole_subscription(near: str) -> None:
    assert app(clusterScopes=near).outputs["AZURE_RESOURCE_GROUP"] == "rg-cmk-rotation-prod"


def test_the_casing_of_what_is_asked_makes_no_other_names() -> None:
    one = app(vnetEnabled=True)
    other = app(vnetEnabled=True, environmentName="PROD", location="WestEurope", keyVaultIds=VAULT.upper())
    found = [{resource.id.lower() for resource in deployment.everything()} for deployment in (one, other)]
    assert {
        id_ for id_ in found[0] ^ found[1] if "roleassignments" not in id_
    } == set()  # these hold ids that Azure gives


# --- plans -------------------------------------------------------------------------------------------------------------


def test_flex_consumption_gets_nothing_that_is_premiums() -> None:
    assert app(vnetEnabled=True).the(SITES).properties["siteConfig"] == {
        "minTlsVersion": "1.2",
        "scmMinTlsVersion": "1.2",
        "http20Enabled": True,
        "ipSecurityRestrictions": [],
        "ipSecurityRestrictionsDefaultAction": "Allow",
        "scmIpSecurityRestrictionsUseMain": False,
    }
    assert app().the("Microsoft.Web/serverfarms").properties == {"reserved": True}


@pytest.mark.parametrize("network", [False, True])
def test_premium_routes_everything_through_its_network_by_the_sites_own_property(*, network: bool) -> None:
    site = app(hostingPlan="ElasticPremium", vnetEnabled=network).the(SITES).properties
    assert site.get("vnetRouteAllEnabled") is (True if network else None)
    assert site["siteConfig"]["functionsRuntimeScaleMonitoringEnabled"] is network
    assert site["siteConfig"]["ftpsState"] == "Disabled"
    assert site["functionAppConfig"] is None
    assert "vnetRouteAllEnabled" not in app(vnetEnabled=network).the(SITES).properties


def test_premium_is_told_that_it_may_have_more_than_one_worker() -> None:
    plan = app(hostingPlan="ElasticPremium").the("Microsoft.Web/serverfarms")
    assert plan.properties == {"reserved": True, "maximumElasticWorkerCount": 3}


def test_an_instance_has_the_memory_that_the_readme_reasons_for() -> None:
    memory = app().the(SITES).properties["functionAppConfig"]["scaleAndConcurrency"]["instanceMemoryMB"]
    assert memory == 2048
    assert f"An instance has {memory} MB" in (INFRA / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("asked", "ready"), [(0, []), (2, [{"name": "function:on_visit", "instanceCount": 2}])])
def test_instances_are_ready_for_visits_where_that_is_asked_for(asked: int, ready: list[Any]) -> None:
    config = app(alwaysReadyInstances=asked).the(SITES).properties["functionAppConfig"]
    assert config["scaleAndConcurrency"]["alwaysReady"] == ready
    code = (bicep.ROOT / "function_app.py").read_text(encoding="utf-8")
    assert "def on_visit(" in code


# --- clouds ------------------------------------------------------------------------------------------------------------


def test_the_public_cloud_knows_the_storage_by_name_and_others_by_addresses() -> None:
    public, other = settings(app()), settings(app(world=GOVERNMENT))
    of_storage = [{key for key in one if key.startswith("AzureWebJobsStorage")} for one in (public, other)]
    both = {"AzureWebJobsStorage__credential", "AzureWebJobsStorage__clientId"}
    services = {f"AzureWebJobsStorage__{service}ServiceUri" for service in ("blob", "queue", "table")}
    assert of_storage == [both | {"AzureWebJobsStorage__accountName"}, both | services]
    assert public["AzureWebJobsStorage__accountName"] == app().the("Microsoft.Storage/storageAccounts").name


@pytest.mark.parametrize(
    ("world", "by_identity"), [(World(), True), (GOVERNMENT, False), (World(cloud="USNat"), False)]
)
def test_telemetry_is_by_identity_alone_where_the_hosts_sdk_can_sign_in(*, world: World, by_identity: bool) -> None:
    deployment = app(world=world)
    assert deployment.the(COMPONENTS).properties["DisableLocalAuth"] is by_identity
    assert ("APPLICATIONINSIGHTS_AUTHENTICATION_STRING" in settings(deployment)) is by_identity


def test_records_are_in_several_zones_where_the_region_has_them() -> None:
    accounts = [app(world=world).the("Microsoft.Storage/storageAccounts") for world in (World(), World(zones=()))]
    assert [account.body["sku"]["name"] for account in accounts] == ["Standard_ZRS", "Standard_LRS"]


# --- network -----------------------------------------------------------------------------------------------------------


def test_the_app_waits_for_its_storage_with_and_without_a_network() -> None:
    """Otherwise only endpoints does, which is not always there; the linter thinks that it is."""
    (module,) = [module for module in bicep.read("main.bicep").modules if module.symbol == "function"]
    assert module.body["dependsOn"] == ["storage", "endpoints"]
    assert (
        "#disable-next-line no-unnecessary-dependson\n  dependsOn: [storage, endpoints]"
        in bicep.read("main.bicep").text
    )


def test_there_is_an_endpoint_for_each_service_of_the_storage_and_each_vault_made_one_at_a_time() -> None:
    endpoints = app(vnetEnabled=True, keyVaultIds=LISTS["lines"]).all(ENDPOINTS)
    groups = [told["groupIds"] for told in map(connection, endpoints)]
    assert groups == [["blob"], ["queue"], ["table"], ["vault"], ["vault"]]
    assert "@batchSize(1)\nresource privateEndpoints " in bicep.read("app/endpoints.bicep").text
    assert app(vnetEnabled=False).all(ENDPOINTS) == []


@pytest.mark.parametrize("by_hand", [False, True])
def test_the_address_of_an_endpoint_is_in_the_zone_that_its_service_is_asked_for_in(*, by_hand: bool) -> None:
    deployment = app(vnetEnabled=True, vaultOwnersApprove=by_hand, keyVaultIds=LISTS["lines"])
    zones = {one.id: one.name for one in deployment.all("Microsoft.Network/privateDnsZones")}
    records = deployment.all("Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
    found = []
    for endpoint, record in zip(deployment.all(ENDPOINTS), records, strict=True):
        assert record.id.startswith(f"{endpoint.id}/")
        told = endpoint.properties
        (made,) = told["privateLinkServiceConnections"] + told["manualPrivateLinkServiceConnections"]
        (config,) = record.properties["privateDnsZoneConfigs"]
        found.append((*made["properties"]["groupIds"], zones[config["properties"]["privateDnsZoneId"]]))
    assert found == [
        *((service, f"privatelink.{service}.core.windows.net") for service in ("blob", "queue", "table")),
        *[("vault", "privatelink.vaultcore.azure.net")] * 2,
    ]
    links = deployment.all("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
    assert {one.id.partition("/virtualNetworkLinks/")[0] for one in links} == zones.keys()


def connection(endpoint: Any, kind: str = "privateLinkServiceConnections") -> Any:
    (found,) = endpoint.properties[kind]
    return found["properties"]


def test_a_vaults_owner_may_approve_by_hand_and_the_storage_is_ours() -> None:
    *storage, vaults = app(vnetEnabled=True, vaultOwnersApprove=True).all(ENDPOINTS)
    assert connection(vaults, "manualPrivateLinkServiceConnections")["privateLinkServiceId"] == VAULT.lower()
    assert vaults.properties["privateLinkServiceConnections"] == []
    assert [one.properties["manualPrivateLinkServiceConnections"] for one in storage] == [[], [], []]
    assert [connection(one)["groupIds"] for one in storage] == [["blob"], ["queue"], ["table"]]


def test_only_event_grid_comes_in_where_that_is_asked_for_and_the_scm_site_stays_open() -> None:
    config = app(onlyEventGridInbound=True).the(SITES).properties["siteConfig"]
    (rule,) = config["ipSecurityRestrictions"]
    assert (rule["tag"], rule["ipAddress"], rule["action"]) == ("ServiceTag", "AzureEventGrid", "Allow")
    assert config["ipSecurityRestrictionsDefaultAction"] == "Deny"
    assert config["scmIpSecurityRestrictionsUseMain"] is False


def test_other_clouds_do_not_know_event_grids_tag_and_stay_open() -> None:
    config = app(onlyEventGridInbound=True, world=GOVERNMENT).the(SITES).properties["siteConfig"]
    assert (config["ipSecurityRestrictions"], config["ipSecurityRestrictionsDefaultAction"]) == ([], "Allow")
