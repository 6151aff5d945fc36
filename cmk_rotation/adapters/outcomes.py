"""Outcomes of rotations, to an Event Grid custom topic."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridPublisherClient

from cmk_rotation.adapters.audiences import EVENT_GRID, OneAudience
from cmk_rotation.adapters.errors import TIMEOUTS, patiently, translated
from cmk_rotation.adapters.wire import its_own

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

EVENT_TYPE = "CmkRotation.RotationFinished"


class TopicOutcomes:
    """`ports.Outcomes` over azure-eventgrid."""

    def __init__(self, endpoint: str, app_name: str, credential: "TokenCredential") -> None:
        self._client = EventGridPublisherClient(endpoint, OneAudience(credential, EVENT_GRID))
        self._source = f"/cmk-rotation/{app_name}"

    def publish(self, *, id: str, subject: str, time: datetime, data: Mapping[str, object]) -> None:  # noqa: A002 - CloudEvents' own word
        """Publish one CloudEvent. One that arrives twice has the same source and id, by which CloudEvents are told apart."""
        event = CloudEvent(self._source, EVENT_TYPE, id=id, subject=subject, time=time, data=dict(data))

        def send() -> None:
            with translated():
                # The constructor drops what it is told of retries, timeouts and transports, so each request is told.
                self._client.send(event, retry_total=0, permit_redirects=False, auth=its_own, **TIMEOUTS)

        patiently(send)
