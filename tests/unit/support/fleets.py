"""Fleets of fakes, and what is asked of them often."""

from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.vocabulary import Mode
from tests.unit.support.builders import (
    HOUR,
    cluster,
    cluster_id,
)
from tests.unit.support.worlds import Fakes


def fleet(size: int, fakes: Fakes | None = None) -> Fakes:
    """As many clusters, all on V1 of one key."""
    fakes = fakes or Fakes()
    clusters = [cluster(id=cluster_id(f"law-{number}")) for number in range(size)]
    fakes.clusters.stored = {one.id: one for one in clusters}
    return fakes


def settled(*, mode: Mode = Mode.ENFORCE) -> Fakes:
    """A cluster that was moved to V2 and has been seen to be there."""
    fakes = Fakes()
    fakes.visit()
    fakes.run(2 * HOUR)
    fakes.requests.requested.clear()
    fakes.mode = mode
    return fakes


def requested(fakes: Fakes) -> int:
    """How many visits one run of the timer requests."""
    before = len(fakes.requests.requested)
    fakes.reconcile()
    return len(fakes.requests.requested) - before


def summary(fakes: Fakes) -> dict[str, object]:
    return dict(fakes.log.of(LogEvent.RECONCILE_FINISHED)[-1].fields)
