"""Messages on the queue, as JSON. What comes from there is believed only about where to look."""

import json
from dataclasses import dataclass
from datetime import datetime

from cmk_rotation.domain.identifiers import ClusterId, Key
from cmk_rotation.domain.instants import from_iso, iso
from cmk_rotation.domain.redaction import one_line
from cmk_rotation.domain.timing import CLOCKS_DIFFER
from cmk_rotation.domain.vocabulary import RequestedBy


@dataclass(frozen=True, slots=True)
class VisitRequest:
    """A message on the queue: where to look, and who asked. Nothing else in it is believed."""

    by: RequestedBy
    requested_at: datetime
    cluster: ClusterId | None = None
    key: Key | None = None
    event_id: str | None = None
    enqueued_at: datetime | None = None
    """When the queue took the message, by the queue's own clock: what a sender cannot choose. It is not in the message."""


@dataclass(frozen=True, slots=True)
class PoisonQueue:
    """What lies in `cluster-visits-poison`: what can be read there is taken out at once, the rest nobody ever sees.

    Since when cannot be asked of the messages: the host takes each again and again, and while it has them they are hidden. So
    whoever finds some first writes the time down at the queue.
    """

    messages: int
    """About how many, hidden ones included; the queue's own count is an estimate."""
    since: datetime | None = None
    """Since when there has been one each time that somebody looked, as it was written down."""


def to_text(visit: VisitRequest) -> str:
    """Write a request down."""
    target: dict[str, object] = {}
    if visit.cluster is not None:
        target["cluster"] = visit.cluster.text
    if visit.key is not None:
        target["key"] = {"vault": visit.key.vault, "name": visit.key.name}
    return json.dumps({**target, "by": visit.by, "eventId": visit.event_id, "requestedAt": iso(visit.requested_at)})


def from_text(text: str, now: datetime, enqueued_at: datetime | None = None) -> VisitRequest | str:
    """Read a request, or say what is wrong with it.

    It must name one cluster or one key. Who asked and when are taken if they make sense: an unknown `by` counts as
    `reconcile`, which skips nothing, and a time that is missing or yet to come as now.
    """
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return "the message is not JSON"
    if not isinstance(message, dict):
        return "the message is not a JSON object"
    cluster, key = message.get("cluster"), message.get("key")
    if (cluster is None) == (key is None):
        return "the message must name either a cluster or a key"
    visit = VisitRequest(
        by=_requested_by(message.get("by")),
        requested_at=_requested_at(message.get("requestedAt"), now),
        cluster=ClusterId.parse(cluster),
        key=Key.of(key.get("vault"), key.get("name")) if isinstance(key, dict) else None,
        event_id=_event_id(message.get("eventId")),
        enqueued_at=enqueued_at,
    )
    if cluster is not None and visit.cluster is None:
        return f"the message names no dedicated cluster: {one_line(cluster)}"
    if key is not None and visit.key is None:
        return f"the message names no key: {one_line(key)}"
    return visit


def _requested_by(word: object) -> RequestedBy:
    return RequestedBy(word) if isinstance(word, str) and word in set(RequestedBy) else RequestedBy.RECONCILE


def _requested_at(text: object, now: datetime) -> datetime:
    at = from_iso(text)
    # Unchanged where it makes sense: a visit that is due is known by when it was requested, and clocks differ.
    return at if at is not None and at <= now + CLOCKS_DIFFER else now


def _event_id(text: object) -> str | None:
    return one_line(text) or None if isinstance(text, str) else None
