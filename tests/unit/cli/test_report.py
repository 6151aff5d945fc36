"""The page, seen in a real browser: at the width of a phone and of a desk, light and dark, on paper, with hostile names."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cmk_rotation.cli.commands import main
from cmk_rotation.domain.azure_resources import AccountKey, OperationError
from cmk_rotation.domain.cluster_record import LinkedStorage
from cmk_rotation.domain.identifiers import Key, StorageId
from cmk_rotation.domain.rotation import Rotation, Step
from cmk_rotation.domain.visit_message import PoisonQueue
from cmk_rotation.domain.vocabulary import KeyMode, Reason, Stage
from tests.unit.cli.browser import look
from tests.unit.cli.sign_in import signed_in
from tests.unit.support.builders import (
    DAY,
    HOUR,
    KEY_NAME,
    NOW,
    SUBSCRIPTION,
    V1,
    V2,
    V3,
    VAULT,
    claimed,
    cluster_id,
    must,
    over,
    status,
)
from tests.unit.support.worlds import Fakes

HOSTILE = (
    "<script>alert(1)</script><img src=https://evil.example/x.png onerror=alert(2)>\"'&{{7*7}}{% raw %}"
    "<style>body{display:none}</style></p></section><h1>all is well</h1>\u202egnp.exe\x1b[2J"
)
LONG = "x" * 400
SEEN = re.sub("[\u202e]|\x1b\\[2J", "", HOSTILE)
VIEWS: Sequence[dict[str, Any]] = (
    {"width": 360, "scheme": "light"},
    {"width": 360, "scheme": "dark"},
    {"width": 962, "scheme": "light"},
    {"width": 1280, "scheme": "light"},
    {"width": 1280, "scheme": "dark"},
    {"width": 800, "media": "print", "scheme": "dark"},
)


def on_record(fakes: Fakes) -> None:
    """A fleet in every state that the page has a place for."""
    one, two, three, four = (cluster_id(name) for name in ("payments", "web-shop", "reporting", "archive"))
    succeeded = over(
        Stage.SUCCEEDED,
        Reason.UPDATE_CONFIRMED,
        cluster_id=one,
        started_at=NOW - HOUR,
        keep_old_version_until=NOW + DAY,
        correlation_id="c0ffee00-0000-4000-8000-000000000001",
    )
    kept = over(
        Stage.SUCCEEDED,
        Reason.CONFIRMED_BY_CLUSTER,
        cluster_id=four,
        from_version=V3,
        started_at=NOW - timedelta(minutes=20),
        old_version_pinned_by=("ledger",),
    )
    failed = over(
        Stage.FAILED,
        Reason.UPDATE_FAILED,
        cluster_id=two,
        attempts=3,
        message=HOSTILE,
        remedy=f"{LONG} {HOSTILE}",
        operation_error=OperationError(HOSTILE, HOSTILE),
        key_name=HOSTILE,
        event_id=HOSTILE,
    )
    fakes.records.put(
        succeeded,
        kept,
        failed,
        claimed(cluster_id=three),
        status(cluster_id=one, key_version=V2, newest_version=V2, key_version_expires_at=NOW + 10 * DAY),
        status(
            cluster_id=two,
            attention_reason=Reason.UPDATE_FAILED,
            reason=Reason.UPDATE_FAILED,
            message=HOSTILE,
            remedy=HOSTILE,
            key_name=LONG,
            cluster_state=HOSTILE,
            key_version_expires_at=NOW - DAY,
        ),
        status(cluster_id=three, mode=KeyMode.AUTO, key_version=None, next_visit_at=NOW + timedelta(minutes=5)),
        status(cluster_id=four, key_version=V2, held=True, key_version_expires_at=NOW + 300 * DAY),
    )
    account = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts"
    behind = LinkedStorage(
        must(StorageId.parse(f"{account}/saved")),
        (one, four),
        Reason.STORAGE_BEHIND,
        NOW,
        HOSTILE,
        HOSTILE,
        NOW,
        AccountKey(VAULT, KEY_NAME, V3),
        V2,
    )
    dark = replace(behind, id=must(StorageId.parse(f"{account}/dark")), reason=Reason.STORAGE_UNREAD, account_key=None)
    for storage in (
        behind,
        dark,
        replace(dark, id=must(StorageId.parse(f"{account}/past")), reason=Reason.STORAGE_UNLINKED),
    ):
        fakes.records.save_storage(storage)
    busy = replace(succeeded, reason=Reason.CLUSTER_BUSY)
    fakes.records.steps = [Step("waiting", NOW - HOUR, busy), Step("finished", NOW, succeeded)]


def test_the_page_tells_of_the_poison_queue_and_that_it_could_not_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fakes = Fakes()
    signed_in(fakes, monkeypatch)
    assert main(["report"]) == 0
    assert "cluster-visits-poison" not in capsys.readouterr().out
    fakes.requests.poison = PoisonQueue(2)
    assert main(["report"]) == 0
    assert '<p class="bad">2 messages lie in the queue cluster-visits-poison: see docs/' in capsys.readouterr().out
    fakes.effects.failing_names = frozenset({"poison_queue"})
    assert main(["report"]) == 0
    assert '<p class="waiting">What lies in the queue cluster-visits-poison could not' in capsys.readouterr().out


def test_each_row_is_read_a_few_times_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = Fakes()
    for number in range(200):
        ended = over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, cluster_id=cluster_id(f"law-{number}"))
        fakes.records.put(ended)
        fakes.records.steps += [
            Step("waiting", NOW, replace(ended, reason=Reason.CLUSTER_BUSY)),
            Step("end", NOW, ended),
        ]
    signed_in(fakes, monkeypatch)
    reads: list[Rotation] = []

    def key(one: Rotation) -> Key | None:
        reads.append(one)
        return Key.of(one.key_vault_uri, one.key_name)

    monkeypatch.setattr(Rotation, "key", property(key))
    assert main(["report"]) == 0
    assert len(reads) < 10 * len(fakes.records.steps)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page about them."""
    fakes = Fakes()
    on_record(fakes)
    signed_in(fakes, monkeypatch)
    path = tmp_path / "report.html"
    assert main(["report", "--output", str(path)]) == 0
    return path


def test_the_page_is_seen_as_it_is_meant_everywhere(page: Path) -> None:
    seen = look(page, VIEWS)
    for view, shown in zip(VIEWS, seen, strict=True):
        assert shown["scrollWidth"] <= shown["width"], (view, shown["wider"])
        assert shown["wider"] == [], view
        assert shown["faint"] == [], f"text that is hard to read: {view}"
        assert (shown["requests"], shown["dialogs"], shown["errors"]) == ([], [], []), view
        assert shown["headless"] == 0, "a table without a caption, column heads or row heads"
        assert all(after - before <= 1 for before, after in zip(shown["headings"], shown["headings"][1:], strict=False))
        assert shown["headings"].count(1) == 1, "no heading of a stranger's"
        assert not {"script", "img", "iframe", "link", "object"} & set(shown["elements"])
    light, dark, *_ = (shown["background"] for shown in seen)
    assert light == "rgb(255, 255, 255)" != dark
    assert seen[-1]["background"] == light, "paper is white"


def test_hostile_texts_are_seen_as_texts_and_obeyed_by_nothing(page: Path) -> None:
    (shown,) = look(page, [{"width": 1280}])
    assert shown["text"].count("<script>alert(1)</script>") >= 5
    assert SEEN in shown["text"]
    assert "{{7*7}}" in shown["text"]
    assert shown["title"].startswith("Key rotations, 2026-03-01")
    assert not re.search("[\x1b\u202e]", page.read_text(encoding="ascii"))


def test_the_page_says_what_is_asked_of_it(page: Path) -> None:
    (shown,) = look(page, [{"width": 1280}])
    text = re.sub(r"\s+", " ", shown["text"])
    for told in (
        "As recorded at 2026-03-01 12:00Z, mode enforce",
        "4 clusters on record 1 in need of a person 1 under way 1 held by an operator 1 following their key by themselves",
        "2 verified rotations 1 failed rotations, not mended",
        "2026-03-11 12:00Z (in 10 d): payments: the key version in use expires",
        f"2026-03-02 12:00Z (in 1 d): version {V1} of la-cmk may be disabled from then on",
        "2026-03-01 12:05Z (in 5 min): reporting: next visit",
        "55 min cluster-busy succeeded (update-confirmed)",
        "failed (update-failed), 3 attempts",
        f"{V3} not yet: used by ledger, storage account saved",
        f"saved payments, archive la-cmk {V3} {V2} pinned storage-behind, 2026-03-01 12:00Z",
        "Whether linked storage uses one could not be read of dark.",
        f"{V1} from 2026-03-02 12:00Z on",
        "c0ffee00-0000-4000-8000-000000000001 attempt-1 yes",
    ):
        assert told in text, told


def test_it_goes_to_standard_output_or_as_json_to_a_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fakes = Fakes()
    on_record(fakes)
    signed_in(fakes, monkeypatch)
    assert main(["report"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("<!DOCTYPE html>")
    assert out.isascii()
    assert err == ""
    words = ["report", "--json", "--since", "2026-03-01T11:55"]
    assert main(words) == 0
    text = capsys.readouterr().out
    file = tmp_path / "report.json"
    assert main([*words, "--output", str(file)]) == 0
    assert (file.read_text(encoding="ascii"), capsys.readouterr().out) == (text, f"The record is {file}.\n")
    told = json.loads(text)
    assert {*told} == {"clusters", "rotations", "history", "poisonMessages"}
    assert [step["step"] for step in told["history"]] == ["finished"]


def test_what_cannot_be_written_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in(Fakes(), monkeypatch)
    assert main(["report", "--output", str(tmp_path / "nowhere" / "page.html")]) == 64
    assert "cannot be written: No such file" in capsys.readouterr().err


def test_an_empty_record_makes_a_page_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_in(Fakes(), monkeypatch)
    assert main(["report", "--output", str(tmp_path / "page.html")]) == 0
    (shown,) = look(tmp_path / "page.html", [{"width": 360}])
    assert shown["text"].count("None on record.") == 4


def test_without_its_template_engine_the_command_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in(Fakes(), monkeypatch)
    monkeypatch.delitem(sys.modules, "cmk_rotation.cli.page", raising=False)
    monkeypatch.delattr("cmk_rotation.cli.page", raising=False)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert main(["report"]) == 64
    assert "'.[cli]'" in capsys.readouterr().err
