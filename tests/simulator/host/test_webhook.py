"""The Event Grid webhook answers as the real host's does."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from simulator.host.process import HostProcess
from tests.patience import HANG
from tests.simulator.host.hosting import (
    Storage,
    messages_of,
    post_events,
    run_by_hand,
    running,
    spec,
    storage,
    wait_until,
)

APP = f"""
    import json, threading
    from typing import List
    import azure.functions as func

    app = func.FunctionApp()
    together = threading.Barrier(2, timeout={HANG})

    @app.event_grid_trigger(arg_name="event")
    @app.queue_output(arg_name="out", queue_name="seen", connection="AzureWebJobsStorage")
    def on_event(event: str, out: func.Out[str]) -> None:
        parsed = json.loads(event)
        out.set(parsed["id"])
        if parsed["id"].startswith("bad"):
            raise ValueError("this event is bad")

    @app.event_grid_trigger(arg_name="event")
    @app.queue_output(arg_name="out", queue_name="listed", connection="AzureWebJobsStorage")
    def on_event_list(event: str, out: func.Out[List[str]]) -> None:
        out.set(["one", "two"])

    @app.event_grid_trigger(arg_name="event")
    @app.queue_output(arg_name="out", queue_name="unreachable", connection="Elsewhere")
    def on_event_elsewhere(event: str, out: func.Out[str]) -> None:
        out.set("lost")

    @app.event_grid_trigger(arg_name="event")
    def on_event_together(event: str) -> None:
        together.wait()

    @app.event_grid_trigger(arg_name="event", data_type="STRING")
    def on_event_as_string(event: func.EventGridEvent) -> None: ...

    @app.timer_trigger(arg_name="timer", schedule="1.00:00:00")
    def on_timer(timer: func.TimerRequest) -> None: ...
"""
NOBODY = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;QueueEndpoint=http://127.0.0.1:9/a;"


@pytest.fixture(scope="module")
def store() -> Iterator[Storage]:
    with storage() as found:
        yield found


@pytest.fixture(scope="module")
def host(store: Storage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    folder = tmp_path_factory.mktemp("webhook")
    with running(spec(folder, APP, clock=store.clock, settings=store.settings | {"Elsewhere": NOBODY})) as process:
        yield process


def event(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "eventType": "T",
        "subject": "s",
        "data": {},
        "dataVersion": "1",
        "eventTime": "2026-01-01T00:00:00Z",
    }


def nested(levels: int) -> dict[str, Any]:
    """An object in an object, and so on."""
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"deeper": value}
    return value


def webhook(host: HostProcess, query: str, **options: Any) -> requests.Response:
    url = f"{host.url}/runtime/webhooks/eventgrid?{query}"
    return requests.request(options.pop("method", "POST"), url, timeout=HANG, **options)


def test_an_event_is_accepted_and_its_output_is_on_the_queue(host: HostProcess, store: Storage) -> None:
    assert post_events(host, "on_event", [event("array")]).status_code == 202
    assert post_events(host, "on_event", event("object")).status_code == 202
    assert {"array", "object"} <= set(store.bodies("seen"))


def test_a_list_in_the_output_is_one_message_for_each_element(host: HostProcess, store: Storage) -> None:
    assert post_events(host, "on_event_list", [event("x")]).status_code == 202
    assert store.bodies("listed") == ["one", "two"]


def test_an_output_that_cannot_be_written_fails_the_invocation(host: HostProcess) -> None:
    assert post_events(host, "on_event_elsewhere", [event("x")]).status_code == 500
    assert any("handling parameter out" in text for text in messages_of(host, "Function.on_event_elsewhere"))


def test_one_bad_event_fails_the_whole_post_after_the_others_took_effect(host: HostProcess, store: Storage) -> None:
    answer = post_events(host, "on_event", [event("fine"), event("bad")])
    assert (answer.status_code, answer.text) == (500, "Exception while executing function: Functions.on_event")
    assert "fine" in store.bodies("seen")
    assert "bad" not in store.bodies("seen")
    assert any("ValueError: this event is bad" in text for text in messages_of(host, "Function.on_event"))


@pytest.mark.parametrize(
    "body",
    [
        json.dumps([event("beside"), "text"]),
        json.dumps([event("beside"), None]),
        json.dumps([event("beside") | {"data": nested(63)}]),
        json.dumps([event("beside")]) + " and more",
    ],
    ids=["text", "null", "65 levels", "text after the JSON"],
)
def test_a_post_that_cannot_be_read_as_a_whole_runs_nothing(host: HostProcess, store: Storage, body: str) -> None:
    """Measured: 500 for the whole POST."""
    query = f"functionName=on_event&code={host.spec.event_grid_key}"
    answer = webhook(host, query, headers={"aeg-event-type": "Notification"}, data=body)
    assert answer.status_code == 500
    assert "beside" not in store.bodies("seen")


def test_sixty_four_levels_are_read(host: HostProcess, store: Storage) -> None:
    assert post_events(host, "on_event", [event("deep") | {"data": nested(62)}]).status_code == 202
    assert "deep" in store.bodies("seen")


def test_the_events_of_one_post_run_in_parallel(host: HostProcess) -> None:
    assert post_events(host, "on_event_together", [event("1"), event("2")]).status_code == 202


def test_an_event_object_cannot_be_had_from_a_trigger_that_asks_for_a_string(host: HostProcess) -> None:
    assert post_events(host, "on_event_as_string", [event("x")]).status_code == 500


@pytest.mark.parametrize("query", ["functionName=on_event", "functionName=on_event&code=wrong", "functionName=nobody"])
def test_without_the_key_nothing_is_said(host: HostProcess, query: str) -> None:
    assert webhook(host, query, headers={"aeg-event-type": "Notification"}, data="[]").status_code == 401


def test_the_master_key_opens_the_webhook_too(host: HostProcess) -> None:
    headers = {"aeg-event-type": "Notification", "x-functions-key": host.spec.master_key}
    assert webhook(host, "functionName=on_event", headers=headers, data="[]").status_code == 202


@pytest.mark.parametrize("function", ["nobody", "ON_EVENT", "on_timer", ""])
def test_a_function_that_is_not_an_event_grid_function_is_not_found(host: HostProcess, function: str) -> None:
    answer = post_events(host, function, [event("x")])
    assert (answer.status_code, answer.text) == (404, f"cannot find function: '{function}'")


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("Unsubscribe", "", 202),
        ("notification", "[]", 202),
        ("Notification", "{", 500),
        ("Notification", '"text"', 500),
        ("SubscriptionValidation", "[]", 500),
        ("SomethingElse", "[]", 400),
    ],
)
def test_the_header_alone_says_what_a_request_is(host: HostProcess, kind: str, body: str, status: int) -> None:
    query = f"functionName=on_event&code={host.spec.event_grid_key}"
    assert webhook(host, query, headers={"aeg-event-type": kind}, data=body).status_code == status
    assert webhook(host, query, data="[]").status_code == 400


@pytest.mark.parametrize(
    "body",
    [[{"data": {"validationCode": "c-1"}}], {"specversion": "1.0", "data": json.dumps({"validationCode": "c-1"})}],
)
def test_the_validation_handshake_is_answered_in_both_schemas(host: HostProcess, body: object) -> None:
    answer = post_events(host, "on_event", body, aeg_event_type="SubscriptionValidation")
    assert (answer.status_code, answer.json()) == (200, {"validationResponse": "c-1"})


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [("eventgrid.azure.us", "eventgrid.azure.us"), ("example.org", "eventgrid.azure.net")],
)
def test_the_cloudevents_handshake_allows_event_grid_only(host: HostProcess, origin: str, allowed: str) -> None:
    query = f"functionName=on_event&code={host.spec.event_grid_key}"
    answer = webhook(host, query, method="OPTIONS", headers={"WebHook-Request-Origin": origin})
    assert (answer.status_code, answer.headers["Webhook-Allowed-Origin"]) == (200, allowed)


def test_before_3_4_4_the_handshake_allowed_the_public_clouds_event_grid_only(store: Storage, tmp_path: Path) -> None:
    """Measured on 3.3.0; the later behaviour is from the changelog and its issue."""
    what = replace(spec(tmp_path, APP, settings=store.settings | {"Elsewhere": NOBODY}), public_origin=True)
    with running(what) as older:
        query = f"functionName=on_event&code={older.spec.event_grid_key}"
        answer = webhook(older, query, method="OPTIONS", headers={"WebHook-Request-Origin": "eventgrid.azure.us"})
        assert (answer.status_code, answer.headers["Webhook-Allowed-Origin"]) == (200, "eventgrid.azure.net")


def test_admin_routes_take_the_master_key_only(host: HostProcess) -> None:
    assert run_by_hand(host, "on_timer", key=host.spec.event_grid_key) == 401
    assert run_by_hand(host, "on_timer") == 202
    wait_until(host, lambda: any("Succeeded" in text for text in messages_of(host, "Function.on_timer")))
    status = requests.get(f"{host.url}/admin/host/status", headers={"x-functions-key": "master-key"}, timeout=HANG)
    assert status.json()["state"] == "Running"


def test_an_unknown_path_is_not_found(host: HostProcess) -> None:
    assert requests.get(f"{host.url}/api/on_event", timeout=HANG).status_code == 404
