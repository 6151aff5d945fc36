"""`python -m tests.e2e.years`: what a look at a whole fleet takes, new and after years of monthly rotations.

The timer's run and `status`, which both read what is on record of all clusters. The years are written into the table, as the
product writes them. Requests, rows and bytes are counted; times are of this machine and this moment.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched, pairwise
from pathlib import Path

from azure.data.tables import TableClient

from cmk_rotation.adapters import rotations_rows
from cmk_rotation.domain.identifiers import ClusterId
from cmk_rotation.domain.rotation import Attempt, Outcome, Rotation, Step
from cmk_rotation.domain.vocabulary import Reason, RequestedBy, Stage
from simulator.azure import Azure
from simulator.host.process import HostProcess
from simulator.operationalinsights.clusters import Cluster
from simulator.wire.exchanges import Exchange
from tests.e2e import operators
from tests.e2e.bench import FOR_EACH_SUBSCRIPTION, cpu_of, resident, subscriptions
from tests.e2e.costs import MONTH, SETTLES_WITHIN, row
from tests.e2e.stage import stage

STEPS = ("claimed", "accepted", "progress", "finished")
"""The history of one rotation."""
MOST_IN_A_TRANSACTION = 100
FLEETS = ((1_000, 10, 0), (200, 10, 0), (200, 10, 60))
"""Clusters, keys, and months on record."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a fleet took."""

    requests: int
    rows: int
    """Of the table, that were read."""
    table_bytes: int
    seconds: float
    """Of real time."""
    cpu: float
    """Seconds of the process that looked."""
    resident: float | None = None
    """Megabytes, afterwards."""


def looks(folder: Path, clusters: int, keys: int, months: int) -> tuple[Look, Look]:
    """The timer's run, and `status`, of a fleet that is at rest."""
    scopes = ",".join(f"/subscriptions/{one}" for one in subscriptions(clusters))
    with stage(folder, build=fleet(clusters, keys), settings={"CLUSTER_SCOPES": scopes}) as story:
        assert isinstance(story.host, HostProcess)
        host = story.host
        story.reconcile()
        story.quiet(SETTLES_WITHIN)
        with operators.reached(story.azure):
            table = TableClient.from_connection_string(story.account.connection_string, "rotations")
            now = story.azure.clock.now()
            for cluster in story.azure.arm.clusters.values():
                plant(table, years(cluster, months, now))
        story.reconcile()  # The first run after this process has started would be measured with what it has to import.
        timer = _look(story.azure, story.reconcile, lambda: cpu_of(host), lambda: resident(host))
        environment = {"AzureWebJobsStorage": story.account.connection_string, "CLUSTER_SCOPES": scopes}

        def status() -> None:
            done = operators.run(story.azure, "status", **environment)
            assert done.returncode == 0, done.stderr
            assert done.stdout.count("up-to-date") >= clusters

        return timer, _look(story.azure, status, _cpu_of_children, lambda: None)


def fleet(clusters: int, keys: int) -> Callable[[Azure], None]:
    """Some clusters on some keys, five in each subscription, the most that Azure allows in a region."""

    def build(azure: Azure) -> None:
        for number in range(keys):
            azure.add_key("contoso", f"key-{number}")
        for number, subscription in enumerate(
            one for one in subscriptions(clusters) for _ in range(FOR_EACH_SUBSCRIPTION)
        ):
            if number < clusters:
                key = azure.pinned("contoso", f"key-{number % keys}")
                azure.add_cluster(f"cluster-{number:04}", key=key, subscription=subscription)

    return build


def years(cluster: Cluster, months: int, now: datetime) -> Iterable[tuple[Rotation, list[Step]]]:
    """A rotation a month, until the one that led to the version that the cluster is on, with the history of each."""
    cluster_id, key = ClusterId.parse(cluster.id), cluster.key
    assert cluster_id is not None
    assert key is not None
    versions = [f"{number:032x}" for number in range(months, 0, -1)]
    for number, (before, after) in enumerate(pairwise([*versions, f"{0:032x}"])):
        ended = now - timedelta(seconds=(months - number) * MONTH)
        attempt = Attempt(id=f"{number:032x}", started_at=ended, accepted_at=ended, operation_id=f"{number:032x}")
        outcome = Outcome(finished_at=ended, keep_old_version_until=ended, announced=True, published=True)
        rotation = Rotation(
            cluster_id=cluster_id,
            key_vault_uri=key.vault_uri,
            key_name=key.name,
            from_version=before,
            to_version=after,
            to_version_created_at=ended,
            stage=Stage.SUCCEEDED,
            reason=Reason.UPDATE_CONFIRMED,
            message=f"{cluster_id.name}: key {key.name}, {before} → {after}: the cluster is on the new version",
            remedy="Nothing to do. Keep the old version enabled for as long as keepOldVersionUntil says.",
            requested_at=ended,
            requested_by=RequestedBy.EVENT,
            attempts=1,
            attempt=attempt,
            outcome=outcome,
        )
        yield rotation, [Step(name, ended + timedelta(seconds=at), rotation) for at, name in enumerate(STEPS)]


def plant(table: TableClient, rotations: Iterable[tuple[Rotation, list[Step]]]) -> None:
    """Write them into the table, as the product does."""
    rows = (
        one
        for rotation, steps in rotations
        for one in (rotations_rows.from_rotation(rotation), *map(rotations_rows.from_step, steps))
    )
    for some in batched(rows, MOST_IN_A_TRANSACTION, strict=False):
        table.submit_transaction([("upsert", one) for one in some])


def _look(azure: Azure, look: Callable[[], None], cpu: Callable[[], float], weight: Callable[[], float | None]) -> Look:
    seen, before, began = len(azure.exchanges), cpu(), time.monotonic()
    look()
    seconds, took = time.monotonic() - began, cpu() - before
    exchanges = [one for one in azure.exchanges[seen:] if not _is_the_host(one)]
    table = [one for one in exchanges if one.host.startswith("cmkrotation.table")]
    return Look(
        requests=len(exchanges),
        rows=sum(one.response_body.count(b'"RowKey"') for one in table if one.method == "GET"),
        table_bytes=sum(len(one.request_body) + len(one.response_body) for one in table),
        seconds=seconds,
        cpu=took,
        resident=weight(),
    )


def _is_the_host(exchange: Exchange) -> bool:
    """Whether the host asked, for its own sake."""
    return exchange.host.startswith(("cmkrotation.blob", "cmkrotation.queue"))


def _cpu_of_children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.years", description="What a look at a fleet takes.")
    parser.add_argument("--fleet", type=int, nargs=3, action="append", metavar=("CLUSTERS", "KEYS", "MONTHS"))
    row(["fleet at rest", "look", "requests", "rows read", "table traffic", "time", "CPU", "resident"])
    row(["---"] * 8)
    for clusters, keys, months in parser.parse_args().fleet or FLEETS:
        with tempfile.TemporaryDirectory(prefix="years-") as folder:
            timer, status = looks(Path(folder), clusters, keys, months)
        heading = f"{clusters:,} clusters on {keys} keys, {months} months on record"
        for name, found in (("the timer's run", timer), ("`status`", status)):
            times = [f"{found.seconds:.1f} s", f"{found.cpu:.1f} s"]
            weight = f"{found.resident:.0f} MB" if found.resident is not None else ""
            row(
                [
                    heading,
                    name,
                    f"{found.requests}",
                    f"{found.rows:,}",
                    f"{found.table_bytes / 1e6:.1f} MB",
                    *times,
                    weight,
                ]
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
