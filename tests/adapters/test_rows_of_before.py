"""Rows that an earlier version wrote are read, and written back as they were: old and new instances run side by side.

`rows_of_2026_11.json` holds rows of each stage as that version wrote them, before an attempt and an outcome were values of
their own. It is never written anew.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cmk_rotation.adapters import rotations_rows
from cmk_rotation.adapters.columns import Row
from cmk_rotation.domain.identifiers import ClusterId
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.vocabulary import OPEN, Stage

ROWS: dict[str, Row] = json.loads(Path(__file__).with_name("rows_of_2026_11.json").read_text())


def cluster_of(row: Row) -> ClusterId:
    found = rotations_rows.cluster_of(row)
    assert found is not None
    return found


def rotation(name: str) -> Rotation:
    found = rotations_rows.to_rotation(ROWS[name], cluster_of(ROWS[name]), "etag")
    assert found is not None
    return found


def again(row: Row) -> Row:
    """The row, read and written."""
    if row["RowKey"] == rotations_rows.STATUS_ROW:
        return rotations_rows.from_status(rotations_rows.to_status(row, cluster_of(row), "etag"))
    step = rotations_rows.to_step(row, cluster_of(row))
    if step is not None:
        return rotations_rows.from_step(step)
    read = rotations_rows.to_rotation(row, cluster_of(row), "etag")
    assert read is not None
    return rotations_rows.from_rotation(read)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_before_is_written_back_as_it_was(name: str) -> None:
    assert again(ROWS[name]) == ROWS[name]


def test_rows_of_before_are_of_every_stage() -> None:
    assert {row["stage"] for row in ROWS.values() if "stage" in row} == set(Stage)


def test_until_when_others_keep_off_is_the_claim_s_while_it_is_open_and_the_announcement_s_once_it_has_ended() -> None:
    claim, late = rotation("claimed"), rotation("succeeded, being announced late")
    assert claim.stage in OPEN
    assert claim.attempt.claimed_until == datetime(2026, 3, 1, 12, 3, tzinfo=UTC)
    assert claim.outcome.announcing_until is None
    assert late.stage not in OPEN
    assert late.attempt.claimed_until is None
    assert late.outcome.announcing_until == datetime(2026, 3, 1, 13, 17, 1, tzinfo=UTC)
