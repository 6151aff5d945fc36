"""Outcomes of rotations, to an Event Grid custom topic."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from azure.eventgrid import EventGridPublisherClient

from cmk_rotation.adapters.errors import TIMEOUTS, patiently, translated

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

EVENT_TYPE = "CmkRotation.RotationFinished"


class TopicOutcomes:
    """`ports.Outcomes` over azure-eventgrid."""

    def __init__(self, endpoint: str, app_name: str, credential: "TokenCredential") -> None:
        self._client = EventGridPublisherClient(endpoint, credential)
        self._source = f"/cmk-rotation/{app_name}"

    def publish(self, *, id: str, subject: str, time: datetime, data: Mapping[str, object]) -> None:  # noqa: A002 - CloudEvents' own word
        """Publish one CloudEvent. One that arrives twice has the same source and id, by which CloudEvents are told apart."""
        # A dict, because the client takes what it is told of one request for attributes of a `CloudEvent` too.
        event = {
            "specversion": "1.0",
            "type": EVENT_TYPE,
            "source": self._source,
            "id": id,
            "subject": subject,
            "time": time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "data": dict(data),
        }

        def send() -> None:
            with translated():
                # The client's constructor drops what it is told of retries and timeouts.
                self._client.send(event, retry_total=0, permit_redirects=False, **TIMEOUTS)

        patiently(send)
