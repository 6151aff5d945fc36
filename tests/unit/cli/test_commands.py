"""What commands say, and with which exit code: 0 only if every cluster is known to be as it should be."""

import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cmk_rotation.cli.commands import main
from cmk_rotation.domain.azure_resources import UnreadableEntry
from cmk_rotation.domain.cluster_record import LinkedStorage
from cmk_rotation.domain.identifiers import StorageId
from cmk_rotation.domain.vocabulary import FailureKind, Reason, Stage
from tests.unit.cli.sign_in import signed_in
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    GONE,
    HOUR,
    KEY,
    MINUTE,
    NOW,
    REFUSED,
    SCOPE,
    UNAVAILABLE,
    V2,
    V3,
    cluster,
    cluster_id,
    failure,
    must,
    over,
    status,
    version,
)
from tests.unit.support.worlds import Fakes


def on_hold(fakes: Fakes) -> None:
    fakes.clusters.stored[CLUSTER] = cluster(held=True)


def busy(fakes: Fakes) -> None:
    fakes.clusters.stored[CLUSTER] = cluster(state="Updating")


def under_way(fakes: Fakes) -> None:
    fakes.visit()
    fakes.clock.now += MINUTE


def under_way_and_showing_the_target(fakes: Fakes) -> None:
    under_way(fakes)
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2, state="Updating")


def arm_is_down(fakes: Fakes) -> None:
    fakes.clusters.get_failure = UNAVAILABLE


def vault_is_down(fakes: Fakes) -> None:
    fakes.keys.failure = UNAVAILABLE


def key_of_an_automatic_cluster_may_not_be_read(fakes: Fakes) -> None:
    fakes.clusters.stored[CLUSTER] = cluster(key_version=None)
    fakes.keys.failure = failure(FailureKind.REFUSED)


def scope_failed(fakes: Fakes) -> None:
    moved(fakes)
    fakes.clusters.scope_failures[SCOPE] = UNAVAILABLE


def scope_is_empty(fakes: Fakes) -> None:
    fakes.clusters.stored.clear()


def behind(fakes: Fakes) -> None:
    assert fakes.clusters.stored


def in_use_disabled(fakes: Fakes) -> None:
    fakes.keys.listed[KEY] = (version(enabled=False), version(V2))


def moved(fakes: Fakes) -> None:
    fakes.visit()
    fakes.run(HOUR)


def automatic(fakes: Fakes) -> None:
    fakes.clusters.stored[CLUSTER] = cluster(key_version=None)


def without_a_key(fakes: Fakes) -> None:
    fakes.clusters.stored[CLUSTER] = cluster(key_vault_uri=None, key_name=None, key_version=None)


def on_hold_and_on_the_newest(fakes: Fakes) -> None:
    moved(fakes)
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2, held=True)


def another_one_is_known_to_be_gone(fakes: Fakes) -> None:
    moved(fakes)
    fakes.records.put(status(cluster_id=cluster_id("law-gone")))
    fakes.run(HOUR)


CALLS = [
    behind,
    in_use_disabled,
    on_hold,
    busy,
    under_way,
    under_way_and_showing_the_target,
    scope_is_empty,
]
UNREAD = [arm_is_down, vault_is_down, key_of_an_automatic_cluster_may_not_be_read, scope_failed]
WELL = [moved, automatic, without_a_key, on_hold_and_on_the_newest, another_one_is_known_to_be_gone]


def planned(fakes: Fakes, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    signed_in(fakes, monkeypatch)
    return main(["plan", *options])


@pytest.mark.parametrize("case", CALLS)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_plan_exits_with_2_if_a_cluster_is(
    case: Callable[[Fakes], None], options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes = Fakes()
    case(fakes)
    before = list(fakes.effects.done)
    assert planned(fakes, monkeypatch, *options) == 2
    assert fakes.effects.done == before


@pytest.mark.parametrize("case", UNREAD)
def test_plan_exits_with_69_if_nobody_knows_how_a_cluster_is(
    case: Callable[[Fakes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes = Fakes()
    case(fakes)
    assert planned(fakes, monkeypatch) == 69


@pytest.mark.parametrize("case", WELL)
def test_plan_exits_with_0_if_every_cluster_is(case: Callable[[Fakes], None], monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = Fakes()
    case(fakes)
    assert planned(fakes, monkeypatch) == 0


def test_a_cluster_that_was_listed_and_then_is_gone_is_asked_for_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = Fakes()
    moved(fakes)
    fakes.clusters.get_failure = GONE
    assert planned(fakes, monkeypatch) == 69


@pytest.mark.parametrize("command", [["visit", "law-one"], ["preflight", "--cluster", "law-one"]])
def test_a_cluster_that_nobody_could_list_is_not_called_out_of_scope(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fakes = Fakes()
    signed_in(fakes, monkeypatch)
    fakes.clusters.scope_failures = {SCOPE: UNAVAILABLE}
    assert main(command) == 69
    assert f"{SCOPE.text} could not be listed (CodeUnavailable: it is unavailable)" in capsys.readouterr().err
    fakes.clusters.scope_failures = {}
    fakes.clusters.unreadable = (UnreadableEntry("an entry without an id", "not the id of a cluster"),)
    fakes.clusters.stored.clear()
    assert main(command) == 69
    assert "an entry without an id cannot be read: not the id of a cluster" in capsys.readouterr().err
    fakes.clusters.unreadable = ()
    assert main(command) == 64
    assert "'law-one' is no cluster in scope" in capsys.readouterr().err
    assert not fakes.requests.requested


@pytest.mark.parametrize(
    ("path", "name"),
    [("/home/me/.local/bin/cmk-rotation", "cmk-rotation"), ("/src/cmk_rotation/__main__.py", "python -m cmk_rotation")],
)
def test_what_is_printed_to_be_run_runs_where_it_is_printed(
    path: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in(Fakes(), monkeypatch)
    monkeypatch.setattr(sys, "argv", [path])
    assert main(["visit", CLUSTER.text]) == 0
    assert f"`{name} status --watch` shows" in capsys.readouterr().out
    names = ("CLUSTER_SCOPES", "MODE", "AzureWebJobsStorage__accountName")
    file = tmp_path / "my settings.json"
    file.write_text(json.dumps({"Values": {one: os.environ[one] for one in names}}), encoding="utf-8")
    for one in names:
        monkeypatch.delenv(one)
    assert main(["visit", CLUSTER.text, "--settings", str(file)]) == 0
    assert f"`{name} status --watch --settings '{file}'` shows" in capsys.readouterr().out
    assert main(["visit", CLUSTER.text]) == 78
    assert "or take them from the app: --app ID" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--help"])
    assert capsys.readouterr().out.startswith(f"usage: {name} ")


FORGED = "\x1b]0;owned\x07\x1b[2Jall is well\x9b8m\r\nlaw-two  la-cmk"
"""A message that somebody else put into the table."""


@pytest.mark.parametrize("options", [["status"], ["status", "--history"], ["status", "--json", "--history"]])
def test_no_text_of_the_table_reaches_the_terminal_as_more_than_text(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fakes = Fakes()
    moved(fakes)
    forged = replace(fakes.rotation, stage=Stage.FAILED, message=FORGED, remedy=FORGED, key_name=FORGED)
    fakes.records.put(forged, replace(fakes.status, message=FORGED, remedy=FORGED, cluster_state=FORGED))
    fakes.records.steps = [replace(step, rotation=forged) for step in fakes.records.steps]
    signed_in(fakes, monkeypatch)
    assert main(options) == 0
    shown = "".join(capsys.readouterr())
    assert "all is well law-two" in shown
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]|\\u00[01]|\\u00[89]|owned", shown)
    assert not any(line.startswith("law-two") for line in shown.splitlines())


def test_no_text_of_azure_reaches_the_terminal_as_more_than_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fakes = Fakes()
    moved(fakes)
    fakes.clusters.unreadable = (UnreadableEntry(FORGED, FORGED),)
    fakes.clusters.scope_failures = {}
    assert planned(fakes, monkeypatch) == 69
    fakes.clusters.scope_failures = {SCOPE: replace(UNAVAILABLE, message=FORGED)}
    assert planned(fakes, monkeypatch) == 69
    shown = "".join(capsys.readouterr())
    assert shown.count("all is well") == 3
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]|owned", shown)


@pytest.mark.parametrize("options", [["status"], ["status", "--json"]])
def test_the_newest_rotation_comes_first(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fakes = Fakes()
    moved(fakes)
    fakes.keys.listed[KEY] = (version(V2), version(V3))
    moved(fakes)
    signed_in(fakes, monkeypatch)
    assert main(options) == 0
    shown = capsys.readouterr().out
    if "--json" in options:
        assert [rotation["toVersion"] for rotation in json.loads(shown)["rotations"]] == [V3, V2]
    else:
        rows = [line.split() for line in shown.partition("keep old version until")[2].splitlines()]
        assert [row[3] for row in rows if len(row) > 4 and row[4] == "succeeded"] == [V3[:8], V2[:8]]


def test_one_that_was_called_for_first_and_tried_again_last_is_the_newest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fakes = Fakes()
    again = over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, requested_at=NOW - DAY, started_at=NOW - HOUR)
    other = over(Stage.SUCCEEDED, Reason.ALREADY_THERE, to_version=V3, requested_at=NOW - 2 * HOUR, started_at=None)
    fakes.records.put(other, again)
    signed_in(fakes, monkeypatch)
    assert main(["status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["rotations"]
    assert [rotation["toVersion"] for rotation in found] == [V2, V3]


@pytest.mark.parametrize("wanted", [CLUSTER.text, "law-one"])
def test_status_of_one_cluster_shows_its_linked_storage_however_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wanted: str
) -> None:
    fakes = Fakes()
    moved(fakes)
    account = must(StorageId.parse(f"{SCOPE.text}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/saved"))
    behind = LinkedStorage(account, (CLUSTER,), Reason.STORAGE_BEHIND, NOW, "it is behind", "Move it.", NOW)
    fakes.records.save_storage(behind)
    fakes.records.save_storage(replace(behind, id=must(StorageId.parse(f"{account.text}2")), clusters=()))
    signed_in(fakes, monkeypatch)
    assert main(["status", "--json", "--cluster", wanted]) == 0
    (shown,) = json.loads(capsys.readouterr().out)["clusters"]
    assert [one["resourceId"] for one in shown["storageAccounts"]] == [account.text]


def test_a_failure_from_before_the_last_try_is_mended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second version and then the third are refused, the third is disabled, and the second is tried again."""
    fakes = Fakes()
    fakes.clusters.refuses = REFUSED
    moved(fakes)
    fakes.keys.listed[KEY] = (version(), version(V2), version(V3))
    moved(fakes)
    fakes.clusters.refuses = None
    fakes.keys.listed[KEY] = (version(), version(V2), version(V3, enabled=False))
    fakes.run(DAY)
    ended = {one.to_version: one.stage for one in fakes.records.rotations.values()}
    assert ended == {V2: Stage.SUCCEEDED, V3: Stage.FAILED}
    signed_in(fakes, monkeypatch)
    assert main(["status", "--watch"]) == 0
    assert V3[:8] not in capsys.readouterr().out, "without a terminal it tells of the last rotation alone"
    assert main(["status"]) == 0
    assert "what to do" not in capsys.readouterr().out
    assert main(["report"]) == 0
    page = capsys.readouterr().out
    assert re.search(r">0</b> failed rotations, not mended", page)
    assert re.search(r"Failures that are not mended</h2>\s*<p>None", page)


@pytest.mark.parametrize(("wanted", "rows"), [(CLUSTER.text, 2), ("law-one", 13)])
def test_status_of_one_cluster_by_its_id_reads_its_rows_alone_and_no_history(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wanted: str, rows: int
) -> None:
    fakes = Fakes()
    moved(fakes)
    fakes.records.put(*(status(cluster_id=cluster_id(f"other-{number}")) for number in range(11)))
    signed_in(fakes, monkeypatch)
    monkeypatch.setattr(fakes.records, "history", None)
    before = fakes.records.rows_read
    assert main(["status", "--cluster", wanted]) == 0
    assert fakes.records.rows_read - before == rows
    assert "other-1" not in capsys.readouterr().out
