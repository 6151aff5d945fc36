"""The line that each run of the timer ends with: its numbers add up, and it names who needs a person."""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from cmk_rotation.controller.survey import survey
from cmk_rotation.domain.identifiers import Scope
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.visit_message import PoisonQueue
from cmk_rotation.domain.vocabulary import FailureKind, Reason, Stage
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    HOUR,
    MINUTE,
    REFUSED,
    SCOPE,
    SECOND,
    SUBSCRIPTION,
    UNAVAILABLE,
    V2,
    WORKSPACE,
    cluster,
    failure,
    must,
    rotation,
)
from tests.unit.support.fleets import fleet, requested, settled, summary
from tests.unit.support.worlds import Fakes

GROUP = must(Scope.parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-logs"))
OTHER = must(Scope.parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-other"))


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
