"""Ending a rotation: on record first, then in the log and on the topic, then noted as announced.

A crash in between leaves a row that says what is still owed; the next visit pays it.
"""

from dataclasses import replace
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from cmk_rotation.controller.alerts import attention_since
from cmk_rotation.controller.observe import read_workspaces
from cmk_rotation.controller.ports import AzureCallError, ConflictError, World
from cmk_rotation.controller.retention import keep_old_version
from cmk_rotation.decisions.observation import Observation, Seen, confirms, names
from cmk_rotation.domain import log_events
from cmk_rotation.domain.documents import rotation_json
from cmk_rotation.domain.log_events import rotation_fields
from cmk_rotation.domain.remedies import advice_for, remedy_for
from cmk_rotation.domain.rotation import (
    Rotation,
    Step,
    announced,
    announcing,
    workspaces_seen,
)
from cmk_rotation.domain.timing import ANNOUNCED_WITHIN, CLOCKS_DIFFER, REMIND_EVERY, plausible
from cmk_rotation.domain.vocabulary import OPEN, Reason, Stage


def finish(world: World, observation: Seen, rotation: Rotation) -> Rotation:
    """Put a rotation's end on record and announce it.

    Raises `ConflictError` if another visit got there first, and `StorageUnavailableError`.
    """
    untaken = rotation.reason is Reason.UPDATE_REFUSED or rotation.stage is Stage.SUPERSEDED
    if isinstance(observation, Observation) and rotation.attempt.started_at is not None and not untaken:
        rotation = workspaces_seen(rotation, read_workspaces(world, observation.cluster))
    saved = world.records.save_rotation(rotation, Step("finished", world.now(), rotation))
    return announce(world, observation, saved)


def announcement_due(rotation: Rotation, now: datetime) -> bool:
    """Whether a rotation has ended, not everybody has heard, and the visit that ended it must have died."""
    heard = rotation.outcome.announced and rotation.outcome.published
    finished_at = plausible(rotation.outcome.finished_at, latest=now + CLOCKS_DIFFER)
    taken = plausible(rotation.outcome.announcing_until, latest=now + ANNOUNCED_WITHIN + CLOCKS_DIFFER)
    quiet = (finished_at is not None and now - finished_at < ANNOUNCED_WITHIN) or (taken is not None and now < taken)
    return rotation.stage not in OPEN and not heard and not quiet


def announce_overdue(world: World, seen: Seen, rotation: Rotation) -> None:
    """Say how a rotation ended whose own visit died before it did. Of two visits that find it so, the table lets one.

    A row is no proof: whoever can write the table can write one. A success is announced only if this look confirms it, and
    else it is said that it does not. Raises `ConflictError` for the other visit, and `StorageUnavailableError`.
    """
    confirmed = confirms(seen, rotation)
    if confirmed is None:
        return
    taken = _in_our_words(seen, world.records.save_rotation(announcing(rotation, world.now())))
    if confirmed:
        announce(world, seen, taken)
        return
    since = plausible(taken.outcome.finished_at, latest=world.now()) or world.now()
    world.log(
        log_events.visit_failed(f"{taken.heading}: {_UNCONFIRMED}", _LOOK_WHO, since, about=rotation_fields(taken))
    )
    world.records.save_rotation(announced(taken, published=True))


def _in_our_words(seen: Seen, taken: Rotation) -> Rotation:
    """As a row's stage and reason have it: its own message and remedy may be a stranger's, with a command in them.

    A command names what this look saw, and never a vault that only the row names.
    """
    message = f"{taken.heading}: {taken.stage}, {taken.reason}; said late, for the visit that ended it did not"
    remedy, error = advice_for(taken.reason), taken.attempt.operation_error
    if taken.stage is Stage.FAILED:
        remedy = advice_for(taken.reason, error)
        if isinstance(seen, Observation) and seen.cluster.key == taken.key:
            remedy = remedy_for(taken.reason, names(seen), error).text
    return replace(taken, message=message, remedy=remedy)


_UNCONFIRMED = (
    "it is on record as succeeded, nobody has been told so, and the cluster does not confirm it; so it is not announced"
)
_LOOK_WHO = (
    "See in the cluster's activity log whether somebody has moved it since. If nobody has, see who may write to the table "
    "rotations."
)


def announce(world: World, seen: Seen, rotation: Rotation) -> Rotation:
    """Say, once per attempt, how a rotation ended.

    Who else pins the old version is asked once the end is on record: of clusters that leave it at the same moment, the
    later one to be on record so finds that the other has left. Raises `StorageUnavailableError`.
    """
    if rotation.outcome.announced and rotation.outcome.published:
        return rotation
    if not rotation.outcome.announced:
        if rotation.stage is Stage.SUCCEEDED:
            rotation = keep_old_version(world, rotation)
        failed = rotation.stage is Stage.FAILED
        world.log(
            log_events.rotation_finished(rotation, attention_since(seen.status, rotation.reason) if failed else None)
        )
    published = rotation.outcome.published or _publish(world, rotation)
    ended = announced(rotation, published=published)
    try:
        return world.records.save_rotation(ended)
    except ConflictError:
        return ended  # another visit took the announcement over, or somebody noted that the old version is free


def _publish(world: World, rotation: Rotation) -> bool:
    """Publish an ended rotation; False if that must be tried again. After a day it is given up, and said so."""
    if world.outcomes is None:
        return True
    finished_at = plausible(rotation.outcome.finished_at, latest=world.now()) or rotation.requested_at
    # With its stage: a failed attempt that somebody else completes ends a second time, and is not the same news.
    attempt = f"{rotation.cluster_id.key}/{rotation.key_vault_uri}/{rotation.key_name}/{rotation.to_version}"
    try:
        world.outcomes.publish(
            id=str(uuid5(NAMESPACE_URL, f"{attempt.lower()}/{rotation.attempts}/{rotation.stage}")),
            subject=rotation.cluster_id.text,
            time=finished_at,
            data=rotation_json(rotation),
        )
    except AzureCallError as error:
        given_up = world.now() - finished_at >= REMIND_EVERY
        if given_up or not rotation.outcome.announced:
            then = "is given up after a day" if given_up else "is tried again by later visits"
            why = f"{error.failure.code}: {error.failure.message}"
            message = f"the outcome event could not be published and {then} ({why})"
            remedy = "Check OUTCOME_TOPIC_ENDPOINT, the topic's firewall, and the identity's role EventGrid Data Sender on it."
            about = rotation_fields(rotation)
            world.log(log_events.visit_failed(message, remedy, finished_at, about=about))
        return given_up
    return True
