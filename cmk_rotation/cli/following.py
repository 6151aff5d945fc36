"""Following what is under way, until it is over: in place on a terminal that can hold it, line by line otherwise."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from cmk_rotation import clock
from cmk_rotation.cli import tables
from cmk_rotation.cli.exit_codes import ExitCode
from cmk_rotation.cli.session import Session
from cmk_rotation.cli.shown import Cell, Part
from cmk_rotation.domain import documents
from cmk_rotation.domain.cluster_record import ClusterStatus, LinkedStorage
from cmk_rotation.domain.identifiers import ClusterId
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.vocabulary import Stage

SECONDS = 2.0
"""Between two looks at the record."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is on record of some clusters at one moment."""

    clusters: tuple[ClusterStatus, ...]
    rotations: tuple[Rotation, ...]
    storage: Mapping[ClusterId, tuple[LinkedStorage, ...] | None]
    """The storage accounts of each cluster; None where they were not asked for."""

    @property
    def accounts(self) -> tuple[LinkedStorage, ...]:
        """All of them, each once, in the order of their names."""
        known = {one.id: one for found in self.storage.values() for one in found or () if one.is_linked}
        return tuple(sorted(known.values(), key=lambda one: one.id.key))


type Looks = Iterator[Look]
"""One look after another, each taken when it is asked for; without an end."""


def follow(session: Session, looks: Looks, done: Callable[[Look], bool]) -> int:
    """Look until it is done; the result is the exit code, 1 where the last rotation of a cluster has failed."""
    first = next(looks)
    screen = session.screen
    in_place = not session.options.json and screen.terminal and screen.holds(parts(session, first))
    follow_ = _in_place if in_place else _as_lines
    found = follow_(session, _until(done, first, looks))
    failed = any(rotation.stage is Stage.FAILED for rotation in tables.newest(found.rotations))
    return ExitCode.FAILED if failed else ExitCode.DONE


def nothing_is_under_way(look: Look) -> bool:
    """Whether each rotation has ended."""
    return not tables.under_way(look.rotations)


def _until(done: Callable[[Look], bool], first: Look, looks: Looks) -> Looks:
    found = first
    yield found
    while not done(found):
        clock.sleep(SECONDS)
        found = next(looks)
        yield found


def _in_place(session: Session, looks: Looks) -> Look:
    shown: list[Part] = []
    with session.screen.watching() as update:
        for found in looks:
            now = parts(session, found)
            if now != shown:
                update(now)
            shown = now
    return found


def _as_lines(session: Session, looks: Looks) -> Look:
    """A line for each rotation that is under way or has changed meanwhile; as JSON, each time all that was looked at."""
    told: dict[str, str] = {}
    shown = None
    for found in looks:
        if session.options.json:
            now = documents_of(found)
            if now != shown:
                session.screen.show_json(now, indent=None)
            shown = now
        else:
            for line in _news(session, found, told):
                session.screen.show([line])
    return found


def _news(session: Session, found: Look, told: dict[str, str]) -> Iterable[Part]:
    for rotation in reversed(tables.newest(found.rotations)):
        line = tables.progress(rotation, session.style)
        name = rotation.cluster_id.key
        first = name not in told
        if told.get(name) != line.text:
            told[name] = line.text
            if not first or tables.under_way([rotation]) or rotation.stage is Stage.FAILED:
                yield Cell(f"{session.world.now():%Y-%m-%d %H:%M:%S}Z {line.text}", line.tone)


def parts(session: Session, found: Look) -> list[Part]:
    """Clusters and rotations, for people."""
    return [
        *tables.clusters(found.clusters, style=session.style),
        *tables.storage(found.accounts, session.style),
        *tables.rotations(found.rotations, session.style, found.storage),
    ]


def documents_of(found: Look) -> dict[str, object]:
    """The same, for machines."""
    return {
        "clusters": [documents.cluster_json(one, found.storage.get(one.cluster_id)) for one in found.clusters],
        "rotations": [documents.rotation_json(rotation) for rotation in found.rotations],
    }
