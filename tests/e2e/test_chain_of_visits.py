"""What keeps one chain of visits to each cluster (docs/decisions/0005): take a rule away, and a story here fails.

There is no reconcile unless a story says so: it would take up every chain that is lost.
"""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from simulator.azure import FUNCTION
from simulator.operationalinsights.behaviour import Behaviour
from simulator.operationalinsights.clusters import Cluster
from simulator.wire.faults import Fault, FaultKind
from tests.e2e.interleaving import after, cluster_row, glance, hold, step, visit_request
from tests.e2e.stage import Stage, stage
from tests.e2e.worlds import known, one_cluster, unavailable

QUICK = Behaviour(update_seconds=60, retry_after=5)
LONG = replace(QUICK, update_seconds=3_000)
SAFETY_LOOK = 200
"""After so many seconds the visit that is requested after a claim has been made."""


def followed(story: Stage, cluster: Cluster) -> str:
    """A new version to which an update is under way, followed by one chain of visits and nothing else."""
    new = story.rotate()
    story.until(lambda: story.patches(cluster), "the update to be sent")
    story.quiet(SAFETY_LOOK)
    assert story.waiting_messages() == 1
    return new


def kept_busy(story: Stage, cluster: Cluster) -> str:
    """A new version for which the cluster is too busy; the next look at it comes minutes later."""
    with story.azure.lock:
        cluster.state = "Updating"
    new = story.rotate()
    story.reason(cluster, "cluster-busy")
    story.quiet(2_000)
    until_next_look(story, cluster)
    with story.azure.lock:
        cluster.state = "Succeeded"
    return new


def until_next_look(story: Stage, cluster: Cluster) -> None:
    """A glance at the operation notes the next visit alone, any other look itself."""

    def noted() -> list[object]:
        return [story.status(cluster).get(name) for name in ("lookedAt", "nextVisitAt")]

    before = noted()
    story.until(lambda: noted() != before, "the next look")


def copy_of_the_due_visit(story: Stage, cluster: Cluster) -> str:
    """The message that the cluster's row waits for, as somebody could forge it."""
    return json.dumps({"cluster": cluster.id, "by": "follow", "requestedAt": story.status(cluster)["nextVisitAskedAt"]})


# --- the due visit is known by the time of its request ---


def test_visits_that_follow_and_are_not_the_due_one_add_looks_and_no_chains(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=LONG, build=one_cluster) as story:
        cluster = known(story)
        followed(story, cluster)
        for _ in range(10):
            story.ask_for_visit(cluster, by="follow")
        story.quiet(400)
        assert story.waiting_messages() == 1


def test_a_forged_copy_of_the_due_visit_takes_its_place_and_starts_no_second_chain(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=LONG, build=one_cluster) as story:
        cluster = known(story)
        new = followed(story, cluster)
        story.put_message(copy_of_the_due_visit(story, cluster))
        story.quiet(400)
        assert story.waiting_messages() == 1
        assert story.finished(cluster, new)["stage"] == "succeeded"


@pytest.mark.parametrize("skew", [-20, 60], ids=["early", "late"])
def test_the_due_visit_goes_on_with_the_chain_by_whichever_clock(tmp_path: Path, skew: int) -> None:
    """Another instance, whose clock is wrong, takes the visit: to it, that comes early or late."""
    with stage(tmp_path, behaviour=replace(QUICK, update_seconds=600), build=one_cluster) as story:
        cluster = known(story)
        new = followed(story, cluster)
        story.host.restart(story.azure.clock.skewed(skew))
        assert story.finished(cluster, new)["stage"] == "succeeded"


def test_a_visit_that_comes_before_the_row_names_it_learns_that_it_is_the_due_one(tmp_path: Path) -> None:
    """The one before it came early, and its note is late."""
    with stage(tmp_path, behaviour=replace(QUICK, update_seconds=600), build=one_cluster) as story:
        cluster = known(story)
        new = followed(story, cluster)
        story.account.queues.lose_next()
        until_next_look(story, cluster)
        after(story, visit_request, lambda: hold(story, glance, 60))
        named = hold(story, cluster_row, 30)
        story.put_message(copy_of_the_due_visit(story, cluster))
        story.until(lambda: named.has_come, "a visit to be requested that the row does not name yet", within=5)
        assert story.finished(cluster, new)["stage"] == "succeeded"


def test_a_visit_that_has_come_and_gone_before_the_row_names_it_goes_on_with_the_chain(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=replace(QUICK, update_seconds=600), build=one_cluster) as story:
        cluster = known(story)
        new = followed(story, cluster)
        named = hold(story, cluster_row, 60)
        story.until(lambda: named.has_come, "a visit to be requested that the row does not name yet")
        assert story.finished(cluster, new)["stage"] == "succeeded"
        assert story.waiting_messages() == 0


def test_a_visit_that_the_row_could_not_name_goes_on_with_the_chain(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=replace(QUICK, update_seconds=600), build=one_cluster) as story:
        cluster = known(story)
        new = followed(story, cluster)
        requested = after(story, visit_request, lambda: unavailable(story, "cmkrotation.table.*", 4))
        story.until(lambda: requested.has_come, "a visit to be requested")
        story.quiet(300)
        assert story.waiting_messages() == 1
        assert story.finished(cluster, new)["stage"] == "succeeded"


# --- spares ---


def test_a_spare_does_at_once_what_is_called_for_and_brings_the_next_look_forward(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        cluster = known(story)
        new = kept_busy(story, cluster)
        story.ask_for_visit(cluster, by="event")
        story.quiet(15)
        assert len(story.patches(cluster)) == 1, "though a visit is due later"
        assert story.finished(cluster, new, within=100)["stage"] == "succeeded"


def test_of_spares_that_bring_the_next_look_forward_one_does(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=LONG, build=one_cluster) as story:
        cluster = known(story)
        kept_busy(story, cluster)
        story.ask_for_visit(cluster, by="event")
        story.quiet(1)
        for _ in range(10):
            story.ask_for_visit(cluster, by="event")
            story.quiet(1)
        assert story.waiting_messages() <= 3, "the look that was brought forward, the one before, and the claim's"
        story.quiet(400)
        assert story.waiting_messages() == 1


# --- a visit that is late, and one that is lost ---


def test_a_visit_that_is_late_by_four_minutes_is_waited_for(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=LONG, build=one_cluster) as story:
        cluster = known(story)
        followed(story, cluster)
        story.account.queues.delay_next(280)
        until_next_look(story, cluster)
        due = datetime.fromisoformat(str(story.status(cluster)["nextVisitAt"])).timestamp()
        story.quiet(due + 240 - story.azure.clock.timestamp())
        story.ask_for_visit(cluster, by="event")
        until_next_look(story, cluster)
        assert story.azure.clock.timestamp() < due + 280
        assert story.waiting_messages() == 1, "the spare requests nothing"
        story.quiet(300)
        assert story.waiting_messages() == 1, "the late visit goes on with the chain"


def test_a_visit_that_is_lost_is_replaced_by_whichever_comes_five_minutes_later(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=replace(QUICK, update_seconds=900), build=one_cluster) as story:
        cluster = known(story)
        new = followed(story, cluster)
        story.account.queues.lose_next()
        until_next_look(story, cluster)
        story.quiet(400)
        assert story.waiting_messages() == 0
        story.ask_for_visit(cluster, by="event")
        assert story.finished(cluster, new)["stage"] == "succeeded"


def test_a_crash_between_a_request_and_its_note_delays_no_look(tmp_path: Path) -> None:
    """The message of the visit that died shows itself only ten minutes later; the one it requested comes in time."""
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        cluster = known(story)
        after(story, step("claimed"), story.account.queues.lose_next)  # of the visit for when the claim lapses
        after(story, step("accepted"), lambda: after(story, cluster_row, story.host.restart))
        assert story.finished(cluster, story.rotate(), within=300)["stage"] == "succeeded"


# --- two visits that write the row at once ---


def test_the_later_look_wins(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        cluster = known(story)
        with story.azure.lock:
            story.azure.rights.deny(FUNCTION, "Microsoft.KeyVault/*")
        held = hold(story, cluster_row, 60)
        story.ask_for_visit(cluster)
        story.until(lambda: held.has_come, "the first to put its look on record")
        with story.azure.lock:
            story.azure.rights.allow(FUNCTION, "Microsoft.KeyVault/*")
        story.ask_for_visit(cluster)
        story.quiet(120)
        assert story.status(cluster)["reason"] == "up-to-date"
        assert story.lines("cluster.attention") == []


def test_the_visit_that_an_overtaken_look_requested_is_noted(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        cluster = known(story)
        down = Fault(kind=FaultKind.ANSWER, host="contoso.vault.*", status=503, times=3)
        story.azure.faults.add(down)
        held = hold(story, cluster_row, 20)
        story.ask_for_visit(cluster)
        story.until(lambda: held.has_come, "the first to put its look on record")
        story.ask_for_visit(cluster)
        story.reason(cluster, "up-to-date")
        assert "nextVisitAt" not in story.status(cluster)
        story.quiet(30)
        status = story.status(cluster)
        assert status["reason"] == "up-to-date"
        assert status["nextVisitAt"]
        story.quiet(60)
        assert story.waiting_messages() == 0
        assert "nextVisitAt" not in story.status(cluster), "it came, and was known"


# --- a visit whose claim, or whose end, meets a changed row ---


def test_a_claim_that_meets_a_changed_row_is_tried_again(tmp_path: Path) -> None:
    """Another visit, for which the cluster was busy, noted that the rotation waits; and its own next visit is lost."""
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        cluster = known(story)
        held = hold(story, step("claimed"), 30)
        new = story.rotate()
        story.until(lambda: held.has_come, "the claim")
        with story.azure.lock:
            cluster.state = "Updating"
        story.account.queues.lose_next()
        story.ask_for_visit(cluster)
        story.reason(cluster, "cluster-busy")
        with story.azure.lock:
            cluster.state = "Succeeded"
        assert story.finished(cluster, new)["stage"] == "succeeded"


def test_an_end_that_meets_a_changed_row_is_tried_again(tmp_path: Path) -> None:
    """Another visit, which read the operation before it ended, noted its status; and its own next visit is lost."""
    with stage(tmp_path, behaviour=replace(QUICK, update_seconds=150), build=one_cluster) as story:
        cluster = known(story)
        after(story, step("claimed"), story.account.queues.lose_next)  # of the visit for when the claim lapses
        slow = hold(story, step("progress"), 100, number=2)
        new = story.rotate()
        story.until(lambda: slow.has_come, "the other visit's note")
        story.quiet(90)
        ending = hold(story, step("finished"), 30)
        story.ask_for_visit(cluster)
        story.until(lambda: ending.has_come, "the end to be put on record")
        story.account.queues.lose_next()
        assert story.finished(cluster, new)["stage"] == "succeeded"
