"""What it costs to watch linked storage: reads in each run, and a row only where something has changed, or once a day."""

from dataclasses import replace
from datetime import timedelta

import pytest

from cmk_rotation.domain.azure_resources import AccountKey, Failure
from cmk_rotation.domain.cluster_record import LinkedStorage
from cmk_rotation.domain.identifiers import StorageId
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.vocabulary import FailureKind, Reason
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    KEY,
    MINUTE,
    UNAVAILABLE,
    V1,
    V2,
    WORKSPACE,
    cluster,
    cluster_id,
    failure,
    must,
    version,
)
from tests.unit.support.storage import ACCOUNT, DENIED, LINKED_TO, PINNED, linked, reconcile, row
from tests.unit.support.worlds import Fakes

MANY = 300
WORKSPACES = [must(StorageId.parse(f"{WORKSPACE}-{number:03}")) for number in range(MANY)]
ACCOUNTS = [must(StorageId.parse(f"{ACCOUNT.text}{number:03}")) for number in range(MANY)]


def fleet(key: AccountKey | None = PINNED) -> Fakes:
    """A cluster with many workspaces, each with an account of its own."""
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(workspace_ids=tuple(one.text for one in WORKSPACES))
    for workspace, account in zip(WORKSPACES, ACCOUNTS, strict=True):
        fakes.storage.links[workspace] = (account,)
        fakes.storage.keys[account] = key
    return fakes


def cost(fakes: Fakes, after: timedelta = 10 * MINUTE) -> tuple[int, int, int]:
    """Of one run: how many reads of linked storage, how many rows, and how many lines."""
    fakes.storage.asked.clear()
    rows, lines = fakes.effects.done.count("storage"), len(fakes.log.of(LogEvent.STORAGE_STATUS))
    reconcile(fakes, after)
    return (
        len(fakes.storage.asked),
        fakes.effects.done.count("storage") - rows,
        len(fakes.log.of(LogEvent.STORAGE_STATUS)) - lines,
    )


def test_a_run_writes_what_has_changed_and_once_a_day_everything() -> None:
    fakes = fleet()
    assert cost(fakes) == (2 * MANY, MANY, MANY)
    assert cost(fakes) == (2 * MANY, 0, 0)
    fakes.storage.keys[ACCOUNTS[7]] = replace(PINNED, version_in_use=V2)
    assert cost(fakes) == (2 * MANY, 1, 1)
    assert cost(fakes, DAY) == (2 * MANY, MANY, MANY)
    assert cost(fakes) == (2 * MANY, 0, 0)


def test_workspaces_that_may_not_be_read_cost_a_read_each_and_a_row_once_a_day() -> None:
    fakes = fleet()
    fakes.storage.failures = dict.fromkeys(WORKSPACES, DENIED)
    assert cost(fakes) == (MANY, MANY, MANY)
    assert cost(fakes) == (MANY, 0, 0)
    assert cost(fakes, DAY) == (MANY, MANY, MANY)


def test_a_run_in_which_azure_does_not_answer_leaves_nothing_behind_of_workspaces() -> None:
    fakes = fleet(None)
    cost(fakes)
    fakes.storage.failures = dict.fromkeys(WORKSPACES, UNAVAILABLE)
    assert cost(fakes) == (MANY, 0, 0)
    fakes.storage.failures.clear()
    assert cost(fakes) == (2 * MANY, 0, 0)
    assert fakes.records.accounts == {}


def test_a_workspace_that_may_not_be_read_stays_so_while_azure_does_not_answer() -> None:
    fakes = linked()
    fakes.storage.failures[LINKED_TO] = DENIED
    reconcile(fakes)
    before = fakes.records.accounts[LINKED_TO]
    fakes.storage.failures[LINKED_TO] = UNAVAILABLE
    reconcile(fakes)
    assert fakes.records.accounts[LINKED_TO] == before


def test_a_row_names_no_more_clusters_than_it_has_room_for() -> None:
    fakes = linked()
    for number in range(60):
        one = cluster_id(f"law-{number:02}")
        fakes.clusters.stored[one] = cluster(id=one, workspace_ids=(WORKSPACE,))
    reconcile(fakes)
    assert [one.name for one in row(fakes).clusters] == [f"law-{number:02}" for number in range(50)]
    assert cost(fakes) == (2, 0, 0)


def test_writing_ends_before_the_host_ends_the_run_and_goes_on_in_the_next_the_worst_first() -> None:
    fakes = linked(replace(PINNED, key_version=V2, version_in_use=V2))
    fakes.clusters.stored[CLUSTER] = cluster(workspace_ids=(WORKSPACE,), key_version=V2)
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    others = ACCOUNTS[:3]
    fakes.storage.links[LINKED_TO] = (ACCOUNT, *others)
    fakes.storage.keys |= dict.fromkeys(others, PINNED)
    save = fakes.records.save_storage

    def slowly(storage: LinkedStorage) -> None:
        save(storage)
        fakes.clock.now += 3 * MINUTE

    fakes.records.save_storage = slowly  # type: ignore[method-assign]
    reconcile(fakes)
    assert fakes.records.accounts.keys() == set(others), "three times three minutes, of ten"
    assert {one.reason for one in fakes.records.accounts.values()} == {Reason.STORAGE_KEY_DISABLED}
    reconcile(fakes)
    assert row(fakes).reason is Reason.STORAGE_CURRENT


RIGHT = "Microsoft.Storage/storageAccounts/read"
UNREAD = [
    (ACCOUNT, DENIED, RIGHT),
    (ACCOUNT, failure(FailureKind.UNAVAILABLE, code="TooManyRequests"), "Nothing to correct"),
    (ACCOUNT, failure(FailureKind.UNKNOWN_VERSION), "no right and no setting"),
    (LINKED_TO, DENIED, "Microsoft.OperationalInsights/workspaces/linkedStorageAccounts/read"),
    (LINKED_TO, failure(FailureKind.UNKNOWN_VERSION), "no right and no setting"),
    (None, DENIED, "clusters that use the key"),
]


@pytest.mark.parametrize(("what", "why", "words"), UNREAD)
def test_what_to_do_about_what_is_unread_is_of_its_cause(what: StorageId | None, why: Failure, words: str) -> None:
    fakes = linked()
    if what is None:
        fakes.keys.failure = why
    else:
        fakes.storage.failures[what] = why
    reconcile(fakes)
    unread = fakes.records.accounts[what or ACCOUNT]
    assert unread.reason is Reason.STORAGE_UNREAD
    assert words in unread.remedy
    assert (RIGHT in unread.remedy) is (why is DENIED and what is not None)
