"""The simulated Azure, put together: one object to build a fleet in, break and look at."""

import base64
import math
import secrets
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from simulator.arm.activity_log import ActivityLog
from simulator.arm.apps import Apps
from simulator.arm.authorization import Authorization
from simulator.arm.clusters import Clusters
from simulator.arm.front_door import FrontDoor
from simulator.arm.locks import Locks
from simulator.arm.resources import Resources
from simulator.arm.storage_accounts import StorageAccounts
from simulator.arm.system_topics import SystemTopics
from simulator.arm.tags import Tags
from simulator.arm.vaults import VaultResources
from simulator.arm.workspace_extras import WorkspaceExtras
from simulator.arm.workspaces import Workspaces
from simulator.clock import OwnClock
from simulator.clouds import PUBLIC, Cloud
from simulator.entra.tenants import HOME
from simulator.eventgrid.topics import Topic
from simulator.keyvault.keys import Key
from simulator.keyvault.vaults import Vault
from simulator.operationalinsights.behaviour import Behaviour
from simulator.operationalinsights.clusters import Cluster, ClusterKey
from simulator.operationalinsights.workspaces import Workspace
from simulator.state import App, State
from simulator.storage.accounts import StorageAccount
from simulator.wire.exchanges import Exchange
from simulator.wire.faults import Faults

SUBSCRIPTION = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
RESOURCE_GROUP = "rg-Logs"
LOCATION = "westeurope"
FUNCTION = "function"
"""The principal that the product's function app runs as."""


class Azure(State):
    """One cloud. Use it as a context manager, and give `environment()` to the processes that are to live in it.

    What a story or test does to it directly takes effect between two requests when done under `lock`.
    """

    def __init__(self, clock: OwnClock, cloud: Cloud = PUBLIC) -> None:
        super().__init__(clock, cloud)
        workspaces = Workspaces(self)
        clusters = Clusters(self, workspaces)
        authorization, extras = Authorization(self), WorkspaceExtras(self)
        log = ActivityLog(self)
        self.front_door = FrontDoor(self, clusters.settle, log.note)
        for provider in (
            workspaces,
            clusters,
            Resources(self),
            VaultResources(self),
            StorageAccounts(self),
            SystemTopics(self),
            Tags(self),
            log,
            authorization,
            Locks(self),
            Apps(self),
            extras,
        ):
            self.front_door.routes |= provider.routes()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.server.hosts["127.0.0.1"] = self.identities
        self.server.hosts[cloud.arm_host] = self.front_door
        self.server.hosts[cloud.graph_host] = authorization.graph
        self.server.hosts[cloud.logs_host] = extras.logs
        self.identities.add(FUNCTION)
        self.arm.resource_groups.add((SUBSCRIPTION, RESOURCE_GROUP.lower()))
        clock.watch_queues(self._visible_from)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Open the port."""
        self._folder = tempfile.TemporaryDirectory(prefix="simulated-azure-")
        self.server.authority.cert_pem.write_to_path(self._authority_file)
        self.server.start()

    def stop(self) -> None:
        """Close everything. Raises if the simulator itself went wrong meanwhile."""
        self.clock.close()
        self.event_grid.stop()
        try:
            self.server.stop()
        finally:
            if self._folder:
                self._folder.cleanup()

    @property
    def _authority_file(self) -> Path:
        if self._folder is None:
            raise RuntimeError("start the simulated Azure first")
        return Path(self._folder.name) / "authority.pem"

    def environment(self, principal: str = FUNCTION, tenant: str = HOME) -> dict[str, str]:
        """The variables that make a process live in this Azure, signed in as a principal of a tenant."""
        self.identities.add(principal, tenant)
        port = f"http://127.0.0.1:{self.server.port}"
        local = "127.0.0.1,localhost"
        authority = str(self._authority_file)
        return {
            # Clients differ in which case they read, and which of the two they prefer.
            **dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), port),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), local),
            "REQUESTS_CA_BUNDLE": authority,
            "SSL_CERT_FILE": authority,
            "IDENTITY_ENDPOINT": f"{port}/msi/token",
            "IDENTITY_HEADER": self.identities.header(principal),
        }

    # The server's and ARM's, under the names by which tests know them.

    @property
    def lock(self) -> AbstractContextManager[bool]:
        """Held while a request takes effect."""
        return self.server.lock

    @property
    def exchanges(self) -> list[Exchange]:
        """Every request so far, in the order of effect."""
        return self.server.exchanges

    @property
    def faults(self) -> Faults:
        """What goes wrong on the wire."""
        return self.server.faults

    @property
    def after_effect(self) -> list[Callable[[Exchange], None]]:
        """Called after a request's effect and before its answer is sent."""
        return self.server.after_effect

    @property
    def behaviour(self) -> Behaviour:
        """How clusters behave that have no behaviour of their own."""
        return self.arm.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self.arm.behaviour = behaviour

    def add_vault(
        self,
        name: str,
        *,
        hsm: bool = False,
        subscription: str = SUBSCRIPTION,
        resource_group: str = RESOURCE_GROUP,
    ) -> Vault:
        """Make an empty vault or Managed HSM."""
        return self.make_vault(name, subscription, resource_group, hsm=hsm)

    def vault(self, name: str) -> Vault:
        """A vault by its name."""
        return next(vault for vault in self.vaults.values() if vault.name == name)

    def add_key(self, vault: str, name: str, *, size: int = 2048, lifetime: int | None = None) -> Key:
        """Make a key with one version."""
        return self.vault(vault).add_key(name, size=size, lifetime=lifetime)

    def add_cluster(
        self,
        name: str,
        *,
        key: ClusterKey | None = None,
        subscription: str = SUBSCRIPTION,
        resource_group: str = RESOURCE_GROUP,
        location: str = LOCATION,
    ) -> Cluster:
        """Make a cluster that uses a key, see `pinned`, or Microsoft's."""
        cluster = Cluster(name, subscription, resource_group, location, key)
        self.arm.clusters[cluster.id.lower()] = cluster
        self.arm.resource_groups.add((subscription.lower(), resource_group.lower()))
        self.serve_region(location)
        return cluster

    def pinned(self, vault: str, name: str) -> ClusterKey:
        """The newest version of a key, as a cluster would be told to use it."""
        found = self.vault(vault)
        return ClusterKey(found.uri, name, found.keys[name.lower()].newest.version)

    def add_workspace(self, name: str, cluster: Cluster) -> Workspace:
        """Make a workspace linked to a cluster."""
        id_ = cluster.id.rpartition("/clusters/")[0] + f"/workspaces/{name}"
        workspace = Workspace(id_, cluster.location, cluster.id)
        self.arm.workspaces[id_.lower()] = workspace
        cluster.workspaces.append(id_)
        return workspace

    def make_workspace(self, id_: str) -> Workspace:
        """Make a workspace that is linked to no cluster."""
        workspace = Workspace(id_, LOCATION, None)
        self.arm.workspaces[id_.lower()] = workspace
        return workspace

    def add_app(self, name: str, settings: dict[str, str]) -> App:
        """Let Resource Manager know a function app that runs as the function's principal."""
        group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
        app = App(f"{group}/providers/Microsoft.Web/sites/{name}", FUNCTION, settings)
        self.apps[app.id.lower()] = app
        return app

    def add_topic(self, name: str, *, region: str = LOCATION, cloud_events: bool = True) -> Topic:
        """Make a custom topic."""
        group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
        topic = Topic(
            name,
            f"{name}.{region}-1.{self.cloud.event_grid_suffix}".lower(),
            f"{group}/providers/Microsoft.EventGrid/topics/{name}",
            self.rights,
            self.tenants,
            cloud_events,
        )
        self.topics[name] = self.server.hosts[topic.host] = topic
        return topic

    def storage_account(self, name: str, *, keyless: bool = False) -> StorageAccount:
        """A storage account, made when first asked for; a keyless one takes tokens only."""
        if name not in self.accounts:
            group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
            account = StorageAccount(
                name,
                None if keyless else base64.b64encode(secrets.token_bytes(64)).decode(),
                self.cloud.storage_suffix,
                f"{group}/providers/Microsoft.Storage/storageAccounts/{name}",
                self.clock,
                self.rights,
                self.tenants,
            )
            self.server.hosts[account.host("queue")] = account.queues
            self.server.hosts[account.host("table")] = account.tables
            self.accounts[name] = account
        return self.accounts[name]

    def _visible_from(self, host: str, queue: str) -> float | None:
        """Since or from when a look at a queue is not in vain: it may find a message, or trouble."""
        with self.lock:
            account = next((one for one in self.accounts.values() if one.host("queue") == host), None)
            if account is None or self.server.hosts.get(host) is not account.queues:
                return -math.inf
            refused = account.refuses(FUNCTION, HOME)
            trouble = self.faults.awaits("GET", host, f"/{queue}/messages", self.clock.timestamp())
            return -math.inf if refused or trouble else account.queues.visible_from(queue)
