"""From a key that changed to visits to the clusters that use it."""

import logging
import threading

import pytest

from cmk_rotation.controller.fan_out import key_changed
from cmk_rotation.controller.survey import survey
from cmk_rotation.domain.azure_resources import Listed
from cmk_rotation.domain.identifiers import Key, Scope
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import FailureKind, RequestedBy, Stage
from tests.patience import HANG
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    HOUR,
    KEY,
    MINUTE,
    NOW,
    REFUSED,
    SCOPE,
    SUBSCRIPTION,
    UNAVAILABLE,
    cluster,
    cluster_id,
    failure,
    must,
)
from tests.unit.support.fleets import fleet
from tests.unit.support.worlds import Fakes

GROUP = must(Scope.parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-logs"))
OTHER = must(Scope.parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-other"))


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
