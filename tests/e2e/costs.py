"""`python -m tests.e2e.costs`: what a rotation asks of Azure, for each cluster of a small fleet and of a large one.

It counts on a clock that waits, so that it is the same whenever it is run. `test_costs.py` holds what it finds.
"""

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from simulator.azure import Azure
from simulator.operationalinsights.behaviour import Behaviour
from simulator.wire.exchanges import Exchange
from tests.e2e.stage import Stage, stage

OPERATION_SECONDS = 10.0
SETTLES_WITHIN = 400.0
"""Simulated seconds from the last cluster's end until no message is left."""
MONTH = 30 * 86_400.0
"""Simulated seconds from one of the rotations before to the next."""
_KINDS = (
    ("the host polls the queue", "GET", r"/cluster-visits(-poison)?/messages$"),
    ("the host takes a message off the queue", "DELETE", r"/cluster-visits/messages/"),
    ("the host passes an event on", "POST", r"/cluster-visits/messages$"),
    ("list the clusters of a scope", "GET", r"/providers/microsoft\.operationalinsights/clusters$"),
    ("read the cluster", "GET", r"/clusters/[^/]+$"),
    ("send the update", "PATCH", r"/clusters/[^/]+$"),
    ("read the operation", "GET", r"/operationstatuses/"),
    ("list the key's versions", "GET", r"/keys/[^/]+/versions$"),
    ("read the record", "GET", r"/rotations\(\)$"),
    ("write the record, with a line of history", "POST", r"/\$batch$"),
    ("write one row", "PUT", r"/rotations\("),
    ("take a row out of the index", "DELETE", r"/rotations\("),
)
_REQUEST = "request a visit"
KNOWN = frozenset({_REQUEST, *(name for name, _, _ in _KINDS)})
"""What all requests of a rotation are for."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What a rotation of some clusters asked of Azure, from the event to the last message."""

    clusters: int
    requests: Counter[str]
    """By what they are for."""
    rows_read: int
    table_bytes: int
    """In the bodies of requests and answers."""

    @property
    def for_each(self) -> float:
        """The product's own requests for each cluster, without those that one event causes once."""
        once = {"list the clusters of a scope"}
        own = (count for kind, count in self.requests.items() if not kind.startswith("the host") and kind not in once)
        return sum(own) / self.clusters


def count(
    folder: Path, clusters: int, *, rotations_before: int = 0, update_seconds: float = OPERATION_SECONDS
) -> Costs:
    """Rotate a key that some clusters use, and count."""
    with stage(
        folder, behaviour=Behaviour(update_seconds=update_seconds, retry_after=10), build=fleet(clusters)
    ) as story:
        story.reconcile()  # Each cluster's first visit; the first of a process makes the table, and asks for tokens.
        story.quiet(SETTLES_WITHIN)
        for _ in range(rotations_before):
            follow(story, story.rotate())
            story.quiet(MONTH)
        before = len(story.azure.exchanges)
        follow(story, story.rotate())
        story.quiet(SETTLES_WITHIN)
        return _costs(clusters, story.azure.exchanges[before:])


def follow(story: Stage, new: str) -> None:
    """Wait until each cluster has followed."""
    for cluster in story.azure.arm.clusters.values():
        story.finished(cluster, new)


def kind_of(exchange: Exchange) -> str:
    """What a request is for."""
    path = exchange.path.lower()
    if exchange.host.startswith("cmkrotation.queue") and exchange.method == "POST" and exchange.query:
        return _REQUEST
    found = (name for name, method, pattern in _KINDS if method == exchange.method and re.search(pattern, path))
    return next(found, f"{exchange.method} {exchange.host}{exchange.path}")


def fleet(clusters: int) -> Callable[[Azure], None]:
    """Some clusters on one key."""

    def build(azure: Azure) -> None:
        for number in range(clusters):
            azure.add_cluster(f"cluster-{number:04}", key=azure.pinned("contoso", "la-cmk"))

    return build


def _costs(clusters: int, exchanges: Iterable[Exchange]) -> Costs:
    requests: Counter[str] = Counter()
    rows = sent = 0
    for exchange in exchanges:
        requests[kind_of(exchange)] += 1
        if exchange.host.startswith("cmkrotation.table"):
            rows += exchange.response_body.count(b'"RowKey"') if exchange.method == "GET" else 0
            sent += len(exchange.request_body) + len(exchange.response_body)
    return Costs(clusters, requests, rows, sent)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.costs", description="What a rotation costs.")
    parser.add_argument("--clusters", type=int, nargs="+", default=[1, 10, 100, 1_000])
    parser.add_argument(
        "--before", type=int, nargs="+", default=[0, 12, 60], help="monthly rotations on record before, of one cluster"
    )
    options = parser.parse_args()
    counted = [_counted(clusters) for clusters in options.clusters]
    counted += [_counted(1, before) for before in options.before if before]
    kinds = sorted({kind for costs, _ in counted for kind in costs.requests}, key=_place)
    row(["requests for each cluster", *(heading for _, heading in counted)])
    row(["---"] * (len(counted) + 1))
    for kind in kinds:
        row([kind, *(f"{costs.requests[kind] / costs.clusters:.4g}" for costs, _ in counted)])
    row(["**of the product's own**", *(f"**{costs.for_each:.4g}**" for costs, _ in counted)])
    row(["rows of the table that are read", *(f"{costs.rows_read / costs.clusters:.3g}" for costs, _ in counted)])
    row(["table traffic", *(f"{costs.table_bytes / costs.clusters / 1_000:.0f} kB" for costs, _ in counted)])
    return 0


def _counted(clusters: int, before: int = 0) -> tuple[Costs, str]:
    with tempfile.TemporaryDirectory(prefix="costs-") as folder:
        heading = f"{clusters} cluster{'s' if clusters > 1 else ''}" + (f", {before} months before" if before else "")
        return count(Path(folder), clusters, rotations_before=before), heading


def _place(kind: str) -> int:
    return next((place for place, known in enumerate(_KINDS) if known[0] == kind), len(_KINDS))


def row(cells: Sequence[str]) -> None:
    """Print a line of a table."""
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
