"""Event Grid's system topics: delivery of Key Vault's events to a Functions host, at least once and in no order.

From "Event Grid message delivery and retry": the schedule of tries, the time an endpoint has to answer, and which
answers are final. Tries are not randomised here, and an endpoint that keeps failing is not put on probation.
"""

import contextlib
import http.client
import itertools
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from simulator.clock import OwnClock, iso
from simulator.eventgrid.subscriptions import Subscription, written

RETRY_SECONDS = (10.0, 30.0, 60.0, 300.0, 600.0, 1_800.0, 3_600.0, 10_800.0, 21_600.0, 43_200.0)
"""Simulated seconds from one try to the next; the last is repeated until the event is too old."""
ANSWER_SECONDS = 30.0
"""Simulated seconds after which a try counts as unanswered and the next is queued."""
LATE_ANSWER_SECONDS = 180.0
"""Simulated seconds within which a late answer still takes the queued try back."""
FINAL_STATUSES = frozenset({400, 401, 403, 413})
"""Answers of a webhook after which Event Grid gives an event up."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver an event."""

    at: datetime
    event_id: str
    number: int
    status: int | None
    """None when nothing answered in time."""


@dataclass(slots=True)
class _Delivery:
    event: Mapping[str, Any]
    subscription: Subscription
    born: float
    name: str
    tries: int = 0
    done: bool = False
    queued: int = 0
    """Number of the try that is queued; an older one still in the queue is void."""


class EventGrid:
    """Delivers events, each try when it is due."""

    def __init__(self, clock: OwnClock) -> None:
        self.clock = clock
        self.least_real_seconds = 5.0
        """Where time runs on, an endpoint always has this long in reality: its computing does not get faster."""
        self.subscriptions: list[Subscription] = []
        self.published: list[Mapping[str, Any]] = []
        """Every event raised, delivered or not."""
        self.attempts: list[Attempt] = []
        self.dead_letters: list[Mapping[str, Any]] = []
        self.dropped: list[Mapping[str, Any]] = []
        self._deliveries = itertools.count(1)
        self._guard = threading.RLock()
        self._stopping = False
        self._lose = 0
        self._copies = 0
        self._delays: list[float] = []
        self._answers: list[int] = []
        self._held: list[_Delivery] | None = None
        self._open: set[http.client.HTTPConnection] = set()

    def stop(self) -> None:
        """Stop, and hang up on endpoints that have not answered."""
        with self._guard:
            self._stopping = True
            for connection in self._open:
                _hang_up(connection)

    def publish(self, source: str, event_type: str, subject: str, data: Mapping[str, Any]) -> str:
        """Raise an event; returns its id."""
        event = {
            "id": str(uuid4()),
            "source": source,
            "type": event_type,
            "subject": subject,
            "time": iso(self.clock.timestamp()),
            "data": data,
        }
        with self._guard:
            self.published.append(event)
            for subscription in self.subscriptions:
                if subscription.source.lower() == source.lower() and event_type in subscription.event_types:
                    self._take(self._delivery(event, subscription, self.clock.timestamp()))
        return str(event["id"])

    def lose_next(self, count: int = 1) -> None:
        """Never deliver the next events."""
        self._lose += count

    def duplicate_next(self, copies: int = 1) -> None:
        """Deliver the next event this many more times."""
        self._copies = copies

    def delay_next(self, seconds: float) -> None:
        """Deliver the next event this many simulated seconds late."""
        self._delays.append(seconds)

    def answer_next(self, status: int, count: int = 1) -> None:
        """Let the next tries fail as if the endpoint had given this status: a firewall or a sign-in before it."""
        self._answers += [status] * count

    def hold(self) -> None:
        """Keep back what comes, for `release` to deliver in another order."""
        self._held = []

    def release(self) -> None:
        """Deliver what was kept back, the newest first."""
        with self._guard:
            held, self._held = self._held or [], None
            # Far enough apart that they keep the order, wherever they are delivered from.
            apart = self.clock.at_least(0.001, 0.03)
            for place, delivery in enumerate(reversed(held)):
                self._push(delivery, place * apart)

    def to_come(self) -> list[str]:
        """What is still to go wrong, for people."""
        said = {
            f"events to lose: {self._lose}": self._lose,
            f"more copies of the next event: {self._copies}": self._copies,
            f"seconds by which the next events are late: {', '.join(f'{one:g}' for one in self._delays)}": self._delays,
            f"what the next tries are answered: {', '.join(map(str, self._answers))}": self._answers,
            f"events kept back: {len(self._held or ())}": self._held is not None,
        }
        return [text for text, pending in said.items() if pending]

    def clear(self) -> None:
        """Take back what was to go wrong: what is held is released."""
        self._lose = self._copies = 0
        self._delays, self._answers = [], []
        if self._held is not None:
            self.release()

    def deliver_raw(self, url: str, body: bytes, content_type: str = "application/json") -> int:
        """Post anything at all as a notification, as whoever holds the endpoint's key can; returns the status."""
        over = threading.Event()
        try:
            return self._post(url, body, content_type, ANSWER_SECONDS, over)
        finally:
            over.set()

    def _delivery(self, event: Mapping[str, Any], subscription: Subscription, born: float) -> _Delivery:
        return _Delivery(event, subscription, born, f"event {next(self._deliveries):06}")

    def _take(self, delivery: _Delivery) -> None:
        if self._lose:
            self._lose -= 1
            return
        if self._held is not None:
            self._held.append(delivery)
            return
        delay = self._delays.pop(0) if self._delays else 0.0
        self._push(delivery, delay)
        for _ in range(self._copies):
            self._push(self._delivery(delivery.event, delivery.subscription, delivery.born), delay)
        self._copies = 0

    def _push(self, delivery: _Delivery, delay: float) -> None:
        delivery.queued += 1
        number = delivery.queued
        self.clock.alarm(self.clock.timestamp() + delay, delivery.name, lambda: self._due(delivery, number))

    def _due(self, delivery: _Delivery, number: int) -> None:
        """Try, unless another try has been queued since, or an answer came."""
        with self._guard:
            if self._stopping or number != delivery.queued or delivery.done:
                return
            if delivery.tries and self.clock.timestamp() > delivery.born + delivery.subscription.ttl_seconds:
                self._give_up(delivery)
                return
            delivery.tries += 1
            number, pause = delivery.tries, RETRY_SECONDS[min(delivery.tries, len(RETRY_SECONDS)) - 1]
            if number < delivery.subscription.max_attempts:
                # In case this try stays unanswered; an answer in the meantime takes it back or replaces it.
                self._push(delivery, self._patience(ANSWER_SECONDS) + pause)
        over = threading.Event()
        try:
            self._deliver(delivery, number, pause, over)
        finally:
            over.set()

    def _deliver(self, delivery: _Delivery, number: int, pause: float, over: threading.Event) -> None:
        body, content_type = written(delivery.event, delivery.subscription)
        at = self.clock.now()
        with self._guard:
            forced = self._answers.pop(0) if self._answers else None
        try:
            status = forced or self._post(
                delivery.subscription.url, body, content_type, self._patience(LATE_ANSWER_SECONDS), over
            )
        except (OSError, http.client.HTTPException):
            status = None
        with self._guard:
            self.attempts.append(Attempt(at, str(delivery.event["id"]), number, status))
            if delivery.done:
                return
            if status is not None and 200 <= status <= 204:
                delivery.done = True
            elif delivery.tries > number:
                pass  # The next try is under way; this answer came too late to matter.
            elif status in FINAL_STATUSES or number >= delivery.subscription.max_attempts:
                self._give_up(delivery)
            else:
                self._push(delivery, pause)

    def _give_up(self, delivery: _Delivery) -> None:
        delivery.done = True
        (self.dead_letters if delivery.subscription.dead_letter else self.dropped).append(delivery.event)

    def _post(self, url: str, body: bytes, content_type: str, patience: float, over: threading.Event) -> int:
        """The answer's status; raises `TimeoutError` after so many simulated seconds without one."""
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        connection.connect()
        with self._guard:
            self._open.add(connection)
        answer: Future[int] = Future()
        endpoint = contextlib.ExitStack()

        def ask() -> None:
            headers = {"Content-Type": content_type, "aeg-event-type": "Notification"}
            try:
                connection.request("POST", f"{parts.path}?{parts.query}", body, headers)
                response = connection.getresponse()
                response.read()
                _settle(answer, response.status)
            except (OSError, http.client.HTTPException) as error:
                _settle(answer, error)
            finally:
                with self._guard:
                    self._open.discard(connection)
                connection.close()
                endpoint.close()

        def lose_patience() -> None:
            # Whoever posted goes on, so the endpoint, which sleeps on their behalf, has to count by itself until it ends.
            endpoint.enter_context(self.clock.work("an endpoint for which nobody waits"))
            _settle(answer, TimeoutError())
            over.wait()

        end = self.clock.alarm(self.clock.timestamp() + patience, "patience", lose_patience)
        threading.Thread(target=ask, daemon=True, name="delivery").start()
        try:
            return answer.result()
        finally:
            end.cancel()

    def _patience(self, simulated_seconds: float) -> float:
        return self.clock.at_least(simulated_seconds, self.least_real_seconds)


def _settle(answer: Future[int], outcome: int | Exception) -> None:
    """Say how it ended; only the first says."""
    with contextlib.suppress(InvalidStateError):
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)


def _hang_up(connection: http.client.HTTPConnection) -> None:
    if connection.sock is not None:
        with contextlib.suppress(OSError):  # The endpoint may have hung up by itself.
            connection.sock.shutdown(socket.SHUT_RDWR)
