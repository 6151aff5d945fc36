"""`python -m tests.e2e.weight`: what the app weighs, beside an empty one and beside the bare calls that it makes.

On a clock that runs. Hosts are the simulated host and the real runtime in one process, in each row alike, so the
differences between rows are what the apps add. Times are of this machine and this moment, and nothing is asserted of them.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

from simulator.host.process import HostProcess
from tests.e2e import bench
from tests.e2e.costs import row
from tests.e2e.stage import APP, Stage

CLUSTERS = 100
ANSWERS = 200
"""Events that are answered beside running visits."""
PAUSE = 0.05
"""Seconds between two of them."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What an instance of an app took."""

    start: float
    """Seconds of CPU until it was ready."""
    at_rest: float
    """Megabytes resident once it was ready."""
    worked: float
    """Seconds of CPU for the work."""
    after: float
    """Megabytes resident after it."""


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.weight", description="What the app weighs.")
    parser.add_argument("--clusters", type=int, default=CLUSTERS)
    clusters = parser.parse_args().clusters
    row(["app", "CPU until ready", "resident then", f"CPU for each of {clusters} clusters", "resident after"])
    row(["---"] * 5)
    _print("an empty one", empty(), None)
    bare_calls = bare(clusters)
    _print("the bare SDK calls", bare_calls, clusters)
    own, answers = this_one(clusters)
    _print("this one", own, clusters)
    ratio = own.worked / bare_calls.worked
    row(["this one ÷ bare calls", "", "", f"{ratio:.2f}", f"{own.after / bare_calls.after:.2f}"])
    median, late = statistics.median(answers), statistics.quantiles(answers, n=100)[-1]
    sys.stdout.write(
        f"\nan event answered beside those visits: {median:.3f} s, {late:.3f} s at p99 of {len(answers)}\n"
    )
    return 0


def empty() -> Weight:
    """An app of one function that takes a message."""
    with _anew(1, "empty") as (story, host, start, at_rest):
        before = bench.cpu_of(host)
        story.put_message("{}")
        bench.wait(story, lambda: not story.waiting_messages())
        return Weight(start, at_rest, bench.cpu_of(host) - before, bench.resident(host))


def bare(clusters: int) -> Weight:
    """One that makes the calls of a rotation."""
    with _anew(clusters + 1, "bare") as (story, host, start, at_rest):
        story.azure.event_grid.lose_next()
        new = story.rotate()
        first, *others = [cluster.id for cluster in story.azure.arm.clusters.values()]

        def ended(number: int) -> bool:
            return sum(str(found["RowKey"]) == "~history|3" for found in story.rows()) >= number

        def send(cluster: str) -> None:
            story.put_message(json.dumps({"cluster": cluster, "version": new}))

        send(first)  # The first makes the table, and asks for tokens.
        bench.wait(story, lambda: ended(1))
        story.azure.faults.latency = dict(bench.LATENCIES)
        before = bench.cpu_of(host)
        for cluster in others:
            send(cluster)
        bench.wait(story, lambda: ended(1 + clusters))
        return Weight(start, at_rest, bench.cpu_of(host) - before, bench.resident(host))


def this_one(clusters: int) -> tuple[Weight, list[float]]:
    """The app itself; and how long it takes to answer events meanwhile, in a run of its own."""
    with _anew(clusters, None) as (story, host, start, at_rest):
        new, before = _rotate(story, host, clusters)
        bench.wait(story, lambda: len(bench.recorded(story, new)) == clusters)
        found = Weight(start, at_rest, bench.cpu_of(host) - before, bench.resident(host))
    with _anew(clusters, None) as (story, host, _, _):
        _rotate(story, host, clusters)
        return found, [_answered(story, number) for number in range(ANSWERS)]


def _rotate(story: Stage, host: HostProcess, clusters: int) -> tuple[str, float]:
    """The new version, and the CPU that the host had used before."""
    story.reconcile()
    bench.wait(story, lambda: bench.settled(story, clusters))
    story.azure.faults.latency = dict(bench.LATENCIES)
    before = bench.cpu_of(host)
    return story.rotate(), before


def _answered(story: Stage, number: int) -> float:
    """How long an event takes that is none of ours."""
    time.sleep(PAUSE)
    event = {
        "id": f"{number}",
        "topic": "/subscriptions/0/nothing",
        "subject": "nothing",
        "eventType": "Nothing.Happened",
        "eventTime": "2026-01-01T00:00:00Z",
        "dataVersion": "1",
        "data": {},
    }
    began = time.perf_counter()
    url, body = story.host.event_grid_url("on_key_event"), json.dumps([event]).encode()
    assert story.azure.event_grid.deliver_raw(url, body) == HTTPStatus.ACCEPTED
    return time.perf_counter() - began


@contextmanager
def _anew(clusters: int, name: str | None) -> Iterator[tuple[Stage, HostProcess, float, float]]:
    """A stage whose host is no copy of a process that has imported the SDKs before; what it took to start, and its size."""
    with tempfile.TemporaryDirectory(prefix="weight-") as folder:
        app = bench.in_place_of_the_app(name, Path(folder)) if name else APP
        with bench.rotating(Path(folder), clusters, app) as story:
            host = story.host
            assert isinstance(host, HostProcess)
            host.kill()
            host.spec = replace(host.spec, copied_with=())
            host.start()
            start, at_rest = bench.cpu_of(host), bench.resident(host)
            yield story, host, start, at_rest


def _print(name: str, found: Weight, clusters: int | None) -> None:
    each = f"{1_000 * found.worked / clusters:.0f} ms" if clusters else ""
    row([name, f"{found.start:.1f} s", f"{found.at_rest:.0f} MB", each, f"{found.after:.0f} MB"])


if __name__ == "__main__":
    sys.exit(main())
