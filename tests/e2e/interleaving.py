"""Stepping in at one request of the app's: to hold it while time goes on, or to do something at just that moment.

What happens at one moment of simulated time cannot interleave by itself, so a story that is about two visits at once
holds a request of the one while the other comes.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.wire.exchanges import Exchange
from tests.e2e.stage import QUEUE, Stage

type Which = Callable[[Exchange], bool]


def claim(exchange: Exchange) -> bool:
    """The write that claims an update, for the first time or again."""
    return step("claimed")(exchange) or step("claimed again")(exchange)


def step(name: str) -> Which:
    """The write that puts a step of a rotation on record, with what it tells of."""
    return lambda exchange: _is_write(exchange) and f'"step": "{name}"'.encode() in exchange.request_body


def cluster_row(exchange: Exchange) -> bool:
    """The write of a cluster's own row."""
    return _is_write(exchange) and b'"RowKey": "~cluster"' in exchange.request_body


def update(exchange: Exchange) -> bool:
    """The PATCH."""
    return exchange.method == "PATCH"


def look(exchange: Exchange) -> bool:
    """The read of a cluster that a visit, or the look after a claim, begins with."""
    return exchange.method == "GET" and exchange.path.rpartition("/")[0].endswith("/clusters")


def glance(exchange: Exchange) -> bool:
    """The read of an operation that a visit begins with while an update is under way."""
    return exchange.method == "GET" and "/operationstatuses/" in exchange.path.lower()


def visit_request(exchange: Exchange) -> bool:
    """A message that is put on the queue."""
    return exchange.method == "POST" and exchange.path == f"/{QUEUE}/messages"


def publication(exchange: Exchange) -> bool:
    """An outcome that is published."""
    return exchange.method == "POST" and exchange.path == "/api/events"


def _is_write(exchange: Exchange) -> bool:
    transaction = exchange.method == "POST" and exchange.path == "/$batch"
    return transaction or (exchange.method == "PUT" and exchange.path.startswith("/rotations("))


@dataclass
class Moment:
    """One request, and what is done at it."""

    which: Which
    do: Callable[[], object]
    number: int
    """Of the requests that match from now on, which one it is; 0 means each."""
    has_come: bool = False
    _seen: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def __call__(self, exchange: Exchange) -> None:
        """Look at a request."""
        if self.which(exchange) and self.number in {0, next(self._seen)}:
            self.has_come = True
            self.do()


def before(story: Stage, which: Which, do: Callable[[], object], number: int = 1) -> Moment:
    """Do something right before a request takes effect."""
    moment = Moment(which, do, number)
    story.azure.server.before_effect.append(moment)
    return moment


def after(story: Stage, which: Which, do: Callable[[], object], number: int = 1) -> Moment:
    """Do something right after a request has taken effect, before it is answered."""
    moment = Moment(which, do, number)
    story.azure.after_effect.append(moment)
    return moment


def hold(story: Stage, which: Which, seconds: float, number: int = 1) -> Moment:
    """Let a request take effect that much later."""
    return before(story, which, lambda: story.azure.clock.hold(seconds, lambda: True), number)


def hold_answer(story: Stage, which: Which, seconds: float, number: int = 1) -> Moment:
    """Let a request be answered that much later than it takes effect."""
    return after(story, which, lambda: story.azure.clock.hold(seconds, lambda: True), number)
