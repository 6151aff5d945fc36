"""Seeing our own update through: what an open rotation has come to.

The operation explains, the cluster decides. The rules stand in order; the first with an opinion wins.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from cmk_rotation.decisions.observation import Decision, Finish, Situation, may_be_in_flight, reads_target, since
from cmk_rotation.domain.azure_resources import Failure, Operation, OperationError
from cmk_rotation.domain.rotation import (
    Rotation,
    became_overdue,
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
    SECOND_READ_AFTER,
    plausible,
    unavailable_backoff,
)
from cmk_rotation.domain.vocabulary import FailureKind, KeyMode, Reason, Verdict

type Rule = Callable[[Situation], Decision | Finish | None]


def changed_by_others(situation: Situation) -> Finish | None:
    """The cluster has another key, none, or follows the newest version by itself: it is never moved back."""
    cluster = situation.cluster
    if cluster.busy:
        return None  # a cluster being changed may show no key for a while, or anything else
    for rotation in situation.unfinished:
        if cluster.key != rotation.key or cluster.mode is not KeyMode.PINNED:
            now_has = {
                KeyMode.NONE: "the cluster no longer has a customer-managed key",
                KeyMode.AUTO: "the cluster now follows the newest version by itself",
                KeyMode.PINNED: f"the cluster was given another key, {cluster.key_name} in {cluster.key_vault_uri}",
            }[cluster.mode]
            return _ended(situation, rotation, superseded, Reason.CHANGED_BY_OTHERS, now_has)
    return None


def cluster_is_being_deleted(situation: Situation) -> Finish | None:
    """Nothing is left to rotate."""
    for rotation in situation.unfinished if situation.cluster.deleting else ():
        said = "the cluster is being deleted"
        return _ended(situation, rotation, superseded, Reason.CLUSTER_DELETING, said)
    return None


def operation_and_cluster_agree(situation: Situation) -> Finish | None:
    """Azure calls the operation done, and the cluster shows the target, at rest."""
    rotation, operation = situation.open, _read(situation)
    if rotation and operation and operation.succeeded and _arrived(situation, rotation):
        return _ended(
            situation,
            rotation,
            succeeded,
            Reason.UPDATE_CONFIRMED,
            "the operation succeeded and the cluster confirms it",
        )
    return None


def cluster_arrived_despite_its_operation(situation: Situation) -> Finish | None:
    """Azure calls the operation failed, but the cluster shows the target, at rest."""
    rotation, operation = situation.open, _read(situation)
    if rotation and operation and operation.failed and _arrived(situation, rotation):
        said = f"the cluster is on the new version although its operation is {operation.status}"
        return _ended(situation, rotation, succeeded, Reason.CONFIRMED_DESPITE_OPERATION, said)
    return None


def operation_failed(situation: Situation) -> Finish | None:
    """Azure calls the operation failed, and the cluster, once at rest if it shows the target, does not deny it."""
    rotation, operation = situation.open, _read(situation)
    if not rotation or not operation or not operation.failed:
        return None
    if reads_target(situation.cluster, rotation) and situation.cluster.busy:
        return None
    why = f" ({operation.error.code}: {operation.error.message})" if operation.error else ""
    return _ended(situation, rotation, failed, Reason.UPDATE_FAILED, f"the operation ended as {operation.status}{why}")


def cluster_failed_at_target(situation: Situation) -> Finish | None:
    """Azure calls the operation done, but leaves the cluster Failed."""
    rotation, operation, cluster = situation.open, _read(situation), situation.cluster
    if rotation and operation and operation.succeeded and reads_target(cluster, rotation) and cluster.failed:
        return _ended(
            situation,
            rotation,
            failed,
            Reason.CLUSTER_FAILED,
            f"the operation succeeded but the cluster is {cluster.state}",
        )
    return None


def operation_is_silent(situation: Situation) -> Decision | None:
    """Azure does not answer for the operation now; after an hour of that, the cluster alone decides."""
    rotation, failure = situation.open, situation.operation
    if rotation is None or not isinstance(failure, Failure) or _nobody_to_ask(situation):
        return None
    first = plausible(rotation.attempt.silent_since, latest=situation.now) or situation.now
    said = f"update under way, but Azure does not answer for the operation ({failure.code}: {failure.message})"
    after = unavailable_backoff(situation.now - first, failure.retry_after)
    return _running(situation, fell_silent(rotation, first), said, after)


def cluster_alone_confirms(situation: Situation) -> Decision | Finish | None:
    """No operation can be asked: two reads a minute apart that show the target, at rest, are proof enough."""
    rotation = situation.open
    if rotation is None or not _nobody_to_ask(situation) or not _arrived(situation, rotation):
        return None
    first = plausible(rotation.attempt.at_target_since, latest=situation.now) or situation.now
    rests = situation.now - first
    if rests >= SECOND_READ_AFTER:
        said = "the cluster shows the new version, twice; its operation could not be read"
        return _ended(situation, rotation, succeeded, Reason.CONFIRMED_BY_CLUSTER, said)
    progress = reached_target(_learned(situation, rotation), first)
    return _running(situation, progress, "reached the new version; one more look makes sure", SECOND_READ_AFTER - rests)


def cluster_contradicts(situation: Situation) -> Decision | Finish | None:
    """ARM took the update and nothing runs any more, yet for ten minutes the cluster, at rest, has shown otherwise."""
    rotation, operation, cluster = situation.open, _read(situation), situation.cluster
    if rotation is None or cluster.busy or (operation is not None and not operation.succeeded):
        return None
    if operation is None and (rotation.attempt.accepted_at is None or not _nobody_to_ask(situation)):
        return None
    first = plausible(rotation.attempt.elsewhere_since, latest=situation.now) or situation.now
    if situation.now - first >= CONTRADICTION_LASTS:
        if cluster.failed:
            return _ended(
                situation,
                rotation,
                failed,
                Reason.CLUSTER_FAILED,
                f"the cluster is {cluster.state} after the update",
            )
        said = f"the update was taken, but the cluster shows version {cluster.key_version}"
        return _ended(situation, rotation, failed, Reason.READ_BACK_DIFFERS, said)
    progress = contradicted(_learned(situation, rotation), first)
    return _running(situation, progress, f"taken by Azure, but the cluster still shows version {cluster.key_version}")


def update_was_never_taken(situation: Situation) -> bool:
    """Whether an update was claimed, ARM is not known to have taken it, and it can no longer be on its way.

    Then the cluster, at rest and not at the target, says that it never took effect; whether to send it again is
    decided like any other update.
    """
    rotation = situation.open
    return (
        rotation is not None
        and rotation.attempt.accepted_at is None
        and not situation.cluster.busy
        and not _arrived(situation, rotation)
        and not may_be_in_flight(rotation, situation.now)
    )


def update_is_running(situation: Situation) -> Decision | None:
    """Anything else: look again; past the deadline, say so, and look at reconcile's pace."""
    rotation = situation.open
    if rotation is None or update_was_never_taken(situation):
        return None
    operation = _read(situation)
    in_flight = rotation.attempt.accepted_at is None and may_be_in_flight(rotation, situation.now)
    unanswered = in_flight and rotation.reason is Reason.CLUSTER_UNREACHABLE
    if overdue(situation) and not unanswered:  # that Azure does not answer is why, and is called out by itself
        hours = f"{situation.timing.update_deadline.total_seconds() / 3600:g} hours"
        status = operation.status if operation else "unknown"
        said = f"not finished after {hours}; operation {status}, cluster {situation.cluster.state}"
        progress = became_overdue(_learned(situation, rotation), said)
        return Decision(Verdict.ATTENTION, progress.reason, progress.message, progress=progress)
    if in_flight and rotation.attempt.claimed_until:
        # Not before the claim has lapsed: a look before that could decide nothing.
        after = max(rotation.attempt.claimed_until - situation.now, situation.timing.poll_floor)
        lasted = situation.now - since(situation.status, rotation.reason, situation.now)
        verdict = Verdict.ATTENTION if unanswered and lasted >= CALL_OUT_AFTER else Verdict.WAIT
        return Decision(verdict, rotation.reason, rotation.message, requeue_after=after)
    said = (
        f"update under way, operation {operation.status if operation else 'unknown'}, cluster {situation.cluster.state}"
    )
    return _running(situation, _learned(situation, rotation), said)


def overdue(situation: Situation) -> bool:
    """Whether the open rotation has not finished within the deadline."""
    rotation = situation.open
    started = plausible(rotation.attempt.started_at, latest=situation.now) if rotation else None
    return started is not None and situation.now - started > situation.timing.update_deadline


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
    update_is_running,
)


def _read(situation: Situation) -> Operation | None:
    return situation.operation if isinstance(situation.operation, Operation) else None


def _nobody_to_ask(situation: Situation) -> bool:
    """No operation is known, or Azure answers for it in a way that time does not mend, or has not for an hour."""
    rotation, operation = situation.open, situation.operation
    if operation is None or rotation is None:
        return True
    first = plausible(rotation.attempt.silent_since, latest=situation.now) or situation.now
    return isinstance(operation, Failure) and (
        operation.kind is not FailureKind.UNAVAILABLE or situation.now - first >= CALL_OUT_AFTER
    )


def _arrived(situation: Situation, rotation: Rotation) -> bool:
    return reads_target(situation.cluster, rotation) and situation.cluster.succeeded


type _End = Callable[[Rotation, Reason, str, datetime, OperationError | None], Rotation]


def _ended(situation: Situation, rotation: Rotation, end: _End, reason: Reason, said: str) -> Finish:
    operation = _read(situation) if rotation == situation.open else None
    seen = learned(rotation, situation.cluster.state, operation)
    return Finish(end(seen, reason, said, situation.now, operation.error if operation else None))


def _learned(situation: Situation, rotation: Rotation) -> Rotation:
    return learned(rotation, situation.cluster.state, _read(situation))


def _running(situation: Situation, progress: Rotation, said: str, after: timedelta | None = None) -> Decision:
    operation = _read(situation)
    elapsed = situation.now - (plausible(progress.attempt.started_at, latest=situation.now) or situation.now)
    if after is None:
        after = situation.timing.poll_interval(elapsed, operation.retry_after if operation else None)
    progress = went_on(progress, said)
    return Decision(Verdict.WAIT, progress.reason, progress.message, requeue_after=after, progress=progress)
