"""That the long run (`make soak`) runs, and would notice; here for one day and three clusters."""

import random
from pathlib import Path

from simulator.azure import Azure
from simulator.host.process import HostProcess
from tests.e2e import soak
from tests.e2e.stage import stage


def test_a_day_of_the_long_run_ends_as_it_must_and_says_how_far_it_is(tmp_path: Path) -> None:
    said: list[str] = []
    assert soak.soak(tmp_path, 1, 3, 1, said.append) == []
    assert said[-1].startswith("day  1 of 1: ")


def test_what_a_week_must_not_end_with_is_named(tmp_path: Path) -> None:
    def build(azure: Azure) -> None:
        azure.add_topic("outcomes")
        azure.add_cluster("cluster-00", key=azure.pinned("contoso", "la-cmk"))

    with stage(tmp_path, build=build) as story:
        story.azure.event_grid.lose_next()
        story.rotate()
        assert soak.what_is_wrong(story, rounds=1) == [
            "cluster-00 is not on its key's newest version",
            "cluster-00 has 0 rotations on record that succeeded, not 1",
            "cluster-00 was updated 0 times in 1 rounds",
            "cluster-00 is said to be None",
            "0 outcomes were told",
        ]
        assert isinstance(story.host, HostProcess)
        month = soak.Month(story, story.host, random.Random(1), 0.0, 3, [60.0, 91.0])  # noqa: S311
        assert soak.what_has_grown(month, clusters=1) == [
            "there were 3 messages at one time",
            "the second instance grew from 60 to 91 MB",
        ]
