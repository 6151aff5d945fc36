"""`make demo`: a small fleet, a rotation, and how each cluster fares, live.

The app is the real one, on the real Python Functions runtime, with unmodified Azure SDKs. Azure is simulated, and its
time runs faster.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from simulator.azure import SUBSCRIPTION, Azure
from simulator.clock.running import RunningClock
from simulator.eventgrid.subscriptions import Subscription
from simulator.host.hosting import HostSpec
from simulator.host.process import HostProcess
from simulator.operationalinsights.behaviour import Behaviour
from simulator.operationalinsights.clusters import Cluster
from simulator.terminal import killed_as_by_ctrl_c, run, say, wrapped

ROOT = Path(__file__).resolve().parents[2]
SPEED = 300.0
SECOND_SUBSCRIPTION = "9f3c1d2e-5a4b-4c6d-8e7f-00112233aabb"
PATIENCE_SECONDS = 300.0
_VERSION = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{24}\b")
_COLOURS = {"Warning": "33", "Error": "31"}

INTRODUCTION = f"""\
Azure can encrypt the stores that logs live in ("clusters") with a key that you own, kept in a vault.
Keys are rotated: a new version takes over from the old one. A cluster that names one version stays
on it until somebody tells it otherwise; and once that old version is switched off, its logs cannot
be read, and new ones are lost for good. This app tells the clusters, and proves that they followed.

What runs here is the real app on the real runtime, on one instance that is always there. Azure is
simulated, {SPEED / 60:g} minutes in each second.
"""
FLEET = """\
The fleet, in two subscriptions:
  payments, web-shop   share the key la-cmk, and name its version
  reporting            uses la-cmk too, but lets Azure follow the newest version by itself
  archive              uses la-cmk too; an operator has put it on hold
  fraud                has a key of its own, which its identity is no longer allowed to use
"""


ENDING = """
The whole function log: {log}

To rotate keys and break things yourself:  make play
What all this means, and how to deploy it:  README.md"""


class DemoError(Exception):
    """Why the demo could not be told to its end."""


def main() -> int:
    """Play the demo; the result is the exit code."""
    with killed_as_by_ctrl_c():
        return tell()


def tell() -> int:
    """Say what there is, let it happen, say what came of it; the result is the exit code."""
    # One of its own: two may run at once, and the checkout may be read-only.
    folder = Path(tempfile.mkdtemp(prefix="cmk-rotation-demo-"))
    say(INTRODUCTION)
    with Azure(RunningClock.starting_now(SPEED)) as azure:
        clusters = build(azure)
        say(FLEET)
        host = HostProcess(HostSpec(ROOT, settings(azure), folder, azure.clock, "cmk_rotation.clock"))
        try:
            host.start()
            subscribe(azure, host)
            play(azure, clusters, lines(host))
            heading("The rotations on record, as `cmk-rotation status` shows them")
            command_line(azure, "status")
            command_line(azure, "report", "--output", str(folder / "report.html"))
        except DemoError as error:
            say(f"\n{error}. The function log is {folder}/host.jsonl", "31")
            return 1
        finally:
            host.stop()
    say(ENDING.format(log=folder / "host.jsonl"))
    return 0


def build(azure: Azure) -> dict[str, Cluster]:
    """Make the fleet."""
    azure.behaviour = Behaviour(update_seconds=900, retry_after=30)
    azure.add_vault("contoso")
    for key in ("la-cmk", "fraud-cmk"):
        azure.add_key("contoso", key)
    shared = azure.pinned("contoso", "la-cmk")
    elsewhere = {"subscription": SECOND_SUBSCRIPTION, "resource_group": "rg-fraud"}
    clusters = [
        azure.add_cluster("payments", key=shared),
        azure.add_cluster("web-shop", key=shared),
        azure.add_cluster("reporting", key=replace(shared, version="")),
        azure.add_cluster("archive", key=shared, **elsewhere),
        azure.add_cluster("fraud", key=azure.pinned("contoso", "fraud-cmk"), **elsewhere),
    ]
    clusters[3].tags["cmk-rotation"] = "hold"
    azure.rights.deny(clusters[4].id, "*")
    azure.storage_account("cmkrotation", keyless=True)
    azure.clock.sleep(60)
    return {cluster.name: cluster for cluster in clusters}


def settings(azure: Azure, principal: str = "function") -> dict[str, str]:
    """The app settings, as they would be in Azure."""
    return {
        **azure.environment(principal),
        "PATH": os.environ["PATH"],
        "CLUSTER_SCOPES": f"/subscriptions/{SUBSCRIPTION},/subscriptions/{SECOND_SUBSCRIPTION}",
        "MODE": "enforce",
        "AzureWebJobsStorage__accountName": "cmkrotation",
    }


def subscribe(azure: Azure, host: HostProcess) -> None:
    """Let the vault's events go to the function."""
    url = host.event_grid_url("on_key_event")
    azure.event_grid.subscriptions.append(Subscription(source=azure.vault("contoso").resource_id, url=url))


def play(azure: Azure, clusters: dict[str, Cluster], feed: Iterator[dict[str, Any] | None]) -> None:
    """Rotate the keys, show what comes of it, repair what is broken, show that too."""
    heading("Both keys are rotated")
    with azure.lock:
        for key in ("la-cmk", "fraud-cmk"):
            azure.vault("contoso").rotate(key)
    waiting = {"payments", "web-shop", "fraud", "reporting", "archive"}
    follow(feed, waiting, "the clusters did not follow")

    heading("An operator gives the identity of fraud its right back, and asks for a visit")
    with azure.lock:
        azure.rights.allow(clusters["fraud"].id, "*")
    command_line(azure, "visit", clusters["fraud"].id)
    follow(feed, {"fraud"}, "fraud did not follow")


def follow(feed: Iterator[dict[str, Any] | None], waiting: set[str], otherwise: str) -> None:
    """Show the function's log until each cluster has come to rest."""
    ends = time.monotonic() + PATIENCE_SECONDS
    at_rest = {"up-to-date", "follows-newest-itself", "on-hold"}
    for line in feed:
        if line is None:
            if time.monotonic() > ends:
                raise DemoError(otherwise)
            time.sleep(0.05)
            continue
        if not line["repeats"]:
            show(line)
        name = str(line.get("clusterId", "")).rsplit("/", 1)[-1]
        settled = line["event"] == "visit.decided" and line["reason"] in at_rest
        if settled or (line["event"] == "rotation.finished" and line["stage"] == "failed"):
            waiting.discard(name)
        if not waiting:
            return


def lines(host: HostProcess) -> Iterator[dict[str, Any] | None]:
    """The app's own lines as they come; None when there is no new one.

    `repeats` is set where a line says what was said of that cluster just now, such as `cluster.status`: that is for whoever
    joins later.
    """
    seen, said = 0, dict[str, str]()
    while True:
        for line in host.log_lines()[seen:]:
            seen += 1
            if line["message"].startswith('{"event"'):
                fields = json.loads(line["message"])
                cluster, message = fields.get("clusterId", ""), fields.get("message", "")
                again = fields["event"] in {"visit.decided", "update.progress"} and said.get(cluster) == message
                repeats = again or fields["event"] == "cluster.status"
                said[cluster] = message
                yield {**fields, "level": line["level"], "time": line["time"], "repeats": repeats}
        yield None


def show(line: dict[str, Any]) -> None:
    """One line of the log, for people."""
    begins = f"  {line['time'][11:16]}  {line['event']:<18} "
    text = _VERSION.sub(r"\1", str(line.get("message", "")))
    say(wrapped(text, begins, len(begins)), _COLOURS.get(line["level"], ""))
    if line["event"] == "rotation.finished" and line["stage"] == "failed":
        say(wrapped(line["remedy"], " " * len(begins) + "what to do: ", len(begins) + 12))


def command_line(azure: Azure, *arguments: str) -> None:
    """Run the product's command line, signed in as an operator, by the simulated clock."""
    program = [sys.executable, "-m", "simulator.host.on_clock", azure.clock.share().argument, "cmk_rotation.clock"]
    command, environment = [*program, "cmk_rotation", *arguments], settings(azure, "operator")
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)  # noqa: S603 - our own module
    if done.returncode:
        raise DemoError(f"cmk-rotation {arguments[0]} ended with exit code {done.returncode}")


def heading(text: str) -> None:
    """A line that begins a part."""
    say(f"\n{text}", "1")


if __name__ == "__main__":
    sys.exit(run(main))
