"""Records as rows of the table `rotations`, and back.

A column has the name that the same thing has in the JSON that the product prints, and holds a time as the same ISO 8601
text. What is not known has no column. Reading believes nothing: a value of the wrong type, a word that is not in the
vocabulary and a time that cannot be read count as absent, and a row that lacks what every row has gets a stand-in for
it, so that it can still be replaced by its etag. A row whose key is not the one that its rotation would be written under
is skipped, and named: it could never be replaced.

The column `claimedUntil` says until when others keep off: while a rotation is open, from its update; once it has ended,
from its announcement.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from cmk_rotation.adapters import alert_columns, columns
from cmk_rotation.adapters.columns import LONGEST_TEXT, Row
from cmk_rotation.domain.azure_resources import OperationError, Workspace
from cmk_rotation.domain.cluster_record import ClusterStatus, NextVisit
from cmk_rotation.domain.identifiers import ClusterId, vault_host
from cmk_rotation.domain.instants import iso
from cmk_rotation.domain.rotation import Attempt, Outcome, Rotation, Step
from cmk_rotation.domain.vocabulary import OPEN, KeyMode, Reason, RequestedBy, Stage

STATUS_ROW = "~cluster"
HISTORY = "~history|"
HISTORY_END = "~history}"
"""The first row key after all history: `}` follows `|`."""
_UNSAFE = re.compile(r"[^a-z0-9.-]")
"""Everything but what vaults, keys and versions are made of: a row key must not hold slashes and the like."""
_ROTATION_KEY = re.compile(
    r"(?:~history\|[^|]+\|)?(?P<vault>[^|~]+)\|(?P<key>[^|]+)\|(?P<version>[^|]+)(?:\|\d+\|[^|]+)?"
)
"""The key of a rotation, or of a line of its history."""
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_REASON_OF = {
    Stage.WAITING: Reason.CLUSTER_BUSY,
    Stage.UPDATING: Reason.UPDATE_RUNNING,
    Stage.SUCCEEDED: Reason.UPDATE_CONFIRMED,
    Stage.FAILED: Reason.UPDATE_FAILED,
    Stage.SUPERSEDED: Reason.CHANGED_BY_OTHERS,
}
"""What stands in for a reason that cannot be read."""


def partition(cluster_id: ClusterId) -> str:
    """The partition of a cluster: its id, but a key must not hold slashes."""
    return cluster_id.key.replace("/", "|")


def cluster_of(row: Row) -> ClusterId | None:
    """The cluster that a row is about: as it was written if that agrees with the partition, else in lower case."""
    by_partition = ClusterId.parse(str(row.get("PartitionKey")).replace("|", "/"))
    as_written = ClusterId.parse(row.get("clusterId"))
    return as_written if as_written == by_partition else by_partition


def rotation_key(rotation: Rotation) -> str:
    """The row key of a rotation: vault, key and target version. It sorts before `~`."""
    return "|".join(map(_key_part, (rotation.key_vault_uri, rotation.key_name, rotation.to_version)))


def from_status(status: ClusterStatus) -> Row:
    """The row of a cluster."""
    visit = status.next_visit
    return columns.row(
        PartitionKey=partition(status.cluster_id),
        RowKey=STATUS_ROW,
        clusterId=status.cluster_id.text,
        mode=status.mode,
        reason=status.reason,
        since=status.since,
        message=status.message,
        remedy=status.remedy,
        lookedAt=status.looked_at,
        keyVaultUri=status.key_vault_uri,
        keyName=status.key_name,
        keyVersion=status.key_version,
        keyVersionExpiresAt=status.key_version_expires_at,
        newestVersion=status.newest_version,
        clusterState=status.cluster_state,
        held=status.held or None,
        unavailableSince=status.unavailable_since,
        busySince=status.busy_since,
        nextVisitAt=visit.at if visit else None,
        nextVisitAskedAt=visit.asked_at if visit else None,
        **alert_columns.from_alerts(status.alerts),
    )


def to_status(row: Row, cluster_id: ClusterId, etag: str | None) -> ClusterStatus:
    """The status that a row holds. A reason that cannot be read is `cluster-unreachable` until the next look."""
    due = columns.time(row, "nextVisitAt")
    return ClusterStatus(
        cluster_id=cluster_id,
        mode=columns.word(row, "mode", KeyMode),
        reason=columns.word(row, "reason", Reason) or Reason.CLUSTER_UNREACHABLE,
        since=columns.time(row, "since") or _NEVER,
        message=columns.text(row, "message") or "",
        remedy=columns.text(row, "remedy"),
        looked_at=columns.time(row, "lookedAt") or _NEVER,
        key_vault_uri=columns.text(row, "keyVaultUri"),
        key_name=columns.text(row, "keyName"),
        key_version=columns.text(row, "keyVersion"),
        key_version_expires_at=columns.time(row, "keyVersionExpiresAt"),
        newest_version=columns.text(row, "newestVersion"),
        cluster_state=columns.text(row, "clusterState"),
        held=row.get("held") is True,
        unavailable_since=columns.time(row, "unavailableSince"),
        busy_since=columns.time(row, "busySince"),
        next_visit=NextVisit(due, columns.time(row, "nextVisitAskedAt")) if due else None,
        alerts=alert_columns.to_alerts(row),
        etag=etag,
    )


def from_rotation(rotation: Rotation) -> Row:
    """The row of a rotation."""
    attempt, outcome = rotation.attempt, rotation.outcome
    error = attempt.operation_error
    return columns.row(
        PartitionKey=partition(rotation.cluster_id),
        RowKey=rotation_key(rotation),
        clusterId=rotation.cluster_id.text,
        keyVaultUri=rotation.key_vault_uri,
        keyName=rotation.key_name,
        fromVersion=rotation.from_version,
        toVersion=rotation.to_version,
        toVersionCreatedAt=rotation.to_version_created_at,
        stage=rotation.stage,
        reason=rotation.reason,
        message=rotation.message,
        remedy=rotation.remedy,
        requestedAt=rotation.requested_at,
        requestedBy=rotation.requested_by,
        eventId=rotation.event_id,
        clusterState=rotation.cluster_state,
        verified=rotation.verified,
        attempts=rotation.attempts,
        attemptId=attempt.id,
        correlationId=attempt.correlation_id,
        startedAt=attempt.started_at,
        finishedAt=outcome.finished_at,
        secondsToVerify=rotation.seconds_to_verify,
        keepOldVersionUntil=outcome.keep_old_version_until,
        oldVersionPinnedBy=",".join(outcome.old_version_pinned_by),
        operationId=attempt.operation_id,
        operationUrl=attempt.operation_url,
        operationStatus=attempt.operation_status,
        operationErrorCode=error.code if error else None,
        operationErrorMessage=error.message if error else None,
        claimedUntil=attempt.claimed_until if rotation.stage in OPEN else outcome.announcing_until,
        restsUntil=attempt.rests_until,
        sends=attempt.sends or None,
        acceptedAt=attempt.accepted_at,
        atTargetSince=attempt.at_target_since,
        elsewhereSince=attempt.elsewhere_since,
        silentSince=attempt.silent_since,
        announced=outcome.announced,
        published=outcome.published,
        **dict(_spread(outcome.linked_workspaces)),
    )


def to_rotation(row: Row, cluster_id: ClusterId, etag: str | None) -> Rotation | None:
    """The rotation that a row holds; None if its key is not that rotation's own."""
    found = _rotation(row, cluster_id, etag)
    return found if found is not None and rotation_key(found) == row.get("RowKey") else None


def _rotation(row: Row, cluster_id: ClusterId, etag: str | None = None) -> Rotation | None:
    """A rotation, also of history. One whose stage cannot be read counts as failed, so that a person sees it."""
    found = _ROTATION_KEY.fullmatch(str(row.get("RowKey")))
    if found is None:
        return None
    stage = columns.word(row, "stage", Stage) or Stage.FAILED
    return Rotation(
        cluster_id=cluster_id,
        key_vault_uri=_agreeing(row, "keyVaultUri", found["vault"]) or f"https://{found['vault']}",
        key_name=_agreeing(row, "keyName", found["key"]) or found["key"],
        from_version=columns.text(row, "fromVersion"),
        to_version=_agreeing(row, "toVersion", found["version"]) or found["version"],
        to_version_created_at=columns.time(row, "toVersionCreatedAt"),
        stage=stage,
        reason=columns.word(row, "reason", Reason) or _REASON_OF[stage],
        message=columns.text(row, "message") or "",
        requested_at=columns.time(row, "requestedAt") or _NEVER,
        requested_by=columns.word(row, "requestedBy", RequestedBy) or RequestedBy.RECONCILE,
        event_id=columns.text(row, "eventId"),
        remedy=columns.text(row, "remedy"),
        cluster_state=columns.text(row, "clusterState"),
        attempts=columns.count(row, "attempts"),
        attempt=_to_attempt(row, stage),
        outcome=_to_outcome(row, stage),
        etag=etag,
    )


def _to_attempt(row: Row, stage: Stage) -> Attempt:
    error_code, error_message = columns.text(row, "operationErrorCode"), columns.text(row, "operationErrorMessage")
    return Attempt(
        id=columns.text(row, "attemptId"),
        started_at=columns.time(row, "startedAt"),
        claimed_until=columns.time(row, "claimedUntil") if stage in OPEN else None,
        rests_until=columns.time(row, "restsUntil"),
        sends=columns.count(row, "sends"),
        accepted_at=columns.time(row, "acceptedAt"),
        correlation_id=columns.text(row, "correlationId"),
        operation_id=columns.text(row, "operationId"),
        operation_url=columns.text(row, "operationUrl"),
        operation_status=columns.text(row, "operationStatus"),
        operation_error=OperationError(error_code or "unknown", error_message or "")
        if error_code or error_message
        else None,
        at_target_since=columns.time(row, "atTargetSince"),
        elsewhere_since=columns.time(row, "elsewhereSince"),
        silent_since=columns.time(row, "silentSince"),
    )


def _to_outcome(row: Row, stage: Stage) -> Outcome:
    return Outcome(
        finished_at=columns.time(row, "finishedAt"),
        linked_workspaces=tuple(_gathered(row)),
        keep_old_version_until=columns.time(row, "keepOldVersionUntil"),
        old_version_pinned_by=tuple((columns.text(row, "oldVersionPinnedBy") or "").split(","))
        if row.get("oldVersionPinnedBy")
        else (),
        announcing_until=None if stage in OPEN else columns.time(row, "claimedUntil"),
        announced=row.get("announced") is True,
        published=row.get("published") is True,
    )


def from_step(step: Step) -> Row:
    """A row of history: the whole rotation as it was then. Its key sorts by time and is unique by attempt and step.

    The operation's URL is left out: it holds a signature, and history is kept for good.
    """
    rotation = replace(step.rotation, attempt=replace(step.rotation.attempt, operation_url=None))
    step_name = _UNSAFE.sub("_", step.name.lower())
    key = f"{HISTORY}{iso(step.at, 'microseconds')}|{rotation_key(rotation)}|{rotation.attempts:04}|{step_name}"
    return {**from_rotation(rotation), **columns.row(RowKey=key, step=step.name, at=step.at)}


def to_step(row: Row, cluster_id: ClusterId) -> Step | None:
    """The line of history that a row holds, unless it lacks its name or its time."""
    name, at, rotation = columns.text(row, "step"), columns.time(row, "at"), _rotation(row, cluster_id)
    return Step(name, at, rotation) if name and at and rotation else None


def _key_part(text: str) -> str:
    return _UNSAFE.sub("_", (vault_host(text) or text).lower())[:250]


def _agreeing(row: Row, name: str, key_part: str) -> str | None:
    """A text, if it is what the row's key says it is: the key decides which rotation a row is."""
    text = columns.text(row, name)
    return text if text is not None and _key_part(text) == key_part else None


def _spread(workspaces: tuple[Workspace, ...]) -> Iterator[tuple[str, str]]:
    """Linked workspaces as JSON, over as many columns as it takes: a cluster may have a thousand of them."""
    text = json.dumps([{"id": workspace.id, "state": workspace.state} for workspace in workspaces])
    for start in range(0, len(text) if workspaces else 0, LONGEST_TEXT):
        yield f"linkedWorkspaces{start // LONGEST_TEXT or ''}", text[start : start + LONGEST_TEXT]


def _gathered(row: Row) -> Iterator[Workspace]:
    count = sum(name.startswith("linkedWorkspaces") for name in row)
    try:
        listed = json.loads("".join(str(row.get(f"linkedWorkspaces{place or ''}")) for place in range(count)) or "[]")
    except (ValueError, RecursionError):
        return
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("id"), str):
            yield Workspace(entry["id"], state if isinstance(state := entry.get("state"), str) else None)
