"""What holds of every decision, whatever the situation."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cmk_rotation.decisions.observation import Finish, Observation
from cmk_rotation.decisions.policy import decide, settle
from cmk_rotation.domain.azure_resources import Cluster, Operation, OperationError, Workspace, same_version
from cmk_rotation.domain.vocabulary import Action, FailureKind, KeyMode, Reason, RequestedBy, Stage
from tests.unit.support.builders import (
    BLOCKED,
    BUSY,
    DAY,
    GONE,
    HOUR,
    MINUTE,
    NOW,
    REFUSED,
    UNAVAILABLE,
    V1,
    V2,
    V3,
    VAULT,
    WORKSPACE,
    cluster,
    observation,
    operation_url,
    rotation,
    status,
    version,
)

FAILED_WORKSPACE = (Workspace(WORKSPACE, "Failed"), Workspace(WORKSPACE + "2", "Succeeded"), Workspace("x", None))


MOMENTS = st.sampled_from(
    [None, NOW - 365 * DAY, NOW - 7 * HOUR, NOW - HOUR, NOW - MINUTE, NOW, NOW + MINUTE, NOW + HOUR, NOW + 365 * DAY]
)
VERSIONS = st.builds(
    version,
    st.sampled_from([V1, V2, V3]),
    created_at=st.sampled_from([NOW - 2 * DAY, NOW - DAY, NOW - HOUR, NOW]),
    enabled=st.booleans(),
    not_before=MOMENTS,
    expires_at=MOMENTS,
)
LISTED = st.lists(VERSIONS, max_size=3, unique_by=lambda listed: listed.version).map(tuple)
FAILURES = st.sampled_from([GONE, REFUSED, UNAVAILABLE, BUSY, BLOCKED])
STATES = st.sampled_from(["Succeeded", "Failed", "Canceled", "Updating", "Deleting", "Migrating", ""])
OPERATIONS = st.sampled_from(
    [None, *(Operation(word) for word in ("Succeeded", "Failed", "Canceled", "Updating", ""))]
) | FAILURES.filter(lambda found: found.kind is not FailureKind.BUSY)
ROTATIONS = st.builds(
    rotation,
    to_version=st.sampled_from([V1, V2, V3, V3.upper(), ""]),
    from_version=st.sampled_from([None, V1, V2]),
    key_name=st.sampled_from(["la-cmk", "LA-CMK", "other", ""]),
    stage=st.sampled_from(Stage),
    reason=st.sampled_from(Reason),
    attempts=st.integers(-1, 100),
    requested_at=MOMENTS.map(lambda moment: moment or NOW),
    started_at=MOMENTS,
    finished_at=MOMENTS,
    accepted_at=MOMENTS,
    claimed_until=MOMENTS,
    announcing_until=MOMENTS,
    at_target_since=MOMENTS,
    elsewhere_since=MOMENTS,
    silent_since=MOMENTS,
    operation_url=st.sampled_from([None, operation_url()]),
    operation_error=st.sampled_from([None, OperationError("ScopeLocked", "locked")]),
)
CLUSTERS = st.builds(
    cluster,
    state=STATES,
    key_vault_uri=st.sampled_from([VAULT, VAULT, VAULT, None, "not a vault"]),
    key_name=st.sampled_from(["la-cmk", "la-cmk", "la-cmk", "other", ""]),
    key_version=st.sampled_from([V1, V1.upper(), V2, V3, None, ""]),
    held=st.booleans(),
)
OBSERVATIONS = st.builds(
    lambda rotations, **changes: observation(*rotations, **changes),
    st.lists(ROTATIONS, max_size=3),
    cluster=CLUSTERS,
    versions=LISTED | LISTED | FAILURES,
    vault_in_cloud=st.sampled_from([True, True, True, False]),
    operation=OPERATIONS,
    by=st.sampled_from(RequestedBy),
    status=st.none()
    | st.builds(status, reason=st.sampled_from(Reason), since=MOMENTS.map(lambda moment: moment or NOW)),
    workspaces=st.sampled_from([(), FAILED_WORKSPACE]),
)


def is_tried_again_at_the_target(seen: Observation, cluster: Cluster) -> bool:
    """A cluster that our own update left Failed at the target gets the same version again."""
    return cluster.failed and same_version(seen.target.version if seen.target else None, cluster.key_version)


@settings(deadline=None, max_examples=600)
@given(OBSERVATIONS)
def test_whatever_the_situation_deciding_ends_and_an_update_only_goes_forward(seen: Observation) -> None:
    settled, decision = settle(seen)
    assert isinstance(settled, Observation)
    assert decision.message
    assert (decision.target is not None) is (decision.action is Action.UPDATE)
    if decision.target is None:
        return
    now_has, in_use, target = settled.cluster, settled.in_use, decision.target
    assert now_has.mode is KeyMode.PINNED
    assert not now_has.held
    assert settled.vault_in_cloud
    assert in_use is not None
    assert in_use.enabled
    assert not in_use.expired(NOW)
    assert target.usable(NOW)
    assert in_use.created_at < target.created_at or is_tried_again_at_the_target(settled, now_has)
    assert not now_has.busy
    assert not now_has.deleting
    ours = {found.stage for found in settled.rotations if found.attempt.started_at is not None}
    # A claim of which nothing came waits: Azure may have taken its update all the same, and late.
    assert not now_has.failed or ours & {Stage.WAITING, Stage.UPDATING, Stage.FAILED}
    known = settled.toward(target.version)
    assert known is None or known.stage is not Stage.SUCCEEDED
    assert all(
        rotation.attempt.accepted_at is None for rotation in settled.rotations if rotation.stage is Stage.UPDATING
    )


@settings(deadline=None)
@given(OBSERVATIONS)
def test_whatever_the_situation_a_rotation_that_ended_well_was_seen_at_its_target(seen: Observation) -> None:
    decision = decide(seen)
    if isinstance(decision, Finish) and decision.rotation.stage is Stage.SUCCEEDED:
        assert seen.cluster.succeeded
        assert seen.cluster.key == decision.rotation.key
        assert same_version(seen.cluster.key_version, decision.rotation.to_version)


@settings(deadline=None)
@given(OBSERVATIONS)
def test_whatever_the_situation_an_end_blanks_the_signed_url(seen: Observation) -> None:
    decision = decide(seen)
    if isinstance(decision, Finish):
        assert decision.rotation.attempt.operation_url is None
        lapsed = decision.rotation.stage is Stage.WAITING
        assert decision.rotation.outcome.finished_at == (None if lapsed else NOW)
