from datetime import UTC, datetime, timedelta

from cmk_rotation.clock import utc_now


def test_the_time_is_now_and_in_utc() -> None:
    now = utc_now()
    assert now.tzinfo is UTC
    assert abs(datetime.now(UTC) - now) < timedelta(seconds=5)
