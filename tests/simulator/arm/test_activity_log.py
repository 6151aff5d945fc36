"""Who changed what, and how it ended."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from simulator.azure import FUNCTION, RESOURCE_GROUP, SUBSCRIPTION, Azure
from simulator.clock import iso
from simulator.entra.identity import principal_id
from simulator.operationalinsights.behaviour import Behaviour, Outcome
from simulator.operationalinsights.clusters import Cluster
from tests.simulator.calling import Caller

ARM = "https://management.azure.com"


def logged(azure: Azure, call: Caller, only: str = "", since: float = 0.0) -> list[dict[str, Any]]:
    now = azure.clock.timestamp()
    filter_ = f"eventTimestamp ge {iso(since or now - 86_400)} and eventTimestamp le {iso(now)}{only}"
    path = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Insights/eventtypes/management/values"
    answer = call("GET", f"{ARM}{path}?api-version=2015-04-01&$filter={quote(filter_)}")
    listed: list[dict[str, Any]] = answer.get("value", answer)
    return listed


def steps(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["operationName"]["value"], one["status"]["value"]) for one in reversed(events)]


def rotate(azure: Azure, call: Caller, cluster: Cluster) -> None:
    azure.vault("contoso").rotate("la-cmk")
    new = azure.pinned("contoso", "la-cmk")
    key = {"keyVaultUri": new.vault_uri, "keyName": new.name, "keyVersion": new.version}
    call("PATCH", f"{ARM}{cluster.id}?api-version=2025-07-01", {"properties": {"keyVaultProperties": key}})


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.FAILED])
def test_an_update_is_followed_to_its_end(azure: Azure, call: Caller, cluster: Cluster, outcome: Outcome) -> None:
    azure.behaviour = Behaviour(update_seconds=900, outcome=outcome)
    rotate(azure, call, cluster)
    assert logged(azure, call) == [], "it takes minutes until a line is seen"
    azure.clock.sleep(300)
    write = "Microsoft.OperationalInsights/clusters/write"
    assert steps(logged(azure, call)) == [(write, "Started"), (write, "Accepted")]
    azure.clock.sleep(1_000)
    last, *before = logged(azure, call)
    assert (last["operationName"]["value"], last["status"]["value"]) == (write, outcome.value)
    assert {one["correlationId"] for one in before} == {last["correlationId"]}
    assert (last["caller"], last["resourceId"]) == (principal_id(FUNCTION), cluster.id)
    assert (last["resourceGroupName"], last["httpRequest"]["method"]) == (RESOURCE_GROUP, "PATCH")
    failed = outcome is Outcome.FAILED
    assert ("code" in json.loads(last["properties"].get("statusMessage", "{}")).get("error", {})) is failed


def test_what_was_refused_is_there_with_why_and_what_was_read_is_not(
    azure: Azure, call: Caller, cluster: Cluster
) -> None:
    url = f"{ARM}{cluster.id}?api-version=2025-07-01"
    call("GET", url)
    call("PATCH", url, {"properties": {"associatedWorkspaces": []}})
    azure.clock.sleep(300)
    failed, started = logged(azure, call)
    assert (started["status"]["value"], failed["status"]["value"]) == ("Started", "Failed")
    assert failed["level"] == "Error"
    assert failed["subStatus"]["localizedValue"] == "Bad Request (HTTP Status Code: 400)"
    assert json.loads(failed["properties"]["statusMessage"])["error"]["code"] == "InvalidParameter"


def test_tags_and_roles_are_logged_with_what_they_are_about(azure: Azure, call: Caller, cluster: Cluster) -> None:
    body = {"operation": "Merge", "properties": {"tags": {"cmk-rotation": "hold"}}}
    call("PATCH", f"{ARM}{cluster.id}/providers/Microsoft.Resources/tags/default?api-version=2021-04-01", body)
    azure.clock.sleep(300)
    (done, _) = logged(azure, call)
    assert (done["operationName"]["value"], done["resourceId"]) == ("Microsoft.Resources/tags/write", cluster.id)


def test_it_is_filtered_as_its_reference_says(azure: Azure, call: Caller, cluster: Cluster) -> None:
    other = azure.add_cluster("other", key=cluster.key)
    for one in (cluster, other):
        rotate(azure, call, one)
    azure.clock.sleep(300)
    everything = logged(azure, call)
    mine = [one for one in everything if one["resourceId"] == cluster.id]
    assert 0 < len(mine) < len(everything)
    correlation = mine[0]["correlationId"]
    for only in (
        f"resourceUri eq '{cluster.id}'",
        f"resourceId eq '{cluster.id.upper()}'",
        f"correlationId eq '{correlation}'",
    ):
        assert {one["resourceId"] for one in logged(azure, call, f" and {only}")} == {cluster.id}
    assert logged(azure, call, " and resourceGroupName eq 'elsewhere'") == []
    assert len(logged(azure, call, " and status eq 'Started'")) == 2
    assert logged(azure, call, " and caller eq 'nobody'") == []
    long_ago = azure.clock.timestamp() - 100 * 86_400
    assert "90 days" in str(logged(azure, call, since=long_ago))
    azure.arm.callers_are_late = lambda: 600.0
    azure.clock.sleep(300)
    early = azure.clock.timestamp() - 900
    filter_ = quote(f"eventTimestamp ge {iso(early - 60)} and eventTimestamp le {iso(early)}")
    path = f"/subscriptions/{SUBSCRIPTION}/providers/microsoft.insights/eventtypes/management/values"
    late = call("GET", f"{ARM}{path}?api-version=2015-04-01&$filter={filter_}")["value"]
    assert len(late) == len(everything), "whoever asks by a clock that is behind sees what was done since"
    azure.rights.deny(FUNCTION, "Microsoft.Insights/*")
    assert "AuthorizationFailed" in str(logged(azure, call))
    assert "start date" in str(call("GET", f"{ARM}{path}?api-version=2015-04-01"))
