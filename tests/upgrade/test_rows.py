"""Each version reads what the other wrote as the other meant it, and loses nothing that the other needs."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.stage import APP
from tests.upgrade.versions import BEFORE, read, rows_of_every_kind, unpacked

ID = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg/providers/Microsoft.OperationalInsights/clusters/one"
MESSAGES = [
    f'{{"cluster": "{ID}", "by": "follow", "eventId": null, "requestedAt": "2026-11-30T12:00:00.000Z"}}',
    f'{{"cluster": "{ID}", "by": "operator", "eventId": null, "requestedAt": "2026-11-30T12:00:00.000Z"}}',
    '{"key": {"vault": "contoso.vault.azure.net", "name": "la-cmk"}, "by": "event", "eventId": "e", "requestedAt": null}',
]
UNKNOWN_TO_THE_ONE_BEFORE = {"attentionSince"}
"""Columns of a cluster's row: they are gone once that version has written the row. docs/upgrade.md says what comes of it."""


@pytest.fixture(scope="module")
def of_before(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("before")
    return rows_of_every_kind(folder / "host", unpacked(folder / "app"))


@pytest.fixture(scope="module")
def of_now(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return rows_of_every_kind(tmp_path_factory.mktemp("now"))


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Where two readings differ in what both know: a field that one of them does not have is no difference."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in one.keys() & other.keys():
            yield from differences(one[name], other[name], f"{path}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            yield from differences(mine, theirs, f"{path}[{place}]")
    elif one != other:
        yield f"{path}: {one!r} != {other!r}"


def kinds(readings: dict[str, Any]) -> list[str]:
    return [kind for kind, _, _ in readings["rows"]]


def test_this_version_reads_the_rows_of_the_one_before_as_that_does_and_writes_them_as_they_were(
    of_before: list[dict[str, Any]],
) -> None:
    now, before = read(APP, of_before, MESSAGES), read(BEFORE, of_before, MESSAGES)
    assert set(kinds(now)) == {"cluster", "rotation", "history", "pin"}
    assert list(differences(now, before)) == []
    assert [written for _, _, written in now["rows"]] == of_before


def test_the_version_before_reads_the_rows_of_this_one_and_passes_over_what_it_does_not_know(
    of_now: list[dict[str, Any]],
) -> None:
    now, before = read(APP, of_now, MESSAGES), read(BEFORE, of_now, MESSAGES)
    passed_over = [place for place, kind in enumerate(kinds(before)) if kind == "none of this version's"]
    keys = [of_now[place]["PartitionKey"] + of_now[place]["RowKey"] for place in passed_over]
    assert keys, "the row of a storage account, and what it pins"
    assert all("|microsoft.storage|storageaccounts|saved" in key for key in keys)
    assert set(kinds(before)) == {"cluster", "rotation", "history", "pin", "none of this version's"}
    for place in range(len(of_now)):
        if place not in passed_over:
            assert list(differences(now["rows"][place], before["rows"][place])) == []
    assert list(differences(now["messages"], before["messages"])) == []


def test_a_row_of_this_version_that_the_one_before_has_written_means_the_same_again(
    of_now: list[dict[str, Any]],
) -> None:
    written = [row for _, _, row in read(BEFORE, of_now, [])["rows"] if row is not None]
    kept = {(row["PartitionKey"], row["RowKey"]): row for row in written}
    for row in of_now:
        again = kept.get((row["PartitionKey"], row["RowKey"]))
        if again is not None:
            assert {name: row[name] for name in row.keys() - UNKNOWN_TO_THE_ONE_BEFORE} == again


def test_every_setting_of_the_version_before_is_one_of_this_and_the_page_names_those_that_are_new() -> None:
    """A renamed one would be ignored: what somebody has set would count for nothing, and nobody would be told."""
    now, before = (read(package, [], [])["settings"] for package in (APP, BEFORE))
    assert before.items() <= now.items()
    page = (APP / "docs/upgrade.md").read_text(encoding="utf-8")
    assert [name for name in now.keys() - before.keys() if f"| `{name}` | ignored |" not in page] == []


@pytest.mark.parametrize("text", ['{"later": "a kind", "by": "event"}', "[]", "not JSON"])
def test_a_message_that_a_version_does_not_know_is_told_apart_and_raises_nothing(text: str) -> None:
    for package in (APP, BEFORE):
        ((request, _),) = read(package, [], [text])["messages"]
        assert isinstance(request, str), "what is wrong with it, in words"
