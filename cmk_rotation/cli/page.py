"""What the page shows, and the page. Everything in it is escaped by the template engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import jinja2

from cmk_rotation.cli import tables
from cmk_rotation.cli.following import Look
from cmk_rotation.cli.session import Session
from cmk_rotation.cli.shown import Cell
from cmk_rotation.cli.times import ago, minute, span
from cmk_rotation.controller.retention import named, storage_pins
from cmk_rotation.domain.cluster_record import ClusterStatus, LinkedStorage
from cmk_rotation.domain.identifiers import ClusterId, Key
from cmk_rotation.domain.redaction import visible
from cmk_rotation.domain.rotation import Rotation, Step
from cmk_rotation.domain.visit_message import PoisonQueue
from cmk_rotation.domain.vocabulary import KeyMode, Reason, Stage

_HELD_BACK = frozenset(
    {
        *(Reason.CLUSTER_BUSY, Reason.CLUSTER_UNREACHABLE, Reason.UPDATE_REFUSED, Reason.UPDATE_FAILED),
        *(Reason.UPDATE_OVERDUE, Reason.CLUSTER_FAILED, Reason.READ_BACK_DIFFERS, Reason.ON_HOLD),
    }
)
"""Reasons on a rotation's way that are not its course."""
_ACCOUNTS = {
    Reason.STORAGE_KEY_DISABLED: "bad",
    Reason.STORAGE_KEY_EXPIRED: "bad",
    Reason.STORAGE_BEHIND: "waiting",
    Reason.STORAGE_UNREAD: "waiting",
    Reason.STORAGE_OTHER_KEY: "soft",
}


@dataclass(frozen=True, slots=True)
class ClusterRow:
    """A cluster, as the page shows it."""

    status: ClusterStatus
    runway: str | None
    tone: str
    """`good`, `waiting` or `bad`."""


@dataclass(frozen=True, slots=True)
class RotationRow:
    """A rotation, as the page shows it."""

    rotation: Rotation
    tone: str
    took: str | None
    share: int
    """How long it took, in hundredths of the longest."""
    held_back: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A linked storage account, as the page shows it."""

    storage: LinkedStorage
    tone: str


@dataclass(frozen=True, slots=True)
class OldVersion:
    """A previous version of a key, which somebody may want to disable."""

    key: Key
    version: str
    not_before: datetime | None
    """None while a cluster or a linked storage account uses it."""
    pinned_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """All that the page shows."""

    now: datetime
    since: datetime | None
    mode: str
    scopes: tuple[str, ...]
    numbers: tuple[tuple[str, int, str], ...]
    """What is counted, how many, and how that is shown."""
    called: tuple[ClusterStatus, ...]
    """The clusters that need a person."""
    due: tuple[str, ...]
    clusters: tuple[ClusterRow, ...]
    accounts: tuple[AccountRow, ...]
    unread: tuple[str, ...]
    """The linked storage of which nobody knows which versions it uses."""
    rotations: tuple[RotationRow, ...]
    failed: tuple[Rotation, ...]
    old_versions: tuple[OldVersion, ...]
    poison: tuple[Cell, ...]
    """What there is to say of the poison queue."""


type _Of = tuple[ClusterId, Key | None, str]
"""Which rotation."""


def model(session: Session, found: Look, steps: Sequence[Step], poison: PoisonQueue | None) -> Model:
    """All that there is to say."""
    settings, now = session.settings, session.world.now()
    warning = settings.timing.expiry_warning
    clusters = tuple(_cluster(status, now, warning) for status in found.clusters)
    held_back: dict[_Of, dict[str, None]] = {}
    for step in steps:
        if step.rotation.reason in _HELD_BACK:
            held_back.setdefault(_of(step.rotation), {})[step.rotation.reason.value] = None
    longest = max((rotation.seconds_to_verify or 0.0 for rotation in found.rotations), default=0.0)
    return Model(
        now=now,
        since=session.options.since,
        mode=settings.mode,
        scopes=tuple(scope.text for scope in settings.scopes),
        numbers=_numbers(found, clusters),
        called=tuple(row.status for row in clusters if row.tone == "bad"),
        due=tuple(_due(found, now, warning)),
        clusters=clusters,
        accounts=tuple(AccountRow(one, _ACCOUNTS.get(one.reason, "good")) for one in found.accounts),
        unread=tuple(one.id.name for one in found.accounts if one.is_unread),
        rotations=tuple(_rotation(one, tuple(held_back.get(_of(one), ())), longest) for one in found.rotations),
        failed=tuple(one for one in tables.newest(found.rotations) if one.stage is Stage.FAILED),
        old_versions=tuple(_old_versions(found)),
        poison=tables.poison(poison),
    )


def _cluster(status: ClusterStatus, now: datetime, warning: timedelta) -> ClusterRow:
    called = status.alerts.attention_reason is not None
    waiting = status.held or status.reason in {Reason.VERSION_IS_BEHIND, Reason.UPDATE_RUNNING, Reason.CLUSTER_BUSY}
    expires, runway = status.key_version_expires_at, None
    if expires is not None:
        runway = f"{minute(expires)}, {ago(now, expires)}"
        waiting = waiting or expires - now <= warning
    elif status.mode is KeyMode.PINNED:
        runway = "never"
    return ClusterRow(status, runway, "bad" if called else "waiting" if waiting else "good")


def _numbers(found: Look, clusters: Sequence[ClusterRow]) -> tuple[tuple[str, int, str], ...]:
    under_way = len(tables.under_way(found.rotations))
    called = sum(row.tone == "bad" for row in clusters)
    ended = [one.stage for one in found.rotations]
    failed = sum(one.stage is Stage.FAILED for one in tables.newest(found.rotations))
    return (
        ("clusters on record", len(clusters), ""),
        ("in need of a person", called, "bad" if called else "good"),
        ("under way", under_way, "waiting" if under_way else ""),
        ("held by an operator", sum(row.status.held for row in clusters), ""),
        ("following their key by themselves", sum(row.status.mode is KeyMode.AUTO for row in clusters), ""),
        ("verified rotations", ended.count(Stage.SUCCEEDED), "good"),
        ("failed rotations, not mended", failed, "bad" if failed else "good"),
    )


def _due(found: Look, now: datetime, warning: timedelta) -> list[str]:
    """What is to come, soonest first."""
    dated: list[tuple[datetime, str]] = []
    for status in found.clusters:
        name, expires = status.cluster_id.name, status.key_version_expires_at
        if expires is not None and expires - now <= warning:
            dated.append((expires, f"{name}: the key version in use expires"))
        if status.next_visit is not None:
            dated.append((status.next_visit.at, f"{name}: next visit"))
    dated += [
        (old.not_before, f"version {old.version} of {old.key.name} may be disabled from then on")
        for old in _old_versions(found)
        if old.not_before is not None and old.not_before > now
    ]
    return [f"{minute(at)} ({ago(now, at)}): {what}" for at, what in sorted(dated)]


def _of(rotation: Rotation) -> _Of:
    return rotation.cluster_id, rotation.key, rotation.to_version


def _rotation(rotation: Rotation, held_back: tuple[str, ...], longest: float) -> RotationRow:
    seconds = rotation.seconds_to_verify
    tones = {Stage.SUCCEEDED: "good", Stage.FAILED: "bad", Stage.SUPERSEDED: ""}
    return RotationRow(
        rotation,
        tones.get(rotation.stage, "waiting"),
        span(timedelta(seconds=seconds)) if seconds is not None else None,
        max(1, round(100 * seconds / longest)) if seconds is not None and longest else 0,
        held_back,
    )


def _old_versions(look: Look) -> list[OldVersion]:
    """Each version that a rotation has left, once: it may go when the last of these rotations says so, and nobody uses it."""
    users: dict[tuple[Key, str], set[str]] = {}
    for status in look.clusters:
        if status.key is not None and status.key_version:
            users.setdefault((status.key, status.key_version.lower()), set()).add(status.cluster_id.name)
    for account in look.accounts:
        for pin in storage_pins(account):
            users.setdefault((pin.key, pin.version), set()).update(named([account.id]))
    found: dict[tuple[Key, str], list[Rotation]] = {}
    for rotation in look.rotations:
        if rotation.stage is Stage.SUCCEEDED and rotation.from_version and rotation.key is not None:
            found.setdefault((rotation.key, rotation.from_version.lower()), []).append(rotation)
    old = []
    for (key, version), left_by in found.items():
        pinned = users.get((key, version), set()) | {
            name for one in left_by for name in one.outcome.old_version_pinned_by
        }
        until = [one.outcome.keep_old_version_until for one in left_by]
        known = [at for at in until if at is not None]
        free = not pinned and len(known) == len(until)
        old.append(OldVersion(key, version, max(known) if free else None, tuple(sorted(pinned))))
    return old


def html(shown: Model) -> str:
    """The page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cmk_rotation.cli", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters |= {"minute": minute, "name": _name}
    return environment.get_template("page.html").render(page=shown)


def _shown(value: object) -> object:
    """What is not known is a dash; and nothing in a stranger's text turns the line around or hides."""
    if value is None or value == "":
        return "–"  # noqa: RUF001 - a dash, for people
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _name(cluster_id: ClusterId) -> str:
    return cluster_id.name
