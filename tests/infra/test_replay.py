"""Days of the app's own lines, through every alert rule and tile: `make replay` does it for a week and four hundred clusters."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from tests.infra import replay
from tests.infra.arrivals import Log, Row, Seen
from tests.infra.incidents import Days, live_through
from tests.infra.kusto import Query
from tests.infra.replay import Rules

DEAD = 3
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Days:
    return live_through(tmp_path_factory.mktemp("replay"), 3, DEAD)


@pytest.fixture(scope="module")
def watched(days: Days) -> Rules:
    return replay.replayed(days, replay.arriving(days.lines, 1))


@pytest.fixture(scope="module")
def ask() -> dict[str, Query]:
    return replay.tiles()


def test_each_incident_is_told_once_a_day_and_nothing_else_is(watched: Rules) -> None:
    """Whatever is lost, late or said twice on the way; the old version is disabled twice on one day."""
    told = {(rule, *about[-1:]): counts for (rule, about), counts in replay.calls(watched).items()}
    by_date = ("old-version-disabled-early", "key-lost")
    assert [len(counts) for (rule, *_), counts in told.items() if rule in by_date] == [2, 2]
    named = {rule: counts for (rule, *_), counts in told.items() if rule not in by_date}
    assert len(told) == len(named) + len(by_date), "one call for each incident"
    assert named == {
        "silent": [""],
        "scope-failed": ["1", "2", "3"],
        "key-expiring": ["20", "19", "18"],
        "rotation-failed": ["1", "2"],
        "update-overdue": ["1"],
        "cluster-attention": ["1"],
    }


def test_what_is_over_is_resolved_and_nobody_is_flooded(watched: Rules) -> None:
    assert watched.failed == []
    assert {rule for rule, fired in watched.fired.items() if fired} == {"scope-failed", "key-expiring"}
    assert max(Counter((mail.rule, mail.at.date()) for mail in watched.mails).values()) <= 4


def test_the_answers_are_what_is_on_record(days: Days, ask: dict[str, Query]) -> None:
    right = replay.answers(days, replay.at_once(days.lines), ask)
    assert {name: right[name] for name in replay.on_record(days)} == replay.on_record(days)
    assert len(right["clusters"]) == DEAD + 5
    assert right["rotations"]
    assert right["old-versions"]


def test_one_lost_line_makes_no_answer_wrong_a_day_later(days: Days, ask: dict[str, Query]) -> None:
    assert len(replay.one_of_each(replay.at_once(days.lines), days.ended)) > 50
    assert replay.lost(days, ask) == []


def test_it_would_be_noticed_if_a_line_were_missed(days: Days, ask: dict[str, Query]) -> None:
    """Without what is said daily, a lost `rotation.finished` leaves an answer wrong for good."""
    fewer = replay.at_once(line for line in days.lines if "cluster.status" not in line["Message"])
    right = replay.answers(days, replay.at_once(days.lines), ask)
    said = [line.row["Message"] for line in fewer.rows]
    (lost, *_) = [at for at, line in enumerate(said) if "rotation.finished" in line and "on-behind" in line]
    without = replay.answers(days, fewer, ask, lost=lost)
    assert [one for one, _ in without["under-way"]] == [
        one for one, *_ in right["clusters"] if one.endswith("on-behind")
    ]


def test_every_tile_has_an_answer_with_rows_and_without_a_table(days: Days, ask: dict[str, Query]) -> None:
    in_the_middle = days.began + timedelta(hours=18)
    lines = Seen(replay.at_once(days.lines), in_the_middle, days.began)
    for name, query in ask.items():
        assert query(days.ended, {}) == []
        if name != "delivery-failures":
            assert query(in_the_middle, {"AppTraces": lines}), name
    in_need = {row["Cluster"] for row in ask["attention"](in_the_middle, {"AppTraces": lines})}
    assert in_need == {"on-refused", "on-behind", "on-linked", *(f"dead-{number:03}" for number in range(DEAD))}


def attention(cluster: int, reason: str, days: Days) -> Row:
    line = {
        "event": "cluster.attention",
        "clusterId": f"/subscriptions/a/resourceGroups/b/providers/M/clusters/c{cluster}",
        "vault": "contoso.vault.azure.net",
        "keyName": f"key-{cluster}",
        "fromVersion": "1",
        "reason": reason,
        "since": days.began.isoformat(),
    }
    return {"TimeGenerated": days.began, "Message": json.dumps(line), "SeverityLevel": 3}


@pytest.mark.parametrize("reason", ["cluster-unreachable", "update-refused", "in-use-disabled"])
def test_one_cause_on_four_hundred_clusters_with_keys_of_their_own_is_a_handful_of_mails(
    days: Days, reason: str
) -> None:
    """They come within a quarter of an hour, and stay."""
    lines = [attention(number, reason, days) for number in range(400)]
    short = Days(lines, [], days.began, days.began + 12 * replay.EVERY)
    watched = replay.replayed(short, replay.arriving(lines, 1))
    mails = [mail for mail in watched.mails if mail.rule != "silent"]
    assert watched.failed == []
    assert 1 <= len(mails) <= 12
    assert any(("Key", "more than five") in mail.about for mail in mails)


def test_more_combinations_than_azure_takes_are_noticed() -> None:
    watched = Rules([])
    many = range(replay.MOST_COMBINATIONS + 1)
    watched.rules = [replay.Rule("many", lambda *_: [{"A": one} for one in many], ("A",), replay.EVERY)]  # type: ignore[arg-type]
    watched.evaluate(Log([]), NOW)
    assert watched.failed == ["many"]
