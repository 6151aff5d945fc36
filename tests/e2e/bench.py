"""`python -m tests.e2e.bench`: how long a rotation takes, and what it takes of the machine, on a clock that runs.

Each service has a latency, because work that takes no time would hide what batches, threads and instances do. Whatever is
printed is of this machine and of this moment; nothing is asserted but that each cluster has followed by one update.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

from simulator.azure import Azure
from simulator.clock.running import RunningClock
from simulator.host.process import HostProcess
from simulator.operationalinsights.behaviour import Behaviour
from tests.e2e.costs import row
from tests.e2e.stage import APP, Stage, stage

OPERATION_SECONDS = 10
LATENCIES = {"management.azure.com": 0.15, "*.vault.azure.net": 0.05, "*.core.windows.net": 0.01}
"""Seconds that each request takes, by a glob of its host: guesses for one region."""
IDLE_SECONDS = 5.0
"""Before the rotation, so that nothing of a start is measured."""
GIVEN_UP_AFTER = 1_800.0
LOOK_EVERY = 2.0
"""Seconds between two looks whether all have followed: looking at a large table is no small work."""
FOR_EACH_SUBSCRIPTION = 5
"""Clusters that Azure allows in a region and subscription. So a large fleet does not meet the throttle of one subscription."""
BESIDE = APP / "tests" / "e2e" / "beside"
HEADINGS = (
    "clusters",
    "instances",
    "half on record after",
    "all after",
    "CPU of the instances",
    "CPU for each cluster",
    "resident",
)


@dataclass(frozen=True, slots=True)
class Found:
    """What one rotation took. Times in seconds from the rotation of the key."""

    recorded: tuple[float, ...]
    cpu: float
    """Seconds of the instances."""
    resident: float
    """Megabytes of the largest."""


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.bench", description="How long a rotation takes.")
    parser.add_argument("--clusters", type=int, nargs="+", default=[1, 10, 100, 1_000])
    parser.add_argument("--instances", type=int, nargs="+", default=[1, 2, 4])
    options = parser.parse_args()
    row(HEADINGS)
    row(["---"] * len(HEADINGS))
    for clusters in options.clusters:
        for instances in options.instances if clusters == max(options.clusters) else options.instances[:1]:
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                found = measure(Path(folder), clusters, instances)
                row(_cells(clusters, instances, found))
    sys.stdout.write("\n")
    row(["a handler of twenty lines, in place of the app: clusters", "all on the new version after"])
    row(["---"] * 2)
    for clusters in (1, 10):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            row([str(clusters), f"{beside(Path(folder), clusters):.1f} s"])
    return 0


def _cells(clusters: int, instances: int, found: Found) -> list[str]:
    half, last = statistics.median(found.recorded), max(found.recorded)
    cpu = [f"{found.cpu:.1f} s", f"{1_000 * found.cpu / clusters:.0f} ms"]
    return [str(clusters), str(instances), f"{half:.1f} s", f"{last:.1f} s", *cpu, f"{found.resident:.0f} MB"]


def beside(folder: Path, clusters: int) -> float:
    """How long that handler takes to bring some clusters to a new version, in seconds."""
    with rotating(folder, clusters, in_place_of_the_app("handler", folder)) as story:
        began, new = time.time(), story.rotate()
        wait(story, lambda: moved(story, new))
        return time.time() - began


def in_place_of_the_app(name: str, folder: Path) -> Path:
    """Another app, which is to run where this one does."""
    (app := folder / "app").mkdir()
    shutil.copy(BESIDE / f"{name}.py", app / "function_app.py")
    shutil.copy(APP / "host.json", app)
    (app / "cmk_rotation").symlink_to(APP / "cmk_rotation")  # for its clock, which every app on this stage has
    return app


@contextmanager
def rotating(folder: Path, clusters: int, app: Path = APP) -> Iterator[Stage]:
    """A stage on a clock that runs, with five clusters in each subscription."""
    behaviour = Behaviour(update_seconds=OPERATION_SECONDS, retry_after=OPERATION_SECONDS)
    of_fleet = subscriptions(clusters)
    settings = {
        "PYTHON_THREADPOOL_THREAD_COUNT": "32",
        "CLUSTER_SCOPES": ",".join(f"/subscriptions/{subscription}" for subscription in of_fleet),
    }

    def build(azure: Azure) -> None:
        for number in range(clusters):
            subscription = of_fleet[number // FOR_EACH_SUBSCRIPTION]
            key = azure.pinned("contoso", "la-cmk")
            azure.add_cluster(f"cluster-{number:04}", key=key, subscription=subscription)

    clock = RunningClock.starting_now()
    with stage(folder, clock=clock, behaviour=behaviour, build=build, settings=settings, races=True, app=app) as story:
        yield story


def subscriptions(clusters: int) -> list[str]:
    """As many as so many clusters need."""
    return [str(UUID(int=number)) for number in range(1, 2 + (clusters - 1) // FOR_EACH_SUBSCRIPTION)]


def measure(folder: Path, clusters: int, instances: int) -> Found:
    """Rotate a key that some clusters use, on several instances of the app."""
    with rotating(folder, clusters) as story, ExitStack() as others:
        assert isinstance(story.host, HostProcess)
        hosts = [story.host]
        for number in range(2, instances + 1):
            hosts.append(another(story, folder / f"{number}", f"host-{number}"))
            others.callback(hosts[-1].kill)
        story.reconcile()
        wait(story, lambda: settled(story, clusters))
        story.azure.faults.latency = dict(LATENCIES)
        story.quiet(IDLE_SECONDS)
        before = sum(map(cpu_of, hosts))
        rotated_at = time.time()
        new = story.rotate()
        # All rows are looked at only once all clusters have moved: it is work for the process that is Azure here.
        wait(story, lambda: moved(story, new) and len(recorded(story, new)) == clusters)
        for cluster in story.azure.arm.clusters.values():
            assert len(story.patches(cluster)) == 1, cluster.name
        times = tuple(at - rotated_at for at in recorded(story, new))
        return Found(times, sum(map(cpu_of, hosts)) - before, max(map(resident, hosts)))


def another(story: Stage, folder: Path, name: str) -> HostProcess:
    """One instance more of the same app."""
    folder.mkdir()
    host = HostProcess(replace(story.host.spec, name=name, folder=folder, common=story.folder))
    host.start()
    return host


def wait(story: Stage, happened: Callable[[], bool]) -> None:
    """Wait until something has happened, without getting in its way."""
    ends = story.azure.clock.timestamp() + GIVEN_UP_AFTER
    while not happened():
        if story.azure.clock.timestamp() > ends:
            raise AssertionError(story.state())
        story.quiet(LOOK_EVERY)


def settled(story: Stage, clusters: int) -> bool:
    seen = [found for found in story.rows() if found["RowKey"] == "~cluster" and found["reason"] == "up-to-date"]
    return len(seen) == clusters and not story.waiting_messages()


def moved(story: Stage, version: str) -> bool:
    """Whether all clusters are on that version."""
    return all(one.key and one.key.version == version for one in story.azure.arm.clusters.values())


def recorded(story: Stage, version: str) -> list[float]:
    """When each rotation to a version was put on record as ended, in seconds since the epoch."""
    rows = [
        found for found in story.rows() if found.get("toVersion") == version and not found["RowKey"].startswith("~")
    ]
    return [datetime.fromisoformat(str(found["finishedAt"])).timestamp() for found in rows if found.get("announced")]


def cpu_of(host: HostProcess) -> float:
    fields = Path(f"/proc/{host.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime (proc(5))


def resident(host: HostProcess) -> float:
    (line,) = (line for line in Path(f"/proc/{host.pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1_000


if __name__ == "__main__":
    sys.exit(main())
