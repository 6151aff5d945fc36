"""`python -m tests.e2e.soak`: a month of simulated time on the real runtime. `make soak` runs it.

Fifty clusters on five keys. Each week every key is rotated; each day something goes wrong: events come twice, late or
never, messages are lost, ARM is away for an hour, the host crashes or is moved. At the end of each week every cluster must
be on its key's newest version, by one update each, with one rotation on record and nobody called for nothing.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from simulator.azure import Azure
from simulator.operationalinsights.behaviour import Behaviour
from simulator.wire.faults import Fault, FaultKind
from tests.e2e.stage import Stage, stage

HOUR, DAY = 3_600.0, 86_400.0
KEYS = 5
TEN_MINUTES = "0 */10 * * * *"
LAST_DAY = 6
"""Of a week, on which nothing goes wrong, so that all can heal."""


def main() -> int:
    """Run it; 1 if a week did not end as it must."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.soak", description="A month of simulated time.")
    parser.add_argument("--days", type=int, default=30, help="simulated days")
    parser.add_argument("--clusters", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1, help="what goes wrong, and when")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        faults = soak(Path(folder), options.days, options.clusters, options.seed, _say)
    for fault in faults:
        _say(fault)
    return 1 if faults else 0


def soak(folder: Path, days: int, clusters: int, seed: int, say: Callable[[str], None]) -> list[str]:
    """Let the days pass; the result is what was not as it must be."""

    def build(azure: Azure) -> None:
        for key in range(1, KEYS):
            azure.add_key("contoso", f"cmk-{key}")
        for number in range(clusters):
            name = f"cmk-{number % KEYS}" if number % KEYS else "la-cmk"
            azure.add_cluster(
                f"cluster-{number:02}", key=azure.pinned("contoso", name), resource_group=f"rg-{number % 7}"
            )

    chance = random.Random(seed)  # noqa: S311 - what goes wrong is no secret
    faults: list[str] = []
    began = time.monotonic()
    behaviour = Behaviour(update_seconds=2_400, retry_after=30)
    with stage(folder, behaviour=behaviour, build=build, settings={"RECONCILE_SCHEDULE": TEN_MINUTES}) as story:
        for day in range(days):
            if day % 7 == 0:
                rotate_all(story, chance)
            story.quiet(chance.uniform(0, 12) * HOUR)
            if day % 7 != LAST_DAY:
                something_goes_wrong(story, chance)
            story.quiet((day + 1) * DAY - elapsed(story))
            if day % 7 == LAST_DAY or day == days - 1:
                faults += [f"day {day + 1}: {fault}" for fault in what_is_wrong(story, rounds=day // 7 + 1)]
            with story.azure.lock:
                requests = len(story.azure.exchanges)
            say(f"day {day + 1:>2} of {days}: {requests} requests, {time.monotonic() - began:.0f} s")
    return faults


def elapsed(story: Stage) -> float:
    """Simulated seconds since the first."""
    return story.azure.clock.timestamp() - story.azure.exchanges[0].at.timestamp()


def rotate_all(story: Stage, chance: random.Random) -> None:
    """Rotate every key, with hours in between."""
    for key in ["la-cmk", *(f"cmk-{number}" for number in range(1, KEYS))]:
        story.quiet(chance.uniform(0, 1) * HOUR)
        story.rotate(key=key)


def something_goes_wrong(story: Stage, chance: random.Random) -> None:
    """One of the things that happen."""
    now = story.azure.clock.timestamp()
    grid, queues = story.azure.event_grid, story.account.queues
    away = Fault(kind=FaultKind.ANSWER, status=503, times=None, host="management.azure.com", until=now + HOUR)
    failure: list[Callable[[], object]] = [
        grid.lose_next,
        grid.duplicate_next,
        lambda: grid.delay_next(5 * HOUR),
        queues.lose_next,
        queues.duplicate_next,
        lambda: story.azure.faults.add(away),
        lambda: story.azure.faults.add(Fault(kind=FaultKind.RESET_AFTER, method="PATCH", path="*/clusters/*")),
        story.host.restart,
        lambda: move(story),
    ]
    chance.choice(failure)()


def move(story: Stage) -> None:
    """The platform ends the instance in an orderly way, and starts another."""
    story.host.stop()
    story.host.start()


def what_is_wrong(story: Stage, rounds: int) -> list[str]:
    """What is not as it must be at the end of a week."""
    wrong = []
    for cluster in story.azure.arm.clusters.values():
        if cluster.key is None or cluster.key.version != story.azure.newest_version(cluster.key):
            wrong.append(f"{cluster.name} is not on its key's newest version")
        ended = [row for row in story.rotations(cluster) if row["attempts"] and row["stage"] == "succeeded"]
        if len(ended) != rounds:
            wrong.append(f"{cluster.name} has {len(ended)} rotations on record that succeeded, not {rounds}")
        if not rounds <= len(story.patches(cluster)) <= 2 * rounds:
            wrong.append(f"{cluster.name} was sent {len(story.patches(cluster))} updates in {rounds} rounds")
        if story.status(cluster).get("reason") != "up-to-date":
            wrong.append(f"{cluster.name} is said to be {story.status(cluster).get('reason')}")
    if story.poisoned():
        wrong.append(f"{story.poisoned()} messages were given up")
    return wrong


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
