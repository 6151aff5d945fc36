"""How late a rotation is where instances come and go, beside where one is always there; the table is made by `lateness`."""

from datetime import datetime
from pathlib import Path

import pytest

from simulator.host.instances import ComeAndGo
from simulator.operationalinsights.behaviour import Behaviour
from tests.e2e import lateness
from tests.e2e.stage import stage
from tests.e2e.worlds import one_cluster


def test_a_rotation_is_minutes_later_where_instances_come_and_go(tmp_path: Path) -> None:
    warm = lateness.measure(tmp_path / "warm", None, 2, 30)
    flex = lateness.measure(tmp_path / "flex", ComeAndGo(), 2, 30)
    assert max(warm.sent) < 30
    assert max(warm.recorded) < 60
    assert 12 < max(flex.sent) <= 12 + 132 + 1, (
        "a cold start for the event; two minutes, another, and a look for its message"
    )
    assert max(flex.recorded) <= 11 * 60
    assert warm.updates == flex.updates == 2
    assert flex.woken > warm.woken == 0
    assert flex.visits <= warm.visits
    assert flex.messages <= warm.messages


def test_where_an_instance_is_ready_for_visits_only_the_event_waits_for_one(tmp_path: Path) -> None:
    found = lateness.measure(tmp_path, ComeAndGo(ready=frozenset({"on_visit"})), 2, 30)
    assert max(found.sent) <= 12 + 10 + 1, "a cold start, and a poll"
    assert max(found.recorded) < 60
    assert found.woken == 0


def test_clusters_that_need_several_instances_which_come_and_go_follow_once_each(tmp_path: Path) -> None:
    """With one row, two updates at the most, and no warning: `measure` raises else, also where a table of it is made."""
    flex = lateness.measure(tmp_path, ComeAndGo(messages_for_one=12), 25, 30)
    assert len(flex.recorded) == 25


def test_what_went_wrong_is_raised_and_not_measured(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=Behaviour(update_seconds=30), build=one_cluster) as story:
        (cluster,) = story.azure.arm.clusters.values()
        first = story.rotate()
        story.finished(cluster, first)
        lateness.check(story, first)
        story.azure.exchanges.extend(story.patches(cluster) * 2)
        with pytest.raises(lateness.WrongError, match="cluster-a: 3 updates, 1 rows"):
            lateness.check(story, first)
        del story.azure.exchanges[-2:]
        second = story.rotate()
        story.finished(cluster, second)
        with pytest.raises(lateness.WrongError, match="cluster-a: 2 updates, 2 rows"):
            lateness.check(story, second)
        story.put_message("nonsense")
        story.until(lambda: story.waiting_messages() == 0, "the message to be rejected")
        with pytest.raises(lateness.WrongError, match=r"visit\.rejected"):
            lateness.check(story, second)


def test_the_table_is_the_same_whenever_it_is_made(tmp_path: Path) -> None:
    first, again = (lateness.measure(tmp_path / name, ComeAndGo(2), 1, 30) for name in ("first", "again"))
    assert first == again


@pytest.mark.parametrize("seed", [1, 2])
def test_a_visit_that_is_late_because_its_instance_is_has_not_to_be_replaced(tmp_path: Path, seed: int) -> None:
    """The longest notice that was reported, and slow cold starts: each visit is more than two minutes late.

    A reconcile comes in between. Were a visit lost sooner than after five minutes, spare looks would be the rule.
    """
    late_ones = ComeAndGo(seed, notice=(110, 120), cold_start=(10, 30))
    behaviour = Behaviour(update_seconds=3_600, retry_after=30)
    settings = {"RECONCILE_SCHEDULE": "0 * * * * *"}

    with stage(tmp_path, behaviour=behaviour, build=one_cluster, settings=settings, comes_and_goes=late_ones) as story:
        (cluster,) = story.azure.arm.clusters.values()
        story.rotate()
        story.until(lambda: story.patches(cluster), "the update")
        story.quiet(300)
        before, late = len(story.lines("reconcile.finished")), []
        for count in range(before, before + 15):
            story.until(lambda count=count: len(story.lines("reconcile.finished")) > count, "a reconcile")  # type: ignore[misc]
            due = story.status(cluster)["nextVisitAt"]
            late.append(story.azure.clock.timestamp() - datetime.fromisoformat(str(due)).timestamp())
        requested = [line["visitsRequested"] for line in story.lines("reconcile.finished")[before:]]
        assert 120 < max(late) <= 150 + 1, "a reconcile has met a visit that is later than two minutes"
        assert requested == [0] * 15
