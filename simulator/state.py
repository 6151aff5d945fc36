"""What all that the simulated Azure is made of shares: what there is, who may do what, and where it answers."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from urllib.parse import urlsplit

from simulator.clock import OwnClock
from simulator.clouds import Cloud
from simulator.entra.identity import IdentityEndpoint
from simulator.entra.rights import Rights
from simulator.entra.tenants import Tenants
from simulator.eventgrid.delivery import EventGrid
from simulator.eventgrid.topics import Topic
from simulator.keyvault import key_api
from simulator.keyvault.keys import Key
from simulator.keyvault.vaults import Vault
from simulator.operationalinsights.behaviour import Behaviour, Outcome
from simulator.operationalinsights.cluster_writes import Deleted
from simulator.operationalinsights.clusters import CLUSTER_VERSIONS, FAILED, Cluster, ClusterKey, Operation
from simulator.operationalinsights.workspaces import Workspace
from simulator.storage.accounts import StorageAccount
from simulator.storage.customer_keys import CustomerKey
from simulator.wire.server import Server


@dataclass(slots=True)
class Arm:
    """What Azure Resource Manager keeps: resource groups, and the clusters and workspaces in them."""

    clock: OwnClock
    """Its own, which may be a wrong one."""
    behaviour: Behaviour = field(default_factory=Behaviour)
    page_size: int = 100
    cluster_versions: frozenset[str] = CLUSTER_VERSIONS
    """In which versions of the API clusters can be spoken of."""
    clusters: dict[str, Cluster] = field(default_factory=dict)
    """By id in lower case, as are the workspaces. Taking one out deletes it."""
    workspaces: dict[str, Workspace] = field(default_factory=dict)
    resource_groups: set[tuple[str, str]] = field(default_factory=set)
    """Subscription and name, in lower case."""
    operations: dict[str, Operation] = field(default_factory=dict)
    deleted: list[Deleted] = field(default_factory=list)
    """Clusters that a DELETE took away."""
    callers_are_late: Callable[[], float] = lambda: 0.0
    """By how many simulated seconds the clocks of those who ask what was done lately are behind: a CLI's own is real."""

    def behaviour_of(self, cluster: Cluster) -> Behaviour:
        """The cluster's own behaviour, or Azure's."""
        return cluster.behaviour or self.behaviour

    def finish_update(self, cluster: Cluster) -> None:
        """End a running update now, with the outcome it has coming; one that never ends goes on."""
        if cluster.operation and cluster.operation.outcome is not Outcome.NEVER:
            cluster.operation = replace(cluster.operation, ends=self.clock.timestamp())
            self.operations[cluster.operation.id] = cluster.operation


@dataclass(slots=True)
class App:
    """A function app, as Resource Manager knows it."""

    id: str
    principal: str
    """Who its user-assigned identity is."""
    settings: dict[str, str] = field(default_factory=dict)
    system_assigned: str | None = None
    """Who its system-assigned identity is, if it has one too."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A management lock."""

    scope: str
    level: str
    """`ReadOnly` or `CanNotDelete`."""
    name: str = "lock"


@dataclass(slots=True)
class AlertRule:
    """A log alert."""

    id: str
    workspace_id: str
    enabled: bool = True


class State:
    """One cloud, without what answers for Resource Manager."""

    vaults: dict[str, Vault]
    """By host."""
    topics: dict[str, Topic]
    accounts: dict[str, StorageAccount]
    subscription_names: dict[str, str]
    """Display names by id in lower case."""

    def __init__(self, clock: OwnClock, cloud: Cloud) -> None:
        self.clock = clock
        self.cloud = cloud
        self.rights = Rights(clock)
        self.tenants = Tenants()
        self.server = Server(clock)
        self.event_grid = EventGrid(clock)
        self.identities = IdentityEndpoint()
        self.vaults, self.topics, self.accounts, self.subscription_names = {}, {}, {}, {}
        self.arm = Arm(clock)
        self.apps: dict[str, App] = {}
        """By id in lower case."""
        self.locks: list[Lock] = []
        self.alert_rules: list[AlertRule] = []
        self.unregistered: set[tuple[str, str]] = set()
        """Subscription and namespace of resource providers, in lower case, that nobody has registered there."""

    def make_vault(self, name: str, subscription: str, resource_group: str, *, hsm: bool = False) -> Vault:
        """Make an empty vault or Managed HSM."""
        suffix = self.cloud.hsm_suffix if hsm else self.cloud.vault_suffix
        kind = "managedHSMs" if hsm else "vaults"
        group = f"/subscriptions/{subscription}/resourceGroups/{resource_group}"
        vault = Vault(
            name=name,
            host=f"{name}.{suffix}".lower(),
            resource_id=f"{group}/providers/Microsoft.KeyVault/{kind}/{name}",
            audience=f"https://{suffix}",
            login_host=self.cloud.login_host,
            clock=self.clock,
            rights=self.rights,
            announce=self._announce,
            tenant=self.tenants.of(group),
            tenant_of=self.tenants.of,
            hsm=hsm,
        )
        self.arm.resource_groups.add((subscription.lower(), resource_group.lower()))
        self.put_vault(vault)
        return vault

    def put_vault(self, vault: Vault) -> None:
        """Let a vault answer at its host."""
        self.vaults[vault.host] = vault
        self.server.hosts[vault.host] = partial(key_api.answer, vault)

    def take_vault(self, vault: Vault) -> None:
        """Let nothing answer there any more."""
        del self.vaults[vault.host], self.server.hosts[vault.host]

    def serve_region(self, region: str) -> None:
        """Let a region's own host answer as Resource Manager's does."""
        self.server.hosts[f"{region}.{self.cloud.arm_host}"] = self.server.hosts[self.cloud.arm_host]

    def key_refusal(self, cluster: Cluster, key: ClusterKey) -> str | None:
        """Why a cluster cannot be given a key; None if it can."""
        vault = self.vault_at(key.vault_uri)
        if vault is None:
            return FAILED
        return vault.refusal(cluster, key)

    def newest_version(self, key: ClusterKey) -> str:
        """The version of a key that was made last; empty if there is no such key."""
        return self.newest_at(key.vault_uri, key.name)

    def newest_at(self, uri: str, name: str) -> str:
        """The same, of a key by its vault's URI and its name."""
        vault = self.vault_at(uri)
        return vault.keys[name.lower()].newest.version if vault and name.lower() in vault.keys else ""

    def vault_at(self, uri: str) -> Vault | None:
        """The vault that answers at a URI."""
        return self.vaults.get((urlsplit(uri).hostname or "").lower())

    def encrypt(self, account: StorageAccount, uri: str, name: str, version: str = "") -> None:
        """Let a key encrypt a storage account; without a version, the account uses the newest and follows."""
        now = self.clock.timestamp()
        account.customer_key = CustomerKey(uri, name, version, version or self.newest_at(uri, name), now, now)

    def _announce(self, vault: Vault, event: str, key: Key | None) -> None:
        if vault.hsm:
            return  # Managed HSM has no Event Grid notifications.
        version = key.newest if key else None
        name = key.name if key else vault.name
        data = {
            # The schema is the same for a vault; what its id looks like there is not published.
            "Id": f"{vault.uri}keys/{name}/{version.version}" if version else vault.uri,
            "VaultName": vault.name,
            "ObjectType": "Key" if key else "Vault",
            "ObjectName": name,
            "Version": version.version if version else None,
            "NBF": version.not_before if version else None,
            "EXP": version.expires if version else None,
        }
        self.event_grid.publish(vault.resource_id, f"Microsoft.KeyVault.{event}", name, data)
