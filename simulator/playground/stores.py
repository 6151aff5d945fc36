"""The storage below each cluster: it wraps its own key with the cluster's, and uses that all day.

From "Azure Monitor customer-managed keys": storage wraps and unwraps every 6 to 60 seconds; when it cannot, the
cluster is unavailable "within an hour or sooner", and newly ingested data is dropped and cannot be recovered; once it
can again, ingestion resumes within 30 minutes. An expired key goes on working.
Not published, and so settable: when within those times, how long after an update storage still unwraps with the
old version (Key Vault's guide: "from one hour to 24 hours or more"), and how soon auto mode picks a new version up
(storage accounts: once a day).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import urlsplit

from simulator.azure import Azure
from simulator.operationalinsights.clusters import Cluster, ClusterKey


@dataclass(frozen=True, slots=True)
class Use:
    """A line of the vault's audit log: one attempt to use a version of a key. Runs of the same are one line."""

    at: float
    """Simulated seconds since the epoch, the first of the run."""
    operation: Literal["KeyWrap", "KeyUnwrap"]
    cluster: str
    vault_uri: str
    key: str
    version: str
    allowed: bool
    last: float
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Simulated seconds."""

    rewrap: float = 3_600.0
    """From the moment the cluster has a new version until storage has wrapped with it."""
    pick_up: float = 86_400.0
    """How often auto mode looks for a newer version."""
    revoked: float = 2_400.0
    """From the first refusal until ingestion stops."""
    resumed: float = 1_200.0
    """From the first success until it goes on."""
    use: float = 60.0


@dataclass(slots=True)
class Store:
    """One cluster's storage."""

    wrapped: ClusterKey | None
    """With which version its own key is wrapped now."""
    next_key_since: float = 0.0
    used_at: float = 0.0
    refused_since: float | None = None
    allowed_since: float | None = None
    ingesting: bool = True
    dropped_gigabytes: float = 0.0


@dataclass(slots=True)
class Stores:
    """All clusters' storage. `look` must be called now and then; it does what has become due."""

    azure: Azure
    say: Callable[..., None]
    pace: Pace = field(default_factory=Pace)
    uses: list[Use] = field(default_factory=list)
    by_cluster: dict[str, Store] = field(default_factory=dict)
    """By the cluster's id in lower case."""

    def look(self, now: float) -> None:
        """Let every cluster's storage use its key, and bear the consequences."""
        for id_ in self.by_cluster.keys() - self.azure.arm.clusters.keys():
            del self.by_cluster[id_]  # A deleted cluster's data is gone.
        for id_, cluster in self.azure.arm.clusters.items():
            cluster.settle(self.azure.arm.clock.timestamp(), self.azure.arm.behaviour_of(cluster))
            store = self.by_cluster.setdefault(id_, Store(self._version_of(cluster.key), used_at=now))
            while store.used_at + self.pace.use <= now:
                store.used_at += self.pace.use
                self._use(cluster, store, store.used_at)

    def _use(self, cluster: Cluster, store: Store, now: float) -> None:
        self._rewrap(cluster, store, now)
        if store.wrapped is None or self._ask(cluster, "KeyUnwrap", store.wrapped, now):
            store.refused_since = None
            store.allowed_since = store.allowed_since if store.allowed_since is not None else now
            if not store.ingesting and now - store.allowed_since >= self.pace.resumed:
                store.ingesting = True
                self.say("storage", f"{cluster.name} ingests again; {store.dropped_gigabytes:.1f} GB are lost for good")
        else:
            store.allowed_since = None
            store.refused_since = store.refused_since if store.refused_since is not None else now
            if store.ingesting and now - store.refused_since >= self.pace.revoked:
                store.ingesting = False
                text = f"{cluster.name} cannot use its key: queries fail, and what is sent to it is dropped for good"
                self.say("storage", text, bad=True)
        if not store.ingesting:
            store.dropped_gigabytes += cluster.sku.get("capacity", 100) / 86_400 * self.pace.use

    def _rewrap(self, cluster: Cluster, store: Store, now: float) -> None:
        wanted = self._version_of(cluster.key)
        if wanted == store.wrapped:
            store.next_key_since = 0.0
            return
        if not store.next_key_since:
            store.next_key_since = now
        auto = cluster.key is not None and not cluster.key.version
        if now - store.next_key_since < (self.pace.pick_up if auto else self.pace.rewrap):
            return
        # To wrap anew, storage must unwrap what it has: a version that is gone too early takes the data with it.
        if store.wrapped and not self._ask(cluster, "KeyUnwrap", store.wrapped, now):
            return
        if wanted is None or self._ask(cluster, "KeyWrap", wanted, now):
            store.wrapped, store.next_key_since = wanted, 0.0
            self.say("storage", f"{cluster.name} is wrapped with {wanted.version if wanted else 'a key of Microsoft'}")

    def _version_of(self, key: ClusterKey | None) -> ClusterKey | None:
        if key is None or key.version:
            return None if key is None else replace(key, rsa_size=None)
        vault = self.azure.vaults.get((urlsplit(key.vault_uri).hostname or "").lower())
        found = vault.keys.get(key.name.lower()) if vault else None
        return replace(key, version=found.newest.version if found else "", rsa_size=None)

    def _ask(self, cluster: Cluster, operation: Literal["KeyWrap", "KeyUnwrap"], key: ClusterKey, now: float) -> bool:
        vault = self.azure.vaults.get((urlsplit(key.vault_uri).hostname or "").lower())
        allowed = vault is not None and vault.usable(cluster, key)
        same = (operation, cluster.id, key.vault_uri, key.name, key.version, allowed)
        for index in range(len(self.uses) - 1, max(-1, len(self.uses) - 50), -1):
            use = self.uses[index]
            if (use.operation, use.cluster, use.vault_uri, use.key, use.version, use.allowed) == same:
                self.uses[index] = replace(use, last=now, count=use.count + 1)
                return allowed
        operation_, id_, uri, name, version, allowed_ = same
        self.uses.append(Use(now, operation_, id_, uri, name, version, allowed_, now))
        return allowed
