"""What matters in the Bicep files: rights, secrets, encryption, delivery, settings, names."""

import json
import re
from typing import Any

import pytest

from cmk_rotation.adapters import rotations_table, visit_queue
from cmk_rotation.config.settings import SETTINGS
from tests.infra import bicep
from tests.infra.bicep import INFRA, ROOT
from tests.infra.deployed import Deployment
from tests.infra.functions import World
from tests.infra.test_deployment import GOVERNMENT, LONGEST, PLANS, app, connect, group

FILES = [str(path.relative_to(INFRA)) for path in bicep.files()]
ROLES = {
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Table Data Reader": "76199698-9eea-4c19-bc75-cec21354c6b6",
    "Storage Queue Data Message Sender": "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
    "Storage Queue Data Reader": "19e7f393-937e-4f77-808e-94535e297925",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
}
"""learn.microsoft.com/azure/role-based-access-control/built-in-roles"""
HOST_SETTINGS = {
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "FUNCTIONS_EXTENSION_VERSION",
    "FUNCTIONS_WORKER_RUNTIME",
    "PYTHON_THREADPOOL_THREAD_COUNT",
    "WEBSITE_RUN_FROM_PACKAGE",
    "WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID",
}
"""What the Functions host reads (learn.microsoft.com/azure/azure-functions/functions-app-settings)."""
NOT_SET = {"AzureWebJobsStorage", "AzureWebJobsStorage__managedIdentityResourceId"}
"""The first would hold a key; the second says what the identity's client id says already."""


def guids(text: str) -> set[str]:
    return set(re.findall(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", text))


def permissions(path: str, symbol: str) -> dict[str, list[str]]:
    (role,) = (resource for resource in bicep.read(path).resources if resource.symbol == symbol)
    assert role.type == "Microsoft.Authorization/roleDefinitions"
    assert role.properties["type"] == "CustomRole"
    (found,) = role.properties["permissions"]
    return {kind: actions for kind, actions in found.items() if actions}


def settings(deployment: Deployment) -> dict[str, Any]:
    return deployment.the("Microsoft.Web/sites/config").properties


def test_the_cluster_role_allows_exactly_what_the_app_does() -> None:
    assert permissions("connect/cluster-roles.bicep", "clusterRole") == {
        "actions": [
            "Microsoft.OperationalInsights/clusters/read",
            "Microsoft.OperationalInsights/clusters/write",
            "Microsoft.OperationalInsights/locations/operationStatuses/read",
            "Microsoft.OperationalInsights/workspaces/read",
            "Microsoft.OperationalInsights/workspaces/linkedStorageAccounts/read",
        ]
    }
    assert permissions("connect/cluster-roles.bicep", "operationRole") == {
        "actions": ["Microsoft.OperationalInsights/locations/operationStatuses/read"]
    }


def test_the_key_role_allows_to_see_keys_and_nothing_else() -> None:
    assert permissions("connect/key-role.bicep", "role") == {"dataActions": ["Microsoft.KeyVault/vaults/keys/read"]}


def test_the_storage_role_allows_to_see_which_key_encrypts_an_account_and_nothing_in_it() -> None:
    assert permissions("connect/storage-role.bicep", "role") == {
        "actions": [
            "Microsoft.Storage/storageAccounts/read",
            "Microsoft.OperationalInsights/workspaces/linkedStorageAccounts/read",
        ]
    }


def test_every_built_in_role_is_meant_and_none_is_broad() -> None:
    used = {path: guids(bicep.read(path).text) for path in FILES}
    assert {path: found for path, found in used.items() if found} == {
        "app/storage.bicep": {
            ROLES["Storage Blob Data Owner"],
            ROLES["Storage Queue Data Contributor"],
            ROLES["Storage Table Data Contributor"],
        },
        "app/operators.bicep": {
            ROLES["Storage Table Data Reader"],
            ROLES["Storage Queue Data Message Sender"],
            ROLES["Storage Queue Data Reader"],
        },
        "app/monitoring.bicep": {ROLES["Monitoring Metrics Publisher"]},
        "connect/dead-letter-access.bicep": {ROLES["Storage Blob Data Contributor"]},
    }
    for path in ("app/storage.bicep", "app/operators.bicep"):
        named = bicep.read(path).variables["roles"]
        assert named == {name: guid for name, guid in ROLES.items() if name in named}


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("app/storage.bicep", "account"),
        ("app/monitoring.bicep", "insights"),
        ("connect/cluster-roles.bicep", None),
        ("connect/subscription-access.bicep", None),
        ("connect/group-access.bicep", None),
        ("connect/cluster-access.bicep", "cluster"),
        ("connect/storage-access.bicep", "account"),
        ("connect/vault.bicep", "vault"),
        ("connect/dead-letter-access.bicep", "container"),
    ],
)
def test_a_right_holds_where_it_is_needed_and_not_above(path: str, scope: str | None) -> None:
    access = bicep.read(path).the("Microsoft.Authorization/roleAssignments")
    assert access.body.get("scope") == scope
    assert access.properties["principalType"] == "ServicePrincipal"


def test_operators_read_the_record_and_ask_for_visits_if_their_group_is_named() -> None:
    rights = "Microsoft.Authorization/roleAssignments"
    given = [
        one for one in app(operatorsGroupId="the-group").all(rights) if one.properties["principalId"] == "the-group"
    ]
    assert {one.properties["principalType"] for one in given} == {"Group"}
    assert len(given) == 3
    assert len(app().all(rights)) == len(app(operatorsGroupId="the-group").all(rights)) - 3


def test_no_other_file_gives_rights() -> None:
    assert sum("Microsoft.Authorization/roleAssignments@" in bicep.read(path).text for path in FILES) == 10


def test_rights_at_every_kind_of_scope_are_those_of_their_role() -> None:
    roles, rights = "Microsoft.Authorization/roleDefinitions", "Microsoft.Authorization/roleAssignments"
    deployment = connect()
    made = {one.id.lower(): one.properties["roleName"].partition(" (")[0] for one in deployment.all(roles)}
    given = [
        (one.id.lower().rpartition("/providers/microsoft.authorization/")[0], str(one.properties["roleDefinitionId"]))
        for one in deployment.all(rights)
    ]
    found = {(place, made[role.lower()]) for place, role in given if role.lower() in made}
    logs = "/subscriptions/b/resourcegroups/rg-logs"
    clusters, accounts = (
        {f"{logs}/providers/{kind}/{name}" for name in ("one", "two")}
        for kind in ("microsoft.operationalinsights/clusters", "microsoft.storage/storageaccounts")
    )
    assert {place for place, role in found if role.endswith("clusters")} == {"/subscriptions/a", logs, *clusters}
    assert {place for place, role in found if role.endswith("operations")} == {"/subscriptions/a", "/subscriptions/b"}
    assert {place for place, role in found if role.endswith("storage")} == {"/subscriptions/c", logs, *accounts}
    assert (
        bicep.read("connect/vault.bicep").variables["roleId"]
        == "empty(givenRole) ? guid(toLower(subscription().id), token, 'keys') : givenRole"
    )
    assert (
        bicep.read("connect/key-role.bicep").resources[0].body["name"]
        == "guid(toLower(subscription().id), token, 'keys')"
    )


def test_storage_takes_no_keys_no_strangers_and_no_plain_text() -> None:
    told = bicep.read("app/storage.bicep").the("Microsoft.Storage/storageAccounts").properties
    assert told["allowSharedKeyAccess"] is False
    assert told["allowBlobPublicAccess"] is False
    assert told["allowCrossTenantReplication"] is False
    assert told["defaultToOAuthAuthentication"] is True
    assert told["supportsHttpsTrafficOnly"] is True
    assert told["minimumTlsVersion"] == "TLS1_2"
    assert told["networkAcls"]["bypass"] == "AzureServices"
    assert told["networkAcls"]["defaultAction"] == "openToAll ? 'Allow' : 'Deny'"


def test_telemetry_takes_no_keys_in_the_public_cloud() -> None:
    """Elsewhere the host's SDK asks for a token that nobody takes (`test_deployment.py`)."""
    deployment = app()
    assert deployment.the("Microsoft.Insights/components").properties["DisableLocalAuth"] is True
    assert deployment.the("Microsoft.OperationalInsights/workspaces").properties["features"]["disableLocalAuth"] is True
    client = settings(deployment)["AZURE_CLIENT_ID"]
    assert settings(deployment)["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"] == f"ClientId={client};Authorization=AAD"


def test_telemetry_goes_to_a_new_workspace() -> None:
    """A workspace is not linked to a cluster when it is made; the hook and the app check that it stays so."""
    deployment = app()
    workspace = deployment.the("Microsoft.OperationalInsights/workspaces")
    assert deployment.the("Microsoft.Insights/components").properties["WorkspaceResourceId"] == workspace.id
    assert settings(deployment)["TELEMETRY_WORKSPACE_ID"] == workspace.id
    workbook = deployment.the("Microsoft.Insights/workbooks")
    assert workbook.properties["sourceId"] == workspace.id == deployment.outputs["WORKSPACE_ID"]


@pytest.mark.parametrize("plan", PLANS)
def test_the_app_is_https_only_with_no_publishing_passwords(plan: str) -> None:
    deployment = app(hostingPlan=plan)
    site = deployment.the("Microsoft.Web/sites").properties
    assert site["httpsOnly"] is True
    assert site["siteConfig"]["minTlsVersion"] == "1.2"
    assert site["siteConfig"]["scmMinTlsVersion"] == "1.2"
    policies = deployment.all("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert {policy.body["name"]: policy.properties for policy in policies} == {
        "scm": {"allow": False},
        "ftp": {"allow": False},
    }


def test_the_app_runs_python_3_13_on_flex_consumption_or_premium() -> None:
    version = (ROOT / ".python-version").read_text(encoding="utf-8").strip()
    assert version == "3.13"
    flex, premium = (app(hostingPlan=plan) for plan in PLANS)
    plans = [one.the("Microsoft.Web/serverfarms").body["sku"] for one in (flex, premium)]
    assert plans == [{"name": "FC1", "tier": "FlexConsumption"}, {"name": "EP1", "tier": "ElasticPremium"}]
    config = flex.the("Microsoft.Web/sites").properties["functionAppConfig"]
    assert config["runtime"] == {"name": "python", "version": version}
    assert premium.the("Microsoft.Web/sites").properties["siteConfig"]["linuxFxVersion"] == f"Python|{version}"
    for body in (one.the("Microsoft.Web/sites").body for one in (flex, premium)):
        assert body["kind"] == "functionapp,linux"
        assert body["identity"]["type"] == "UserAssigned"


def test_every_setting_that_the_code_reads_is_set_and_every_one_that_is_set_is_read() -> None:
    everywhere = [app(world=world, hostingPlan=plan) for world in (World(), GOVERNMENT) for plan in PLANS]
    used = {name for deployment in everywhere for name in settings(deployment)}
    assert used == {setting.name for setting in SETTINGS} - NOT_SET | HOST_SETTINGS


def test_settings_that_are_fixed_are_the_defaults_of_the_code() -> None:
    defaults = {setting.name: setting.default for setting in SETTINGS}
    told = settings(app())
    fixed = {name: value for name, value in told.items() if re.fullmatch(r"\d+", value) and name not in HOST_SETTINGS}
    assert len(fixed) == 7
    assert fixed == {name: defaults[name] for name in fixed}
    assert told["RECONCILE_SCHEDULE"] == defaults["RECONCILE_SCHEDULE"]


def test_an_instance_has_a_thread_for_each_visit_that_the_host_gives_it() -> None:
    queues = json.loads((ROOT / "host.json").read_text())["extensions"]["queues"]
    assert settings(app())["PYTHON_THREADPOOL_THREAD_COUNT"] == str(queues["batchSize"] + queues["newBatchThreshold"])


@pytest.mark.parametrize("path", FILES)
def test_there_is_no_secret_in_a_setting_parameter_or_output(path: str) -> None:
    file = bicep.read(path)
    assert re.findall(r"\blist\w*\(|@secure|AccountKey|SharedAccess|\.list\w+\(", file.text) == []
    exposed = json.dumps(file.outputs).lower()
    assert [
        word for word in ("key=", "secret", "password", "connectionstring", "instrumentationkey") if word in exposed
    ] == []


def test_queues_tables_and_functions_are_named_as_in_the_code() -> None:
    storage = bicep.read("app/storage.bicep")
    names = {one.symbol: one.body["name"] for one in storage.resources}
    code = (ROOT / "function_app.py").read_text(encoding="utf-8")
    assert f'_VISITS = "{visit_queue.QUEUE}"' in code
    assert (names["visits"], names["lostVisits"]) == (visit_queue.QUEUE, f"{visit_queue.QUEUE}-poison")
    assert names["rotations"] == rotations_table.TABLE
    for told in connect().all("Microsoft.EventGrid/systemTopics/eventSubscriptions"):
        function = told.properties["destination"]["properties"]["resourceId"]
        assert function.endswith("/providers/Microsoft.Web/sites/func-1/functions/on_key_event")
    assert "@app.event_grid_trigger" in code.split("def on_key_event(")[0].rsplit("\n\n\n", 1)[1]


def test_events_of_new_key_versions_go_to_the_function_and_dead_letters_to_blobs_by_identity() -> None:
    ours, reused = connect().all("Microsoft.EventGrid/systemTopics/eventSubscriptions")
    assert ours.properties == reused.properties
    assert ours.properties == {
        "eventDeliverySchema": "EventGridSchema",
        "filter": {"includedEventTypes": ["Microsoft.KeyVault.KeyNewVersionCreated"]},
        "destination": {
            "endpointType": "AzureFunction",
            "properties": {
                "resourceId": f"{group(LONGEST)}/providers/Microsoft.Web/sites/func-1/functions/on_key_event",
                "maxEventsPerBatch": 1,
                "preferredBatchSizeInKilobytes": 64,
            },
        },
        "retryPolicy": {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440},
        "deadLetterWithResourceIdentity": {
            "identity": {"type": "SystemAssigned"},
            "deadLetterDestination": {
                "endpointType": "StorageBlob",
                "properties": {
                    "resourceId": f"{group(LONGEST)}/providers/Microsoft.Storage/storageAccounts/st1",
                    "blobContainerName": "dead-letters",
                },
            },
        },
    }
    containers = {one.symbol: one.body["name"] for one in bicep.read("app/storage.bicep").resources}
    assert containers["deadLetters"] == "dead-letters"
    assert bicep.read("connect/dead-letter-access.bicep").resources[0].body["name"].endswith("/default/dead-letters")


def test_a_system_topic_is_the_vaults_and_has_an_identity() -> None:
    topic = bicep.read("connect/vault.bicep").the("Microsoft.EventGrid/systemTopics")
    assert topic.properties == {"source": "vault.id", "topicType": "Microsoft.KeyVault.vaults"}
    assert topic.body["identity"] == {"type": "SystemAssigned"}
    assert topic.body["location"] == "location"
    assert "= if (!reused)" in bicep.read("connect/vault.bicep").text


def test_storage_is_closed_to_the_public_where_the_app_has_a_network() -> None:
    accounts = [app(vnetEnabled=network).the("Microsoft.Storage/storageAccounts") for network in (False, True)]
    assert [account.properties["networkAcls"]["defaultAction"] for account in accounts] == ["Allow", "Deny"]


def test_what_event_grid_may_not_reach_it_is_not_asked_to_leave_letters_in() -> None:
    without, letters = connect(deadLetters=False), connect()
    events = "Microsoft.EventGrid/systemTopics/eventSubscriptions"
    for one, other in zip(without.all(events), letters.all(events), strict=True):
        assert one.properties == {k: v for k, v in other.properties.items() if k != "deadLetterWithResourceIdentity"}
    rights = [len(found.all("Microsoft.Authorization/roleAssignments")) for found in (without, letters)]
    assert rights[1] - rights[0] == 2
    assert set(without.outputs["deadLetterAccess"]) == {""}


@pytest.mark.parametrize("access", ["Enabled", "Disabled", "SecuredByPerimeter"])
def test_storage_has_the_public_access_that_is_asked_for(access: str) -> None:
    deployment = app(vnetEnabled=True, storagePublicAccess=access)
    told = deployment.the("Microsoft.Storage/storageAccounts").properties
    assert (told["publicNetworkAccess"], told["networkAcls"]["defaultAction"]) == (access, "Deny")
    assert deployment.outputs["STORAGE_PUBLIC_ACCESS"] == access


def test_event_grid_failures_raise_an_alert_each() -> None:
    alerts = bicep.read("connect/event-alerts.bicep")
    assert alerts.variables["metrics"] == ["DeadLetteredCount", "DroppedEventCount"]
    told = alerts.the("Microsoft.Insights/metricAlerts").properties
    (criterion,) = told["criteria"]["allOf"]
    assert (criterion["operator"], criterion["threshold"]) == ("GreaterThan", 0)
    assert "docs/runbook.md#events-not-delivered" in told["description"]
