"""The timer trigger, and its schedules."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simulator.host.errors import FunctionInError
from simulator.host.ncrontab import parse_schedule
from tests.simulator.hosting import messages_of, running, spec, wait_until

APP = """
    import logging
    import azure.functions as func

    app = func.FunctionApp()

    @app.timer_trigger(arg_name="timer", schedule="%SCHEDULE%")
    def on_timer(timer: func.TimerRequest) -> None:
        logging.getLogger("toy").info("%s %s", timer.past_due, sorted(timer.schedule_status))
        raise ValueError("never mind")
"""
IN_TIME = "False ['Last', 'LastUpdated', 'Next']"
LATE = "True ['Last', 'LastUpdated', 'Next']"


def test_a_timer_runs_once_for_each_occurrence_of_simulated_time(tmp_path: Path) -> None:
    what = spec(tmp_path, APP, settings={"SCHEDULE": "0 */5 * * * *"})
    with running(what) as host:
        what.clock.sleep(15 * 60)
        lines = host.log_lines()
    assert {line["message"] for line in lines if line["category"].endswith(".User")} == {IN_TIME}
    runs = [line["time"] for line in lines if line["message"].startswith("Executing")]
    assert runs == ["2026-03-02T08:05:00Z", "2026-03-02T08:10:00Z", "2026-03-02T08:15:00Z"]


def test_an_occurrence_missed_while_the_host_was_down_is_made_up_for_at_once(tmp_path: Path) -> None:
    what = spec(tmp_path, APP, settings={"SCHEDULE": "02:00:00"})
    with running(what) as host:
        assert messages_of(host, "Function.on_timer.User") == []
        host.kill()
        what.clock.sleep(3 * 3600)
        host.start()
        back_at = what.clock.timestamp()
        wait_until(host, lambda: messages_of(host, "Function.on_timer.User") == [LATE])
        assert what.clock.timestamp() == back_at


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("0 */10 * * * *", "2026-01-01T00:10:00"),
        ("30 0 9 * * Mon-Fri", "2026-01-01T09:00:30"),
        ("0 0 0 13 * 5", "2026-02-13T00:00:00"),
        ("00:30:00", "2026-01-01T00:30:01"),
        ("1.00:00:00", "2026-01-02T00:00:01"),
    ],
)
def test_a_schedule_is_ncrontab_or_a_time_span(schedule: str, expected: str) -> None:
    new_year = datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert parse_schedule(schedule).next_after(new_year) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "schedule", ["", "*/10 * * * *", "@hourly", "0 0 0 L * *", "0 0 0 ? * *", "0 60 * * * *", "often"]
)
def test_any_other_schedule_is_in_error(schedule: str) -> None:
    with pytest.raises(FunctionInError, match="was not recognized as a valid cron expression or timespan string"):
        parse_schedule(schedule)


def test_a_constant_schedule_counts_from_the_run() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    schedule = parse_schedule("00:00:10")
    assert schedule.next_after(schedule.next_after(start)) - start == timedelta(seconds=20)
