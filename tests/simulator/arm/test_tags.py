"""Tags as a resource of their own, and what became of who sends the whole cluster back."""

import pytest

from simulator.azure import FUNCTION, Azure
from simulator.operationalinsights.behaviour import Behaviour
from simulator.operationalinsights.clusters import Cluster
from tests.simulator.calling import Caller

ARM = "https://management.azure.com"


def tags_url(id_: str) -> str:
    return f"{ARM}{id_}/providers/Microsoft.Resources/tags/default?api-version=2021-04-01"


@pytest.mark.parametrize(
    ("operation", "tags", "left"),
    [
        ("Merge", {"cmk-rotation": "hold"}, {"team": "shop", "cmk-rotation": "hold"}),
        ("Merge", {"TEAM": "bank"}, {"TEAM": "bank"}),
        ("Replace", {"cmk-rotation": "hold"}, {"cmk-rotation": "hold"}),
        ("Delete", {"Team": ""}, {}),
        ("Delete", {"team": "shop"}, {}),
        ("Delete", {"team": "bank"}, {"team": "shop"}),
    ],
)
def test_tags_are_merged_replaced_and_deleted_and_nothing_else_is_touched(
    call: Caller, cluster: Cluster, operation: str, tags: dict[str, str], left: dict[str, str]
) -> None:
    cluster.tags = {"team": "shop"}
    key = cluster.key
    changed = call("PATCH", tags_url(cluster.id), {"operation": operation, "properties": {"tags": tags}})
    assert changed["properties"]["tags"] == left
    assert cluster.tags == left
    assert call("GET", tags_url(cluster.id))["properties"]["tags"] == left
    assert (cluster.key, cluster.operation) == (key, None)


def test_a_set_replaces_all_and_a_deletion_leaves_none(azure: Azure, call: Caller, cluster: Cluster) -> None:
    for id_ in (cluster.id, azure.vault("contoso").resource_id, azure.add_workspace("law", cluster).id):
        assert call("PUT", tags_url(id_), {"properties": {"tags": {"a": "1"}}})["properties"]["tags"] == {"a": "1"}
        assert call("DELETE", tags_url(id_))["properties"]["tags"] == {}


def test_what_is_no_tag_is_refused(azure: Azure, call: Caller, cluster: Cluster) -> None:
    url = tags_url(cluster.id)
    many = {str(number): "" for number in range(51)}
    assert call("PUT", url, {"properties": {"tags": many}})["error"]["code"] == "TagsLimitExceeded"
    for body in (None, {}, {"properties": None}, {"properties": {"tags": {"a": 1}}}):
        assert call("PATCH", url, body)["error"]["code"] == "InvalidRequestContent"
    assert call("PATCH", url, {"properties": {"tags": {}}})["error"]["code"] == "InvalidTagsOperation"
    assert call("GET", tags_url(f"{cluster.id}x"))["error"]["code"] == "ResourceNotFound"
    azure.rights.deny(FUNCTION, "Microsoft.Resources/tags/write")
    assert call("PUT", url, {"properties": {"tags": {}}})["error"]["code"] == "AuthorizationFailed"


def test_a_cluster_takes_no_tags_while_it_is_updated(azure: Azure, call: Caller, cluster: Cluster) -> None:
    azure.behaviour = Behaviour(update_seconds=900)
    azure.vault("contoso").rotate("la-cmk")
    new = azure.pinned("contoso", "la-cmk")
    key = {"keyVaultUri": new.vault_uri, "keyName": new.name, "keyVersion": new.version}
    call("PATCH", f"{ARM}{cluster.id}?api-version=2025-07-01", {"properties": {"keyVaultProperties": key}})
    refused = call("PUT", tags_url(cluster.id), {"properties": {"tags": {"a": "1"}}})
    assert "Wait for the async operation" in refused["error"]["message"]
    assert cluster.tags == {}


def test_who_sends_a_whole_cluster_back_is_refused_for_what_can_only_be_read(call: Caller, cluster: Cluster) -> None:
    """As `az resource tag` does, and reports of it say."""
    url = f"{ARM}{cluster.id}?api-version=2025-07-01"
    refused = call("PUT", url, {**call("GET", url), "tags": {"cmk-rotation": "hold"}})
    assert refused["error"]["code"] == "InvalidParameter"
    assert refused["error"]["message"].startswith("'properties.associatedWorkspaces' is a read only property")
    assert cluster.tags == {}
