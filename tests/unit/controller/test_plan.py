"""What would be done now, with nothing changed."""

import threading
from dataclasses import replace

import pytest

from cmk_rotation.controller.plan import plan
from cmk_rotation.controller.side_by_side import AT_ONCE
from cmk_rotation.decisions.observation import Decision, Observation, UnreadableCluster
from cmk_rotation.domain.azure_resources import Cluster, Listed
from cmk_rotation.domain.identifiers import ClusterId, Key, Scope
from cmk_rotation.domain.vocabulary import Action, Reason
from tests.patience import HANG
from tests.unit.support.builders import (
    CLUSTER,
    GONE,
    HOUR,
    KEY,
    NOW,
    REFUSED,
    SCOPE,
    SUBSCRIPTION,
    V1,
    V2,
    V3,
    cluster_id,
    must,
    status,
    version,
)
from tests.unit.support.fleets import fleet
from tests.unit.support.worlds import Fakes

GROUP = must(Scope.parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-logs"))
OTHER = must(Scope.parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-other"))


def only_planned(fakes: Fakes) -> Decision:
    _, ((_, decision),) = plan(fakes.world)
    return decision


def test_a_plan_decides_for_every_cluster_and_changes_nothing() -> None:
    fakes = fleet(3)
    hidden = cluster_id("law-hidden", group="rg-other")
    fakes.scopes = (GROUP, OTHER)
    fakes.clusters.scope_failures[OTHER] = REFUSED
    fakes.records.put(status(cluster_id=hidden))
    _, planned = plan(fakes.world)
    assert [decision.action for _, decision in planned] == [Action.UPDATE] * 3 + [Action.ATTENTION]
    assert isinstance(planned[0][0], Observation)
    assert isinstance(planned[3][0], UnreadableCluster)
    assert fakes.effects.done == []


def test_a_plan_reads_each_key_once() -> None:
    fakes = fleet(40)
    _, planned = plan(fakes.world)
    assert [seen.cluster_id.name for seen, _ in planned] == sorted(one.name for one in fakes.clusters.stored)
    assert {decision.action for _, decision in planned} == {Action.UPDATE}
    assert fakes.keys.reads == 1


def test_a_plan_reads_clusters_several_at_a_time() -> None:
    fakes = fleet(40)
    get, meet = fakes.clusters.get, threading.Barrier(AT_ONCE)

    def together(cluster_id: ClusterId) -> Cluster:
        meet.wait(HANG)  # none is read before as many are being read
        return get(cluster_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fakes.clusters, "get", together)
        _, planned = plan(fakes.world)
    assert len(planned) == 40


def test_a_plan_reads_the_key_that_a_cluster_has_now() -> None:
    fakes = Fakes()
    other = must(Key.of("https://contoso.vault.azure.net", "other"))
    fakes.keys.listed = {other: (version(V1), version(V2))}
    listed, in_scope = fakes.clusters.stored[CLUSTER], fakes.clusters.in_scope

    def changes_after_the_list(scope: Scope) -> Listed:
        found = in_scope(scope)
        fakes.clusters.stored[CLUSTER] = replace(listed, key_name="other")
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fakes.clusters, "in_scope", changes_after_the_list)
        assert only_planned(fakes).action is Action.UPDATE


def test_a_plan_reads_the_operation_of_an_update_under_way() -> None:
    fakes = Fakes()
    fakes.visit()
    running = only_planned(fakes)
    assert running.reason is Reason.UPDATE_RUNNING
    assert "operation Updating" in running.message


def test_a_plan_takes_what_has_ended_for_ended() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.clock.now += HOUR
    fakes.keys.listed[KEY] = (version(V1), version(V2), version(V3, created_at=NOW))
    before = list(fakes.effects.done)
    decision = only_planned(fakes)
    assert must(decision.target).version == V3
    assert fakes.effects.done == before


def test_a_plan_shows_a_scope_that_holds_something_gone() -> None:
    fakes = Fakes()
    fakes.clusters.stored.clear()
    fakes.records.put(status())
    decision = only_planned(fakes)
    assert decision.reason is Reason.CLUSTER_GONE
    fakes.clusters.scope_failures[SCOPE] = GONE
    decision = only_planned(fakes)
    assert decision.reason is Reason.CLUSTER_GONE
    assert fakes.clock.now == NOW
