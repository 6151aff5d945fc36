"""What the queries make of lines that one can write down: a case each for what a replay of days does not come to."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.infra import queries
from tests.infra.arrivals import Row
from tests.infra.kusto import Query

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DISABLED = "storage-key-disabled"
GROUP = "/subscriptions/a/resourceGroups/rg/providers"


@pytest.fixture(scope="module")
def asked() -> dict[str, Query]:
    return {
        name: Query(tree) for name, tree in queries.trees({n: q.text for n, q in queries.of_files().items()}).items()
    }


def cluster(name: str) -> str:
    return f"{GROUP}/Microsoft.OperationalInsights/clusters/{name}"


def line(event: str, ago: timedelta, name: str = "c1", **fields: Any) -> Row:
    """A line about a cluster, so long ago."""
    about = {"clusterId": cluster(name), "vault": "contoso.vault.azure.net", "keyName": "la-cmk"}
    said = {"event": event, **about, **fields}
    said = {key: value.isoformat() if isinstance(value, datetime) else value for key, value in said.items()}
    return {"TimeGenerated": NOW - ago, "Message": json.dumps(said), "SeverityLevel": 1}


def account(event: str, ago: timedelta, led: str = "c1", **fields: Any) -> Row:
    """A line about a storage account, to which that cluster leads."""
    return line(event, ago, led, resourceId=f"{GROUP}/Microsoft.Storage/storageAccounts/saved", **fields)


def answer(query: Query, *lines: Row) -> list[Row]:
    return query(NOW, {"AppTraces": list(lines)})


# --- who is called ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["cluster-unreachable", "in-use-unknown"])
def test_nobody_is_called_again_because_the_oldest_of_many_got_better(asked: dict[str, Query], reason: str) -> None:
    """Of those in one row: whatever is split by must stay as it is."""
    calls = [
        line("cluster.attention", HOUR, f"c{one}", reason=reason, fromVersion="1", since=NOW - (30 + 10 * one) * HOUR)
        for one in range(8)
    ]
    over = line("cluster.recovered", timedelta(), "c7", reason="up-to-date")
    (before,), (after,) = (answer(asked["alert-attention"], *calls, *more) for more in ([], [over]))
    assert (before["Clusters"], after["Clusters"]) == (8, 7)
    assert [before[one] for one in ("Cluster", "Key", "Version", "Reason", "Day")] == [
        after[one] for one in ("Cluster", "Key", "Version", "Reason", "Day")
    ]


def test_nobody_is_called_again_because_the_oldest_of_many_scopes_can_be_read(asked: dict[str, Query]) -> None:
    failed = [
        line("scope.failed", HOUR, scope=f"/s{one}", code="AuthorizationFailed", since=NOW - (30 + 10 * one) * HOUR)
        for one in range(8)
    ]

    def told(*scopes: int) -> list[Row]:
        beat = line("reconcile.finished", timedelta(), troubledScopes=[f"/s{one}" for one in scopes])
        return answer(asked["alert-scope-failed"], *failed, beat)

    (before,), (after,) = told(*range(8)), told(*range(7))
    assert (before["Scopes"], after["Scopes"]) == (8, 7)
    assert (before["Scope"], before["Day"]) == (after["Scope"], after["Day"])


def test_each_day_of_one_thing_is_counted(asked: dict[str, Query]) -> None:
    call = line("cluster.attention", HOUR, reason="cluster-stuck", since=NOW - 30 * HOUR)
    scope = line("scope.failed", HOUR, scope="/s", code="Empty", since=NOW - 30 * HOUR)
    beat = line("reconcile.finished", timedelta(), troubledScopes=["/s"])
    assert [row["Day"] for row in answer(asked["alert-attention"], call)] == ["2"]
    assert [row["Day"] for row in answer(asked["alert-scope-failed"], scope, beat)] == ["2"]


@pytest.mark.parametrize("tile", ["attention", "alert-attention"])
@pytest.mark.parametrize(
    ("last", "reasons"),
    [
        (account("cluster.recovered", HOUR, reason="storage-current"), []),
        (account("cluster.recovered", HOUR, "another", reason="storage-current"), []),
        (account("storage.status", HOUR, reason="storage-current"), []),
        (account("storage.status", HOUR, "another", reason="storage-unread", attentionReason=DISABLED), [DISABLED]),
        (account("storage.status", HOUR, attentionReason=DISABLED), [DISABLED]),
        (line("cluster.recovered", HOUR, reason="up-to-date"), [DISABLED]),
        (line("cluster.status", HOUR, reason="up-to-date"), [DISABLED]),
    ],
)  # fmt: skip
def test_a_storage_account_is_called_for_until_it_is_said_to_be_well(
    asked: dict[str, Query], tile: str, last: Row, reasons: list[str]
) -> None:
    """Whichever cluster leads there, and whatever is said of the cluster; and a lost line is made up for."""
    call = account("cluster.attention", 2 * HOUR, reason=DISABLED, since=NOW - 2 * HOUR)
    assert [row["Reason"] for row in answer(asked[tile], call, last)] == reasons


def test_a_call_for_a_storage_account_that_was_lost_is_made_up_for(asked: dict[str, Query]) -> None:
    said = account("storage.status", HOUR, attentionReason=DISABLED, attentionSince=NOW - 30 * HOUR)
    (row,) = answer(asked["alert-attention"], said)
    assert (row["Rule"], row["Cluster"], row["Day"]) == ("cluster-attention", "rg/saved", "2")


@pytest.mark.parametrize("tile", ["attention", "alert-attention"])
def test_what_was_said_without_the_table_holds_until_a_run_has_ended_that_had_it(
    asked: dict[str, Query], tile: str
) -> None:
    """That run says by itself what still is so, and notes it; of what is over it knows nothing."""
    said = [
        line("cluster.attention", ago * HOUR, reason="in-use-expired", recorded=False, since=NOW - ago * HOUR)
        for ago in (30, 2)
    ]
    assert [row["Reason"] for row in answer(asked[tile], *said)] == ["in-use-expired"]
    assert answer(asked[tile], *said, line("reconcile.finished", 3 * HOUR))
    assert answer(asked[tile], *said, line("reconcile.finished", HOUR)) == []
    again = line("cluster.attention", timedelta(minutes=59), reason="in-use-expired")
    assert answer(asked[tile], *said, line("reconcile.finished", HOUR), again)


def test_what_is_said_without_the_table_calls_each_day(asked: dict[str, Query]) -> None:
    """It knows of no beginning, so its days are no count."""
    days = set()
    for ago in (25, 1):
        said = line("cluster.attention", ago * HOUR, reason="in-use-expired", recorded=False, since=NOW - ago * HOUR)
        days |= {row["Day"] for row in answer(asked["alert-attention"], said)}
    assert days == {"2026-02-28", "2026-03-01"}


# --- when an old version may be disabled -------------------------------------------------------------------------------


UNTIL = NOW - 2 * HOUR
MOVED = line(
    "rotation.finished",
    30 * HOUR,
    stage="succeeded",
    fromVersion="V1",
    toVersion="v2",
    finishedAt=NOW - 30 * HOUR,
    keepOldVersionUntil=UNTIL,
)
STATUS: dict[str, Any] = {"keyVersion": "v2", "oldVersion": "v1", "leftAt": NOW - 30 * HOUR, "reason": "up-to-date"}


def old(asked: dict[str, Query], *lines: Row) -> tuple[Any, ...]:
    """Of version 1: until when it is kept, who pins it, and what nobody could read."""
    (row,) = answer(asked["old-versions"], *lines)
    return row["NotBefore"], row["StillPinnedBy"], row["StorageUnread"]


def test_an_old_version_that_nobody_pins_has_its_time(asked: dict[str, Query]) -> None:
    daily = line("cluster.status", HOUR, keepOldVersionUntil=UNTIL, **STATUS)
    assert old(asked, MOVED) == old(asked, MOVED, daily) == (UNTIL, None, [])


def test_a_time_that_was_withdrawn_is_not_told_any_more(asked: dict[str, Query]) -> None:
    assert old(asked, MOVED, line("cluster.status", HOUR, **STATUS)) == (None, None, [])


@pytest.mark.parametrize("versions", [{"keyVersion": "v1", "versionInUse": "v2"}, {"versionInUse": "v1"}])
def test_an_account_that_is_still_on_it_keeps_it_at_once(asked: dict[str, Query], versions: dict[str, str]) -> None:
    on = account("storage.status", HOUR, reason="storage-behind", **versions)
    assert old(asked, MOVED, on) == (None, ["saved"], [])
    assert old(asked, MOVED, on, account("storage.status", timedelta(), reason="storage-unlinked"))[0] == UNTIL


def test_what_could_not_be_read_is_named(asked: dict[str, Query]) -> None:
    unread = account("storage.status", HOUR, reason="storage-unread")
    assert old(asked, MOVED, unread) == (UNTIL, None, ["saved"])
    before = account("storage.status", HOUR, reason="storage-unread", keyVersion="v1")
    assert old(asked, MOVED, before) == (None, ["saved"], ["saved"]), "it was on it when it could be read last"


def test_a_cluster_that_is_gone_or_not_spoken_of_any_more_keeps_nothing(asked: dict[str, Query]) -> None:
    assert old(asked, MOVED, line("cluster.status", HOUR, "c2", keyVersion="v1"))[:2] == (None, ["c2"])
    gone = line("cluster.status", HOUR, "c2", keyVersion="v1", reason="cluster-gone")
    assert old(asked, MOVED, gone)[:2] == (UNTIL, None)
    assert old(asked, MOVED, line("cluster.status", 49 * HOUR, "c2", keyVersion="v1"))[:2] == (UNTIL, None)


# --- keys at risk ------------------------------------------------------------------------------------------------------

EXPIRING = line("key.expiring", 3 * HOUR, fromVersion="V1", expiresAt=NOW + 9 * DAY)
MOVED_ON = line("rotation.finished", timedelta(), stage="succeeded", toVersion="v3")
EARLY = line("old-version.disabled-early", 3 * HOUR, fromVersion="v1", keepOldVersionUntil=NOW + DAY)


@pytest.mark.parametrize("query", ["keys-at-risk", "alert-key-expiring"])
@pytest.mark.parametrize(
    ("later", "rows"),
    [
        ([], 1),
        ([line("cluster.status", HOUR, keyVersion="v1")], 1),
        ([line("cluster.status", HOUR, keyVersion="v2")], 0),
        ([line("cluster.status", 4 * HOUR, keyVersion="v0")], 1),
        ([line("cluster.status", 2 * HOUR, keyVersion="v1"), MOVED_ON], 0),
        ([line("cluster.status", HOUR, "c2", keyVersion="v2")], 1),
    ],
)  # fmt: skip
def test_a_version_that_expires_is_told_while_the_cluster_is_on_it(
    asked: dict[str, Query], query: str, later: list[Row], rows: int
) -> None:
    assert len(answer(asked[query], EXPIRING, *later)) == rows


def test_a_version_whose_expiry_is_not_told_any_more_was_extended(asked: dict[str, Query]) -> None:
    said = line("key.expiring", 3 * DAY, fromVersion="v1", expiresAt=NOW + 9 * DAY)
    assert answer(asked["keys-at-risk"], said, line("cluster.status", HOUR, keyVersion="v1")) == []


@pytest.mark.parametrize(
    ("later", "rows"),
    [
        ([], 1),
        ([line("cluster.status", HOUR, disabledEarly=["v1"])], 1),
        ([line("cluster.status", HOUR)], 0),
        ([line("cluster.status", HOUR, disabledEarly=["v1"]), MOVED_ON], 1),
    ],
)  # fmt: skip
def test_an_old_version_is_told_while_it_is_disabled_early(
    asked: dict[str, Query], later: list[Row], rows: int
) -> None:
    assert len(answer(asked["keys-at-risk"], EARLY, *later)) == rows
