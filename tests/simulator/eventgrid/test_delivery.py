"""Deliveries, watched by a webhook."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from simulator.azure import Azure
from simulator.clock import TWO_HOURS, OwnClock
from simulator.clock.running import RunningClock
from simulator.clock.waiting import WaitingClock
from simulator.eventgrid.delivery import LATE_ANSWER_SECONDS, RETRY_SECONDS
from simulator.eventgrid.subscriptions import Schema, Subscription

NEW_VERSION = "Microsoft.KeyVault.KeyNewVersionCreated"


@dataclass
class Webhook:
    """Answers with the statuses it is told, then 202; 0 is a 202 that takes long, -1 a 500 that does, -2 no answer at all."""

    clock: OwnClock
    url: str = ""
    statuses: list[int] = field(default_factory=list)
    received: list[tuple[float, Request]] = field(default_factory=list)
    patience: float = 60.0
    """Simulated seconds."""
    afterwards: Callable[[], object] = lambda: None
    """Done before an answer that takes long."""
    released: threading.Event = field(default_factory=threading.Event)
    """Set to let it answer after all."""

    def answer(self, request: Request) -> Response:
        request.get_data()
        self.received.append((self.clock.timestamp(), request))
        status = self.statuses.pop(0) if self.statuses else 202
        if status == -2:
            self.released.wait()
        if status <= 0:
            self.clock.sleep(self.patience)
            self.afterwards()
            status = 202 if status == 0 else 500
        return Response("", status)

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.get_data()) for _, request in self.received]

    @property
    def subjects(self) -> list[str]:
        return [body[0]["subject"] for body in self.bodies]


@pytest.fixture
def webhook(azure: Azure) -> Iterator[Webhook]:
    hook = Webhook(azure.clock)
    server = make_server("127.0.0.1", 0, Request.application(hook.answer), threaded=True)
    hook.url = f"http://127.0.0.1:{server.port}/runtime/webhooks/EventGrid?functionName=on_key_event&code=k"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield hook
    server.shutdown()
    server.server_close()


@pytest.fixture
def azure() -> Iterator[Azure]:
    with Azure(WaitingClock.starting()) as running:
        running.add_vault("contoso")
        running.add_key("contoso", "la-cmk")
        yield running


def subscribe(azure: Azure, webhook: Webhook, **options: Any) -> None:
    source = azure.vault("contoso").resource_id
    azure.event_grid.subscriptions.append(Subscription(source=source, url=webhook.url, **options))


def test_a_rotation_is_delivered_in_the_event_grid_schema(azure: Azure, webhook: Webhook) -> None:
    subscribe(azure, webhook)
    version = azure.vault("contoso").rotate("la-cmk").version
    assert azure.clock.until(lambda: webhook.received)
    (event,) = webhook.bodies[0]
    assert event["eventType"] == NEW_VERSION
    assert event["topic"] == azure.vault("contoso").resource_id
    assert event["subject"] == "la-cmk"
    assert event["data"] == {
        "Id": f"https://contoso.vault.azure.net/keys/la-cmk/{version}",
        "VaultName": "contoso",
        "ObjectType": "Key",
        "ObjectName": "la-cmk",
        "Version": version,
        "NBF": None,
        "EXP": None,
    }
    request = webhook.received[0][1]
    assert request.headers["aeg-event-type"] == "Notification"
    assert request.args["functionName"] == "on_key_event"
    assert request.mimetype == "application/json"


def test_a_cloud_event_comes_alone(azure: Azure, webhook: Webhook) -> None:
    subscribe(azure, webhook, schema=Schema.CLOUD_EVENTS)
    azure.vault("contoso").rotate("la-cmk")
    assert azure.clock.until(lambda: webhook.received)
    event = webhook.bodies[0]
    assert (event["specversion"], event["type"]) == ("1.0", NEW_VERSION)
    assert event["source"] == azure.vault("contoso").resource_id
    assert webhook.received[0][1].mimetype == "application/cloudevents+json"


def test_only_the_types_and_the_vault_subscribed_to_are_delivered(azure: Azure, webhook: Webhook) -> None:
    subscribe(azure, webhook, event_types=frozenset({NEW_VERSION}))
    vault = azure.vault("contoso")
    vault.announce(vault, "KeyExpired", vault.keys["la-cmk"])
    azure.add_vault("fabrikam")
    azure.add_key("fabrikam", "other")
    azure.add_key("contoso", "brand-new")
    assert azure.clock.until(lambda: webhook.received)
    azure.clock.sleep(TWO_HOURS)
    assert webhook.subjects == ["brand-new"]


def test_a_failed_delivery_is_tried_again_on_schedule(azure: Azure, webhook: Webhook) -> None:
    webhook.statuses = [500, 404, 503]
    subscribe(azure, webhook)
    azure.vault("contoso").rotate("la-cmk")
    assert azure.clock.until(lambda: len(azure.event_grid.attempts) == 4)
    attempts = azure.event_grid.attempts
    assert [(one.number, one.status) for one in attempts] == [(1, 500), (2, 404), (3, 503), (4, 202)]
    assert len({one.event_id for one in attempts}) == 1
    gaps = [(later.at - sooner.at).total_seconds() for sooner, later in itertools.pairwise(attempts)]
    assert gaps == list(RETRY_SECONDS[:3])


def test_an_endpoint_that_cannot_be_reached_is_tried_again(azure: Azure, webhook: Webhook) -> None:
    nowhere = Webhook(azure.clock, url="http://127.0.0.1:9/runtime/webhooks/EventGrid?functionName=on_key_event")
    subscribe(azure, nowhere, max_attempts=3)
    azure.vault("contoso").rotate("la-cmk")
    assert azure.clock.until(lambda: azure.event_grid.dropped)
    assert [one.status for one in azure.event_grid.attempts] == [None, None, None]
    assert webhook.received == []


@pytest.mark.parametrize("status", [400, 401, 403, 413])
@pytest.mark.parametrize("dead_letter", [True, False])
def test_a_final_answer_ends_the_tries(azure: Azure, webhook: Webhook, *, status: int, dead_letter: bool) -> None:
    webhook.statuses = [status]
    subscribe(azure, webhook, dead_letter=dead_letter)
    azure.vault("contoso").rotate("la-cmk")
    kept = azure.event_grid.dead_letters if not dead_letter else azure.event_grid.dropped
    ended = azure.event_grid.dead_letters if dead_letter else azure.event_grid.dropped
    assert azure.clock.until(lambda: ended)
    azure.clock.sleep(TWO_HOURS)
    assert len(webhook.received) == 1
    assert kept == []


def test_an_event_too_old_is_given_up_when_its_next_try_is_due(azure: Azure, webhook: Webhook) -> None:
    webhook.statuses = [500] * 9
    subscribe(azure, webhook, ttl_seconds=60.0)
    azure.vault("contoso").rotate("la-cmk")
    assert azure.clock.until(lambda: azure.event_grid.dropped)
    assert len(webhook.received) == 3


def test_an_event_unanswered_in_time_is_delivered_again(azure: Azure, webhook: Webhook) -> None:
    webhook.statuses, webhook.patience = [0], 200  # Longer than a late answer counts.
    subscribe(azure, webhook)
    azure.vault("contoso").rotate("la-cmk")
    assert azure.clock.until(lambda: len(azure.event_grid.attempts) == 2)
    assert sorted(str(one.status) for one in azure.event_grid.attempts) == ["202", "None"]
    assert webhook.subjects == ["la-cmk", "la-cmk"]


def test_a_late_answer_takes_the_queued_try_back(azure: Azure, webhook: Webhook) -> None:
    webhook.statuses, webhook.patience = [0], 35  # After 30 s, before 30 + 10.
    subscribe(azure, webhook)
    azure.vault("contoso").rotate("la-cmk")
    azure.clock.sleep(TWO_HOURS)
    assert [one.status for one in azure.event_grid.attempts] == [202]


def test_a_late_failure_adds_no_try_to_the_one_under_way(azure: Azure, webhook: Webhook) -> None:
    webhook.statuses, webhook.patience = [-1, -1], 60  # The second try begins after 40 s.
    subscribe(azure, webhook, max_attempts=2)
    azure.vault("contoso").rotate("la-cmk")
    azure.clock.sleep(TWO_HOURS)
    assert azure.event_grid.dropped
    assert len(webhook.received) == 2


def test_an_endpoint_that_never_answers_is_hung_up_on(azure: Azure, webhook: Webhook) -> None:
    webhook.statuses, webhook.patience = [0], 1_000
    subscribe(azure, webhook, max_attempts=1)
    azure.vault("contoso").rotate("la-cmk")
    assert azure.clock.until(lambda: azure.event_grid.attempts, within=181)
    assert [one.status for one in azure.event_grid.attempts] == [None]


def test_events_can_be_lost_duplicated_and_delayed(azure: Azure, webhook: Webhook) -> None:
    subscribe(azure, webhook)
    azure.event_grid.lose_next()
    azure.add_key("contoso", "lost")
    azure.event_grid.duplicate_next(copies=2)
    azure.add_key("contoso", "thrice")
    assert azure.clock.until(lambda: len(webhook.received) == 3)
    azure.event_grid.delay_next(120.0)
    azure.add_key("contoso", "late")
    azure.add_key("contoso", "on-time")
    assert azure.clock.until(lambda: len(webhook.received) == 5)
    assert webhook.subjects == ["thrice"] * 3 + ["on-time", "late"]
    assert webhook.received[4][0] - webhook.received[3][0] == 120
    assert len({body[0]["id"] for body in webhook.bodies}) == 3


def test_events_can_be_held_back_and_come_in_disorder(azure: Azure, webhook: Webhook) -> None:
    subscribe(azure, webhook)
    azure.event_grid.hold()
    azure.add_key("contoso", "first")
    azure.add_key("contoso", "second")
    azure.clock.sleep(TWO_HOURS)
    assert webhook.received == []
    azure.event_grid.release()
    assert azure.clock.until(lambda: len(webhook.received) == 2)
    assert webhook.subjects == ["second", "first"]
    azure.add_key("contoso", "third")
    assert azure.clock.until(lambda: len(webhook.received) == 3)


def test_anything_can_be_delivered_by_whoever_has_the_key(azure: Azure, webhook: Webhook) -> None:
    webhook.statuses = [500]
    assert azure.event_grid.deliver_raw(webhook.url, b'{"forged": true}', "text/plain") == 500
    assert webhook.bodies == [{"forged": True}]
    assert azure.event_grid.attempts == []


def test_stopping_does_not_wait_for_an_endpoint_that_hangs(webhook: Webhook) -> None:
    webhook.statuses = [-2]
    azure = Azure(RunningClock.starting_now())
    azure.start()
    azure.add_vault("contoso")
    subscribe(azure, webhook)
    azure.add_key("contoso", "la-cmk")
    assert azure.clock.until(lambda: webhook.received)
    azure.stop()
    webhook.released.set()


def test_no_time_passes_while_an_endpoint_is_at_work_for_which_nobody_waits_any_more(
    azure: Azure, webhook: Webhook
) -> None:
    happened: list[str] = []

    def work() -> None:
        threading.Event().wait(0.05)  # Real work, which takes no simulated time.
        happened.append("the endpoint has ended")

    webhook.statuses, webhook.patience, webhook.afterwards = [0], LATE_ANSWER_SECONDS + 20, work
    subscribe(azure, webhook, max_attempts=1)
    azure.vault("contoso").rotate("la-cmk")
    due = azure.clock.timestamp() + LATE_ANSWER_SECONDS + 21
    azure.clock.alarm(due, "a thing", lambda: happened.append("a thing that is due later"))
    azure.clock.sleep(3600)
    assert happened == ["the endpoint has ended", "a thing that is due later"]
    assert [attempt.status for attempt in azure.event_grid.attempts] == [None]
