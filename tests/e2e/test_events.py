"""Events that are doubled, late, out of order, lost, forged; and messages that nobody should have sent."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from simulator.azure import SUBSCRIPTION
from simulator.eventgrid.delivery import Attempt
from simulator.eventgrid.subscriptions import Schema
from simulator.operationalinsights.behaviour import Behaviour
from tests.e2e.stage import stage
from tests.e2e.worlds import one_cluster

QUICK = Behaviour(update_seconds=120, retry_after=5)
VAULT = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-Logs/providers/Microsoft.KeyVault/vaults/contoso"


def key_event(**data: object) -> dict[str, object]:
    """An event as Event Grid writes it, with this data instead of the usual."""
    return {
        "id": "forged-1",
        "topic": VAULT,
        "subject": "la-cmk",
        "eventType": "Microsoft.KeyVault.KeyNewVersionCreated",
        "eventTime": "2026-02-30T25:61:00+02:00",
        "dataVersion": "1",
        "metadataVersion": "1",
        "data": {"ObjectType": "Key", "NBF": None, "EXP": "1559081980"} | data,
    }


def test_an_event_delivered_eleven_times_updates_once(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster, races=True) as story:
        (cluster,) = story.azure.arm.clusters.values()
        story.azure.event_grid.duplicate_next(10)
        row = story.finished(cluster, story.rotate())
        story.until(lambda: len(story.lines("key.matched")) == 11, "all copies to be looked at")
        story.until(lambda: story.waiting_messages() == 0, "the last look")
        assert (row["stage"], row["attempts"]) == ("succeeded", 1)
        assert len(story.patches(cluster)) == 1
        assert len(story.lines("rotation.finished")) == 1


def test_duplicates_during_an_update_add_looks_and_no_chains(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=replace(QUICK, update_seconds=3_000), build=one_cluster, races=True) as story:
        (cluster,) = story.azure.arm.clusters.values()
        story.rotate()
        story.until(lambda: story.patches(cluster), "the update to be sent")
        story.quiet(150)  # the safety look of the claim is over by then
        for _ in range(10):
            story.put_message(json.dumps({"cluster": cluster.id, "by": "event"}))
        story.quiet(400)
        assert story.waiting_messages() <= 2, "one look is due; one may be in hand"
        assert len(story.patches(cluster)) == 1


def test_a_version_in_an_event_is_never_applied(tmp_path: Path) -> None:
    """The events of three rotations arrive in reverse order: the cluster goes straight to the newest version."""
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        (cluster,) = story.azure.arm.clusters.values()
        story.azure.event_grid.hold()
        versions = [story.rotate() for _ in range(3)]
        story.azure.event_grid.release()
        story.finished(cluster, versions[-1])
        story.until(lambda: len(story.lines("key.matched")) == 3, "all events to be looked at")
        assert len(story.patches(cluster)) == 1
        assert [row["toVersion"] for row in story.rotations(cluster)] == [versions[-1]]


def test_an_event_that_comes_late_changes_nothing(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        (cluster,) = story.azure.arm.clusters.values()
        story.azure.event_grid.delay_next(500)
        late = story.rotate()
        newest = story.rotate()
        story.finished(cluster, newest)
        story.until(lambda: len(story.lines("key.matched")) == 2, "the late event to be looked at")
        story.until(lambda: story.waiting_messages() == 0, "the last look")
        assert cluster.key is not None
        assert cluster.key.version == newest
        assert story.rotation(cluster, late) is None
        assert len(story.patches(cluster)) == 1


def test_a_cluster_that_somebody_else_moved_is_put_on_record_as_already_there(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        (cluster,) = story.azure.arm.clusters.values()
        story.azure.event_grid.hold()
        new = story.rotate()
        with story.azure.lock:
            cluster.key = story.azure.pinned("contoso", "la-cmk")
        story.azure.event_grid.release()
        row = story.finished(cluster, new)
        assert (row["stage"], row["reason"], row["attempts"]) == ("succeeded", "already-there", 0)
        assert story.patches(cluster) == []


def test_a_rotation_during_an_update_follows_it(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        (cluster,) = story.azure.arm.clusters.values()
        first = story.rotate()
        story.until(lambda: story.patches(cluster), "the first update to be sent")
        second = story.rotate()
        assert story.finished(cluster, second)["stage"] == "succeeded"
        assert story.finished(cluster, first)["stage"] == "succeeded"
        assert cluster.key is not None
        assert cluster.key.version == second


def test_a_lost_event_is_repaired_by_the_timer(tmp_path: Path) -> None:
    settings = {"RECONCILE_SCHEDULE": "0 * * * * *"}
    with stage(tmp_path, behaviour=QUICK, build=one_cluster, settings=settings) as story:
        (cluster,) = story.azure.arm.clusters.values()
        story.azure.event_grid.lose_next()
        row = story.finished(cluster, story.rotate())
        assert (row["stage"], row["requestedBy"]) == ("succeeded", "reconcile")
        assert story.lines("key.changed") == []


def test_a_lost_visit_is_repaired_by_the_timer(tmp_path: Path) -> None:
    settings = {"RECONCILE_SCHEDULE": "0 * * * * *"}
    with stage(tmp_path, behaviour=QUICK, build=one_cluster, settings=settings) as story:
        (cluster,) = story.azure.arm.clusters.values()
        new = story.rotate()
        story.until(lambda: story.patches(cluster), "the update to be sent")
        for _ in range(3):
            story.account.queues.lose_next()
        assert story.finished(cluster, new)["stage"] == "succeeded"
        assert len(story.patches(cluster)) == 1


@pytest.mark.parametrize(
    ("data", "logged"),
    [
        pytest.param(
            {"Id": "https://evil.example/keys/la-cmk/1"}, "key.changed", id="another host is compared, never called"
        ),
        pytest.param(
            {" id ": " https://CONTOSO.vault.azure.net:443/keys/LA-CMK/00000000000000000000000000000000 "},
            "key.changed",
            id="dirt in names and values",
        ),
        pytest.param({"Id": "https://contoso.vault.azure.net/secrets/la-cmk/1"}, "event.rejected", id="not a key"),
        pytest.param({"Id": 7}, "event.rejected", id="an id of the wrong type"),
        pytest.param({"ObjectType": "Secret"}, "event.ignored", id="about a secret"),
    ],
)
def test_a_forged_event_leads_at_most_to_a_look(tmp_path: Path, data: dict[str, object], logged: str) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        (cluster,) = story.azure.arm.clusters.values()
        body = json.dumps([key_event(**data)]).encode()
        assert story.azure.event_grid.deliver_raw(story.host.event_grid_url("on_key_event"), body) == 202
        story.until(lambda: story.lines(logged), f"the event to be {logged}")
        if logged == "key.changed":
            story.until(lambda: story.lines("key.matched"), "the key to be looked for")
        story.quiet(30)
        assert story.patches(cluster) == [], "the version in an event is never applied"
        assert all("evil.example" not in exchange.host for exchange in story.azure.exchanges)
        assert story.azure.server.refused == []


def test_an_event_that_cannot_be_queued_is_delivered_again(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        (cluster,) = story.azure.arm.clusters.values()
        with story.azure.lock:
            queues = story.azure.server.hosts.pop("cmkrotation.queue.core.windows.net")
        new = story.rotate()

        def refused() -> list[Attempt]:
            return [attempt for attempt in story.azure.event_grid.attempts if attempt.status == 500]

        story.until(refused, "the event to be refused")
        with story.azure.lock:
            story.azure.server.hosts["cmkrotation.queue.core.windows.net"] = queues
        assert story.finished(cluster, new)["stage"] == "succeeded"


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        '{"cluster": "/subscriptions/../../evil"}',
        json.dumps({"cluster": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Web/sites/a"}),
        json.dumps(
            {
                "cluster": "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/rg"
                "/providers/Microsoft.OperationalInsights/clusters/elsewhere"
            }
        ),
    ],
    ids=["not json", "not an object", "a path", "another type", "out of scope"],
)
def test_a_message_that_names_no_cluster_in_scope_is_rejected_in_one_line(tmp_path: Path, text: str) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        story.put_message(text)
        story.until(lambda: story.lines("visit.rejected"), "the message to be rejected")
        story.until(lambda: story.waiting_messages() == 0, "the message to be gone")
        (line,) = story.lines("visit.rejected")
        assert line["level"] == "Warning"
        assert story.poisoned() == 0
        arm = [exchange for exchange in story.azure.exchanges if exchange.host == "management.azure.com"]
        assert arm == [], "nothing is asked of Azure for it"


def test_a_message_that_keeps_failing_is_called_lost(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        (cluster,) = story.azure.arm.clusters.values()
        with story.azure.lock:
            story.azure.server.hosts.pop("cmkrotation.table.core.windows.net")
        story.ask_for_visit(cluster)
        story.until(lambda: story.lines("visit.lost"), "the visit to be given up")
        (lost,) = story.lines("visit.lost")
        assert lost["clusterId"].lower() == cluster.id.lower()
        failed = story.lines("visit.failed")
        assert len(failed) == 5
        assert all(
            "storage account" in line["remedy"] and "delivers this message again" in line["remedy"] for line in failed
        )
        story.run("on_reconcile")
        story.until(lambda: len(story.lines("visit.failed")) > 5, "the timer's run to fail too")
        timer = story.lines("visit.failed")[-1]["remedy"]
        assert "storage account" in timer
        assert "next run" in timer, "no message brings it back"


def test_a_cloud_event_in_any_dirt_is_understood(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster, schema=Schema.CLOUD_EVENTS) as story:
        (cluster,) = story.azure.arm.clusters.values()
        assert story.finished(cluster, story.rotate())["requestedBy"] == "event"


def test_a_message_that_nobody_can_read_is_found_in_the_poison_queue_and_told_after_an_hour(tmp_path: Path) -> None:
    with stage(
        tmp_path, behaviour=QUICK, build=one_cluster, settings={"RECONCILE_SCHEDULE": "0 */10 * * * *"}
    ) as story:
        with story.azure.lock:
            story.account.queues.put("cluster-visits", "not base64!")
        story.quiet(59 * 60)
        assert story.lines("visit.lost") == []
        beats = story.lines("reconcile.finished")
        assert {line["level"] for line in beats} == {"Information"}
        assert beats[-1]["poisonMessages"] == 1
        story.quiet(21 * 60)
        told = story.lines("reconcile.finished")[-1]
        assert (told["level"], told["poisonMessages"]) == ("Warning", 1)
        assert "cluster-visits-poison" in told["remedy"]
