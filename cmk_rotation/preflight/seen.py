"""What is looked at before a rotation: the surroundings of clusters, keys and vaults, and of the app itself.

Whatever could not be read is `Unread`, with the right that it takes: nobody may take it for fine.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from cmk_rotation.domain.azure_resources import Cluster, Failure, KeyVersion, UnreadableEntry, Workspace
from cmk_rotation.domain.cluster_record import ClusterStatus
from cmk_rotation.domain.identifiers import Key, Scope
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.visit_message import PoisonQueue


@dataclass(frozen=True, slots=True)
class Unread:
    """What could not be read."""

    what: str
    why: str
    right: str
    """What it takes to read it."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A role that a principal holds, itself or by a group, at a place or above it."""

    role: str
    scope: str
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()
    conditional: bool = False
    """Whether it holds only where a condition does, which is not evaluated here."""

    def allows(self, action: str, *, data: bool = False) -> bool:
        """Whether the role has an action in it."""
        given, taken = (self.data_actions, self.not_data_actions) if data else (self.actions, self.not_actions)
        return any(_covers(one, action) for one in given) and not any(_covers(one, action) for one in taken)


def _covers(pattern: str, action: str) -> bool:
    return fnmatchcase(action.lower(), pattern.lower())


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """What an access policy lets somebody do with keys."""

    principal: str
    keys: frozenset[str]
    """Permissions in lower case."""


@dataclass(frozen=True, slots=True)
class Vault:
    """A vault or Managed HSM, as Resource Manager shows it."""

    id: str
    host: str
    hsm: bool
    location: str
    tenant: str
    soft_delete: bool
    purge_protection: bool
    by_roles: bool
    """Whether rights come from Azure roles, and not from access policies."""
    policies: tuple[AccessPolicy, ...]
    public_access: str
    """`publicNetworkAccess`, in lower case."""
    default_deny: bool
    """Whether its firewall lets in only who is listed."""
    trusted_services: bool


@dataclass(frozen=True, slots=True)
class Material:
    """What a version of a key is made of."""

    kind: str
    """`kty`."""
    size: int | None
    """Bits, of an RSA key."""
    operations: frozenset[str]
    """In lower case."""


@dataclass(frozen=True, slots=True)
class Details:
    """What of a cluster only matters here."""

    location: str
    identity: str
    """Its type, in lower case."""
    principals: tuple[str, ...]
    """The object ids of its identities."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A management lock."""

    scope: str
    level: str
    name: str


@dataclass(frozen=True, slots=True)
class EventSubscription:
    """Where a vault's events go."""

    destination: str
    """The id of a function, or the URL of a webhook without its query."""
    event_types: frozenset[str]
    """In lower case; empty means all."""
    state: str
    dead_letters: bool


@dataclass(frozen=True, slots=True)
class LinkedAccount:
    """A storage account that a cluster's workspace keeps saved queries or alerts in."""

    id: str
    key: Key | None
    version: str | None
    """None where it follows its key by itself."""


@dataclass(frozen=True, slots=True)
class SeenCluster:
    """One cluster and all that its next rotation depends on."""

    now: datetime
    expiry_warning: timedelta
    cluster: Cluster
    details: Details | Unread
    versions: tuple[KeyVersion, ...] | Failure
    """As whoever asks sees them; none for a cluster without a key of its own."""
    vault: "Vault | Unread | None"
    """None where no vault of this name is in any subscription that whoever asks may see."""
    tenant: str | Unread
    """Of the cluster's subscription."""
    grants: tuple[Grant, ...] | Unread
    """What its identities hold at the key and above."""
    locks: tuple[Lock, ...] | Unread
    workspaces: tuple[Workspace, ...]
    sentinel: tuple[str, ...] | Unread
    """The names of its workspaces on which Microsoft Sentinel is."""
    linked: tuple[LinkedAccount, ...] | Unread
    status: ClusterStatus | None
    """What the function last recorded."""


@dataclass(frozen=True, slots=True)
class SeenKey:
    """A key that clusters pin."""

    now: datetime
    key: Key
    versions: tuple[KeyVersion, ...] | Failure
    material: Material | Unread
    """Of the newest version."""
    statuses: tuple[ClusterStatus, ...]
    """What the function last recorded of the clusters that use it."""


@dataclass(frozen=True, slots=True)
class SeenVault:
    """A vault with such keys in it."""

    host: str
    vault: Vault | Unread | None
    user_assigned: tuple[str, ...]
    """The names of clusters that come with a user-assigned identity."""
    events: tuple[EventSubscription, ...] | Unread
    registered: bool | Unread
    """Whether Event Grid is registered in its subscription."""
    app: str | None
    """The function app's id, if it is known."""
    function_grants: tuple[Grant, ...] | Unread
    function_principal: str | Unread
    statuses: tuple[ClusterStatus, ...]
    rotations: tuple[Rotation, ...]
    """On record, of its keys."""


@dataclass(frozen=True, slots=True)
class SeenScope:
    """A scope, and what the function may do there."""

    scope: Scope
    clusters: int
    unreadable: tuple[UnreadableEntry, ...]
    """What it lists beside them and nobody can read."""
    failure: Failure | None
    function_grants: tuple[Grant, ...] | Unread
    registered: bool | Unread
    versions: tuple[str, ...] | Unread
    """In which versions of the API clusters can be spoken of."""
    wanted_version: str


@dataclass(frozen=True, slots=True)
class AlertRule:
    """An alert rule over the evidence workspace."""

    name: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class SeenApp:
    """The app, its storage and its evidence."""

    now: datetime
    principal: str | Unread | None
    """The object id of the identity that the function works with; None where the app has none such."""
    silent_before: datetime | None
    """Whatever was last heard before this, three runs have come without; None where nobody knows when it runs."""
    statuses: tuple[ClusterStatus, ...]
    poison: PoisonQueue | Unread
    workspace: str | None
    """Where its telemetry goes, as TELEMETRY_WORKSPACE_ID says."""
    at_risk: tuple[str, ...]
    """The clusters that this workspace is linked to."""
    heartbeat: datetime | Unread | None
    """The newest in the workspace; None if there is none."""
    alerts: tuple[AlertRule, ...] | Unread
