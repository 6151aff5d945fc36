"""A stage for stories: a simulated Azure, and the app in the real Python runtime, in a process of its own."""

import base64
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.azure import SUBSCRIPTION, Azure
from simulator.clock import TWO_HOURS, OwnClock
from simulator.clock.waiting import WaitingClock
from simulator.clouds import PUBLIC, Cloud
from simulator.eventgrid.subscriptions import Schema, Subscription
from simulator.host import local
from simulator.host.hosting import Hosting, HostSpec
from simulator.host.instances import ComeAndGo
from simulator.host.process import HostProcess
from simulator.host.scaling import QueueLooks, ScaleController
from simulator.operationalinsights.behaviour import Behaviour
from simulator.operationalinsights.clusters import Cluster
from simulator.storage.accounts import StorageAccount
from simulator.wire.exchanges import Exchange
from simulator.wire.faults import Fault, FaultKind
from tests.patience import HANG

APP = Path(__file__).parent.parent.parent
NEVER = "0 0 0 1 1 *"
"""A reconcile schedule for stories that are to do without it: once a year."""
QUEUE = "cluster-visits"
APP_CLOCK = "cmk_rotation.clock"
PACKAGES = (
    "azure.data.tables",
    "azure.identity",
    "azure.keyvault.keys",
    "azure.mgmt.loganalytics",
    "azure.storage.queue",
)
"""What takes the app half a second to import, each time that it starts."""


@dataclass
class Stage:
    """One story's world, and how to look at it."""

    azure: Azure
    host: Hosting
    account: StorageAccount
    folder: Path
    # --- doing ---

    def rotate(self, vault: str = "contoso", key: str = "la-cmk") -> str:
        """Rotate a key; returns the new version."""
        self.a_second_passes()
        with self.azure.lock:
            return self.azure.vault(vault).rotate(key).version

    def a_second_passes(self) -> None:
        """Key Vault counts creation in whole seconds: the next version is to be younger than the last."""
        self.azure.clock.sleep(1.5)

    def storage_is_away(self, seconds: float) -> None:
        """Let nobody connect to queues and tables for a while."""
        until = self.azure.clock.timestamp() + seconds
        self.azure.faults.add(Fault(kind=FaultKind.RESET, host="cmkrotation.*", times=None, until=until))

    def once(self, what: Callable[[Exchange], bool], action: Callable[[], object]) -> None:
        """Do something right after the first request of a kind has taken effect, and before it is answered."""
        done = False

        def look(exchange: Exchange) -> None:
            nonlocal done
            if not done and what(exchange):
                done = True
                action()

        self.azure.after_effect.append(look)

    def reconcile(self) -> None:
        """Run the timer's function now, and wait until it has finished."""
        before = len(self.lines("reconcile.finished"))
        self.run("on_reconcile")
        self.until(lambda: len(self.lines("reconcile.finished")) > before, "reconcile to finish")

    def run(self, function: str) -> None:
        """Run a function by hand, as the portal does."""
        url, body = f"{self.host.url}/admin/functions/{function}", b'{"input": ""}'
        headers = {"x-functions-key": self.host.spec.master_key, "Content-Type": "application/json"}
        local.ask(url, body, headers, method="POST", timeout=HANG).close()

    def ask_for_visit(self, cluster: Cluster, by: str = "operator") -> None:
        """Put a visit request on the queue, as the command line does."""
        self.put_message(json.dumps({"cluster": cluster.id, "by": by}))

    def put_message(self, text: str) -> None:
        """Put any message on the queue."""
        with self.azure.lock:
            self.account.queues.put(QUEUE, base64.b64encode(text.encode()).decode())

    # --- waiting ---

    def until(self, happened: Callable[[], object], what: str, within: float = TWO_HOURS) -> None:
        """Let simulated time pass until something has happened; fail with the function's log if it does not."""
        if not self.azure.clock.until(happened, within, what):
            raise AssertionError(f"waited {within / 3600:g} simulated hours for {what}; {self.state()}")

    def state(self) -> str:
        """Everything that helps to see why a story did not go on."""
        log = [json.dumps(line)[:300] for line in self.lines()]
        rows = [str(row) for row in self.rows() if not row["RowKey"].startswith("~history")]
        with self.azure.lock:
            queue = [str(message) for message in self.account.queues.messages(QUEUE)]
        now = f"it is {self.azure.clock.now()}"
        return "\n".join(["the log:", *log, "the table:", *rows, "the queue:", *queue, now])

    def finished(self, cluster: Cluster, version: str, within: float = TWO_HOURS) -> dict[str, Any]:
        """Wait until a rotation is on record as ended and announced; returns its row."""

        def row() -> dict[str, Any] | None:
            found = self.rotation(cluster, version)
            return found if found and found.get("finishedAt") and found.get("announced") else None

        self.until(row, f"{cluster.name} to finish {version}", within)
        found = row()
        assert found is not None
        return found

    def reason(self, cluster: Cluster, reason: str, within: float = TWO_HOURS) -> dict[str, Any]:
        """Wait until a cluster's row gives a reason; returns the row."""
        self.until(lambda: self.status(cluster).get("reason") == reason, f"{cluster.name} to be {reason}", within)
        return self.status(cluster)

    def quiet(self, simulated_seconds: float) -> None:
        """Let time pass."""
        self.azure.clock.sleep(simulated_seconds)

    # --- looking ---

    def lines(self, event: str | None = None, cluster: Cluster | None = None) -> list[dict[str, Any]]:
        """The product's lines in the function log, parsed."""
        parsed = []
        for line in self.host.log_lines():
            if not line["message"].startswith('{"event"'):
                continue
            fields = {**json.loads(line["message"]), "level": line["level"], "time": line["time"]}
            same = cluster is None or str(fields.get("clusterId", "")).lower() == cluster.id.lower()
            if same and event in {None, fields["event"]}:
                parsed.append(fields)
        return parsed

    def rows(self, partition: str | None = None) -> list[dict[str, Any]]:
        """The product's table, or one partition of it."""
        with self.azure.lock:
            return self.account.tables.entities("rotations", partition)

    def of(self, cluster: Cluster) -> list[dict[str, Any]]:
        """A cluster's rows."""
        return self.rows(cluster.id.lower().replace("/", "|"))

    def status(self, cluster: Cluster) -> dict[str, Any]:
        """A cluster's own row; empty if there is none."""
        return next((row for row in self.of(cluster) if row["RowKey"] == "~cluster"), {})

    def rotations(self, cluster: Cluster) -> list[dict[str, Any]]:
        """The rotations of a cluster."""
        return [row for row in self.of(cluster) if not row["RowKey"].startswith("~")]

    def rotation(self, cluster: Cluster, version: str) -> dict[str, Any] | None:
        """One rotation of a cluster."""
        return next((row for row in self.rotations(cluster) if row["toVersion"] == version), None)

    def history(self, cluster: Cluster, version: str) -> list[str]:
        """The steps of one rotation, in order."""
        rows = (row for row in self.of(cluster) if row["RowKey"].startswith("~history") and row["toVersion"] == version)
        return [row["step"] for row in sorted(rows, key=lambda row: str(row["RowKey"]))]

    def patches(self, cluster: Cluster) -> list[Exchange]:
        """The updates that reached ARM for a cluster."""
        return [
            exchange
            for exchange in list(self.azure.exchanges)
            if exchange.method == "PATCH" and exchange.path.lower() == cluster.id.lower()
        ]

    def waiting_messages(self) -> int:
        """How many visits are requested and have not been made."""
        with self.azure.lock:
            return len(self.account.queues.messages(QUEUE))

    def poisoned(self) -> int:
        """How many messages were given up."""
        with self.azure.lock:
            return len(self.account.queues.messages(f"{QUEUE}-poison"))


@contextmanager
def stage(  # noqa: PLR0913 - each is something a story may want otherwise
    folder: Path,
    *,
    cloud: Cloud = PUBLIC,
    clock: OwnClock | None = None,
    behaviour: Behaviour | None = None,
    settings: Mapping[str, str] | None = None,
    schema: Schema = Schema.EVENT_GRID,
    keyless: bool = False,
    races: bool = False,
    comes_and_goes: ComeAndGo | None = None,
    build: Callable[[Azure], None] | None = None,
    app: Path = APP,
    python: Path = Path(sys.executable),
) -> Iterator[Stage]:
    """Raise the stage: vault `contoso` with key `la-cmk`, then what `build` adds, then the app."""
    with Azure(clock or WaitingClock.starting(), cloud) as azure:
        azure.behaviour = behaviour or Behaviour(update_seconds=240, retry_after=10)
        vault = azure.add_vault("contoso")
        azure.add_key("contoso", "la-cmk")
        if build:
            build(azure)
        account = azure.storage_account("cmkrotation", keyless=keyless)
        env = {
            **azure.environment(),
            "PATH": os.environ["PATH"],
            "CLUSTER_SCOPES": f"/subscriptions/{SUBSCRIPTION}",
            "MODE": "enforce",
            "RECONCILE_SCHEDULE": NEVER,
            **({} if keyless else {"AzureWebJobsStorage": account.connection_string}),
            **(settings or {}),
        }
        spec = HostSpec(app, env, folder, azure.clock, APP_CLOCK, races=races, copied_with=PACKAGES, python=python)
        host = (
            ScaleController(spec, comes_and_goes, queue_looks(azure, account)) if comes_and_goes else HostProcess(spec)
        )
        host.start()
        try:
            assert host.errors == {}
            subscription = Subscription(
                source=vault.resource_id, url=host.event_grid_url("on_key_event"), schema=schema
            )
            azure.event_grid.subscriptions.append(subscription)
            yield Stage(azure, host, account, folder)
        finally:
            host.kill()


def queue_looks(azure: Azure, account: StorageAccount) -> QueueLooks:
    """What a scale controller sees of an account's queues."""

    def count(queue: str) -> tuple[int, int]:
        with azure.lock:
            messages = account.queues.messages(queue)
        return sum(message.due_at <= azure.clock.now() for message in messages), len(messages)

    return QueueLooks(account.host("queue"), count)
