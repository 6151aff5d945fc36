"""`python -m simulator.host`: host one app, in this process, until SIGTERM.

Everything not on the command line comes from environment variables, which are the app settings, as in production. One
line of JSON on standard output says that the host is ready, and a second one that it has heard that it is to end. Exit
codes: 0 stopped, 1 refused (why, on standard error), 3 a function ran past `functionTimeout`, 4 the host itself failed, 5
storage failed.
"""

import argparse
import asyncio
import contextlib
import importlib
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path

import simulator
from simulator.clock.link import join
from simulator.clock.running import RunningClock
from simulator.host import host_json, runtime
from simulator.host.app_time import AppTime
from simulator.host.blobs import TimerLocks
from simulator.host.drain import Drain
from simulator.host.errors import HostError
from simulator.host.exit_codes import BROKEN, REFUSED, STOPPED, TIMEOUT
from simulator.host.host import Host, Options
from simulator.host.invocations import Invocations, Limit
from simulator.host.logs import HostLog, LogLevel, WorkerHandler
from simulator.host.settings import Queues, refuse_unknown
from simulator.host.storage_calls import StorageCalls
from simulator.terminal import obeys_ctrl_c

_STDOUT = 1


def main() -> int:
    """Run the host; the result is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m simulator.host", description="A local Azure Functions host.")
    parser.add_argument("--app", type=Path, required=True, help="the directory of function_app.py and host.json")
    parser.add_argument("--port", type=int, default=0, help="the loopback port to serve; 0 chooses a free one")
    parser.add_argument("--log", type=Path, required=True, help="the file that log lines are appended to")
    parser.add_argument("--common", type=Path, required=True, help="the folder of what the app's hosts have in common")
    parser.add_argument("--holder", required=True, help="this host, as the timers' locks know it")
    parser.add_argument("--seed", default="", help="of what is random; hosts side by side have different ones")
    parser.add_argument("--functions", help="the functions that this host runs, with commas in between; without, all")
    parser.add_argument("--public-origin", action="store_true", help="as the Event Grid extension was before 3.4.4")
    parser.add_argument("--event-grid-key", required=True, help="the system key eventgrid_extension")
    parser.add_argument("--master-key", required=True, help="the host's master key")
    parser.add_argument("--clock", required=True, help="the simulated clock, as it is shared")
    parser.add_argument(
        "--app-clock", help="MODULE of the app with utc_now and sleep; both are replaced by the clock's"
    )
    parser.add_argument("--least-timeout", type=float, default=0, help="real seconds that a function always has")
    parser.add_argument("--races", action="store_true", help="let the messages of one moment race each other")
    arguments = parser.parse_args()
    threading.excepthook = _end
    try:
        with contextlib.redirect_stdout(sys.stderr):  # What the app prints must not be taken for the ready line.
            asyncio.run(_serve(arguments))
    except HostError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    return STOPPED


async def _serve(arguments: argparse.Namespace) -> None:
    app: Path = arguments.app.resolve()
    # Whoever keeps the time may be killed: without it nothing would ever be due here again.
    clock = join(arguments.clock, lambda: os._exit(BROKEN))
    refuse_unknown(os.environ)
    configuration = host_json.read(app / "host.json")
    log = HostLog(arguments.log, clock, configuration.log_levels)
    loop = asyncio.get_running_loop()
    loop.set_task_factory(runtime.task_factory)
    options = Options(
        arguments.holder,
        arguments.common,
        arguments.seed,
        arguments.event_grid_key,
        arguments.master_key,
        None if arguments.functions is None else frozenset(arguments.functions.split(",")),
        not arguments.public_origin,
        arguments.races,
    )
    told = threading.Event()
    drain = Drain(clock, lambda code: _end_in_order(code, options, log, told))
    calls = StorageCalls(clock, log, drain, options.seed)
    queues = Queues(os.environ, configuration.queues.message_encoding)
    time = AppTime(clock)
    limit = Limit(configuration.function_timeout, arguments.least_timeout)
    invocations = Invocations(loop, queues, calls, log, time, limit, drain)
    host = Host(configuration, os.environ, options, log, clock, queues, calls, invocations, drain)
    root = logging.getLogger()
    debug = os.environ.get("PYTHON_ENABLE_DEBUG_LOGGING", "").lower() in {"1", "true", "t", "yes", "y"}
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    root.addHandler(WorkerHandler(log, runtime.current_invocation_id, invocations.running))

    _see_only(app)
    if arguments.app_clock:
        app_clock = importlib.import_module(arguments.app_clock)
        vars(app_clock).update(utc_now=clock.now if isinstance(clock, RunningClock) else time.now, sleep=clock.sleep)
    functions = await runtime.index(app, clock)

    def stop() -> None:
        drain.begin(STOPPED)
        os.write(_STDOUT, b"{}\n")

    loop.add_signal_handler(signal.SIGTERM, stop)
    if obeys_ctrl_c():
        loop.add_signal_handler(signal.SIGINT, stop)
    port = host.start(functions, arguments.port)
    log.write(LogLevel.INFORMATION, "Host.Startup", f"Host started; {len(functions)} functions found")
    ready = {
        "port": port,
        "functions": {function.name: function.bindings for function in functions},
        "errors": dict(host.errors),
    }
    os.write(_STDOUT, (json.dumps(ready) + "\n").encode())
    told.set()
    await asyncio.Event().wait()


def _end_in_order(code: int, options: Options, log: HostLog, told: threading.Event) -> None:
    """Give back what others wait for, and be gone: runs of timers sit in threads that Python would wait for.

    Not before it was told that the host is ready: the first poll may meet a storage account that ends it at once.
    """
    told.wait()
    if code in {STOPPED, TIMEOUT}:
        TimerLocks(options.common).release(options.holder)
    if code == STOPPED:
        log.write(LogLevel.INFORMATION, "Host.Startup", "Host stopped")
    os._exit(code)


def _end(failure: threading.ExceptHookArgs) -> None:
    """A host that lost one of its threads would look like an app that has nothing to do."""
    sys.excepthook(failure.exc_type, failure.exc_value or failure.exc_type(), failure.exc_traceback)
    os._exit(BROKEN)


def _see_only(app: Path) -> None:
    """Let the app import its own modules and installed packages only, the latter first, as in production.

    The worker appends the app's directory to the path. The folder that this module came from is taken off: its
    function_app.py, if it has one, would win over the app's.
    """
    own_folder = Path(simulator.__file__).resolve().parent.parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != own_folder]
    sys.path.append(str(app))


if __name__ == "__main__":
    sys.exit(main())
