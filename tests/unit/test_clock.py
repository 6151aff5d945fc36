from datetime import UTC, datetime, timedelta

from cmk_rotation.clock import sleep, utc_now


def test_the_time_is_now_and_in_utc() -> None:
    now = utc_now()
    assert now.tzinfo is UTC
    assert abs(datetime.now(UTC) - now) < timedelta(seconds=5)


def test_sleeping_takes_its_time() -> None:
    before = utc_now()
    sleep(0.01)
    assert utc_now() - before >= timedelta(milliseconds=9)
