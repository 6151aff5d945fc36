"""Records as people read them: aligned tables, and below them what somebody should do. Unknown is a dash; times are UTC."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from cmk_rotation.domain.cluster_record import ClusterStatus
from cmk_rotation.domain.instants import iso
from cmk_rotation.domain.redaction import visible
from cmk_rotation.domain.rotation import Rotation, Step
from cmk_rotation.domain.visit_message import PoisonQueue
from cmk_rotation.domain.vocabulary import Action, Stage

_UNKNOWN = "-"


def clusters_text(statuses: Sequence[ClusterStatus], actions: Mapping[str, Action] | None = None) -> str:
    """Clusters as a table, and below it what somebody should do; `actions`, by cluster, add what would be done now."""
    if not statuses:
        return "No clusters.\n"
    heads = ["cluster", "key", "in use", "newest", "state", "held", "reason", "since"] + (
        [] if actions is None else ["decision"]
    )
    rows = [
        [
            status.cluster_id.name,
            status.key_name,
            status.key_version[:8] if status.key_version else status.mode,
            status.newest_version[:8] if status.newest_version else None,
            status.cluster_state,
            "held" if status.held else None,
            status.reason,
            minute(status.since),
            *([] if actions is None else [actions[status.cluster_id.key]]),
        ]
        for status in statuses
    ]
    calls = [
        call(status.message, status.remedy)
        for status in statuses
        if status.alerts.attention_reason is not None or (actions or {}).get(status.cluster_id.key) is Action.ATTENTION
    ]
    return table(heads, rows) + "".join(calls)


def rotations_text(rotations: Sequence[Rotation]) -> str:
    """Rotations as a table, and below it why any of them failed."""
    if not rotations:
        return "No rotations.\n"
    heads = ["cluster", "key", "from", "to", "stage", "reason", "ended", "took", "keep old version until"]
    rows = [
        [
            rotation.cluster_id.name,
            rotation.key_name,
            (rotation.from_version or _UNKNOWN)[:8],
            rotation.to_version[:8],
            rotation.stage,
            rotation.reason,
            minute(rotation.outcome.finished_at),
            span(timedelta(seconds=rotation.seconds_to_verify)) if rotation.seconds_to_verify is not None else None,
            _keep_until(rotation),
        ]
        for rotation in rotations
    ]
    last = {rotation.cluster_id: rotation for rotation in sorted(rotations, key=lambda one: one.requested_at)}
    failed = [
        call(rotation.message, rotation.remedy)
        for rotation in rotations
        if rotation.stage is Stage.FAILED and rotation == last[rotation.cluster_id]  # else the cluster has moved on
    ]
    note = "\nOther services may use an old version too: see the vault's audit log for wrap and unwrap calls first.\n"
    kept = any(rotation.outcome.keep_old_version_until for rotation in rotations)
    return table(heads, rows) + "".join(failed) + (note if kept else "")


def history_text(steps: Sequence[Step]) -> str:
    """What happened, step by step."""
    rows = [
        [
            f"{step.at:%Y-%m-%d %H:%M:%S}Z",
            step.rotation.cluster_id.name,
            step.name,
            step.rotation.reason,
            step.rotation.message,
        ]
        for step in steps
    ]
    return table(["at", "cluster", "step", "reason", "message"], rows) if rows else "No history.\n"


def table(heads: Sequence[str], rows: Sequence[Sequence[str | None]]) -> str:
    """Aligned columns, two blanks apart."""
    cells = [[visible(value or _UNKNOWN) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in [heads, *cells]]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def call(message: str, remedy: str | None) -> str:
    """What is the matter, and what to do."""
    return f"\n{visible(message)}\n  what to do: {visible(remedy or _UNKNOWN)}\n"


def minute(time: datetime | None) -> str | None:
    """A time as people read it, UTC."""
    return f"{time:%Y-%m-%d %H:%M}Z" if time else None


def _keep_until(rotation: Rotation) -> str | None:
    if rotation.stage is not Stage.SUCCEEDED or rotation.from_version is None:
        return None
    return minute(rotation.outcome.keep_old_version_until) or _pinned_by(rotation)


def _pinned_by(rotation: Rotation) -> str:
    names = rotation.outcome.old_version_pinned_by
    return f"used by {', '.join(names)}" if names else "another cluster uses it"


def span(duration: timedelta) -> str:
    """A duration in the two units that matter most."""
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next((index for index, (number, _) in enumerate(parts) if number), len(parts) - 1)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number) or "0 s"


def poison_text(poison: PoisonQueue) -> str:
    """That there are messages in the poison queue, for people."""
    since = f", since {iso(poison.since)} at the latest" if poison.since else ""
    many = "1 message lies" if poison.messages == 1 else f"{poison.messages} messages lie"
    return f"{many} in the queue cluster-visits-poison{since}: see docs/runbook.md#reconcile-failed\n"
