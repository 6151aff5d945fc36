"""A visit reads what its decision needs of a record of years, and decides as if it had read all of it."""

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cmk_rotation.domain.azure_resources import KeyVersion, Workspace
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.timing import LATELY
from cmk_rotation.domain.vocabulary import Mode, Reason, Stage
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    HOUR,
    KEY,
    MINUTE,
    NOW,
    UNAVAILABLE,
    V1,
    V2,
    V3,
    WORKSPACE,
    changed,
    cluster,
    over,
    status,
    version,
)
from tests.unit.support.worlds import Fakes

if TYPE_CHECKING:
    from cmk_rotation.domain.cluster_record import ClusterStatus

LONG_AGO = NOW - 400 * DAY


def old(from_version: str, to_version: str, ago: timedelta = 300 * DAY, **changes: object) -> Rotation:
    """A rotation that ended long ago, of which everybody has heard."""
    ended = NOW - ago
    return over(
        Stage.SUCCEEDED,
        Reason.UPDATE_CONFIRMED,
        from_version=from_version,
        to_version=to_version,
        started_at=ended - HOUR,
        finished_at=ended,
        announced=True,
        published=True,
        **changes,
    )


def versions(*names: str) -> tuple[KeyVersion, ...]:
    """Some versions, each a year old, in this order."""
    return tuple(version(name, created_at=LONG_AGO + number * DAY) for number, name in enumerate(names))


def of_yesterday() -> Rotation:
    """One that worked, that this app did not send, and that explains nothing of what the cluster is on."""
    return changed(old("e" * 32, "f" * 32, DAY), started_at=None)


def years(fakes: Fakes, count: int) -> None:
    """Put a rotation a month on record; the cluster is on the newest version."""
    names = [f"{number:032x}" for number in range(1, count + 2)]
    for number, (before, after) in enumerate(itertools.pairwise(names)):
        fakes.records.put(old(before, after, (count - number) * 30 * DAY))
    fakes.keys.listed[KEY] = versions(*names)
    fakes.clusters.stored[CLUSTER] = cluster(key_version=names[-1])
    fakes.records.put(status(key_version=names[-1], newest_version=names[-1], looked_at=NOW - HOUR))


@pytest.mark.parametrize("months", [3, 60])
def test_a_rotation_reads_as_many_rows_after_five_years_as_after_a_quarter(months: int) -> None:
    fakes = Fakes()
    years(fakes, months)
    fakes.keys.listed[KEY] += (version(V2, created_at=NOW),)
    before = fakes.records.rows_read
    fakes.clusters.lasts = 2 * HOUR
    fakes.visit()
    fakes.run(3 * HOUR, reconcile=False)
    assert fakes.finished == [Stage.SUCCEEDED]
    looks = len(fakes.log.of(LogEvent.VISIT_DECIDED))
    assert looks > 20
    assert fakes.records.rows_read - before <= 4 * (looks + 3)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_cluster_that_left_its_newest_version_years_ago_is_found_put_back(mode: Mode) -> None:
    fakes = Fakes(mode=mode)
    fakes.keys.listed[KEY] = versions(V1, V2)
    fakes.records.put(old(V1, V2), of_yesterday(), status(reason=Reason.UP_TO_DATE, key_version=V2))
    fakes.visit()
    assert fakes.status.reason is Reason.MOVED_BACK
    assert fakes.clusters.sent == []
    assert [line.fields["reason"] for line in fakes.log.of(LogEvent.VISIT_DECIDED)] == [Reason.MOVED_BACK]


def test_an_event_about_a_cluster_at_rest_for_a_year_changes_nothing() -> None:
    fakes = Fakes()
    fakes.keys.listed[KEY] = versions(V1, V2)
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
    ended = old(V1, V2)
    fakes.records.put(ended, status(key_version=V2, newest_version=V2))
    fakes.visit()
    assert fakes.status.reason is Reason.UP_TO_DATE
    assert fakes.finished == []
    assert replace(fakes.rotation, etag=None) == replace(ended, etag=None)
    (said,) = fakes.log.of(LogEvent.CLUSTER_STATUS)
    assert (said.fields["lastToVersion"], said.fields["leftAt"]) == (V2, ended.outcome.finished_at)


def test_what_is_said_of_a_cluster_names_its_last_rotation_however_long_ago_that_was() -> None:
    fakes = Fakes()
    fakes.keys.failure = UNAVAILABLE
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
    refused = replace(old(V1, V3, 350 * DAY), stage=Stage.FAILED, reason=Reason.UPDATE_REFUSED)
    fakes.records.put(refused, old(V1, V2), status(key_version=V2, newest_version=V2))
    fakes.visit()
    assert fakes.status.reason is Reason.KEY_UNREACHABLE
    (said,) = fakes.log.of(LogEvent.CLUSTER_STATUS)
    assert said.fields["lastToVersion"] == V2


def test_a_version_that_was_reached_long_ago_is_known_though_another_rotation_ended_lately() -> None:
    fakes = Fakes()
    fakes.keys.listed[KEY] = versions(V1, V2)
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
    fakes.records.put(old(V1, V2), of_yesterday(), status(key_version=V2, newest_version=V2))
    written: list[Rotation | ClusterStatus] = []
    fakes.records.before_save = written.append
    fakes.visit()
    assert fakes.status.reason is Reason.UP_TO_DATE
    assert fakes.finished == []
    assert not [row for row in written if isinstance(row, Rotation)]


def test_a_busy_cluster_that_was_put_back_is_not_told_to_wait_for_its_update() -> None:
    fakes = Fakes()
    fakes.keys.listed[KEY] = versions(V1, V2)
    fakes.clusters.stored[CLUSTER] = cluster(state="Updating")
    fakes.records.put(old(V1, V2), of_yesterday(), status(key_version=V2))
    fakes.visit()
    assert fakes.status.reason is Reason.MOVED_BACK


def with_an_old_failure(state: str) -> Fakes:
    """A first update was refused long ago, the next worked, and the newest version is new."""
    fakes = Fakes()
    fakes.keys.listed[KEY] = (*versions(V1, V2), version(V3, created_at=NOW))
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2, state=state)
    refused = replace(old(V1, "d" * 32, 350 * DAY), stage=Stage.FAILED, reason=Reason.UPDATE_REFUSED)
    fakes.records.put(refused, old(V1, V2), of_yesterday(), status(key_version=V2))
    return fakes


def test_a_failed_cluster_whose_last_update_of_ours_worked_long_ago_is_not_touched() -> None:
    fakes = with_an_old_failure("Failed")
    fakes.visit()
    assert fakes.status.reason is Reason.CLUSTER_FAILED
    assert fakes.clusters.sent == []


def test_a_cluster_that_fails_between_the_two_looks_is_not_updated() -> None:
    fakes = with_an_old_failure("Succeeded")

    def fails(_: object) -> None:
        fakes.clusters.stored[CLUSTER] = replace(fakes.clusters.stored[CLUSTER], state="Failed")

    fakes.records.before_save = fails
    fakes.visit()
    assert fakes.clusters.sent == []


def test_without_a_rotation_in_sight_an_operation_is_not_read_twice() -> None:
    fakes = Fakes()
    fakes.keys.listed[KEY] = (*versions(V1, V2), version(V3, created_at=NOW))
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
    fakes.records.put(old(V1, V2), status(key_version=V2))
    fakes.clusters.lasts = HOUR
    fakes.visit()
    reads = fakes.clusters.operation_reads
    fakes.visit()
    assert fakes.clusters.operation_reads == reads + 1


def test_an_update_that_fails_is_called_out_once_and_not_again_for_the_cluster_that_it_leaves_failed() -> None:
    fakes = Fakes()
    fakes.keys.listed[KEY] = (*versions(V1, V2), version(V3, created_at=NOW))
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
    fakes.records.put(old(V1, V2, 30 * DAY), status(key_version=V2))
    fakes.clusters.leaves = "Failed"
    fakes.visit()
    fakes.run(30 * MINUTE, reconcile=False)
    assert fakes.status.reason is Reason.CLUSTER_FAILED
    assert fakes.log.errors == ["rotation.finished"]


@pytest.mark.parametrize(
    "lately",
    [
        replace(old(V2, V3, DAY), stage=Stage.FAILED),
        replace(old(V2, V3, DAY), stage=Stage.SUPERSEDED),
        replace(old(V2, V3, DAY), from_version=None),
    ],
    ids=["failed", "overtaken", "first seen"],
)
def test_what_is_said_of_a_cluster_names_the_version_that_it_left_last(lately: Rotation) -> None:
    """What ended lately has left none, and an earlier one that was left has had to stay until lately."""
    fakes = Fakes()
    before, first = "a" * 32, "b" * 32
    fakes.keys.failure = UNAVAILABLE
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
    fakes.records.put(
        old(before, first, 90 * DAY, keep_old_version_until=NOW - DAY),
        old(first, V2, 60 * DAY, keep_old_version_until=NOW - 59 * DAY),
        lately,
        status(key_version=V2),
    )
    fakes.visit()
    (said,) = fakes.log.of(LogEvent.CLUSTER_STATUS)
    assert said.fields["oldVersion"] == first


def test_an_old_version_that_must_stay_is_watched_however_long_ago_it_was_left() -> None:
    """Another cluster was on it until yesterday."""
    fakes = Fakes()
    fakes.keys.listed[KEY] = (replace(versions(V1)[0], enabled=False), *versions(V1, V2)[1:])
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
    fakes.records.put(old(V1, V2, keep_old_version_until=NOW + HOUR), of_yesterday(), status(key_version=V2))
    fakes.visit()
    assert [one.version for one in fakes.status.alerts.disabled_early] == [V1]
    assert len(fakes.log.of(LogEvent.OLD_VERSION_DISABLED_EARLY)) == 1


@pytest.mark.parametrize("mode", list(Mode))
def test_a_workspace_that_failed_long_ago_is_failed_still_where_it_cannot_be_read(mode: Mode) -> None:
    fakes = Fakes(mode=mode)
    fakes.keys.listed[KEY] = versions(V1, V2)
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2, workspace_ids=(WORKSPACE,))
    fakes.clusters.workspaces[WORKSPACE] = UNAVAILABLE
    ended = old(V1, V2, linked_workspaces=(Workspace(WORKSPACE, "Failed"),))
    called = status(reason=Reason.WORKSPACE_FAILED, attention_reason=Reason.WORKSPACE_FAILED, key_version=V2)
    fakes.records.put(ended, of_yesterday(), called)
    fakes.visit()
    assert fakes.status.reason is Reason.WORKSPACE_FAILED


def test_an_outcome_that_nobody_heard_of_is_told_by_the_visit_that_reconcile_asks_for() -> None:
    fakes = Fakes()
    fakes.keys.listed[KEY] = versions(V1, V2, V3)
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V3)
    unheard = changed(old(V1, V2), announced=False, published=False)
    fakes.records.put(unheard, old(V2, V3, DAY), status(key_version=V3, newest_version=V3))
    fakes.reconcile()
    fakes.run(HOUR, reconcile=False)
    assert fakes.finished == [Stage.SUCCEEDED]


def test_lately_is_longer_than_a_month() -> None:
    """Where a key rotates once a month, its last rotation is in sight."""
    assert timedelta(days=31) < LATELY < timedelta(days=90)
