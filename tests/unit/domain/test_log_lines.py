"""Every line of the log with every field of it: alerts, tiles and people's queries are built on their names."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from cmk_rotation.domain import log_events as lines
from cmk_rotation.domain.azure_resources import AccountKey, OperationError, UnreadableEntry
from cmk_rotation.domain.cluster_record import DisabledEarly, LinkedStorage
from cmk_rotation.domain.identifiers import StorageId
from cmk_rotation.domain.log_events import LogEvent, LogLine
from cmk_rotation.domain.remedies import Remedy
from cmk_rotation.domain.repairs import Right
from cmk_rotation.domain.vocabulary import Action, KeyMode, Reason, RequestedBy, Stage
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    HOUR,
    KEY,
    KEY_NAME,
    MINUTE,
    NOW,
    OPERATION,
    SCOPE,
    SUBSCRIPTION,
    V1,
    V2,
    V3,
    VAULT,
    WORKSPACE,
    must,
    over,
    rotation,
    status,
    version,
)

HOST = "contoso.vault.azure.net"
SINCE = NOW - HOUR
UNTIL = NOW + DAY
RIGHT = Right("principal-1", "Log Analytics Contributor")
LACKS = {"principalId": "principal-1", "role": "Log Analytics Contributor"}
REMEDY = Remedy("Grant it.", RIGHT)
ABOUT = {"clusterId": CLUSTER.text}
UNDER_WAY = rotation(event_id="event-1", correlation_id="correlation-1", operation_status="InProgress")
OF_ROTATION = {
    "clusterId": CLUSTER.text,
    "vault": HOST,
    "keyName": KEY_NAME,
    "fromVersion": V1,
    "toVersion": V2,
    "stage": Stage.UPDATING,
    "reason": Reason.UPDATE_RUNNING,
    "operationId": OPERATION,
    "attempt": 1,
    "eventId": "event-1",
    "correlationId": "correlation-1",
}
FAILED = over(
    Stage.FAILED,
    Reason.UPDATE_FAILED,
    remedy="Look.",
    lacks=RIGHT,
    operation_error=OperationError("BadKey", "no such key"),
    keep_old_version_until=UNTIL,
    old_version_pinned_by=("law-two",),
)
ENDED = {"stage": Stage.FAILED, "reason": Reason.UPDATE_FAILED, "eventId": None, "correlationId": None}
ACCOUNT = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/logs"
STORAGE = LinkedStorage(
    id=must(StorageId.parse(ACCOUNT)),
    clusters=(CLUSTER,),
    reason=Reason.STORAGE_BEHIND,
    since=SINCE,
    message="logs: behind",
    remedy="Move it.",
    looked_at=NOW,
    account_key=AccountKey(VAULT, KEY_NAME, V1, V2),
    newest_version=V3,
    called_for=Reason.STORAGE_KEY_DISABLED,
    called_since=NOW,
)
OF_ACCOUNT = {
    "clusterId": CLUSTER.text,
    "resourceId": ACCOUNT,
    "resourceType": "storageAccount",
    "vault": HOST,
    "keyName": KEY_NAME,
}
INFO, WARNING, ERROR, DEBUG = logging.INFO, logging.WARNING, logging.ERROR, logging.DEBUG


@pytest.mark.parametrize(
    ("make", "event", "level", "fields"),
    [
        (
            lambda: lines.key_changed(
                KEY, "Microsoft.KeyVault.KeyNearExpiry", event_id="e-1", version=V2, expires_at=UNTIL
            ),
            "key.changed",
            INFO,
            {
                "vault": HOST,
                "keyName": KEY_NAME,
                "toVersion": V2,
                "eventId": "e-1",
                "eventType": "Microsoft.KeyVault.KeyNearExpiry",
                "expiresAt": UNTIL,
            },
        ),
        (
            lambda: lines.key_matched(KEY, "e-1", ["law-one", "law-two"], asked_again=False),
            "key.matched",
            INFO,
            {"vault": HOST, "keyName": KEY_NAME, "eventId": "e-1", "clusters": 2},
        ),
        (lambda: lines.event_ignored("e-1", "not ours"), "event.ignored", INFO, {"eventId": "e-1"}),
        (lambda: lines.event_rejected("e-1", "no JSON", SINCE), "event.rejected", WARNING, {"eventId": "e-1"}),
        (
            lambda: lines.visit_decided(
                ABOUT, Action.WAIT, Reason.CLUSTER_BUSY, "busy", by=RequestedBy.OPERATOR, event_id="e-1", new=True
            ),
            "visit.decided",
            INFO,
            {
                **ABOUT,
                "decision": Action.WAIT,
                "reason": Reason.CLUSTER_BUSY,
                "by": RequestedBy.OPERATOR,
                "eventId": "e-1",
            },
        ),
        (lambda: lines.visit_rejected("no id", SINCE), "visit.rejected", WARNING, {}),
        (
            lambda: lines.visit_failed("storage is away", "Wait.", SINCE, about=ABOUT, where="a.py:1"),
            "visit.failed",
            ERROR,
            {**ABOUT, "where": "a.py:1"},
        ),
        (
            lambda: lines.visit_lost(CLUSTER, KEY, "e-1", "cluster law-one", SINCE),
            "visit.lost",
            ERROR,
            {"vault": HOST, "keyName": KEY_NAME, "clusterId": CLUSTER, "eventId": "e-1"},
        ),
        (lambda: lines.update_sent(UNDER_WAY), "update.sent", INFO, {**OF_ROTATION, "attemptId": "attempt-1"}),
        (lambda: lines.update_accepted(UNDER_WAY), "update.accepted", INFO, OF_ROTATION),
        (
            lambda: lines.update_progress(UNDER_WAY, new=True),
            "update.progress",
            INFO,
            {**OF_ROTATION, "operationStatus": "InProgress"},
        ),
        (
            lambda: lines.update_refused(FAILED),
            "update.refused",
            INFO,
            {**OF_ROTATION, **ENDED, **LACKS, "remedy": "Look."},
        ),
        (
            lambda: lines.update_overdue(UNDER_WAY, "it takes long", "Wait.", SINCE),
            "update.overdue",
            ERROR,
            {**OF_ROTATION, "reason": Reason.UPDATE_OVERDUE, "startedAt": NOW - 10 * MINUTE},
        ),
        (
            lambda: lines.rotation_finished(FAILED, SINCE),
            "rotation.finished",
            ERROR,
            {
                **OF_ROTATION,
                **ENDED,
                **LACKS,
                "finishedAt": NOW - 5 * MINUTE,
                "verified": False,
                "secondsToVerify": None,
                "keepOldVersionUntil": UNTIL,
                "oldVersionPinnedBy": ("law-two",),
                "operationError": "no such key",
            },
        ),
        (
            lambda: lines.cluster_attention(ABOUT, Reason.UPDATE_REFUSED, "refused", REMEDY, SINCE),
            "cluster.attention",
            ERROR,
            {**ABOUT, **LACKS, "reason": Reason.UPDATE_REFUSED},
        ),
        (
            lambda: lines.cluster_recovered(ABOUT, Reason.UP_TO_DATE, "up to date", Reason.UPDATE_REFUSED),
            "cluster.recovered",
            INFO,
            {**ABOUT, "reason": Reason.UP_TO_DATE},
        ),
        (
            lambda: lines.storage_status(STORAGE),
            "storage.status",
            INFO,
            {
                **OF_ACCOUNT,
                "clusters": 1,
                "mode": KeyMode.PINNED,
                "keyVersion": V1,
                "versionInUse": V2,
                "newestVersion": V3,
                "reason": Reason.STORAGE_BEHIND,
                "attentionReason": Reason.STORAGE_KEY_DISABLED,
                "attentionSince": NOW,
                "remedy": "Move it.",
            },
        ),
        (
            lambda: lines.cluster_unreadable(UnreadableEntry("law-odd", "it has no id"), SINCE),
            "cluster.unreadable",
            ERROR,
            {"clusterId": "law-odd"},
        ),
        (
            lambda: lines.key_expiring(
                ABOUT, Reason.UP_TO_DATE, "law-one: key", version(expires_at=UNTIL), SINCE, rotate="Run it."
            ),
            "key.expiring",
            WARNING,
            {**ABOUT, "reason": Reason.UP_TO_DATE, "expiresAt": UNTIL},
        ),
        (
            lambda: lines.old_version_disabled_early(FAILED, "Run it.", SINCE),
            "old-version.disabled-early",
            ERROR,
            {**OF_ROTATION, **ENDED, "keepOldVersionUntil": UNTIL},
        ),
        (
            lambda: lines.record_unreadable(ABOUT, "law-one", ["row-1", "row-2"], SINCE),
            "record.unreadable",
            ERROR,
            {**ABOUT, "rows": ("row-1", "row-2")},
        ),
        (
            lambda: lines.reconcile_finished({"clusters": 3}, WARNING, "a message lies there", "Look.", SINCE),
            "reconcile.finished",
            WARNING,
            {"clusters": 3},
        ),
        (
            lambda: lines.scope_failed(SCOPE, "AuthorizationFailed", "it may not be listed", REMEDY, SINCE),
            "scope.failed",
            ERROR,
            {"scope": SCOPE.text, "code": "AuthorizationFailed", **LACKS},
        ),
        (
            lambda: lines.settings_invalid(["MODE is odd"], SINCE),
            "settings.invalid",
            ERROR,
            {"problems": ("MODE is odd",)},
        ),
    ],
)
def test_a_line_has_its_level_and_its_fields(
    make: Callable[[], LogLine], event: str, level: int, fields: Mapping[str, object]
) -> None:
    line = make()
    said = dict(line.fields)
    assert said.pop("message")
    if level >= WARNING:
        assert said.pop("remedy")
        assert said.pop("since") == SINCE
    elif event == "rotation.finished":
        del said["remedy"], said["since"]
    assert (line.event, line.level, said) == (event, level, fields)


def test_what_is_so_of_a_cluster_is_all_in_one_line() -> None:
    first = over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, finished_at=NOW - 2 * DAY, from_version="0" * 32)
    moved = over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, finished_at=NOW - DAY, keep_old_version_until=UNTIL)
    last = over(Stage.FAILED, Reason.UPDATE_FAILED, finished_at=NOW - HOUR, from_version=V2, to_version=V3)
    row = status(
        attention_reason=Reason.UPDATE_FAILED,
        attention_since=SINCE,
        disabled_early=(DisabledEarly(V1, NOW, NOW),),
        newest_version=V3,
    )
    line = lines.cluster_status(row, UNDER_WAY, (last, first, UNDER_WAY, moved), "Look.")
    assert (line.event, line.level, line.said_daily) == (LogEvent.CLUSTER_STATUS, INFO, True)
    assert line.fields == {
        "clusterId": CLUSTER.text,
        "vault": HOST,
        "keyName": KEY_NAME,
        "keyVersion": V1,
        "newestVersion": V3,
        "mode": KeyMode.PINNED,
        "clusterState": "Succeeded",
        "reason": Reason.UP_TO_DATE,
        "held": False,
        "stage": Stage.UPDATING,
        "toVersion": V2,
        "startedAt": NOW - 10 * MINUTE,
        "attentionReason": Reason.UPDATE_FAILED,
        "attentionSince": SINCE,
        "remedy": "Look.",
        "disabledEarly": (V1,),
        "oldVersion": V1,
        "leftAt": NOW - DAY,
        "keepOldVersionUntil": UNTIL,
        "lastFinishedAt": NOW - HOUR,
        "lastStage": Stage.FAILED,
        "lastReason": Reason.UPDATE_FAILED,
        "lastFromVersion": V2,
        "lastToVersion": V3,
        "message": "law-one: up to date",
    }


def test_of_a_cluster_of_which_little_is_known_nothing_is_made_up() -> None:
    row = status(key_vault_uri=None, key_name=None, key_version=None, attention_since=SINCE)
    told = lines.cluster_status(row, None, (), None).fields
    of_key, of_update = ("vault", "keyName", "keyVersion"), ("stage", "toVersion", "startedAt")
    of_calls = ("attentionReason", "attentionSince", "remedy", "disabledEarly")
    of_ended = ("oldVersion", "leftAt", "keepOldVersionUntil", "lastFinishedAt", "lastStage", "lastReason")
    unknown = (*of_key, *of_update, *of_calls, *of_ended, "lastFromVersion", "lastToVersion")
    assert {name: told[name] for name in unknown} == dict.fromkeys(unknown)


def test_attention_that_was_noted_without_its_beginning_began_with_its_reason() -> None:
    row = status(attention_reason=Reason.UPDATE_FAILED, attention_since=None, since=SINCE)
    assert lines.cluster_status(row, None, (), None).fields["attentionSince"] == SINCE


def test_a_storage_account_of_which_nothing_is_known_has_its_names_alone() -> None:
    workspace = must(StorageId.parse(WORKSPACE))
    bare = LinkedStorage(workspace, (), Reason.STORAGE_UNREAD, SINCE, "unread", "Look.", NOW)
    assert lines.storage_fields(bare) == {
        "clusterId": None,
        "resourceId": WORKSPACE,
        "resourceType": "workspace",
        "vault": None,
        "keyName": None,
    }
    assert (bare.is_unread, STORAGE.is_unread) == (True, False)
    assert not replace(bare, reason=Reason.STORAGE_UNLINKED).is_unread
    behind = replace(bare, reason=Reason.STORAGE_BEHIND)
    assert lines.storage_status(behind).fields["remedy"] == "Look."
    told = lines.storage_status(bare).fields
    assert [told[name] for name in ("attentionReason", "attentionSince", "remedy")] == [None] * 3
    assert [told[name] for name in ("clusters", "mode", "keyVersion", "versionInUse")] == [0, None, None, None]


@pytest.mark.parametrize(("new", "level"), [(True, INFO), (False, DEBUG)], ids=["something is new", "nothing is"])
def test_what_is_not_new_is_for_who_looks_closely(new: bool, level: int) -> None:  # noqa: FBT001
    by = RequestedBy.FOLLOW
    decided = lines.visit_decided({}, Action.WAIT, Reason.UPDATE_RUNNING, "m", by=by, event_id=None, new=new)
    assert (decided.level, lines.update_progress(UNDER_WAY, new=new).level) == (level, level)


def test_the_clusters_that_use_a_key_are_named_and_that_some_scopes_are_asked_again() -> None:
    told = lines.key_matched(KEY, None, ["law-one", "law-two"], asked_again=False).fields["message"]
    assert told == f"clusters in scope that use key {KEY_NAME} of {HOST}: law-one, law-two"
    none = lines.key_matched(KEY, None, [], asked_again=True).fields["message"]
    again = "; some scopes do not answer and are asked again"
    assert none == f"clusters in scope that use key {KEY_NAME} of {HOST}: none{again}"


def test_a_failure_began_when_the_first_did_else_when_it_ended_else_when_it_was_called_for() -> None:
    assert lines.rotation_finished(FAILED, SINCE).fields["since"] == SINCE
    assert lines.rotation_finished(FAILED).fields["since"] == NOW - 5 * MINUTE
    never = over(Stage.SUPERSEDED, Reason.CLUSTER_GONE, finished_at=None)
    assert lines.rotation_finished(never).fields["since"] == NOW - 11 * MINUTE
