"""A day of log answers every question about a cluster, even where another line was lost."""

import logging

from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.vocabulary import Mode, Reason, Stage
from tests.unit.support.builders import CLUSTER, DAY, HOUR, KEY, MINUTE, REFUSED, V1, V2, V3, cluster, version
from tests.unit.support.worlds import Fakes


def last(fakes: Fakes) -> dict[str, object]:
    return dict(fakes.log.of(LogEvent.CLUSTER_STATUS)[-1].fields)


def test_what_is_so_of_a_cluster_is_said_daily_though_nothing_happens() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
    fakes.run(10 * DAY)
    lines = fakes.log.of(LogEvent.CLUSTER_STATUS)
    assert 10 <= len(lines) <= 12
    assert {line.level for line in lines} == {logging.INFO}
    assert last(fakes)["keyVersion"] == last(fakes)["newestVersion"] == V2
    assert (last(fakes)["reason"], last(fakes)["held"], last(fakes)["attentionSince"]) == (
        Reason.UP_TO_DATE,
        False,
        None,
    )


def test_observe_says_daily_what_is_behind() -> None:
    fakes = Fakes(mode=Mode.OBSERVE)
    fakes.run(3 * DAY)
    assert len(fakes.log.of(LogEvent.CLUSTER_STATUS)) >= 3
    assert (last(fakes)["keyVersion"], last(fakes)["newestVersion"]) == (V1, V2)
    assert last(fakes)["reason"] is Reason.VERSION_IS_BEHIND


def test_an_update_under_way_is_part_of_it_and_then_when_it_ended() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.run(5 * MINUTE)
    under_way = last(fakes)
    assert (under_way["stage"], under_way["toVersion"]) == (Stage.UPDATING, V2)
    assert under_way["startedAt"] == fakes.rotation.attempt.started_at
    fakes.run(HOUR)
    after = last(fakes)
    assert (after["stage"], after["toVersion"], after["keyVersion"]) == (None, None, V2)
    assert after["lastFinishedAt"] == fakes.rotation.outcome.finished_at
    assert after["keepOldVersionUntil"] == fakes.rotation.outcome.keep_old_version_until
    assert (after["oldVersion"], after["leftAt"]) == (V1, fakes.rotation.outcome.finished_at)
    assert (after["lastStage"], after["lastReason"]) == (Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED)
    assert (after["lastFromVersion"], after["lastToVersion"]) == (V1, V2)


def test_the_old_version_is_that_of_the_last_success_although_a_later_rotation_failed() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.run(HOUR)
    fakes.keys.listed[KEY] = (version(V1), version(V2), version(V3))
    fakes.clusters.refuses = REFUSED
    fakes.run(DAY + HOUR)
    assert (last(fakes)["lastStage"], last(fakes)["lastToVersion"]) == (Stage.FAILED, V3)
    assert last(fakes)["oldVersion"] == V1
    assert last(fakes)["keepOldVersionUntil"] is not None


def test_what_calls_for_a_person_is_said_with_since_when() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(state="Failed")
    fakes.run(DAY + HOUR)
    assert last(fakes)["reason"] is Reason.CLUSTER_FAILED
    assert last(fakes)["attentionSince"] == fakes.status.since
