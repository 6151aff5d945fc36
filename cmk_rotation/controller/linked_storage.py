"""The storage accounts that clusters' workspaces are linked to: looked at by reconcile, and never changed.

It looks before it notes which old versions are free, so that what is found counts at once.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from cmk_rotation.controller.observe import vault_in_cloud
from cmk_rotation.controller.ports import AzureCallError, LinkedAccounts, World
from cmk_rotation.controller.retention import storage_pins
from cmk_rotation.controller.side_by_side import side_by_side
from cmk_rotation.controller.survey import NOT_REACHED
from cmk_rotation.decisions.storage_rules import CALLS, SeenStorage, judge
from cmk_rotation.domain import log_events
from cmk_rotation.domain.azure_resources import AccountKey, Cluster, Failure, KeyVersion
from cmk_rotation.domain.cluster_record import LinkedStorage, Record
from cmk_rotation.domain.identifiers import ClusterId, Key, StorageId
from cmk_rotation.domain.remedies import Remedy
from cmk_rotation.domain.timing import REMIND_EVERY, plausible
from cmk_rotation.domain.vocabulary import FailureKind, Reason

type VersionsOf = Mapping[Key, tuple[KeyVersion, ...] | Failure]
"""The versions of the clusters' keys, as this run has read them."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What a run has found: what each look came to, which clusters led there, and of which clusters that is not all."""

    looks: Mapping[StorageId, AccountKey | Failure]
    led_by: Mapping[StorageId, frozenset[ClusterId]]
    unsure: frozenset[ClusterId]


def watch_storage(
    world: World,
    clusters: Iterable[Cluster],
    records: Mapping[ClusterId, Record],
    versions: VersionsOf,
    until: datetime,
) -> tuple[LinkedStorage, ...]:
    """Look at each linked account once, write down what is so of it, and say what is owed.

    The result is all accounts that are on record then. May raise `StorageUnavailableError`.
    """
    if world.storage is None:
        return ()
    seen = {one.id: one for one in clusters}
    found = _find(world, world.storage, seen.values(), until)
    before = {one.id: one for record in records.values() for one in record.storage or ()}
    now = {id_: _looked_at(world, id_, found, before.get(id_), versions) for id_ in found.looks}
    for row in (one for one in before.values() if one.id not in found.looks):
        if row.is_linked and not any(_may_still_lead(world, one, found, seen, records) for one in row.clusters):
            now[row.id] = _row(world, SeenStorage(world.now(), row.id, None), row.clusters, row)
    for row in now.values():
        _put(world, row)
    left_alone = tuple(row for row in before.values() if row.id not in now)
    for row in left_alone:
        _mend(world, row)
    return (*now.values(), *left_alone)


def _find(world: World, storage: LinkedAccounts, clusters: Iterable[Cluster], until: datetime) -> _Found:
    """Ask each workspace of a cluster with a key for its accounts, and each account for its key, side by side."""
    leads: dict[StorageId, set[ClusterId]] = {}
    for cluster in clusters:
        for workspace in filter(None, map(StorageId.parse, cluster.workspace_ids if cluster.key else ())):
            leads.setdefault(workspace, set()).add(cluster.id)
    looks: dict[StorageId, AccountKey | Failure] = {}
    led_by: dict[StorageId, set[ClusterId]] = {}
    unsure: set[ClusterId] = set()
    listed = side_by_side(lambda one: _asked(world, until, lambda: storage.of_workspace(one)), leads)
    for (workspace, led), accounts in zip(leads.items(), listed, strict=True):
        if not isinstance(accounts, Failure):
            for account in accounts:
                led_by.setdefault(account, set()).update(led)
        elif accounts.kind is not FailureKind.NOT_FOUND:
            looks[workspace] = accounts
            led_by[workspace] = led
            unsure |= led
    asked = [one for one in led_by if one not in looks]
    keys = side_by_side(lambda one: _asked(world, until, lambda: storage.key_of(one)), asked)
    for account, key in zip(asked, keys, strict=True):
        if isinstance(key, Failure):
            looks |= {account: key} if key.kind is not FailureKind.NOT_FOUND else {}
        elif key is not None and vault_in_cloud(world, key):
            looks[account] = key
    return _Found(looks, {one: frozenset(led) for one, led in led_by.items()}, frozenset(unsure))


def _asked[T](world: World, until: datetime, ask: Callable[[], T]) -> T | Failure:
    if world.now() >= until:
        return NOT_REACHED
    try:
        return ask()
    except AzureCallError as error:
        return error.failure


def _looked_at(
    world: World, id_: StorageId, found: _Found, before: LinkedStorage | None, versions: VersionsOf
) -> LinkedStorage:
    look = found.looks[id_]
    failure = look if isinstance(look, Failure) else None
    key = None if isinstance(look, Failure) else look
    if failure is not None and failure.kind is not FailureKind.REFUSED and before is not None:
        key = (
            before.account_key
        )  # what was so will mostly be so when Azure answers again; without the right, nobody knows
    of_key = versions.get(key.key) if key is not None and key.key is not None else None
    seen = SeenStorage(world.now(), id_, key, failure, of_key)
    return _row(world, seen, tuple(sorted(found.led_by[id_], key=lambda one: one.key)), before)


def _may_still_lead(
    world: World,
    cluster_id: ClusterId,
    found: _Found,
    seen: Mapping[ClusterId, Cluster],
    records: Mapping[ClusterId, Record],
) -> bool:
    """Whether a cluster that led to an account may do so still, though this run did not see it."""
    if cluster_id in seen:
        return cluster_id in found.unsure
    status = records[cluster_id].status
    gone = status is not None and status.reason is Reason.CLUSTER_GONE
    return not gone and any(scope.contains(cluster_id) for scope in world.scopes)


def _row(
    world: World, seen: SeenStorage, clusters: tuple[ClusterId, ...], before: LinkedStorage | None
) -> LinkedStorage:
    judged, now = judge(seen), world.now()
    same = before is not None and before.reason is judged.reason
    row = LinkedStorage(
        seen.id,
        clusters,
        judged.reason,
        (plausible(before.since, latest=now) if before is not None and same else None) or now,
        judged.message,
        judged.remedy,
        now,
        seen.account_key,
        seen.newest,
    )
    if before is None:
        return row
    return replace(
        row,
        called_for=before.called_for,
        called_at=before.called_at,
        said=before.said,
        said_at=before.said_at,
        pins=before.pins,
    )


def _put(world: World, row: LinkedStorage) -> None:
    """Say what is owed, then write the row: a crash in between repeats a line, and never loses it."""
    now, about = row.looked_at, log_events.storage_fields(row)
    lines = []
    if row.reason in CALLS and (row.called_for is not row.reason or _due(row.called_at, now)):
        lines.append(log_events.cluster_attention(about, row.reason, row.message, Remedy(row.remedy), row.since))
        row = replace(row, called_for=row.reason, called_at=now)
    elif row.called_for is not None and row.reason not in {*CALLS, Reason.STORAGE_UNREAD}:
        lines.append(log_events.cluster_recovered(about, row.reason, row.message, row.called_for))
        row = replace(row, called_for=None, called_at=None)
    status = log_events.storage_status(row)
    says = "|".join(
        str(status.fields[name]) for name in ("reason", "mode", "keyVersion", "versionInUse", "newestVersion")
    )
    if says != row.said or _due(row.said_at, now):
        lines.append(status)
        row = replace(row, said=says, said_at=now)
    for line in lines:
        world.log(line)
    world.records.save_storage(row)
    _mend(world, row)


def _mend(world: World, row: LinkedStorage) -> None:
    """Let the index name the account under the versions that it needs, and under no others."""
    wanted = storage_pins(row)
    if wanted != row.pins:
        world.records.index(row.id, add=wanted - row.pins, remove=row.pins - wanted)


def _due(at: datetime | None, now: datetime) -> bool:
    last = plausible(at, latest=now)
    return last is None or now - last >= REMIND_EVERY
