"""Storage accounts linked to clusters' workspaces: seen, counted among those who pin a version, and called out when dead."""

from dataclasses import replace
from datetime import timedelta

import pytest

from cmk_rotation.controller.retention import storage_pins
from cmk_rotation.domain.azure_resources import AccountKey
from cmk_rotation.domain.cluster_record import LinkedStorage, Pin
from cmk_rotation.domain.documents import cluster_json
from cmk_rotation.domain.identifiers import StorageId
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.vocabulary import FailureKind, Mode, Reason, Stage
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    HOUR,
    KEY,
    KEY_NAME,
    MINUTE,
    NOW,
    SUBSCRIPTION,
    UNAVAILABLE,
    V1,
    V2,
    VAULT,
    WORKSPACE,
    cluster,
    cluster_id,
    failure,
    must,
    status,
    version,
)
from tests.unit.support.worlds import Fakes

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-storage"
ACCOUNT = must(StorageId.parse(f"{GROUP}/providers/Microsoft.Storage/storageAccounts/saved"))
LINKED_TO = must(StorageId.parse(WORKSPACE))
DENIED = failure(FailureKind.REFUSED, code="AuthorizationFailed")
PINNED = AccountKey(VAULT, KEY_NAME, V1, V1)


def linked(key: AccountKey | None = PINNED, **changes: object) -> Fakes:
    """A cluster on V1 whose workspace is linked to an account on V1; nothing was ever looked at."""
    fakes = Fakes()
    for name, value in changes.items():
        setattr(fakes, name, value)
    fakes.clusters.stored[CLUSTER] = cluster(workspace_ids=(WORKSPACE,))
    fakes.storage.links[LINKED_TO] = (ACCOUNT,)
    fakes.storage.keys[ACCOUNT] = key
    return fakes


def reconcile(fakes: Fakes, after: timedelta = 10 * MINUTE) -> None:
    fakes.clock.now += after
    fakes.reconcile()


def row(fakes: Fakes) -> LinkedStorage:
    return fakes.records.accounts[ACCOUNT]


def rotated(fakes: Fakes) -> None:
    """Reconcile has looked; then the key's new version reached the cluster."""
    reconcile(fakes)
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]


def reconciles(fakes: Fakes, times: int = 2) -> None:
    for _ in range(times):
        reconcile(fakes)


# --- counted ---------------------------------------------------------------------------------------------------------


def test_an_account_that_pins_the_old_version_keeps_it_and_is_named_until_it_has_moved() -> None:
    fakes = linked()
    rotated(fakes)
    assert fakes.rotation.outcome.keep_old_version_until is None
    assert fakes.rotation.outcome.old_version_pinned_by == ("storage account saved",)
    assert row(fakes).reason is Reason.STORAGE_BEHIND
    fakes.storage.keys[ACCOUNT] = replace(PINNED, key_version=V2)
    reconciles(fakes)
    assert fakes.rotation.outcome.keep_old_version_until is None, "Azure Storage has not moved yet"
    assert row(fakes).reason is Reason.STORAGE_CURRENT
    fakes.storage.keys[ACCOUNT] = replace(PINNED, key_version=V2, version_in_use=V2)
    reconciles(fakes)
    assert fakes.rotation.outcome.keep_old_version_until == fakes.clock.now + DAY
    assert not fakes.rotation.outcome.old_version_pinned_by


def test_one_that_follows_by_itself_is_shown_so_and_counts_until_it_has_followed() -> None:
    fakes = linked(replace(PINNED, key_version=None))
    rotated(fakes)
    assert fakes.rotation.outcome.old_version_pinned_by == ("storage account saved",)
    assert row(fakes).reason is Reason.STORAGE_FOLLOWS
    fakes.storage.keys[ACCOUNT] = replace(PINNED, key_version=None, version_in_use=V2)
    reconciles(fakes)
    assert fakes.rotation.outcome.keep_old_version_until is not None
    assert fakes.log.errors == []


def test_with_ignore_nobody_asks_and_nothing_counts() -> None:
    fakes = linked(watches_storage=False)
    fakes.records.index(ACCOUNT, add=[Pin(KEY, V1)], remove=[])
    fakes.records.save_storage(LinkedStorage(ACCOUNT, (CLUSTER,), Reason.STORAGE_BEHIND, NOW, "", "", NOW, PINNED))
    rotated(fakes)
    reconcile(fakes)
    assert fakes.storage.asked == []
    assert fakes.rotation.outcome.keep_old_version_until is not None


def test_in_observe_the_row_and_the_index_are_written_all_the_same() -> None:
    fakes = linked(mode=Mode.OBSERVE)
    reconcile(fakes)
    assert row(fakes).reason is Reason.STORAGE_BEHIND
    assert (ACCOUNT, Pin(KEY, V1)) in fakes.records.pins


def test_an_account_is_asked_once_however_many_lead_there() -> None:
    fakes, other = linked(), cluster_id("law-two")
    second = must(StorageId.parse(f"{WORKSPACE}-2"))
    fakes.clusters.stored[other] = cluster(id=other, workspace_ids=(WORKSPACE, second.text, "no workspace"))
    fakes.storage.links[second] = (ACCOUNT,)
    reconcile(fakes)
    assert sorted(fakes.storage.asked, key=lambda one: one.key) == [LINKED_TO, second, ACCOUNT]
    assert row(fakes).clusters == (CLUSTER, other)
    assert len(fakes.log.of(LogEvent.STORAGE_STATUS)) == 1


# --- not known -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", [ACCOUNT, LINKED_TO])
def test_a_missing_right_is_said_once_at_info_is_never_fine_and_withholds_no_date(what: StorageId) -> None:
    fakes = linked()
    fakes.storage.failures[what] = DENIED
    rotated(fakes)
    reconciles(fakes)
    unread = fakes.records.accounts[what]
    assert unread.reason is Reason.STORAGE_UNREAD
    assert unread.is_unread
    assert "AuthorizationFailed" in unread.message
    assert fakes.rotation.outcome.keep_old_version_until is not None
    assert fakes.log.errors == []
    assert len(fakes.log.of(LogEvent.STORAGE_STATUS)) == 1
    shown = cluster_json(fakes.status, fakes.records.everything()[CLUSTER].storage)["storageAccounts"]
    assert isinstance(shown, list)
    assert [(one["resourceId"], one["reason"], one["mode"]) for one in shown] == [(what.text, "storage-unread", None)]
    del fakes.storage.failures[what]
    reconcile(fakes)
    assert row(fakes).reason is Reason.STORAGE_BEHIND


def test_what_was_so_before_azure_did_not_answer_counts_and_what_was_before_the_right_was_taken_does_not() -> None:
    fakes = linked()
    reconcile(fakes)
    fakes.storage.failures[ACCOUNT] = UNAVAILABLE
    reconcile(fakes)
    assert (row(fakes).reason, row(fakes).is_unread) == (Reason.STORAGE_UNREAD, False)
    assert (ACCOUNT, Pin(KEY, V1)) in fakes.records.pins
    fakes.storage.failures[ACCOUNT] = DENIED
    reconcile(fakes)
    assert row(fakes).is_unread
    assert (ACCOUNT, Pin(KEY, V1)) not in fakes.records.pins


def test_an_account_behind_links_that_cannot_be_read_any_more_stays_as_it_was() -> None:
    fakes = linked()
    reconcile(fakes)
    fakes.storage.failures[LINKED_TO] = DENIED
    fakes.records.pins.clear()
    reconcile(fakes)
    assert row(fakes).reason is Reason.STORAGE_BEHIND
    assert (ACCOUNT, Pin(KEY, V1)) in fakes.records.pins, "the index may be deleted at any time"


def test_what_there_was_no_time_for_is_not_known() -> None:
    fakes = linked()
    ask = fakes.storage.of_workspace

    def slowly(workspace: StorageId) -> tuple[StorageId, ...]:
        fakes.clock.now += HOUR
        return ask(workspace)

    fakes.storage.of_workspace = slowly  # type: ignore[method-assign]
    reconcile(fakes)
    assert "NotReached" in row(fakes).message


def test_versions_that_cannot_be_read_leave_open_how_the_account_is_and_not_what_it_pins() -> None:
    fakes = linked()
    fakes.keys.failure = DENIED
    reconcile(fakes)
    assert row(fakes).reason is Reason.STORAGE_UNREAD
    assert (ACCOUNT, Pin(KEY, V1)) in fakes.records.pins


# --- linked no more, or never ----------------------------------------------------------------------------------------


def test_an_account_that_is_linked_no_more_pins_nothing_and_is_shown_no_more() -> None:
    fakes = linked()
    reconcile(fakes)
    fakes.storage.links.clear()
    reconciles(fakes)
    assert row(fakes).reason is Reason.STORAGE_UNLINKED
    assert (ACCOUNT, Pin(KEY, V1)) not in fakes.records.pins
    assert storage_pins(row(fakes)) == frozenset()
    assert len(fakes.log.of(LogEvent.STORAGE_STATUS)) == 2
    written = fakes.effects.done.count("storage")
    reconcile(fakes)
    assert fakes.effects.done.count("storage") == written, "it is left alone from then on"


def test_of_a_cluster_that_no_scope_lists_the_accounts_stay_until_it_is_known_to_be_gone() -> None:
    fakes = linked()
    reconcile(fakes)
    del fakes.clusters.stored[CLUSTER]
    reconcile(fakes)
    assert row(fakes).reason is Reason.STORAGE_BEHIND
    fakes.records.put(status(reason=Reason.CLUSTER_GONE))
    reconcile(fakes)
    assert row(fakes).reason is Reason.STORAGE_UNLINKED


@pytest.mark.parametrize(
    "key",
    [None, replace(PINNED, key_vault_uri="https://evil.example"), replace(PINNED, key_name="!")],
)
def test_an_account_without_a_key_of_this_cloud_is_none_of_ours(key: AccountKey | None) -> None:
    fakes = linked(key)
    reconcile(fakes)
    assert fakes.records.accounts == {}


def test_an_account_or_workspace_that_is_not_there_is_none_either() -> None:
    fakes = linked()
    fakes.storage.keys.clear()
    reconcile(fakes)
    fakes.storage.failures[LINKED_TO] = failure(FailureKind.NOT_FOUND)
    reconcile(fakes)
    assert fakes.records.accounts == {}


def test_a_key_that_no_cluster_in_scope_uses_is_shown_and_its_versions_are_not_read() -> None:
    fakes = linked(replace(PINNED, key_name="another"))
    reconcile(fakes)
    assert row(fakes).reason is Reason.STORAGE_OTHER_KEY
    assert fakes.keys.reads == 1


# --- dead ------------------------------------------------------------------------------------------------------------

DEAD = [
    ((version(V1, enabled=False), version(V2)), Reason.STORAGE_KEY_DISABLED, "is disabled", "--enabled true"),
    ((version(V2),), Reason.STORAGE_KEY_DISABLED, "is not listed", "az keyvault key"),
    ((version(V1, expires_at=NOW), version(V2)), Reason.STORAGE_KEY_EXPIRED, "has expired", "--expires"),
]


@pytest.mark.parametrize(("versions", "reason", "message", "remedy"), DEAD)
def test_an_account_whose_version_is_dead_calls_a_person_on_change_and_daily_until_that_is_over(
    versions: tuple[object, ...], reason: Reason, message: str, remedy: str
) -> None:
    fakes = linked()
    fakes.clusters.stored[CLUSTER] = cluster(workspace_ids=(WORKSPACE,), key_version=V2)
    reconcile(fakes)
    fakes.keys.listed[KEY] = versions  # type: ignore[assignment]
    reconciles(fakes)
    (line,) = fakes.log.of(LogEvent.CLUSTER_ATTENTION)
    assert (line.fields["reason"], line.fields["resourceId"]) == (reason, ACCOUNT.text)
    assert line.fields["clusterId"] == CLUSTER.text
    assert message in str(line.fields["message"])
    assert remedy in str(line.fields["remedy"])
    since = line.fields["since"]
    reconcile(fakes, DAY)
    assert [one.fields["since"] for one in fakes.log.of(LogEvent.CLUSTER_ATTENTION)] == [since, since]
    fakes.storage.failures[ACCOUNT] = UNAVAILABLE
    reconcile(fakes)
    assert fakes.log.of(LogEvent.CLUSTER_RECOVERED) == [], "what cannot be read is not over"
    del fakes.storage.failures[ACCOUNT]
    fakes.keys.listed[KEY] = (version(V1), version(V2))
    reconciles(fakes)
    (over,) = fakes.log.of(LogEvent.CLUSTER_RECOVERED)
    assert over.fields["resourceId"] == ACCOUNT.text
    assert f"attention for {reason} is over" in str(over.fields["message"])
    assert row(fakes).called_for is None


def test_of_an_account_that_does_not_say_which_version_it_uses_nothing_is_called_out() -> None:
    fakes = linked(replace(PINNED, key_version=None, version_in_use=None))
    fakes.keys.listed[KEY] = (version(V1), version(V2, enabled=False))
    reconcile(fakes)
    assert row(fakes).reason is Reason.STORAGE_FOLLOWS
    assert "unknown" in row(fakes).message
    assert storage_pins(row(fakes)) == frozenset()


def test_a_crash_before_the_row_is_written_repeats_the_line() -> None:
    fakes = linked()
    fakes.effects.failing_names = frozenset({"save_storage"})
    reconcile(fakes)
    fakes.effects.failing_names = frozenset()
    reconcile(fakes)
    assert len(fakes.log.of(LogEvent.STORAGE_STATUS)) == 2


def test_what_is_said_daily_has_what_a_person_is_called_for_also_while_it_cannot_be_read() -> None:
    """A line that calls, or one that says that it is over, can be lost."""
    fakes = linked()
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    reconcile(fakes)
    began = fakes.clock.now
    fakes.storage.failures[ACCOUNT] = DENIED
    reconcile(fakes)
    del fakes.storage.failures[ACCOUNT]
    fakes.keys.listed[KEY] = (version(V1), version(V2))
    reconcile(fakes)
    said = [
        (one.fields["reason"], one.fields["attentionReason"], one.fields["attentionSince"])
        for one in fakes.log.of(LogEvent.STORAGE_STATUS)
    ]
    assert said == [
        (Reason.STORAGE_KEY_DISABLED, Reason.STORAGE_KEY_DISABLED, began),
        (Reason.STORAGE_UNREAD, Reason.STORAGE_KEY_DISABLED, began),
        (Reason.STORAGE_BEHIND, None, None),
    ]
