"""The timer, the queue's messages that name a key, and the plan."""

import logging
import threading
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from cmk_rotation.controller.fan_out import key_changed
from cmk_rotation.controller.plan import plan
from cmk_rotation.controller.ports import AzureCallError, StorageUnavailableError
from cmk_rotation.controller.reconcile import reconcile
from cmk_rotation.controller.side_by_side import AT_ONCE
from cmk_rotation.controller.survey import survey
from cmk_rotation.decisions.observation import Decision, Observation, UnreadableCluster
from cmk_rotation.domain.azure_resources import Cluster, KeyVersion, Listed
from cmk_rotation.domain.identifiers import Key, Scope
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.visit_message import PoisonQueue, VisitRequest
from cmk_rotation.domain.vocabulary import Action, FailureKind, Mode, Reason, RequestedBy, Stage
from tests.patience import HANG
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    GONE,
    HOUR,
    KEY,
    MINUTE,
    NOW,
    REFUSED,
    SCOPE,
    SECOND,
    SUBSCRIPTION,
    UNAVAILABLE,
    V1,
    V2,
    V3,
    WORKSPACE,
    changed,
    changed_status,
    cluster,
    cluster_id,
    failure,
    must,
    over,
    rotation,
    status,
    version,
)
from tests.unit.support.worlds import Fakes

GROUP = must(Scope.parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-logs"))
OTHER = must(Scope.parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-other"))


def fleet(size: int, fakes: Fakes | None = None) -> Fakes:
    """As many clusters, all on V1 of one key."""
    fakes = fakes or Fakes()
    clusters = [cluster(id=cluster_id(f"law-{number}")) for number in range(size)]
    fakes.clusters.stored = {one.id: one for one in clusters}
    return fakes


def settled(*, mode: Mode = Mode.ENFORCE) -> Fakes:
    """A cluster that was moved to V2 and has been seen to be there."""
    fakes = Fakes()
    fakes.visit()
    fakes.run(2 * HOUR)
    fakes.requests.requested.clear()
    fakes.mode = mode
    return fakes


def requested(fakes: Fakes) -> int:
    """How many visits one run of the timer requests."""
    before = len(fakes.requests.requested)
    fakes.reconcile()
    return len(fakes.requests.requested) - before


def summary(fakes: Fakes) -> dict[str, object]:
    return dict(fakes.log.of(LogEvent.RECONCILE_FINISHED)[-1].fields)


# --- messages that name a key ---------------------------------------------------------------------------------------


def test_a_key_that_changed_requests_a_visit_to_each_cluster_that_uses_it() -> None:
    fakes = fleet(3)
    other = cluster(id=cluster_id("law-other"), key_name="other")
    elsewhere = cluster(id=cluster_id("law-none"), key_vault_uri=None, key_name=None, key_version=None)
    fakes.clusters.stored |= {other.id: other, elsewhere.id: elsewhere}
    fakes.key_changed()
    (message,) = fakes.requests.pending
    fakes.deliver(message)
    visits = [visit for visit, _ in fakes.requests.requested]
    assert sorted(must(visit.cluster).name for visit in visits) == ["law-0", "law-1", "law-2"]
    assert {(visit.by, visit.event_id) for visit in visits} == {(RequestedBy.EVENT, "event-1")}
    (line,) = fakes.log.of(LogEvent.KEY_MATCHED)
    assert line.fields["clusters"] == 3
    assert "law-0, law-1, law-2" in str(line.fields["message"])


def test_a_key_that_no_cluster_uses_is_no_error() -> None:
    fakes = Fakes()
    key_changed(fakes.world, VisitRequest(RequestedBy.EVENT, NOW, key=Key("contoso.vault.azure.net", "new")))
    assert fakes.requests.requested == []
    assert fakes.log.errors == []
    assert fakes.log.of(LogEvent.KEY_MATCHED)[0].fields["clusters"] == 0


def test_a_message_without_a_key_is_rejected() -> None:
    fakes = Fakes()
    key_changed(fakes.world, VisitRequest(RequestedBy.EVENT, NOW))
    assert len(fakes.log.of(LogEvent.VISIT_REJECTED, logging.WARNING)) == 1


def test_scopes_are_listed_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = Fakes(scopes=tuple(must(Scope.parse(f"{SCOPE.text}/resourceGroups/rg-{number}")) for number in range(8)))
    together, in_scope = threading.Barrier(8), fakes.clusters.in_scope

    def all_at_once(scope: Scope) -> Listed:
        together.wait(HANG)
        return in_scope(scope)

    monkeypatch.setattr(fakes.clusters, "in_scope", all_at_once)
    assert len(survey(fakes.world).empty) == 8


def test_scopes_that_do_not_answer_are_asked_again_for_an_hour() -> None:
    fakes = Fakes(scopes=(GROUP, OTHER))
    fakes.clusters.scope_failures[OTHER] = failure(FailureKind.UNAVAILABLE)
    fakes.key_changed()
    fakes.run(2 * HOUR, reconcile=False)
    asked = [after for visit, after in fakes.requests.requested if visit.key is not None]
    assert asked[0] == MINUTE
    assert max(asked) == 15 * MINUTE
    assert 5 <= len(asked) <= 10
    assert fakes.finished == [Stage.SUCCEEDED]
    assert len(fakes.clusters.sent) == 1


def test_a_scope_that_answers_again_is_found_by_the_repeated_message() -> None:
    fakes = Fakes()
    fakes.clusters.scope_failures[SCOPE] = failure(FailureKind.UNAVAILABLE, retry_after=5 * MINUTE)
    fakes.key_changed()
    fakes.run(2 * MINUTE, reconcile=False)
    fakes.clusters.scope_failures.clear()
    fakes.run(HOUR, reconcile=False)
    assert fakes.finished == [Stage.SUCCEEDED]


def test_a_scope_that_refuses_is_not_asked_again() -> None:
    fakes = Fakes(scopes=(GROUP, OTHER))
    fakes.clusters.scope_failures[OTHER] = REFUSED
    key_changed(fakes.world, VisitRequest(RequestedBy.EVENT, NOW, key=KEY))
    assert [visit.cluster for visit, _ in fakes.requests.requested] == [CLUSTER]


def test_a_message_from_the_future_is_asked_again_no_longer_than_one_from_now() -> None:
    fakes = Fakes()
    fakes.clusters.scope_failures[SCOPE] = UNAVAILABLE
    key_changed(fakes.world, VisitRequest(RequestedBy.EVENT, NOW + DAY, key=KEY))
    assert [after for _, after in fakes.requests.requested] == [MINUTE]


# --- the timer --------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("kind", "speaks_of", "not_of"),
    [
        (FailureKind.UNKNOWN_VERSION, "ARM_API_VERSION", "CLUSTER_SCOPES"),
        (FailureKind.REFUSED, "CLUSTER_SCOPES", "ARM_"),
    ],
)
def test_the_remedy_for_a_scope_speaks_of_what_is_wrong(kind: FailureKind, speaks_of: str, not_of: str) -> None:
    fakes = Fakes()
    fakes.clusters.scope_failures[SCOPE] = failure(kind)
    fakes.reconcile()
    assert speaks_of in str(summary(fakes)["remedy"])
    assert not_of not in str(summary(fakes)["remedy"])


def test_a_scope_that_fails_does_not_keep_the_others_from_being_looked_after() -> None:
    fakes = Fakes(scopes=(OTHER, GROUP))
    fakes.clusters.scope_failures[OTHER] = UNAVAILABLE
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    lines = fakes.log.of(LogEvent.RECONCILE_FINISHED)
    assert {line.level for line in lines} == {logging.ERROR}
    assert (summary(fakes)["failedScopes"], summary(fakes)["emptyScopes"], summary(fakes)["scopes"]) == (1, 0, 2)
    assert "scopes that failed: 1" in str(summary(fakes)["message"])
    assert summary(fakes)["troubledScopes"] == (OTHER.text,)


def test_an_empty_scope_is_an_error_since_it_is_probably_mistyped() -> None:
    fakes = Fakes(scopes=(OTHER, GROUP))
    fakes.reconcile()
    assert fakes.log.errors == ["scope.failed", "reconcile.finished"]
    assert (summary(fakes)["failedScopes"], summary(fakes)["emptyScopes"]) == (0, 1)
    assert "scopes that hold no cluster: 1" in str(summary(fakes)["message"])
    assert summary(fakes)["troubledScopes"] == (OTHER.text,)


def test_of_many_scopes_in_trouble_all_are_counted_and_ten_named() -> None:
    wrong = tuple(must(Scope.parse(f"{SCOPE.text}/resourceGroups/rg-{number:03}")) for number in range(100))
    fakes = Fakes(scopes=(GROUP, *wrong))
    fakes.clusters.scope_failures |= dict.fromkeys(wrong, failure(FailureKind.REFUSED, message="x" * 500))
    fakes.reconcile()
    message = str(summary(fakes)["message"])
    assert message.endswith("; scopes that failed: 100")
    assert summary(fakes)["troubledScopes"] == (*(scope.text for scope in wrong[:10]), "…")
    assert len(fakes.log.of(LogEvent.SCOPE_FAILED)) == 100


def test_overlapping_scopes_count_a_cluster_once() -> None:
    fakes = Fakes(scopes=(SCOPE, GROUP, must(Scope.parse(CLUSTER.text.upper()))))
    assert list(survey(fakes.world).clusters) == [CLUSTER]
    assert requested(fakes) == 1


def test_one_line_counts_the_fleet() -> None:
    fakes = fleet(9)
    ids = sorted(fakes.clusters.stored, key=lambda found: found.key)
    fakes.clusters.stored |= {
        ids[0]: cluster(id=ids[0], key_version=V2),
        ids[1]: cluster(id=ids[1], key_version=None),
        ids[2]: cluster(id=ids[2], key_vault_uri=None, key_name=None, key_version=None),
        ids[3]: cluster(id=ids[3], state="Updating"),
        ids[4]: cluster(id=ids[4], state="Failed"),
        ids[5]: cluster(id=ids[5], held=True),
        ids[6]: cluster(id=ids[6], key_name="other"),
        ids[8]: cluster(id=ids[8], key_version=V2, held=True),
    }
    fakes.records.put(rotation(cluster_id=ids[3]))
    fakes.reconcile()
    numbers = ("attention", "underWay", "behind", "held", "current")
    counts = [int(str(summary(fakes)[name])) for name in numbers]
    assert counts == [2, 1, 2, 1, 3]
    assert summary(fakes)["clusters"] == 9 == sum(counts), "each counts once, in the first that applies"
    assert summary(fakes)["attentionClusters"] == tuple(sorted(one.name for one in (ids[4], ids[6])))
    assert all(one.name in str(summary(fakes)["message"]) for one in (ids[4], ids[6]))
    assert summary(fakes)["visitsRequested"] == 9
    assert fakes.log.of(LogEvent.RECONCILE_FINISHED)[0].level == logging.INFO


def test_what_only_a_visit_can_see_is_counted_by_what_the_last_one_saw() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(workspace_ids=(WORKSPACE,))
    fakes.clusters.workspaces[WORKSPACE] = "Failed"
    fakes.visit()
    fakes.run(HOUR)
    assert fakes.status.reason is Reason.WORKSPACE_FAILED
    assert summary(fakes)["attention"] == 1


def test_of_many_that_need_a_person_ten_are_named() -> None:
    fakes = fleet(12)
    fakes.clusters.stored = {one: cluster(id=one, state="Failed") for one in fakes.clusters.stored}
    fakes.reconcile()
    names = summary(fakes)["attentionClusters"]
    assert isinstance(names, tuple)
    assert (len(names), names[-1]) == (11, "…")


def test_clusters_that_a_failed_scope_hides_count_as_needing_a_person() -> None:
    fakes = settled()
    fakes.clusters.scope_failures = {SCOPE: UNAVAILABLE}
    fakes.reconcile()
    assert (summary(fakes)["clusters"], summary(fakes)["attention"]) == (1, 1)


def test_an_overdue_update_is_counted_as_calling_for_attention() -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 20 * HOUR
    fakes.visit()
    fakes.run(7 * HOUR)
    assert (summary(fakes)["underWay"], summary(fakes)["attention"]) == (0, 1)


def test_fifty_clusters_on_one_key_are_read_with_one_call_to_key_vault_and_all_moved() -> None:
    fakes = fleet(50)
    fakes.reconcile()
    assert fakes.keys.reads == 1
    fakes.requests.pending.clear()
    fakes.key_changed()
    fakes.run(3 * HOUR)
    assert len(fakes.clusters.sent) == 50
    assert fakes.finished == [Stage.SUCCEEDED] * 50
    assert fakes.requests.pending == []
    assert all(row.outcome.keep_old_version_until is not None for row in fakes.records.rotations.values())


def test_the_same_key_in_different_spelling_is_read_once() -> None:
    fakes = fleet(2)
    ids = list(fakes.clusters.stored)
    fakes.clusters.stored[ids[0]] = cluster(
        id=ids[0], key_vault_uri="https://CONTOSO.vault.azure.net/", key_name="LA-CMK"
    )
    fakes.reconcile()
    assert fakes.keys.reads == 1


def test_a_storage_failure_ends_the_run_and_the_next_one_makes_up_for_it() -> None:
    fakes = Fakes()
    fakes.effects.storage_is_down = True
    with pytest.raises(StorageUnavailableError):
        reconcile(fakes.world)
    fakes.effects.storage_is_down = False
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]


def test_a_storage_failure_over_one_cluster_ends_the_run_too() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.scopes = (must(Scope.parse("/subscriptions/0b1f6471-1bf0-4dda-aec3-000000000000")),)
    fakes.effects.failing_names = frozenset({"save_rotation"})
    with pytest.raises(StorageUnavailableError):
        reconcile(fakes.world)


@dataclass
class HangingVaults:
    """Vaults that do not answer, and take their time over it."""

    fakes: Fakes
    takes: timedelta
    read: list[Key] = field(default_factory=list)

    def versions(self, key: Key) -> tuple[KeyVersion, ...]:
        self.read.append(key)
        self.fakes.clock.now += self.takes
        raise AzureCallError(UNAVAILABLE)

    def current_version(self, key: Key) -> str:
        return self.fakes.keys.current_version(key)


def on_keys_of_their_own(size: int) -> Fakes:
    """As many clusters, each on a key in a vault of its own, and all of them known to be well."""
    fakes = Fakes()
    clusters = [
        cluster(id=cluster_id(f"law-{number}"), key_vault_uri=f"https://vault-{number}.vault.azure.net")
        for number in range(size)
    ]
    fakes.clusters.stored = {one.id: one for one in clusters}
    return fakes


@dataclass
class PatientVault(HangingVaults):
    """One that answers for one key when a visit has been requested, and for the others at once."""

    slow: str = ""
    requested: threading.Event = field(default_factory=threading.Event)

    def versions(self, key: Key) -> tuple[KeyVersion, ...]:
        if key.vault == self.slow:
            assert self.requested.wait(HANG)
        return super().versions(key)

    def request(self, visit: VisitRequest, after: timedelta = timedelta()) -> None:
        self.fakes.requests.request(visit, after)
        self.requested.set()

    def poison_queue(self) -> PoisonQueue:
        return self.fakes.requests.poison_queue()

    def note_poison(self, since: datetime | None) -> None:
        self.fakes.requests.note_poison(since)


def test_visits_are_requested_as_the_clusters_of_a_key_are_looked_at() -> None:
    fakes = on_keys_of_their_own(2)
    vaults = PatientVault(fakes, SECOND, slow="vault-1.vault.azure.net")
    reconcile(replace(fakes.world, keys=vaults, requests=vaults))
    assert len(fakes.requests.requested) == 2


def test_vaults_that_hang_do_not_keep_a_run_from_its_end_nor_any_cluster_from_its_visit() -> None:
    fakes = on_keys_of_their_own(30)
    vaults = HangingVaults(fakes, 45 * SECOND)
    reconcile(replace(fakes.world, keys=vaults))
    assert 7 <= len(vaults.read) < 7 + AT_ONCE, "after five minutes no further key is begun"
    assert fakes.clock.now - NOW < 5 * MINUTE + AT_ONCE * 45 * SECOND
    assert summary(fakes)["clusters"] == 30
    assert len({visit.cluster for visit, _ in fakes.requests.requested}) == 30


def test_a_cluster_whose_key_was_not_reached_is_visited_and_seen_to() -> None:
    fakes = fleet(1)
    hanging = on_keys_of_their_own(8).clusters.stored
    fakes.clusters.stored = hanging | {CLUSTER: cluster()}
    fakes.records.put(*(status(cluster_id=one) for one in fakes.clusters.stored))
    reconcile(replace(fakes.world, keys=HangingVaults(fakes, 45 * SECOND)))
    assert CLUSTER in {visit.cluster for visit, _ in fakes.requests.requested}
    fakes.visit()
    assert [cluster_id for cluster_id, _ in fakes.clusters.patches] == [CLUSTER]


# --- out of scope ------------------------------------------------------------------------------------------------------


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


# --- when the old version may go --------------------------------------------------------------------------------------


def test_the_old_version_must_stay_without_an_end_while_another_cluster_pins_it() -> None:
    fakes = Fakes()
    other = cluster_id("law-two")
    fakes.clusters.stored[other] = cluster(id=other, held=True)
    fakes.run(2 * HOUR)
    assert fakes.rotation.outcome.keep_old_version_until is None
    fakes.clusters.stored[other] = cluster(id=other, key_version=V2)
    freed_at = fakes.clock.now
    fakes.run(HOUR)
    until = fakes.records.rotations[(CLUSTER, KEY, V2)].outcome.keep_old_version_until
    assert freed_at + DAY <= must(until) <= freed_at + DAY + HOUR
    assert [step.name for step in fakes.records.history(CLUSTER)][-1] == "old version free"
    fakes.requests.requested.clear()
    fakes.run(10 * HOUR)
    assert fakes.requests.requested == []


@pytest.mark.parametrize("who", ["another cluster", "the cluster itself"])
def test_an_old_version_that_is_pinned_again_must_stay_without_an_end(who: str) -> None:
    fakes = Fakes()
    fakes.run(2 * HOUR)
    assert fakes.rotation.outcome.keep_old_version_until is not None
    back = cluster() if who == "the cluster itself" else cluster(id=cluster_id("law-two"), held=True)
    fakes.clusters.stored[back.id] = back
    fakes.run(HOUR)
    assert fakes.records.rotations[(CLUSTER, KEY, V2)].outcome.keep_old_version_until is None
    assert [step.name for step in fakes.records.history(CLUSTER)][-1] == "old version in use again"
    fakes.requests.requested.clear()
    fakes.run(10 * HOUR)
    assert fakes.requests.requested == [], "that is said once"
    fakes.clusters.stored[back.id] = replace(back, key_version=V2, held=False)
    left_at = fakes.clock.now
    fakes.run(HOUR)
    assert must(fakes.records.rotations[(CLUSTER, KEY, V2)].outcome.keep_old_version_until) >= left_at + DAY


@pytest.mark.parametrize("how", ["deleted", "another key", "automatic rotation", "out of scope"])
def test_a_cluster_that_left_the_old_version_in_another_way_no_longer_holds_it(how: str) -> None:
    fakes = Fakes(scopes=(GROUP, OTHER))
    other = cluster_id("law-two", group="rg-other")
    fakes.clusters.stored[other] = cluster(id=other, held=True)
    fakes.run(2 * HOUR)
    assert fakes.rotation.outcome.keep_old_version_until is None
    if how == "deleted":
        del fakes.clusters.stored[other]
    elif how == "another key":
        fakes.clusters.stored[other] = cluster(id=other, key_name="other")
    elif how == "automatic rotation":
        fakes.clusters.stored[other] = cluster(id=other, key_version=None)
    else:
        fakes.scopes = (GROUP,)
    fakes.run(HOUR)
    assert fakes.records.rotations[(CLUSTER, KEY, V2)].outcome.keep_old_version_until is not None


def test_clusters_that_move_at_the_same_time_do_not_hold_the_old_version_for_each_other_forever() -> None:
    fakes = fleet(3)
    fakes.run(3 * HOUR)
    untils = sorted(must(row.outcome.keep_old_version_until) for row in fakes.records.rotations.values())
    assert len(untils) == 3
    assert all(later - earlier <= HOUR for earlier, later in pairwise(untils))


# --- the plan -----------------------------------------------------------------------------------------------------------


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


# --- the poison queue ---------------------------------------------------------------------------------------------------


def poisoned(fakes: Fakes, messages: int, age: timedelta) -> None:
    """Look at everything while messages have lain in the poison queue for a while."""
    fakes.requests.poison = PoisonQueue(messages, fakes.clock.now - age)
    fakes.reconcile()


def test_how_many_messages_lie_in_the_poison_queue_is_told_each_time() -> None:
    fakes = settled()
    fakes.reconcile()
    assert summary(fakes)["poisonMessages"] == 0
    poisoned(fakes, 2, HOUR - SECOND)
    line = fakes.log.of(LogEvent.RECONCILE_FINISHED)[-1]
    assert (line.level, line.fields["poisonMessages"]) == (logging.INFO, 2), "on_lost_visit may be about to read them"


def test_since_when_messages_lie_there_is_written_down_by_who_finds_them_first_and_taken_back_when_they_are_gone() -> (
    None
):
    fakes = settled()
    fakes.requests.poison = PoisonQueue(2)
    fakes.reconcile()
    first = fakes.clock.now
    assert fakes.requests.poison == PoisonQueue(2, first)
    fakes.run(30 * MINUTE)
    fakes.reconcile()
    assert fakes.requests.poison == PoisonQueue(2, first)
    fakes.requests.poison = replace(fakes.requests.poison, messages=0)
    fakes.reconcile()
    assert fakes.requests.poison == PoisonQueue(0)
    fakes.requests.poison = PoisonQueue(1, fakes.clock.now + DAY)
    fakes.reconcile()
    assert fakes.requests.poison == PoisonQueue(1, fakes.clock.now), "a time that is yet to come decides nothing"


def test_a_poison_message_that_has_lain_for_an_hour_calls_for_a_person() -> None:
    fakes = settled()
    poisoned(fakes, 2, HOUR)
    line = fakes.log.of(LogEvent.RECONCILE_FINISHED)[-1]
    assert line.level == logging.WARNING
    assert "2 messages lie in the poison queue" in str(line.fields["message"])
    assert "az storage message peek" in str(line.fields["remedy"])
    assert line.fields["since"] == fakes.requests.poison.since


def test_a_poison_message_beside_a_scope_that_fails_is_told_in_the_same_error() -> None:
    fakes = settled()
    fakes.clusters.scope_failures[SCOPE] = REFUSED
    poisoned(fakes, 1, HOUR)
    line = fakes.log.of(LogEvent.RECONCILE_FINISHED)[-1]
    assert line.level == logging.ERROR
    assert "poison queue" in str(line.fields["message"])
    assert "CLUSTER_SCOPES" in str(line.fields["remedy"])
    assert "az storage message peek" in str(line.fields["remedy"])


@pytest.mark.parametrize("call", ["poison_queue", "note_poison"])
def test_a_poison_queue_that_cannot_be_asked_costs_the_heartbeat_its_count_alone(call: str) -> None:
    fakes = settled()
    fakes.requests.poison = PoisonQueue(2)
    fakes.effects.failing_names = frozenset({call})
    fakes.reconcile()
    assert (summary(fakes)["clusters"], summary(fakes)["poisonMessages"]) == (1, None)
