"""What SECURITY.md says of whoever may post events, write to the queue, or write to the table."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from azure.data.tables import UpdateMode

from simulator.azure import FUNCTION
from simulator.operationalinsights.behaviour import Behaviour
from tests.e2e.stage import Stage, stage
from tests.e2e.test_events import key_event
from tests.e2e.worlds import known, one_cluster, one_cluster_and_a_topic
from tests.prove.hostile_app import table_of

QUICK = Behaviour(update_seconds=120, retry_after=5)
TOPIC = {"OUTCOME_TOPIC_ENDPOINT": "https://outcomes.westeurope-1.eventgrid.azure.net/api/events"}
NEVER = "9999-12-31T23:59:59.000000Z"


def write(story: Stage, row: Mapping[str, Any], **columns: object) -> None:
    """Write over a row."""
    changed = {**row, **columns}
    changed.pop("Timestamp", None)
    with table_of(story) as table:
        table.upsert_entity(changed, mode=UpdateMode.REPLACE)


def test_events_make_the_app_look_and_nothing_else(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        cluster = known(story)
        url, id_ = story.host.event_grid_url("on_key_event"), "https://contoso.vault.azure.net/keys/la-cmk/f0f0"
        for number in range(20):
            body = json.dumps([key_event(Id=id_) | {"id": f"forged-{number}"}]).encode()
            assert story.azure.event_grid.deliver_raw(url, body) == 202
        story.until(lambda: len(story.lines("key.matched")) == 20, "all of them to be looked into")
        story.until(lambda: story.waiting_messages() == 0, "the last look")
        assert story.patches(cluster) == []
        assert [line for line in story.lines() if line["level"] != "Information"] == []


def test_messages_cut_the_rest_after_a_refusal_short_every_ten_minutes_at_most(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        cluster = known(story)
        with story.azure.lock:
            story.azure.rights.deny(FUNCTION, "Microsoft.OperationalInsights/clusters/write")
        story.finished(cluster, story.rotate())
        for _ in range(30):
            story.ask_for_visit(cluster, by="operator")
            story.quiet(60)
        assert len(story.patches(cluster)) <= 4, "one that was refused, and one in each ten minutes of thirty"


def test_a_forged_success_holds_a_cluster_back_and_a_person_is_called(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic, settings=TOPIC) as story:
        cluster = known(story)
        story.azure.event_grid.hold()
        new = story.rotate()
        status = story.status(cluster)
        forged = {
            "PartitionKey": status["PartitionKey"],
            "RowKey": f"contoso.vault.azure.net|la-cmk|{new}",
            "stage": "succeeded",
            "announced": True,
            "published": True,
        }
        write(story, forged)
        story.reconcile()
        story.reason(cluster, "moved-back")
        (line,) = story.lines("cluster.attention")
        assert (line["level"], line["reason"]) == ("Error", "moved-back")
        assert story.patches(cluster) == []
        write(story, forged, announced=False, published=False)
        story.reconcile()
        story.quiet(60)
        assert story.lines("rotation.finished") == []
        assert story.azure.topics["outcomes"].events == [], "what the cluster does not bear out is told to nobody"


def test_forged_times_hold_nothing_back_for_longer_than_a_day(tmp_path: Path) -> None:
    settings = {"RECONCILE_SCHEDULE": "0 */10 * * * *"}
    with stage(tmp_path, behaviour=QUICK, build=one_cluster, settings=settings) as story:
        cluster = known(story)
        forged = dict.fromkeys(("nextVisitAt", "nextVisitAskedAt", "lookedAt", "busySince", "attentionAt"), NEVER)
        write(story, story.status(cluster), **forged)
        with story.azure.lock:
            story.azure.rights.deny(FUNCTION, "Microsoft.OperationalInsights/clusters/write")
        new = story.rotate()
        row = story.finished(cluster, new)
        assert row["stage"] == "failed"
        with story.azure.lock:
            story.azure.rights.allow(FUNCTION, "Microsoft.OperationalInsights/clusters/write")
        write(story, row, restsUntil=NEVER, claimedUntil=NEVER)
        story.until(lambda: (story.rotation(cluster, new) or {})["stage"] == "succeeded", "it all the same", 87_000)


def test_an_alarm_that_is_said_to_be_said_is_counted_still(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        cluster = known(story)
        assert cluster.key is not None
        now = story.azure.clock.now().isoformat().replace("+00:00", "Z")
        write(story, story.status(cluster), attentionReason="in-use-disabled", attentionAt=now, attentionSince=now)
        with story.azure.lock:
            story.azure.vault("contoso").rotate("la-cmk")
            story.azure.vault("contoso").disable("la-cmk", cluster.key.version)
        story.reconcile()
        story.quiet(60)
        assert story.lines("cluster.attention") == [], "it holds its tongue for a day"
        beat = story.lines("reconcile.finished")[-1]
        assert (beat["level"], beat["attention"]) != ("Information", 0)
        assert "cluster-a" in json.dumps(beat)
