"""A cluster that is listed and cannot be read: named, on change and then daily, and its neighbours are looked after."""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from cmk_rotation.controller.plan import plan
from cmk_rotation.domain.azure_resources import Failure, UnreadableEntry
from cmk_rotation.domain.log_events import LogEvent, LogLine
from cmk_rotation.domain.vocabulary import FailureKind, Reason
from tests.unit.support.builders import CLUSTER, DAY, HOUR, MINUTE, NOW, SCOPE, cluster, cluster_id, failure, must
from tests.unit.support.worlds import Fakes

ODD = cluster_id("law-odd")
ENTRY = UnreadableEntry(ODD.text, "shows no properties that can be read", ODD)


def with_odd(entry: UnreadableEntry = ENTRY) -> Fakes:
    fakes = Fakes()
    fakes.clusters.unreadable = (entry,)
    return fakes


def said(fakes: Fakes) -> list[LogLine]:
    return fakes.log.of(LogEvent.CLUSTER_UNREADABLE)


def reconciled(fakes: Fakes, after: timedelta) -> int:
    """How many lines a run of the timer says after a while."""
    before = len(said(fakes))
    fakes.clock.now += after
    fakes.reconcile()
    return len(said(fakes)) - before


def test_it_is_named_and_its_neighbour_is_visited() -> None:
    fakes = with_odd()
    assert reconciled(fakes, MINUTE) == 1
    (line,) = said(fakes)
    assert line.fields["clusterId"] == ODD.text
    assert ENTRY.problem in str(line.fields["message"])
    assert line.fields["since"] == fakes.clock.now
    assert [must(visit.cluster) for visit, _ in fakes.requests.requested] == [CLUSTER]
    found, planned = plan(fakes.world)
    assert (found.unreadable, len(planned)) == ({SCOPE: (ENTRY,)}, 1)


def test_it_is_said_again_daily_and_when_the_trouble_changes() -> None:
    fakes = with_odd()
    assert reconciled(fakes, MINUTE) == 1
    since = fakes.clock.now
    assert reconciled(fakes, 23 * HOUR) == 0
    assert reconciled(fakes, HOUR) == 1
    fakes.clusters.unreadable = (replace(ENTRY, problem="not the id of a cluster"),)
    assert reconciled(fakes, MINUTE) == 1
    assert [line.fields["since"] for line in said(fakes)] == [since] * 3


def test_what_comes_back_is_said_anew() -> None:
    fakes = with_odd()
    assert reconciled(fakes, MINUTE) == 1
    fakes.clusters.unreadable = ()
    assert reconciled(fakes, MINUTE) == 0
    assert reconciled(fakes, MINUTE) == 0
    fakes.clusters.unreadable = (ENTRY,)
    assert reconciled(fakes, MINUTE) == 1
    assert said(fakes)[-1].fields["since"] == fakes.clock.now


def test_while_a_scope_fails_nothing_is_over() -> None:
    fakes = with_odd()
    assert reconciled(fakes, MINUTE) == 1
    fakes.clusters.scope_failures[SCOPE] = failure(FailureKind.UNAVAILABLE)
    assert reconciled(fakes, MINUTE) == 0
    fakes.clusters.scope_failures.clear()
    assert reconciled(fakes, MINUTE) == 0


@pytest.mark.parametrize("name", ["notices", "save_notice"])
def test_without_storage_it_is_rather_said_twice(name: str) -> None:
    fakes = with_odd()
    fakes.effects.failing_names = frozenset({name})
    assert reconciled(fakes, MINUTE) == 1
    assert reconciled(fakes, MINUTE) == 1
    assert len(fakes.log.of(LogEvent.RECONCILE_FINISHED)) == 2


def test_a_notice_from_the_future_mutes_nothing() -> None:
    fakes = with_odd()
    assert reconciled(fakes, MINUTE) == 1
    (key, notice) = fakes.records.noted.popitem()
    fakes.records.noted[key] = replace(notice, said_at=NOW + 365 * DAY, since=NOW + 365 * DAY)
    assert reconciled(fakes, MINUTE) == 1
    assert said(fakes)[-1].fields["since"] == fakes.clock.now


@pytest.mark.parametrize("entry", [ENTRY, replace(ENTRY, name="an entry without an id", cluster_id=None)])
def test_a_cluster_on_record_that_turns_unreadable_is_not_gone(entry: UnreadableEntry) -> None:
    fakes = Fakes()
    fakes.clusters.stored[ODD] = cluster(id=ODD)
    fakes.run(HOUR)
    del fakes.clusters.stored[ODD]
    fakes.clusters.unreadable = (entry,)
    fakes.clusters.get_failure = failure(FailureKind.UNAVAILABLE)
    fakes.run(2 * HOUR)
    assert fakes.records.statuses[ODD].reason is Reason.CLUSTER_UNREACHABLE


def test_an_unreadable_neighbour_makes_nothing_else_unreadable_that_is_gone() -> None:
    fakes = Fakes()
    gone = cluster_id("law-gone")
    fakes.clusters.stored[gone] = cluster(id=gone)
    fakes.run(HOUR)
    del fakes.clusters.stored[gone]
    fakes.clusters.unreadable = (ENTRY,)
    fakes.run(2 * HOUR)
    assert fakes.records.statuses[gone].reason is Reason.CLUSTER_GONE


def test_a_scope_that_holds_only_what_cannot_be_read_is_not_empty() -> None:
    fakes = with_odd()
    fakes.clusters.stored.clear()
    fakes.reconcile()
    assert fakes.log.of(LogEvent.RECONCILE_FINISHED)[-1].fields["emptyScopes"] == 0


# --- scopes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "remedy"),
    [
        (failure(FailureKind.UNAVAILABLE, code="TooManyRequests"), "asks to be asked less"),
        (failure(FailureKind.UNAVAILABLE, code="HTTP 503"), "service health"),
        (failure(FailureKind.UNKNOWN_VERSION), "API_VERSION"),
        (failure(FailureKind.NOT_FOUND), "misspelt"),
        (failure(FailureKind.REFUSED), "the app's identity"),
        (None, "misspelt"),
    ],
)
def test_a_scope_that_failed_or_is_empty_has_a_line_of_its_own_with_what_to_do(
    found: Failure | None, remedy: str
) -> None:
    fakes = Fakes()
    if found is None:
        fakes.clusters.stored.clear()
    else:
        fakes.clusters.scope_failures = {SCOPE: found}
    fakes.reconcile()
    (line,) = fakes.log.of(LogEvent.SCOPE_FAILED)
    assert line.fields["scope"] == SCOPE.text
    assert remedy in str(line.fields["remedy"])


def test_a_scope_is_named_on_change_and_daily_with_since_when_and_anew_when_it_fails_again() -> None:
    fakes = Fakes()
    fakes.clusters.scope_failures = {SCOPE: failure(FailureKind.UNAVAILABLE, code="HTTP 503")}
    fakes.run(DAY + HOUR)
    lines = fakes.log.of(LogEvent.SCOPE_FAILED)
    assert len(lines) == 2
    assert len({line.fields["since"] for line in lines}) == 1
    fakes.clusters.scope_failures = {SCOPE: failure(FailureKind.REFUSED, code="AuthorizationFailed")}
    fakes.run(HOUR)
    assert len(fakes.log.of(LogEvent.SCOPE_FAILED)) == 3
    fakes.clusters.scope_failures = {}
    fakes.run(HOUR)
    fakes.clusters.scope_failures = {SCOPE: failure(FailureKind.REFUSED, code="AuthorizationFailed")}
    fakes.run(HOUR)
    assert len(fakes.log.of(LogEvent.SCOPE_FAILED)) == 4
    assert len(fakes.log.of(LogEvent.RECONCILE_FINISHED, logging.ERROR)) > 4, "the heartbeat says so each time"
