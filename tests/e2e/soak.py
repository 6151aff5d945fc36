"""`python -m tests.e2e.soak`: a month of simulated time on the real runtime, on two instances. `make soak` runs it.

Two hundred clusters on five keys. Each week every key is rotated, and on six days of seven three things go wrong: events and
messages come twice, late or never; Azure, Key Vault or storage is away, wants fewer requests, or is cut off in the middle of
an answer; the first instance crashes or is moved. The second is left alone, unless storage ends it, so that what it does not
let go of shows. At the end of each week every cluster must have gone to each version of its key, by one update that Azure took,
with one rotation on record and one outcome told, and everything must be at rest.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from simulator.azure import Azure
from simulator.host.process import HostProcess
from simulator.operationalinsights.behaviour import Behaviour
from simulator.wire.faults import Fault, FaultKind
from tests.e2e.bench import another, resident
from tests.e2e.stage import Stage, stage

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
KEYS = ("la-cmk", "cmk-1", "cmk-2", "cmk-3", "cmk-4")
SETTINGS = {
    "RECONCILE_SCHEDULE": "0 */10 * * * *",
    "OUTCOME_TOPIC_ENDPOINT": "https://outcomes.westeurope-1.eventgrid.azure.net/api/events",
}
LAST_DAY = 6
"""Of a week, on which nothing goes wrong, so that all can heal."""
A_DAY = 3
"""How many things go wrong on each other day."""
FOR_EACH_CLUSTER = 2
"""Messages at most: its visit, and the look after a claim, which is a spare once the operation is known."""
GROWS = 1.5
"""What the second instance may have of memory in the end, of what it had after the first week."""


@dataclass
class Month:
    """A month that goes by, and what is measured meanwhile."""

    story: Stage
    second: HostProcess
    chance: random.Random
    began: float
    """Simulated seconds since the epoch."""
    messages: int = 0
    """The most that there were at one time."""
    memory: list[float] = field(default_factory=list)
    """Of the second instance after each week, in megabytes."""

    def until(self, seconds: float) -> None:
        """Let time pass until so many seconds have since it began, and count messages every ten minutes."""
        clock = self.story.azure.clock
        while (left := self.began + seconds - clock.timestamp()) > 0:
            self.story.quiet(min(left, 10 * MINUTE))
            self.messages = max(self.messages, self.story.waiting_messages())


def main() -> int:
    """Run it; 1 if a week did not end as it must."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.soak", description="A month of simulated time.")
    parser.add_argument("--days", type=int, default=30, help="simulated days")
    parser.add_argument("--clusters", type=int, default=200)
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
        azure.add_topic("outcomes")
        for name in KEYS[1:]:
            azure.add_key("contoso", name)
        for number in range(clusters):
            key = azure.pinned("contoso", KEYS[number % len(KEYS)])
            azure.add_cluster(f"cluster-{number:03}", key=key, resource_group=f"rg-{number % 7}")

    faults: list[str] = []
    started = time.monotonic()
    behaviour = Behaviour(update_seconds=2_400, retry_after=30)
    with stage(folder, behaviour=behaviour, build=build, settings=SETTINGS) as story:
        second = another(story, folder / "second", "second")
        try:
            chance = random.Random(seed)  # noqa: S311 - what goes wrong is no secret
            month = Month(story, second, chance, story.azure.clock.timestamp())
            for day in range(days):
                a_day(month, day)
                if day % 7 == LAST_DAY or day == days - 1:
                    month.memory.append(resident(second))
                    faults += [f"day {day + 1}: {fault}" for fault in what_is_wrong(story, rounds=day // 7 + 1)]
                say(f"{f'day {day + 1:>2} of {days}: {_figures(month)}':<100} {time.monotonic() - started:>6.0f} s")
            return faults + what_has_grown(month, clusters)
        finally:
            second.kill()


def a_day(month: Month, day: int) -> None:
    """One day: a rotation of every key at the beginning of a week, and what goes wrong."""
    story, chance = month.story, month.chance
    ahead: list[tuple[float, Callable[[], object]]] = []
    if day % 7 == 0:
        ahead += [(chance.uniform(0, 6) * HOUR, partial(story.rotate, key=key)) for key in KEYS]
    if day % 7 != LAST_DAY:
        ahead += [(chance.uniform(0, 12) * HOUR, partial(something_goes_wrong, story, chance)) for _ in range(A_DAY)]
    for at, happens in sorted(ahead, key=lambda one: one[0]):
        month.until(day * DAY + at)
        happens()
    month.until((day + 1) * DAY)


def something_goes_wrong(story: Stage, chance: random.Random) -> None:
    """One of the things that happen."""
    now = story.azure.clock.timestamp()
    grid, queues, add = story.azure.event_grid, story.account.queues, story.azure.faults.add
    arm, vaults = "management.azure.com", "*.vault.azure.net"
    failure: list[Callable[[], object]] = [
        grid.lose_next,
        grid.duplicate_next,
        lambda: grid.delay_next(5 * HOUR),
        queues.lose_next,
        queues.duplicate_next,
        lambda: add(Fault(kind=FaultKind.ANSWER, status=503, times=None, host=arm, until=now + HOUR)),
        lambda: add(Fault(kind=FaultKind.ANSWER, status=503, times=None, host=vaults, until=now + HOUR)),
        lambda: add(Fault(kind=FaultKind.ANSWER, status=429, times=50, host=arm, headers={"Retry-After": "120"})),
        lambda: add(Fault(kind=FaultKind.RESET_AFTER, method="PATCH", path="*/clusters/*", times=20)),
        lambda: add(Fault(kind=FaultKind.RESET, method="PATCH", path="*/clusters/*", times=20)),
        lambda: add(Fault(kind=FaultKind.TRUNCATED_BODY, host=arm, times=20)),
        lambda: story.storage_is_away(5 * MINUTE),
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
    rows = story.rows()
    status = {row["PartitionKey"]: row for row in rows if row["RowKey"] == "~cluster"}
    moved = Counter(
        (row["PartitionKey"], row["toVersion"])
        for row in rows
        if not row["RowKey"].startswith("~") and row.get("attempts") and row["stage"] == "succeeded"
    )
    taken = Counter(
        exchange.path.lower()
        for exchange in list(story.azure.exchanges)
        if exchange.method == "PATCH" and exchange.status in {200, 202}
    )
    told = {event["id"] for event in story.azure.topics["outcomes"].events}
    wrong = []
    for name, cluster in story.azure.arm.clusters.items():
        partition = name.replace("/", "|")
        if cluster.key is None or cluster.key.version != story.azure.newest_version(cluster.key):
            wrong.append(f"{cluster.name} is not on its key's newest version")
        recorded = [count for (whose, _), count in moved.items() if whose == partition]
        if recorded != [1] * rounds:
            wrong.append(f"{cluster.name} has {sum(recorded)} rotations on record that succeeded, not {rounds}")
        if taken[name] != rounds:
            wrong.append(f"{cluster.name} was updated {taken[name]} times in {rounds} rounds")
        said = status.get(partition, {}).get("reason")
        if said != "up-to-date":
            wrong.append(f"{cluster.name} is said to be {said}")
    if len(told) != rounds * len(story.azure.arm.clusters):
        wrong.append(f"{len(told)} outcomes were told")
    if story.waiting_messages() or story.poisoned():
        wrong.append(f"{story.waiting_messages()} messages wait, {story.poisoned()} were given up")
    return wrong


def what_has_grown(month: Month, clusters: int) -> list[str]:
    """What there was too much of."""
    wrong = []
    if month.messages > FOR_EACH_CLUSTER * clusters:
        wrong.append(f"there were {month.messages} messages at one time")
    if month.memory[-1] > GROWS * month.memory[0]:
        wrong.append(f"the second instance grew from {month.memory[0]:.0f} to {month.memory[-1]:.0f} MB")
    return wrong


def _figures(month: Month) -> str:
    with month.story.azure.lock:
        requests = len(month.story.azure.exchanges)
    memory = resident(month.second)
    return f"{requests} requests, {month.messages} messages at most, second instance {memory:.0f} MB"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
