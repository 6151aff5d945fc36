from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cmk_rotation.adapters.notice_rows import PARTITION, from_notice, to_notice
from cmk_rotation.adapters.rotations_table import TableRecords
from cmk_rotation.controller.ports import ConflictError
from cmk_rotation.domain.notice import Notice, NoticeKind
from simulator.storage.accounts import StorageAccount

AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
NOTICE = Notice(NoticeKind.UNREADABLE_CLUSTER, "/subscriptions/x/…? # \\", "it shows no properties", AT, AT)


def test_what_was_said_is_on_record_and_apart_from_clusters(records: TableRecords) -> None:
    assert list(records.notices()) == []
    records.save_notice(NOTICE)
    (stored,) = records.notices()
    assert stored.etag
    assert replace(stored, etag=None) == NOTICE
    assert records.everything() == {}
    assert list(records.history()) == []
    records.save_notice(replace(stored, said_at=None))
    assert [one.said_at for one in records.notices()] == [None]


def test_who_comes_second_does_not_write(records: TableRecords) -> None:
    records.save_notice(NOTICE)
    with pytest.raises(ConflictError):
        records.save_notice(NOTICE)
    (stored,) = records.notices()
    records.save_notice(replace(stored, said_at=AT + timedelta(days=1)))
    with pytest.raises(ConflictError):
        records.save_notice(stored)


@pytest.mark.parametrize(
    ("column", "value"), [("subject", 5), ("kind", "nonsense"), ("kind", 5), ("since", "soon"), ("since", None)]
)
def test_a_row_that_says_nothing_is_no_notice(column: str, value: object) -> None:
    assert to_notice({**from_notice(NOTICE), column: value}, None) is None


@pytest.mark.parametrize(("column", "value"), [("message", 5), ("saidAt", "soon")])
def test_an_odd_value_counts_as_absent(column: str, value: object) -> None:
    found = to_notice({**from_notice(NOTICE), column: value}, None)
    assert found is not None
    assert found.message == "" or found.said_at is None


def test_the_rows_lie_where_no_cluster_s_do(records: TableRecords, account: StorageAccount) -> None:
    records.save_notice(NOTICE)
    (row,) = account.tables.entities("rotations")
    assert row["PartitionKey"] == PARTITION
    assert str(row["RowKey"]) > "~cluster"
