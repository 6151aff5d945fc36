"""Clusters that are taken out of scope while something is under way."""

from datetime import timedelta

import pytest

from cmk_rotation.domain.identifiers import Scope
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.vocabulary import Stage
from tests.unit.support.builders import (
    HOUR,
    MINUTE,
    SUBSCRIPTION,
    must,
)
from tests.unit.support.worlds import Fakes

GROUP = must(Scope.parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-logs"))
OTHER = must(Scope.parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-other"))


@pytest.mark.parametrize("lasts", [10 * MINUTE, 40 * HOUR])
def test_an_update_of_a_cluster_that_is_taken_out_of_scope_is_let_go_of(lasts: timedelta) -> None:
    fakes = Fakes()
    fakes.clusters.lasts = lasts
    fakes.visit()
    fakes.scopes = (OTHER,)
    fakes.run(2 * HOUR)
    assert (fakes.rotation.stage, fakes.rotation.attempt.operation_url) == (Stage.SUPERSEDED, None)
    assert "taken out of CLUSTER_SCOPES" in fakes.rotation.message
    assert "look at the cluster yourself" in (fakes.rotation.remedy or "")
    assert len(fakes.log.of(LogEvent.ROTATION_FINISHED)) == 1
    assert fakes.requests.pending == []


def test_an_end_out_of_scope_that_nobody_heard_of_is_announced_by_a_later_reconcile() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.scopes = (OTHER,)
    finished = len(fakes.effects.done) + 1
    fakes.effects.die_after = finished
    fakes.reconcile()
    assert (fakes.rotation.stage, fakes.log.of(LogEvent.ROTATION_FINISHED)) == (Stage.SUPERSEDED, [])
    fakes.run(HOUR)
    assert len(fakes.log.of(LogEvent.ROTATION_FINISHED)) == 1


def test_a_row_that_changes_while_it_is_let_go_of_is_left_to_the_next_reconcile() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.scopes = (OTHER,)

    def somebody_writes(_: object) -> None:
        fakes.records.before_save = None
        fakes.records.put(fakes.rotation)

    stages = []
    fakes.records.before_save = somebody_writes
    for _ in range(2):
        fakes.reconcile()
        stages.append(fakes.rotation.stage)
    assert stages == [Stage.UPDATING, Stage.SUPERSEDED]
