from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest

from cmk_rotation.cli import plain, tables
from cmk_rotation.cli.shown import UNKNOWN, Part
from cmk_rotation.cli.times import span
from cmk_rotation.domain.rotation import Step
from cmk_rotation.domain.visit_message import PoisonQueue
from cmk_rotation.domain.vocabulary import Action, KeyMode, Reason, Stage
from tests.unit.support.builders import (
    CLUSTER,
    MINUTE,
    NOW,
    claimed,
    over,
    status,
)


def shown(part: Callable[..., Iterable[Part]], *about: Any) -> str:
    return plain.text(part(*about))


SUCCEEDED = over(
    Stage.SUCCEEDED,
    Reason.UPDATE_CONFIRMED,
    started_at=NOW - 5 * MINUTE - timedelta(seconds=431.2),
    keep_old_version_until=NOW + timedelta(days=1),
)


def test_a_table_of_clusters_is_followed_by_what_somebody_should_do() -> None:
    called = status(
        attention_reason=Reason.IN_USE_DISABLED,
        reason=Reason.IN_USE_DISABLED,
        message="law-one: version 1 is disabled",
        remedy="Enable it.",
    )
    assert shown(tables.clusters, [called]) == (
        "cluster  key     in use    newest    state      held  reason           since\n"
        "law-one  la-cmk  11111111  11111111  Succeeded  -     in-use-disabled  2026-02-28 12:00Z\n"
        "\nlaw-one: version 1 is disabled\n  what to do: Enable it.\n"
    )


def test_a_cluster_that_is_held_is_shown_as_such_though_it_is_current() -> None:
    for actions in (None, {CLUSTER.key: Action.NOTHING}):
        _, row = shown(tables.clusters, [status(held=True)], actions).splitlines()
        assert "Succeeded  held  up-to-date" in row


def test_a_plan_adds_what_would_be_done_and_calls_for_attention_by_its_action() -> None:
    unknown = status(key_version=None, newest_version=None, mode=KeyMode.AUTO, cluster_state=None)
    table = shown(tables.clusters, [unknown], {CLUSTER.key: Action.ATTENTION})
    head, row, *rest = table.splitlines()
    assert head.endswith("decision")
    assert row.split()[2:5] == ["auto", UNKNOWN, UNKNOWN]
    assert row.endswith("attention")
    assert rest[-1] == "  what to do: Nothing to do."
    assert "what to do" not in shown(tables.clusters, [unknown], {CLUSTER.key: Action.NOTHING})


def test_a_table_of_rotations_says_how_long_each_took_and_until_when_the_old_version_must_stay() -> None:
    head, row, *rest = shown(tables.rotations, [SUCCEEDED]).splitlines()
    assert head.split("  ")[0] == "cluster"
    assert "7 min 11 s" in row
    assert row.endswith("2026-03-02 12:00Z")
    assert rest[-1].startswith("Other services may use an old version too")


def test_a_rotation_that_failed_says_why_and_what_to_do() -> None:
    text = shown(tables.rotations, [over(Stage.FAILED, Reason.UPDATE_FAILED, remedy="Repair it.", from_version=None)])
    assert text.endswith("\nupdate accepted\n  what to do: Repair it.\n")
    assert "Other services" not in text


def test_while_another_cluster_uses_the_old_version_no_end_of_its_time_is_shown() -> None:
    assert "another cluster uses it" in shown(tables.rotations, [over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED)])


def test_history_is_shown_step_by_step() -> None:
    text = shown(tables.history, [Step("claimed", NOW, claimed())])
    assert text.splitlines()[1].split("  ")[:3] == ["2026-03-01 12:00:00Z", "law-one", "claimed"]


def test_where_there_is_nothing_that_is_said() -> None:
    said = (shown(tables.clusters, []), shown(tables.rotations, []), shown(tables.history, []))
    assert said == ("No clusters.\n", "No rotations.\n", "No history.\n")


@pytest.mark.parametrize(
    ("poison", "text"),
    [
        (PoisonQueue(1), "1 message lies in the queue cluster-visits-poison: see "),
        (
            PoisonQueue(2, NOW),
            "2 messages lie in the queue cluster-visits-poison, since 2026-03-01T12:00:00.000Z at the latest: see ",
        ),
    ],
)
def test_messages_in_the_poison_queue_are_told(poison: PoisonQueue, text: str) -> None:
    assert shown(tables.poison, poison).startswith(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.9, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (431.2, "7 min 11 s"),
        (3600, "1 h"),
        (3660, "1 h 1 min"),
        (3601, "1 h"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations_are_shown_in_their_two_largest_units(seconds: float, text: str) -> None:
    assert span(timedelta(seconds=seconds)) == text
