"""How long a role assignment, or its removal, takes to count."""

from collections.abc import Iterator

import pytest

from simulator.clock.waiting import WaitingClock
from simulator.entra.rights import Rights

SCOPE = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590"
ACTION = "Microsoft.OperationalInsights/clusters/read"
DELAY = 600.0


@pytest.fixture
def clock() -> Iterator[WaitingClock]:
    clock = WaitingClock.starting()
    yield clock
    clock.close()


@pytest.fixture
def held(clock: WaitingClock) -> Rights:
    made = Rights(clock)
    made.by_roles, made.propagation_seconds = True, DELAY
    return made


def test_an_assignment_is_listed_at_once_and_counts_when_it_has_propagated(held: Rights, clock: WaitingClock) -> None:
    made = held.assign("someone", "Reader", SCOPE)
    assert list(held.assignments) == [made.id.lower()]
    assert not held.allows("someone", ACTION, SCOPE)
    clock.sleep(DELAY)
    assert held.allows("someone", ACTION, SCOPE)


def test_a_removed_assignment_counts_until_that_has_propagated(held: Rights, clock: WaitingClock) -> None:
    held.propagation_seconds = 0.0
    held.assign("someone", "Reader", SCOPE)
    held.propagation_seconds = DELAY
    held.unassign("someone", SCOPE)
    assert held.assignments == {}
    assert held.allows("someone", ACTION, SCOPE)
    clock.sleep(DELAY)
    assert not held.allows("someone", ACTION, SCOPE)


def test_one_that_is_removed_and_made_again_at_once_counts_all_the_time(held: Rights, clock: WaitingClock) -> None:
    held.propagation_seconds = 0.0
    first = held.assign("someone", "Reader", SCOPE)
    held.propagation_seconds = DELAY
    held.remove(first)
    held.add(first)
    assert held.allows("someone", ACTION, SCOPE)
    clock.sleep(DELAY)
    assert held.allows("someone", ACTION, SCOPE)
    assert list(held.assignments) == [first.id.lower()]


def test_removing_twice_does_not_prolong_anything(held: Rights, clock: WaitingClock) -> None:
    held.propagation_seconds = 0.0
    made = held.assign("someone", "Reader", SCOPE)
    held.propagation_seconds = DELAY
    held.remove(made)
    clock.sleep(DELAY / 2)
    held.remove(made)
    clock.sleep(DELAY / 2)
    assert not held.allows("someone", ACTION, SCOPE)
