from dataclasses import replace
from datetime import timedelta

import pytest

from cmk_rotation.domain.azure_resources import AccountKey, OperationError, Workspace
from cmk_rotation.domain.cluster_record import LinkedStorage
from cmk_rotation.domain.documents import (
    cluster_json,
    rotation_json,
    step_json,
)
from cmk_rotation.domain.identifiers import StorageId
from cmk_rotation.domain.rotation import Step
from cmk_rotation.domain.vocabulary import Reason, Stage
from tests.unit.support.builders import (
    CLUSTER,
    CREATED,
    KEY_NAME,
    MINUTE,
    NOW,
    SUBSCRIPTION,
    V1,
    V2,
    V3,
    VAULT,
    WORKSPACE,
    claimed,
    must,
    over,
    rotation,
    status,
)

SUCCEEDED = over(
    Stage.SUCCEEDED,
    Reason.UPDATE_CONFIRMED,
    remedy="Keep the old version.",
    started_at=NOW - 5 * MINUTE - timedelta(seconds=431.2),
    keep_old_version_until=NOW + timedelta(days=1),
    operation_status="Succeeded",
    cluster_state="Succeeded",
    correlation_id="correlation-1",
    event_id="event-1",
    linked_workspaces=(Workspace(WORKSPACE, "Succeeded"), Workspace(WORKSPACE + "2", None)),
)


def test_a_rotation_is_written_as_the_contract_has_it() -> None:
    assert rotation_json(SUCCEEDED) == {
        "clusterId": CLUSTER.text,
        "keyVaultUri": "https://contoso.vault.azure.net",
        "keyName": "la-cmk",
        "fromVersion": V1,
        "toVersion": V2,
        "toVersionCreatedAt": "2026-03-01T11:00:00.000Z",
        "stage": "succeeded",
        "reason": "update-confirmed",
        "message": "update accepted",
        "remedy": "Keep the old version.",
        "operationId": "11111111-2222-3333-4444-555555555555",
        "operationStatus": "Succeeded",
        "operationError": None,
        "clusterState": "Succeeded",
        "verified": True,
        "requestedAt": "2026-03-01T11:49:00.000Z",
        "startedAt": "2026-03-01T11:47:48.800Z",
        "finishedAt": "2026-03-01T11:55:00.000Z",
        "secondsToVerify": 431.2,
        "keepOldVersionUntil": "2026-03-02T12:00:00.000Z",
        "attempts": 1,
        "requestedBy": "event",
        "eventId": "event-1",
        "attemptId": "attempt-1",
        "correlationId": "correlation-1",
        "linkedWorkspaces": [{"id": WORKSPACE, "state": "Succeeded"}, {"id": WORKSPACE + "2", "state": None}],
        "resourceId": CLUSTER.text,
        "resourceType": "cluster",
    }


def test_an_operation_s_error_is_written_with_its_code_and_message() -> None:
    failed = over(Stage.FAILED, Reason.UPDATE_FAILED, operation_error=OperationError("BadKey", "no such key"))
    assert rotation_json(failed)["operationError"] == {"code": "BadKey", "message": "no such key"}


@pytest.mark.parametrize(
    "unmeasured",
    [
        rotation(),
        over(Stage.SUCCEEDED, Reason.ALREADY_THERE),
        over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, started_at=None),
        over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, finished_at=None),
        over(Stage.FAILED, Reason.UPDATE_FAILED),
    ],
)
def test_only_an_update_of_ours_that_was_verified_has_a_time_to_verify(unmeasured: object) -> None:
    assert isinstance(unmeasured, type(SUCCEEDED))
    assert rotation_json(unmeasured)["secondsToVerify"] is None


def test_the_signed_url_of_an_operation_is_never_shown() -> None:
    for shown in (str(rotation_json(rotation())), repr(rotation())):
        assert "signed" not in shown


def test_a_cluster_is_written_as_the_contract_has_it() -> None:
    assert cluster_json(status(key_version_expires_at=CREATED[V2], next_visit_at=NOW + MINUTE)) == {
        "clusterId": CLUSTER.text,
        "mode": "pinned",
        "keyVaultUri": "https://contoso.vault.azure.net",
        "keyName": "la-cmk",
        "keyVersion": V1,
        "keyVersionExpiresAt": "2026-03-01T11:00:00.000Z",
        "newestVersion": V1,
        "clusterState": "Succeeded",
        "held": False,
        "reason": "up-to-date",
        "since": "2026-02-28T12:00:00.000Z",
        "message": "law-one: up to date",
        "remedy": "Nothing to do.",
        "lookedAt": "2026-03-01T11:55:00.000Z",
        "nextVisitAt": "2026-03-01T12:01:00.000Z",
        "storageAccounts": None,
    }


def test_a_storage_account_is_written_as_the_contract_has_it() -> None:
    account = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/logs"
    storage = LinkedStorage(
        id=must(StorageId.parse(account)),
        clusters=(CLUSTER,),
        reason=Reason.STORAGE_BEHIND,
        since=NOW - MINUTE,
        message="logs: behind",
        remedy="Move it.",
        looked_at=NOW,
        account_key=AccountKey(VAULT, KEY_NAME, V1, V2, NOW - 2 * MINUTE),
        newest_version=V3,
    )
    written = {
        "resourceId": account,
        "resourceType": "storageAccount",
        "mode": "pinned",
        "keyVaultUri": VAULT,
        "keyName": KEY_NAME,
        "keyVersion": V1,
        "versionInUse": V2,
        "rotatedAt": "2026-03-01T11:58:00.000Z",
        "newestVersion": V3,
        "reason": "storage-behind",
        "since": "2026-03-01T11:59:00.000Z",
        "message": "logs: behind",
        "remedy": "Move it.",
        "lookedAt": "2026-03-01T12:00:00.000Z",
    }
    unlinked = replace(storage, reason=Reason.STORAGE_UNLINKED)
    assert cluster_json(status(), [storage, unlinked])["storageAccounts"] == [written]
    unread = replace(storage, id=must(StorageId.parse(WORKSPACE)), account_key=None)
    of_key = ("mode", "keyVaultUri", "keyName", "keyVersion", "versionInUse", "rotatedAt")
    assert cluster_json(status(), [unread])["storageAccounts"] == [
        {**written, **dict.fromkeys(of_key), "resourceId": WORKSPACE, "resourceType": "workspace"}
    ]


def test_what_is_unknown_is_null_and_never_an_empty_string() -> None:
    row = cluster_json(status(mode=None, key_version=None, remedy=None, cluster_state=None))
    assert [row[name] for name in ("mode", "keyVersion", "remedy", "clusterState", "nextVisitAt")] == [None] * 5
    assert "" not in rotation_json(claimed()).values()


def test_a_line_of_history_is_the_rotation_after_one_step() -> None:
    step = Step("claimed", NOW, claimed())
    assert step_json(step) == {"step": "claimed", "at": "2026-03-01T12:00:00.000Z", **rotation_json(claimed())}
