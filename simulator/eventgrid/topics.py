"""An Event Grid custom topic: takes events in, for tests and stories to look at.

From the Event Grid REST reference (Publish Events) and "Authenticate clients publishing events". 413 is for more than
1 MB in a request.
"""

import base64
import hmac
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator.entra import identity
from simulator.entra.rights import Rights
from simulator.entra.tenants import Tenants

AUDIENCE = "https://eventgrid.azure.net"
"""What the SDK asks a token for, in every cloud."""

_LIMIT = 1_048_576
_CLOUD_EVENTS = "application/cloudevents-batch+json"
_REQUIRED = {
    True: {"id", "source", "specversion", "type"},
    False: {"id", "subject", "eventType", "eventTime", "data", "dataVersion"},
}


@dataclass(slots=True)
class Topic:
    """A service for the one host that the topic lives at."""

    name: str
    host: str
    resource_id: str
    rights: Rights
    tenants: Tenants
    cloud_events: bool = True
    """The topic's input schema: CloudEvents 1.0, or the Event Grid schema."""
    local_authentication: bool = True
    """Whether the topic's key is accepted beside tokens."""
    key: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())
    events: list[dict[str, Any]] = field(default_factory=list)
    """Everything accepted, in the order of arrival, repeats and all."""

    @property
    def endpoint(self) -> str:
        """Where to publish."""
        return f"https://{self.host}/api/events"

    def __call__(self, request: Request) -> Response:
        """Answer `POST /api/events`."""
        if request.path != "/api/events" or request.method != "POST":
            return _refusal(404, "NotFound", "There is nothing at this path.")
        sent_key = request.headers.get("aeg-sas-key")
        token = identity.authorize(request, {AUDIENCE})
        if sent_key is not None:
            if not self.local_authentication or not hmac.compare_digest(sent_key.encode(), self.key.encode()):
                return _refusal(401, "Unauthorized", "The request authorization key is not authorized.")
        elif token is None or token.tenant != self.tenants.of(self.resource_id):
            return _refusal(401, "Unauthorized", "The request did not contain a valid token.")
        elif not self.rights.allows(token.principal, "Microsoft.EventGrid/events/send/action", self.resource_id):
            return _refusal(403, "Forbidden", "The principal may not send events to this topic.")
        if (request.content_length or 0) > _LIMIT:
            return _refusal(413, "PayloadTooLarge", "The request is larger than 1 MB.")
        return self._take(request)

    def _take(self, request: Request) -> Response:
        events = request.get_json(force=True, silent=True)
        in_schema = (request.mimetype == _CLOUD_EVENTS) == self.cloud_events
        required = _REQUIRED[self.cloud_events]
        if not in_schema or not isinstance(events, list) or not all(_has(event, required) for event in events):
            return _refusal(400, "BadRequest", "The events are not in the topic's input schema.")
        self.events.extend(events)
        return Response("", 200)


def _has(event: Any, names: set[str]) -> bool:
    return isinstance(event, dict) and names <= event.keys()


def _refusal(status: int, code: str, message: str) -> Response:
    body = json.dumps({"error": {"code": code, "message": message}})
    return Response(body, status, content_type="application/json; charset=utf-8")
