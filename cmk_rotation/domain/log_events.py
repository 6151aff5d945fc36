"""What the log tells of: each event, with its level and its fields, in one function.

A line that calls for a person, at WARNING or above, says what is the matter (`message`), what to do (`remedy`) and since
when (`since`). Fields that are None are left out by whoever writes the line.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cmk_rotation.domain.azure_resources import KeyVersion, UnreadableEntry
from cmk_rotation.domain.cluster_record import ClusterStatus, LinkedStorage
from cmk_rotation.domain.identifiers import ClusterId, Key, Scope
from cmk_rotation.domain.remedies import UNREADABLE_CLUSTER, Remedy
from cmk_rotation.domain.repairs import Right
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.vocabulary import Action, Reason, RequestedBy, Stage


class LogEvent(StrEnum):
    """What a line of the log tells of. Alerts and dashboards are built on these words."""

    KEY_CHANGED = "key.changed"
    KEY_MATCHED = "key.matched"
    KEY_EXPIRING = "key.expiring"
    EVENT_IGNORED = "event.ignored"
    EVENT_REJECTED = "event.rejected"
    VISIT_DECIDED = "visit.decided"
    VISIT_REJECTED = "visit.rejected"
    VISIT_FAILED = "visit.failed"
    VISIT_LOST = "visit.lost"
    UPDATE_SENT = "update.sent"
    UPDATE_ACCEPTED = "update.accepted"
    UPDATE_PROGRESS = "update.progress"
    UPDATE_REFUSED = "update.refused"
    UPDATE_OVERDUE = "update.overdue"
    ROTATION_FINISHED = "rotation.finished"
    CLUSTER_STATUS = "cluster.status"
    CLUSTER_ATTENTION = "cluster.attention"
    CLUSTER_RECOVERED = "cluster.recovered"
    CLUSTER_UNREADABLE = "cluster.unreadable"
    STORAGE_STATUS = "storage.status"
    RECORD_UNREADABLE = "record.unreadable"
    OLD_VERSION_DISABLED_EARLY = "old-version.disabled-early"
    RECONCILE_FINISHED = "reconcile.finished"
    SCOPE_FAILED = "scope.failed"
    SETTINGS_INVALID = "settings.invalid"


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line to be written."""

    event: LogEvent
    level: int
    fields: Mapping[str, object]

    @property
    def said_daily(self) -> bool:
        """Whether it is said again within a day, whatever happens, so that a lost one is no great loss."""
        return self.event is LogEvent.CLUSTER_STATUS


type _Fields = Mapping[str, object]


def rotation_fields(rotation: Rotation) -> _Fields:
    """The ids that every line about a rotation carries."""
    return {
        "clusterId": rotation.cluster_id.text,
        "vault": rotation.key.vault if rotation.key else None,
        "keyName": rotation.key_name,
        "fromVersion": rotation.from_version,
        "toVersion": rotation.to_version,
        "stage": rotation.stage,
        "reason": rotation.reason,
        "operationId": rotation.attempt.operation_id,
        "attempt": rotation.attempts,
        "eventId": rotation.event_id,
        "correlationId": rotation.attempt.correlation_id,
    }


def key_fields(key: Key | None) -> _Fields:
    """The names that a line about a key carries."""
    return {"vault": key.vault, "keyName": key.name} if key else {}


# --- events of Key Vault ---


def key_changed(
    key: Key, event_type: str, *, event_id: str | None, version: str | None, expires_at: datetime | None
) -> LogLine:
    """Event Grid told of a key. Its version is shown, and never used."""
    message = f"Key Vault tells of key {key.name} in {key.vault}: {event_type.rpartition('.')[2]}"
    return _info(
        LogEvent.KEY_CHANGED,
        keyName=key.name,
        vault=key.vault,
        toVersion=version,
        eventId=event_id,
        eventType=event_type,
        expiresAt=expires_at,
        message=message,
    )


def key_matched(key: Key, event_id: str | None, names: Sequence[str], *, asked_again: bool) -> LogLine:
    """Which clusters use the key; `asked_again` if some scopes did not answer."""
    message = f"clusters in scope that use key {key.name} of {key.vault}: {', '.join(names) or 'none'}"
    return _info(
        LogEvent.KEY_MATCHED,
        keyName=key.name,
        vault=key.vault,
        eventId=event_id,
        clusters=len(names),
        message=message + ("; some scopes do not answer and are asked again" if asked_again else ""),
    )


def event_ignored(event_id: str | None, why: str) -> LogLine:
    """A proper event, but none of ours."""
    return _info(LogEvent.EVENT_IGNORED, eventId=event_id, message=why)


def event_rejected(event_id: str | None, why: str, now: datetime) -> LogLine:
    """An event that cannot be understood."""
    remedy = "Check what else sends to this function. Reconcile finds a rotation that this event may have told of."
    call = _call(f"an event was rejected and is not delivered again: {why}", remedy, now)
    return LogLine(LogEvent.EVENT_REJECTED, logging.WARNING, {"eventId": event_id, **call})


# --- visits ---


def visit_decided(  # noqa: PLR0913 - what was decided, about what, and for whom
    about: _Fields, action: Action, reason: Reason, message: str, *, by: RequestedBy, event_id: str | None, new: bool
) -> LogLine:
    """One line for each visit; DEBUG unless the reason is new."""
    fields = {**about, "decision": action, "reason": reason, "message": message, "by": by, "eventId": event_id}
    return LogLine(LogEvent.VISIT_DECIDED, logging.INFO if new else logging.DEBUG, fields)


def visit_rejected(why: str, now: datetime) -> LogLine:
    """A message that cannot lead anywhere."""
    remedy = (
        "If you sent it, check the id and CLUSTER_SCOPES. If a scope was taken out while an update ran, nothing is to "
        "be done. Else see who may write to the queue cluster-visits."
    )
    call = _call(f"a visit request was rejected: {why}", remedy, now)
    return LogLine(LogEvent.VISIT_REJECTED, logging.WARNING, call)


def visit_failed(
    message: str, remedy: str, since: datetime | None, *, about: _Fields | None = None, where: str | None = None
) -> LogLine:
    """Storage, the outcome topic, or the product itself failed; `where` names the places in the code."""
    fields = {**(about or {}), **_call(message, remedy, since), "where": where}
    return LogLine(LogEvent.VISIT_FAILED, logging.ERROR, fields)


def visit_lost(cluster: ClusterId | None, key: Key | None, event_id: str | None, what: str, since: datetime) -> LogLine:
    """The host gave a message up; `what` it asked to look at, for people."""
    remedy = (
        "Look for visit.failed lines before this one: they say why. If there are none, the app's instances ended "
        "or its storage was away each time. The next reconcile visits again."
    )
    message = f"a visit to {what} was given up: its message was delivered five times, and never settled"
    about = {**key_fields(key), "clusterId": cluster, "eventId": event_id}
    return LogLine(LogEvent.VISIT_LOST, logging.ERROR, {**about, **_call(message, remedy, since)})


# --- updates and rotations ---


def update_sent(claim: Rotation) -> LogLine:
    """The update is about to be sent."""
    return _info(LogEvent.UPDATE_SENT, **rotation_fields(claim), attemptId=claim.attempt.id, message=claim.message)


def update_accepted(rotation: Rotation) -> LogLine:
    """Azure took the update."""
    return _info(LogEvent.UPDATE_ACCEPTED, **rotation_fields(rotation), message=rotation.message)


def update_progress(rotation: Rotation, *, new: bool) -> LogLine:
    """The update is under way; DEBUG unless something is new about it."""
    fields = {
        **rotation_fields(rotation),
        "operationStatus": rotation.attempt.operation_status,
        "message": rotation.message,
    }
    return LogLine(LogEvent.UPDATE_PROGRESS, logging.INFO if new else logging.DEBUG, fields)


def update_refused(rotation: Rotation) -> LogLine:
    """Azure did not take the update. That it failed is said once, by the line that ends it."""
    about = {**rotation_fields(rotation), **_lacks(rotation.lacks)}
    return _info(LogEvent.UPDATE_REFUSED, **about, message=rotation.message, remedy=rotation.remedy)


def update_overdue(rotation: Rotation, message: str, remedy: str | None, since: datetime) -> LogLine:
    """The update has not finished within its deadline: said once, and then daily as `cluster.attention`."""
    started = {"startedAt": rotation.attempt.started_at}
    fields = {**rotation_fields(rotation), "reason": Reason.UPDATE_OVERDUE, **_call(message, remedy, since), **started}
    return LogLine(LogEvent.UPDATE_OVERDUE, logging.ERROR, fields)


def rotation_finished(rotation: Rotation, since: datetime | None = None) -> LogLine:
    """How a rotation ended; ERROR if it failed, and then `since` an earlier attempt did, if one did."""
    error = rotation.attempt.operation_error
    fields = {
        **rotation_fields(rotation),
        **_call(rotation.message, rotation.remedy, since or rotation.outcome.finished_at or rotation.requested_at),
        "finishedAt": rotation.outcome.finished_at,
        "verified": rotation.verified,
        "secondsToVerify": rotation.seconds_to_verify,
        "keepOldVersionUntil": rotation.outcome.keep_old_version_until,
        "oldVersionPinnedBy": rotation.outcome.old_version_pinned_by or None,
        "operationError": error.message if error else None,
        **_lacks(rotation.lacks),
    }
    return LogLine(
        LogEvent.ROTATION_FINISHED, logging.ERROR if rotation.stage is Stage.FAILED else logging.INFO, fields
    )


# --- clusters and keys ---


SAID_ON_CHANGE = (
    *(
        "vault",
        "keyName",
        "keyVersion",
        "newestVersion",
        "mode",
        "clusterState",
        "reason",
        "held",
        "attentionReason",
        "disabledEarly",
        "stage",
        "toVersion",
    ),
)
"""The fields of `cluster.status` with whose change it is said anew; all of it is said daily."""


def cluster_status(
    status: ClusterStatus, updating: Rotation | None, rotations: Iterable[Rotation], remedy: str | None
) -> LogLine:
    """What is so of a cluster. `updating` is its update under way, and `remedy` what a person is called to do."""
    ended = sorted(
        (one for one in rotations if one.outcome.finished_at is not None),
        key=lambda one: one.outcome.finished_at or one.requested_at,
    )
    last = ended[-1] if ended else None
    moved = next((one for one in reversed(ended) if one.stage is Stage.SUCCEEDED and one.from_version), None)
    alerts = status.alerts
    return _info(
        LogEvent.CLUSTER_STATUS,
        clusterId=status.cluster_id.text,
        vault=status.key.vault if status.key else None,
        keyName=status.key_name,
        keyVersion=status.key_version,
        newestVersion=status.newest_version,
        mode=status.mode,
        clusterState=status.cluster_state,
        reason=status.reason,
        held=status.held,
        stage=updating.stage if updating else None,
        toVersion=updating.to_version if updating else None,
        startedAt=updating.attempt.started_at if updating else None,
        attentionReason=alerts.attention_reason,
        attentionSince=(alerts.attention_since or status.since) if alerts.attention_reason else None,
        remedy=remedy,
        disabledEarly=tuple(one.version for one in alerts.disabled_early) or None,
        oldVersion=moved.from_version if moved else None,
        leftAt=moved.outcome.finished_at if moved else None,
        keepOldVersionUntil=moved.outcome.keep_old_version_until if moved else None,
        lastFinishedAt=last.outcome.finished_at if last else None,
        lastStage=last.stage if last else None,
        lastReason=last.reason if last else None,
        lastFromVersion=last.from_version if last else None,
        lastToVersion=last.to_version if last else None,
        message=status.message,
    )


def cluster_attention(about: _Fields, reason: Reason, message: str, remedy: Remedy, since: datetime) -> LogLine:
    """Something holds a cluster back."""
    fields = {**about, "reason": reason, **_call(message, remedy.text, since), **_lacks(remedy.lacks)}
    return LogLine(LogEvent.CLUSTER_ATTENTION, logging.ERROR, fields)


def cluster_recovered(about: _Fields, reason: Reason, message: str, called_for: Reason) -> LogLine:
    """What a person was called for is over."""
    over = f"{message} (attention for {called_for} is over)"
    return _info(LogEvent.CLUSTER_RECOVERED, **about, reason=reason, message=over)


def storage_fields(storage: LinkedStorage) -> _Fields:
    """The ids that a line about a storage account carries. `clusterId` is a cluster that led there."""
    key = storage.account_key
    return {
        "clusterId": storage.clusters[0].text if storage.clusters else None,
        "resourceId": storage.id.text,
        "resourceType": "storageAccount" if storage.id.is_account else "workspace",
        "vault": key.key.vault if key and key.key else None,
        "keyName": key.key_name if key else None,
    }


def storage_status(storage: LinkedStorage) -> LogLine:
    """What is so of a storage account, or why that is not known, and what a person is called for, or may do."""
    key, called = storage.account_key, storage.called_for
    return _info(
        LogEvent.STORAGE_STATUS,
        **storage_fields(storage),
        clusters=len(storage.clusters),
        mode=key.mode if key else None,
        keyVersion=key.key_version if key else None,
        versionInUse=key.version_in_use if key else None,
        newestVersion=storage.newest_version,
        reason=storage.reason,
        attentionReason=called,
        attentionSince=storage.called_since,
        remedy=storage.remedy if called or storage.reason is Reason.STORAGE_BEHIND else None,
        message=storage.message,
    )


def cluster_unreadable(entry: UnreadableEntry, since: datetime) -> LogLine:
    """A scope lists a cluster that cannot be read; the others in it are looked after."""
    message = f"a cluster is listed that cannot be read: {entry.name}: {entry.problem}"
    call = _call(message, UNREADABLE_CLUSTER, since)
    return LogLine(LogEvent.CLUSTER_UNREADABLE, logging.ERROR, {"clusterId": entry.name, **call})


def key_expiring(  # noqa: PLR0913 - which version of which key, and how to make a new one
    about: _Fields, reason: Reason, where: str, in_use: KeyVersion, now: datetime, *, rotate: str
) -> LogLine:
    """The version in use expires soon; `where` names its cluster and key, `rotate` the command for a new version."""
    remedy = f"Rotate the key, or extend the expiry: Azure refuses to update a cluster whose key has expired. {rotate}"
    call = _call(f"{where} expires {in_use.expires_at:%Y-%m-%d %H:%M}Z", remedy, now)
    fields = {**about, "reason": reason, **call, "expiresAt": in_use.expires_at}
    return LogLine(LogEvent.KEY_EXPIRING, logging.WARNING, fields)


def old_version_disabled_early(rotation: Rotation, enable: str, since: datetime) -> LogLine:
    """A version that storage may still use was disabled; `enable` is the command that takes that back."""
    until = rotation.outcome.keep_old_version_until
    message = f"{rotation.heading}: the old version was disabled before {until:%Y-%m-%d %H:%M}Z"
    remedy = (
        f"Enable the old version again until then: storage may still use it, and then reads and new logs fail. {enable}"
    )
    fields = {**rotation_fields(rotation), **_call(message, remedy, since), "keepOldVersionUntil": until}
    return LogLine(LogEvent.OLD_VERSION_DISABLED_EARLY, logging.ERROR, fields)


def record_unreadable(about: _Fields, name: str, rows: Sequence[str], now: datetime) -> LogLine:
    """Rows in a cluster's partition that nobody of ours has written."""
    message = f"{name}: rows of the table rotations that cannot be read are left out: {', '.join(rows)}"
    remedy = "See who may write to the table, and delete these rows: the app writes none under such keys, and needs none of them."
    fields = {**about, **_call(message, remedy, now), "rows": tuple(rows)}
    return LogLine(LogEvent.RECORD_UNREADABLE, logging.ERROR, fields)


# --- the app as a whole ---


def reconcile_finished(
    counts: _Fields, level: int, message: str, remedy: str | None = None, since: datetime | None = None
) -> LogLine:
    """A run's numbers: INFO; WARNING with a problem that hides nothing; ERROR where clusters, or evidence, may go unseen."""
    return LogLine(LogEvent.RECONCILE_FINISHED, level, {**counts, **_call(message, remedy, since)})


def scope_failed(scope: Scope, code: str, why: str, remedy: Remedy, since: datetime) -> LogLine:
    """A scope could not be listed, or holds no cluster: whatever lies in it is not looked after."""
    call = _call(f"scope {scope.text}: {why} ({code})", remedy.text, since)
    fields = {"scope": scope.text, "code": code, **call, **_lacks(remedy.lacks)}
    return LogLine(LogEvent.SCOPE_FAILED, logging.ERROR, fields)


def settings_invalid(problems: Sequence[str], now: datetime) -> LogLine:
    """The app settings make no sense, and nothing is done."""
    remedy = "Correct these app settings; the app restarts by itself, and the next reconcile visits every cluster."
    names = dict.fromkeys(problem.partition(" ")[0] for problem in problems)
    message = f"{len(problems)} problems with app settings: {', '.join(names)}"
    fields = {**_call(message, remedy, now), "problems": tuple(problems)}
    return LogLine(LogEvent.SETTINGS_INVALID, logging.ERROR, fields)


def _info(event: LogEvent, **fields: object) -> LogLine:
    return LogLine(event, logging.INFO, fields)


def _lacks(right: Right | None) -> _Fields:
    """Who lacks which right, if that is the matter."""
    return {"principalId": right.principal_id, "role": right.role} if right else {}


def _call(message: str, remedy: str | None, since: datetime | None) -> _Fields:
    return {"message": message, "remedy": remedy, "since": since}
