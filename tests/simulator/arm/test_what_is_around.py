"""What is around clusters, with the refusals that Azure has: locks, groups, an app's settings, workspaces."""

import pytest
from azure.identity import ManagedIdentityCredential

from simulator.azure import FUNCTION, SUBSCRIPTION, Azure
from simulator.entra.identity import principal_id
from simulator.entra.roles import ROLES, Assignment
from simulator.operationalinsights.clusters import Cluster
from simulator.state import Lock
from tests.simulator.calling import Caller

SCOPE = f"/subscriptions/{SUBSCRIPTION}"
ARM = "https://management.azure.com"


@pytest.fixture
def caller(azure: Azure, credential: ManagedIdentityCredential) -> Caller:
    assert azure.server.port
    return Caller(credential)


def code_of(answer: object) -> object:
    assert isinstance(answer, dict)
    return answer.get("error", {}).get("code")


def test_a_read_only_lock_refuses_whatever_is_no_read(azure: Azure, cluster: Cluster, caller: Caller) -> None:
    url = f"{ARM}{cluster.id}?api-version=2022-10-01"
    azure.locks.append(Lock(cluster.id.rpartition("/providers/")[0].upper(), "ReadOnly", "keep"))
    assert code_of(caller("PATCH", url, {"tags": {}})) == "ScopeLocked"
    assert caller("GET", url)["name"] == cluster.name
    azure.locks[:] = [Lock(cluster.id, "CanNotDelete", "keep")]
    assert code_of(caller("DELETE", url)) == "ScopeLocked"
    assert code_of(caller("PATCH", url, {"tags": {}})) is None
    (lock,) = caller("GET", f"{ARM}{SCOPE}/providers/Microsoft.Authorization/locks?api-version=2016-09-01")["value"]
    assert (lock["properties"]["level"], lock["id"].partition("/providers/Microsoft.Auth")[0]) == (
        "CanNotDelete",
        cluster.id,
    )


def test_what_a_group_holds_counts_for_its_members_and_only_assigned_to_lists_it(azure: Azure, caller: Caller) -> None:
    group, me = principal_id("a group"), principal_id(FUNCTION)
    azure.rights.add(Assignment(group, ROLES["Reader"], SCOPE, principal_type="Group"))
    azure.rights.by_roles = True
    assert not azure.rights.allows(FUNCTION, "Microsoft.KeyVault/vaults/read", SCOPE)
    azure.rights.join(FUNCTION, group)
    assert azure.rights.allows(FUNCTION, "Microsoft.KeyVault/vaults/read", SCOPE)
    url = f"{ARM}{SCOPE}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&$filter="
    assert len(caller("GET", f"{url}assignedTo('{me}')")["value"]) == 1
    assert caller("GET", f"{url}principalId eq '{me}'")["value"] == []


def test_an_apps_settings_are_listed_by_an_action_of_their_own_and_stay_out_of_the_record(
    azure: Azure, caller: Caller
) -> None:
    app = azure.add_app("fn", {"AzureWebJobsStorage": "AccountKey=secret"})
    url = f"{ARM}{app.id}/config/appsettings/list?api-version=2022-03-01"
    assert caller("POST", url)["properties"] == app.settings
    assert azure.exchanges[-1].response_body == b""
    azure.rights.deny(FUNCTION, "Microsoft.Web/sites/config/list/action")
    assert code_of(caller("POST", url)) == "AuthorizationFailed"
    identity = caller("GET", f"{ARM}{app.id}?api-version=2022-03-01")["identity"]
    (one,) = identity["userAssignedIdentities"].values()
    assert one["principalId"] == principal_id(FUNCTION)


def test_a_provider_that_nobody_registered_is_shown_as_such(azure: Azure, caller: Caller) -> None:
    azure.unregistered.add((SUBSCRIPTION, "microsoft.eventgrid"))
    url = f"{ARM}{SCOPE}/providers/Microsoft.EventGrid?api-version=2020-01-01"
    assert caller("GET", url)["registrationState"] == "NotRegistered"


def test_a_workspace_tells_its_newest_heartbeat_to_whoever_may_query(azure: Azure, cluster: Cluster) -> None:
    workspace = azure.add_workspace("law", cluster)
    query = {"query": "AppTraces | where Message has 'reconcile.finished' | summarize max(TimeGenerated)"}
    url = f"https://api.loganalytics.io/v1/workspaces/{principal_id(workspace.id)}/query"
    logs = Caller(ManagedIdentityCredential(), "https://api.loganalytics.io")
    assert logs("POST", url, query)["tables"][0]["rows"] == [[None]]
    workspace.heartbeats += [1.0, 86_400.0]
    assert logs("POST", url, query)["tables"][0]["rows"][0][0].startswith("1970-01-02T00:00:00")
    assert code_of(logs("POST", url, {"query": "Heartbeat"})) == "BadArgumentError"
    assert (
        code_of(logs("POST", url.replace(principal_id(workspace.id), principal_id("x")), query))
        == "WorkspaceNotFoundError"
    )
    azure.rights.deny(FUNCTION, "Microsoft.OperationalInsights/workspaces/query/read")
    assert code_of(logs("POST", url, query)) == "InsufficientAccessError"
    assert code_of(Caller(ManagedIdentityCredential())("POST", url, query)) == "InvalidTokenError"
