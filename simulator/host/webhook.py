"""The host's own HTTP surface: the Event Grid webhook and two admin routes.

After EventGridExtensionConfigProvider and HttpRequestProcessor of the Event Grid extension (Azure/azure-sdk-for-net) and
https://learn.microsoft.com/azure/azure-functions/functions-manually-run-non-http.
"""

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator.clock import Clock
from simulator.host.drain import Drain
from simulator.host.invocations import BoundFunction, Invocations
from simulator.host.logs import HOST_THREAD
from simulator.host.runtime import Message

_ORIGINS = {
    "eventgrid.azure.net",
    "eventgrid.azure.us",
    "eventgrid.azure.cn",
    "eventgrid.azure.eaglex.ic.gov",
    "eventgrid.azure.microsoft.scloud",
}
"""Event Grid's origin in each cloud, for the CloudEvents validation handshake."""
_PUBLIC_ORIGIN = "eventgrid.azure.net"
_DEEPEST = 64
"""Levels of nesting that Newtonsoft.Json reads."""
_MOST_AT_ONCE = 32
"""Events of one POST that are handed to the worker at the same time; the real host has no limit."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Answers what Event Grid and an administrator send. Functions in error are not among its functions."""

    functions: Mapping[str, BoundFunction]
    errors: Mapping[str, str]
    """Functions in error, and why."""
    by_hand: Mapping[str, Callable[[str], object]]
    """Starts a function with the `input` of an admin request."""
    invocations: Invocations
    clock: Clock
    drain: Drain
    background: ThreadPoolExecutor
    event_grid_key: str
    """The system key `eventgrid_extension`."""
    master_key: str
    knows_clouds: bool
    """Whether the extension allows each cloud's own origin (from 3.4.4 on), or the public cloud's alone (3.3.0)."""

    def __call__(self, request: Request) -> Response:
        """Answer one request."""
        path = request.path.lower()
        if path == "/runtime/webhooks/eventgrid":
            if not self._authorized(request, self.event_grid_key, self.master_key):
                return Response(status=401)
            return self._event_grid(request)
        if path.startswith("/admin/"):
            if not self._authorized(request, self.master_key):
                return Response(status=401)
            return self._admin(request, path.removeprefix("/admin/"))
        return Response(status=404)

    def _authorized(self, request: Request, *keys: str) -> bool:
        given = request.args.get("code") or request.headers.get("x-functions-key", "")
        return any(hmac.compare_digest(given.encode(), key.encode()) for key in keys)

    def _event_grid(self, request: Request) -> Response:
        name = request.args.get("functionName", "")
        bound = self.functions.get(name)
        if bound is None or bound.function.trigger["type"] != "eventGridTrigger":
            return Response(f"cannot find function: '{name}'", 404)
        if request.method == "OPTIONS":
            origin = request.headers.get("WebHook-Request-Origin", "")
            allowed = origin if self.knows_clouds and origin in _ORIGINS else _PUBLIC_ORIGIN
            return Response(status=200, headers={"Webhook-Allowed-Origin": allowed})
        try:
            match request.headers.get("aeg-event-type", "").lower():
                case "subscriptionvalidation":
                    return _json({"validationResponse": _validation_code(json.loads(request.get_data()))})
                case "notification":
                    return self._notification(bound, _events(request.get_data()))
                case "unsubscribe":
                    return Response(status=202)
                case _:
                    return Response(status=400)
        except (ValueError, LookupError, TypeError, RecursionError):
            # The extension does not expect such a body: its exception becomes the host's 500.
            return Response("The request content could not be read.", 500)

    def _notification(self, bound: BoundFunction, events: Sequence[Any]) -> Response:
        """Run the function on each event, in parallel. One failure fails the whole POST, and all are sent again."""
        if not events:
            return Response(status=202)
        finishing = ExitStack()
        finishing.enter_context(self.drain.finishes())
        response = self._run_events(bound, events)
        # Not before it is sent. Whoever posted may be done with it by then, and a host that ends now must not be outrun.
        sending = ExitStack()
        sending.enter_context(self.clock.work("an answer on its way"))
        sending.callback(finishing.close)
        response.call_on_close(sending.close)
        return response

    def _run_events(self, bound: BoundFunction, events: Sequence[Any]) -> Response:
        # Whoever posts waits for one of them; the others are work of their own.
        others = [ExitStack() for _ in events[1:]]
        for other in others:
            other.enter_context(self.clock.work("an event of several"))

        def run(event: Any) -> str | None:
            error = self._run_event(bound, event)
            with suppress(IndexError):
                others.pop().close()
            return error

        with ThreadPoolExecutor(min(len(events), _MOST_AT_ONCE), HOST_THREAD) as pool:
            errors = list(pool.map(run, events))
        self.clock.heard()
        if any(errors):
            return Response(f"Exception while executing function: Functions.{bound.function.name}", 500)
        return Response(status=202)

    def _run_event(self, bound: BoundFunction, event: Any) -> str | None:
        text = json.dumps(event)
        # An Event Grid trigger that declares a data type gets something the runtime then cannot decode, as in Azure.
        match bound.function.trigger.get("dataType"):
            case "STRING":
                data = Message(string=text)
            case "BINARY" | "STREAM":
                data = Message(bytes=text.encode())
            case _:
                data = Message(json=text)
        return self.invocations.run(bound, data, "EventGrid trigger fired")

    def _admin(self, request: Request, path: str) -> Response:
        if path == "host/status":
            # `running` is no part of the real answer: whoever decides which instances go has to know.
            running = len(self.invocations.running)
            return _json({"state": "Running", "version": "4", "errors": [*self.errors.values()], "running": running})
        start = next((start for name, start in self.by_hand.items() if path == f"functions/{name.lower()}"), None)
        if start is None:
            return Response(status=404)
        if request.method != "POST":
            return Response(status=405)
        body = request.get_json(silent=True)
        if not isinstance(body, dict):
            return Response(status=400)
        working = ExitStack()
        working.enter_context(self.clock.work(path))

        def run() -> None:
            with working, self.drain.cut_short():
                start(str(body.get("input", "")))

        self.background.submit(run)
        return Response(status=202)


def _events(body: bytes) -> list[Any]:
    """The events of a notification; raises if the whole cannot be read, as the extension does (measured)."""
    parsed = json.loads(body)
    events = parsed if isinstance(parsed, list) else [parsed]
    if not all(isinstance(event, dict) for event in events):
        raise TypeError("an event that is no object")
    if _depth(parsed) > _DEEPEST:
        raise ValueError("nested too deep")
    return events


def _depth(value: Any) -> int:
    """How deep objects and arrays are nested in a value."""
    deepest, level = 0, [value]
    while level := [one for one in level if isinstance(one, dict | list)]:
        deepest += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return deepest


def _validation_code(body: Any) -> str:
    """The code of the handshake: in an array of events, or in a CloudEvent whose data is JSON inside a string."""
    if isinstance(body, list):
        return str(body[0]["data"]["validationCode"])
    data = body["data"]
    return str((json.loads(data) if isinstance(data, str) else data)["validationCode"])


def _json(value: Any) -> Response:
    return Response(json.dumps(value), content_type="application/json")
