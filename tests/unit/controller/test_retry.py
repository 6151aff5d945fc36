"""A retry keeps nothing of the attempt before: whatever is left over from it would be believed of the new one."""

from dataclasses import fields

import pytest

from cmk_rotation.domain.azure_resources import OperationError, Workspace
from cmk_rotation.domain.repairs import Right
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.vocabulary import Reason, Stage
from tests.unit.support.builders import DAY, NOW, WORKSPACE, changed, operation_url, over
from tests.unit.support.worlds import Fakes

OF_THE_ROTATION = {
    "cluster_id",
    "key_vault_uri",
    "key_name",
    "from_version",
    "to_version",
    "to_version_created_at",
    "requested_at",
    "requested_by",
    "event_id",
    "cluster_state",
}
"""What a rotation is, and why it is called for: no attempt changes that. Everything else belongs to one attempt."""
SAID_BY_EACH_CLAIM = {"reason", "message", "id", "claimed_until", "etag"}
"""What the claim itself says; the rest is blank until the attempt fills it."""
COUNTED = {"attempts": 1, "sends": 0, "started_at": None}
"""What goes on counting when a claim that lapsed is claimed again, and by how much."""

LEFT_OVER = over(
    Stage.FAILED,
    Reason.UPDATE_FAILED,
    message="the last attempt failed",
    event_id="event-0",
    remedy="Repair what made it fail.",
    lacks=Right("11111111-1111-4111-8111-111111111111", "Reader"),
    cluster_state="Failed",
    attempts=2,
    id="the attempt before",
    correlation_id="correlation-0",
    started_at=NOW - 2 * DAY,
    finished_at=NOW - DAY,
    keep_old_version_until=NOW - DAY,
    operation_url=operation_url(),
    operation_status="Failed",
    operation_error=OperationError("BadKey", "of the last attempt"),
    linked_workspaces=(Workspace(WORKSPACE, "Failed"),),
    old_version_pinned_by=("law-two",),
    claimed_until=NOW - DAY,
    announcing_until=NOW - DAY,
    at_target_since=NOW - DAY,
    elsewhere_since=NOW - DAY,
    silent_since=NOW - DAY,
    rests_until=NOW - DAY,
    sends=2,
)


def claim_after(before: Rotation | None) -> Rotation:
    """The claim that a visit puts on record where this rotation was on record."""
    fakes = Fakes()
    if before is not None:
        fakes.records.put(before)
    fakes.visit()
    return next(step.rotation for step in fakes.records.steps if step.name.startswith("claimed"))


FIRST = claim_after(None)
AFTER_A_FAILURE = claim_after(LEFT_OVER)
AFTER_A_LAPSED_CLAIM = claim_after(changed(LEFT_OVER, stage=Stage.UPDATING, accepted_at=None))


def values(claim: Rotation) -> dict[str, object]:
    """Every field of a rotation, of its attempt and of its outcome."""
    parts = (claim, claim.attempt, claim.outcome)
    every = {one.name: getattr(part, one.name) for part in parts for one in fields(part)}
    return {name: value for name, value in every.items() if name not in {"attempt", "outcome"}}


def test_the_attempt_before_left_something_everywhere() -> None:
    blank = values(Rotation(*[None] * 11)) | {"etag": "blank before the row is written"}  # type: ignore[arg-type]
    assert [name for name, value in values(LEFT_OVER).items() if value == blank[name]] == []


@pytest.mark.parametrize("name", [name for name in values(LEFT_OVER) if name not in OF_THE_ROTATION])
def test_nothing_of_an_attempt_outlives_it(name: str) -> None:
    before, first = values(LEFT_OVER)[name], values(FIRST)[name]
    failed, lapsed = values(AFTER_A_FAILURE)[name], values(AFTER_A_LAPSED_CLAIM)[name]
    if name in COUNTED:
        assert failed != before
        assert lapsed == (before if COUNTED[name] is None else before + COUNTED[name])  # type: ignore[operator]
    elif name in SAID_BY_EACH_CLAIM:
        assert not {before, None} & {failed, lapsed}
    else:
        assert failed == lapsed == first


@pytest.mark.parametrize("name", sorted(OF_THE_ROTATION))
def test_what_a_rotation_is_outlives_its_attempts(name: str) -> None:
    after = {values(claim)[name] for claim in (AFTER_A_FAILURE, AFTER_A_LAPSED_CLAIM)}
    assert after == {values(LEFT_OVER)[name]}
