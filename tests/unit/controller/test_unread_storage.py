"""Linked storage that cannot be read: shown as unknown, never as fine, and what was known of it counts."""

from dataclasses import replace

import pytest

from cmk_rotation.domain.cluster_record import Pin
from cmk_rotation.domain.documents import cluster_json
from cmk_rotation.domain.identifiers import StorageId
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.vocabulary import FailureKind, Reason
from tests.unit.support.builders import (
    CLUSTER,
    KEY,
    KEY_NAME,
    MINUTE,
    V1,
    V2,
    WORKSPACE,
    cluster,
    cluster_id,
    failure,
)
from tests.unit.support.storage import (
    ACCOUNT,
    DARK,
    DENIED,
    LINKED_TO,
    PINNED,
    linked,
    reconcile,
    reconciles,
    rotated,
    row,
)
from tests.unit.support.worlds import Fakes


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


@pytest.mark.parametrize("kind", sorted(set(FailureKind) - {FailureKind.NOT_FOUND}))
def test_what_was_last_read_of_an_account_counts_until_it_can_be_read_again(kind: FailureKind) -> None:
    fakes = linked()
    rotated(fakes)
    fakes.storage.failures[ACCOUNT] = failure(kind)
    reconciles(fakes)
    assert (row(fakes).reason, row(fakes).is_unread) == (Reason.STORAGE_UNREAD, False)
    assert f"version {V1} of key {KEY_NAME}" in row(fakes).message
    assert "could not be read since" in row(fakes).message
    assert (ACCOUNT, Pin(KEY, V1)) in fakes.records.pins
    assert fakes.rotation.outcome.keep_old_version_until is None
    assert fakes.rotation.outcome.old_version_pinned_by == ("storage account saved",)


@pytest.mark.parametrize("end", ["it has moved, and may be read again", "it is linked no more", "nobody is to look"])
def test_a_right_that_was_taken_holds_the_old_version_until_a_person_ends_that(end: str) -> None:
    fakes = linked()
    rotated(fakes)
    fakes.storage.failures[ACCOUNT] = DENIED
    reconciles(fakes)
    assert fakes.rotation.outcome.keep_old_version_until is None
    for told in ("Microsoft.Storage/storageAccounts/read", "Until then what was last read counts", "ignore"):
        assert told in row(fakes).remedy
    match end:
        case "it has moved, and may be read again":
            del fakes.storage.failures[ACCOUNT]
            fakes.storage.keys[ACCOUNT] = replace(PINNED, key_version=V2, version_in_use=V2)
        case "it is linked no more":
            fakes.storage.links.clear()
        case _:
            fakes.watches_storage = False
    reconcile(fakes)
    assert fakes.rotation.outcome.keep_old_version_until is not None


def test_an_account_behind_links_that_cannot_be_read_any_more_stays_as_it_was() -> None:
    fakes = linked()
    reconcile(fakes)
    fakes.storage.failures[LINKED_TO] = DENIED
    fakes.records.pins.clear()
    reconcile(fakes)
    assert row(fakes).reason is Reason.STORAGE_BEHIND
    assert (ACCOUNT, Pin(KEY, V1)) in fakes.records.pins, "the index may be deleted at any time"


def with_a_dark_workspace() -> Fakes:
    """The cluster has another workspace, whose links cannot be read."""
    fakes = linked()
    fakes.clusters.stored[CLUSTER] = cluster(workspace_ids=(WORKSPACE, DARK.text))
    fakes.storage.failures[DARK] = DENIED
    return fakes


@pytest.mark.parametrize("answer", ["Azure's own key", "a key elsewhere", "no such account", "another version"])
@pytest.mark.parametrize("links", ["read", "unread"])
def test_what_an_account_answers_counts_whatever_else_could_not_be_read(answer: str, links: str) -> None:
    fakes = with_a_dark_workspace()
    rotated(fakes)
    assert fakes.rotation.outcome.old_version_pinned_by == ("storage account saved",)
    if links == "unread":
        fakes.storage.failures[LINKED_TO] = DENIED
    match answer:
        case "Azure's own key":
            fakes.storage.keys[ACCOUNT] = None
        case "a key elsewhere":
            fakes.storage.keys[ACCOUNT] = replace(PINNED, key_vault_uri="https://evil.example")
        case "no such account":
            del fakes.storage.keys[ACCOUNT]
        case _:
            fakes.storage.keys[ACCOUNT] = replace(PINNED, key_version=V2, version_in_use=V2)
    reconcile(fakes)
    there = answer == "another version"
    assert row(fakes).reason is (Reason.STORAGE_CURRENT if there else Reason.STORAGE_UNLINKED)
    assert fakes.rotation.outcome.keep_old_version_until is not None
    assert (ACCOUNT, Pin(KEY, V1)) not in fakes.records.pins


@pytest.mark.parametrize("over", ["it can be read", "it is linked no more", "it is gone"])
def test_what_was_not_known_of_a_workspace_ends_with_it_though_another_stays_unread(over: str) -> None:
    fakes = with_a_dark_workspace()
    fakes.storage.failures[LINKED_TO] = DENIED
    reconcile(fakes)
    assert fakes.records.accounts[LINKED_TO].is_unread
    match over:
        case "it can be read":
            del fakes.storage.failures[LINKED_TO]
        case "it is linked no more":
            fakes.clusters.stored[CLUSTER] = cluster(workspace_ids=(DARK.text,))
        case _:
            fakes.storage.failures[LINKED_TO] = failure(FailureKind.NOT_FOUND)
    reconcile(fakes)
    assert fakes.records.accounts[LINKED_TO].reason is Reason.STORAGE_UNLINKED
    assert fakes.records.accounts[DARK].is_unread


def test_an_account_that_another_cluster_may_still_lead_to_stays_on_record_for_both() -> None:
    fakes, other = linked(), cluster_id("law-two")
    fakes.clusters.stored[other] = cluster(id=other, workspace_ids=(DARK.text,))
    fakes.storage.links[DARK] = (ACCOUNT,)
    reconcile(fakes)
    fakes.storage.failures[DARK] = DENIED
    reconcile(fakes)
    assert row(fakes).clusters == (CLUSTER, other)


def test_what_there_was_no_time_for_is_not_known() -> None:
    fakes = linked()
    ask = fakes.storage.of_workspace

    def slowly(workspace: StorageId) -> tuple[StorageId, ...]:
        fakes.clock.now += 6 * MINUTE
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
