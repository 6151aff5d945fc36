"""Records as JSON, in the form that `status --json`, `plan --json` and outcome events share.

Times are UTC, ISO 8601 with `Z`. Unknown is None, never an empty string.
"""

from datetime import UTC, datetime

from cmk_rotation.model import ClusterStatus, Rotation, Step


def iso(time: datetime | None) -> str | None:
    """A time as text, to the millisecond."""
    if time is None:
        return None
    return time.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def rotation_json(rotation: Rotation) -> dict[str, object]:
    """A rotation; also the `data` of an outcome event. The operation's URL, which holds a signature, is not in it."""
    error = rotation.operation_error
    return {
        "clusterId": rotation.cluster_id.text,
        "keyVaultUri": rotation.key_vault_uri,
        "keyName": rotation.key_name,
        "fromVersion": rotation.from_version,
        "toVersion": rotation.to_version,
        "toVersionCreatedAt": iso(rotation.to_version_created_at),
        "stage": rotation.stage.value,
        "reason": rotation.reason.value,
        "message": rotation.message,
        "remedy": rotation.remedy,
        "operationId": rotation.operation_id,
        "operationStatus": rotation.operation_status,
        "operationError": {"code": error.code, "message": error.message} if error else None,
        "clusterState": rotation.cluster_state,
        "verified": rotation.verified,
        "requestedAt": iso(rotation.requested_at),
        "startedAt": iso(rotation.started_at),
        "finishedAt": iso(rotation.finished_at),
        "secondsToVerify": rotation.seconds_to_verify,
        "keepOldVersionUntil": iso(rotation.keep_old_version_until),
        "attempts": rotation.attempts,
        "requestedBy": rotation.requested_by.value,
        "eventId": rotation.event_id,
        "attemptId": rotation.attempt_id,
        "correlationId": rotation.correlation_id,
        "linkedWorkspaces": [
            {"id": workspace.id, "state": workspace.state} for workspace in rotation.linked_workspaces
        ],
    }


def cluster_json(status: ClusterStatus) -> dict[str, object]:
    """A cluster."""
    return {
        "clusterId": status.cluster_id.text,
        "mode": status.mode.value if status.mode else None,
        "keyVaultUri": status.key_vault_uri,
        "keyName": status.key_name,
        "keyVersion": status.key_version,
        "keyVersionExpiresAt": iso(status.key_version_expires_at),
        "newestVersion": status.newest_version,
        "clusterState": status.cluster_state,
        "reason": status.reason.value,
        "since": iso(status.since),
        "message": status.message,
        "remedy": status.remedy,
        "lookedAt": iso(status.looked_at),
        "nextVisitAt": iso(status.next_visit_at),
    }


def step_json(step: Step) -> dict[str, object]:
    """A line of history: the rotation as it was after one step."""
    return {"step": step.name, "at": iso(step.at), **rotation_json(step.rotation)}
