"""Records as JSON, in the form that `status --json`, `plan --json` and outcome events share.

Times are UTC, ISO 8601 with `Z`. Unknown is None, never an empty string.
"""

from collections.abc import Sequence
from datetime import datetime

from cmk_rotation.domain.cluster_record import ClusterStatus, LinkedStorage
from cmk_rotation.domain.instants import iso
from cmk_rotation.domain.rotation import Rotation, Step


def _iso(at: datetime | None) -> str | None:
    return iso(at) if at else None


def rotation_json(rotation: Rotation) -> dict[str, object]:
    """A rotation; also the `data` of an outcome event. The operation's URL, which holds a signature, is not in it."""
    error = rotation.attempt.operation_error
    return {
        "clusterId": rotation.cluster_id.text,
        "keyVaultUri": rotation.key_vault_uri,
        "keyName": rotation.key_name,
        "fromVersion": rotation.from_version,
        "toVersion": rotation.to_version,
        "toVersionCreatedAt": _iso(rotation.to_version_created_at),
        "stage": rotation.stage.value,
        "reason": rotation.reason.value,
        "message": rotation.message,
        "remedy": rotation.remedy,
        "operationId": rotation.attempt.operation_id,
        "operationStatus": rotation.attempt.operation_status,
        "operationError": {"code": error.code, "message": error.message} if error else None,
        "clusterState": rotation.cluster_state,
        "verified": rotation.verified,
        "requestedAt": _iso(rotation.requested_at),
        "startedAt": _iso(rotation.attempt.started_at),
        "finishedAt": _iso(rotation.outcome.finished_at),
        "secondsToVerify": rotation.seconds_to_verify,
        "keepOldVersionUntil": _iso(rotation.outcome.keep_old_version_until),
        "attempts": rotation.attempts,
        "requestedBy": rotation.requested_by.value,
        "eventId": rotation.event_id,
        "attemptId": rotation.attempt.id,
        "correlationId": rotation.attempt.correlation_id,
        "linkedWorkspaces": [
            {"id": workspace.id, "state": workspace.state} for workspace in rotation.outcome.linked_workspaces
        ],
        "resourceId": rotation.cluster_id.text,
        "resourceType": "cluster",
    }


def cluster_json(status: ClusterStatus, storage: Sequence[LinkedStorage] | None = None) -> dict[str, object]:
    """A cluster, with the storage accounts that its workspaces are linked to; None where they were not asked for."""
    return {
        "clusterId": status.cluster_id.text,
        "mode": status.mode.value if status.mode else None,
        "keyVaultUri": status.key_vault_uri,
        "keyName": status.key_name,
        "keyVersion": status.key_version,
        "keyVersionExpiresAt": _iso(status.key_version_expires_at),
        "newestVersion": status.newest_version,
        "clusterState": status.cluster_state,
        "held": status.held,
        "reason": status.reason.value,
        "since": _iso(status.since),
        "message": status.message,
        "remedy": status.remedy,
        "lookedAt": _iso(status.looked_at),
        "nextVisitAt": _iso(status.next_visit.at if status.next_visit else None),
        "storageAccounts": None if storage is None else [_storage_json(one) for one in storage if one.is_linked],
    }


def _storage_json(storage: LinkedStorage) -> dict[str, object]:
    key = storage.account_key
    return {
        "resourceId": storage.id.text,
        "resourceType": "storageAccount" if storage.id.is_account else "workspace",
        "mode": key.mode.value if key else None,
        "keyVaultUri": key.key_vault_uri if key else None,
        "keyName": key.key_name if key else None,
        "keyVersion": key.key_version if key else None,
        "versionInUse": key.version_in_use if key else None,
        "rotatedAt": _iso(key.rotated_at if key else None),
        "newestVersion": storage.newest_version,
        "reason": storage.reason.value,
        "since": _iso(storage.since),
        "message": storage.message,
        "remedy": storage.remedy,
        "lookedAt": _iso(storage.looked_at),
    }


def step_json(step: Step) -> dict[str, object]:
    """A line of history: the rotation as it was after one step."""
    return {"step": step.name, "at": _iso(step.at), **rotation_json(step.rotation)}
