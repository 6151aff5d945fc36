"""Hosts of this machine are asked directly, whatever proxy the environment names."""

import threading

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from simulator.host import local
from tests.patience import HANG


def test_a_proxy_that_the_environment_names_or_named_once_is_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    server = make_server("127.0.0.1", 0, Request.application(lambda request: Response(request.method)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    try:
        with local.ask(f"http://127.0.0.1:{server.server_port}/", b"{}", {}, method="POST", timeout=HANG) as answer:
            assert answer.read() == b"POST"
    finally:
        server.shutdown()
        server.server_close()
