"""The playground itself: the simulated Azure with its fleet, the app on a local Functions host, and what goes on."""

import base64
import os
import secrets
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from simulator.azure import Azure
from simulator.clock import OwnClock
from simulator.clock.running import RunningClock
from simulator.entra.tenants import HOME
from simulator.eventgrid.subscriptions import Subscription
from simulator.host.errors import HostError
from simulator.host.hosting import HostSpec
from simulator.host.process import HostProcess
from simulator.playground.azurite import azurite
from simulator.playground.feed import Feed, Tail, asked, told
from simulator.playground.fleet import ACCOUNT, PRINCIPALS, app_settings, build
from simulator.playground.shell import write_commands
from simulator.playground.state import ROOT, Running
from simulator.playground.stores import Stores
from simulator.playground.words import NotUnderstoodError

APP_CLOCK = "cmk_rotation.clock"
_LOOK_SECONDS = 0.25
"""Real seconds between looks at the function log and the stores."""


_KEPT = 500
"""Exchanges that are remembered."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to run it."""

    folder: Path
    speed: float = 60.0
    with_app: bool = True
    azurite: bool = False
    """Whether the app's queue and table are in Azurite."""


class Playground:
    """Everything that runs. A context manager."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.clock = RunningClock.starting_now(options.speed)
        self.azure = Azure(self.clock)
        self.azure.arm.callers_are_late = lambda: max(0.0, self.clock.timestamp() - time.time())
        self.feed = Feed(self.azure.clock.now)
        self.key = secrets.token_hex(16)
        build(self.azure)
        self.stores = Stores(self.azure, self.feed.say)
        self.host: HostProcess | None = None
        self._storage = ""
        """Azurite's connection string, if it is used."""
        self._told_of = 0
        self.app_clock: OwnClock = self.azure.clock
        """As the app is told it, now or as soon as it is back."""
        self._guard = threading.Lock()
        self._ending = False
        self._restarting: threading.Thread | None = None
        self._closing = threading.Event()
        self._running = ExitStack()
        self._watcher = threading.Thread(target=self._watch, daemon=True, name="playground")

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            self.azure.start()
            starting.callback(self.azure.stop)
            if self.options.with_app:
                if self.options.azurite:
                    key = base64.b64encode(secrets.token_bytes(64)).decode()
                    self._storage = starting.enter_context(azurite(ACCOUNT, key)).connection_string
                self.host = self._app()
                self.host.start()
                starting.callback(self.host.stop)
                starting.callback(self._end_restarts)
                self._subscribe(self.host)
            self._watcher.start()
            starting.callback(self._stop_watching)
            self._running = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def restart_app(self, clock: OwnClock) -> None:
        """Crash the app and let it come back, with a clock that may be wrong; returns at once."""
        host = self.host
        if host is None:
            raise NotUnderstoodError("there is no app here: the playground was started with --without-app")
        with self._guard:
            if self._ending:
                return
            self.app_clock, earlier = clock, self._restarting
            # Whoever asks for this may hold the lock that the app needs to come up.
            self._restarting = threading.Thread(target=self._restart, args=(host, clock, earlier), daemon=True)
            self._restarting.start()

    def _restart(self, host: HostProcess, clock: OwnClock, earlier: threading.Thread | None) -> None:
        if earlier:
            earlier.join()
        try:
            host.restart(clock)
        except HostError as error:
            self.feed.say("app", f"did not come back: {error}", bad=True)
        else:
            self.feed.say("app", "has crashed and is back")

    def _end_restarts(self) -> None:
        with self._guard:
            self._ending = True
        if self._restarting:
            self._restarting.join()

    def _stop_watching(self) -> None:
        self._closing.set()
        self._watcher.join()

    def running(self) -> Running:
        """What others need to know to reach it."""
        environments = {name: self._environment(name, tenant) for name, tenant in PRINCIPALS.items()}
        commands = self.options.folder / "commands"
        write_commands(commands, self.clock.argument)
        return Running(os.getpid(), self.azure.server.port, self.key, environments, str(commands))

    def _environment(self, principal: str, tenant: str) -> dict[str, str]:
        return {
            **self.azure.environment(principal, tenant),
            # The Azure CLI keeps its sign-in here, apart from the one to the real Azure.
            "AZURE_CONFIG_DIR": str(self.options.folder / f"azure-cli-{principal}"),
            "AZURE_CORE_COLLECT_TELEMETRY": "false",
            "AZURE_CORE_SURVEY_MESSAGE": "false",
            "PLAYGROUND_URL": f"http://127.0.0.1:{self.azure.server.port}/playground",
            "PLAYGROUND_KEY": self.key,
            "PLAYGROUND_FOLDER": str(self.options.folder),
            # So that the product's own command line works there too.
            **self._settings(),
        }

    def _settings(self) -> dict[str, str]:
        settings = app_settings()
        if self._storage:
            settings["AzureWebJobsStorage"] = self._storage
            del settings["AzureWebJobsStorage__accountName"]
        return settings

    def _app(self) -> HostProcess:
        env = {**self.azure.environment(), "PATH": os.environ["PATH"], **self._settings()}
        return HostProcess(HostSpec(ROOT, env, self.options.folder, self.azure.clock, APP_CLOCK))

    def _subscribe(self, host: HostProcess) -> None:
        url = host.event_grid_url("on_key_event")
        for vault in self.azure.vaults.values():
            # Managed HSM raises no events, and nobody set them up in the other tenant.
            if not vault.hsm and vault.tenant == HOME:
                one = Subscription(source=vault.resource_id, url=url, dead_letter=True)
                self.azure.event_grid.subscriptions.append(one)

    def _watch(self) -> None:
        tail = Tail(self.options.folder / "host.jsonl")
        events = dead = 0
        states: dict[str, str] = {}
        while not self._closing.wait(_LOOK_SECONDS):
            with self.azure.lock:
                self.azure.front_door.settle()
                self.stores.look(self.azure.clock.timestamp())
                self._tell_of_clusters(states)
                self._tell_of_faults()
            for event in self.azure.event_grid.published[events:]:
                events += 1
                self.feed.say("events", f"{event['type']} {event['data'].get('Id', event['subject'])}")
            for event in self.azure.event_grid.dead_letters[dead:]:
                dead += 1
                self.feed.say("events", f"dead-lettered: {event['type']} {event['subject']}", bad=True)
            for line in tail.read():
                if said := told(line):
                    self.feed.say("app", said[0], bad=said[1])

    def _tell_of_clusters(self, states: dict[str, str]) -> None:
        now = self.azure.arm.clock.timestamp()
        for id_ in states.keys() - self.azure.arm.clusters.keys():
            self.feed.say("cluster", f"{states.pop(id_).partition(':')[0]}: deleted, with all its data", bad=True)
        for id_, cluster in self.azure.arm.clusters.items():
            state, key = cluster.shown(now, self.azure.arm.behaviour_of(cluster))
            version = (key.version or "its newest version") if key else "of Microsoft"
            text = f"{cluster.name}: {state}, key {f'{key.name} ' if key else ''}{version}"
            if states.setdefault(id_, text) != text:
                states[id_] = text
                self.feed.say("cluster", text, bad=state == "Failed")

    def _tell_of_faults(self) -> None:
        """Also forgets what was said long ago: a playground may be up for days."""
        exchanges = self.azure.exchanges
        for exchange in exchanges:
            if exchange.fault and exchange.number > self._told_of:
                self.feed.say("fault", asked(exchange), bad=True)
        self._told_of = max((exchange.number for exchange in exchanges), default=self._told_of)
        del exchanges[:-_KEPT]
