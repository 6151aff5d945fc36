"""What the queries rely on is what the app logs: it runs in the simulated Azure, and its lines are held against them."""

import base64
import json
from typing import Any

import pytest
from azure.data.tables import TableClient

from simulator.azure import FUNCTION, SUBSCRIPTION, Azure
from simulator.operationalinsights.behaviour import Behaviour
from simulator.operationalinsights.clusters import Cluster
from simulator.wire.faults import Fault, FaultKind
from tests.e2e.stage import QUEUE, Stage, stage
from tests.infra import queries
from tests.infra.queries import Query

KEYS = ("la-cmk", "refused", "disabled", "unknown", "deleted", "expiring")
TOLD_AS_A_REFUSAL_IS = {"update-failed", "cluster-failed", "read-back-differs"}
DAY = 86_400
UPDATE_SECONDS = 300
Line = dict[str, Any]


def fleet(azure: Azure) -> None:
    """One cluster for each kind of trouble; the resource group `rg-empty` of the scopes holds none."""
    for key in KEYS[1:]:
        azure.add_key("contoso", key)
    for key in KEYS:
        cluster = azure.add_cluster(f"cluster-{key}", key=azure.pinned("contoso", key))
        if key == "disabled":
            account = azure.storage_account("saved")
            azure.encrypt(account, azure.vault("contoso").uri, key, azure.pinned("contoso", key).version)
            azure.add_workspace("ws-1", cluster).linked_accounts["Query"] = [account.resource_id]


def run_into_everything(story: Stage) -> None:
    """Bring about every kind of line that a query looks for."""
    of = {cluster.name.removeprefix("cluster-"): cluster for cluster in story.azure.arm.clusters.values()}
    vault = story.azure.vault("contoso")
    with story.azure.lock:
        old = vault.keys["la-cmk"].newest.version
        story.azure.rights.deny(FUNCTION, "Microsoft.OperationalInsights/clusters/write", of["refused"].id)
        vault.disable("disabled")
        vault.delete_key("deleted")
        assert of["unknown"].key is not None
        vault.keys["unknown"].versions[0].version = "0" * 32
        vault.set_attributes("expiring", expires=int(story.azure.clock.timestamp()) + 9 * DAY)
    new = story.rotate()
    story.rotate(key="refused")
    story.reconcile()
    story.until(lambda: story.lines("update.overdue"), "the update to be overdue")
    story.quiet(UPDATE_SECONDS)
    story.ask_for_visit(of["la-cmk"])  # looks at an overdue update go on at reconcile's pace, and here nothing calls it
    story.finished(of["la-cmk"], new)
    story.until(lambda: story.lines("cluster.recovered"), "the cluster to recover")
    with story.azure.lock:
        vault.disable("la-cmk", old)
    story.ask_for_visit(of["la-cmk"])
    story.put_message("nonsense")
    for data in ({"Id": "https://contoso.vault.azure.net/secrets/la-cmk/1"}, {"ObjectType": "Secret"}):
        event = {
            "id": "1",
            "topic": vault.resource_id,
            "eventType": "Microsoft.KeyVault.KeyNewVersionCreated",
            "data": data,
        }
        story.azure.event_grid.deliver_raw(story.host.event_grid_url("on_key_event"), json.dumps([event]).encode())
    for wanted in ("old-version.disabled-early", "key.expiring", "visit.rejected", "event.rejected", "event.ignored"):
        wait_for(story, wanted)
    for wanted in ("in-use-disabled", "in-use-unknown", "key-not-found"):
        wait_for(story, "cluster.attention", wanted)
    forge_a_row(story, of["la-cmk"])
    odd = json.dumps({"value": [{"id": f"{of['la-cmk'].id}-odd", "properties": None}]}).encode()
    story.azure.faults.add(Fault(kind=FaultKind.REPLACED_BODY, path="*/resourceGroups/rg-Logs/*/clusters", body=odd))
    story.reconcile()
    wait_for(story, "cluster.unreadable")
    lose_a_visit(story)


def forge_a_row(story: Stage, cluster: Cluster) -> None:
    """Somebody else writes into the table."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in story.azure.environment().items():
            patch.setenv(name, value)
        with TableClient.from_connection_string(story.account.connection_string, "rotations") as table:
            table.create_entity({"PartitionKey": cluster.id.lower().replace("/", "|"), "RowKey": "x|y|z"})
    story.ask_for_visit(cluster)
    wait_for(story, "record.unreadable")


def wait_for(story: Stage, event: str, reason: str | None = None) -> None:
    """Wait for a line of an event, or of an event with a reason."""
    story.until(
        lambda: [line for line in story.lines(event) if reason in {None, line.get("reason")}], f"{event} {reason or ''}"
    )


def lose_a_visit(story: Stage) -> None:
    """The table does not answer; and the host gives a message up."""
    with story.azure.lock:
        story.azure.server.hosts.pop(f"{story.account.name}.table.core.windows.net")
        lost = json.dumps({"cluster": next(iter(story.azure.arm.clusters.values())).id, "by": "event"})
        story.account.queues.put(f"{QUEUE}-poison", base64.b64encode(lost.encode()).decode())
        story.account.queues.put(QUEUE, base64.b64encode(lost.encode()).decode())
    for wanted in ("visit.failed", "visit.lost"):
        wait_for(story, wanted)
    story.run("on_reconcile")
    story.until(
        lambda: [one for one in story.lines("cluster.attention") if "recorded" in one], "a call without the table"
    )


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    """All that the app logged in two runs: one with every kind of trouble, one with settings that make no sense."""
    scopes = (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-Logs,/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-empty"
    )
    settings = {"CLUSTER_SCOPES": scopes, "UPDATE_DEADLINE_HOURS": "0.05"}
    behaviour = Behaviour(update_seconds=UPDATE_SECONDS, retry_after=10)

    def build(azure: Azure) -> None:
        fleet(azure)
        azure.arm.resource_groups.add((SUBSCRIPTION.lower(), "rg-empty"))

    folder = tmp_path_factory.mktemp("app")
    with stage(folder, behaviour=behaviour, build=build, settings=settings) as story:
        run_into_everything(story)
        logged = story.lines()
    with stage(tmp_path_factory.mktemp("wrong"), settings={"MODE": "perhaps"}) as story:
        story.run("on_reconcile")
        story.until(lambda: story.lines("settings.invalid"), "the settings to be called invalid")
        logged += story.lines()
    return logged


def relied_on() -> list[Query]:
    return [query for query in queries.every() if query.events]


def test_every_event_that_a_query_looks_for_was_logged(lines: list[Line]) -> None:
    logged = {line["event"] for line in lines}
    assert {query.name: query.events - logged for query in relied_on() if query.events - logged} == {}


def test_every_field_that_a_query_reads_was_logged_with_one_of_its_events(lines: list[Line]) -> None:
    for query in relied_on():
        present = {name for line in lines if line["event"] in query.events for name in line}
        assert query.fields - present == set(), query.name


def test_every_reason_and_stage_that_a_query_tells_apart_was_logged_with_one_of_its_events(lines: list[Line]) -> None:
    for query in relied_on():
        of_query = [line for line in lines if line["event"] in query.events]
        assert query.reasons <= {line.get("reason") for line in of_query} | TOLD_AS_A_REFUSAL_IS, query.name
        assert query.stages <= {line.get("stage") for line in of_query}, query.name


def test_every_line_begins_as_the_queries_filter_and_is_json(lines: list[Line]) -> None:
    assert len(lines) > 30
    fuzzy = (
        "union isfuzzy=true (datatable(TimeGenerated: datetime, Message: string, SeverityLevel: int)[]), AppTraces\n"
    )
    assert all(f"{fuzzy}| where Message startswith_cs '{{\"event\"'" in query.text for query in relied_on())


def test_a_failed_reconcile_has_the_severity_that_the_queries_ask_for(lines: list[Line]) -> None:
    """Application Insights numbers the levels: Error is 3."""
    failed = [line for line in lines if line["event"] == "reconcile.finished" and line["emptyScopes"]]
    assert {line["level"] for line in failed} == {"Error"}


def test_times_and_numbers_are_in_the_form_that_the_queries_convert(lines: list[Line]) -> None:
    (moved,) = [line for line in lines if line["event"] == "rotation.finished" and line["reason"] == "update-confirmed"]
    assert isinstance(moved["secondsToVerify"], float)
    assert moved["keepOldVersionUntil"].endswith("Z")
