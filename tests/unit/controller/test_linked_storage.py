"""Storage accounts linked to clusters' workspaces: seen, counted among those who pin a version, and called out when dead."""

from dataclasses import replace

import pytest

from cmk_rotation.controller.retention import storage_pins
from cmk_rotation.domain.azure_resources import AccountKey
from cmk_rotation.domain.cluster_record import LinkedStorage, Pin
from cmk_rotation.domain.identifiers import Scope, StorageId
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.vocabulary import FailureKind, Mode, Reason
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    KEY,
    KEY_NAME,
    NOW,
    SCOPE,
    UNAVAILABLE,
    V1,
    V2,
    WORKSPACE,
    cluster,
    cluster_id,
    failure,
    must,
    status,
    version,
)
from tests.unit.support.storage import (
    ACCOUNT,
    LINKED_TO,
    PINNED,
    linked,
    reconcile,
    reconciles,
    rotated,
    row,
)

# --- counted ---------------------------------------------------------------------------------------------------------


def test_an_account_that_pins_the_old_version_keeps_it_and_is_named_until_it_has_moved() -> None:
    fakes = linked()
    rotated(fakes)
    assert fakes.rotation.outcome.keep_old_version_until is None
    assert fakes.rotation.outcome.old_version_pinned_by == ("storage account saved",)
    assert row(fakes).reason is Reason.STORAGE_BEHIND
    assert row(fakes).remedy.endswith(f"--encryption-key-name {KEY_NAME} --encryption-key-version {V2}`.")
    assert fakes.log.of(LogEvent.STORAGE_STATUS)[-1].fields["remedy"] == row(fakes).remedy
    fakes.storage.keys[ACCOUNT] = replace(PINNED, key_version=V2)
    reconciles(fakes)
    assert fakes.rotation.outcome.keep_old_version_until is None, "Azure Storage has not moved yet"
    assert row(fakes).reason is Reason.STORAGE_CURRENT
    fakes.storage.keys[ACCOUNT] = replace(PINNED, key_version=V2, version_in_use=V2)
    reconcile(fakes)
    assert fakes.rotation.outcome.keep_old_version_until == fakes.clock.now + DAY
    assert not fakes.rotation.outcome.old_version_pinned_by


def test_one_that_follows_by_itself_is_shown_so_and_counts_until_it_has_followed() -> None:
    fakes = linked(replace(PINNED, key_version=None))
    rotated(fakes)
    assert fakes.rotation.outcome.old_version_pinned_by == ("storage account saved",)
    assert row(fakes).reason is Reason.STORAGE_FOLLOWS
    fakes.storage.keys[ACCOUNT] = replace(PINNED, key_version=None, version_in_use=V2)
    reconcile(fakes)
    assert fakes.rotation.outcome.keep_old_version_until is not None
    assert fakes.log.errors == []


def test_with_ignore_nobody_asks_and_nothing_counts() -> None:
    fakes = linked(watches_storage=False)
    fakes.records.index(ACCOUNT, add=[Pin(KEY, V1)], remove=[])
    fakes.records.save_storage(LinkedStorage(ACCOUNT, (CLUSTER,), Reason.STORAGE_BEHIND, NOW, "", "", NOW, PINNED))
    rotated(fakes)
    (line,) = fakes.log.of(LogEvent.ROTATION_FINISHED)
    assert line.fields["keepOldVersionUntil"] is not None
    reconcile(fakes)
    assert fakes.storage.asked == []
    assert fakes.rotation.outcome.keep_old_version_until == line.fields["keepOldVersionUntil"]


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
    reconcile(fakes, DAY)
    assert fakes.effects.done.count("storage") == written, "it is left alone from then on"


def test_an_account_that_has_lost_its_key_is_left_alone_from_then_on() -> None:
    fakes = linked()
    reconcile(fakes)
    fakes.storage.keys[ACCOUNT] = None
    reconcile(fakes)
    assert row(fakes).reason is Reason.STORAGE_UNLINKED
    written = fakes.effects.done.count("storage")
    reconcile(fakes, DAY)
    assert fakes.effects.done.count("storage") == written


def test_an_account_that_was_unlinked_stays_so_while_the_links_cannot_be_read() -> None:
    fakes = linked()
    reconcile(fakes)
    fakes.storage.links.clear()
    reconcile(fakes)
    fakes.storage.failures[LINKED_TO] = UNAVAILABLE
    reconcile(fakes)
    assert row(fakes).reason is Reason.STORAGE_UNLINKED


def test_an_account_of_a_cluster_that_was_taken_out_of_scope_is_linked_no_more() -> None:
    fakes = linked()
    reconcile(fakes)
    fakes.scopes = (must(Scope.parse(f"{SCOPE.text}/resourceGroups/rg-elsewhere")),)
    reconcile(fakes)
    assert row(fakes).reason is Reason.STORAGE_UNLINKED


def test_of_a_cluster_that_no_scope_lists_the_accounts_stay_until_it_is_known_to_be_gone() -> None:
    fakes = linked()
    reconcile(fakes)
    del fakes.clusters.stored[CLUSTER]
    fakes.records.pins.clear()
    reconcile(fakes)
    assert row(fakes).reason is Reason.STORAGE_BEHIND
    assert (ACCOUNT, Pin(KEY, V1)) in fakes.records.pins, "the index may be deleted at any time"
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


def test_a_cluster_without_a_key_leads_nowhere() -> None:
    fakes = linked()
    reconcile(fakes)
    fakes.clusters.stored[CLUSTER] = cluster(workspace_ids=(WORKSPACE,), key_vault_uri=None, key_name=None)
    fakes.storage.asked.clear()
    reconcile(fakes)
    assert fakes.storage.asked == []
    assert row(fakes).reason is Reason.STORAGE_UNLINKED


@pytest.mark.parametrize("current", [V1, V2])
def test_of_versions_created_in_one_second_key_vault_says_which_is_the_newest(current: str) -> None:
    fakes = linked()
    fakes.keys.listed[KEY] = (version(V1, created_at=NOW - DAY), version(V2, created_at=NOW - DAY))
    fakes.keys.current = current
    reconcile(fakes)
    assert row(fakes).newest_version == current
    assert row(fakes).reason is (Reason.STORAGE_CURRENT if current == V1 else Reason.STORAGE_BEHIND)


def test_a_key_that_no_cluster_in_scope_uses_is_shown_and_its_versions_are_not_read() -> None:
    fakes = linked(replace(PINNED, key_name="another"))
    reconcile(fakes)
    assert row(fakes).reason is Reason.STORAGE_OTHER_KEY
    assert fakes.keys.reads == 1


# --- crashes ----------------------------------------------------------------------------------------------------------


def test_a_crash_before_the_row_is_written_repeats_the_line() -> None:
    fakes = linked()
    fakes.effects.failing_names = frozenset({"save_storage"})
    reconcile(fakes)
    fakes.effects.failing_names = frozenset()
    reconcile(fakes)
    assert len(fakes.log.of(LogEvent.STORAGE_STATUS)) == 2


def test_wherever_the_process_dies_nothing_stays_in_the_index_that_no_row_accounts_for() -> None:
    """An account that is linked no more is asked no more: only its row tells where the index names it."""
    done = 0
    while True:
        done += 1
        fakes = linked()
        fakes.effects.die_after = done
        reconcile(fakes)
        if len(fakes.effects.done) < done:
            break
        fakes.effects.die_after = None
        fakes.storage.links.clear()
        reconciles(fakes)
        assert (ACCOUNT, Pin(KEY, V1)) not in fakes.records.pins
    assert done > 1
