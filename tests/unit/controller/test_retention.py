"""How long old versions must stay, and what it costs to know."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from cmk_rotation.controller.reconcile import reconcile
from cmk_rotation.controller.retention import keep_old_version, mend_index, pin_of, pinned_by
from cmk_rotation.domain.cluster_record import Pin, Record
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.vocabulary import KeyMode, Mode, Reason, Stage
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    HOUR,
    KEY,
    MINUTE,
    NOW,
    SECOND,
    V1,
    V2,
    V3,
    cluster,
    cluster_id,
    over,
    rotation,
    status,
)
from tests.unit.support.worlds import Fakes

TWO = cluster_id("law-two")

SUCCEEDED = over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED)


def until(fakes: Fakes, ended: Rotation = SUCCEEDED) -> datetime | None:
    """Until when the old version stays, asked once reconcile has mended the index."""
    mend_index(fakes.world, fakes.records.everything())
    return keep_old_version(fakes.world, ended).outcome.keep_old_version_until


def rows_read_by_a_rotation(fleet: int) -> int:
    """Of one cluster, in a fleet whose other clusters all stay on the old version; everything has been seen before."""
    fakes = Fakes()
    for number in range(1, fleet):
        other = cluster_id(f"law-{number}")
        fakes.clusters.stored[other] = cluster(id=other, held=True)
        fakes.records.put(status(cluster_id=other, mode=KeyMode.PINNED, key_version=V1, reason=Reason.ON_HOLD))
    mend_index(fakes.world, fakes.records.everything())
    fakes.visit()
    before = fakes.records.rows_read
    fakes.run(HOUR, reconcile=False)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert fakes.rotation.outcome.keep_old_version_until is None
    return fakes.records.rows_read - before


def test_a_rotation_reads_as_many_rows_among_a_hundred_clusters_as_among_a_dozen() -> None:
    assert rows_read_by_a_rotation(13) == rows_read_by_a_rotation(100) > rows_read_by_a_rotation(2)


@pytest.mark.parametrize("mode", [KeyMode.AUTO, KeyMode.NONE])
def test_only_clusters_that_pin_the_version_hold_it(mode: KeyMode) -> None:
    fakes = Fakes()
    fakes.records.put(status(cluster_id=cluster_id("law-two"), mode=mode, key_version=V1))
    assert until(fakes) == fakes.clock.now + DAY
    fakes.records.put(status(cluster_id=cluster_id("law-three"), mode=KeyMode.PINNED, key_version=V1.upper()))
    assert until(fakes) is None


def test_a_version_to_which_an_update_is_under_way_is_pinned() -> None:
    fakes = Fakes()
    fakes.records.put(rotation(cluster_id=TWO, from_version=V3, to_version=V1))
    assert until(fakes) is None


@pytest.mark.parametrize("others", [1, 10, 11, 30])
def test_up_to_ten_of_those_that_pin_the_version_are_named(others: int) -> None:
    fakes = Fakes()
    for number in range(others):
        fakes.records.put(status(cluster_id=cluster_id(f"law-{number:02}"), mode=KeyMode.PINNED, key_version=V1))
    mend_index(fakes.world, fakes.records.everything())
    names = keep_old_version(fakes.world, SUCCEEDED).outcome.old_version_pinned_by
    assert names == tuple(f"law-{number:02}" for number in range(min(others, 10))) + (("…",) if others > 10 else ())


def test_dozens_of_clusters_that_are_gone_do_not_hide_one_that_pins_the_version() -> None:
    fakes = Fakes()
    for number in range(30):
        gone = status(cluster_id=cluster_id(f"gone-{number}"), mode=KeyMode.PINNED, key_version=V1)
        fakes.records.put(replace(gone, reason=Reason.CLUSTER_GONE, since=NOW - DAY))
    assert until(fakes) is not None
    fakes.records.put(status(cluster_id=cluster_id("law-last"), mode=KeyMode.PINNED, key_version=V1))
    assert until(fakes) is None


# --- the index ------------------------------------------------------------------------------------------------------------


def test_an_update_is_in_the_index_before_it_is_sent_and_its_old_version_out_of_it_when_it_has_ended() -> None:
    fakes = Fakes()
    seen: list[set[str]] = []
    fakes.clusters.on_patch = lambda: seen.append({pin.version for _, pin in fakes.records.pins})
    fakes.reconcile()
    fakes.visit()
    fakes.run(HOUR, reconcile=False)
    assert seen == [{V2}]
    assert {pin.version for _, pin in fakes.records.pins} == {V2}


@pytest.mark.parametrize("mode", list(Mode))
def test_reconcile_writes_what_is_missing_in_the_index_and_deletes_what_is_too_much(mode: Mode) -> None:
    fakes = Fakes(mode=mode)
    fakes.clusters.stored[CLUSTER] = cluster(held=True)
    nobody = cluster_id("law-nobody")
    fakes.records.pins = {(CLUSTER, Pin(KEY, V3)), (nobody, Pin(KEY, V1))}
    fakes.run(HOUR)
    assert fakes.records.pins == {(CLUSTER, Pin(KEY, V1))}
    changed = fakes.effects.done.count("index")
    fakes.run(HOUR)
    assert fakes.effects.done.count("index") == changed, "and writes nothing where nothing is amiss"


def test_a_cluster_out_of_scope_pins_nothing() -> None:
    fakes = Fakes()
    elsewhere = cluster_id("law-two", subscription="f" * 8 + "-0000-0000-0000-" + "f" * 12)
    fakes.records.pins = {(elsewhere, Pin(KEY, V1))}
    assert keep_old_version(fakes.world, SUCCEEDED).outcome.keep_old_version_until is not None


@pytest.mark.parametrize(
    ("finished", "pins"),
    [(NOW - 6 * MINUTE, True), (NOW - 5 * MINUTE, False), (NOW - 4 * MINUTE, False), (None, False)],
    ids=["before its row was written", "at that moment", "since", "nobody knows when"],
)
def test_a_cluster_that_has_left_since_its_row_was_written_pins_nothing(
    finished: datetime | None, *, pins: bool
) -> None:
    """Before: then it went back to the version that its row shows."""
    fakes = Fakes()
    left = over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, finished_at=finished)
    record = Record(status(mode=KeyMode.PINNED, key_version=V1), (left,))
    assert bool(pinned_by(fakes.world, {CLUSTER: record}, ())) is pins


@pytest.mark.parametrize(("since", "pins"), [(NOW - MINUTE + SECOND, True), (NOW - MINUTE, False)])
def test_one_answer_that_a_cluster_is_gone_may_be_wrong(since: datetime, *, pins: bool) -> None:
    gone = status(mode=KeyMode.PINNED, key_version=V1, reason=Reason.CLUSTER_GONE, since=since)
    assert bool(pinned_by(Fakes().world, {CLUSTER: Record(gone)}, ())) is pins


def test_where_there_was_no_version_before_nothing_has_to_stay() -> None:
    fakes = Fakes()
    assert until(fakes, replace(SUCCEEDED, from_version=None)) is None


def two_that_move_together() -> Fakes:
    fakes = Fakes()
    fakes.clusters.stored[TWO] = cluster(id=TWO)
    fakes.visit(CLUSTER)
    fakes.visit(TWO)
    return fakes


def once(owner: object, name: str, then: Callable[[], None]) -> None:
    """Let something happen before the first call that follows."""
    call = getattr(owner, name)

    def first(*args: object, **named: object) -> object:
        setattr(owner, name, call)
        then()
        return call(*args, **named)

    setattr(owner, name, first)


@pytest.mark.parametrize("moment", ["published", "asked", "saved"])
def test_of_clusters_that_end_together_the_last_tells_until_when_the_old_version_stays(moment: str) -> None:
    """While one is being published, asks who else pins the version, or is about to be saved, the other comes to its end."""
    fakes = two_that_move_together()

    def other_ends() -> None:
        ended = {one.cluster_id for one in fakes.records.rotations.values() if one.stage is Stage.SUCCEEDED}
        for left in {CLUSTER, TWO} - ended:
            fakes.visit(left)

    if moment == "published":
        once(fakes.outcomes, "publish", other_ends)
    elif moment == "asked":
        once(fakes.records, "pinning", other_ends)
    else:
        fakes.records.before_save = lambda row: before_the_end(fakes, row)
    fakes.run(2 * HOUR, reconcile=False)
    told = [line.fields["keepOldVersionUntil"] for line in fakes.log.of(LogEvent.ROTATION_FINISHED)]
    assert len(told) == 2
    assert any(told), "somebody has to say until when"
    assert any(data["keepOldVersionUntil"] for _, _, data in fakes.outcomes.published)


def before_the_end(fakes: Fakes, row: object) -> None:
    if getattr(row, "stage", None) is Stage.SUCCEEDED:
        fakes.records.before_save = None
        fakes.visit(TWO if getattr(row, "cluster_id", None) == CLUSTER else CLUSTER)


def test_reconcile_leaves_an_end_alone_that_is_being_said() -> None:
    fakes = two_that_move_together()

    def other_ends_and_reconcile_sees_both() -> None:
        fakes.visit(CLUSTER)
        fakes.visit(TWO)
        reconcile(fakes.world)

    once(fakes.outcomes, "publish", other_ends_and_reconcile_sees_both)
    fakes.run(2 * HOUR)
    assert len(fakes.log.of(LogEvent.ROTATION_FINISHED)) == 2, "one line for each rotation"
    assert len(fakes.outcomes.published) == 2, "and one event"


def test_who_pins_an_old_version_is_kept_up_to_date_and_is_no_step_of_history() -> None:
    fakes = two_that_move_together()
    third, fourth = cluster_id("law-three"), cluster_id("law-four")
    fakes.clusters.stored[third] = cluster(id=third, held=True)
    fakes.run(2 * HOUR)

    def pinned() -> list[tuple[str, ...]]:
        ended = [one for one in fakes.records.rotations.values() if one.from_version == V1]
        return [one.outcome.old_version_pinned_by for one in ended]

    assert pinned() == [("law-three",)] * 2
    steps = len(fakes.records.steps)
    fakes.clusters.stored[fourth] = cluster(id=fourth, held=True)
    fakes.run(2 * HOUR)
    assert pinned() == [("law-four", "law-three")] * 2
    assert len(fakes.records.steps) == steps


def test_an_index_that_cannot_be_mended_costs_no_heartbeat() -> None:
    fakes = Fakes()
    fakes.clusters.stored[CLUSTER] = cluster(held=True)
    fakes.visit()
    fakes.effects.failing_names = frozenset({"index"})
    fakes.reconcile()
    assert len(fakes.log.of(LogEvent.RECONCILE_FINISHED)) == 1
    assert fakes.records.pins == set()


@pytest.mark.parametrize("written", ["a/b", "v" * 2_000, "a#b", ""])
def test_what_somebody_wrote_in_place_of_a_version_is_no_key_of_the_index(written: str) -> None:
    assert pin_of(KEY, written) is None
    assert pin_of(KEY, V1) == Pin(KEY, V1)


def test_a_row_with_no_version_where_one_belongs_stops_nothing() -> None:
    fakes = Fakes()
    fakes.records.put(over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, from_version="x/y", announced=False))
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
    fakes.run(30 * MINUTE)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert fakes.log.of(LogEvent.VISIT_FAILED) == []
