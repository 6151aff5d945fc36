"""What the safety of an update rests on (docs/decisions/0002): take a rule away, and a story here fails.

There is no reconcile unless a story says so: it would heal too much.
"""

from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from simulator.azure import FUNCTION
from simulator.operationalinsights.behaviour import Behaviour, Outcome
from simulator.operationalinsights.clusters import Cluster
from tests.e2e.interleaving import (
    Moment,
    after,
    claim,
    cluster_row,
    hold,
    hold_answer,
    look,
    publication,
    step,
    update,
    visit_request,
)
from tests.e2e.stage import Stage, stage
from tests.e2e.worlds import known, one_cluster_and_a_topic, unavailable

QUICK = Behaviour(update_seconds=50, retry_after=5)
SEEMS_AT_REST = Behaviour(update_seconds=600, retry_after=5, state_while_running="Succeeded")
"""A look shows nothing of an update under way: only the record knows of it."""
TABLE, QUEUES = "cmkrotation.table.*", "cmkrotation.queue.*"
TOPIC = {"OUTCOME_TOPIC_ENDPOINT": "https://outcomes.westeurope-1.eventgrid.azure.net/api/events"}


def ask_again_and_again(story: Stage, cluster: Cluster, seconds: int) -> None:
    """Visits that nobody needs, ten seconds apart."""
    for _ in range(seconds // 10):
        story.ask_for_visit(cluster)
        story.quiet(10)


def redelivered(story: Stage) -> int:
    """How many messages the host has put back on the queue because a visit raised an error."""
    return sum(exchange.method == "PUT" and "/messages/" in exchange.path for exchange in list(story.azure.exchanges))


def said(story: Stage, new: str) -> list[dict[str, Any]]:
    """The lines that tell how the rotation to a version ended."""
    return [line for line in story.lines("rotation.finished") if line["toVersion"] == new]


def published(story: Stage, new: str) -> list[dict[str, Any]]:
    """The outcomes of the rotation to a version that were published."""
    return [event for event in story.azure.topics["outcomes"].events if event["data"]["toVersion"] == new]


def seconds_from(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


# --- claim ---


def one_of_the_two_sends(story: Stage, cluster: Cluster, held: Moment, new: str) -> None:
    """While one visit is held at its claim, another comes and claims first."""
    story.until(lambda: held.has_come, "the first to claim")
    story.ask_for_visit(cluster)
    assert story.finished(cluster, new)["reason"] == "update-confirmed"
    assert len(story.patches(cluster)) == 1


def test_of_two_visits_that_claim_one_sends(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=SEEMS_AT_REST, build=one_cluster_and_a_topic) as story:
        cluster = known(story)
        held = hold(story, claim, 60)
        one_of_the_two_sends(story, cluster, held, story.rotate())


def test_of_two_visits_that_claim_what_has_waited_one_sends(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=SEEMS_AT_REST, build=one_cluster_and_a_topic) as story:
        cluster = known(story)
        with story.azure.lock:
            cluster.state = "Updating"
        new = story.rotate()
        story.reason(cluster, "cluster-busy")
        held = hold(story, claim, 60)
        with story.azure.lock:
            cluster.state = "Succeeded"
        one_of_the_two_sends(story, cluster, held, new)


def test_an_update_in_flight_is_not_sent_again_whoever_looks(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic) as story:
        cluster = known(story)
        held = hold(story, update, 95)
        new = story.rotate()
        story.until(lambda: held.has_come, "the update to be sent")
        ask_again_and_again(story, cluster, 90)
        assert story.finished(cluster, new)["attempts"] == 1
        assert len(story.lines("update.sent")) == 1


@pytest.mark.parametrize(
    ("seconds", "claims"), [(75, ["claimed"]), (90, ["claimed", "claimed again"])], ids=["in time", "too late"]
)
def test_an_update_is_sent_only_if_its_claim_outlasts_it(tmp_path: Path, seconds: int, claims: list[str]) -> None:
    """The queue is slow; then the update is in flight for as long as it can be, and others look meanwhile."""
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic) as story:
        cluster = known(story)
        after(story, claim, lambda: hold(story, visit_request, seconds))
        hold(story, update, 95)
        new = story.rotate()
        story.until(lambda: story.history(cluster, new), "the claim")
        ask_again_and_again(story, cluster, 300)
        story.finished(cluster, new)
        assert len(story.lines("update.sent")) == 1
        assert [name for name in story.history(cluster, new) if name.startswith("claimed")] == claims


# --- look once more ---


def test_what_is_not_called_for_any_more_is_not_sent_and_looked_at_again(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic) as story:
        cluster = known(story)
        after(story, claim, lambda: cluster.tags.update({"cmk-rotation": "hold"}))
        new = story.rotate()
        story.reason(cluster, "on-hold", within=120)
        row = story.rotation(cluster, new)
        assert row is not None
        assert row["stage"] == "waiting", "the claim is taken back"
        assert story.history(cluster, new) == ["claimed", "not sent"]
        assert story.patches(cluster) == []
        with story.azure.lock:
            cluster.tags.clear()
        story.ask_for_visit(cluster)
        assert story.finished(cluster, new)["attempts"] == 1


def test_what_keeps_changing_is_looked_at_rarer_each_time_and_a_person_is_called_after_an_hour(
    tmp_path: Path,
) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic) as story:
        cluster = known(story)
        changes = after(story, claim, lambda: cluster.tags.update({"cmk-rotation": "hold"}), number=0)
        after(story, step("not sent"), cluster.tags.clear, number=0)
        new = story.rotate()
        story.until(lambda: story.lines("cluster.attention"), "a person to be called")
        claims = [row for row in story.of(cluster) if row.get("step") in {"claimed", "claimed again"}]
        assert 3_600 <= seconds_from(claims[0]["at"], str(story.status(cluster)["lookedAt"])) < 4_600
        assert len(claims) < 12
        assert story.patches(cluster) == []
        changes.number = -1
        assert story.finished(cluster, new)["stage"] == "succeeded"


def test_a_slow_last_look_renews_the_claim(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic) as story:
        cluster = known(story)
        after(story, claim, lambda: hold(story, look, 90))
        hold(story, update, 95)
        new = story.rotate()
        story.until(lambda: story.history(cluster, new), "the claim")
        story.quiet(91)
        ask_again_and_again(story, cluster, 90)
        story.finished(cluster, new)
        assert "claimed again" not in story.history(cluster, new)
        assert len(story.lines("update.sent")) == 1


def test_a_claim_that_another_visit_has_taken_over_is_not_renewed(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=SEEMS_AT_REST, build=one_cluster_and_a_topic) as story:
        cluster = known(story)
        after(story, claim, lambda: hold(story, look, 200))
        new = story.rotate()
        story.until(lambda: story.history(cluster, new), "the claim")
        story.quiet(185)
        story.ask_for_visit(cluster)
        story.finished(cluster, new)
        assert len(story.patches(cluster)) == 1


# --- request the next visit, and send ---


def test_after_a_crash_the_next_visit_comes_when_the_claim_lapses(tmp_path: Path) -> None:
    """And two reads, a minute apart, confirm the update, whose operation nobody knows."""
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic) as story:
        cluster = known(story)
        after(story, update, story.host.restart)
        row = story.finished(cluster, story.rotate(), within=400)
        assert row["reason"] == "confirmed-by-cluster"
        assert seconds_from(row["startedAt"], row["finishedAt"]) >= 240
        assert len(story.patches(cluster)) == 1


def test_a_claim_whose_visit_died_is_taken_up_by_reconcile_once_it_has_lapsed(tmp_path: Path) -> None:
    """The message that led to it shows itself only after ten minutes."""
    with stage(
        tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic, settings={"RECONCILE_SCHEDULE": "0 * * * * *"}
    ) as story:
        cluster = known(story)
        after(story, claim, story.host.restart)
        new = story.rotate()
        row = story.finished(cluster, new, within=700)
        assert (row["stage"], row["attempts"]) == ("succeeded", 2)
        (sent,) = story.lines("update.sent")
        assert seconds_from(row["requestedAt"], sent["time"]) >= 180 + 300, "clocks may differ by five minutes"


def test_an_update_that_is_sent_again_after_a_crash_is_refused_as_busy_and_followed(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=SEEMS_AT_REST, build=one_cluster_and_a_topic) as story:
        cluster = known(story)
        after(story, update, story.host.restart)
        row = story.finished(cluster, story.rotate())
        assert (row["stage"], row["attempts"]) == ("succeeded", 2)
        first, *again = story.patches(cluster)
        assert first.status == 202
        assert {patch.status for patch in again} == {400}
        assert story.lines("update.refused") == []


# --- note ---


def test_a_note_is_merged_with_what_another_visit_noted_while_the_answer_was_on_its_way(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic) as story:
        cluster = known(story)
        held = hold_answer(story, update, 90)
        new = story.rotate()
        story.until(lambda: held.has_come, "the update to take effect")
        story.quiet(60)
        story.ask_for_visit(cluster)  # it sees the cluster on the target, and notes since when
        story.until(lambda: (story.rotation(cluster, new) or {}).get("atTargetSince"), "the other visit's note")
        row = story.finished(cluster, new)
        assert row["operationId"]
        assert row["reason"] == "update-confirmed", "the operation was followed"


def test_a_note_that_comes_after_the_end_adds_the_operation_and_reopens_nothing(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic) as story:
        cluster = known(story)
        hold(story, step("accepted"), 300)
        new = story.rotate()
        before_note = story.finished(cluster, new)
        assert "operationId" not in before_note
        story.until(lambda: (story.rotation(cluster, new) or {}).get("operationId"), "the late note")
        story.quiet(300)
        row = story.rotation(cluster, new)
        assert row is not None
        assert (row["stage"], row["finishedAt"]) == ("succeeded", before_note["finishedAt"])
        assert len(said(story, new)) == 1


def test_a_note_leaves_a_later_attempt_what_it_is(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=SEEMS_AT_REST, build=one_cluster_and_a_topic) as story:
        cluster = known(story)
        noted = hold(story, step("accepted"), 510)
        new = story.rotate()
        story.until(lambda: noted.has_come, "the first attempt's note")
        story.quiet(490)
        story.ask_for_visit(cluster)
        story.until(lambda: (story.rotation(cluster, new) or {}).get("operationId"), "the late note")
        row = story.rotation(cluster, new)
        assert row is not None
        _, second = story.patches(cluster)
        assert row["attemptId"] == second.request_headers["x-ms-client-request-id"]
        assert story.finished(cluster, new)["stage"] == "succeeded"


def test_a_late_note_of_a_first_operation_does_not_replace_the_second(tmp_path: Path) -> None:
    with stage(
        tmp_path,
        behaviour=replace(QUICK, outcome=Outcome.FAILED, final_state="Succeeded"),
        build=one_cluster_and_a_topic,
    ) as story:
        cluster = known(story)
        noted = hold(story, step("accepted"), 700)
        new = story.rotate()
        story.until(lambda: noted.has_come, "the first attempt's note")
        row = story.finished(cluster, new)
        late = after(story, step("accepted"), lambda: None)
        story.until(lambda: late.has_come, "the late note")
        story.quiet(60)
        _, second = story.patches(cluster)
        operation = (second.response_headers or {})["Azure-AsyncOperation"].partition("?")[0].rpartition("/")[2]
        after_note = story.rotation(cluster, new)
        assert after_note is not None
        assert operation in row["operationId"]
        assert after_note["operationId"] == row["operationId"]


# --- what is raised to the host, and what is not ---


@pytest.mark.parametrize("hosts", [[TABLE], [QUEUES], [TABLE, QUEUES]], ids=["table", "queue", "both"])
def test_an_update_that_was_sent_is_not_delivered_again_when_storage_fails(tmp_path: Path, hosts: list[str]) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic) as story:
        cluster = known(story)
        for host in hosts:
            after(story, update, partial(unavailable, story, host, 30))
        row = story.finished(cluster, story.rotate())
        assert row["stage"] == "succeeded"
        assert redelivered(story) == 0
        assert len(story.patches(cluster)) == 1


def test_a_look_that_requested_its_successor_is_not_delivered_again_when_it_cannot_be_noted(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic) as story:
        cluster = known(story)
        after(story, step("accepted"), lambda: after(story, visit_request, lambda: unavailable(story, TABLE, 4), 2))
        assert story.finished(cluster, story.rotate())["stage"] == "succeeded"
        assert redelivered(story) == 0


def test_a_look_that_requested_nothing_is_delivered_again_when_it_cannot_be_noted(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic) as story:
        cluster = known(story)
        looked_at = story.status(cluster)["lookedAt"]
        unavailable(story, TABLE, 30, method="P*")
        story.ask_for_visit(cluster)
        story.until(lambda: story.status(cluster)["lookedAt"] > looked_at, "the look to be on record", within=300)
        assert redelivered(story) == 1


# --- the end: on record, then said, then noted as said ---


def test_of_two_visits_that_see_the_end_one_says_it(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic, settings=TOPIC) as story:
        cluster = known(story)
        held = hold(story, step("finished"), 60)
        new = story.rotate()
        story.until(lambda: held.has_come, "the first to put the end on record")
        story.ask_for_visit(cluster)
        story.finished(cluster, new)
        story.quiet(300)
        assert len(said(story, new)) == 1
        assert len(published(story, new)) == 1


def test_nobody_else_says_the_end_while_it_is_being_said(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic, settings=TOPIC) as story:
        cluster = known(story)
        held = hold(story, publication, 100)
        new = story.rotate()
        story.until(lambda: held.has_come, "the end to be published")
        ask_again_and_again(story, cluster, 90)
        story.finished(cluster, new)
        assert len(said(story, new)) == 1
        assert len(published(story, new)) == 1


def test_after_a_crash_one_visit_says_the_end_two_minutes_later(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic, settings=TOPIC) as story:
        cluster = known(story)
        crash = after(story, step("finished"), story.host.restart)
        new = story.rotate()
        story.until(lambda: crash.has_come, "the crash")
        held = hold(story, publication, 100)
        ask_again_and_again(story, cluster, 110)
        assert said(story, new) == [], "whoever put it on record may be about to say it"
        story.quiet(20)
        ask_again_and_again(story, cluster, 100)
        assert held.has_come
        assert story.finished(cluster, new, within=60)["stage"] == "succeeded"
        assert len(said(story, new)) == 1
        assert len(published(story, new)) == 1


@pytest.mark.parametrize(("hours", "arrive"), [(3, 1), (40, 0)], ids=["for hours", "for more than a day"])
def test_an_outcome_that_cannot_be_published_is_tried_for_a_day(tmp_path: Path, hours: int, arrive: int) -> None:
    settings = {**TOPIC, "RECONCILE_SCHEDULE": "0 0 * * * *"}
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic, settings=settings) as story:
        cluster = known(story)
        unavailable(story, "outcomes.*", hours * 3_600)
        new = story.rotate()
        story.finished(cluster, new)
        story.quiet(44 * 3_600)
        assert len(published(story, new)) == arrive
        first, *others = [line["message"] for line in story.lines("visit.failed")]
        assert "is tried again by later visits" in first
        assert ["is given up after a day" in message for message in others] == [True] * (1 - arrive)


# --- a line that calls for a person: noted as being said, written, confirmed ---


def deny_the_key(story: Stage) -> None:
    with story.azure.lock:
        story.azure.rights.deny(FUNCTION, "Microsoft.KeyVault/*")


def test_of_two_visits_that_would_call_a_person_one_does(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic) as story:
        cluster = known(story)
        deny_the_key(story)
        held = hold(story, cluster_row, 30)
        story.ask_for_visit(cluster)
        story.until(lambda: held.has_come, "the first to note it")
        story.ask_for_visit(cluster)
        story.quiet(300)
        assert len(story.lines("cluster.attention")) == 1


def test_a_call_whose_visit_died_before_it_was_written_is_written_two_minutes_later(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic) as story:
        cluster = known(story)
        deny_the_key(story)
        crash = after(story, cluster_row, story.host.restart)
        story.ask_for_visit(cluster)
        story.until(lambda: crash.has_come, "the crash")
        ask_again_and_again(story, cluster, 110)
        assert story.lines("cluster.attention") == [], "whoever noted it may be about to write it"
        story.quiet(20)
        ask_again_and_again(story, cluster, 30)
        assert len(story.lines("cluster.attention")) == 1


def test_a_call_that_was_written_is_confirmed_and_not_written_again(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic) as story:
        cluster = known(story)
        deny_the_key(story)
        held = hold(story, cluster_row, 60, number=2)
        story.ask_for_visit(cluster)
        story.until(lambda: held.has_come, "the call to be confirmed")
        ask_again_and_again(story, cluster, 300)
        assert len(story.lines("cluster.attention")) == 1
        assert "sayingSince" not in story.status(cluster)
