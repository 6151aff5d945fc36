"""Linked accounts whose version in use is dead: a person is called, since when it died, until that is over."""

from dataclasses import replace

import pytest

from cmk_rotation.controller.retention import storage_pins
from cmk_rotation.domain.identifiers import StorageId
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.vocabulary import Reason
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    KEY,
    MINUTE,
    NOW,
    UNAVAILABLE,
    V1,
    V2,
    WORKSPACE,
    cluster,
    version,
)
from tests.unit.support.storage import (
    ACCOUNT,
    DENIED,
    LINKED_TO,
    PINNED,
    linked,
    reconcile,
    reconciles,
    row,
)

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
    # Of a version that is not listed, nobody knows whether another is newer.
    assert (f"--encryption-key-version {V2}`." in str(line.fields["remedy"])) is (message != "is not listed")
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
    assert (row(fakes).called_for, row(fakes).called_since) == (None, None)


@pytest.mark.parametrize("unread", [ACCOUNT, LINKED_TO, None], ids=["the account", "its workspace", "the key"])
def test_a_version_is_dead_since_the_same_time_whatever_could_not_be_read_meanwhile(unread: StorageId | None) -> None:
    fakes = linked()
    fakes.clusters.stored[CLUSTER] = cluster(workspace_ids=(WORKSPACE,), key_version=V2)
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    reconcile(fakes)
    since = row(fakes).since
    if unread is None:
        fakes.keys.failure = UNAVAILABLE
    else:
        fakes.storage.failures[unread] = UNAVAILABLE
    reconciles(fakes)
    fakes.storage.failures.clear()
    fakes.keys.failure = None
    reconcile(fakes)
    assert row(fakes).since == since
    reconcile(fakes, DAY)
    called = [one for one in fakes.log.of(LogEvent.CLUSTER_ATTENTION) if one.fields["reason"] is row(fakes).reason]
    assert [one.fields["since"] for one in called] == [since, since]


def test_what_was_over_and_is_so_again_is_so_since_then() -> None:
    fakes = linked()
    fakes.clusters.stored[CLUSTER] = cluster(workspace_ids=(WORKSPACE,), key_version=V2)
    for dead in (True, False, True):
        fakes.keys.listed[KEY] = (version(V1, enabled=not dead), version(V2))
        reconciles(fakes)
    first, again = fakes.log.of(LogEvent.CLUSTER_ATTENTION)
    assert first.fields["since"] == NOW + 10 * MINUTE
    assert again.fields["since"] == row(fakes).since == NOW + 50 * MINUTE


def test_what_is_the_matter_instead_began_when_it_did() -> None:
    fakes = linked()
    fakes.clusters.stored[CLUSTER] = cluster(workspace_ids=(WORKSPACE,), key_version=V2)
    for dead in (version(V1, enabled=False), version(V1, expires_at=NOW)):
        fakes.keys.listed[KEY] = (dead, version(V2))
        reconciles(fakes)
    assert [one.fields["since"] for one in fakes.log.of(LogEvent.CLUSTER_ATTENTION)] == [
        NOW + 10 * MINUTE,
        NOW + 30 * MINUTE,
    ]


def test_no_time_in_a_row_keeps_a_person_from_being_called() -> None:
    fakes = linked()
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    reconcile(fakes)
    later = NOW + 1000 * DAY
    fakes.records.save_storage(replace(row(fakes), since=later, called_at=later, called_since=later, said_at=later))
    lines = len(fakes.log.lines)
    reconcile(fakes)
    said = [one for one in fakes.log.lines[lines:] if one.fields.get("resourceId") == ACCOUNT.text]
    assert [one.event for one in said] == [LogEvent.CLUSTER_ATTENTION, LogEvent.STORAGE_STATUS]
    assert said[0].fields["since"] == fakes.clock.now


def test_nobody_is_told_to_move_an_account_back() -> None:
    fakes = linked(replace(PINNED, key_version=V2, version_in_use=V2))
    fakes.keys.listed[KEY] = (version(V1), version(V2, enabled=False))
    reconcile(fakes)
    assert row(fakes).reason is Reason.STORAGE_KEY_DISABLED
    assert row(fakes).newest_version == V1
    assert row(fakes).remedy.endswith("--enabled true`.")


def test_one_that_follows_by_itself_is_not_told_to_pin_a_version() -> None:
    fakes = linked(replace(PINNED, key_version=None))
    fakes.clusters.stored[CLUSTER] = cluster(workspace_ids=(WORKSPACE,), key_version=V2)
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    reconcile(fakes)
    assert row(fakes).reason is Reason.STORAGE_KEY_DISABLED
    assert row(fakes).remedy.endswith("--enabled true`.")


def test_of_an_account_that_does_not_say_which_version_it_uses_nothing_is_called_out() -> None:
    fakes = linked(replace(PINNED, key_version=None, version_in_use=None))
    fakes.keys.listed[KEY] = (version(V1), version(V2, enabled=False))
    reconcile(fakes)
    assert row(fakes).reason is Reason.STORAGE_FOLLOWS
    assert "unknown" in row(fakes).message
    assert storage_pins(row(fakes)) == frozenset()


def test_what_is_said_daily_has_what_a_person_is_called_for_also_while_it_cannot_be_read() -> None:
    """A line that calls, or one that says that it is over, can be lost."""
    fakes = linked()
    fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))
    reconcile(fakes)
    began = fakes.clock.now
    reconcile(fakes, DAY)
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
        (Reason.STORAGE_KEY_DISABLED, Reason.STORAGE_KEY_DISABLED, began),
        (Reason.STORAGE_UNREAD, Reason.STORAGE_KEY_DISABLED, began),
        (Reason.STORAGE_BEHIND, None, None),
    ]
