"""Workspaces: their links to clusters, and how they fail and heal."""

from dataclasses import replace

import pytest
from azure.mgmt.loganalytics import LogAnalyticsManagementClient
from azure.mgmt.loganalytics.models import WorkspacePatch

from simulator.arm import workspaces
from simulator.azure import RESOURCE_GROUP, Azure
from simulator.operationalinsights.behaviour import Behaviour
from simulator.operationalinsights.clusters import Cluster
from tests.simulator.calling import Caller

URL = "https://management.azure.com{}{}?api-version=2025-07-01"
LINK = "/linkedServices/cluster"


def state(call: Caller, id_: str) -> str:
    return str(call("GET", URL.format(id_, ""))["properties"]["provisioningState"])


def the_link_is_done(azure: Azure) -> None:
    azure.clock.sleep(workspaces.LINK_SECONDS + 1)


def test_a_workspace_is_linked_after_an_hour_and_a_half_and_twice_a_month_at_the_most(
    azure: Azure, cluster: Cluster, call: Caller
) -> None:
    workspace = azure.add_workspace("law", cluster)
    workspace.cluster_id, cluster.workspaces = None, []
    link = URL.format(workspace.id, LINK)
    body = {"properties": {"writeAccessResourceId": cluster.id}}
    assert call("GET", link)["error"]["message"] == "The workspace is not linked to a cluster"
    for _ in range(2):
        assert call("PUT", link, body)["properties"]["provisioningState"] == "ProvisioningAccount"
        assert "in process" in call("PUT", link, body)["error"]["message"]
        assert cluster.workspaces == []
        the_link_is_done(azure)
        assert call("GET", link)["properties"]["provisioningState"] == "Succeeded"
        assert cluster.workspaces == [workspace.id]
        assert call("DELETE", link)["properties"]["provisioningState"] == "Deleting"
        the_link_is_done(azure)
        assert "error" in call("GET", link)
        assert cluster.workspaces == []
    assert "twice in 30 days" in call("PUT", link, body)["error"]["message"]
    assert call("PUT", link, {"properties": {}})["error"]["message"] == "Cluster not found"
    assert call("PUT", link.replace("/law/", "/none/"), body)["error"]["message"] == "Workspace not found"


def test_a_deleted_cluster_leaves_its_workspaces_alone_and_takes_no_more(
    azure: Azure, cluster: Cluster, call: Caller
) -> None:
    linked, coming = azure.add_workspace("linked", cluster), azure.add_workspace("coming", cluster)
    coming.cluster_id, cluster.workspaces = None, [linked.id]
    body = {"properties": {"writeAccessResourceId": cluster.id.upper()}}
    assert "error" not in call("PUT", URL.format(coming.id, LINK), body)
    call("DELETE", URL.format(cluster.id, ""))
    late = azure.add_workspace("late", cluster)
    late.cluster_id = None
    assert "being deleted" in call("PUT", URL.format(late.id, LINK), body)["error"]["message"]
    azure.arm.finish_update(cluster)
    assert [state(call, one.id) for one in (linked, coming)] == ["Succeeded", "Failed"]
    assert linked.cluster_id is None
    assert call("GET", URL.format(linked.id, LINK))["error"]["code"] == "ResourceNotFound"
    assert call("DELETE", URL.format(linked.id, LINK))["error"]["code"] == "ResourceNotFound"
    the_link_is_done(azure)
    assert state(call, coming.id) == "Failed"


def test_a_workspace_is_linked_within_its_tenant_and_region(azure: Azure, cluster: Cluster, call: Caller) -> None:
    workspace = azure.add_workspace("law", cluster)
    workspace.cluster_id, workspace.location = None, "eastus"
    url, body = URL.format(workspace.id, LINK), {"properties": {"writeAccessResourceId": cluster.id}}
    assert "another region" in call("PUT", url, body)["error"]["message"]
    far = azure.add_cluster("far", subscription="2b7d9e10-8c35-4f1a-a6d4-55d0c1e7f203", location="eastus")
    azure.tenants.by_subscription[far.subscription] = "c0a8f7de-3b52-4a6e-9d0c-6a1f5e2b7c94"
    body = {"properties": {"writeAccessResourceId": far.id}}
    assert call("PUT", url, body)["error"]["message"] == "Cluster not found"


def test_a_link_that_fails_leaves_the_workspace_failed_and_as_it_was(
    azure: Azure, call: Caller, cluster: Cluster
) -> None:
    workspace = azure.add_workspace("ws-1", cluster)
    azure.behaviour = Behaviour(links_fail=True)
    call("DELETE", URL.format(workspace.id, LINK))
    assert state(call, workspace.id) == "Succeeded"
    the_link_is_done(azure)
    assert state(call, workspace.id) == "Failed"
    assert workspace.cluster_id == cluster.id
    azure.behaviour = Behaviour()
    call("DELETE", URL.format(workspace.id, LINK))
    the_link_is_done(azure)
    assert state(call, workspace.id) == "Succeeded"
    assert workspace.cluster_id is None


def test_an_update_of_a_failed_workspace_heals_it(
    azure: Azure, call: Caller, cluster: Cluster, arm: LogAnalyticsManagementClient
) -> None:
    workspace = azure.add_workspace("ws-1", cluster)
    workspace.state = "Failed"
    assert state(call, workspace.id) == "Failed"
    updated = arm.workspaces.update(RESOURCE_GROUP, "ws-1", WorkspacePatch(tags={"team": "logs"}))
    assert updated.tags == {"team": "logs"}
    assert state(call, workspace.id) == "Succeeded"
    assert "error" in call("PATCH", URL.format(workspace.id, ""), ["no object"])
    assert "does not PUT" in call("PUT", URL.format(workspace.id, ""), {})["error"]["message"]


@pytest.mark.parametrize(("follow", "shown"), [(True, "Failed"), (False, "Succeeded")])
def test_workspaces_may_fail_with_their_cluster(
    azure: Azure, call: Caller, cluster: Cluster, *, follow: bool, shown: str
) -> None:
    workspace = azure.add_workspace("ws-1", cluster)
    azure.behaviour = Behaviour(workspaces_fail=follow)
    assert state(call, workspace.id) == "Succeeded"
    cluster.state = "Failed"
    assert state(call, workspace.id) == shown
    azure.behaviour = replace(azure.behaviour, workspaces_fail=False)
    assert state(call, workspace.id) == "Succeeded"
