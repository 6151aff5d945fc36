"""Seeing our own update through: what an open rotation has come to.

The operation explains, the cluster decides. The rules stand in order; the first with an opinion wins.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from cmk_rotation.decisions.observation import (
    Decision,
    Finish,
    Glance,
    Look,
    Observation,
    not_again_before,
    reads_target,
    since,
)
from cmk_rotation.domain.azure_resources import Failure, Operation, OperationError
from cmk_rotation.domain.rotation import (
    Rotation,
    became_overdue,
    claim_lapsed,
    contradicted,
    failed,
    fell_silent,
    learned,
    reached_target,
    succeeded,
    superseded,
    went_on,
)
from cmk_rotation.domain.timing import (
    CALL_OUT_AFTER,
    CONTRADICTION_LASTS,
    LOOK_AT_ALL_EVERY,
    SECOND_READ_AFTER,
    plausible,
    unavailable_backoff,
)
from cmk_rotation.domain.vocabulary import Action, FailureKind, KeyMode, Reason

MOST_SENDS = 3
"""How often an update is sent with no answer before that counts as its failure, which rests longer each time."""

type Rule = Callable[[Observation], Decision | Finish | None]


def is_enough(glance: Glance) -> bool:
    """Whether this is all that there is to see: the operation goes on, and all else was fine, and looked at a short while ago."""
    rotation, status, operation = glance.updating, glance.status, glance.operation
    if rotation is None or status is None or operation.succeeded or operation.failed or overdue(glance, rotation):
        return False
    looked_at = plausible(status.looked_at, latest=glance.now)
    recently = looked_at is not None and glance.now - looked_at < LOOK_AT_ALL_EVERY
    return recently and rotation.reason is status.reason is Reason.UPDATE_RUNNING


def operation_goes_on(glance: Look) -> Decision | None:
    """Nothing but the operation was looked at, and it goes on."""
    rotation = glance.updating
    if not isinstance(glance, Glance) or rotation is None:
        return None
    progress = learned(rotation, rotation.cluster_state, glance.operation)
    if progress != rotation:
        progress = went_on(progress, f"update under way, operation {glance.operation.status}")
    return Decision(
        Action.WAIT,
        Reason.UPDATE_RUNNING,
        progress.message,
        requeue_after=_next_poll(glance, rotation, glance.operation),
        progress=progress,
    )


def changed_by_others(observation: Observation) -> Finish | None:
    """The cluster has another key, none, or follows the newest version by itself: it is never moved back."""
    cluster = observation.cluster
    if cluster.busy:
        return None  # a cluster being changed may show no key for a while, or anything else
    for rotation in observation.unfinished:
        if cluster.key != rotation.key or cluster.mode is not KeyMode.PINNED:
            now_has = {
                KeyMode.NONE: "the cluster no longer has a customer-managed key",
                KeyMode.AUTO: "the cluster now follows the newest version by itself",
                KeyMode.PINNED: f"the cluster was given another key, {cluster.key_name} in {cluster.key_vault_uri}",
            }[cluster.mode]
            return _ended(observation, rotation, superseded, Reason.CHANGED_BY_OTHERS, now_has)
    return None


def cluster_is_being_deleted(observation: Observation) -> Finish | None:
    """Nothing is left to rotate."""
    for rotation in observation.unfinished if observation.cluster.deleting else ():
        message = "the cluster is being deleted"
        return _ended(observation, rotation, superseded, Reason.CLUSTER_DELETING, message)
    return None


def operation_and_cluster_agree(observation: Observation) -> Finish | None:
    """Azure calls the operation done, and the cluster shows the target, at rest."""
    rotation, operation = observation.updating, _read(observation)
    if rotation and operation and operation.succeeded and _arrived(observation, rotation):
        return _ended(
            observation,
            rotation,
            succeeded,
            Reason.UPDATE_CONFIRMED,
            "the operation succeeded and the cluster confirms it",
        )
    return None


def cluster_arrived_despite_its_operation(observation: Observation) -> Finish | None:
    """Azure calls the operation failed, but the cluster shows the target, at rest."""
    rotation, operation = observation.updating, _read(observation)
    if rotation and operation and operation.failed and _arrived(observation, rotation):
        message = f"the cluster is on the new version although its operation is {operation.status}"
        return _ended(observation, rotation, succeeded, Reason.CONFIRMED_DESPITE_OPERATION, message)
    return None


def operation_failed(observation: Observation) -> Finish | None:
    """Azure calls the operation failed, and the cluster, once at rest if it shows the target, does not deny it."""
    rotation, operation = observation.updating, _read(observation)
    if not rotation or not operation or not operation.failed:
        return None
    if reads_target(observation.cluster, rotation) and observation.cluster.busy:
        return None
    why = f" ({operation.error.code}: {operation.error.message})" if operation.error else ""
    return _failed(observation, rotation, Reason.UPDATE_FAILED, f"the operation ended as {operation.status}{why}")


def cluster_failed_at_target(observation: Observation) -> Finish | None:
    """Azure calls the operation done, but leaves the cluster Failed."""
    rotation, operation, cluster = observation.updating, _read(observation), observation.cluster
    if rotation and operation and operation.succeeded and reads_target(cluster, rotation) and cluster.failed:
        message = f"the operation succeeded but the cluster is {cluster.state}"
        return _failed(observation, rotation, Reason.CLUSTER_FAILED, message)
    return None


def operation_is_silent(observation: Observation) -> Decision | None:
    """Azure does not answer for the operation now; after an hour of that, the cluster alone decides."""
    rotation, failure = observation.updating, observation.operation
    if rotation is None or not isinstance(failure, Failure) or _nobody_to_ask(observation):
        return None
    first = plausible(rotation.attempt.silent_since, latest=observation.now) or observation.now
    message = f"update under way, but Azure does not answer for the operation ({failure.code}: {failure.message})"
    after = unavailable_backoff(observation.now - first, failure.retry_after)
    return _running(observation, fell_silent(rotation, first), message, after)


def cluster_alone_confirms(observation: Observation) -> Decision | Finish | None:
    """No operation can be asked: two reads a minute apart that show the target, at rest, are proof enough."""
    rotation = observation.updating
    if rotation is None or not _nobody_to_ask(observation) or not _arrived(observation, rotation):
        return None
    first = plausible(rotation.attempt.at_target_since, latest=observation.now) or observation.now
    rests = observation.now - first
    if rests >= SECOND_READ_AFTER:
        message = "the cluster shows the new version, twice; its operation could not be read"
        return _ended(observation, rotation, succeeded, Reason.CONFIRMED_BY_CLUSTER, message)
    progress = reached_target(_learned(observation, rotation), first)
    return _running(
        observation, progress, "reached the new version; one more look makes sure", SECOND_READ_AFTER - rests
    )


def cluster_contradicts(observation: Observation) -> Decision | Finish | None:
    """ARM took the update and nothing runs any more, yet for ten minutes the cluster, at rest, has shown otherwise."""
    rotation, operation, cluster = observation.updating, _read(observation), observation.cluster
    if rotation is None or cluster.busy or (operation is not None and not operation.succeeded):
        return None
    if operation is None and (rotation.attempt.accepted_at is None or not _nobody_to_ask(observation)):
        return None
    first = plausible(rotation.attempt.elsewhere_since, latest=observation.now) or observation.now
    if observation.now - first >= CONTRADICTION_LASTS:
        if cluster.failed:
            message = f"the cluster is {cluster.state} after the update"
            return _failed(observation, rotation, Reason.CLUSTER_FAILED, message)
        message = f"the update was taken, but the cluster shows version {cluster.key_version}"
        return _failed(observation, rotation, Reason.READ_BACK_DIFFERS, message)
    progress = contradicted(_learned(observation, rotation), first)
    return _running(observation, progress, f"taken by Azure, but the cluster still shows version {cluster.key_version}")


def cluster_failed_without_an_answer(observation: Observation) -> Finish | None:
    """Nobody knows what Azure made of the update, but it left the cluster Failed."""
    rotation = _never_taken(observation)
    if rotation is None or not observation.cluster.failed:
        return None
    message = f"Azure did not answer the update, and the cluster is {observation.cluster.state}"
    return _failed(observation, rotation, Reason.CLUSTER_FAILED, message)


def sent_in_vain(observation: Observation) -> Finish | None:
    """Three times nobody knew what Azure made of it, and three times the cluster came to rest as it was."""
    rotation = _never_taken(observation)
    if rotation is None or rotation.attempt.sends < MOST_SENDS:
        return None
    message = (
        f"sent {MOST_SENDS} times, and nothing came of it: the cluster shows version {observation.cluster.key_version}"
    )
    return _failed(observation, rotation, Reason.UPDATE_FAILED, message)


def claim_has_lapsed(observation: Observation) -> Finish | None:
    """The update was never taken, or never sent: whether to send it is decided like any other."""
    rotation = _never_taken(observation)
    return Finish(claim_lapsed(rotation)) if rotation else None


def _never_taken(observation: Observation) -> Rotation | None:
    """The update that was claimed, if ARM is not known to have taken it, and it can no longer be on its way.

    Then the cluster, at rest and not at the target, says that it never took effect.
    """
    rotation = observation.updating
    if rotation is None or rotation.attempt.accepted_at is not None:
        return None
    to_come = not_again_before(rotation, observation.now) > observation.now
    return None if to_come or observation.cluster.busy or _arrived(observation, rotation) else rotation


def update_is_running(observation: Observation) -> Decision | None:
    """Anything else: look again; past the deadline, say so, and look at reconcile's pace."""
    rotation = observation.updating
    if rotation is None:
        return None
    operation = _read(observation)
    rests = not_again_before(rotation, observation.now) - observation.now
    to_come = rotation.attempt.accepted_at is None and rests > timedelta()
    unanswered = to_come and rotation.reason is Reason.CLUSTER_UNREACHABLE
    if (
        overdue(observation, rotation) and not unanswered
    ):  # that Azure does not answer is why, and is called out by itself
        elapsed = observation.now - (rotation.attempt.started_at or observation.now)
        limit = f"{observation.timing.update_deadline.total_seconds() / 3600:g}"
        status = operation.status if operation else "unknown"
        # In whole hours: each change of the words is written down.
        message = (
            f"not finished after {elapsed // timedelta(hours=1)} hours, where {limit} are allowed; "
            f"operation {status}, cluster {observation.cluster.state}"
        )
        progress = became_overdue(_learned(observation, rotation), message)
        return Decision(Action.ATTENTION, progress.reason, progress.message, progress=progress)
    if to_come:
        # Not before that: a look could decide nothing.
        after = max(rests, observation.timing.poll_floor)
        lasted = observation.now - since(observation.status, rotation.reason, observation.now)
        action = Action.ATTENTION if unanswered and lasted >= CALL_OUT_AFTER else Action.WAIT
        return Decision(action, rotation.reason, rotation.message, requeue_after=after)
    status = operation.status if operation else "unknown"
    message = f"update under way, operation {status}, cluster {observation.cluster.state}"
    return _running(observation, _learned(observation, rotation), message)


def overdue(seen: Observation | Glance, rotation: Rotation) -> bool:
    """Whether an update has not finished within the deadline."""
    started = plausible(rotation.attempt.started_at, latest=seen.now)
    return started is not None and seen.now - started > seen.timing.update_deadline


RULES: tuple[Rule, ...] = (
    changed_by_others,
    cluster_is_being_deleted,
    operation_and_cluster_agree,
    cluster_arrived_despite_its_operation,
    operation_failed,
    cluster_failed_at_target,
    operation_is_silent,
    cluster_alone_confirms,
    cluster_contradicts,
    cluster_failed_without_an_answer,
    sent_in_vain,
    claim_has_lapsed,
    update_is_running,
)


def _read(observation: Observation) -> Operation | None:
    return observation.operation if isinstance(observation.operation, Operation) else None


def _nobody_to_ask(observation: Observation) -> bool:
    """No operation is known, or Azure answers for it in a way that time does not mend, or has not for an hour."""
    rotation, operation = observation.updating, observation.operation
    if operation is None or rotation is None:
        return True
    first = plausible(rotation.attempt.silent_since, latest=observation.now) or observation.now
    return isinstance(operation, Failure) and (
        operation.kind is not FailureKind.UNAVAILABLE or observation.now - first >= CALL_OUT_AFTER
    )


def _arrived(observation: Observation, rotation: Rotation) -> bool:
    return reads_target(observation.cluster, rotation) and observation.cluster.succeeded


type _End = Callable[[Rotation, Reason, str, datetime, OperationError | None], Rotation]


def _ended(observation: Observation, rotation: Rotation, end: _End, reason: Reason, message: str) -> Finish:
    operation = _read(observation) if rotation == observation.updating else None
    seen = learned(rotation, observation.cluster.state, operation)
    return Finish(end(seen, reason, message, observation.now, operation.error if operation else None))


def _failed(observation: Observation, rotation: Rotation, reason: Reason, message: str) -> Finish:
    """An end that names the cluster's identity: most often it is that which lacks a right."""

    def end(seen: Rotation, reason: Reason, message: str, now: datetime, error: OperationError | None) -> Rotation:
        return failed(seen, reason, message, now, error, identity=observation.cluster.identity_id)

    return _ended(observation, rotation, end, reason, message)


def _learned(observation: Observation, rotation: Rotation) -> Rotation:
    return learned(rotation, observation.cluster.state, _read(observation))


def _running(observation: Observation, progress: Rotation, message: str, after: timedelta | None = None) -> Decision:
    if after is None:
        after = _next_poll(observation, progress, _read(observation))
    progress = went_on(progress, message)
    return Decision(Action.WAIT, progress.reason, progress.message, requeue_after=after, progress=progress)


def _next_poll(seen: Observation | Glance, rotation: Rotation, operation: Operation | None) -> timedelta:
    elapsed = seen.now - (plausible(rotation.attempt.started_at, latest=seen.now) or seen.now)
    return seen.timing.poll_interval(elapsed, operation.retry_after if operation else None)
