import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from cmk_rotation.domain.instants import from_iso, iso

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(params=["UTC", "Pacific/Chatham"])
def zone(request: pytest.FixtureRequest) -> Iterator[None]:
    """The machine's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    "at",
    [AT, AT.astimezone(timezone(timedelta(hours=2))), AT.replace(tzinfo=None)],
    ids=["UTC", "elsewhere", "a zone that was lost"],
)
@pytest.mark.usefixtures("zone")
def test_times_are_written_in_utc_whatever_zone_they_come_in_and_the_machine_is_in(at: datetime) -> None:
    assert iso(at) == "2026-03-01T12:00:00.123Z"
    assert iso(at, "microseconds") == "2026-03-01T12:00:00.123456Z"


@pytest.mark.parametrize("text", ["2026-03-01T12:00:00.123456Z", "2026-03-01T14:00:00.123456+02:00"])
def test_a_time_is_read_in_utc(text: str) -> None:
    assert from_iso(text) == AT
    assert from_iso(text).tzinfo is UTC  # type: ignore[union-attr]


@pytest.mark.parametrize("text", [None, 5, "", "soon", "2026-03-01T12:00:00", "0001-01-01T00:00:00+23:59"])
def test_what_makes_no_sense_is_no_time(text: object) -> None:
    assert from_iso(text) is None
