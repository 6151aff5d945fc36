"""Calls that wait for Azure, several at a time: one after the other they would outlast the function in a large fleet."""

from collections import deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor

from cmk_rotation.controller.ports import World
from cmk_rotation.domain.visit_message import VisitRequest

AT_ONCE = 8
"""Enough that two hundred subscriptions are listed in seconds, and few enough that Azure throttles nobody for it."""


def side_by_side[Item, Result](call: Callable[[Item], Result], items: Collection[Item]) -> Iterator[Result]:
    """What a call comes to for each of some items, in their order; from the first that raises on, no more are begun.

    A call must not log: lines that a thread of one's own writes never reach Application Insights.
    """
    with ThreadPoolExecutor(min(AT_ONCE, max(len(items), 1))) as pool:
        yield from pool.map(call, items)


def request_all(world: World, visits: Collection[VisitRequest]) -> None:
    """Request some visits: a few in their order. May raise `StorageUnavailableError`; those requested before are made."""
    request = world.requests.request
    deque(map(request, visits) if len(visits) <= AT_ONCE else side_by_side(request, visits), maxlen=0)
