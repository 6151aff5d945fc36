"""The process dies after any one of a rotation's side effects, every one of them in turn, and comes back."""

from pathlib import Path

import pytest

from simulator.operationalinsights.behaviour import AcceptedHeaders, Behaviour
from simulator.wire.exchanges import Exchange
from tests.e2e.stage import Stage, stage
from tests.e2e.worlds import one_cluster_and_a_topic

QUICK = Behaviour(update_seconds=50, retry_after=None)
SETTINGS = {
    "POLL_FLOOR_SECONDS": "60",
    "RECONCILE_SCHEDULE": "0 * * * * *",
    "OUTCOME_TOPIC_ENDPOINT": "https://outcomes.westeurope-1.eventgrid.azure.net/api/events",
}
MOST_EFFECTS = 30


def is_side_effect(exchange: Exchange) -> bool:
    """A request of ours that changes something. Taking a message off the queue counts; looking for one does not."""
    return exchange.mutating and exchange.host != "127.0.0.1" and "/keys/" not in exchange.path


class Crash:
    """Kills the host right after the n-th side effect, before its answer is sent, and starts it again."""

    def __init__(self, story: Stage, number: int) -> None:
        self.story, self.number, self.seen = story, number, 0
        self.effect: Exchange | None = None
        story.azure.after_effect.append(self)

    def __call__(self, exchange: Exchange) -> None:
        if not is_side_effect(exchange):
            return
        self.seen += 1
        if self.seen == self.number:
            self.effect = exchange
            self.story.host.restart()


def side_effects_of_a_rotation(folder: Path, behaviour: Behaviour) -> list[str]:
    """What one undisturbed rotation changes, in order."""
    with stage(folder, behaviour=behaviour, build=one_cluster_and_a_topic, settings=SETTINGS) as story:
        (cluster,) = story.azure.arm.clusters.values()
        before = len(story.azure.exchanges)
        story.finished(cluster, story.rotate())
        story.until(lambda: story.waiting_messages() == 0, "the last look")
        made = [exchange for exchange in list(story.azure.exchanges)[before:] if is_side_effect(exchange)]
    return [f"{exchange.method} {exchange.host.split('.')[1]}" for exchange in made]


@pytest.mark.parametrize("number", range(1, MOST_EFFECTS + 1))
def test_a_crash_after_any_side_effect_is_healed(tmp_path: Path, number: int) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster_and_a_topic, settings=SETTINGS) as story:
        (cluster,) = story.azure.arm.clusters.values()
        crash = Crash(story, number)
        new = story.rotate()
        story.finished(cluster, new)
        one_rotation_on_record(story, new)
        if crash.effect is None:
            assert number > 12, "a rotation has more side effects than this"


def one_rotation_on_record(story: Stage, new: str) -> None:
    """Always exactly one finished row, at most two updates, one chain of visits, and somebody has heard of it."""
    (cluster,) = story.azure.arm.clusters.values()
    story.until(lambda: story.status(cluster).get("reason") == "up-to-date", "the cluster's row to say so")
    story.until(lambda: story.waiting_messages() == 0, "the last look")
    (row,) = story.rotations(cluster)
    assert (row["toVersion"], row["stage"], row["verified"]) == (new, "succeeded", True)
    assert row["attempts"] in {1, 2}, "a claim of which nothing is known is followed by another attempt"
    assert cluster.key is not None
    assert cluster.key.version == new
    assert len(story.patches(cluster)) in {1, 2}
    assert 1 <= len(story.lines("rotation.finished")) <= 2, (
        "said at least once; twice only if the crash came in between"
    )
    events = story.azure.topics["outcomes"].events
    assert len({event["id"] for event in events}) == 1, "an outcome published twice has one id"
    assert story.poisoned() == 0


def test_the_enumeration_covers_a_whole_rotation(tmp_path: Path) -> None:
    """Every kind of side effect is among the first ones, and there are not many more than are killed after."""
    effects = side_effects_of_a_rotation(tmp_path, QUICK)
    kinds = {"PATCH azure", "POST queue", "DELETE queue", "POST table", "POST westeurope-1"}
    assert kinds <= set(effects[:MOST_EFFECTS]), effects
    finish = max(index for index, effect in enumerate(effects) if effect == "POST westeurope-1")
    assert finish + 3 <= MOST_EFFECTS, effects


@pytest.mark.parametrize("number", [9, 10, 11, 12, 13, 14, 15])
def test_a_crash_around_an_update_without_an_operation_is_healed_too(tmp_path: Path, number: int) -> None:
    behaviour = Behaviour(update_seconds=50, accepted_headers=AcceptedHeaders.NONE)
    with stage(tmp_path, behaviour=behaviour, build=one_cluster_and_a_topic, settings=SETTINGS) as story:
        (cluster,) = story.azure.arm.clusters.values()
        Crash(story, number)
        new = story.rotate()
        story.finished(cluster, new)
        one_rotation_on_record(story, new)
