"""The command line as an operator runs it: a process of its own, in a simulated Azure, by its time."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from simulator.azure import SUBSCRIPTION, Azure
from simulator.clock.waiting import WaitingClock
from simulator.eventgrid.subscriptions import Subscription
from simulator.playground.fleet import OPERATOR, SECOND_SUBSCRIPTION, app_settings, build
from simulator.state import AlertRule, App
from tests.e2e.stage import APP, APP_CLOCK
from tests.patience import HANG

BOTH = (SUBSCRIPTION, SECOND_SUBSCRIPTION)
WORKSPACE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-logs/providers/Microsoft.OperationalInsights/workspaces/evidence"
)


def run(azure: Azure, *words: str, who: str = OPERATOR, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    clock = [sys.executable, "-m", "simulator.host.on_clock", azure.clock.share().argument, APP_CLOCK]
    env = {"PATH": os.environ["PATH"], **azure.environment(who), **app_settings(), **settings}
    return subprocess.run(
        [*clock, "cmk_rotation", *words],
        cwd=APP,
        env=env,
        capture_output=True,
        encoding="utf-8",
        timeout=HANG,
        check=False,
    )


@contextmanager
def reached(azure: Azure) -> Iterator[None]:
    """Let this process reach the simulated Azure, as one does that is given its environment."""
    before = dict(os.environ)
    os.environ.update(azure.environment())
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def fleet() -> Iterator[tuple[Azure, App]]:
    """The playground's fleet, and an app that is deployed, subscribed and watched as infra/ does it; it does not run."""
    with Azure(WaitingClock.starting()) as azure:
        build(azure)
        azure.rights.propagation_seconds = 0.0
        settings = {
            **app_settings(),
            "AZURE_CLIENT_ID": azure.identities.client_id("function"),
            "TELEMETRY_WORKSPACE_ID": WORKSPACE,
        }
        app = azure.add_app("fn-rotation", settings)
        for name in ("contoso", "fabrikam"):
            source, function = azure.vault(name).resource_id, f"{app.id}/functions/on_key_event"
            one = Subscription(source=source, url="https://fn.invalid/", function_id=function, dead_letter=True)
            azure.event_grid.subscriptions.append(one)
        evidence = azure.make_workspace(WORKSPACE)
        evidence.heartbeats.append(azure.clock.timestamp())
        rules = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-logs/providers/Microsoft.Insights/scheduledQueryRules"
        azure.alert_rules = [AlertRule(f"{rules}/{name}", WORKSPACE) for name in ("rotation-failed", "silent")]
        yield azure, app


def findings(told: dict[str, Any], level: str) -> dict[tuple[str, str], str]:
    """The messages of a level, by the check and what it is about."""
    return {(one["check"], one["about"]): one["message"] for one in told["findings"] if one["level"] == level}


def on_a_terminal(azure: Azure, *words: str, columns: int, **settings: str) -> str:
    """What a terminal of this width is sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    env = {
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
        **azure.environment(OPERATOR),
        **app_settings(),
        **settings,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "cmk_rotation", *words], cwd=APP, env=env, stdout=theirs, stderr=theirs
    ) as one:
        os.close(theirs)
        sent = b""
        while True:
            try:
                piece = os.read(ours, 65_536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not piece:
                break
            sent += piece
        one.wait(HANG)
    os.close(ours)
    return sent.decode().replace("\r\n", "\n")
