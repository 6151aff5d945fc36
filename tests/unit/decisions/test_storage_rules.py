"""What is so of a storage account: each rule, in its order, and what it says."""

from dataclasses import replace

import pytest

from cmk_rotation.decisions.storage_rules import SeenStorage, judge
from cmk_rotation.domain.azure_resources import AccountKey
from cmk_rotation.domain.identifiers import StorageId
from cmk_rotation.domain.vocabulary import Reason
from tests.unit.support.builders import (
    CREATED,
    DAY,
    KEY_NAME,
    MINUTE,
    NOW,
    SECOND,
    SUBSCRIPTION,
    UNAVAILABLE,
    V1,
    V2,
    V3,
    VAULT,
    WORKSPACE,
    must,
    version,
)

ACCOUNT = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/logs"
PINNED, FOLLOWS = AccountKey(VAULT, KEY_NAME, V1), AccountKey(VAULT, KEY_NAME, None, V1)
SEEN = SeenStorage(NOW, must(StorageId.parse(ACCOUNT)), PINNED, versions=(version(V1), version(V2)))
AT_WORKSPACE = {"id": must(StorageId.parse(WORKSPACE))}
GONE = {"versions": (version(V2),)}
OFF = {"versions": (version(V1, enabled=False), version(V2))}
PAST = {"versions": (version(V1, expires_at=NOW - MINUTE), version(V2))}


@pytest.mark.parametrize(
    ("changes", "reason", "message"),
    [
        (
            {"failure": UNAVAILABLE, "account_key": None},
            Reason.STORAGE_UNREAD,
            "storage account logs: which key encrypts it could not be read (CodeUnavailable: it is unavailable)",
        ),
        (
            {"failure": UNAVAILABLE, "account_key": None, **AT_WORKSPACE},
            Reason.STORAGE_UNREAD,
            "workspace ws-one: which storage accounts it is linked to could not be read (CodeUnavailable: it is unavailable)",
        ),
        (
            {"failure": UNAVAILABLE},
            Reason.STORAGE_UNREAD,
            (
                f"storage account logs: used version {V1} of key la-cmk when it was last read; which key encrypts it could "
                "not be read since (CodeUnavailable: it is unavailable)"
            ),
        ),
        (
            {"account_key": None, "versions": None},
            Reason.STORAGE_UNLINKED,
            "storage account logs: linked to no cluster in scope any more, or without a key of this cloud",
        ),
        (
            {"account_key": None, **AT_WORKSPACE},
            Reason.STORAGE_UNLINKED,
            "workspace ws-one: its linked storage accounts can be read",
        ),
        (
            {"versions": None},
            Reason.STORAGE_OTHER_KEY,
            "storage account logs: key la-cmk encrypts it, which no cluster in scope uses",
        ),
        (
            {"versions": UNAVAILABLE},
            Reason.STORAGE_UNREAD,
            (
                f"storage account logs: uses version {V1} of key la-cmk, whose versions could not be read "
                "(CodeUnavailable: it is unavailable)"
            ),
        ),
        (
            {"versions": UNAVAILABLE, "account_key": replace(FOLLOWS, version_in_use=None)},
            Reason.STORAGE_UNREAD,
            (
                "storage account logs: uses version unknown of key la-cmk, whose versions could not be read "
                "(CodeUnavailable: it is unavailable)"
            ),
        ),
        (
            GONE,
            Reason.STORAGE_KEY_DISABLED,
            f"storage account logs: version {V1} of key la-cmk, which it uses, is not listed: it may be deleted",
        ),
        (
            {**OFF, "account_key": FOLLOWS},
            Reason.STORAGE_KEY_DISABLED,
            f"storage account logs: version {V1} of key la-cmk, which it uses, is disabled",
        ),
        (
            PAST,
            Reason.STORAGE_KEY_EXPIRED,
            f"storage account logs: version {V1} of key la-cmk, which it uses, has expired",
        ),
        (
            {"account_key": FOLLOWS},
            Reason.STORAGE_FOLLOWS,
            f"storage account logs: follows key la-cmk by itself, within a day; it uses version {V1}",
        ),
        (
            {"account_key": replace(FOLLOWS, version_in_use=None)},
            Reason.STORAGE_FOLLOWS,
            "storage account logs: follows key la-cmk by itself, within a day; it uses version unknown",
        ),
        (
            {},
            Reason.STORAGE_BEHIND,
            f"storage account logs: pins version {V1} of key la-cmk, whose newest is {V2}",
        ),
        (
            {"account_key": replace(PINNED, key_version=V2.upper(), version_in_use=V1)},
            Reason.STORAGE_CURRENT,
            f"storage account logs: pins version {V2.upper()} of key la-cmk, the newest",
        ),
    ],
)
def test_the_first_rule_that_has_something_to_say_says_it(
    changes: dict[str, object], reason: Reason, message: str
) -> None:
    judged = judge(replace(SEEN, **changes))  # type: ignore[arg-type]
    assert (judged.reason, judged.message) == (reason, message)


def test_the_newest_is_the_usable_one_that_was_made_last_and_of_two_of_one_second_the_current_one() -> None:
    made = {"created_at": CREATED[V2]}
    off, twin, current = version(V3, enabled=False), version(V3, **made), version(V2, **made, is_current=True)
    assert replace(SEEN, versions=(version(V2), version(V1), off)).newest == V2
    assert replace(SEEN, versions=(current, twin)).newest == V2
    assert replace(SEEN, versions=(twin, current)).newest == V2
    assert replace(SEEN, versions=(off,)).newest is None
    assert [replace(SEEN, versions=unknown).newest for unknown in (UNAVAILABLE, None)] == [None, None]


def test_its_remedy_names_the_version_that_it_uses_and_lets_an_expired_one_live_on_for_three_months() -> None:
    disabled = judge(replace(SEEN, **OFF))  # type: ignore[arg-type]
    assert f"set-attributes --vault-name contoso --name la-cmk --version {V1} --enabled true" in disabled.remedy
    expired = judge(replace(SEEN, now=NOW + DAY / 24 * 13 + 7 * MINUTE + 9 * SECOND, **PAST))  # type: ignore[arg-type]
    assert f"--version {V1} --expires 2026-05-31T00:00:00Z" in expired.remedy
    assert f"--encryption-key-vault {VAULT} --encryption-key-name la-cmk" in judge(SEEN).remedy
    odd = judge(replace(SEEN, account_key=replace(PINNED, key_vault_uri="odd"), **OFF))  # type: ignore[arg-type]
    assert "set-attributes" not in odd.remedy
