"""The timer trigger: when it runs, what it makes up for, and who of several hosts runs it.

What is said to be measured was, on Microsoft.Azure.WebJobs.Extensions 3.0.6 and Host.Storage 5.0.1 on 2026-11-25.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simulator.host.blobs import TimerLocks
from simulator.host.errors import FunctionInError
from simulator.host.hosting import HostSpec
from simulator.host.ncrontab import checked, parse_schedule
from simulator.host.process import HostProcess
from tests.ncrontab_cases import AFTER, IN_ERROR, NEVER, UNDERSTOOD, Case
from tests.simulator.host.hosting import messages_of, running, spec, wait_until

APP = """
    import logging, os
    import azure.functions as func
    import toytime

    app = func.FunctionApp()

    @app.timer_trigger(arg_name="timer", schedule="%SCHEDULE%")
    def on_timer(timer: func.TimerRequest) -> None:
        logging.getLogger("toy").info("%s %s", timer.past_due, sorted(timer.schedule_status))
        toytime.sleep(float(os.environ.get("SLOW", "0")))
        raise ValueError("never mind")
"""
IN_TIME = "False ['Last', 'LastUpdated', 'Next']"
LATE = "True ['Last', 'LastUpdated', 'Next']"


def toy(folder: Path, schedule: str, **settings: str) -> HostSpec:
    return spec(folder, APP, settings={"SCHEDULE": schedule} | settings)


def runs(host: HostProcess) -> list[str]:
    """What each run was told."""
    return messages_of(host, "Function.on_timer.User")


def started_at(host: HostProcess) -> list[str]:
    """When each run began."""
    return [line["time"] for line in host.log_lines() if line["message"].startswith("Executing")]


def test_a_timer_runs_once_for_each_occurrence_of_simulated_time(tmp_path: Path) -> None:
    what = toy(tmp_path, "0 */5 * * * *")
    with running(what) as host:
        what.clock.sleep(15 * 60)
        assert runs(host) == [IN_TIME] * 3
        assert started_at(host) == ["2026-03-02T08:05:00Z", "2026-03-02T08:10:00Z", "2026-03-02T08:15:00Z"]


def test_an_occurrence_missed_while_the_host_was_down_is_made_up_for_at_once(tmp_path: Path) -> None:
    """Measured: one run, past due, however many were missed; and none at a first start."""
    what = toy(tmp_path, "0 0 */2 * * *")
    with running(what) as host:
        assert runs(host) == []
        host.stop()
        what.clock.sleep(7 * 3600)
        host.start()
        back_at = what.clock.timestamp()
        wait_until(host, lambda: runs(host) == [LATE])
        assert what.clock.timestamp() == back_at
        what.clock.sleep(3599)
        assert runs(host) == [LATE]


def test_a_run_longer_than_its_period_is_followed_at_once_and_not_as_past_due(tmp_path: Path) -> None:
    """Measured: the next run is counted from the start of the one before."""
    what = toy(tmp_path, "0 */5 * * * *", SLOW="400")
    with running(what) as host:
        wait_until(host, lambda: len(runs(host)) == 3)
        assert runs(host) == [IN_TIME] * 3
        assert started_at(host) == ["2026-03-02T08:05:00Z", "2026-03-02T08:11:40Z", "2026-03-02T08:18:20Z"]


def test_another_schedule_than_before_has_missed_nothing(tmp_path: Path) -> None:
    """Measured. The status is then that of the new schedule, counted from now."""
    what = toy(tmp_path, "0 0 * * * *")
    with running(what) as host:
        host.stop()
        what.clock.sleep(2 * 3600 + 60)
        host.spec = replace(what, env=dict(what.env) | {"SCHEDULE": "0 30 * * * *"})
        host.start()
        what.clock.sleep(29 * 60 - 1)
        assert runs(host) == []
        wait_until(host, lambda: runs(host) == [IN_TIME])
        assert started_at(host) == ["2026-03-02T10:30:00Z"]


@pytest.mark.parametrize("schedule", ["*/20 * * * * *", "00:00:20"])
def test_a_schedule_below_a_minute_has_no_status_and_catches_nothing_up(tmp_path: Path, schedule: str) -> None:
    """Measured, and read in TimerSchedule.cs."""
    what = toy(tmp_path, schedule)
    with running(what) as host:
        wait_until(host, lambda: runs(host) == ["False []"])
        host.stop()
        what.clock.sleep(3600)
        host.start()
        back_at = what.clock.timestamp()
        wait_until(host, lambda: len(runs(host)) == 2)
        assert runs(host)[1] == "False []"
        assert 0 < what.clock.timestamp() - back_at <= 20


def test_a_schedule_that_never_occurs_puts_the_function_in_error(tmp_path: Path) -> None:
    """Measured, on 30 February."""
    with running(toy(tmp_path, "0 0 0 30 2 *")) as host:
        assert host.errors == {"on_timer": "The schedule never occurs."}


def test_a_killed_hosts_lock_keeps_others_from_its_timer_for_a_while(tmp_path: Path) -> None:
    """Measured: 45 and 62 seconds, up to two minutes; one host of several runs a timer."""
    what = replace(toy(tmp_path, "0 * * * * *"), common=tmp_path / "common")
    other = replace(what, name="other", folder=tmp_path / "other")
    with running(what) as host:
        standby = HostProcess(other)
        what.clock.sleep(15)
        standby.start()
        try:
            what.clock.sleep(10 * 60 - 15)
            assert (len(runs(host)), runs(standby)) == (10, [])
            what.clock.sleep(20)
            host.kill()
            killed_at = what.clock.timestamp()
            wait_until(standby, lambda: runs(standby))
            assert runs(standby) == [LATE]
            assert 45 <= what.clock.timestamp() - killed_at <= 120
            host.start()
            what.clock.sleep(10 * 60)
            assert len(runs(host)) == 10, "the lock stays with who has it"
            assert len(runs(standby)) > 10
        finally:
            standby.kill()


def test_a_host_that_ends_in_good_order_gives_its_locks_back(tmp_path: Path) -> None:
    what = toy(tmp_path, "0 * * * * *")
    with running(what) as host:
        host.stop()
        host.start()
        what.clock.sleep(60)
        assert runs(host) == [IN_TIME]
        host.kill()
        host.start()
        what.clock.sleep(59)
        assert runs(host) == [IN_TIME], "one that is killed does not"


def test_a_lease_ends_a_minute_after_its_last_renewal(tmp_path: Path) -> None:
    locks = TimerLocks(tmp_path)
    assert locks.acquire("timer", "one", 1000)
    assert not locks.acquire("timer", "two", 5000), "the holder lives"
    assert locks.acquire("another", "two", 5000)
    locks.died("one", 5039)  # renewed at 5020, each half minute
    assert not locks.acquire("timer", "two", 5079)
    assert locks.acquire("timer", "two", 5080)
    locks.release("two")
    assert locks.acquire("timer", "one", 5081)


@pytest.mark.parametrize("case", UNDERSTOOD, ids=lambda case: case.text)
def test_a_schedule_is_ncrontab_or_a_time_span(case: Case) -> None:
    schedule = parse_schedule(case.text)
    first = schedule.next_after(datetime.fromisoformat(AFTER).replace(tzinfo=UTC))
    second = schedule.next_after(first)
    assert [moment.isoformat() for moment in (first, second)] == [f"{case.first}+00:00", f"{case.second}+00:00"]


@pytest.mark.parametrize("case", IN_ERROR, ids=lambda case: case.text)
def test_any_other_schedule_is_in_error(case: Case) -> None:
    with pytest.raises(FunctionInError, match="was not recognized as a valid cron expression or timespan string"):
        parse_schedule(case.text)


@pytest.mark.parametrize("case", NEVER, ids=lambda case: case.text)
def test_a_schedule_that_never_occurs_is_noticed(case: Case) -> None:
    with pytest.raises(FunctionInError, match="never occurs"):
        checked(parse_schedule(case.text), datetime(2026, 3, 2, tzinfo=UTC))


def test_a_constant_schedule_counts_from_the_run() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    schedule = parse_schedule("00:00:10")
    assert schedule.next_after(schedule.next_after(start)) - start == timedelta(seconds=20)
