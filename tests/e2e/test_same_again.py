"""The same story told twice is the same: for each cluster, the same requests at the same simulated times."""

import base64
import re
from collections import defaultdict
from pathlib import Path

from simulator.azure import Azure
from simulator.operationalinsights.behaviour import Behaviour
from simulator.wire.exchanges import Exchange
from simulator.wire.faults import Fault, FaultKind
from tests.e2e.stage import stage

CLUSTERS = 6
_IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}")


def build(azure: Azure) -> None:
    for number in range(CLUSTERS):
        azure.add_cluster(f"cluster-{number}", key=azure.pinned("contoso", "la-cmk"))


def about(exchange: Exchange) -> str | None:
    """The cluster that a request names, in its path, in a row or in a message."""
    text = exchange.path + exchange.request_body.decode(errors="replace")
    if message := re.search(r"<MessageText>(.*)</MessageText>", text):
        text = base64.b64decode(message[1]).decode()
    found = re.search(r"clusters[/|](cluster-\d)", text, re.IGNORECASE)
    return found[1].lower() if found else None


def told(folder: Path) -> tuple[dict[str, list[str]], list[str]]:
    """A day with a rotation, faults, a lost message, a crash and a reconcile every ten minutes, as ARM and storage saw it."""
    behaviour = Behaviour(update_seconds=1_500, retry_after=30)
    settings = {"RECONCILE_SCHEDULE": "0 */10 * * * *"}
    with stage(folder, behaviour=behaviour, build=build, settings=settings) as story:
        start = story.azure.clock.timestamp()
        first, second, *_ = story.azure.arm.clusters.values()
        story.azure.faults.add(
            Fault(kind=FaultKind.HANG_AFTER, method="PATCH", path=first.id, seconds=80),
            Fault(kind=FaultKind.ANSWER, method="PATCH", path=second.id, status=429, headers={"Retry-After": "60"}),
        )
        story.account.queues.lose_next()
        new = story.rotate()
        story.quiet(700)
        story.host.restart()
        for cluster in story.azure.arm.clusters.values():
            assert story.finished(cluster, new)["stage"] == "succeeded"
        story.quiet(6 * 3_600)
        seen = defaultdict(list)
        for exchange in story.azure.exchanges:
            if cluster_name := about(exchange):
                at = exchange.at.timestamp() - start
                path = _IDS.sub("#", exchange.path)
                seen[cluster_name].append(f"{at:.6f} {exchange.method} {exchange.host} {path} {exchange.status}")
        lines = [f"{line['time']} {line['event']} {line.get('clusterId')}" for line in story.lines("rotation.finished")]
        return seen, sorted(lines)


def test_a_story_told_again_is_the_same_for_each_cluster(tmp_path: Path) -> None:
    once, again = told(tmp_path / "once"), told(tmp_path / "again")
    assert len(once[0]) == CLUSTERS
    assert all(len(seen) > 50 for seen in once[0].values())
    assert once == again
