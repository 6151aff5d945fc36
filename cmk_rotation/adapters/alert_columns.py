"""What was said of a cluster, as columns of its row, and back."""

from collections.abc import Iterable, Iterator

from cmk_rotation.adapters import columns
from cmk_rotation.adapters.columns import Row
from cmk_rotation.domain.cluster_record import AlertState, DisabledEarly
from cmk_rotation.domain.instants import from_iso, iso
from cmk_rotation.domain.vocabulary import Reason


def from_alerts(alerts: AlertState) -> Row:
    """The columns."""
    return {
        "attentionReason": alerts.attention_reason,
        "attentionAt": alerts.attention_at,
        "attentionSince": alerts.attention_since,
        "attentionEnded": alerts.attention_ended,
        "expiryWarnedAt": alerts.expiry_warned_at,
        "disabledEarlyVersion": _from_disabled_early(alerts.disabled_early),
        "unreadableRows": alerts.unreadable_rows,
        "unreadableAt": alerts.unreadable_at,
        "statusSaid": alerts.status_said,
        "statusAt": alerts.status_at,
        "sayingSince": alerts.saying_since,
    }


def to_alerts(row: Row) -> AlertState:
    """What the columns of a row hold."""
    return AlertState(
        attention_reason=columns.word(row, "attentionReason", Reason),
        attention_at=columns.time(row, "attentionAt"),
        attention_since=columns.time(row, "attentionSince"),
        attention_ended=columns.word(row, "attentionEnded", Reason),
        expiry_warned_at=columns.time(row, "expiryWarnedAt"),
        disabled_early=tuple(_to_disabled_early(columns.text(row, "disabledEarlyVersion") or "")),
        unreadable_rows=columns.text(row, "unreadableRows"),
        unreadable_at=columns.time(row, "unreadableAt"),
        status_said=columns.text(row, "statusSaid"),
        status_at=columns.time(row, "statusAt"),
        saying_since=columns.time(row, "sayingSince"),
    )


def _from_disabled_early(noted: Iterable[DisabledEarly]) -> str:
    return ",".join(" ".join((one.version, *_times(one))) for one in noted)


def _times(one: DisabledEarly) -> Iterator[str]:
    if one.since is not None and one.said_at is not None:
        yield from (iso(at, "microseconds") for at in (one.since, one.said_at))


def _to_disabled_early(text: str) -> Iterator[DisabledEarly]:
    """What a column says was called out. Without times, as rows of before have it, it is said again."""
    for part in filter(None, text.split(",")):
        version, *times = part.split(" ")
        since, said_at = (from_iso(one) for one in (*times, None, None)[:2])
        yield DisabledEarly(version, since, said_at)
