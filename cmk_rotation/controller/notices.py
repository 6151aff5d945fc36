"""Lines about what has no row of its own, said on change and then daily."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from cmk_rotation.controller.ports import ConflictError, StorageUnavailableError, World
from cmk_rotation.controller.survey import Survey
from cmk_rotation.domain import log_events
from cmk_rotation.domain.notice import Notice, NoticeKind
from cmk_rotation.domain.timing import CLOCKS_DIFFER, REMIND_EVERY, plausible


def log_unreadable(world: World, found: Survey) -> None:
    """Name each entry of a list that cannot be read. Where storage fails, it is rather said again than not at all."""
    now = world.now()
    noted = _noted(world)
    for entry in {entry.name: entry for entries in found.unreadable.values() for entry in entries}.values():
        before = noted.pop(entry.name, Notice(NoticeKind.UNREADABLE_CLUSTER, entry.name, "", now, None))
        since = before.since if before.said_at and before.since <= now else now
        if before.message != entry.problem or _due(before.said_at, now):
            world.log(log_events.cluster_unreadable(entry, since))
            _note(world, replace(before, message=entry.problem, since=since, said_at=now))
    for over in noted.values() if not found.failed else ():  # a scope that failed may list it still
        if over.said_at is not None:
            _note(world, replace(over, said_at=None))


def _noted(world: World) -> dict[str, Notice]:
    try:
        notices = list(world.records.notices())
    except StorageUnavailableError:
        return {}
    return {notice.subject: notice for notice in notices}


def _note(world: World, notice: Notice) -> None:
    with suppress(StorageUnavailableError, ConflictError):
        world.records.save_notice(notice)


def _due(said_at: datetime | None, now: datetime) -> bool:
    last = plausible(said_at, latest=now + CLOCKS_DIFFER)
    return last is None or now - last >= REMIND_EVERY
