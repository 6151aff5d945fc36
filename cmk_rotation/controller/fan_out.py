"""From a key to its clusters: an event names the key, and each cluster that uses it gets a visit of its own."""

from cmk_rotation.controller.ports import World
from cmk_rotation.controller.side_by_side import request_all
from cmk_rotation.controller.survey import survey
from cmk_rotation.controller.visit import reject
from cmk_rotation.domain import log_events
from cmk_rotation.domain.timing import CALL_OUT_AFTER, plausible, unavailable_backoff
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import FailureKind


def key_changed(world: World, request: VisitRequest) -> None:
    """Request a visit to each cluster in scope that uses the key. May raise `StorageUnavailableError`."""
    if request.key is None:
        reject(world, "the message names no key")
        return
    found = survey(world)
    using = [cluster for cluster in found.clusters.values() if cluster.key == request.key]
    now = world.now()
    visits = [VisitRequest(request.by, now, cluster=one.id, event_id=request.event_id) for one in using]
    request_all(world, visits)
    elapsed = world.now() - (plausible(request.requested_at, latest=world.now()) or world.now())
    unavailable = [failure for failure in found.failed.values() if failure.kind is FailureKind.UNAVAILABLE]
    again = bool(unavailable) and elapsed < CALL_OUT_AFTER
    if again:
        # Later than that, reconcile has found them, and has called out the scope.
        longest = max(unavailable, key=lambda failure: unavailable_backoff(elapsed, failure.retry_after))
        world.requests.request(request, unavailable_backoff(elapsed, longest.retry_after))
    names = sorted(cluster.id.name for cluster in using)
    world.log(log_events.key_matched(request.key, request.event_id, names, asked_again=again))
