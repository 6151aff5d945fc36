"""Event subscriptions: what is delivered, where to, and how it is written there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Schema(StrEnum):
    """How an event is written in a delivery."""

    EVENT_GRID = "EventGridSchema"
    CLOUD_EVENTS = "CloudEventSchemaV1_0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What is delivered, and where to."""

    source: str
    """The ARM id of the vault."""
    url: str
    """The webhook of the Functions host, with the function's name and the key in its query."""
    name: str = "key-events"
    function_id: str | None = None
    """The ARM id of the function, for an endpoint of the type AzureFunction: Event Grid finds its URL by itself."""
    schema: Schema = Schema.EVENT_GRID
    event_types: frozenset[str] = frozenset(
        {
            "Microsoft.KeyVault.KeyNewVersionCreated",
            "Microsoft.KeyVault.KeyNearExpiry",
            "Microsoft.KeyVault.KeyExpired",
        }
    )
    max_attempts: int = 30
    ttl_seconds: float = 86_400.0
    """Simulated; looked at only when the next try is due."""
    dead_letter: bool = False
    """Whether an event that is given up is kept. Off by default in Azure too."""


def written(event: Mapping[str, Any], subscription: Subscription) -> tuple[bytes, str]:
    """An event as a delivery's body and content type: the Event Grid schema goes in an array, a CloudEvent alone."""
    if subscription.schema is Schema.CLOUD_EVENTS:
        return json.dumps({**event, "specversion": "1.0"}).encode(), "application/cloudevents+json; charset=utf-8"
    body = {
        "id": event["id"],
        "topic": event["source"],
        "subject": event["subject"],
        "eventType": event["type"],
        "eventTime": event["time"],
        "data": event["data"],
        "dataVersion": "1",
        "metadataVersion": "1",
    }
    return json.dumps([body]).encode(), "application/json; charset=utf-8"
