"""`python -m tests.e2e.lateness`: how late a rotation is, by plan, by size and by how long Azure takes; printed as a table.

One instance of the whole app is always there on Elastic Premium. On Flex Consumption instances of each function come and go
(`simulator.host.scaling`), or one for visits is always ready beside them. Everything is simulated time, and the same whenever
it is run; computing and requests take none of it, so what many clusters cost more than one shows in the visits alone. A
hundred clusters whose updates take six hours are ten thousand visits, which take minutes of real time.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from simulator.azure import Azure
from simulator.host.instances import ComeAndGo
from simulator.host.scaling import ScaleController
from simulator.operationalinsights.behaviour import Behaviour
from tests.e2e.stage import Stage, stage

TEN_MINUTES = "0 */10 * * * *"
IDLE_SECONDS = 3_737.0
"""Before the rotation: an app that has just started polls its queue ten times a second, and one that is idle does not."""
SETTLES_WITHIN = 660.0
"""After the last rotation is on record: a reconcile, and what comes of it."""
SAID_AT_EACH_START = "Auth level is not applied to non http function app"
"""A warning of the library azure-functions, of no consequence to us."""
COME_AND_GO = "come and go"
READY = "ready for visits"
INSTANCES = ("always there", READY, COME_AND_GO)
OPERATIONS = {"30 s": 30.0, "10 min": 600.0, "6 h": 21_600.0}
HEADINGS = (
    *("instances", "clusters", "Azure takes", "first update sent after", "last update sent after"),
    *(
        "on record after its end, median",
        "on record after its end, longest",
        "in all, times Azure's own",
        "visits",
        "messages",
        "updates",
        "times woken",
    ),
)


class WrongError(Exception):
    """The clusters have not followed as they should, so how late they were says nothing. The text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late one rotation was, in simulated seconds."""

    sent: tuple[float, ...]
    """From the key's rotation to each cluster's update."""
    recorded: tuple[float, ...]
    """From the end of each cluster's operation to its being on record."""
    operation: float
    """How long each takes."""
    visits: int
    messages: int
    """Visits that were requested; each is a message."""
    updates: int
    woken: int
    """How often instances for visits came from nothing."""

    def cells(self) -> Iterator[str]:
        """As the table has it."""
        for seconds in (min(self.sent), max(self.sent), statistics.median(self.recorded), max(self.recorded)):
            yield f"{seconds:.0f} s"
        both = zip(self.sent, self.recorded, strict=True)
        yield f"{1 + max(before + after for before, after in both) / self.operation:.2f}"
        yield from (str(self.visits), str(self.messages), str(self.updates), str(self.woken))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.lateness", description="How late a rotation is.")
    parser.add_argument("--instances", nargs="+", choices=list(INSTANCES), default=list(INSTANCES))
    parser.add_argument("--clusters", type=int, nargs="+", default=[1, 100])
    parser.add_argument("--operations", nargs="+", choices=list(OPERATIONS), default=list(OPERATIONS))
    parser.add_argument("--seed", type=int, default=1, help="of when instances come")
    options = parser.parse_args()
    _row(HEADINGS)
    _row(["---"] * len(HEADINGS))
    for name in options.instances:
        ready = frozenset({"on_visit"} if name == READY else ())
        how = ComeAndGo(options.seed, ready=ready) if name in {READY, COME_AND_GO} else None
        for clusters in options.clusters:
            for operation in options.operations:
                with tempfile.TemporaryDirectory(prefix="lateness-") as folder:
                    found = measure(Path(folder), how, clusters, OPERATIONS[operation])
                _row([name, str(clusters), operation, *found.cells()])
    return 0


def measure(folder: Path, how: ComeAndGo | None, clusters: int, update_seconds: float) -> Lateness:
    """Rotate a key that some clusters use, and let them follow."""

    def build(azure: Azure) -> None:
        for number in range(clusters):
            azure.add_cluster(f"cluster-{number:03}", key=azure.pinned("contoso", "la-cmk"))

    behaviour = Behaviour(update_seconds=update_seconds, retry_after=30)
    settings = {"RECONCILE_SCHEDULE": TEN_MINUTES}
    with stage(folder, behaviour=behaviour, build=build, settings=settings, comes_and_goes=how) as story:
        there = _woken(story)
        story.quiet(IDLE_SECONDS)
        new = story.rotate()
        rotated_at = story.azure.clock.timestamp()
        story.quiet(update_seconds)  # Looking whether they have followed is no small work, and in vain before this.
        for cluster in story.azure.arm.clusters.values():
            story.finished(cluster, new)
        found = _lateness(story, new, rotated_at, update_seconds, _woken(story) - there)
        story.quiet(SETTLES_WITHIN)
        check(story, new)
        return found


def check(story: Stage, new: str) -> None:
    """Raise unless each cluster has followed this one rotation, and nobody was told of anything that went wrong."""
    wrong = []
    for cluster in story.azure.arm.clusters.values():
        updates = len(story.patches(cluster))
        rows = [
            (row["toVersion"], row["stage"]) for row in story.rotations(cluster) if row["reason"] != "already-there"
        ]
        if updates not in {1, 2} or rows != [(new, "succeeded")]:
            wrong.append(f"{cluster.name}: {updates} updates, {len(rows)} rows: {rows}")
    loud = [line for line in story.host.log_lines() if line["level"] not in {"Debug", "Information"}]
    wrong += [str(line) for line in loud if not line["message"].startswith(SAID_AT_EACH_START)]
    if wrong:
        raise WrongError("\n".join(wrong))


def _lateness(story: Stage, new: str, rotated_at: float, update_seconds: float, woken: int) -> Lateness:
    sent, recorded = [], []
    updates = 0
    for cluster in story.azure.arm.clusters.values():
        patches = story.patches(cluster)
        row = story.rotation(cluster, new)
        assert row is not None
        first = patches[0].at.timestamp()
        sent.append(first - rotated_at)
        recorded.append(_timestamp(row["finishedAt"]) - first - update_seconds)
        updates += len(patches)
    visits = [line for line in story.host.log_lines() if line["message"].startswith("Executing 'Functions.on_visit'")]
    requests = [one for one in story.azure.exchanges if one.method == "POST" and "/cluster-visits/" in one.path]
    return Lateness(tuple(sent), tuple(recorded), update_seconds, len(visits), len(requests), updates, woken)


def _woken(story: Stage) -> int:
    return story.host.comings["on_visit"] if isinstance(story.host, ScaleController) else 0


def _timestamp(value: datetime | str) -> float:
    return (datetime.fromisoformat(value) if isinstance(value, str) else value).timestamp()


def _row(cells: Sequence[str]) -> None:
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
