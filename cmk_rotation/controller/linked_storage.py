"""The storage accounts that clusters' workspaces are linked to: looked at by reconcile, and never changed.

It looks before it notes which old versions are free, so that what is found counts at once.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile

from cmk_rotation.controller.observe import vault_in_cloud
from cmk_rotation.controller.ports import AzureCallError, LinkedAccounts, World
from cmk_rotation.controller.retention import storage_pins
from cmk_rotation.controller.side_by_side import side_by_side
from cmk_rotation.controller.survey import NOT_REACHED, READING_LASTS
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

_WRITING_LASTS = timedelta(minutes=8)
"""How long rows are written in a run: the host ends it after ten minutes (`functionTimeout`), and what is so of old versions
is noted after them."""
_MOST_CLUSTERS = 50
"""Of which a row names those that led to the account: more would not fit the column."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What is known now, and which clusters lead there, or may lead there still."""

    looks: Mapping[StorageId, AccountKey | Failure | None]
    """None for what is none of ours, or not any more."""
    led_by: Mapping[StorageId, frozenset[ClusterId]]


def watch_storage(
    world: World,
    clusters: Iterable[Cluster],
    records: Mapping[ClusterId, Record],
    versions: VersionsOf,
    began: datetime,
) -> tuple[LinkedStorage, ...]:
    """Look at each linked account once, write down what has changed of it, and say what is owed.

    The result is all accounts that are known then. May raise `StorageUnavailableError`.
    """
    if world.storage is None:
        return ()
    before = {one.id: one for record in records.values() for one in record.storage or ()}
    found = _find(world, world.storage, {one.id: one for one in clusters}, records, began + READING_LASTS)
    now: dict[StorageId, LinkedStorage] = {}
    for id_, look in found.looks.items():
        row = before.get(id_)
        if look is not None:
            now[id_] = _row(world, _seen(world, id_, look, row, versions), found.led_by[id_], row)
        elif row is not None and row.is_linked:
            now[id_] = _row(world, SeenStorage(world.now(), id_, None), row.clusters, row)
    left_alone = tuple(row for row in before.values() if row.id not in now)
    # What a person is called for comes first; what there is no time for, the next run finds again.
    for row in takewhile(
        lambda _: world.now() < began + _WRITING_LASTS, sorted(now.values(), key=lambda one: one.reason not in CALLS)
    ):
        _put(world, row, before.get(row.id))
    for row in left_alone:
        _mend(world, row)
    return (*now.values(), *left_alone)


def _find(
    world: World,
    storage: LinkedAccounts,
    seen: Mapping[ClusterId, Cluster],
    records: Mapping[ClusterId, Record],
    until: datetime,
) -> _Found:
    """Ask each workspace of a cluster with a key for its accounts, and each account for its key, side by side.

    An account is asked as well to which a cluster led, some of whose workspaces cannot be read now: what it answers counts.
    """
    led_by: dict[StorageId, set[ClusterId]] = {}
    for cluster in seen.values():
        for workspace in filter(None, map(StorageId.parse, cluster.workspace_ids if cluster.key else ())):
            led_by.setdefault(workspace, set()).add(cluster.id)
    looks: dict[StorageId, AccountKey | Failure | None] = {}
    unsure: set[ClusterId] = set()
    workspaces = list(led_by)
    listed = side_by_side(lambda one: _asked(world, until, lambda: storage.of_workspace(one)), workspaces)
    for workspace, accounts in zip(workspaces, listed, strict=True):
        failure = _unless_gone(accounts) if isinstance(accounts, Failure) else None
        unsure |= led_by[workspace] if failure is not None else set()
        if failure is None or failure.kind is not FailureKind.UNAVAILABLE:  # what passes is nothing to put on record
            looks[workspace] = failure
        for account in () if isinstance(accounts, Failure) else accounts:
            led_by.setdefault(account, set()).update(led_by[workspace])
    linked = {row.id: row for record in records.values() for row in record.storage or () if row.is_linked}
    for row in linked.values():
        hidden = {one for one in row.clusters if one not in seen and _may_be_there(world, one, records[one])}
        still = hidden | (unsure.intersection(row.clusters) if row.id.is_account else set())
        if still:
            led_by.setdefault(row.id, set()).update(still)
    # Of a cluster that was not seen the key was not read either: nothing could be said of its account.
    asked = [one for one, led in led_by.items() if one.is_account and not led.isdisjoint(seen)]
    keys = side_by_side(lambda one: _asked(world, until, lambda: storage.key_of(one)), asked)
    for account, key in zip(asked, keys, strict=True):
        looks[account] = _unless_gone(key) if isinstance(key, Failure) else _of_this_cloud(world, key)
    looks |= {one: None for one in linked if one not in led_by}
    return _Found(looks, {one: frozenset(led) for one, led in led_by.items()})


def _unless_gone(failure: Failure) -> Failure | None:
    return failure if failure.kind is not FailureKind.NOT_FOUND else None


def _of_this_cloud(world: World, key: AccountKey | None) -> AccountKey | None:
    return key if key is not None and vault_in_cloud(world, key) else None


def _asked[T](world: World, until: datetime, ask: Callable[[], T]) -> T | Failure:
    if world.now() >= until:
        return NOT_REACHED
    try:
        return ask()
    except AzureCallError as error:
        return error.failure


def _seen(
    world: World, id_: StorageId, look: AccountKey | Failure, before: LinkedStorage | None, versions: VersionsOf
) -> SeenStorage:
    failure = look if isinstance(look, Failure) else None
    # What was so counts until it is known to be over: a right that was taken moves no account.
    known = before.account_key if before is not None else None
    key = known if isinstance(look, Failure) else look
    of_key = versions.get(key.key) if key is not None and key.key is not None else None
    return SeenStorage(world.now(), id_, key, failure, of_key)


def _may_be_there(world: World, cluster_id: ClusterId, record: Record) -> bool:
    """Whether a cluster that this run did not see may exist still, and be in scope."""
    gone = record.status is not None and record.status.reason is Reason.CLUSTER_GONE
    return not gone and any(scope.contains(cluster_id) for scope in world.scopes)


def _row(world: World, seen: SeenStorage, clusters: Iterable[ClusterId], before: LinkedStorage | None) -> LinkedStorage:
    judged, now = judge(seen), world.now()
    row = LinkedStorage(
        seen.id,
        tuple(sorted(clusters, key=lambda one: one.key))[:_MOST_CLUSTERS],
        judged.reason,
        _since(before, judged.reason, now),
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
        called_since=before.called_since,
        said=before.said,
        said_at=before.said_at,
        pins=before.pins,
    )


def _since(before: LinkedStorage | None, reason: Reason, now: datetime) -> datetime:
    """Since when this is so. What a person is called for has not begun anew because it could not be read for a while."""
    if before is None:
        return now
    called = before.called_since if before.called_for is reason else None
    return plausible(called or (before.since if before.reason is reason else None), latest=now) or now


def _put(world: World, row: LinkedStorage, before: LinkedStorage | None) -> None:
    """Say what is owed, then write the row if it says anything new: a crash in between repeats a line, and never loses it."""
    now, about = row.looked_at, log_events.storage_fields(row)
    lines = []
    if row.reason in CALLS and (row.called_for is not row.reason or _due(row.called_at, now)):
        lines.append(log_events.cluster_attention(about, row.reason, row.message, Remedy(row.remedy), row.since))
        row = replace(row, called_for=row.reason, called_at=now, called_since=row.since)
    elif row.called_for is not None and row.reason not in {*CALLS, Reason.STORAGE_UNREAD}:
        lines.append(log_events.cluster_recovered(about, row.reason, row.message, row.called_for))
        row = replace(row, called_for=None, called_at=None, called_since=None)
    status = log_events.storage_status(row)
    says = "|".join(
        str(status.fields[name]) for name in ("reason", "mode", "keyVersion", "versionInUse", "newestVersion")
    )
    if says != row.said or _due(row.said_at, now):
        lines.append(status)
        row = replace(row, said=says, said_at=now)
    for line in lines:
        world.log(line)
    if before is None or replace(row, looked_at=before.looked_at) != before:
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
