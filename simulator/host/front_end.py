"""The platform's front end: one address for all instances, which waits for one to come where there is none."""

import threading
import urllib.error
from collections.abc import Callable

from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Request, Response

from simulator.clock import OwnClock
from simulator.host import local
from simulator.host.ports import reserve
from simulator.host.silence import SilentHandler

HANGS_AFTER = 600.0
"""Real seconds until an instance is given up: where time waits, nothing takes longer that does not hang."""


class FrontEnd:
    """Hands each request to an instance of the function that it is for."""

    def __init__(self, clock: OwnClock, at_hand: Callable[[str], str | None]) -> None:
        self._clock = clock
        self._at_hand = at_hand
        """The address of an instance of a function, once there is one; None if there is no such function."""
        self._port = reserve(self)
        self._server: BaseWSGIServer | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Answer from now on; again at the same address."""
        answer = Request.application(self._answer)
        self._server = make_server("127.0.0.1", self._port, answer, threaded=True, request_handler=SilentHandler)
        threading.Thread(target=self._server.serve_forever, daemon=True, name="front-end").start()

    def stop(self) -> None:
        """Answer nobody any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _answer(self, request: Request) -> Response:
        with self._clock.work(f"{request.method} {request.path}"):
            function = request.args.get("functionName") or request.path.rpartition("/")[2]
            url = self._at_hand(function)
        # From here on this counts no more: whoever sent the request does, and all that they wait for is the instance.
        if url is None:
            return Response(status=404)
        headers = {name: value for name, value in request.headers if name.lower() not in {"host", "connection"}}
        url, body = url + request.full_path, request.get_data() or None
        try:
            with local.ask(url, body, headers, method=request.method, timeout=HANGS_AFTER) as answer:
                return Response(answer.read(), answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return Response(error.read(), error.code)
        except OSError:
            return Response(status=502)
