"""That the long run (`make soak`) runs, and would notice; here for one day and three clusters."""

from pathlib import Path

from simulator.azure import Azure
from tests.e2e import soak
from tests.e2e.stage import stage


def test_a_day_of_the_long_run_ends_as_it_must_and_says_how_far_it_is(tmp_path: Path) -> None:
    said: list[str] = []
    assert soak.soak(tmp_path, 1, 3, 1, said.append) == []
    assert said[-1].startswith("day  1 of 1: ")


def test_a_cluster_that_did_not_follow_is_named(tmp_path: Path) -> None:
    def build(azure: Azure) -> None:
        azure.add_cluster("cluster-00", key=azure.pinned("contoso", "la-cmk"))

    with stage(tmp_path, build=build) as story:
        story.azure.event_grid.lose_next()
        story.rotate()
        wrong = soak.what_is_wrong(story, rounds=1)
    assert "cluster-00 is not on its key's newest version" in wrong
    assert "cluster-00 has 0 rotations on record that succeeded, not 1" in wrong
