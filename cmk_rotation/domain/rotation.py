"""One cluster's move to one version of its key, and all that may become of it. Pure; all times are UTC.

Each arrow is a function below, and each function that makes a rotation is on an arrow. What no arrow shows does not
happen: a rotation that has succeeded is never sent again. `ended` is any of the last three stages, `any` each of the five.

    nothing     ──proposed──────────▶ waiting
    waiting     ──put_off───────────▶ waiting       the cluster is busy

    waiting     ──claimed───────────▶ updating
    failed      ──claimed───────────▶ updating      a retry
    superseded  ──claimed───────────▶ updating      its version is the newest once more
    updating    ──claim_renewed─────▶ updating      the look after the claim took long
    updating    ──claim_taken_back──▶ waiting       as it was before the claim: the update is not called for any more
    updating    ──claim_taken_back──▶ failed
    updating    ──claim_taken_back──▶ superseded
    updating    ──accepted──────────▶ updating      Azure took the update
    updating    ──found_busy────────▶ updating      an operation runs already, perhaps that of an earlier send
    updating    ──throttled─────────▶ updating      Azure wants to be asked later
    updating    ──unanswered────────▶ updating      nobody knows whether Azure took it
    updating    ──refused───────────▶ failed        Azure did not take it
    updating    ──claim_lapsed──────▶ waiting       nothing came of it, or it was never sent
    any         ──merged────────────▶ any           it was written meanwhile: another attempt, or an end, stays

    any         ──learned───────────▶ any           what a look has shown
    updating    ──fell_silent───────▶ updating      Azure does not answer for the operation
    updating    ──reached_target────▶ updating      the first of two reads
    updating    ──contradicted──────▶ updating      the cluster shows otherwise
    updating    ──went_on───────────▶ updating
    updating    ──became_overdue────▶ updating      the deadline is over, the update is not

    updating    ──succeeded─────────▶ succeeded
    waiting     ──succeeded─────────▶ succeeded     somebody else moved the cluster
    failed      ──succeeded─────────▶ succeeded     somebody else did, or Azure was late
    superseded  ──succeeded─────────▶ succeeded
    updating    ──failed────────────▶ failed
    updating    ──superseded────────▶ superseded
    waiting     ──superseded────────▶ superseded

    ended       ──workspaces_seen───▶ ended
    ended       ──old_version_kept──▶ ended         until when; not known while another cluster uses it
    ended       ──announcing────────▶ ended         one visit takes over what another died of
    ended       ──announced─────────▶ ended         logged; and published, unless that is tried again
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from cmk_rotation.domain.azure_resources import (
    Accepted,
    Cluster,
    Failure,
    KeyVersion,
    Operation,
    OperationError,
    Workspace,
    same_version,
)
from cmk_rotation.domain.identifiers import ClusterId, Key
from cmk_rotation.domain.remedies import advice_for, remedy_for
from cmk_rotation.domain.repairs import Names, Right, with_refused
from cmk_rotation.domain.timing import ANNOUNCED_WITHIN, CLAIM_LASTS
from cmk_rotation.domain.vocabulary import OPEN, Reason, RequestedBy, Stage


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to move the cluster: nothing is known of it yet, or what came of it. A retry is another one."""

    id: str | None = None
    """Sent as `x-ms-client-request-id`."""
    started_at: datetime | None = None
    """When it was claimed first."""
    claimed_until: datetime | None = None
    """Until then the update may be in flight and must not be sent again."""
    rests_until: datetime | None = None
    """Azure turned the update away, or did not answer, and until then it is not sent again."""
    sends: int = 0
    """How often in a row it was sent with no answer. A claim whose visit died, perhaps before it sent, is none."""
    accepted_at: datetime | None = None
    """When ARM took the update; None while that isn't known."""
    correlation_id: str | None = None
    operation_id: str | None = None
    operation_url: str | None = field(default=None, repr=False)
    """Holds a signature in its query: for asking ARM, never for showing. Blank once the rotation has ended."""
    operation_status: str | None = None
    operation_error: OperationError | None = None
    at_target_since: datetime | None = None
    """The first of the two reads that confirm a rotation without its operation's word."""
    elsewhere_since: datetime | None = None
    """Since when the cluster, at rest, has contradicted an update that ARM took."""
    silent_since: datetime | None = None
    """Since when Azure has not answered for the operation."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a rotation has ended, and who has heard of it. Blank until then, and again once it is retried."""

    finished_at: datetime | None = None
    linked_workspaces: tuple[Workspace, ...] = ()
    keep_old_version_until: datetime | None = None
    old_version_pinned_by: tuple[str, ...] = ()
    """The names of other clusters that pinned the old version when that was last looked at, up to ten and an ellipsis."""
    announcing_until: datetime | None = None
    """Until then a visit may be announcing late what another one died of."""
    announced: bool = False
    """Whether it was logged."""
    published: bool = False
    """Whether it was published, or need not be any more."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """One cluster's move to one version of its key: lock, progress, result and history in one row."""

    cluster_id: ClusterId
    key_vault_uri: str
    key_name: str
    from_version: str | None
    to_version: str
    to_version_created_at: datetime | None
    stage: Stage
    reason: Reason
    message: str
    requested_at: datetime
    requested_by: RequestedBy
    event_id: str | None = None
    remedy: str | None = None
    cluster_state: str | None = None
    attempts: int = 0
    attempt: Attempt = Attempt()
    """The last one; blank before the first."""
    outcome: Outcome = Outcome()
    etag: str | None = None
    lacks: Right | None = field(default=None, compare=False)
    """The right that an attempt has just failed for. Not on record: a row could name anybody."""

    @property
    def key(self) -> Key | None:
        """The key, in the form made for comparing."""
        return Key.of(self.key_vault_uri, self.key_name)

    @property
    def began_at(self) -> datetime:
        """When its last attempt began; before the first, when it was called for."""
        return self.attempt.started_at or self.requested_at

    @property
    def heading(self) -> str:
        """The rotation in words."""
        return move(self.cluster_id.name, self.key_name, self.from_version, self.to_version)

    @property
    def lapsed(self) -> bool:
        """Whether it waits again after a claim of which nothing came."""
        return self.stage is Stage.WAITING and self.attempt.started_at is not None

    @property
    def verified(self) -> bool:
        """Whether the cluster was seen at the target, at rest."""
        return self.stage is Stage.SUCCEEDED

    @property
    def seconds_to_verify(self) -> float | None:
        """From the attempt's claim to its verified end; None for a rotation that isn't verified or wasn't ours."""
        ours = self.verified and self.reason is not Reason.ALREADY_THERE
        if not ours or self.attempt.started_at is None or self.outcome.finished_at is None:
            return None
        return round((self.outcome.finished_at - self.attempt.started_at).total_seconds(), 3)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a rotation's history. Written with the change it tells of, never changed."""

    name: str
    at: datetime
    rotation: Rotation


def move(name: str, key_name: str | None, old: str | None, new: str | None) -> str:
    """A rotation in words: which cluster, which key, from where to where."""
    versions = f"{old} → {new}" if old else f"version {new}"
    return f"{name}: key {key_name}, {versions}"


def names_of(rotation: Rotation) -> Names:
    """What a remedy may name of a rotation."""
    return Names(
        place=rotation.cluster_id,
        vault_host=rotation.key.vault if rotation.key else None,
        key_name=rotation.key_name,
        operation_id=rotation.attempt.operation_id,
        correlation_id=rotation.attempt.correlation_id,
    )


def same_rotation(one: Rotation, other: Rotation) -> bool:
    """Whether two values describe one rotation: the same cluster, key and target."""
    return (one.cluster_id, one.key) == (other.cluster_id, other.key) and same_version(one.to_version, other.to_version)


# --- before an update ---


def proposed(cluster: Cluster, target: KeyVersion, *, by: RequestedBy, event_id: str | None, now: datetime) -> Rotation:
    """A rotation to the target, not yet on record. A cluster that is there already comes from nowhere known."""
    return Rotation(
        cluster_id=cluster.id,
        key_vault_uri=cluster.key_vault_uri or "",
        key_name=cluster.key_name or "",
        from_version=None if same_version(cluster.key_version, target.version) else cluster.key_version,
        to_version=target.version,
        to_version_created_at=target.created_at,
        stage=Stage.WAITING,
        reason=Reason.VERSION_IS_BEHIND,
        message="",
        requested_at=now,
        requested_by=by,
        event_id=event_id,
        cluster_state=cluster.state,
    )


def put_off(rotation: Rotation, reason: Reason, message: str) -> Rotation:
    """It is called for, and has to wait for its cluster."""
    return replace(rotation, reason=reason, message=message)


# --- sending an update ---


def claimed(rotation: Rotation, cluster: Cluster, *, by: RequestedBy, attempt_id: str, now: datetime) -> Rotation:
    """A visit is about to send the update. That is another attempt, unless Azure has only turned the one before away."""
    before = rotation.attempt if rotation.lapsed else Attempt()
    turned_away = rotation.lapsed and before.claimed_until is None
    at_target = same_version(cluster.key_version, rotation.to_version)
    claim = replace(
        rotation,
        key_vault_uri=cluster.key_vault_uri or "",
        key_name=cluster.key_name or "",
        from_version=rotation.from_version if at_target else cluster.key_version,
        stage=Stage.UPDATING,
        reason=Reason.UPDATE_RUNNING,
        remedy=None,
        lacks=None,
        requested_by=RequestedBy.OPERATOR if by is RequestedBy.OPERATOR else rotation.requested_by,
        attempts=rotation.attempts + (not turned_away),
        attempt=Attempt(
            id=attempt_id,
            started_at=before.started_at or now,
            claimed_until=now + CLAIM_LASTS,
            sends=before.sends,
        ),
        outcome=Outcome(),
    )
    return replace(claim, message=f"{claim.heading}: update is being sent")


def claim_renewed(claim: Rotation, now: datetime) -> Rotation:
    """The claim, from now on."""
    return replace(claim, attempt=replace(claim.attempt, claimed_until=now + CLAIM_LASTS))


def claim_taken_back(claim: Rotation, before: Rotation, why: str) -> Rotation:
    """As it was before the claim, for nothing was sent."""
    return replace(before, message=f"{claim.heading}: {why}", etag=claim.etag)


def accepted(claim: Rotation, answer: Accepted, operation_id: str | None, now: datetime) -> Rotation:
    """Azure took the update. Without an id, the operation's URL is not to be trusted, and is not kept."""
    attempt = replace(
        claim.attempt,
        claimed_until=None,
        accepted_at=now,
        correlation_id=answer.correlation_id,
        operation_id=operation_id,
        operation_url=answer.operation_url if operation_id else None,
    )
    message = "update accepted" if operation_id else "update accepted, without an operation that can be followed"
    return replace(claim, message=f"{claim.heading}: {message}", attempt=attempt)


def found_busy(claim: Rotation, failure: Failure, reason: Reason, until: datetime) -> Rotation:
    """An operation runs on the cluster: an earlier send of ours perhaps, or somebody else's. This one was not taken."""
    message = f"an operation, perhaps this update, already runs on the cluster ({failure.code}: {failure.message})"
    return _turned_away(claim, reason, message, until)


def throttled(claim: Rotation, failure: Failure, until: datetime) -> Rotation:
    """Azure asks to be asked less. The update was not taken."""
    message = f"Azure takes no update for now ({failure.code}: {failure.message})"
    return _turned_away(claim, Reason.CLUSTER_UNREACHABLE, message, until)


def unanswered(claim: Rotation, failure: Failure, until: datetime) -> Rotation:
    """Azure did not answer, and the update may have taken effect all the same."""
    message = f"{claim.heading}: Azure did not answer the update ({failure.code}: {failure.message})"
    attempt = replace(claim.attempt, rests_until=until, sends=claim.attempt.sends + 1)
    return replace(claim, reason=Reason.CLUSTER_UNREACHABLE, message=message, attempt=attempt)


def refused(claim: Rotation, failure: Failure, now: datetime, identity: str | None = None) -> Rotation:
    """Azure did not take the update."""
    message = f"Azure refused the update ({failure.code}: {failure.message})"
    error = OperationError(failure.code, failure.message)
    return failed(claim, Reason.UPDATE_REFUSED, message, now, error, identity=identity)


def claim_lapsed(claim: Rotation) -> Rotation:
    """Nothing came of the update, if it was sent at all: the cluster is at rest, and not at the target."""
    message = f"{claim.heading}: nothing came of the update that was to be sent"
    attempt = replace(claim.attempt, operation_url=None)
    return replace(
        claim,
        stage=Stage.WAITING,
        reason=Reason.VERSION_IS_BEHIND,
        message=message,
        attempt=attempt,
        outcome=Outcome(),
    )


def _turned_away(claim: Rotation, reason: Reason, message: str, until: datetime) -> Rotation:
    attempt = replace(claim.attempt, claimed_until=None, rests_until=until)
    return replace(claim, reason=reason, message=f"{claim.heading}: {message}", attempt=attempt)


# --- following an update ---


def learned(rotation: Rotation, cluster_state: str | None, operation: Operation | None) -> Rotation:
    """With what a look has shown. If the operation answered, it is silent no longer."""
    before = rotation.attempt
    attempt = replace(
        before,
        operation_status=operation.status if operation else before.operation_status,
        silent_since=None if operation else before.silent_since,
        at_target_since=None,
        elsewhere_since=None,
    )
    return replace(rotation, cluster_state=cluster_state, attempt=attempt)


def fell_silent(rotation: Rotation, since: datetime) -> Rotation:
    """Azure does not answer for the operation."""
    return replace(rotation, attempt=replace(rotation.attempt, silent_since=since))


def reached_target(rotation: Rotation, since: datetime) -> Rotation:
    """The cluster shows the target, at rest; a second read makes sure."""
    return replace(rotation, attempt=replace(rotation.attempt, at_target_since=since))


def contradicted(rotation: Rotation, since: datetime) -> Rotation:
    """The cluster, at rest, does not show what Azure took."""
    return replace(rotation, attempt=replace(rotation.attempt, elsewhere_since=since))


def went_on(rotation: Rotation, message: str) -> Rotation:
    """The update is under way."""
    return replace(rotation, reason=Reason.UPDATE_RUNNING, message=f"{rotation.heading}: {message}", remedy=None)


def became_overdue(rotation: Rotation, message: str) -> Rotation:
    """The update is under way for longer than it may be."""
    reason = Reason.UPDATE_OVERDUE
    remedy = remedy_for(reason, names_of(rotation)).text
    return replace(rotation, reason=reason, message=f"{rotation.heading}: {message}", remedy=remedy)


# --- the end ---


def succeeded(
    rotation: Rotation, reason: Reason, message: str, now: datetime, error: OperationError | None = None
) -> Rotation:
    """The cluster is on the new version, whatever its operation says."""
    return replace(_ended(rotation, reason, message, now, error), stage=Stage.SUCCEEDED)


def failed(  # noqa: PLR0913 - an end, and whom its remedy is to name
    rotation: Rotation,
    reason: Reason,
    message: str,
    now: datetime,
    error: OperationError | None = None,
    *,
    identity: str | None = None,
) -> Rotation:
    """The cluster, whose identity that is, is not on the new version, and will not be without another attempt."""
    end = _ended(rotation, reason, message, now, error)
    names = with_refused(replace(names_of(rotation), identity=identity), error)
    remedy = remedy_for(reason, names, error)
    return replace(end, stage=Stage.FAILED, remedy=remedy.text, lacks=remedy.lacks)


def superseded(
    rotation: Rotation, reason: Reason, message: str, now: datetime, error: OperationError | None = None
) -> Rotation:
    """The cluster need not go there any more."""
    return replace(_ended(rotation, reason, message, now, error), stage=Stage.SUPERSEDED)


def _ended(rotation: Rotation, reason: Reason, message: str, now: datetime, error: OperationError | None) -> Rotation:
    """What was only needed on the way, the signed URL first of all, is blanked."""
    before = rotation.attempt
    attempt = replace(
        before,
        claimed_until=None,
        rests_until=None,
        operation_url=None,
        operation_error=error or before.operation_error,
        at_target_since=None,
        elsewhere_since=None,
        silent_since=None,
    )
    message = f"{rotation.heading}: {message}"
    return replace(
        rotation,
        reason=reason,
        message=message,
        remedy=advice_for(reason),
        attempt=attempt,
        outcome=Outcome(finished_at=now),
    )


def workspaces_seen(end: Rotation, workspaces: tuple[Workspace, ...]) -> Rotation:
    """With the linked workspaces as the update left them."""
    return replace(end, outcome=replace(end.outcome, linked_workspaces=workspaces))


def old_version_kept(end: Rotation, until: datetime | None, pinned_by: tuple[str, ...] = ()) -> Rotation:
    """With the time until which the old version must stay; None while other clusters pin it, and then with their names."""
    return replace(end, outcome=replace(end.outcome, keep_old_version_until=until, old_version_pinned_by=pinned_by))


def announcing(end: Rotation, now: datetime) -> Rotation:
    """A visit says what another one died of; others keep quiet that long."""
    return replace(end, outcome=replace(end.outcome, announcing_until=now + ANNOUNCED_WITHIN))


def announced(end: Rotation, *, published: bool) -> Rotation:
    """Its end was logged, and published unless that is tried again."""
    return replace(end, outcome=replace(end.outcome, announcing_until=None, announced=True, published=published))


def merged(stored: Rotation, noted: Rotation) -> Rotation:
    """The row as it is now, with the operation of our send, unless it has one. The URL is only for one under way."""
    if stored.stage in OPEN and stored.attempt.id == noted.attempt.id:
        return replace(noted, etag=stored.etag)
    if stored.attempt.operation_id is not None:
        return stored
    ours, under_way = noted.attempt, stored.stage is Stage.UPDATING
    attempt = replace(
        stored.attempt,
        operation_id=ours.operation_id,
        correlation_id=stored.attempt.correlation_id or ours.correlation_id,
        operation_url=ours.operation_url if under_way else None,
        accepted_at=ours.accepted_at if under_way else stored.attempt.accepted_at,
    )
    return replace(stored, attempt=attempt)
