"""What is so of a storage account that is linked to a cluster's workspace. The app changes none of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cmk_rotation.domain.azure_resources import AccountKey, Failure, KeyVersion, same_version
from cmk_rotation.domain.identifiers import StorageId
from cmk_rotation.domain.remedies import STORAGE_API_UNKNOWN, STORAGE_KEY_UNREAD, STORAGE_UNREACHABLE, remedy_for
from cmk_rotation.domain.repairs import Names
from cmk_rotation.domain.timing import LIVES_ON
from cmk_rotation.domain.vocabulary import FailureKind, KeyMode, Reason


@dataclass(frozen=True, slots=True)
class SeenStorage:
    """A storage account, or a workspace whose linked accounts could not be read, as seen in one look."""

    now: datetime
    id: StorageId
    account_key: AccountKey | None
    """As it is, or as it was before it could not be read any more; None where it is not known."""
    failure: Failure | None = None
    """Why it could not be read now."""
    versions: tuple[KeyVersion, ...] | Failure | None = None
    """Of the account's key; None where no cluster in scope uses that key."""

    @property
    def used(self) -> str | None:
        """The version in use, as far as it is known."""
        return self.account_key.in_use if self.account_key else None

    @property
    def in_use(self) -> KeyVersion | None:
        """The version in use, if Key Vault lists it."""
        return next((one for one in self.listed if same_version(one.version, self.used)), None)

    @property
    def listed(self) -> tuple[KeyVersion, ...]:
        """The key's versions, as far as they are known."""
        return () if self.versions is None or isinstance(self.versions, Failure) else self.versions

    @property
    def last(self) -> KeyVersion | None:
        """The usable version that was created last."""
        usable = [one for one in self.listed if one.usable(self.now)]
        return max(usable, key=lambda one: (one.created_at, one.is_current), default=None)

    @property
    def newest(self) -> str | None:
        """Its name."""
        return self.last.version if self.last else None

    @property
    def to_be_pinned(self) -> str | None:
        """The version that an account which pins one is to be moved to: nobody is told to go back, or to begin pinning."""
        pins = self.account_key is not None and self.account_key.mode is KeyMode.PINNED
        forward = self.last is not None and self.in_use is not None and self.last.created_at > self.in_use.created_at
        return self.newest if pins and forward else None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is so of a storage account, and what to do about it."""

    reason: Reason
    message: str
    remedy: str


CALLS = frozenset({Reason.STORAGE_KEY_DISABLED, Reason.STORAGE_KEY_EXPIRED})
"""What a person is called for."""


def judge(seen: SeenStorage) -> Judgement:
    """The first rule that has something to say."""
    reason, message = next(found for rule in _RULES if (found := rule(seen)) is not None)
    kind = "storage account" if seen.id.is_account else "workspace"
    return Judgement(reason, f"{kind} {seen.id.name}: {message}", _remedy(seen, reason))


def _remedy(seen: SeenStorage, reason: Reason) -> str:
    """What to do. Of what could not be read its cause decides: not each is a missing right."""
    if reason is Reason.STORAGE_UNREAD and seen.failure is None:
        return STORAGE_KEY_UNREAD
    if seen.failure is not None and seen.failure.kind in _UNREAD:
        return _UNREAD[seen.failure.kind]
    return remedy_for(reason, _names(seen)).text


_UNREAD = {FailureKind.UNAVAILABLE: STORAGE_UNREACHABLE, FailureKind.UNKNOWN_VERSION: STORAGE_API_UNKNOWN}


def _could_not_be_read(seen: SeenStorage) -> tuple[Reason, str] | None:
    if seen.failure is None:
        return None
    what = "which key encrypts it" if seen.id.is_account else "which storage accounts it is linked to"
    why = f"({seen.failure.code}: {seen.failure.message})"
    if seen.account_key is None:
        return Reason.STORAGE_UNREAD, f"{what} could not be read {why}"
    before = f"version {seen.used or 'unknown'} of {_key(seen)}"
    return Reason.STORAGE_UNREAD, f"used {before} when it was last read; {what} could not be read since {why}"


def _is_linked_no_more(seen: SeenStorage) -> tuple[Reason, str] | None:
    if seen.account_key is not None:
        return None
    what = "linked to no cluster in scope any more, or without a key of this cloud"
    return Reason.STORAGE_UNLINKED, what if seen.id.is_account else "its linked storage accounts can be read"


def _has_a_key_that_no_cluster_uses(seen: SeenStorage) -> tuple[Reason, str] | None:
    if seen.versions is not None:
        return None
    return Reason.STORAGE_OTHER_KEY, f"{_key(seen)} encrypts it, which no cluster in scope uses"


def _versions_could_not_be_read(seen: SeenStorage) -> tuple[Reason, str] | None:
    if not isinstance(seen.versions, Failure):
        return None
    why = f"{seen.versions.code}: {seen.versions.message}"
    return (
        Reason.STORAGE_UNREAD,
        f"uses version {seen.used or 'unknown'} of {_key(seen)}, whose versions could not be read ({why})",
    )


def _version_in_use_is_disabled(seen: SeenStorage) -> tuple[Reason, str] | None:
    if seen.used is None or (seen.in_use is not None and seen.in_use.enabled):
        return None
    how = "is not listed: it may be deleted" if seen.in_use is None else "is disabled"
    return Reason.STORAGE_KEY_DISABLED, f"version {seen.used} of {_key(seen)}, which it uses, {how}"


def _version_in_use_has_expired(seen: SeenStorage) -> tuple[Reason, str] | None:
    if seen.in_use is None or not seen.in_use.expired(seen.now):
        return None
    return Reason.STORAGE_KEY_EXPIRED, f"version {seen.in_use.version} of {_key(seen)}, which it uses, has expired"


def _follows_by_itself(seen: SeenStorage) -> tuple[Reason, str] | None:
    if seen.account_key is None or seen.account_key.mode is KeyMode.PINNED:
        return None
    return (
        Reason.STORAGE_FOLLOWS,
        f"follows {_key(seen)} by itself, within a day; it uses version {seen.used or 'unknown'}",
    )


def _is_behind(seen: SeenStorage) -> tuple[Reason, str] | None:
    pinned = seen.account_key.key_version if seen.account_key else None
    if seen.newest is None or same_version(pinned, seen.newest):
        return None
    return Reason.STORAGE_BEHIND, f"pins version {pinned} of {_key(seen)}, whose newest is {seen.newest}"


def _is_current(seen: SeenStorage) -> tuple[Reason, str]:
    pinned = seen.account_key.key_version if seen.account_key else None
    return Reason.STORAGE_CURRENT, f"pins version {pinned} of {_key(seen)}, the newest"


_RULES: tuple[Callable[[SeenStorage], tuple[Reason, str] | None], ...] = (
    _could_not_be_read,
    _is_linked_no_more,
    _has_a_key_that_no_cluster_uses,
    _versions_could_not_be_read,
    _version_in_use_is_disabled,
    _version_in_use_has_expired,
    _follows_by_itself,
    _is_behind,
    _is_current,
)


def _key(seen: SeenStorage) -> str:
    return f"key {seen.account_key.key_name if seen.account_key else None}"


def _names(seen: SeenStorage) -> Names:
    used = seen.account_key
    if used is None or used.key is None:
        return Names()
    return Names(
        place=seen.id,
        vault_host=used.key.vault,
        key_name=used.key_name,
        key_vault_uri=used.key_vault_uri,
        version=used.in_use,
        newest=seen.to_be_pinned,
        until=(seen.now + LIVES_ON).replace(hour=0, minute=0, second=0),
    )
