"""The host in trouble: storage goes away under it, it is told to end, it is killed, and instances come and go."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from simulator.host.exit_codes import STOPPED
from simulator.host.instances import ComeAndGo
from simulator.host.process import HostProcess
from simulator.host.scaling import ScaleController
from simulator.operationalinsights.behaviour import Behaviour
from simulator.wire.exchanges import Exchange
from simulator.wire.faults import Fault, FaultKind
from tests.e2e.interleaving import look, update
from tests.e2e.stage import NEVER, Stage, stage
from tests.e2e.worlds import one_cluster

MINUTE, HOUR = 60.0, 3_600.0
TEN_MINUTES = Behaviour(update_seconds=600, retry_after=10)
AS_DEPLOYED = {"RECONCILE_SCHEDULE": "0 */10 * * * *"}


def the_cluster_has_followed(
    story: Stage, new: str, *, said: frozenset[str] = frozenset(), within: float = 2 * HOUR
) -> None:
    """One finished row that is told of once, at most two updates, and of warnings and errors `said` alone."""
    (cluster,) = story.azure.arm.clusters.values()
    story.finished(cluster, new, within)
    story.until(lambda: story.status(cluster).get("reason") == "up-to-date", "the cluster's row to say so")
    story.until(lambda: story.waiting_messages() == 0, "the last look")
    (row,) = story.rotations(cluster)
    assert (row["toVersion"], row["stage"], row["verified"], row["attempts"]) == (new, "succeeded", True, 1)
    assert cluster.key is not None
    assert cluster.key.version == new
    assert len(story.patches(cluster)) in {1, 2}
    assert len(story.lines("rotation.finished")) == 1
    assert called_out(story) == said
    assert story.poisoned() == 0


def called_out(story: Stage) -> set[str]:
    """The events of the app's warnings and errors."""
    return {line["event"] for line in story.lines() if line["level"] in {"Warning", "Error"}}


def before_the_claim(story: Stage, away: Callable[[], None]) -> None:
    story.once(look, away)


def after_the_update(story: Stage, away: Callable[[], None]) -> None:
    story.once(update, away)


def while_the_operation_runs(story: Stage, away: Callable[[], None]) -> None:
    clock = story.azure.clock
    story.once(update, lambda: clock.alarm(clock.timestamp() + 4 * MINUTE, "storage goes away", away))


def at_the_end(story: Stage, away: Callable[[], None]) -> None:
    (cluster,) = story.azure.arm.clusters.values()

    def is_the_last_look(exchange: Exchange) -> bool:
        return look(exchange) and bool(story.patches(cluster)) and cluster.state == "Succeeded"

    story.once(is_the_last_look, away)


@pytest.mark.parametrize(("seconds", "host_ends"), [(15, False), (64, True), (30 * MINUTE, True)])
@pytest.mark.parametrize(
    ("step", "in_a_visit"),
    [(before_the_claim, True), (after_the_update, True), (while_the_operation_runs, False), (at_the_end, True)],
)
def test_storage_that_is_away_at_any_step_costs_time_and_nothing_else(
    tmp_path: Path,
    step: Callable[[Stage, Callable[[], None]], None],
    in_a_visit: bool,  # noqa: FBT001 - parameters come by name
    seconds: float,
    host_ends: bool,  # noqa: FBT001
) -> None:
    """The visit that meets it fails and says so; nobody is called about the cluster. The host rides out 15 seconds."""
    with stage(tmp_path, behaviour=TEN_MINUTES, build=one_cluster, settings=AS_DEPLOYED) as story:
        went_away: list[float] = []

        def away() -> None:
            went_away.append(story.azure.clock.timestamp())
            story.storage_is_away(seconds)

        step(story, away)
        meets_a_visit = in_a_visit or seconds > 10 * MINUTE
        said = frozenset({"visit.failed"} if meets_a_visit else ())
        the_cluster_has_followed(story, story.rotate(), said=said)
        assert went_away
        story.until(lambda: story.azure.clock.timestamp() > went_away[0] + seconds + 11 * MINUTE, "what comes again")
        assert called_out(story) == said, "no visit is given up before five deliveries ten minutes apart"
        ends = [line for line in story.host.log_lines() if "Host is shutting down" in line["message"]]
        assert bool(ends) == host_ends


def test_an_instance_that_is_killed_in_each_of_five_deliveries_costs_one_visit_and_the_next_reconcile_heals(
    tmp_path: Path,
) -> None:
    settings = {"RECONCILE_SCHEDULE": "0 0 * * * *"}
    with stage(tmp_path, behaviour=TEN_MINUTES, build=one_cluster, settings=settings) as story:
        began_at = story.azure.clock.timestamp()
        killed_at: list[float] = []

        def kill(exchange: Exchange) -> None:
            if "/keys/" in exchange.path and exchange.host.startswith("contoso.") and len(killed_at) < 5:
                killed_at.append(story.azure.clock.timestamp())
                story.host.restart()

        new = story.rotate()
        story.azure.server.before_effect.append(kill)
        story.until(lambda: story.lines("visit.lost"), "the visit to be given up")
        assert len(killed_at) == 5
        assert all(600 <= later - sooner <= 615 for sooner, later in itertools.pairwise(killed_at))
        the_cluster_has_followed(story, new, said=frozenset({"visit.lost"}))
        assert story.lines("visit.failed") == [], "it was given up without having failed once"
        assert story.azure.clock.timestamp() - began_at < HOUR + 12 * MINUTE


def is_under_way(story: Stage, function: str) -> bool:
    texts = [line["message"] for line in story.host.log_lines() if line["category"] == f"Function.{function}"]
    return bool(texts) and texts[-1].startswith("Executing")


def moved(story: Stage, function: str) -> float:
    """Let the platform move the app while a function runs; the result is how long the old instance took to end."""
    story.until(lambda: is_under_way(story, function), f"{function} to be under way")
    told_at = story.azure.clock.timestamp()
    assert story.host.stop() == STOPPED
    took = story.azure.clock.timestamp() - told_at
    story.quiet(20)
    story.host.start()
    return took


def slow(path: str) -> Fault:
    return Fault(kind=FaultKind.DELAY, method="GET", host="management.azure.com", path=path, seconds=25)


def test_a_visit_is_finished_before_the_instance_ends(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=TEN_MINUTES, build=one_cluster, settings=AS_DEPLOYED) as story:
        story.azure.faults.add(slow("*/clusters/cluster-a"))
        new = story.rotate()
        (cluster,) = story.azure.arm.clusters.values()
        assert 24 <= moved(story, "on_visit") <= 25
        assert len(story.patches(cluster)) == 1, "the visit went on to its end"
        the_cluster_has_followed(story, new)
        assert len(story.patches(cluster)) == 1


def test_a_reconcile_that_is_cut_is_repeated_by_the_next_instance(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=TEN_MINUTES, build=one_cluster, settings=AS_DEPLOYED) as story:
        story.azure.event_grid.lose_next()
        new = story.rotate()
        story.azure.faults.add(slow("*/clusters"))
        assert moved(story, "on_reconcile") == 0, "a timer's run is not waited for"
        story.until(lambda: story.lines("reconcile.finished"), "reconcile to be repeated", within=MINUTE)
        the_cluster_has_followed(story, new)


def test_of_two_hosts_the_other_reconciles_when_the_one_with_the_timers_lock_dies(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=TEN_MINUTES, build=one_cluster, settings=AS_DEPLOYED) as story:
        spec = story.host.spec
        other = HostProcess(replace(spec, name="other", folder=tmp_path / "other", common=spec.folder))
        other.start()
        try:
            story.azure.event_grid.lose_next()
            new = story.rotate()
            story.azure.faults.add(slow("*/clusters"))
            story.until(lambda: is_under_way(story, "on_reconcile"), "reconcile to be under way")
            story.host.kill()
            died_at = story.azure.clock.timestamp()
            the_cluster = next(iter(story.azure.arm.clusters.values()))
            story.until(lambda: story.patches(the_cluster), "the other host to reconcile")
            assert 45 <= story.azure.clock.timestamp() - died_at <= 120 + 20, "the lock, and two polls"
            story.finished(the_cluster, new)
            assert len(story.patches(the_cluster)) == 1
        finally:
            other.kill()


def test_instances_that_come_and_go_make_a_rotation_later_and_nothing_else(tmp_path: Path) -> None:
    settings = {"RECONCILE_SCHEDULE": NEVER}
    with stage(
        tmp_path, behaviour=TEN_MINUTES, build=one_cluster, settings=settings, comes_and_goes=ComeAndGo()
    ) as story:
        assert isinstance(story.host, ScaleController)
        began_at = story.azure.clock.timestamp()
        new = story.rotate()
        (cluster,) = story.azure.arm.clusters.values()
        story.until(lambda: story.patches(cluster), "the update")
        # A cold start for the event, then up to two minutes and a cold start for its message; its visit follows at once.
        assert story.azure.clock.timestamp() - began_at <= 12 + 132 + 1, "and a look"
        the_cluster_has_followed(story, new)
        assert len(story.patches(cluster)) == 1
        story.quiet(10 * MINUTE)
        comings = story.host.comings
        assert comings["on_key_event"] == 1
        assert 2 <= comings["on_visit"] <= 10
        assert comings["on_lost_visit"] == 0
