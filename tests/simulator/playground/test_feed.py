import json
from datetime import UTC, datetime
from pathlib import Path

from simulator.playground.feed import Feed, Tail, told


def test_a_feed_shortens_versions_and_gives_what_is_new() -> None:
    feed = Feed(lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    feed.say("app", f"version {'0123456789abcdef' * 2} is in use")
    feed.say("fault", "a reset", bad=True)
    first, second = feed.after(0)
    assert (first.at, first.text) == ("03:04:05", "version 01234567 is in use")
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
