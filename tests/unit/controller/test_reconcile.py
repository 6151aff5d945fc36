"""The timer, the queue's messages that name a key, and the plan."""

import pytest

from cmk_rotation.domain.azure_resources import Cluster
from cmk_rotation.domain.identifiers import Scope
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.vocabulary import Mode, Reason, RequestedBy, Stage
from tests.unit.support.builders import (
    CLUSTER,
    HOUR,
    MINUTE,
    NOW,
    REFUSED,
    SCOPE,
    SUBSCRIPTION,
    V1,
    V2,
    changed,
    changed_status,
    cluster,
    cluster_id,
    must,
    over,
    rotation,
    status,
)
from tests.unit.support.fleets import requested, settled, summary
from tests.unit.support.worlds import Fakes

GROUP = must(Scope.parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-logs"))
OTHER = must(Scope.parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-other"))


def test_a_lost_event_is_made_up_for_by_the_next_reconcile() -> None:
    fakes = Fakes()
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert fakes.rotation.requested_by is RequestedBy.RECONCILE


def test_a_steady_fleet_requests_no_visit_but_one_a_day() -> None:
    fakes = settled()
    fakes.run(20 * HOUR)
    assert fakes.requests.requested == []
    fakes.run(10 * HOUR)
    assert len(fakes.requests.requested) == 1


STEADY = {
    "on hold": cluster(held=True),
    "with automatic rotation": cluster(key_version=None),
    "without a key": cluster(key_vault_uri=None, key_name=None, key_version=None),
    "failed by others": cluster(state="Failed"),
    "with a vault outside the cloud": cluster(key_vault_uri="https://contoso.vault.evil.example"),
    "with a key that is not there": cluster(key_name="other"),
    "being deleted": cluster(state="Deleting"),
}


@pytest.mark.parametrize("case", STEADY)
def test_a_cluster_that_stays_as_it_is_is_not_visited_again_if_it_is(case: str) -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = STEADY[case]
    fakes.run(HOUR)
    fakes.requests.requested.clear()
    fakes.run(20 * HOUR)
    assert fakes.requests.requested == []


def test_a_cluster_that_is_behind_is_not_visited_again_in_observe() -> None:
    fakes = Fakes(mode=Mode.OBSERVE)
    fakes.run(HOUR)
    fakes.requests.requested.clear()
    fakes.run(20 * HOUR)
    assert fakes.requests.requested == []


def test_no_visit_is_requested_while_one_is_due() -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 5 * HOUR
    fakes.visit()
    fakes.run(HOUR)
    assert requested(fakes) == 0


def test_a_visit_that_was_due_and_never_came_is_requested_again() -> None:
    fakes = settled()
    fakes.records.put(changed_status(fakes.status, next_visit_at=fakes.clock.now - HOUR))
    assert requested(fakes) == 1


CHANGES: dict[str, Cluster] = {
    "another version": cluster(key_version=V1),
    "another state": cluster(key_version=V2, state="Failed"),
    "another key": cluster(key_name="other", key_version=V2),
    "no key": cluster(key_vault_uri=None, key_name=None, key_version=None),
}


@pytest.mark.parametrize("case", CHANGES)
@pytest.mark.parametrize("mode", list(Mode))
def test_a_cluster_that_changed_is_visited(case: str, mode: Mode) -> None:
    fakes = settled(mode=mode)
    assert requested(fakes) == 0
    fakes.clusters.stored[CLUSTER] = CHANGES[case]
    assert requested(fakes) == 1


@pytest.mark.parametrize("stage", [Stage.WAITING, Stage.UPDATING])
@pytest.mark.parametrize("mode", list(Mode))
def test_a_rotation_that_has_not_ended_is_visited(stage: Stage, mode: Mode) -> None:
    fakes = settled(mode=mode)
    fakes.records.put(changed(fakes.rotation, stage=stage))
    assert requested(fakes) == 1


@pytest.mark.parametrize("unheard", ["announced", "published"])
def test_an_end_that_nobody_heard_of_is_visited(unheard: str) -> None:
    fakes = settled()
    fakes.records.put(changed(fakes.rotation, announced=unheard != "announced", published=unheard != "published"))
    assert requested(fakes) == 1


def test_a_cluster_that_somebody_else_moved_to_the_newest_version_is_visited_to_record_it() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
    fakes.records.put(status(key_version=V2, newest_version=V2))
    assert requested(fakes) == 1
    fakes.run(MINUTE)
    assert fakes.rotation.reason is Reason.ALREADY_THERE


def test_attention_is_due_again_after_a_day_and_over_when_it_is_over() -> None:
    fakes = Fakes()
    fakes.keys.failure = REFUSED
    fakes.run(23 * HOUR)
    assert fakes.log.errors == ["cluster.attention"]
    fakes.run(2 * HOUR)
    assert fakes.log.errors == ["cluster.attention"] * 2
    fakes.keys.failure = None
    fakes.run(HOUR)
    assert len(fakes.log.of(LogEvent.CLUSTER_RECOVERED)) == 1


def test_a_cluster_that_is_gone_is_noted_once_and_then_left_alone() -> None:
    fakes = settled()
    fakes.clusters.stored.clear()
    fakes.clusters.stored[cluster_id("law-two")] = cluster(id=cluster_id("law-two"), key_version=None)
    fakes.run(HOUR)
    assert fakes.status.reason is Reason.CLUSTER_GONE
    fakes.requests.requested.clear()
    fakes.run(20 * HOUR)
    assert fakes.requests.requested == []


def test_a_cluster_under_way_that_is_not_listed_any_more_is_visited() -> None:
    fakes = Fakes()
    fakes.records.put(rotation(cluster_id=cluster_id("law-gone")))
    fakes.run(HOUR)
    ends = {row.cluster_id.name: row.reason for row in fakes.records.rotations.values()}
    assert ends == {"law-gone": Reason.CLUSTER_GONE, "law-one": Reason.UPDATE_CONFIRMED}


def test_a_cluster_on_record_without_anything_left_to_do_is_not_missed() -> None:
    fakes = Fakes()
    fakes.records.put(over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, cluster_id=cluster_id("law-gone")))
    fakes.run(HOUR)
    assert cluster_id("law-gone") not in fakes.records.statuses


def test_a_cluster_on_record_out_of_scope_is_left_alone() -> None:
    fakes = Fakes(scopes=(GROUP,))
    stranger = cluster_id("law-one", group="rg-other")
    fakes.records.put(status(cluster_id=stranger), rotation(cluster_id=stranger))
    fakes.run(HOUR)
    assert fakes.records.statuses[stranger].looked_at == NOW - 5 * MINUTE


def test_a_cluster_hidden_by_a_scope_that_refuses_calls_for_a_person_once_it_cannot_be_read() -> None:
    fakes = settled()
    fakes.clusters.scope_failures[SCOPE] = fakes.clusters.get_failure = REFUSED
    fakes.run(30 * MINUTE)
    assert fakes.status.reason is Reason.CLUSTER_ACCESS_DENIED
    assert summary(fakes)["attention"] == 1
