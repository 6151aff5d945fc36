from datetime import timedelta

import pytest

from cmk_rotation.domain.azure_resources import OperationError, Workspace
from cmk_rotation.domain.documents import (
    cluster_json,
    clusters_text,
    history_text,
    poison_text,
    rotation_json,
    rotations_text,
    span,
    step_json,
)
from cmk_rotation.domain.rotation import Step
from cmk_rotation.domain.visit_message import PoisonQueue
from cmk_rotation.domain.vocabulary import Action, KeyMode, Reason, Stage
from tests.unit.support.builders import (
    CLUSTER,
    CREATED,
    MINUTE,
    NOW,
    V1,
    V2,
    WORKSPACE,
    claimed,
    over,
    rotation,
    status,
)

UNKNOWN = "-"
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
        "reason": "up-to-date",
        "since": "2026-02-28T12:00:00.000Z",
        "message": "law-one: up to date",
        "remedy": "Nothing to do.",
        "lookedAt": "2026-03-01T11:55:00.000Z",
        "nextVisitAt": "2026-03-01T12:01:00.000Z",
    }


def test_what_is_unknown_is_null_and_never_an_empty_string() -> None:
    row = cluster_json(status(mode=None, key_version=None, remedy=None, cluster_state=None))
    assert [row[name] for name in ("mode", "keyVersion", "remedy", "clusterState", "nextVisitAt")] == [None] * 5
    assert "" not in rotation_json(claimed()).values()


def test_a_line_of_history_is_the_rotation_after_one_step() -> None:
    step = Step("claimed", NOW, claimed())
    assert step_json(step) == {"step": "claimed", "at": "2026-03-01T12:00:00.000Z", **rotation_json(claimed())}


# --- for people -------------------------------------------------------------------------------------------------------


def test_a_table_of_clusters_is_followed_by_what_somebody_should_do() -> None:
    called = status(
        attention_reason=Reason.IN_USE_DISABLED,
        reason=Reason.IN_USE_DISABLED,
        message="law-one: version 1 is disabled",
        remedy="Enable it.",
    )
    assert clusters_text([called]) == (
        "cluster  key     in use    newest    state      reason           since\n"
        "law-one  la-cmk  11111111  11111111  Succeeded  in-use-disabled  2026-02-28 12:00Z\n"
        "\nlaw-one: version 1 is disabled\n  what to do: Enable it.\n"
    )


def test_a_plan_adds_what_would_be_done_and_calls_for_attention_by_its_verdict() -> None:
    unknown = status(key_version=None, newest_version=None, mode=KeyMode.AUTO, cluster_state=None)
    table = clusters_text([unknown], {CLUSTER.key: Action.ATTENTION})
    head, row, *rest = table.splitlines()
    assert head.endswith("decision")
    assert row.split()[2:5] == ["auto", UNKNOWN, UNKNOWN]
    assert row.endswith("attention")
    assert rest[-1] == "  what to do: Nothing to do."
    assert "what to do" not in clusters_text([unknown], {CLUSTER.key: Action.NOTHING})


def test_a_table_of_rotations_says_how_long_each_took_and_until_when_the_old_version_must_stay() -> None:
    head, row, *rest = rotations_text([SUCCEEDED]).splitlines()
    assert head.split("  ")[0] == "cluster"
    assert "7 min 11 s" in row
    assert row.endswith("2026-03-02 12:00Z")
    assert rest[-1].startswith("Other services may use an old version too")


def test_a_rotation_that_failed_says_why_and_what_to_do() -> None:
    text = rotations_text([over(Stage.FAILED, Reason.UPDATE_FAILED, remedy="Repair it.", from_version=None)])
    assert text.endswith("\nupdate accepted\n  what to do: Repair it.\n")
    assert "Other services" not in text


def test_while_another_cluster_uses_the_old_version_no_end_of_its_time_is_shown() -> None:
    assert "another cluster uses it" in rotations_text([over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED)])


def test_history_is_shown_step_by_step() -> None:
    text = history_text([Step("claimed", NOW, claimed())])
    assert text.splitlines()[1].split("  ")[:3] == ["2026-03-01 12:00:00Z", "law-one", "claimed"]


def test_where_there_is_nothing_that_is_said() -> None:
    shown = (clusters_text([]), rotations_text([]), history_text([]))
    assert shown == ("No clusters.\n", "No rotations.\n", "No history.\n")


@pytest.mark.parametrize(
    ("poison", "text"),
    [
        (PoisonQueue(1), "1 message lies in the queue cluster-visits-poison: see "),
        (
            PoisonQueue(2, NOW),
            "2 messages lie in the queue cluster-visits-poison, since 2026-03-01T12:00:00.000Z at the latest: see ",
        ),
    ],
)
def test_messages_in_the_poison_queue_are_told(poison: PoisonQueue, text: str) -> None:
    assert poison_text(poison).startswith(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.9, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (431.2, "7 min 11 s"),
        (3600, "1 h"),
        (3660, "1 h 1 min"),
        (3601, "1 h"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations_are_shown_in_their_two_largest_units(seconds: float, text: str) -> None:
    assert span(timedelta(seconds=seconds)) == text
