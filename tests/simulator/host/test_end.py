"""How a host ends that is told to, or whose worker has to be restarted.

Measured on Microsoft.Azure.WebJobs 3.0.48 and Extensions.Storage.Queues 5.3.10 on 2026-11-25.
"""

import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import requests

from simulator.clock.running import RunningClock
from simulator.host import process
from simulator.host.errors import HostError
from simulator.host.exit_codes import STOPPED
from tests.patience import HANG
from tests.simulator.host.hosting import HOST_JSON, messages_of, post_events, running, spec, storage, wait_until

ROOT = Path(__file__).parents[3]
APP = """
    import logging
    import azure.functions as func
    import toytime

    app = func.FunctionApp()
    log = logging.getLogger("toy")

    @app.queue_trigger(arg_name="message", queue_name="work", connection="AzureWebJobsStorage")
    def on_work(message: func.QueueMessage) -> None:
        seconds = int(message.get_body())
        log.info("begins %s, dequeued %s", seconds, message.dequeue_count)
        toytime.sleep(seconds)
        log.info("ends %s", seconds)

    @app.event_grid_trigger(arg_name="event")
    def on_event(event: str) -> None:
        toytime.sleep(600)

    @app.timer_trigger(arg_name="timer", schedule="0 0 * * * *")
    def on_timer(timer: func.TimerRequest) -> None:
        log.info("begins, past due: %s", timer.past_due)
        toytime.sleep(120)
        log.info("ends")
"""
CONFIGURATION = HOST_JSON | {
    "functionTimeout": "00:10:00",
    "extensions": {"queues": {"maxPollingInterval": "00:00:01", "visibilityTimeout": "00:01:00"}},
}


def test_queue_functions_are_waited_for_and_settled_and_nothing_new_is_taken(tmp_path: Path) -> None:
    """Measured: 89 seconds. The platform's patience ends somewhere; here it is the function timeout."""
    with (
        storage() as store,
        running(spec(tmp_path, APP, clock=store.clock, settings=store.settings, host_json=CONFIGURATION)) as host,
    ):
        store.put("work", "89")
        wait_until(host, lambda: messages_of(host, "Function.on_work.User"))
        told_at = store.clock.timestamp()
        store.clock.alarm(told_at + 10, "another message", lambda: store.put("work", "5"))
        assert host.stop() == STOPPED
        assert store.clock.timestamp() - told_at == 89
        assert messages_of(host, "Function.on_work.User") == ["begins 89, dequeued 1", "ends 89"]
        assert store.bodies("work") == ["5"], "one is deleted, and the other was not taken"
        host.start()
        wait_until(host, lambda: store.bodies("work") == [])
        assert messages_of(host, "Function.on_work.User")[2:] == ["begins 5, dequeued 1", "ends 5"]


def test_a_timers_run_is_cut_not_recorded_and_repeated_at_the_next_start(tmp_path: Path) -> None:
    with (
        storage() as store,
        running(spec(tmp_path, APP, clock=store.clock, settings=store.settings, host_json=CONFIGURATION)) as host,
    ):
        wait_until(host, lambda: messages_of(host, "Function.on_timer.User"))
        told_at = store.clock.timestamp()
        assert host.stop() == STOPPED
        assert store.clock.timestamp() == told_at
        store.clock.sleep(30)
        host.start()
        wait_until(host, lambda: len(messages_of(host, "Function.on_timer.User")) == 3)
        assert messages_of(host, "Function.on_timer.User") == [
            "begins, past due: False",
            "begins, past due: True",
            "ends",
        ]
        assert store.clock.timestamp() - told_at == 30 + 120


def test_a_timers_run_that_ends_while_a_message_is_waited_for_is_not_recorded_either(tmp_path: Path) -> None:
    with (
        storage() as store,
        running(spec(tmp_path, APP, clock=store.clock, settings=store.settings, host_json=CONFIGURATION)) as host,
    ):
        wait_until(host, lambda: messages_of(host, "Function.on_timer.User"))
        store.put("work", "300")
        wait_until(host, lambda: messages_of(host, "Function.on_work.User"))
        assert host.stop() == STOPPED
        assert messages_of(host, "Function.on_timer.User") == ["begins, past due: False", "ends"]
        host.start()
        wait_until(host, lambda: len(messages_of(host, "Function.on_timer.User")) == 3)
        assert messages_of(host, "Function.on_timer.User")[2] == "begins, past due: True"


def test_a_function_timeout_releases_its_message_and_fails_what_else_the_worker_runs(tmp_path: Path) -> None:
    """Measured and read: released at once with `visibilityTimeout`; the worker restarts, so others in it fail too."""
    with (
        storage() as store,
        running(spec(tmp_path, APP, clock=store.clock, settings=store.settings, host_json=CONFIGURATION)) as host,
    ):
        store.put("work", "700")
        wait_until(host, lambda: messages_of(host, "Function.on_work.User"))
        began_at = store.clock.timestamp()
        store.clock.sleep(550)
        store.put("work", "100")
        answers: list[int] = []
        store.clock.alarm(
            store.clock.timestamp(),
            "a post",
            lambda: answers.append(post_events(host, "on_event", [{"id": "1"}]).status_code),
        )
        wait_until(host, lambda: answers)
        assert answers == [500]
        assert store.clock.timestamp() - began_at == 600
        lines = wait_until(host, lambda: [one for one in messages_of(host, "Function.on_work.User") if "2" in one])
        assert 660 <= store.clock.timestamp() - began_at <= 661
        wait_until(host, lambda: len(messages_of(host, "Function.on_work.User")) == 4)
        assert set(lines) <= {"begins 700, dequeued 2", "begins 100, dequeued 2"}
        assert store.clock.timestamp() - began_at <= 661, "both came again a minute later"


def test_a_run_of_a_timer_that_the_workers_restart_cuts_is_recorded_as_failed(tmp_path: Path) -> None:
    """Failed runs are recorded (measured), and this one has failed."""
    with (
        storage() as store,
        running(spec(tmp_path, APP, clock=store.clock, settings=store.settings, host_json=CONFIGURATION)) as host,
    ):
        store.clock.sleep(3600 - 541)
        store.put("work", "700")
        wait_until(host, lambda: any("Failed" in text for text in messages_of(host, "Function.on_timer")))
        store.clock.sleep(1800)
        assert messages_of(host, "Function.on_timer.User") == ["begins, past due: False"]


def test_where_time_runs_on_a_host_that_is_told_to_end_finishes_too(tmp_path: Path) -> None:
    """Its function ends only after the host has heard, however long that takes."""
    heard = tmp_path / "heard"

    class Watched(RunningClock):
        def idle(self, what: str) -> AbstractContextManager[None]:
            heard.touch()
            return RunningClock.idle(self, what)

    app = """
        import os
        import azure.functions as func
        import toytime

        app = func.FunctionApp()

        @app.queue_trigger(arg_name="message", queue_name="work", connection="AzureWebJobsStorage")
        def on_work(message: func.QueueMessage) -> None:
            while not os.path.exists(message.get_body().decode()):
                toytime.sleep(0.01)
    """
    with (
        storage(Watched.starting_now()) as store,
        running(spec(tmp_path, app, clock=store.clock, settings=store.settings)) as host,
    ):
        store.put("work", str(heard))
        wait_until(host, lambda: messages_of(host, "Function.on_work"))
        assert host.stop() == STOPPED
        assert "Succeeded" in messages_of(host, "Function.on_work")[-1]
        assert messages_of(host, "Host.Startup")[-1] == "Host stopped"
        assert store.bodies("work") == []


def test_a_host_that_does_not_hear_is_ended_all_the_same_and_whoever_stops_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = """
        import os
        from pathlib import Path
        import azure.functions as func

        Path(__file__).with_name("pid").write_text(str(os.getpid()), encoding="utf-8")
        app = func.FunctionApp()

        @app.timer_trigger(arg_name="timer", schedule="0 0 * * * *")
        def on_timer(timer: func.TimerRequest) -> None: ...
    """
    what = spec(tmp_path, app)
    with running(what) as host:
        pid = int((what.app / "pid").read_text(encoding="utf-8"))
        os.kill(pid, signal.SIGSTOP)
        monkeypatch.setattr(process, "_HEARS_WITHIN", 0.05)
        with pytest.raises(HostError, match="does not hear"):
            host.stop()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        monkeypatch.undo()
        host.start()
        assert host.stop() == STOPPED


def test_a_host_that_has_nothing_to_finish_ends_at_once(tmp_path: Path) -> None:
    with (
        storage() as store,
        running(spec(tmp_path, APP, clock=store.clock, settings=store.settings, host_json=CONFIGURATION)) as host,
    ):
        told_at = store.clock.timestamp()
        assert host.stop() == STOPPED
        assert host.stop() == STOPPED
        assert store.clock.timestamp() == told_at


def test_a_host_does_not_outlive_whoever_started_it(tmp_path: Path) -> None:
    """A test run that is killed leaves nothing behind."""
    program = f"""
import time
from pathlib import Path
from tests.simulator.host.hosting import spec, storage
from tests.simulator.host.test_end import APP
from simulator.host.process import HostProcess

with storage() as store:
    host = HostProcess(spec(Path({str(tmp_path)!r}), APP, clock=store.clock, settings=store.settings))
    host.start()
    print(host.url, flush=True)
    time.sleep({HANG})
"""
    starter = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8")
    assert starter.stdout is not None
    with starter.stdout as told:
        url = told.readline().strip()
    starter.kill()
    starter.wait()

    def is_there() -> bool:
        try:
            requests.get(url, timeout=HANG)
        except requests.ConnectionError:
            return False
        return True

    assert RunningClock().until(lambda: not is_there(), within=HANG)
