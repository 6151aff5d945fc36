import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from simulator.playground.feed import Feed, Tail, asked, told
from simulator.wire.exchanges import Exchange
from simulator.wire.faults import FaultKind


def test_a_feed_shortens_versions_and_gives_what_is_new() -> None:
    feed = Feed(lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    feed.say("app", f"version {'0123456789abcdef' * 2} is in use")
    feed.say("fault", "a reset", bad=True)
    first, second = feed.after(0)
    assert (first.at, first.text) == ("2026-01-02 03:04:05", "version 01234567 is in use")
    assert feed.after(1) == [second]
    assert second.bad
    assert feed.wait(2, seconds=0.01) == []


def test_a_tail_gives_whole_lines_once(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    tail = Tail(path)
    assert tail.read() == []
    path.write_text('{"a": 1}\n{"a": 2', encoding="utf-8")
    assert tail.read() == [{"a": 1}]
    assert tail.read() == []
    with path.open("a", encoding="utf-8") as file:
        file.write("0}\n")
    assert tail.read() == [{"a": 20}]


def test_only_news_of_the_app_is_told() -> None:
    event = {"event": "update.sent", "clusterId": "/a/b/payments", "message": "an update is being sent"}
    assert told({"message": json.dumps(event), "level": "Information"}) == (
        "update.sent payments an update is being sent",
        False,
    )
    named = told({"message": json.dumps({**event, "message": "payments: it is sent"}), "level": "Information"})
    assert named == ("update.sent payments: it is sent", False)
    refused = told({"message": json.dumps({**event, "event": "update.refused"}), "level": "Error"})
    assert refused is not None
    assert refused[1]
    assert told({"message": json.dumps({**event, "event": "reconcile.finished"}), "level": "Error"}) is None
    assert told({"message": "Executing 'Functions.on_visit'", "level": "Information"}) is None


def test_bad_news_comes_with_what_to_do_and_a_success_with_how_long_the_old_version_stays() -> None:
    finished = {"event": "rotation.finished", "clusterId": "/a/payments", "message": "payments: it failed"}
    bad = told({"message": json.dumps({**finished, "remedy": "Repair it."}), "level": "Error"})
    assert bad == ("rotation.finished payments: it failed. What to do: Repair it.", True)
    fields = {**finished, "message": "payments: done", "remedy": "Wait.", "keepOldVersionUntil": "2026-01-03T03:04:05Z"}
    good = told({"message": json.dumps(fields), "level": "Information"})
    assert good is not None
    assert good[0].endswith("payments: done; keep the old version enabled until 2026-01-03T03:04:05Z at least")


@pytest.mark.parametrize(
    ("host", "path", "fault", "said"),
    [
        (
            "management.azure.com",
            "/subscriptions/s/providers/p/clusters/payments",
            FaultKind.ANSWER,
            "GET payments: 429",
        ),
        (
            "contoso.vault.azure.net",
            "/keys/la-cmk/versions",
            FaultKind.EMPTY_BODY,
            "GET contoso: 429 with an empty body",
        ),
        ("h.managedhsm.azure.net", "/keys", FaultKind.RESET, "GET h: cut off"),
        (
            "management.azure.com",
            "/l/operationStatuses/1",
            FaultKind.RESET_AFTER,
            "GET operations: applied (429), and the answer lost",
        ),
        (
            "a.table.core.windows.net",
            "/rotations",
            FaultKind.DELAY,
            "GET a.table.core.windows.net/rotations: 429, late",
        ),
    ],
)
def test_a_request_is_told_by_the_name_of_what_it_was_for(host: str, path: str, fault: FaultKind, said: str) -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    assert asked(Exchange(1, at, "GET", host, path, "", {}, b"", fault, 429)) == said
