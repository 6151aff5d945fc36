"""Lines about what has no row of its own, said on change and then daily."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial

from cmk_rotation.controller.ports import ConflictError, StorageUnavailableError, World
from cmk_rotation.controller.survey import Survey
from cmk_rotation.domain import log_events
from cmk_rotation.domain.azure_resources import Failure, OperationError
from cmk_rotation.domain.identifiers import Scope
from cmk_rotation.domain.log_events import LogLine
from cmk_rotation.domain.notice import Notice, NoticeKind
from cmk_rotation.domain.remedies import REMEDIES, Remedy, remedy_for
from cmk_rotation.domain.repairs import Names, with_refused
from cmk_rotation.domain.timing import CLOCKS_DIFFER, REMIND_EVERY, plausible
from cmk_rotation.domain.vocabulary import FailureKind, Reason

type _Said = Mapping[str, tuple[str, Callable[[datetime], LogLine]]]
"""By subject: what is the matter, in words that change only if that does, and the line for it, since a time."""


def log_notices(world: World, found: Survey) -> None:
    """Name each scope that failed or is empty, and each entry of a list that cannot be read.

    Where storage fails, it is rather said again than not at all.
    """
    noted = _noted(world)
    scopes: _Said = {
        scope.text: (
            failure.code,
            partial(log_events.scope_failed, scope, failure.code, failure.message, _remedy(scope, failure)),
        )
        for scope, failure in found.failed.items()
    } | {
        scope.text: (_EMPTY, partial(log_events.scope_failed, scope, _EMPTY, _NO_CLUSTER, Remedy(CHECK_SCOPES)))
        for scope in found.empty
    }
    entries: _Said = {
        entry.name: (entry.problem, partial(log_events.cluster_unreadable, entry))
        for listed in found.unreadable.values()
        for entry in listed
    }
    _say(world, NoticeKind.FAILED_SCOPE, scopes, noted, all_known=True)
    _say(
        world, NoticeKind.UNREADABLE_CLUSTER, entries, noted, all_known=not found.failed
    )  # what fails may list it still


def _say(
    world: World, kind: NoticeKind, said: _Said, noted: Mapping[tuple[NoticeKind, str], Notice], *, all_known: bool
) -> None:
    now = world.now()
    for subject, (what, line) in said.items():
        before = noted.get((kind, subject), Notice(kind, subject, "", now, None))
        since = before.since if before.said_at and before.since <= now else now
        if before.message != what or _due(before.said_at, now):
            world.log(line(since))
            _note(world, replace(before, message=what, since=since, said_at=now))
    over = [one for one in noted.values() if one.kind is kind and one.subject not in said and one.said_at is not None]
    for notice in over if all_known else ():
        _note(world, replace(notice, said_at=None))


def _remedy(scope: Scope, failure: Failure) -> Remedy:
    """What to do about a list that failed: throttling is no wrong scope."""
    match failure.kind:
        case FailureKind.UNAVAILABLE if failure.code in _THROTTLED:
            return Remedy(_WAIT)
        case FailureKind.UNAVAILABLE:
            return Remedy(REMEDIES[Reason.CLUSTER_UNREACHABLE])
        case FailureKind.UNKNOWN_VERSION:
            return Remedy(REMEDIES[Reason.API_VERSION_UNKNOWN])
        case FailureKind.NOT_FOUND:
            return Remedy(CHECK_SCOPES)
        case _:
            error = OperationError(failure.code, failure.message)
            return remedy_for(Reason.CLUSTER_ACCESS_DENIED, with_refused(Names(place=scope), error), error)


_EMPTY, _NO_CLUSTER = "Empty", "it holds no cluster"
_THROTTLED = frozenset({"HTTP 429", "TooManyRequests", "SubscriptionRequestsThrottled", "OperationNotAllowed"})
_WAIT = (
    "Nothing to correct: Azure asks to be asked less. The next run lists the scope again. If this lasts, see what else reads "
    "much in the subscription, or name its resource groups in CLUSTER_SCOPES."
)
CHECK_SCOPES = "Check CLUSTER_SCOPES for this scope: it may be deleted, moved or misspelt."


def _noted(world: World) -> dict[tuple[NoticeKind, str], Notice]:
    try:
        notices = list(world.records.notices())
    except StorageUnavailableError:
        return {}
    return {(notice.kind, notice.subject): notice for notice in notices}


def _note(world: World, notice: Notice) -> None:
    with suppress(StorageUnavailableError, ConflictError):
        world.records.save_notice(notice)


def _due(said_at: datetime | None, now: datetime) -> bool:
    last = plausible(said_at, latest=now + CLOCKS_DIFFER)
    return last is None or now - last >= REMIND_EVERY
