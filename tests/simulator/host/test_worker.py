"""What the app sees of its worker: logs, threads, time, timeout, end."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simulator.clock.running import RunningClock
from simulator.clock.waiting import WaitingClock
from simulator.host.hosting import HostSpec
from tests.simulator.host.hosting import HOST_JSON, messages_of, run_by_hand, running, spec, wait_until

APP = """
    import asyncio, logging, sys, threading
    import azure.functions as func
    import toytime
    from toytime import utc_now

    log = logging.getLogger("toy")
    log.info("indexing")
    print("to standard output")
    app = func.FunctionApp()

    @app.timer_trigger(arg_name="timer", schedule="1.00:00:00")
    def on_log(timer: func.TimerRequest) -> None:
        log.debug("too quiet")
        log.info("in the function", extra={"lost": "extra"})
        logging.getLogger("azure.functions.toy").error("a system log")
        thread = threading.Thread(target=lambda: log.info("in a thread"))
        thread.start()
        thread.join()
        try:
            raise KeyError("x")
        except KeyError:
            log.exception("with a traceback")

    @app.timer_trigger(arg_name="timer", schedule="1.00:00:00")
    async def on_async_log(timer: func.TimerRequest) -> None:
        log.warning("in the coroutine")
        await asyncio.create_task(child())
        await asyncio.to_thread(log.warning, "in to_thread")

    async def child() -> None:
        log.warning("in a child task")

    @app.timer_trigger(arg_name="timer", schedule="1.00:00:00")
    def on_time(timer: func.TimerRequest) -> None:
        log.info("%s", utc_now().isoformat())

    @app.timer_trigger(arg_name="timer", schedule="1.00:00:00")
    def on_slow(timer: func.TimerRequest) -> None:
        log.info("slow begins")
        toytime.sleep(90)
        log.info("slow ends")
"""


def toy_spec(folder: Path, **options: Any) -> HostSpec:
    return spec(folder, APP, **options)


def lines_about(lines: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["message"].startswith(text)]


def test_logs_travel_as_the_worker_sends_them(tmp_path: Path) -> None:
    with running(toy_spec(tmp_path)) as host:
        run_by_hand(host, "on_log")
        run_by_hand(host, "on_async_log")
        wait_until(host, lambda: any("Executed" in text for text in messages_of(host, "Function.on_log")))
        wait_until(host, lambda: any("Executed" in text for text in messages_of(host, "Function.on_async_log")))
        lines = host.log_lines()
    (inside,) = lines_about(lines, "in the function")
    assert (inside["category"], inside["functionName"], inside["level"]) == (
        "Function.on_log.User",
        "on_log",
        "Information",
    )
    assert any(f"Id={inside['invocationId']}" in text["message"] for text in lines_about(lines, "Executing"))
    assert "lost" not in json.dumps(lines)
    for text in ("in the coroutine", "in a child task"):
        assert [line["functionName"] for line in lines_about(lines, text)] == ["on_async_log"]
    for text in ("indexing", "in a thread", "in to_thread"):
        (line,) = lines_about(lines, text)
        assert (line["category"], line["functionName"], line["invocationId"]) == ("Worker", None, None)
    (failure,) = lines_about(lines, "with a traceback")
    assert "KeyError: 'x'" in failure["message"]
    assert lines_about(lines, "too quiet") == []
    assert lines_about(lines, "a system log") == []


def test_host_json_chooses_the_level_of_each_category(tmp_path: Path) -> None:
    levels = {"default": "Warning", "Function": "Error", "Function.on_log.User": "Information", "Host.Startup": "Trace"}
    host_json = HOST_JSON | {"logging": {"logLevel": levels}}
    with running(toy_spec(tmp_path, host_json=host_json)) as host:
        run_by_hand(host, "on_async_log")
        run_by_hand(host, "on_log")
        wait_until(host, lambda: any("traceback" in text for text in messages_of(host, "Function.on_log.User")))
        assert host.stop() == 0
        lines = host.log_lines()
    assert {line["category"] for line in lines} == {"Host.Startup", "Function.on_log.User", "Worker"}
    assert {line["level"] for line in lines if line["category"] == "Worker"} == {"Warning"}


def test_the_app_is_told_the_simulated_time(tmp_path: Path) -> None:
    clock = WaitingClock.starting(datetime(2031, 5, 1, tzinfo=UTC))
    with running(toy_spec(tmp_path, clock=clock)) as host:
        run_by_hand(host, "on_time")
        run_by_hand(host, "on_time")
        wait_until(host, lambda: len(messages_of(host, "Function.on_time.User")) == 2)
        told = [datetime.fromisoformat(text) for text in messages_of(host, "Function.on_time.User")]
        assert all(0 <= (one - clock.now()).total_seconds() < 0.05 for one in told), "no time has passed"
        assert len(set(told)) == 2, "and yet no two invocations are told the same"
        assert host.log_lines()[0]["time"] == "2031-05-01T00:00:00Z"


def test_the_app_is_told_a_running_clocks_time(tmp_path: Path) -> None:
    clock = RunningClock(1.0, time.time(), datetime(2031, 5, 1, tzinfo=UTC).timestamp())
    with running(toy_spec(tmp_path, clock=clock)) as host:
        run_by_hand(host, "on_time")
        wait_until(host, lambda: messages_of(host, "Function.on_time.User"))
        (said,) = messages_of(host, "Function.on_time.User")
        assert said.startswith("2031-05-01T00:0")


def test_a_function_past_its_timeout_takes_the_process_with_it_and_the_host_comes_back(tmp_path: Path) -> None:
    host_json = HOST_JSON | {"functionTimeout": "00:01:00"}
    with running(toy_spec(tmp_path, host_json=host_json)) as host:
        port = host.port
        run_by_hand(host, "on_slow")
        wait_until(host, lambda: len(lines_about(host.log_lines(), "Host started")) == 2)
        said = messages_of(host, "Function.on_slow")
        assert said[-2].startswith("Timeout value of 0:01:00 exceeded by function 'Functions.on_slow'")
        assert said[-1].startswith("Executed 'Functions.on_slow' (Failed")
        assert messages_of(host, "Function.on_slow.User") == ["slow begins"]
        assert run_by_hand(host, "on_log") == 202
        assert host.port == port


def test_a_function_has_some_real_time_however_fast_simulated_time_is(tmp_path: Path) -> None:
    host_json = HOST_JSON | {"functionTimeout": "00:00:01"}
    # 90 simulated seconds are a tenth of a real one, which is within the thirty that a function always has.
    with running(toy_spec(tmp_path, host_json=host_json, clock=RunningClock.starting_now(900))) as host:
        run_by_hand(host, "on_slow")
        wait_until(host, lambda: "slow ends" in messages_of(host, "Function.on_slow.User"))


def test_sync_functions_share_a_pool_of_the_configured_size(tmp_path: Path) -> None:
    with running(toy_spec(tmp_path, settings={"PYTHON_THREADPOOL_THREAD_COUNT": "1"})) as host:
        began = host.spec.clock.timestamp()
        for _ in range(2):
            run_by_hand(host, "on_slow")
        wait_until(host, lambda: messages_of(host, "Function.on_slow.User").count("slow ends") == 2)
        assert host.spec.clock.timestamp() - began == 180
        assert messages_of(host, "Function.on_slow.User") == ["slow begins", "slow ends"] * 2
