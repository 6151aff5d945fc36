"""Sending an update. The order is the crash safety: claim, look once more, request the next visit, send, note.

A crash after any of them leaves something that the next visit heals: a claim that lapses, a visit that comes, a cluster
that is busy or has arrived, an operation on record.
"""

from dataclasses import dataclass, replace

from cmk_rotation.controller.finish import finish
from cmk_rotation.controller.observe import assemble, read_versions
from cmk_rotation.controller.ports import AzureCallError, ConflictError, StorageUnavailableError, World
from cmk_rotation.controller.retention import pin_of
from cmk_rotation.decisions.observation import Decision, Observation, since, toward
from cmk_rotation.decisions.policy import decide
from cmk_rotation.decisions.update_rules import overdue
from cmk_rotation.domain import log_events
from cmk_rotation.domain.azure_resources import Accepted, Failure, KeyVersion
from cmk_rotation.domain.cluster_record import Record
from cmk_rotation.domain.identifiers import operation_id
from cmk_rotation.domain.remedies import STORAGE, Remedy
from cmk_rotation.domain.rotation import (
    Rotation,
    Step,
    accepted,
    claim_renewed,
    claim_taken_back,
    claimed,
    found_busy,
    merged,
    move,
    refused,
    same_rotation,
    throttled,
    unanswered,
)
from cmk_rotation.domain.timing import (
    CALL_OUT_AFTER,
    CLAIM_LASTS,
    PATCH_TIMEOUT,
    TROUBLE_CEILING,
    TROUBLE_FLOOR,
    unavailable_backoff,
)
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import Action, FailureKind, Reason, RequestedBy

_MERGES = 5
"""How often a note is merged with what others wrote meanwhile before that is given up."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The update was sent, or its claim will lapse; a next visit has been requested."""

    rotation: Rotation
    """As it is under way."""
    decision: Decision
    """What to wait for."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Azure did not take the update; a next visit has been requested."""

    rotation: Rotation
    """As it ended, on record and announced."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """The update was not called for any more when it was to be sent; no visit was requested."""

    decision: Decision


def send_update(
    world: World, observation: Observation, target: KeyVersion, claim: Rotation
) -> Sent | Refused | Skipped:
    """With a claim: look once more, request the next visit, send, note.

    Raises `ConflictError` if another visit changed the row, and `StorageUnavailableError`, both before a next visit has been
    requested; afterwards nothing.
    """
    world.records.index(claim.cluster_id, add=filter(None, [pin_of(claim.key, claim.to_version)]), remove=[])
    if not _is_called_for_still(world, observation, target):
        _take_back(world, observation, target, claim)
        return Skipped(_look_again(observation, target))
    if _is_late(world, claim):  # the row tells whether another visit has taken the update over meanwhile
        claim = world.records.save_rotation(claim_renewed(claim, world.now()))
    follow = VisitRequest(RequestedBy.FOLLOW, world.now(), cluster=claim.cluster_id, event_id=claim.event_id)
    world.requests.request(follow, CLAIM_LASTS)
    to_be_seen = Sent(claim, Decision(Action.WAIT, claim.reason, claim.message))
    if _is_late(world, claim):
        return to_be_seen  # the claim lapses, and the visit claims again
    try:
        return _send(world, observation, claim)
    except ConflictError:
        return to_be_seen
    except StorageUnavailableError as error:
        unrecorded = f"{claim.message}; what came of it could not be put on record ({error})"
        remedy = f"{STORAGE} The next visit finds out what came of the update."
        about = log_events.rotation_fields(claim)
        world.log(log_events.visit_failed(unrecorded, remedy, claim.attempt.started_at, about=about))
        return to_be_seen


def _look_again(observation: Observation, target: KeyVersion) -> Decision:
    """Rarer each time."""
    reason, cluster = Reason.VERSION_IS_BEHIND, observation.cluster
    lasted = observation.now - since(observation.status, reason, observation.now)
    return Decision(
        Action.ATTENTION if lasted >= CALL_OUT_AFTER else Action.WAIT,
        reason,
        f"{move(cluster.id.name, cluster.key_name, cluster.key_version, target.version)}: {_SKIPPED}",
        requeue_after=unavailable_backoff(lasted),
        remedy=Remedy(
            "Nothing to do at first. If this lasts, see in the activity logs what keeps changing the cluster or its key."
        ),
    )


_SKIPPED = "the cluster or its key had changed when the update was to be sent; they are looked at again"


def claim_update(world: World, observation: Observation, target: KeyVersion, request: VisitRequest) -> Rotation:
    """Put on record that this visit sends the update. Of two visits that try, the table lets one.

    Nor does it let one that did not see the rotation which led there before. Raises `ConflictError`, and
    `StorageUnavailableError`.
    """
    known, now = toward(observation, target, request.event_id), world.now()
    claim = claimed(
        known,
        observation.cluster,
        by=request.by,
        attempt_id=world.new_id(),
        now=now,
    )
    return world.records.save_rotation(claim, Step("claimed again" if known.lapsed else "claimed", now, claim))


def _is_called_for_still(world: World, observation: Observation, target: KeyVersion) -> bool:
    """Whether the cluster and its key, read once more, come to the same update.

    Storage may have been slow since the first look, and meanwhile somebody may have disabled the version in use, set
    the tag, or given the cluster another key or none.
    """
    before, record = observation.cluster, Record(observation.status, observation.rotations)
    try:
        cluster = world.clusters.get(before.id)
    except AzureCallError:
        return False
    seen = assemble(world, cluster, read_versions(world, cluster), record, observation.by)
    decision = decide(replace(seen, asked_at=observation.asked_at))
    asked = (before.key, before.key_vault_uri, before.key_version, before.key_rsa_size, before.failed)
    same = (cluster.key, cluster.key_vault_uri, cluster.key_version, cluster.key_rsa_size, cluster.failed) == asked
    return same and isinstance(decision, Decision) and decision.target == target


def _is_late(world: World, claim: Rotation) -> bool:
    """Whether an update sent now could be in flight when its claim has lapsed."""
    return claim.attempt.claimed_until is None or world.now() + PATCH_TIMEOUT > claim.attempt.claimed_until


def _take_back(world: World, observation: Observation, target: KeyVersion, claim: Rotation) -> None:
    """Put the row back as it was before the claim, and say why."""
    before = claim_taken_back(claim, toward(observation, target, claim.event_id), _SKIPPED)
    world.records.save_rotation(before, Step("not sent", world.now(), before))


def _send(world: World, observation: Observation, claim: Rotation) -> Sent | Refused:
    world.log(log_events.update_sent(claim))
    try:
        answer = world.clusters.set_key_version(observation.cluster, claim.to_version, claim.attempt.id or "")
    except AzureCallError as error:
        failure = error.failure
    else:
        return _accepted(world, observation, claim, answer)
    if failure.kind in {FailureKind.UNAVAILABLE, FailureKind.THROTTLED}:
        return _unanswered(world, observation, claim, failure)
    if _is_busy(world, observation, claim, failure):
        return _busy(world, observation, claim, failure)
    return Refused(_refused(world, observation, claim, failure))


def _accepted(world: World, observation: Observation, claim: Rotation, answer: Accepted) -> Sent:
    trusted = operation_id(answer.operation_url, arm_host=world.arm_host, subscription=claim.cluster_id.subscription)
    now = world.now()
    noted = accepted(claim, answer, trusted, now)
    # Said before it is noted: should the table fail now, the log still knows the operation.
    world.log(log_events.update_accepted(noted))
    _note(world, noted, Step("accepted", now, noted))
    after = observation.timing.poll_interval(now - (claim.attempt.started_at or now), answer.retry_after)
    return Sent(noted, Decision(Action.WAIT, noted.reason, noted.message, requeue_after=after))


def _busy(world: World, observation: Observation, claim: Rotation, failure: Failure) -> Sent:
    """Not a refusal: look again, and send again only once what runs has ended."""
    now, late = world.now(), overdue(observation, claim)
    timing = observation.timing.poll_interval(now - (claim.attempt.started_at or now), failure.retry_after)
    after = max(timing, TROUBLE_CEILING if late else TROUBLE_FLOOR)
    noted = found_busy(claim, failure, Reason.UPDATE_OVERDUE if late else Reason.UPDATE_RUNNING, now + after)
    world.log(log_events.update_progress(noted, new=True))
    _note(world, noted, Step("busy", now, noted))
    action = Action.ATTENTION if late else Action.WAIT
    return Sent(noted, Decision(action, noted.reason, noted.message, requeue_after=after))


def _unanswered(world: World, observation: Observation, claim: Rotation, failure: Failure) -> Sent:
    """Look before sending it again; what Azure turned away, it has not taken, and need not be waited for."""
    now = world.now()
    lasted = now - since(observation.status, Reason.CLUSTER_UNREACHABLE, now)
    after = unavailable_backoff(lasted, failure.retry_after)
    if failure.kind is FailureKind.THROTTLED:
        noted = throttled(claim, failure, now + after)
    else:
        after = max(after, CLAIM_LASTS)
        noted = unanswered(claim, failure, now + after)
    _note(world, noted, Step("unanswered", now, noted))
    action = Action.ATTENTION if lasted >= CALL_OUT_AFTER else Action.WAIT
    return Sent(noted, Decision(action, noted.reason, noted.message, requeue_after=after))


def _refused(world: World, observation: Observation, claim: Rotation, failure: Failure) -> Rotation:
    end = refused(claim, failure, world.now(), observation.cluster.identity_id)
    world.log(log_events.update_refused(end))
    return finish(world, observation, end)


def _is_busy(world: World, observation: Observation, claim: Rotation, failure: Failure) -> bool:
    """Whether an operation runs on the cluster: by its state, and by Azure's words, which are not all published.

    Of a Failed cluster Azure has words of its own ("Create and manage a dedicated cluster", errors): nothing runs there,
    and that is a refusal, unless it may be an earlier send of this very update that runs.
    """
    # Not counting this one: somebody else's operation, or an earlier send of ours of which nothing is known.
    before = observation.toward(claim.to_version)
    perhaps_sent = before is not None and before.lapsed and before.attempt.claimed_until is not None
    sent_before = perhaps_sent or observation.updating is not None
    refused = _OF_A_FAILED_CLUSTER in failure.message.lower() and not sent_before
    try:
        cluster = world.clusters.get(claim.cluster_id)
    except AzureCallError:
        return failure.kind is FailureKind.BUSY
    return cluster.busy or (failure.kind is FailureKind.BUSY and not (cluster.failed and refused))


_OF_A_FAILED_CLUSTER = "in a state other than succeeded"


def _note(world: World, noted: Rotation, step: Step) -> None:
    """Put on record what came of the claim, merged with what others wrote meanwhile: an operation is never lost."""
    for _ in range(_MERGES):
        try:
            world.records.save_rotation(noted, step)
        except ConflictError:
            rotations = world.records.of_cluster(noted.cluster_id).rotations
            now_there = next((rotation for rotation in rotations if same_rotation(rotation, noted)), None)
            if now_there is None:
                raise
            noted = merged(now_there, noted)
            step = replace(step, rotation=noted)
        else:
            return
