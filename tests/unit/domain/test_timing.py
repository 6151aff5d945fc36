from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmk_rotation.domain.timing import Timing, capped, plausible, unavailable_backoff
from tests.unit.support.builders import DAY, HOUR, MINUTE, NOW, SECOND


@pytest.mark.parametrize(
    ("elapsed", "after"),
    [
        (timedelta(), 5 * SECOND),
        (50 * SECOND, 5 * SECOND),
        (100 * SECOND, 10 * SECOND),
        (50 * MINUTE, 300 * SECOND),
        (HOUR, 300 * SECOND),
        (365 * DAY, 300 * SECOND),
        (-HOUR, 5 * SECOND),
    ],
)
def test_a_look_is_due_after_a_tenth_of_the_time_elapsed_within_bounds(elapsed: timedelta, after: timedelta) -> None:
    assert Timing().poll_interval(elapsed) == after


@pytest.mark.parametrize(
    ("asked", "after"),
    [(None, 10 * SECOND), (SECOND, 10 * SECOND), (7 * MINUTE, 7 * MINUTE), (DAY, HOUR), (-DAY, 10 * SECOND)],
)
def test_a_longer_retry_after_wins_up_to_an_hour(asked: timedelta | None, after: timedelta) -> None:
    assert Timing().poll_interval(100 * SECOND, asked) == after


@pytest.mark.parametrize(
    ("attempts", "rest"),
    [(-3, HOUR), (0, HOUR), (1, HOUR), (2, 2 * HOUR), (5, 16 * HOUR), (6, DAY), (7, DAY), (10**9, DAY)],
)
def test_backoff_starts_with_an_hour_and_doubles_up_to_a_day(attempts: int, rest: timedelta) -> None:
    assert Timing().backoff(attempts) == rest


@given(st.timedeltas(min_value=timedelta.resolution, max_value=3650 * DAY), st.integers(-5, 10**6))
def test_no_setting_and_no_number_of_attempts_makes_backoff_overflow(floor: timedelta, attempts: int) -> None:
    timing = Timing(retry_floor=floor, retry_ceiling=3650 * DAY)
    assert floor <= timing.backoff(attempts) <= timing.retry_ceiling


@pytest.mark.parametrize(
    ("elapsed", "after"),
    [(timedelta(), MINUTE), (90 * SECOND, 90 * SECOND), (14 * MINUTE, 14 * MINUTE), (DAY, 15 * MINUTE)],
)
def test_what_is_unavailable_is_tried_again_after_1_to_15_minutes(elapsed: timedelta, after: timedelta) -> None:
    assert unavailable_backoff(elapsed) == after


def test_an_unavailable_azure_may_ask_for_more_time_but_not_for_more_than_an_hour() -> None:
    assert unavailable_backoff(timedelta(), 20 * MINUTE) == 20 * MINUTE
    assert unavailable_backoff(timedelta(), 20 * HOUR) == HOUR
    assert capped(None) == timedelta()


def test_no_visit_is_requested_for_later_than_the_longest_wait() -> None:
    assert Timing().longest_wait == HOUR
    assert Timing(poll_ceiling=2 * HOUR).longest_wait == 2 * HOUR


def test_a_stored_time_is_believed_up_to_the_latest_that_could_have_been_stored() -> None:
    assert plausible(NOW, latest=NOW) == NOW
    assert plausible(NOW + SECOND, latest=NOW) is None
    assert plausible(None, latest=NOW) is None
