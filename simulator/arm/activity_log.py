"""The activity log: who changed what through Resource Manager, and how it ended.

From "Azure activity log event schema" (category Administrative: the start, and the success or failure, of each write, delete
and action), and the REST reference "Activity Logs - List", whose `$filter` allows few patterns; the Azure CLI (2.91) writes
`resourceId` where that says `resourceUri`. What is done to keys is in the vault's audit log and not here. Guesses: that
requests which were refused for want of a right are logged too; how late a line is seen.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from werkzeug.wrappers import Request, Response

from simulator.arm.answers import SUBSCRIPTION, ArmError, Handler, answer, check_method, check_right
from simulator.clock import iso
from simulator.entra.identity import principal_id
from simulator.entra.roles import within
from simulator.operationalinsights.behaviour import Outcome
from simulator.state import State

_SEEN_AFTER_SECONDS = 180.0
"""A line is seen only minutes after it was written."""
_KEPT_SECONDS = 90 * 86_400.0
_VERBS = {"PUT": "write", "PATCH": "write", "DELETE": "delete", "POST": "action"}
_BOUND = re.compile(r"eventTimestamp (ge|le) '?([^' ]+)'?")
_ONLY = re.compile(
    r"(resourceGroupName|resourceUri|resourceId|resourceProvider|correlationId|caller|status) eq '([^']*)'"
)


@dataclass(frozen=True, slots=True)
class _Change:
    """A request that was to change something."""

    at: float
    """Simulated seconds since the epoch."""
    method: str
    path: str
    caller: str
    """An object id."""
    client_request_id: str
    correlation_id: str
    status: int
    error: str
    """The answer's body, if it is an error."""
    operation: str
    """The id of the operation that it began; empty if it was done at once."""


class ActivityLog:
    """What was done, and the handler for the path where it is listed."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._changes: list[_Change] = []

    def routes(self) -> Mapping[str, Handler]:
        """Handlers by the pattern of their paths."""
        return {rf"{SUBSCRIPTION}/providers/Microsoft\.Insights/eventtypes/management/values": self._list}

    def note(self, request: Request, response: Response, principal: str) -> None:
        """Take down a request by somebody who is signed in, and how it was answered."""
        turned_away = response.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS}
        if turned_away or request.method not in _VERBS or not request.path.lower().startswith("/subscriptions/"):
            return
        url = response.headers.get("Azure-AsyncOperation") or response.headers.get("Location") or ""
        sent = request.headers
        self._changes.append(
            _Change(
                self.state.arm.clock.timestamp(),
                request.method,
                request.path.rstrip("/"),
                principal_id(principal),
                sent.get("x-ms-client-request-id", ""),
                response.headers["x-ms-correlation-request-id"],
                response.status_code,
                response.get_data(as_text=True) if response.status_code >= HTTPStatus.BAD_REQUEST else "",
                url.partition("?")[0].rpartition("/")[2] if response.status_code < HTTPStatus.BAD_REQUEST else "",
            )
        )

    def _list(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "GET")
        filter_ = request.args.get("$filter", "")
        bounds = {which: _time(text) for which, text in _BOUND.findall(filter_)}
        now = self.state.arm.clock.timestamp()
        if "ge" not in bounds:
            raise ArmError(400, "BadRequest", "The $filter argument requires at least the start date and time.")
        if bounds["ge"] < now - _KEPT_SECONDS:
            raise ArmError(400, "BadRequest", "The start time cannot be more than 90 days in the past.")
        only = dict(_ONLY.findall(filter_))
        scope = only.get("resourceUri") or only.get("resourceId") or f"/subscriptions/{path['subscription']}"
        check_right(self.state.rights, principal, "Microsoft.Insights/eventtypes/values/read", scope)
        until = min(bounds.get("le", now) + self.state.arm.callers_are_late(), now - _SEEN_AFTER_SECONDS)
        events = [
            event
            for event in self._events(now)
            if bounds["ge"] <= event["_at"] <= until and within(event["resourceId"], scope) and _wanted(event, only)
        ]
        events.sort(key=lambda event: event["_at"])
        newest_first = [{name: value for name, value in one.items() if name != "_at"} for one in reversed(events)]
        return answer({"value": newest_first})

    def _events(self, now: float) -> Iterator[dict[str, Any]]:
        for change in self._changes:
            yield _event(change, change.at, "Started", "")
            if change.status >= HTTPStatus.BAD_REQUEST:
                yield _event(change, change.at, "Failed", change.error)
                continue
            operation = self.state.arm.operations.get(change.operation)
            if operation is None:
                yield _event(change, change.at, "Succeeded", "")
                continue
            yield _event(change, change.at, "Accepted", "")
            if now >= operation.ends:
                error = dict(zip(("code", "message"), operation.error or ("", ""), strict=True))
                done = operation.outcome is Outcome.SUCCEEDED
                yield _event(
                    change,
                    operation.ends,
                    "Succeeded" if done else "Failed",
                    "" if done else json.dumps({"error": error}),
                )


def _wanted(event: Mapping[str, Any], only: Mapping[str, str]) -> bool:
    has = {
        "resourceGroupName": event["resourceGroupName"],
        "resourceProvider": event["resourceProviderName"]["value"],
        "correlationId": event["correlationId"],
        "caller": event["caller"],
        "status": event["status"]["value"],
    }
    return all(has[name].lower() == wanted.lower() for name, wanted in only.items() if name in has)


def _event(change: _Change, at: float, status: str, error: str) -> dict[str, Any]:
    group = re.match(rf"{SUBSCRIPTION}(?:/resourceGroups/([^/]+))?", change.path, re.IGNORECASE)
    # An extension, such as tags or a role assignment, is logged with what it is about.
    resource, _, extension = change.path.rpartition("/providers/")
    action = f"{_type_of(extension)}/{_VERBS[change.method]}"
    about = resource if "/providers/" in resource else change.path
    code = HTTPStatus(change.status)
    sub = f"{code.phrase} (HTTP Status Code: {code.value})"
    id_ = str(uuid5(NAMESPACE_OID, f"{change.correlation_id}{change.at}{status}"))
    return {
        "_at": at,
        "authorization": {"action": action, "scope": change.path},
        "caller": change.caller,
        "category": _text("Administrative"),
        "correlationId": change.correlation_id,
        "eventDataId": id_,
        "eventName": _text("BeginRequest" if status == "Started" else "EndRequest"),
        "eventTimestamp": iso(at),
        "httpRequest": {"clientRequestId": change.client_request_id, "method": change.method},
        "id": f"{change.path}/events/{id_}/ticks/{int(at * 10_000_000)}",
        "level": "Error" if status == "Failed" else "Informational",
        "operationId": change.correlation_id,
        "operationName": _text(action),
        "properties": {"statusCode": code.phrase, **({"statusMessage": error} if error else {}), "entity": change.path},
        "resourceGroupName": (group[2] or "") if group else "",
        "resourceId": about,
        "resourceProviderName": _text(extension.partition("/")[0]),
        "resourceType": _text(_type_of(extension)),
        "status": _text(status),
        "subStatus": {
            "value": "" if status == "Started" else code.phrase,
            "localizedValue": "" if status == "Started" else sub,
        },
        "submissionTimestamp": iso(at + _SEEN_AFTER_SECONDS),
        "subscriptionId": group["subscription"] if group else "",
    }


def _type_of(below_providers: str) -> str:
    """A resource's type of its path below `/providers/`: the namespace, and each other segment after it."""
    namespace, *segments = below_providers.split("/")
    return "/".join([namespace, *segments[::2]])


def _text(value: str) -> dict[str, str]:
    return {"value": value, "localizedValue": value}


def _time(text: str) -> float:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ArmError(400, "BadRequest", f"'{text}' in $filter is no time.") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
