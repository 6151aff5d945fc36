"""An update that is followed by its operation alone: when that is enough, and what it comes to."""

from dataclasses import replace
from typing import Any

import pytest

from cmk_rotation.decisions.observation import Decision, Glance, confirms
from cmk_rotation.decisions.policy import RULES, decide
from cmk_rotation.decisions.update_rules import is_enough
from cmk_rotation.domain.azure_resources import Operation
from cmk_rotation.domain.timing import Timing
from cmk_rotation.domain.vocabulary import Action, Reason, Stage
from tests.unit.support.builders import CLUSTER, HOUR, MINUTE, NOW, SECOND, over, rotation, status, waiting


def glance(**changes: Any) -> Glance:
    """An operation that goes on; all else was fine when it was looked at five minutes ago."""
    seen = Glance(
        now=NOW,
        timing=Timing(),
        cluster_id=CLUSTER,
        operation=Operation("Updating"),
        rotations=(rotation(operation_status="Updating"),),
        status=status(reason=Reason.UPDATE_RUNNING),
    )
    return replace(seen, **changes)


def test_an_operation_that_goes_on_is_all_there_is_to_see() -> None:
    assert is_enough(glance())
    assert is_enough(glance(operation=Operation("SomethingNew")))
    assert is_enough(glance(status=status(reason=Reason.UPDATE_RUNNING, looked_at=NOW - 10 * MINUTE + SECOND)))


@pytest.mark.parametrize(
    "changes",
    [
        {"operation": Operation("Succeeded")},
        {"operation": Operation("Failed")},
        {"status": None},
        {"status": status(reason=Reason.UPDATE_RUNNING, looked_at=NOW - 10 * MINUTE)},
        {"status": status(reason=Reason.UPDATE_RUNNING, looked_at=NOW + SECOND)},
        {"status": status(reason=Reason.CLUSTER_UNREACHABLE)},
        {"rotations": (rotation(reason=Reason.UPDATE_OVERDUE),)},
        {"rotations": (rotation(started_at=NOW - 6 * HOUR - SECOND),)},
        {"rotations": (waiting(),)},
        {"rotations": ()},
    ],
)
def test_else_the_cluster_and_its_key_are_looked_at(changes: dict[str, Any]) -> None:
    assert not is_enough(glance(**changes))


def test_of_a_glance_one_rule_has_an_opinion() -> None:
    opinions = {rule.__name__: rule(glance()) for rule in RULES}
    assert [name for name, opinion in opinions.items() if opinion is not None] == ["operation_goes_on"]


def test_what_goes_on_as_before_changes_nothing_on_record() -> None:
    seen = glance()
    decision = decide(seen)
    assert isinstance(decision, Decision)
    assert (decision.action, decision.reason, decision.requeue_after) == (Action.WAIT, Reason.UPDATE_RUNNING, MINUTE)
    assert decision.progress == seen.updating


def test_another_status_is_noted_and_azure_says_when_to_look_again() -> None:
    decision = decide(glance(operation=Operation("InProgress", retry_after=3 * MINUTE)))
    assert isinstance(decision, Decision)
    assert decision.requeue_after == 3 * MINUTE
    assert decision.progress is not None
    assert decision.progress.attempt.operation_status == "InProgress"
    assert decision.message.endswith("update under way, operation InProgress")


def test_it_tells_nothing_of_a_rotation_that_has_ended() -> None:
    assert confirms(glance(), over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED)) is None
