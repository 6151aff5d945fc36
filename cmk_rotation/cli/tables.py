"""Records as people read them: tables, and below them what somebody should do. Times are UTC."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from cmk_rotation.cli.shown import UNKNOWN, Call, Cell, Content, Part, Table, Tone
from cmk_rotation.cli.times import Clock, minute, span
from cmk_rotation.domain.cluster_record import ClusterStatus, LinkedStorage
from cmk_rotation.domain.identifiers import ClusterId
from cmk_rotation.domain.instants import iso
from cmk_rotation.domain.rotation import Rotation, Step
from cmk_rotation.domain.visit_message import PoisonQueue
from cmk_rotation.domain.vocabulary import OPEN, Action, Reason, Stage

_STAGES = {Stage.SUCCEEDED: Tone.GOOD, Stage.FAILED: Tone.BAD, Stage.SUPERSEDED: Tone.QUIET}
_ACTIONS = {Action.ATTENTION: Tone.BAD, Action.NOTHING: Tone.GOOD}
_STORAGE = {
    Reason.STORAGE_KEY_DISABLED: Tone.BAD,
    Reason.STORAGE_KEY_EXPIRED: Tone.BAD,
    Reason.STORAGE_BEHIND: Tone.WAITING,
    Reason.STORAGE_UNREAD: Tone.WAITING,
}
"""What of a storage account somebody should see to."""
_SHORT = 8
"""Characters of a version that tell it from the others."""


@dataclass(frozen=True, slots=True)
class Style:
    """How much is written out."""

    wide: bool = False
    """Whole ids and versions."""
    time: Clock = minute

    def cluster(self, cluster_id: ClusterId) -> Cell:
        """What a cluster is called."""
        return Cell(cluster_id.text if self.wide else cluster_id.name, Tone.STRONG)

    def version(self, version: str | None) -> str | None:
        """What a version is called."""
        return version if self.wide or not version else version[:_SHORT]


SHORT = Style()


def clusters(
    statuses: Sequence[ClusterStatus], actions: Mapping[str, Action] | None = None, style: Style = SHORT
) -> list[Part]:
    """Clusters, and what somebody should do; `actions`, by cluster, add what would be done now."""
    if not statuses:
        return ["No clusters."]
    heads = ["cluster", "key", "in use", "newest", "state", "held", "reason", "since"]
    rows: list[list[Content]] = []
    calls: list[Part] = []
    for status in statuses:
        action = (actions or {}).get(status.cluster_id.key)
        called = status.alerts.attention_reason is not None or action is Action.ATTENTION
        rows.append(
            [
                style.cluster(status.cluster_id),
                status.key_name,
                style.version(status.key_version) or status.mode,
                style.version(status.newest_version),
                status.cluster_state,
                Cell("held", Tone.WAITING) if status.held else None,
                Cell(status.reason, Tone.BAD if called else Tone.PLAIN),
                style.time(status.since),
                *([] if action is None else [Cell(action, _ACTIONS.get(action, Tone.WAITING))]),
            ]
        )
        if called:
            calls.append(Call(status.message, status.remedy))
    return [Table(heads if actions is None else [*heads, "decision"], rows), *calls]


def storage(accounts: Sequence[LinkedStorage], style: Style = SHORT) -> list[Part]:
    """Linked storage accounts, and what somebody should do."""
    if not accounts:
        return []
    heads = ["linked storage", "of", "key", "in use", "newest", "reason", "since"]
    rows: list[list[Content]] = []
    for one in accounts:
        used = one.account_key
        rows.append(
            [
                Cell(one.id.text if style.wide else one.id.name, Tone.STRONG),
                ", ".join(style.cluster(cluster).text for cluster in one.clusters),
                used.key_name if used else None,
                (style.version(used.in_use) or used.mode) if used else None,
                style.version(one.newest_version),
                Cell(one.reason, _STORAGE.get(one.reason, Tone.PLAIN)),
                style.time(one.since),
            ]
        )
    return [Table(heads, rows), *(Call(one.message, one.remedy) for one in accounts if one.reason in _STORAGE)]


def rotations(
    found: Sequence[Rotation],
    style: Style = SHORT,
    linked: Mapping[ClusterId, Sequence[LinkedStorage] | None] | None = None,
) -> list[Part]:
    """Rotations, and why any of them failed; `linked`, by cluster, add which storage accounts nobody could read."""
    if not found:
        return ["No rotations."]
    heads = ["cluster", "key", "from", "to", "stage", "reason", "ended", "took", "keep old version until"]
    rows: list[list[Content]] = [
        [
            style.cluster(rotation.cluster_id),
            rotation.key_name,
            style.version(rotation.from_version),
            style.version(rotation.to_version),
            Cell(rotation.stage, _STAGES.get(rotation.stage, Tone.WAITING)),
            rotation.reason,
            style.time(rotation.outcome.finished_at),
            span(timedelta(seconds=rotation.seconds_to_verify)) if rotation.seconds_to_verify is not None else None,
            _keep_until(rotation, style),
        ]
        for rotation in found
    ]
    failed = [Call(rotation.message, rotation.remedy) for rotation in newest(found) if rotation.stage is Stage.FAILED]
    kept = [rotation.cluster_id for rotation in found if rotation.outcome.keep_old_version_until]
    unread = {one.id.name for cluster in kept for one in (linked or {}).get(cluster) or () if one.is_unread}
    return [Table(heads, rows), *failed, *([KEPT] if kept else []), *([_unread(unread)] if unread else [])]


def _unread(names: Iterable[str]) -> Cell:
    return Cell(
        f"Whether linked storage uses an old version could not be read of {', '.join(sorted(names))}.", Tone.WAITING
    )


KEPT = Cell(
    "Other services may use an old version too: see the vault's audit log for wrap and unwrap calls first.", Tone.QUIET
)


def newest(found: Sequence[Rotation]) -> list[Rotation]:
    """Each cluster's rotation that was tried last, in the given order; one that failed before that has moved on."""
    last = {rotation.cluster_id: rotation for rotation in sorted(found, key=lambda one: one.began_at)}
    return [rotation for rotation in found if rotation == last[rotation.cluster_id]]


def under_way(found: Sequence[Rotation]) -> list[Rotation]:
    """The rotations that are not over."""
    return [rotation for rotation in found if rotation.stage in OPEN]


def history(steps: Sequence[Step], style: Style = SHORT) -> list[Part]:
    """What happened, step by step."""
    if not steps:
        return ["No history."]
    rows: list[list[Content]] = [
        [
            f"{step.at:%Y-%m-%d %H:%M:%S}Z",
            style.cluster(step.rotation.cluster_id),
            step.name,
            step.rotation.reason,
            step.rotation.message,
        ]
        for step in steps
    ]
    return [Table(["at", "cluster", "step", "reason", "message"], rows)]


def poison(lying: PoisonQueue | None) -> tuple[Cell, ...]:
    """That there are messages in the poison queue, or that nobody can tell."""
    if lying is None:
        return (Cell("What lies in the queue cluster-visits-poison could not be read.", Tone.WAITING),)
    if not lying.messages:
        return ()
    since = f", since {iso(lying.since)} at the latest" if lying.since else ""
    many = "1 message lies" if lying.messages == 1 else f"{lying.messages} messages lie"
    text = f"{many} in the queue cluster-visits-poison{since}: see docs/runbook.md#poison-messages"
    return (Cell(text, Tone.BAD),)


def progress(rotation: Rotation, style: Style = SHORT) -> Cell:
    """A rotation on one line, for whoever follows it."""
    versions = f"{style.version(rotation.from_version) or UNKNOWN} to {style.version(rotation.to_version)}"
    text = f"{style.cluster(rotation.cluster_id).text}: key {rotation.key_name}, {versions}: "
    return Cell(f"{text}{rotation.stage} ({rotation.reason})", _STAGES.get(rotation.stage, Tone.WAITING))


def _keep_until(rotation: Rotation, style: Style) -> str | None:
    if rotation.stage is not Stage.SUCCEEDED or rotation.from_version is None:
        return None
    return style.time(rotation.outcome.keep_old_version_until) or _pinned_by(rotation)


def _pinned_by(rotation: Rotation) -> str:
    names = rotation.outcome.old_version_pinned_by
    return f"used by {', '.join(names)}" if names else "another cluster uses it"
