"""What the cluster itself says, whether anything is called for, and whether it may be done now.

`policy.py` puts these rules in order, with the others.
"""

from dataclasses import replace
from datetime import datetime

from cmk_rotation.decisions import key_rules
from cmk_rotation.decisions.observation import (
    Decision,
    Finish,
    Look,
    Observation,
    UnreadableCluster,
    attention,
    busy_since,
    names,
    nothing,
    remedy_of_failure,
    since,
    toward,
    unavailable,
    unavailable_since,
)
from cmk_rotation.domain.azure_resources import Failure, KeyVersion, same_version
from cmk_rotation.domain.remedies import Remedy, remedy_for
from cmk_rotation.domain.repairs import SET_VERSION
from cmk_rotation.domain.rotation import Rotation, announced, learned, move, succeeded, superseded
from cmk_rotation.domain.timing import CALL_OUT_AFTER, CLOCKS_DIFFER, OPERATOR_EVERY, SECOND_READ_AFTER, plausible
from cmk_rotation.domain.vocabulary import Action, FailureKind, KeyMode, Reason, RequestedBy, Stage

# --- the cluster ---


def cluster_cannot_be_read(unreadable: Look) -> Decision | Finish | None:
    """Without the cluster nothing is decided: it is gone, forbidden, or out of reach for now."""
    if not isinstance(unreadable, UnreadableCluster):
        return None
    failure, name = unreadable.failure, unreadable.cluster_id.name
    if failure.kind is FailureKind.NOT_FOUND:
        message, reason = "the cluster does not exist (any more)", Reason.CLUSTER_GONE
        lasted = unreadable.now - since(unreadable.status, reason, unreadable.now)
        if lasted < SECOND_READ_AFTER:  # one answer may be wrong
            return Decision(Action.WAIT, reason, f"{name}: {message}", requeue_after=SECOND_READ_AFTER - lasted)
        for rotation in unreadable.unfinished:
            return Finish(superseded(rotation, reason, message, unreadable.now))
        return Decision(Action.NOTHING, reason, f"{name}: {message}")
    why = f"{failure.code}: {failure.message}"
    if failure.kind is FailureKind.UNAVAILABLE:
        reason = Reason.CLUSTER_UNREACHABLE
        lasted = unreadable.now - unavailable_since(unreadable)
        return unavailable(
            unreadable, reason, f"{name}: Azure Resource Manager does not answer ({why})", failure, lasted
        )
    unknown = failure.kind is FailureKind.UNKNOWN_VERSION
    reason = Reason.API_VERSION_UNKNOWN if unknown else Reason.CLUSTER_ACCESS_DENIED
    message = f"{name}: the cluster {'cannot' if unknown else 'may not'} be read ({why})"
    return Decision(Action.ATTENTION, reason, message, remedy=remedy_of_failure(unreadable, reason, failure))


def cluster_is_going(observation: Observation) -> Decision | None:
    """A cluster that is being deleted needs no key."""
    if not observation.cluster.deleting:
        return None
    return nothing(observation, Reason.CLUSTER_DELETING, "the cluster is being deleted")


def no_customer_key(observation: Observation) -> Decision | None:
    """Without a customer-managed key there is nothing to rotate."""
    if observation.cluster.mode is not KeyMode.NONE:
        return None
    return nothing(observation, Reason.NO_CUSTOMER_KEY, "no customer-managed key")


def follows_newest_itself(observation: Observation) -> Decision | None:
    """An empty version is Azure's own automatic rotation; a PATCH would silently turn it off.

    Whether its key is gone, or has no version left that can be used, is called out all the same; one that may not be read
    says nothing.
    """
    if observation.cluster.mode is not KeyMode.AUTO:
        return None
    called = observation.status.alerts.attention_reason if observation.status else None
    if isinstance(observation.versions, Failure) and (
        observation.versions.kind is FailureKind.NOT_FOUND or called in _KEY_IS_DEAD_OR_UNREAD
    ):
        return key_rules.key_cannot_be_read(observation)
    if not isinstance(observation.versions, Failure) and observation.vault_in_cloud and observation.target is None:
        return key_rules.no_version_is_usable(observation)
    message = f"key {observation.cluster.key_name}: no version is pinned, so Azure follows the newest by itself"
    return nothing(observation, Reason.FOLLOWS_NEWEST_ITSELF, message)


# --- is anything called for? ---


def target_was_replaced(observation: Observation) -> Finish | None:
    """A rotation that was never sent, or never took effect, yields to a newer version."""
    for rotation in observation.unfinished:
        here = rotation.key == observation.cluster.key  # that of another key ends once the cluster is at rest
        if (
            here
            and observation.target is not None
            and not same_version(rotation.to_version, observation.target.version)
        ):
            message = f"version {observation.target.version} is now the newest that can be used"
            return Finish(superseded(rotation, Reason.NEWER_VERSION, message, observation.now))
    return None


def failed_cluster_is_not_ours(observation: Observation) -> Decision | None:
    """A Failed cluster is neither busy nor up to date; whose failure isn't ours, we do not touch."""
    if not observation.cluster.failed or _ours(observation):
        return None
    message = f"the cluster is {observation.cluster.state}, and not by an update of ours"
    return replace(attention(observation, Reason.CLUSTER_FAILED, message), remedy=_by_hand(observation))


def already_there(observation: Observation) -> Decision | Finish | None:
    """The cluster reached the newest version without a confirmed update of ours: put that on record.

    At the first sight of the cluster nothing has rotated, and there is nothing to announce.
    """
    cluster, target = observation.cluster, observation.target
    if target is None or not observation.at_newest or cluster.failed:
        return None
    known = observation.toward(target.version)
    if known is not None and known.stage is Stage.SUCCEEDED:
        return None
    if cluster.busy:
        message = f"{cluster.id.name}: the cluster shows version {target.version} already, but is {cluster.state}"
        return _wait_for_cluster(observation, message)
    reason, message = _how_it_got_there(known, observation.now)
    seen = learned(known or _of_others(observation, target), cluster.state, None)
    end = succeeded(seen, reason, message, observation.now)
    first_sight = observation.status is None or observation.status.key_version is None
    return Finish(announced(end, published=True) if known is None and first_sight else end)


def _of_others(observation: Observation, target: KeyVersion) -> Rotation:
    """The rotation that somebody else made, from where the cluster was last seen."""
    rotation, status = toward(observation, target), observation.status
    return replace(rotation, from_version=status.key_version) if status and status.key == rotation.key else rotation


def _how_it_got_there(known: Rotation | None, now: datetime) -> tuple[Reason, str]:
    """What confirms a rotation that had been given up, or was never ours."""
    if known is None or known.attempt.accepted_at is None:
        return Reason.ALREADY_THERE, "the cluster is on the newest version; no update of ours put it there"
    ended_at = plausible(known.outcome.finished_at, latest=now + CLOCKS_DIFFER)
    if known.reason is Reason.UPDATE_FAILED and ended_at is not None and now - ended_at < CALL_OUT_AFTER:
        message = (
            f"the cluster is on the new version although its operation is {known.attempt.operation_status or 'failed'}"
        )
        return Reason.CONFIRMED_DESPITE_OPERATION, message
    return Reason.ALREADY_THERE, f"the cluster is on the newest version, though our update had ended as {known.reason}"


_WORKSPACES_NAMED = 5
_KEY_IS_DEAD_OR_UNREAD = {
    Reason.KEY_NOT_FOUND,
    Reason.NO_USABLE_VERSION,
    Reason.KEY_ACCESS_DENIED,
    Reason.KEY_VAULT_BLOCKED,
    Reason.KEY_UNREACHABLE,
}


def linked_workspace_failed(observation: Observation) -> Decision | None:
    """A key update can leave a linked workspace Failed; the product reports it and never touches it.

    One that was Failed after the update and cannot be read now is Failed still.
    """
    known = observation.toward(observation.cluster.key_version)
    before = {one.id for one in known.outcome.linked_workspaces if _is_failed(one.state)} if known else set()
    failed = [
        workspace.id.rsplit("/", 1)[-1]
        for workspace in observation.workspaces
        if _is_failed(workspace.state) or (workspace.state is None and workspace.id in before)
    ]
    if not failed or not observation.at_newest or observation.cluster.failed:
        return None  # a cluster that is Failed itself comes first: its update is tried again
    names = ", ".join(failed[:_WORKSPACES_NAMED]) + (" …" if len(failed) > _WORKSPACES_NAMED else "")
    return attention(observation, Reason.WORKSPACE_FAILED, f"linked workspaces are Failed after the update: {names}")


def up_to_date(observation: Observation) -> Decision | None:
    """The cluster pins the newest usable version."""
    if not observation.at_newest or observation.cluster.failed:
        return None
    message = f"key {observation.cluster.key_name}: on the newest version {observation.cluster.key_version}"
    return nothing(observation, Reason.UP_TO_DATE, message)


# --- may we, now? ---


def on_hold(observation: Observation) -> Decision | None:
    """The operator's tag stops us."""
    if not observation.cluster.held:
        return None
    message = f"{_heading(observation)}: the tag cmk-rotation = hold is set"
    if observation.cluster.failed:
        message = f"{message}, and the cluster is {observation.cluster.state}"
        return Decision(Action.ATTENTION, Reason.CLUSTER_FAILED, message, remedy=_by_hand(observation))
    return Decision(Action.NOTHING, Reason.ON_HOLD, message)


def moved_back(observation: Observation) -> Decision | None:
    """The target has been on this cluster before: somebody put the cluster back, on purpose."""
    known = observation.toward(observation.target.version) if observation.target else None
    if known is None or known.stage is not Stage.SUCCEEDED:
        return None
    when = f"{known.outcome.finished_at:%Y-%m-%d %H:%M}Z" if known.outcome.finished_at else "before"
    message = f"{_heading(observation)}: the cluster was on the newer version ({when}) and was put back"
    remedy = remedy_for(Reason.MOVED_BACK, replace(names(observation), version=known.to_version))
    return Decision(Action.ATTENTION, Reason.MOVED_BACK, message, remedy=remedy)


def failed_recently(observation: Observation) -> Decision | None:
    """A refused or failed update rests, longer each time; an operator may cut that short."""
    known = observation.toward(observation.target.version) if observation.target else None
    if known is None or known.stage is not Stage.FAILED:
        return None
    finished = plausible(known.outcome.finished_at, latest=observation.now + CLOCKS_DIFFER)
    again = finished + observation.timing.backoff(known.attempts) if finished else observation.now
    if again <= observation.now or _operator_wants_it(observation, known):
        return None
    message = f"{known.message}; tried again after {again:%Y-%m-%d %H:%M:%S}Z"
    # A row's remedy, and whom its error names, are whoever's words wrote it; what this process has just seen is its own.
    told = replace(names(observation), caller=known.lacks.principal_id if known.lacks else None)
    remedy = remedy_for(known.reason, told, known.attempt.operation_error)
    return Decision(Action.ATTENTION, known.reason, message, remedy=remedy)


def _operator_wants_it(observation: Observation, known: Rotation) -> bool:
    """Whether an operator asked since the update failed. By the queue's clock: what a message says of itself is no proof."""
    asked_at, ended, started = observation.asked_at, known.outcome.finished_at, known.attempt.started_at
    if observation.by is not RequestedBy.OPERATOR or asked_at is None or (ended is not None and asked_at <= ended):
        return False
    last = plausible(started, latest=observation.now) if known.requested_by is RequestedBy.OPERATOR else None
    return last is None or observation.now - last >= OPERATOR_EVERY


def cluster_is_busy(observation: Observation) -> Decision | None:
    """ARM refuses an update while another operation runs."""
    if not observation.cluster.busy:
        return None
    return _wait_for_cluster(observation, f"{_heading(observation)}: the cluster is {observation.cluster.state}")


def version_is_behind(observation: Observation) -> Decision:
    """Nothing speaks against it: update."""
    message = f"{_heading(observation)}: a newer version exists"
    if observation.at_newest:
        cluster = observation.cluster
        message = (
            f"{cluster.id.name}: key {cluster.key_name}, {cluster.state} on the newest version {cluster.key_version}"
        )
    return Decision(Action.UPDATE, Reason.VERSION_IS_BEHIND, message, target=observation.target)


def _by_hand(observation: Observation) -> Remedy:
    """What to do about a Failed cluster that is not tried again."""
    return remedy_for(Reason.CLUSTER_FAILED, names(observation), by_hand=(SET_VERSION,))


def _ours(observation: Observation) -> bool:
    """Whether the cluster's failure follows our own update: the last one that was sent is open or failed."""
    sent = [rotation for rotation in observation.rotations if rotation.attempt.started_at is not None]
    last = max(sent, key=lambda rotation: rotation.attempt.started_at or rotation.requested_at, default=None)
    return last is not None and last.stage in {Stage.WAITING, Stage.UPDATING, Stage.FAILED}


def _wait_for_cluster(observation: Observation, message: str) -> Decision:
    """Look again while the cluster is busy; past the deadline, call a person and leave looking to reconcile."""
    stuck = observation.status is not None and observation.status.reason is Reason.CLUSTER_STUCK
    elapsed = observation.now - busy_since(observation)
    if stuck or elapsed >= observation.timing.update_deadline:
        return Decision(Action.ATTENTION, Reason.CLUSTER_STUCK, message)
    return Decision(Action.WAIT, Reason.CLUSTER_BUSY, message, requeue_after=observation.timing.poll_interval(elapsed))


def _heading(observation: Observation) -> str:
    cluster, target = observation.cluster, observation.target
    return move(cluster.id.name, cluster.key_name, cluster.key_version, target.version if target else None)


def _is_failed(state: str | None) -> bool:
    return state is not None and state.lower() == "failed"
