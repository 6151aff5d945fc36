"""What the host finds in an app, and what it refuses."""

import contextlib
import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import azure_functions_runtime
import pytest

from simulator.host.errors import HostError
from simulator.host.exit_codes import BROKEN
from simulator.host.process import HostProcess
from tests.patience import HANG
from tests.simulator.host.hosting import HOST_JSON, messages_of, run_by_hand, running, spec, wait_until

STARTS_FOR_EVER = """
    import os
    import signal
    from pathlib import Path

    Path(__file__).with_name("pid").write_text(str(os.getpid()), encoding="utf-8")
    os.kill(os.getppid(), signal.SIGUSR1)
    signal.pause()
"""
GOOD = """
    import logging
    import azure.functions as func

    app = func.FunctionApp()

    @app.event_grid_trigger(arg_name="event")
    @app.queue_output(arg_name="out", queue_name="work", connection="AzureWebJobsStorage")
    def on_key_event(event: str, out: func.Out[str]) -> None: ...

    @app.queue_trigger(arg_name="message", queue_name="work", connection="AzureWebJobsStorage")
    def on_work(message: func.QueueMessage) -> None: ...

    @app.timer_trigger(arg_name="timer", schedule="%SCHEDULE%", run_on_startup=False)
    def on_timer(timer: func.TimerRequest) -> None:
        logging.getLogger("toy").info("ticked")
"""
CONNECTION = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;QueueEndpoint=http://127.0.0.1:9/a;"


def bad(declaration: str) -> str:
    return "import azure.functions as func\nfrom typing import List\napp = func.FunctionApp()\n" + declaration


def test_the_runtime_still_has_the_entries_that_the_host_drives() -> None:
    assert {
        "worker_init_request",
        "functions_metadata_request",
        "function_load_request",
        "invocation_request",
        "function_environment_reload_request",
    } <= set(azure_functions_runtime.__all__)


def test_functions_reach_the_host_with_the_bindings_that_azure_gets(tmp_path: Path) -> None:
    settings = {"SCHEDULE": "0 */5 * * * *", "AzureWebJobsStorage": CONNECTION}
    with running(spec(tmp_path, GOOD, settings=settings)) as host:
        assert host.errors == {}
        assert host.functions == {
            "on_key_event": [
                {
                    "direction": "OUT",
                    "type": "queue",
                    "name": "out",
                    "queueName": "work",
                    "connection": "AzureWebJobsStorage",
                },
                {"direction": "IN", "type": "eventGridTrigger", "name": "event"},
            ],
            "on_work": [
                {
                    "direction": "IN",
                    "type": "queueTrigger",
                    "name": "message",
                    "queueName": "work",
                    "connection": "AzureWebJobsStorage",
                }
            ],
            "on_timer": [
                {
                    "direction": "IN",
                    "type": "timerTrigger",
                    "name": "timer",
                    "schedule": "%SCHEDULE%",
                    "runOnStartup": False,
                }
            ],
        }
        assert host.stop() == 0


def test_a_function_whose_setting_is_missing_is_in_error_and_the_others_run(tmp_path: Path) -> None:
    with running(spec(tmp_path, GOOD, settings={"AzureWebJobsStorage": CONNECTION})) as host:
        assert host.errors == {"on_timer": "'%SCHEDULE%' does not resolve to a value."}
        assert run_by_hand(host, "on_timer") == 404
        assert run_by_hand(host, "on_work") == 202


def test_functions_without_a_storage_connection_are_in_error(tmp_path: Path) -> None:
    with running(spec(tmp_path, GOOD, settings={"SCHEDULE": "01:00:00"})) as host:
        assert set(host.errors) == {"on_key_event", "on_work"}
        assert "'AzureWebJobsStorage' does not exist" in host.errors["on_work"]
        assert run_by_hand(host, "on_timer") == 202
        wait_until(host, lambda: messages_of(host, "Function.on_timer.User") == ["ticked"])


def test_without_an_extension_bundle_only_timers_run(tmp_path: Path) -> None:
    settings = {"SCHEDULE": "01:00:00", "AzureWebJobsStorage": CONNECTION}
    with running(spec(tmp_path, GOOD, host_json={"version": "2.0"}, settings=settings)) as host:
        assert set(host.errors) == {"on_key_event", "on_work"}


@pytest.mark.parametrize(
    "declaration",
    [
        '@app.event_grid_trigger(arg_name="e")\ndef f(e: List[func.EventGridEvent]): ...',
        '@app.event_grid_trigger(arg_name="e")\ndef f(e: dict): ...',
        '@app.event_grid_trigger(arg_name="e")\ndef f(e: func.EventGridEvent | func.CloudEvent): ...',
        '@app.event_grid_trigger(arg_name="e")\ndef f(event: str): ...',
        '@app.event_grid_trigger(arg_name="e")\ndef f(e: str): ...\n' * 2,
        "second = func.FunctionApp()",
        "import no_such_module",
        "def broken(:",
        '@app.queue_output(arg_name="o", queue_name="work", connection="C")\ndef f(o: func.Out[str]): ...',
    ],
)
def test_one_bad_declaration_fails_the_whole_app(tmp_path: Path, declaration: str) -> None:
    what = spec(
        tmp_path, bad('@app.timer_trigger(arg_name="t", schedule="01:00:00")\ndef good(t): ...\n' + declaration)
    )
    with pytest.raises(HostError, match="the app cannot be indexed"):
        HostProcess(what).start()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"version": "2"}, '"version" must be "2.0"'),
        ({"queues": {}}, 'unknown key "queues"'),
        ({"extensions": {"queues": {"batchsize": 1}}}, 'unknown key "extensions.queues.batchsize"'),
        ({"extensions": {"queues": {"batchSize": 33}}}, "batchSize must be a whole number from 1 to 32"),
        ({"extensions": {"queues": {"visibilityTimeout": "24:00:00"}}}, "a day is written 1.00:00:00"),
        ({"extensions": {"queues": {"maxPollingInterval": 2000}}}, "maxPollingInterval"),
        ({"extensions": {"queues": {"messageEncoding": "utf8"}}}, "messageEncoding must be base64 or none"),
        ({"logging": {"logLevels": {}}}, 'unknown key "logging.logLevels"'),
        ({"logging": {"logLevel": {"default": "Info"}}}, "'Info' is not a log level"),
        ({"functionTimeout": "00:00:00"}, "functionTimeout must be at least one second"),
        ({"concurrency": {"dynamicConcurrencyEnabled": True}}, "not simulated"),
    ],
)
def test_a_host_json_that_would_not_do_what_it_says_is_refused(
    tmp_path: Path, change: Mapping[str, Any], complaint: str
) -> None:
    from simulator.host import host_json  # noqa: PLC0415

    (tmp_path / "host.json").write_text(json.dumps(HOST_JSON | dict(change)), encoding="utf-8")
    with pytest.raises(HostError) as refusal:
        host_json.read(tmp_path / "host.json")
    assert complaint in str(refusal.value)


@pytest.mark.parametrize("name", ["AzureFunctionsJobHost__functionTimeout", "AzureWebJobs.on_timer.Disabled"])
def test_settings_that_would_not_be_obeyed_are_refused(tmp_path: Path, name: str) -> None:
    what = spec(tmp_path, GOOD, settings={name: "1"})
    with pytest.raises(HostError, match=f"not simulated: {name}"):
        HostProcess(what).start()


def test_a_host_that_cannot_go_on_ends_instead_of_falling_silent(tmp_path: Path) -> None:
    (tmp_path / "host" / "timers.unfinished").mkdir(parents=True)
    process = HostProcess(spec(tmp_path, GOOD, settings={"SCHEDULE": "01:00:00"}))
    with contextlib.suppress(HostError):  # it may end even before it is ready
        process.start()
        assert process.wait(HANG) == BROKEN
        process.kill()
    assert "timers.unfinished" in (tmp_path / "host" / "stderr.txt").read_text(encoding="utf-8")


def test_http_triggers_are_refused(tmp_path: Path) -> None:
    what = spec(tmp_path, bad('@app.route("x")\ndef f(req: func.HttpRequest) -> str: ...'))
    with pytest.raises(HostError, match="httpTrigger are not simulated"):
        HostProcess(what).start()


def test_whoever_is_interrupted_while_a_host_starts_leaves_none_behind(tmp_path: Path) -> None:
    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    what = spec(tmp_path, STARTS_FOR_EVER)
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            HostProcess(what).start()
    finally:
        signal.signal(signal.SIGUSR1, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int((what.app / "pid").read_text(encoding="utf-8")), signal.SIGKILL)


def test_a_killed_host_says_so(tmp_path: Path) -> None:
    with running(spec(tmp_path, GOOD, settings={"SCHEDULE": "01:00:00"})) as host:
        assert host.kill() == -signal.SIGKILL
