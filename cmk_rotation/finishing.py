"""Ending a rotation: on record first, then in the log and on the topic, then noted as announced.

A crash in between leaves a row that says what is still owed; the next visit pays it.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from cmk_rotation.identifiers import ClusterId
from cmk_rotation.model import Record, Rotation, Step
from cmk_rotation.observing import read_workspaces
from cmk_rotation.pace import ANNOUNCED_WITHIN, CLOCKS_DIFFER, REMIND_EVERY, believed
from cmk_rotation.ports import AzureTroubleError, ChangedMeanwhileError, World
from cmk_rotation.report import rotation_json
from cmk_rotation.situation import Situation, Unseen, same_version
from cmk_rotation.telling import about
from cmk_rotation.vocabulary import OPEN, Event, KeyMode, Reason, Stage


def finish(world: World, situation: Situation | Unseen, rotation: Rotation) -> Rotation:
    """Put a rotation's end on record and announce it.

    Raises `ChangedMeanwhileError` if another visit got there first, and `StorageUnavailableError`.
    """
    sent = rotation.started_at is not None  # and perhaps taken, though the answer was lost
    if isinstance(situation, Situation) and sent and rotation.stage is not Stage.SUPERSEDED:
        rotation = replace(rotation, linked_workspaces=read_workspaces(world, situation.cluster))
    if rotation.stage is Stage.SUCCEEDED:
        until = keep_old_version_until(world, world.records.everything(), rotation)
        rotation = replace(rotation, keep_old_version_until=until)
    saved = world.records.save_rotation(rotation, Step("finished", world.now(), rotation))
    return announce(world, saved)


def announcement_owed(rotation: Rotation, now: datetime) -> bool:
    """Whether a rotation has ended, not everybody has heard, and the visit that ended it must have died."""
    heard = rotation.announced and rotation.published
    finished_at = believed(rotation.finished_at, latest=now + CLOCKS_DIFFER)
    return rotation.stage not in OPEN and not heard and (finished_at is None or now - finished_at >= ANNOUNCED_WITHIN)


def announce(world: World, rotation: Rotation) -> Rotation:
    """Say, once per attempt, how a rotation ended."""
    if not rotation.announced:
        world.log(
            Event.ROTATION_FINISHED,
            logging.ERROR if rotation.stage is Stage.FAILED else logging.INFO,
            **about(rotation),
            message=rotation.message,
            remedy=rotation.remedy,
            since=rotation.finished_at or rotation.requested_at,
            verified=rotation.verified,
            secondsToVerify=rotation.seconds_to_verify,
            keepOldVersionUntil=rotation.keep_old_version_until,
            operationError=rotation.operation_error.message if rotation.operation_error else None,
        )
    announced = replace(rotation, announced=True, published=rotation.published or _publish(world, rotation))
    if announced == rotation:
        return rotation
    try:
        return world.records.save_rotation(announced)
    except ChangedMeanwhileError:
        return announced  # another visit announced it at the same time


def keep_old_version_until(world: World, records: Mapping[ClusterId, Record], rotation: Rotation) -> datetime | None:
    """Until when the old version must at least stay enabled; None while another cluster in scope still pins it."""
    if rotation.from_version is None or _others_pin(world, records, rotation):
        return None
    return world.now() + world.pace.keep_old_version


def old_versions_freed_or_taken_up(
    world: World, records: Mapping[ClusterId, Record], situation: Situation
) -> list[Rotation]:
    """The rotations whose old version has been left by its last cluster, or is pinned again, told so."""
    changed = []
    for rotation in situation.done:
        pinned_here = same_version(situation.cluster.key_version, rotation.from_version)
        until = None if pinned_here else keep_old_version_until(world, records, rotation)
        if (until is None) is not (rotation.keep_old_version_until is None):
            changed.append(replace(rotation, keep_old_version_until=until))
    return changed


def _others_pin(world: World, records: Mapping[ClusterId, Record], rotation: Rotation) -> bool:
    others = (record for cluster_id, record in records.items() if cluster_id != rotation.cluster_id)
    return any(_pins(world, record, rotation) for record in others)


def _pins(world: World, record: Record, rotation: Rotation) -> bool:
    """Whether another cluster is on the old version, by its row or by what its rotations have done since."""
    status = record.status
    if status is None or status.mode is not KeyMode.PINNED or status.key != rotation.key:
        return False
    if status.reason is Reason.CLUSTER_GONE:
        return False  # its row stays, and still says what it pinned
    if not any(scope.contains(status.cluster_id) for scope in world.scopes):
        return False
    left = any(
        other.stage is Stage.SUCCEEDED
        and same_version(other.from_version, rotation.from_version)
        and (other.finished_at or status.looked_at) >= status.looked_at
        for other in record.rotations
    )
    return same_version(status.key_version, rotation.from_version) and not left


def _publish(world: World, rotation: Rotation) -> bool:
    """Publish an ended rotation; False if that must be tried again. After a day it is given up, and said so."""
    if world.outcomes is None:
        return True
    finished_at = believed(rotation.finished_at, latest=world.now()) or rotation.requested_at
    # With its stage: a failed attempt that somebody else completes ends a second time, and is not the same news.
    attempt = f"{rotation.cluster_id.key}/{rotation.key_vault_uri}/{rotation.key_name}/{rotation.to_version}"
    try:
        world.outcomes.publish(
            id=str(uuid5(NAMESPACE_URL, f"{attempt.lower()}/{rotation.attempts}/{rotation.stage}")),
            subject=rotation.cluster_id.text,
            time=finished_at,
            data=rotation_json(rotation),
        )
    except AzureTroubleError as error:
        given_up = world.now() - finished_at >= REMIND_EVERY
        if given_up or not rotation.announced:
            what = "is given up after a day" if given_up else "is tried again by later visits"
            world.log(
                Event.VISIT_FAILED,
                logging.ERROR,
                **about(rotation),
                message=f"the outcome event could not be published and {what} ({error.trouble.code}: {error.trouble.message})",
                remedy="Check OUTCOME_TOPIC_ENDPOINT, the topic's firewall, and the identity's role EventGrid Data Sender on it.",
                since=finished_at,
            )
        return given_up
    return True
