"""Hosts toy apps over simulated Queue Storage, each in a process of its own."""

import base64
import json
import os
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from simulator.clock import OwnClock
from simulator.clock.waiting import WaitingClock
from simulator.host.hosting import HostSpec
from simulator.host.process import HostProcess
from simulator.host.silence import SilentHandler
from simulator.storage.queues import QueueService
from tests.patience import HANG

ACCOUNT = "toys"
KEY = base64.b64encode(b"not a secret").decode()
TOYTIME = """
def utc_now():
    raise AssertionError("the real clock")

def sleep(seconds):
    raise AssertionError("real time")
"""
HOST_JSON = {
    "version": "2.0",
    "extensionBundle": {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.0.0, 5.0.0)"},
    "extensions": {"queues": {"maxPollingInterval": "00:00:01"}},
}


@dataclass(frozen=True, slots=True)
class Storage:
    """Simulated Queue Storage, and how to reach it."""

    service: QueueService
    connection_string: str
    clock: OwnClock
    asked: list[Request]
    """Every request so far."""

    @property
    def requests(self) -> int:
        """How many there were."""
        return len(self.asked)

    @property
    def settings(self) -> dict[str, str]:
        """The app setting that an app needs to use it."""
        return {"AzureWebJobsStorage": self.connection_string}

    def put(self, queue: str, *bodies: str) -> None:
        for body in bodies:
            self.put_text(queue, base64.b64encode(body.encode()).decode())

    def put_text(self, queue: str, text: str, lifetime: int | None = None) -> None:
        with QueueClient.from_connection_string(self.connection_string, queue) as client:
            with suppress(ResourceExistsError):
                client.create_queue()
            client.send_message(text, time_to_live=lifetime)

    def bodies(self, queue: str) -> list[str]:
        """What the queue holds, whether due or not."""
        return [base64.b64decode(message.text).decode() for message in self.service.messages(queue)]


@contextmanager
def storage(clock: OwnClock | None = None) -> Iterator[Storage]:
    clock = clock or WaitingClock.starting()
    service = QueueService(ACCOUNT, clock, lambda _: False, key=KEY)
    clock.watch_queues(lambda _, queue: service.visible_from(queue))
    lock = threading.Lock()
    asked: list[Request] = []

    @Request.application
    def application(request: Request) -> Response:
        with lock:
            asked.append(request)
            return service(request)

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=SilentHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}/{ACCOUNT}"
    try:
        yield Storage(
            service,
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};QueueEndpoint={endpoint};",
            clock,
            asked,
        )
    finally:
        clock.close()
        server.shutdown()
        thread.join()
        server.server_close()


def spec(
    folder: Path,
    app: str,
    *,
    host_json: Mapping[str, Any] = HOST_JSON,
    settings: Mapping[str, str] | None = None,
    clock: OwnClock | None = None,
) -> HostSpec:
    """Write a toy app down and say how to host it. Its module toytime tells the time."""
    directory = folder / "app"
    directory.mkdir(parents=True)
    (directory / "function_app.py").write_text(textwrap.dedent(app), encoding="utf-8")
    (directory / "toytime.py").write_text(TOYTIME, encoding="utf-8")
    (directory / "host.json").write_text(json.dumps(host_json), encoding="utf-8")
    env = {"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1"} | dict(settings or {})
    return HostSpec(directory, env, folder / "host", clock or WaitingClock.starting(), "toytime")


@contextmanager
def running(what: HostSpec) -> Iterator[HostProcess]:
    process = HostProcess(what)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        what.clock.close()


def post_events(process: HostProcess, function: str, body: Any, **headers: str) -> requests.Response:
    headers = {"aeg-event-type": "Notification"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.post(process.event_grid_url(function), data=json.dumps(body), headers=headers, timeout=HANG)


def run_by_hand(process: HostProcess, function: str, text: str = "", key: str | None = None) -> int:
    return requests.post(
        f"{process.url}/admin/functions/{function}",
        json={"input": text},
        headers={"x-functions-key": process.spec.master_key if key is None else key},
        timeout=HANG,
    ).status_code


def messages_of(process: HostProcess, category: str) -> list[str]:
    return [line["message"] for line in process.log_lines() if line["category"] == category]


def wait_until[T](host: HostProcess, look: Callable[[], T]) -> T:
    """Let simulated time pass, a day at the most, until an answer of `look` is true."""
    assert host.spec.clock.until(look, within=86_400), "waited in vain"
    return look()
