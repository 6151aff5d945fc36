"""The two storages that the contract tests run against: the simulated one and Azurite, both over plain HTTP."""

import base64
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from simulator.clock.waiting import WaitingClock
from simulator.playground import azurite as playground
from simulator.storage import QueueService, TableService

ACCOUNT = "contoso"
KEY = base64.b64encode(b"an invented account key").decode()
WRONG_KEY = base64.b64encode(b"another account key").decode()


@dataclass(frozen=True)
class Backend:
    """A storage account that answers on this machine."""

    name: str
    queue_port: int
    table_port: int
    let_pass: Callable[[float], None]
    """Lets seconds pass: simulated ones, or real ones where there are no others."""

    def connection_string(self, key: str = KEY) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};"
            f"QueueEndpoint=http://127.0.0.1:{self.queue_port}/{ACCOUNT};"
            f"TableEndpoint=http://127.0.0.1:{self.table_port}/{ACCOUNT};"
        )


@contextlib.contextmanager
def simulated(queues: QueueService | None = None, tables: TableService | None = None) -> Iterator[Backend]:
    """Serve the simulated services; by default, empty ones."""
    clock = WaitingClock.starting()
    lock = threading.RLock()
    with contextlib.ExitStack() as running:
        queue_port, table_port = [
            running.enter_context(_served(service, lock))
            for service in (
                queues or QueueService(ACCOUNT, clock, refuse_tokens, key=KEY),
                tables or TableService(ACCOUNT, clock, refuse_tokens, key=KEY),
            )
        ]
        running.callback(clock.close)
        yield Backend("simulated", queue_port, table_port, clock.sleep)


@contextlib.contextmanager
def azurite() -> Iterator[Backend]:
    """Run Azurite. Its absence is a failure unless CMK_WITHOUT_AZURITE=1 says that it is meant."""
    if os.environ.get("CMK_WITHOUT_AZURITE") == "1":
        pytest.skip("CMK_WITHOUT_AZURITE=1")
    with contextlib.ExitStack() as running:
        try:
            one = running.enter_context(playground.azurite(ACCOUNT, KEY))
        except playground.AzuriteError as error:
            pytest.fail(f"{error}. Or set CMK_WITHOUT_AZURITE=1 to run without this half of the storage contract.")
        yield Backend("azurite", one.queue_port, one.table_port, time.sleep)


def refuse_tokens(_request: Request) -> bool:
    """No bearer token is good."""
    return False


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Say nothing: a request is no news."""


@contextlib.contextmanager
def _served(service: QueueService | TableService, lock: threading.RLock) -> Iterator[int]:
    @Request.application
    def application(request: Request) -> Response:
        with lock:
            return service(request)

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
