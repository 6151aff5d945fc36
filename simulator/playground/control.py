"""The playground's own HTTP surface, on the loopback port beside the identity endpoint, and by the way of Azure's clients.

Every request must carry the key from the playground's notice, so that no web page and no other user can reach it.
"""

import hmac
import json
import threading
from typing import Any, Self

from werkzeug.wrappers import Request, Response

from simulator.playground.acts import NotUnderstoodError, perform, to_come
from simulator.playground.state import HOST, KEY_HEADER
from simulator.playground.stories import STORIES, tell
from simulator.playground.world import Playground
from simulator.wire.server import Service


class Control:
    """Answers under `/playground`, beside the identity endpoint. A context manager."""

    def __init__(self, playground: Playground) -> None:
        self.playground = playground
        self.closing = threading.Event()
        self._story: threading.Thread | None = None

    def __enter__(self) -> Self:
        hosts = self.playground.azure.server.hosts
        hosts["127.0.0.1"] = self._beside(self.playground.azure.identities)
        hosts[HOST] = self
        return self

    def __exit__(self, *_: object) -> None:
        """End a story that is being told."""
        self.closing.set()
        if self._story:
            self._story.join()

    def _beside(self, other: Service) -> Service:
        """Both on one host, by path."""

        def service(request: Request) -> Response:
            return self(request) if request.path.startswith("/playground") else other(request)

        return service

    def __call__(self, request: Request) -> Response:
        """Answer a request."""
        if not hmac.compare_digest(request.headers.get(KEY_HEADER, "").encode(), self.playground.key.encode()):
            return _json({"error": f"{KEY_HEADER} is missing or wrong"}, 401)
        match request.method, *request.path.strip("/").split("/")[1:]:
            case ("GET",):
                return _json(self._status())
            case "GET", "feed":
                lines = self.playground.feed.after(request.args.get("after", 0, type=int))
                return _json({"lines": [line.to_json() for line in lines], "telling": self._telling()})
            case "GET", "faults":
                return _json({"toCome": to_come(self.playground)})
            case "POST", "faults":
                return self._perform(request.get_data(as_text=True))
            case "DELETE", "faults":
                return self._perform("clear")
            case "POST", "stories", name if name in STORIES:
                return self._tell(name)
            case "POST", "stories", name:
                return _json({"error": f"there is no story '{name}'"}, 404)
        return _json({"error": "there is nothing here"}, 404)

    def _perform(self, line: str) -> Response:
        try:
            said = perform(self.playground, line)
        except NotUnderstoodError as error:
            return _json({"error": str(error)}, 400)
        self.playground.feed.say("fault", said)
        return _json({"understood": said})

    def _telling(self) -> bool:
        return self._story is not None and self._story.is_alive()

    def _tell(self, name: str) -> Response:
        if self._telling():
            return _json({"error": "a story is being told; wait for its end"}, 409)
        self._story = threading.Thread(target=tell, args=(self.playground, STORIES[name], self.closing), daemon=True)
        number = len(self.playground.feed.after(0))
        self._story.start()
        return _json({"after": number}, 202)

    def _status(self) -> dict[str, Any]:
        azure, stores = self.playground.azure, self.playground.stores
        now = azure.arm.clock.timestamp()
        clusters = []
        for id_, cluster in sorted(azure.arm.clusters.items()):
            state, key = cluster.shown(now, azure.arm.behaviour_of(cluster))
            store = stores.by_cluster.get(id_)
            clusters.append(
                {
                    "cluster": cluster.name,
                    "state": state,
                    "version": key.version if key else None,
                    "wrappedWith": store.wrapped.version if store and store.wrapped else None,
                    "ingesting": store.ingesting if store else True,
                    "droppedGigabytes": round(store.dropped_gigabytes, 2) if store else 0.0,
                }
            )
        uses = [
            {
                "operation": use.operation,
                "cluster": use.cluster.rsplit("/", 1)[-1],
                "key": use.key,
                "version": use.version,
                "allowed": use.allowed,
                "count": use.count,
            }
            for use in stores.uses
        ]
        return {"time": azure.clock.now().isoformat(), "clusters": clusters, "auditLog": uses}


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body), status, content_type="application/json")
