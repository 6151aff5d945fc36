"""A visit: observe, decide, carry out, record; and, if there is more to see, request the next one.

An event, the timer and an operator all do the same one thing: they request a visit. Duplicates, disorder, losses and
crashes all become "look again".
"""

from dataclasses import replace
from datetime import datetime
from functools import partial

from cmk_rotation.controller.alerts import log_decision
from cmk_rotation.controller.finish import (
    announce_overdue,
    announcement_due,
    finish,
)
from cmk_rotation.controller.observe import OnlyPartError, look
from cmk_rotation.controller.ports import ConflictError, StorageUnavailableError, World
from cmk_rotation.controller.requeue import end_visit, is_spare
from cmk_rotation.controller.update import Refused, Sent, Skipped, claim_update, send_update
from cmk_rotation.decisions.observation import Decision, Glance, Observation, Seen, toward
from cmk_rotation.decisions.policy import settle
from cmk_rotation.domain import log_events
from cmk_rotation.domain.cluster_record import Record
from cmk_rotation.domain.identifiers import ClusterId
from cmk_rotation.domain.rotation import Rotation, Step, put_off, same_rotation
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import OPEN, Action, Mode, Reason, RequestedBy, Stage

_TRIES = 3
"""How often a visit looks again because another one changed the record under it; then reconcile sees to it."""


def visit(world: World, request: VisitRequest) -> None:
    """Look at one cluster and do what is called for.

    Raises `StorageUnavailableError`, and only before a next visit has been requested.
    """
    cluster_id = request.cluster
    if cluster_id is None or not any(scope.contains(cluster_id) for scope in world.scopes):
        reject(world, f"{cluster_id.text if cluster_id else 'the message'} is not in CLUSTER_SCOPES")
        return
    part = [False] if request.by in {RequestedBy.EVENT, RequestedBy.FOLLOW} and world.mode is Mode.ENFORCE else []
    for whole in [*part, *[True] * _TRIES]:
        try:
            _look_and_act(world, cluster_id, request, whole=whole)
        except (ConflictError, OnlyPartError):
            # Another visit claimed, ended or merely noted something, or something was not in sight: it is not as decided on.
            continue
        return
    message = f"{cluster_id.name}: somebody else changed its record each time that this visit looked"
    remedy = (
        "Nothing, if it is said once: the next reconcile looks again. Else see who may write to the table rotations."
    )
    about = {"clusterId": cluster_id.text}
    world.log(log_events.visit_failed(message, remedy, request.requested_at, about=about))


def reject(world: World, why: str) -> None:
    """Say that a message cannot lead anywhere. It is not looked at again."""
    world.log(log_events.visit_rejected(why, world.now()))


def _look_and_act(world: World, cluster_id: ClusterId, request: VisitRequest, *, whole: bool) -> None:
    """One look, with the whole record or with the part of it that is mostly enough.

    Raises `ConflictError` or `OnlyPartError` if it has to be taken again, with all of it, and what `visit` raises.
    """
    lately = world.now() - world.lately
    record = world.records.of_cluster(cluster_id, lately=None if whole else lately)
    if is_spare(world, record, request):
        return
    enough = whole or _tells_the_last(record, lately)
    seen = look(world, cluster_id, record, request.by, enough=enough)
    if not whole and isinstance(seen, Observation) and (seen.cluster.failed or _is_news(seen)):
        raise OnlyPartError  # before anything is done: it is not known whose failure this is, or how the cluster came here
    unheard = [rotation for rotation in seen.rotations if announcement_due(rotation, world.now())]
    for rotation in unheard:
        announce_overdue(world, seen, rotation)
    if unheard:
        # The record is another now, and what was read of an operation may be of an attempt that has ended meanwhile.
        seen, whole = look(world, cluster_id, world.records.of_cluster(cluster_id), request.by, enough=True), True
    if isinstance(seen, Observation):
        seen = replace(seen, asked_at=request.enqueued_at)
    _act(world, seen, request, whole=whole)


def _tells_the_last(record: Record, lately: datetime) -> bool:
    """Whether a part of the record has the last rotation that ended, and the last that left a version: one that did lately.

    A cluster that was seen for the first time lately has left none, and has no other rotation that ended.
    """
    ended = [(one, at) for one in record.rotations if (at := one.outcome.finished_at) is not None]
    done = [one for one, at in ended if one.stage is Stage.SUCCEEDED and at >= lately]
    return any(one.from_version for one in done) or (len(done) == len(ended) == 1)


def _is_news(seen: Observation) -> bool:
    """Whether no rotation in sight has led to where the cluster is."""
    return seen.at_newest and seen.toward(seen.cluster.key_version) is None


def _act(world: World, seen: Seen, request: VisitRequest, *, whole: bool) -> None:
    """Carry out and record what the observation calls for."""
    observation, decision = settle(seen, partial(_end_on_record, world))
    claim = _claim(world, observation, decision, request, whole=whole)
    log_decision(world, observation, decision, request)
    if isinstance(observation, Glance):
        observation = _note_progress(world, observation, decision)
    if isinstance(observation, Observation):
        observation = _note_progress(world, observation, decision)
    result = _send(world, observation, decision, claim)
    match result:
        case Sent():
            observation, decision = observation.with_rotation(result.rotation), result.decision
        case Skipped():
            decision = result.decision
        case Refused():
            observation, decision = settle(observation.with_rotation(result.rotation))
    try:
        if isinstance(observation, Observation):
            _note_waiting(world, observation, decision, request)
        end_visit(world, observation, decision, request, announced=_has_failed(seen, observation))
    except StorageUnavailableError:
        if not isinstance(result, Sent | Refused):
            raise


def _claim(
    world: World, observation: Seen, decision: Decision, request: VisitRequest, *, whole: bool
) -> Rotation | None:
    """Claim the update that is called for, if one is.

    Raises `OnlyPartError` where a rotation that is not in sight could tell that the cluster was put back. With a claim that comes
    out as well: the table lets none of a rotation that is on record. Raises `ConflictError` then, and what `claim_update` raises.
    """
    if not isinstance(observation, Observation):
        return None
    target = decision.target if decision.action is Action.UPDATE and world.mode is Mode.ENFORCE else None
    behind = observation.target if observation.is_behind else None
    is_new = behind is not None and observation.toward(behind.version) is None
    if not whole and is_new and target is None:
        raise OnlyPartError
    return claim_update(world, observation, target, request) if target is not None else None


def _send(
    world: World, observation: Seen, decision: Decision, claim: Rotation | None
) -> Sent | Refused | Skipped | None:
    """Send the update that was claimed, if one was."""
    if claim is None or decision.target is None or not isinstance(observation, Observation):
        return None
    return send_update(world, observation, decision.target, claim)


def _end_on_record(world: World, seen: Seen, rotation: Rotation) -> Rotation:
    """End a rotation, or a claim of which nothing came; in observe, only what was under way."""
    if rotation.stage in OPEN:
        world.log(log_events.update_progress(rotation, new=True))
        return world.records.save_rotation(rotation, Step("lapsed", world.now(), rotation))
    follows_update = any(same_rotation(rotation, other) for other in seen.unfinished)
    return finish(world, seen, rotation) if world.mode is Mode.ENFORCE or follows_update else rotation


def _has_failed(before: Seen, after: Seen) -> bool:
    """Whether this visit ended a rotation as failed, which was called out as that."""
    return any(one.stage is Stage.FAILED and one not in before.rotations for one in after.rotations)


def _note_progress[One: (Observation, Glance)](world: World, observation: One, decision: Decision) -> One:
    """Put on record what this look learned of an update under way."""
    before = observation.updating
    if before is None:
        return observation
    after, step = decision.progress or before, None
    if after.reason is not before.reason and after.reason is Reason.UPDATE_OVERDUE:
        step = "overdue"
    elif after.attempt.operation_status != before.attempt.operation_status:
        step = "progress"
    new = after.attempt.operation_status != before.attempt.operation_status
    world.log(log_events.update_progress(after, new=new))
    if after == before:
        return observation
    try:
        saved = world.records.save_rotation(after, Step(step, observation.now, after) if step else None)
    except ConflictError:
        return observation  # another look at the same time noted as much
    return observation.with_rotation(saved)


def _note_waiting(world: World, observation: Observation, decision: Decision, request: VisitRequest) -> None:
    """Put a rotation on record that is called for and has to wait for the cluster."""
    waits = decision.reason in {Reason.CLUSTER_BUSY, Reason.CLUSTER_STUCK} and world.mode is Mode.ENFORCE
    target = observation.target
    if not waits or target is None or observation.toward(target.version) is not None:
        return
    rotation = put_off(toward(observation, target, request.event_id), decision.reason, decision.message)
    try:
        world.records.save_rotation(rotation, Step("waiting", observation.now, rotation))
    except ConflictError:
        return  # another visit put it there
