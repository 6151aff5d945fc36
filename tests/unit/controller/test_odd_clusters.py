"""Whatever is odd about one cluster, the others are looked after, and the odd one is called out by name."""

from dataclasses import replace
from typing import Any

import pytest

from cmk_rotation.controller import fan_out, plan
from cmk_rotation.controller.ports import StorageUnavailableError
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.vocabulary import Action, Mode, Reason, RequestedBy, Stage
from tests.unit.support.builders import DAY, HOUR, KEY, V1, V2, cluster, cluster_id, over, version
from tests.unit.support.worlds import Fakes

ODD = cluster_id("law-a-odd")
ODD_DATE: Any = 253_402_303_861
"""A year that a datetime cannot hold, where no adapter has seen to it."""


def with_an_odd_one(**changes: Any) -> Fakes:
    """The usual cluster, and before it one whose key has a version that breaks whatever looks at it."""
    fakes = Fakes(**changes)
    vault = "https://odd.vault.azure.net"
    odd = cluster(id=ODD, key_vault_uri=vault)
    fakes.clusters.stored = {ODD: odd} | fakes.clusters.stored
    assert odd.key
    fakes.keys.listed[odd.key] = (version(V1), replace(version(V2), expires_at=ODD_DATE))
    return fakes


@pytest.mark.parametrize("mode", list(Mode))
def test_reconcile_calls_it_out_once_a_day_counts_it_and_looks_after_the_rest(mode: Mode) -> None:
    fakes = with_an_odd_one(mode=mode)
    fakes.run(DAY + HOUR)
    lines = [line for line in fakes.log.of(LogEvent.CLUSTER_ATTENTION) if line.fields["clusterId"] == ODD.text]
    assert [line.fields["reason"] for line in lines] == [Reason.UNEXPECTED_ERROR] * 2
    assert "law-a-odd" in str(lines[0].fields["message"])
    assert "TypeError" in str(lines[0].fields["message"])
    heartbeat = fakes.log.of(LogEvent.RECONCILE_FINISHED)[-1].fields
    assert (heartbeat["clusters"], heartbeat["attention"]) == (2, 1)
    assert fakes.finished == ([Stage.SUCCEEDED] if mode is Mode.ENFORCE else [])


def test_plan_says_so_and_plans_for_the_rest() -> None:
    _, planned = plan.plan(with_an_odd_one().world)
    assert [(decision.action, decision.reason) for _, decision in planned] == [
        (Action.ATTENTION, Reason.UNEXPECTED_ERROR),
        (Action.UPDATE, Reason.VERSION_IS_BEHIND),
    ]


def test_an_event_finds_its_clusters_all_the_same() -> None:
    fakes = with_an_odd_one()
    fakes.key_changed()
    (event,) = fakes.requests.pending
    fan_out.key_changed(fakes.world, event.visit)
    assert [visit.by for visit, _ in fakes.requests.requested] == [RequestedBy.EVENT]
    assert event.visit.key == KEY


def test_an_odd_rotation_of_a_cluster_that_was_taken_out_of_scope_does_not_stop_reconcile() -> None:
    fakes = Fakes()
    gone = cluster_id("law-gone", subscription="f" * 8 + "-0000-0000-0000-" + "f" * 12)
    fakes.records.put(over(Stage.FAILED, Reason.UPDATE_FAILED, cluster_id=gone, announced=False, finished_at=ODD_DATE))
    fakes.reconcile()
    assert fakes.log.of(LogEvent.CLUSTER_ATTENTION)[0].fields["reason"] is Reason.UNEXPECTED_ERROR
    assert fakes.log.of(LogEvent.RECONCILE_FINISHED)


def test_storage_that_fails_is_nobodys_oddity() -> None:
    fakes = with_an_odd_one()
    fakes.effects.storage_is_down = True
    with pytest.raises(StorageUnavailableError):
        plan.plan(fakes.world)
    fakes.reconcile()
    assert fakes.log.lines == []


def test_storage_that_fails_while_a_cluster_is_looked_after_is_not_its_oddity() -> None:
    fakes = Fakes()
    fakes.effects.failing_names = frozenset({"request"})
    fakes.reconcile()
    assert fakes.log.lines == []
