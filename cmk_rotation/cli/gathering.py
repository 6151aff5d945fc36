"""What `preflight` looks at: everything that a check wants to know, read side by side."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from cmk_rotation.adapters.once import Once
from cmk_rotation.adapters.surroundings import Surroundings
from cmk_rotation.cli.screen import Advance
from cmk_rotation.config import ncrontab
from cmk_rotation.config.settings import Settings
from cmk_rotation.controller import heartbeat, observe
from cmk_rotation.controller.ports import StorageUnavailableError, World
from cmk_rotation.controller.survey import Survey
from cmk_rotation.domain.azure_resources import Cluster, Failure, KeyVersion
from cmk_rotation.domain.cluster_record import ClusterStatus, Record
from cmk_rotation.domain.identifiers import AppId, ClusterId, Key, Scope
from cmk_rotation.domain.visit_message import PoisonQueue
from cmk_rotation.domain.vocabulary import KeyMode
from cmk_rotation.preflight import checks, rights
from cmk_rotation.preflight.findings import Finding
from cmk_rotation.preflight.seen import (
    Details,
    Grant,
    LinkedAccount,
    Material,
    SeenApp,
    SeenCluster,
    SeenKey,
    SeenScope,
    SeenVault,
    Unread,
    Vault,
)

_SILENT_AT_LEAST = timedelta(minutes=30)
AT_ONCE = 16
"""Things that are looked at side by side; for each of them a dozen reads follow one another."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What all that is looked at has in common."""

    world: World
    settings: Settings
    around: Surroundings
    app: AppId | None
    found: Survey
    records: Mapping[ClusterId, Record]
    once: Once = field(default_factory=Once)

    def versions(self, cluster: Cluster) -> tuple[KeyVersion, ...] | Failure:
        """The versions of a cluster's key, which others may have too."""
        return self.once(cluster.key, lambda: observe.read_versions(self.world, cluster))

    @property
    def statuses(self) -> tuple[ClusterStatus, ...]:
        """What the function last recorded of the clusters in scope."""
        return tuple(
            record.status for one, record in self.records.items() if record.status and one in self.found.clusters
        )

    def of_vault(self, host: str) -> tuple[ClusterStatus, ...]:
        """The same of the clusters whose key is in a vault."""
        return tuple(one for one in self.statuses if one.key is not None and one.key.vault == host)


type Task = Callable[[], list[Finding]]


def tasks(ground: Ground, chosen: Iterable[ClusterId]) -> list[Task]:
    """Everything that there is to look at, in the order in which it is told: of clusters, only these, their keys and vaults."""
    clusters = [ground.found.clusters[one] for one in sorted(chosen, key=lambda one: one.key)]
    used: dict[Key, list[Cluster]] = {}
    for cluster in clusters:
        if cluster.key is not None and observe.vault_in_cloud(ground.world, cluster):
            used.setdefault(cluster.key, []).append(cluster)
    vaults: dict[str, list[Cluster]] = {}
    for key, by in used.items():
        vaults.setdefault(key.vault, []).extend(by)
    return [
        partial(_of_the_app, ground),
        *(partial(_of_a_scope, ground, scope) for scope in ground.world.scopes),
        *(partial(_of_a_vault, ground, host, by) for host, by in sorted(vaults.items())),
        *(
            partial(_of_a_key, ground, key, by)
            for key, by in sorted(used.items(), key=lambda one: (one[0].vault, one[0].name))
        ),
        *(partial(_of_a_cluster, ground, cluster) for cluster in clusters),
    ]


def carry_out(todo: Iterable[Task], advance: Advance) -> list[Finding]:
    """Look at everything, some of it side by side."""

    def one(task: Task) -> list[Finding]:
        found = task()
        advance()
        return found

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [finding for found in pool.map(one, todo) for finding in found]


def _of_the_app(ground: Ground) -> list[Finding]:
    workspace = ground.settings.telemetry_workspace
    now = ground.world.now()
    seen = SeenApp(
        now=now,
        principal=ground.around.function_principal(ground.app, ground.settings.client_id),
        silent_before=_silent_before(ground.settings.schedule, now),
        statuses=ground.statuses,
        poison=_poison(ground.world),
        workspace=workspace,
        at_risk=tuple(heartbeat.telemetry_at_risk(workspace, ground.found.clusters.values())),
        heartbeat=ground.around.heartbeat(workspace) if workspace else None,
        alerts=ground.around.alert_rules(workspace) if workspace else (),
    )
    name = ground.app.name if ground.app else "the app"
    return checks.run(checks.OF_THE_APP, seen, name, ground.app.text if ground.app else name)


def _silent_before(schedule: str | None, now: datetime) -> datetime | None:
    """As the alert *silent* has it: three runs, or half an hour where these are shorter."""
    third = next(islice(ncrontab.runs_before(schedule, now), 2, None)) if schedule else None
    return min(third, now - _SILENT_AT_LEAST) if third else None


def _poison(world: World) -> PoisonQueue | Unread:
    try:
        return world.requests.poison_queue()
    except StorageUnavailableError as error:
        return Unread(
            "the poison queue",
            str(error),
            "Storage Queue Data Reader on the storage account, from a network that it lets in",
        )


def _principal(ground: Ground) -> str | Unread:
    found = ground.around.function_principal(ground.app, ground.settings.client_id)
    what, right = "what the function's identity may do", "an identity of the app, which AZURE_CLIENT_ID names"
    return Unread(what, "the app has none such", right) if found is None else found


def _of_a_scope(ground: Ground, scope: Scope) -> list[Finding]:
    around, principal = ground.around, _principal(ground)
    seen = SeenScope(
        scope=scope,
        clusters=sum(scope.contains(one) for one in ground.found.clusters),
        unreadable=ground.found.unreadable.get(scope, ()),
        failure=ground.found.failed.get(scope),
        function_grants=principal if isinstance(principal, Unread) else around.grants(scope.text, principal),
        registered=around.registered(scope.subscription, "Microsoft.OperationalInsights"),
        versions=around.api_versions(scope.subscription),
        wanted_version=ground.settings.cloud.arm_api_version,
    )
    name = scope.text.rpartition("/")[2]
    return checks.run(checks.OF_A_SCOPE, seen, f"scope {name}", scope.text)


def _of_a_vault(ground: Ground, host: str, clusters: list[Cluster]) -> list[Finding]:
    around, vault = ground.around, _vault_of(ground, host, clusters)
    principal = _principal(ground)
    real = vault if isinstance(vault, Vault) else None
    details = [(one.id.name, around.details(one.id)) for one in clusters]
    not_seen = Unread("the vault", "it was not found", f"{rights.see_vault(host)} on it")
    grants = principal if isinstance(principal, Unread) else (around.grants(real.id, principal) if real else not_seen)
    seen = SeenVault(
        host=host,
        vault=vault,
        user_assigned=tuple(
            name for name, one in details if isinstance(one, Details) and "userassigned" in one.identity
        ),
        events=around.event_subscriptions(real) if real and not real.hsm else (),
        registered=around.registered(real.id.split("/")[2], "Microsoft.EventGrid") if real else not_seen,
        app=ground.app.text if ground.app else None,
        function_grants=grants,
        function_principal=principal,
        statuses=ground.of_vault(host),
        rotations=tuple(
            one
            for record in ground.records.values()
            for one in record.rotations
            if one.key is not None and one.key.vault == host
        ),
    )
    return checks.run(checks.OF_A_VAULT, seen, f"vault {host.partition('.')[0]}", host)


def _of_a_key(ground: Ground, key: Key, clusters: list[Cluster]) -> list[Finding]:
    versions = ground.versions(clusters[0])
    now = ground.world.now()
    usable = [] if isinstance(versions, Failure) else [one for one in versions if one.usable(now)]
    newest = max(usable, key=lambda one: one.created_at, default=None)
    material: Material | Unread = Unread(
        "its type, size and operations", "no usable version is seen", "the right to list its versions"
    )
    if newest is not None:
        material = ground.around.material(key, newest.version)
    seen = SeenKey(now, key, versions, material, tuple(one for one in ground.statuses if one.key == key))
    return checks.run(checks.OF_A_KEY, seen, f"key {key.name}", f"https://{key.vault}/keys/{key.name}")


def _of_a_cluster(ground: Ground, cluster: Cluster) -> list[Finding]:
    around, world = ground.around, ground.world
    details, record = around.details(cluster.id), ground.records.get(cluster.id, Record())
    vault = _vault_of(ground, cluster.key.vault, [cluster]) if cluster.key else None
    workspaces = observe.read_workspaces(world, cluster)
    seen = SeenCluster(
        now=world.now(),
        expiry_warning=world.timing.expiry_warning,
        cluster=cluster,
        details=details,
        versions=ground.versions(cluster) if cluster.mode is not KeyMode.NONE else (),
        vault=vault,
        tenant=around.tenant(cluster.id.subscription),
        grants=_grants_of(ground, cluster, details, vault),
        locks=around.locks(cluster.id.subscription),
        workspaces=workspaces,
        sentinel=_sentinel(around, [one.id for one in workspaces]),
        linked=_linked(around, [one.id for one in workspaces]),
        status=record.status,
    )
    return checks.run(checks.OF_A_CLUSTER, seen, f"cluster {cluster.id.name}", cluster.id.text)


def _vault_of(ground: Ground, host: str, clusters: list[Cluster]) -> Vault | Unread | None:
    """The vault: first where its clusters are, then wherever else one may look."""
    near = dict.fromkeys(one.id.subscription.lower() for one in clusters)
    unread: Unread | None = None
    for subscription in dict.fromkeys([*near, *ground.around.subscriptions()]):
        found = ground.around.vaults(subscription, host)
        if isinstance(found, Unread):
            unread = unread or found
            continue
        vault = next((one for one in found if one.host.lower() == host), None)
        if vault is not None:
            return vault
    return unread


def _grants_of(
    ground: Ground, cluster: Cluster, details: Details | Unread, vault: Vault | Unread | None
) -> tuple[Grant, ...] | Unread:
    """What a cluster's identities hold at its key and above."""
    if isinstance(details, Unread):
        return details
    if not isinstance(vault, Vault) or vault.hsm or not vault.by_roles:
        return ()
    place = f"{vault.id}/keys/{cluster.key_name}"
    held = [ground.around.grants(place, principal) for principal in details.principals]
    unread = next((one for one in held if isinstance(one, Unread)), None)
    return unread or tuple(grant for one in held if not isinstance(one, Unread) for grant in one)


def _sentinel(around: Surroundings, workspaces: list[str]) -> tuple[str, ...] | Unread:
    found = [(one.rpartition("/")[2], around.sentinel(one)) for one in workspaces]
    unread = next((on for _, on in found if isinstance(on, Unread)), None)
    return unread or tuple(name for name, on in found if on is True)


def _linked(around: Surroundings, workspaces: list[str]) -> tuple[LinkedAccount, ...] | Unread:
    found = [around.linked_accounts(one) for one in workspaces]
    unread = next((one for one in found if isinstance(one, Unread)), None)
    return unread or tuple(account for one in found if not isinstance(one, Unread) for account in one)
