"""`status`: what is on record."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from cmk_rotation.cli import selection, tables
from cmk_rotation.cli.exit_codes import ExitCode
from cmk_rotation.cli.following import Look, Looks, documents_of, follow, nothing_is_under_way, parts
from cmk_rotation.cli.session import Session, UsageError
from cmk_rotation.controller.ports import StorageUnavailableError, World
from cmk_rotation.domain import documents
from cmk_rotation.domain.cluster_record import Record
from cmk_rotation.domain.identifiers import ClusterId
from cmk_rotation.domain.rotation import Step
from cmk_rotation.domain.visit_message import PoisonQueue

_EVER = datetime.min.replace(tzinfo=UTC)


def status(session: Session) -> int:
    """Show clusters and rotations, newest rotation first, by when it was last tried."""
    options, screen = session.options, session.screen
    if options.watch:
        return follow(session, _watched(session), nothing_is_under_way)
    with screen.asking("Reading the record"):
        records = _records(session)
        found = on_record(session, records)
        steps = _history(session, records) if options.history else []
        lying = poison(session)
    if options.json:
        history = {"history": [documents.step_json(step) for step in steps]} if options.history else {}
        screen.show_json({**documents_of(found), **history, "poisonMessages": lying.messages if lying else None})
    else:
        shown = parts(session, found)
        shown += tables.history(steps, session.style) if options.history else []
        shown += tables.poison(lying) if lying else ()  # else it was said why
        screen.show(shown)
    return ExitCode.DONE


def _watched(session: Session) -> Looks:
    """Everything once; after that, what is under way is read again, and no more: the record of a fleet is large."""
    records = dict(_records(session))
    while True:
        yield on_record(session, records.items())
        for one, before in records.items():
            if tables.under_way(before.rotations):
                records[one] = replace(session.world.records.of_cluster(one), storage=before.storage)


def on_record(session: Session, records: Collection[tuple[ClusterId, Record]]) -> Look:
    """What some clusters' records show of what was asked for, newest rotation first."""
    since, key = getattr(session.options, "since", None) or _EVER, getattr(session.options, "key", None)
    rotations = [
        rotation
        for _, record in records
        for rotation in record.rotations
        if max(rotation.requested_at, rotation.outcome.finished_at or rotation.requested_at) >= since
        and (key is None or selection.is_of_key(key, rotation.key))
    ]
    clusters = [record.status for _, record in records if record.status is not None]
    return Look(
        tuple(status for status in clusters if key is None or selection.is_of_key(key, status.key)),
        tuple(sorted(rotations, key=lambda rotation: rotation.began_at, reverse=True)),
        {one: record.storage for one, record in records},
    )


def _records(session: Session) -> list[tuple[ClusterId, Record]]:
    """What is on record of the clusters that were asked for, or of all."""
    wanted = session.options.cluster
    cluster_id = ClusterId.parse(wanted)
    if cluster_id:
        record = session.world.records.of_cluster(cluster_id)
        if not _holds_something(record):
            session.screen.complain(f"nothing is on record about {wanted}")
        return [(cluster_id, replace(record, storage=session.world.records.storage_of(cluster_id)))]
    found = everything(session.world)
    if wanted is None:
        return sorted(found.items(), key=lambda item: item[0].key)
    ids = selection.named(wanted, found)
    if not ids:
        raise UsageError(f"nothing is on record about a cluster called '{wanted}'")
    return [(one, found[one]) for one in ids]


def everything(world: World) -> dict[ClusterId, Record]:
    """The clusters of which more is on record than the index says."""
    return {one: record for one, record in world.records.everything().items() if _holds_something(record)}


def _holds_something(record: Record) -> bool:
    return bool(record.status or record.rotations)


def _history(session: Session, records: Iterable[tuple[ClusterId, Record]]) -> list[Step]:
    since, key = session.options.since or _EVER, session.options.key
    every = (step for cluster_id, _ in records for step in session.world.records.history(cluster_id))
    return [step for step in every if step.at >= since and (key is None or selection.is_of_key(key, step.rotation.key))]


def poison(session: Session) -> PoisonQueue | None:
    """What lies in the poison queue; None if that cannot be told, which is no reason to withhold the record."""
    try:
        return session.world.requests.poison_queue()
    except StorageUnavailableError as error:
        session.screen.complain(f"what lies in the queue cluster-visits-poison could not be read: {error}")
        return None
