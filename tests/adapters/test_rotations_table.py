import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables import TableClient, UpdateMode

from cmk_rotation.adapters.rotations_table import TABLE, TableRecords
from cmk_rotation.config.settings import Storage
from cmk_rotation.controller.ports import ConflictError, StorageUnavailableError
from cmk_rotation.domain.azure_resources import OperationError, Workspace
from cmk_rotation.domain.cluster_record import AlertState, ClusterStatus, DisabledEarly, NextVisit, Pin, Record
from cmk_rotation.domain.identifiers import ClusterId, Key
from cmk_rotation.domain.rotation import Attempt, Outcome, Rotation, Step
from cmk_rotation.domain.vocabulary import KeyMode, Reason, RequestedBy, Stage
from simulator.azure import Azure
from simulator.storage.accounts import StorageAccount
from simulator.wire.exchanges import Exchange
from simulator.wire.faults import Fault, FaultKind

AT = datetime(2026, 5, 4, 12, 30, 15, 123456, UTC)
SUBSCRIPTION = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"


def cluster_id(name: str = "Cluster-1") -> ClusterId:
    text = (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-Logs/providers/Microsoft.OperationalInsights/clusters/{name}"
    )
    found = ClusterId.parse(text)
    assert found is not None
    return found


def rotation(version: str = "v2", name: str = "Cluster-1") -> Rotation:
    return Rotation(
        cluster_id=cluster_id(name),
        key_vault_uri="https://Contoso.vault.azure.net:443/",
        key_name="LA-cmk",
        from_version="v1",
        to_version=version,
        to_version_created_at=AT,
        stage=Stage.UPDATING,
        reason=Reason.UPDATE_RUNNING,
        message="running",
        requested_at=AT,
        requested_by=RequestedBy.EVENT,
    )


def status(name: str = "Cluster-1") -> ClusterStatus:
    return ClusterStatus(cluster_id(name), KeyMode.PINNED, Reason.UP_TO_DATE, AT, "fine", None, AT)


FULL_ROTATION = replace(
    rotation(),
    event_id="e-1",
    remedy="none",
    cluster_state="Succeeded",
    attempts=3,
    attempt=Attempt(
        id="a-3",
        started_at=AT,
        claimed_until=AT,
        accepted_at=AT,
        correlation_id="c-3",
        operation_id="op",
        operation_url="https://management.azure.com/" + "x" * (16 * 1024 - 40),
        operation_status="Updating",
        operation_error=OperationError("Code", "message"),
        at_target_since=AT,
        elsewhere_since=AT,
        silent_since=AT,
        rests_until=AT,
        sends=2,
    ),
)
ENDED_ROTATION = replace(
    FULL_ROTATION,
    stage=Stage.SUCCEEDED,
    reason=Reason.UPDATE_CONFIRMED,
    attempt=replace(FULL_ROTATION.attempt, claimed_until=None),
    outcome=Outcome(
        finished_at=AT + timedelta(seconds=431.2),
        linked_workspaces=tuple(
            Workspace(f"/subscriptions/{SUBSCRIPTION}/{'w' * 200}/{n}", "Succeeded") for n in range(999)
        ),
        keep_old_version_until=AT,
        old_version_pinned_by=("law-two", "…"),
        announcing_until=AT,
        announced=True,
        published=True,
    ),
)
FULL_STATUS = replace(
    status(),
    remedy="none",
    key_vault_uri="https://contoso.vault.azure.net",
    key_name="la-cmk",
    key_version="v1",
    key_version_expires_at=AT,
    newest_version="v2",
    cluster_state="Succeeded",
    held=True,
    unavailable_since=AT,
    busy_since=AT,
    next_visit=NextVisit(AT, AT),
    alerts=AlertState(
        attention_reason=Reason.MOVED_BACK,
        attention_at=AT,
        attention_ended=Reason.ON_HOLD,
        expiry_warned_at=AT,
        disabled_early=(DisabledEarly("v0", AT, AT),),
        attention_since=AT,
        unreadable_rows="x|y|z",
        unreadable_at=AT,
        status_said="what it said",
        status_at=AT,
        saying_since=AT,
    ),
)


@pytest.mark.parametrize("written", [rotation(), FULL_ROTATION, ENDED_ROTATION])
def test_a_rotation_reads_back_as_it_was_written(records: TableRecords, written: Rotation) -> None:
    saved = records.save_rotation(written, Step("finished", AT, written))
    assert saved.etag
    assert replace(saved, etag=None) == written
    assert records.of_cluster(written.cluster_id) == Record(None, (saved,))
    # History outlives the operation, so it does not keep the URL that is signed.
    assert list(records.history()) == [
        Step("finished", AT, replace(written, attempt=replace(written.attempt, operation_url=None)))
    ]


@pytest.mark.parametrize(
    ("full", "left"),
    [
        (replace(FULL_ROTATION, outcome=ENDED_ROTATION.outcome), ["etag", "lacks"]),
        (FULL_ROTATION.attempt, []),
        (ENDED_ROTATION.outcome, []),
        (FULL_STATUS, ["etag"]),
        (FULL_STATUS.alerts, []),
    ],
    ids=["rotation", "attempt", "outcome", "status", "alerts"],
)
def test_the_tests_above_leave_no_field_at_its_default(
    full: Rotation | Attempt | Outcome | ClusterStatus | AlertState, left: list[str]
) -> None:
    assert [field.name for field in fields(full) if getattr(full, field.name) == field.default] == left


@pytest.mark.parametrize("written", [status(), FULL_STATUS])
def test_a_status_reads_back_as_it_was_written(records: TableRecords, written: ClusterStatus) -> None:
    saved = records.save_status(written)
    assert replace(saved, etag=None) == written
    assert records.of_cluster(written.cluster_id) == Record(saved, ())


def test_a_text_for_which_a_column_is_too_small_is_cut(records: TableRecords) -> None:
    records.save_rotation(replace(rotation(), message="\U0001f511" * 40_000 + "\ud800"))
    (found,) = records.of_cluster(cluster_id()).rotations
    assert 10_000 < len(found.message) < 40_000


def test_nothing_is_on_record_before_anything_is_written(azure: Azure, records: TableRecords) -> None:
    assert records.of_cluster(cluster_id()) == Record()
    assert records.everything() == {}
    assert list(records.history()) == []
    assert {exchange.method for exchange in azure.exchanges if "table" in exchange.host} == {"GET"}


def test_the_table_is_made_at_the_first_write_and_not_asked_for_again(azure: Azure, records: TableRecords) -> None:
    records.save_status(status())
    records.save_status(status("other"))
    paths = [exchange.path for exchange in azure.exchanges if "table" in exchange.host]
    assert paths == ["/$batch", "/Tables", "/$batch", "/$batch"]


def test_a_row_that_is_replaced_alone_goes_in_a_plain_request(azure: Azure, records: TableRecords) -> None:
    first = records.save_rotation(rotation())
    second = records.save_rotation(replace(first, message="second"))
    records.save_rotation(replace(second, message="third"), Step("noted", AT, second))
    methods = [(one.method, one.path.partition("(")[0]) for one in azure.exchanges if "table" in one.host]
    assert methods[2:] == [("POST", "/$batch"), ("PUT", "/rotations"), ("POST", "/$batch")]


def test_everything_is_read_through_all_pages_and_without_history(
    azure: Azure, account: StorageAccount, records: TableRecords
) -> None:
    for number in range(7):
        written = rotation(name=f"cluster-{number}")
        records.save_status(status(f"cluster-{number}"))
        records.save_rotation(written, Step("claimed", AT, written))
    account.tables._page_size = 3  # noqa: SLF001 - the service has no setting for it once it is made
    azure.exchanges.clear()
    found = records.everything()
    assert {one.name for one in found} == {f"cluster-{number}" for number in range(7)}
    assert all(record.status and len(record.rotations) == 1 for record in found.values())
    assert not any(b"~history" in exchange.response_body for exchange in azure.exchanges)
    assert len(list(records.history())) == 7


def test_history_is_kept_in_order_and_by_cluster(records: TableRecords) -> None:
    saved = rotation()
    for minute, step in enumerate(["claimed", "accepted", "finished"]):
        at = AT + timedelta(minutes=minute)
        saved = records.save_rotation(replace(saved, message=step), Step(step, at, replace(saved, message=step)))
    other = rotation(name="other")
    records.save_rotation(other, Step("claimed", AT - timedelta(days=1), other))
    steps = list(records.history(cluster_id()))
    assert [(step.name, step.rotation.message) for step in steps] == [
        (s, s) for s in ("claimed", "accepted", "finished")
    ]
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    assert len(list(records.history())) == 4


def test_a_row_that_is_there_already_is_not_inserted_again(records: TableRecords) -> None:
    records.save_rotation(rotation())
    with pytest.raises(ConflictError):
        records.save_rotation(rotation())
    with pytest.raises(ConflictError):
        records.save_status(replace(records.save_status(status()), etag=None))


def test_a_row_that_changed_is_not_replaced_and_its_history_not_written(records: TableRecords) -> None:
    first = records.save_rotation(rotation())
    second = records.save_rotation(replace(first, message="second"))
    with pytest.raises(ConflictError):
        records.save_rotation(replace(first, message="third"), Step("late", AT, first))
    assert records.of_cluster(cluster_id()).rotations == (second,)
    assert list(records.history()) == []


LOST = [FaultKind.RESET_AFTER, FaultKind.HANG_AFTER, FaultKind.TRUNCATED_BODY, FaultKind.EMPTY_BODY]


@pytest.mark.parametrize("kind", [*LOST, FaultKind.REPLACED_BODY])
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("steps", [0, 1])
def test_a_write_whose_answer_is_lost_is_known_for_our_own(
    azure: Azure, records: TableRecords, kind: FaultKind, times: int, steps: int
) -> None:
    first = records.save_rotation(rotation())
    azure.faults.add(Fault(kind=kind, method="P*", host="*table*", body=b"<html>", times=times))
    second = records.save_rotation(replace(first, message="second"), Step("noted", AT, first) if steps else None)
    assert records.of_cluster(cluster_id()).rotations == (second,)
    assert len(list(records.history())) == steps


@pytest.mark.parametrize("kind", LOST)
def test_an_insert_whose_answer_is_lost_is_known_for_our_own(
    azure: Azure, records: TableRecords, kind: FaultKind
) -> None:
    records.save_status(status())
    azure.faults.add(Fault(kind=kind, method="POST", host="*table*"))
    assert records.save_rotation(rotation()).etag


@pytest.mark.parametrize("kind", [None, FaultKind.RESET_AFTER])
@pytest.mark.parametrize("again", [True, False])
def test_of_twenty_that_claim_one_wins(
    azure: Azure, records: TableRecords, kind: FaultKind | None, *, again: bool
) -> None:
    base = records.save_rotation(rotation()) if again else rotation()
    records.save_status(status())
    if kind is not None:
        azure.faults.add(Fault(kind=kind, method="P*", host="*table*", times=8))
    start = threading.Barrier(20)

    def claim(number: int) -> str | None:
        start.wait()
        try:
            saved = records.save_rotation(replace(base, attempt=Attempt(id=f"attempt-{number}")))
        except ConflictError:
            return None
        return saved.attempt.id

    with ThreadPoolExecutor(20) as pool:
        winners = [winner for winner in pool.map(claim, range(20)) if winner is not None]
    (stored,) = records.of_cluster(cluster_id()).rotations
    assert winners == [stored.attempt.id]


def test_a_table_that_refuses_is_unavailable_storage(azure: Azure, records: TableRecords) -> None:
    azure.rights.deny("function", "Microsoft.Storage/storageAccounts/tableServices/*")
    with pytest.raises(StorageUnavailableError, match="AuthorizationPermissionMismatch"):
        records.save_status(status())


@pytest.fixture
def raw(azure: Azure) -> tuple[TableClient, TableRecords]:
    """The table under another hand than the product's."""
    account = azure.storage_account("keyed")
    assert account.key is not None
    url = f"https://{account.name}.table.{account.suffix}"
    hand = TableClient(url, TABLE, credential=AzureNamedKeyCredential(account.name, account.key))
    return hand, TableRecords(Storage(connection_string=account.connection_string))


def test_a_row_that_is_gone_is_not_replaced(raw: tuple[TableClient, TableRecords]) -> None:
    hand, records = raw
    saved = records.save_status(status())
    hand.delete_entity(next(iter(hand.list_entities())))
    with pytest.raises(ConflictError):
        records.save_status(saved)


def test_a_lost_answer_does_not_hide_that_somebody_else_came_after(
    azure: Azure, raw: tuple[TableClient, TableRecords]
) -> None:
    hand, records = raw
    first = records.save_rotation(rotation())

    def overtake(exchange: Exchange) -> None:
        if exchange.method == "PUT":
            azure.after_effect.clear()
            (row,) = hand.list_entities()
            hand.upsert_entity({**row, "message": "theirs", "writeId": "theirs"}, mode=UpdateMode.REPLACE)

    azure.after_effect.append(overtake)
    azure.faults.add(Fault(kind=FaultKind.RESET_AFTER, method="PUT"))
    with pytest.raises(ConflictError):
        records.save_rotation(replace(first, message="ours"))
    (stored,) = records.of_cluster(cluster_id()).rotations
    assert stored.message == "theirs"


ODD: list[Any] = [
    "nonsense",
    '[1, {"id": 5}]',
    7,
    True,
    1.5,
    AT,
    b"bytes",
    "9999-99-99",
    "2026-05-04T12:00:00",
    2**31 - 1,
    -1,
]


def test_of_a_long_record_a_visit_reads_what_still_matters(records: TableRecords) -> None:
    lately = AT - timedelta(days=45)
    before, after = lately - timedelta(seconds=1), lately + timedelta(seconds=1)

    def put(
        name: str, stage: Stage, ended: datetime | None, keep: datetime | None = None, by: tuple[str, ...] = ()
    ) -> None:
        outcome = Outcome(finished_at=ended, keep_old_version_until=keep, old_version_pinned_by=by)
        one = replace(rotation(name), stage=stage, outcome=outcome)
        records.save_rotation(one, Step("finished", AT, one))

    put("waits", Stage.WAITING, None)
    put("runs", Stage.UPDATING, None)
    put("failed", Stage.FAILED, before)
    put("lately", Stage.SUCCEEDED, after)
    put("kept", Stage.SUCCEEDED, before, AT)
    put("pinned", Stage.SUCCEEDED, before, None, ("Cluster-2",))
    put("settled", Stage.SUCCEEDED, before)
    put("overtaken", Stage.SUPERSEDED, before, before)
    row = records.save_status(status())
    found = records.of_cluster(cluster_id(), lately=lately)
    assert found.status == row
    assert {one.to_version for one in found.rotations} == {"waits", "runs", "failed", "lately", "kept", "pinned"}
    assert len(records.of_cluster(cluster_id()).rotations) == 8
    assert records.of_cluster(cluster_id("Cluster-2"), lately=lately) == Record()


def test_a_row_that_cannot_be_read_is_named_where_the_whole_record_is_read(
    raw: tuple[TableClient, TableRecords],
) -> None:
    hand, records = raw
    saved = records.save_rotation(rotation())
    (row,) = hand.list_entities()
    hand.create_entity({"PartitionKey": row["PartitionKey"], "RowKey": "stray", "stage": "updating"})
    assert records.of_cluster(cluster_id()).unreadable_rows == ("stray",)
    assert records.of_cluster(cluster_id(), lately=AT) == Record(None, (saved,))


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_values_are_as_good_as_none_and_can_be_replaced(raw: tuple[TableClient, TableRecords], odd: object) -> None:
    hand, records = raw
    saved = records.save_rotation(ENDED_ROTATION), records.save_status(FULL_STATUS)
    for row in list(hand.list_entities()):
        keys = {"PartitionKey": row["PartitionKey"], "RowKey": row["RowKey"]}
        hand.upsert_entity({**dict.fromkeys(row, odd), **keys}, mode=UpdateMode.REPLACE)
    found = records.of_cluster(cluster_id())
    assert found.status is not None
    assert records.everything().keys() == {cluster_id()}
    (read,) = found.rotations
    assert (read.key, read.stage, read.requested_at.year) == (saved[0].key, Stage.FAILED, 1970)
    assert records.save_rotation(replace(saved[0], etag=read.etag)).etag
    assert records.save_status(replace(saved[1], etag=found.status.etag)).etag


def test_bare_rows_can_be_read_and_replaced(raw: tuple[TableClient, TableRecords]) -> None:
    hand, records = raw
    step = Step("claimed", AT, rotation())
    records.save_rotation(rotation(), step)
    records.save_status(status())
    for row in list(hand.list_entities()):
        hand.upsert_entity({"PartitionKey": row["PartitionKey"], "RowKey": row["RowKey"]}, mode=UpdateMode.REPLACE)
    found = records.of_cluster(cluster_id())
    assert found.status is not None
    assert [one.to_version for one in found.rotations] == ["v2"]
    assert records.save_status(replace(status(), etag=found.status.etag)).etag
    assert list(records.history()) == []


def test_rows_of_others_are_skipped(raw: tuple[TableClient, TableRecords]) -> None:
    hand, records = raw
    records.save_status(status())
    partition = next(iter(hand.list_entities()))["PartitionKey"]
    hand.create_entity({"PartitionKey": partition, "RowKey": "notes"})
    hand.create_entity({"PartitionKey": "somebody", "RowKey": "~cluster"})
    hand.create_entity({"PartitionKey": "somebody", "RowKey": "~history|x"})
    assert records.of_cluster(cluster_id()).rotations == ()
    assert records.everything().keys() == {cluster_id()}
    assert list(records.history()) == []


KEY = Key("contoso.vault.azure.net", "la-cmk")


def test_those_that_pin_a_version_are_read_from_its_own_partition_and_no_further_than_asked_for(
    azure: Azure, records: TableRecords
) -> None:
    for number in range(40):
        records.index(cluster_id(f"law-{number:02}"), add=[Pin(KEY, "aaa")], remove=[])
        records.index(cluster_id(f"other-{number:02}"), add=[Pin(KEY, "bbb")], remove=[])
    asked = len(azure.exchanges)
    found = records.pinning(Pin(KEY, "aaa"), other_than=cluster_id("law-00"), most=11)
    assert [one.name for one in found] == [f"law-{number:02}" for number in range(1, 12)]
    (exchange,) = azure.exchanges[asked:]
    assert len(json.loads(exchange.response_body)["value"]) == 12
    assert len(records.pinning(Pin(KEY, "aaa"), other_than=cluster_id(), most=100)) == 40
    assert records.pinning(Pin(KEY, "ccc"), other_than=cluster_id(), most=11) == []
    elsewhere = Key("elsewhere.vault.azure.net", "la-cmk")
    assert records.pinning(Pin(elsewhere, "aaa"), other_than=cluster_id(), most=11) == []


def test_the_index_can_be_written_twice_and_deleted_twice_and_is_read_with_everything(records: TableRecords) -> None:
    pins = [Pin(KEY, "aaa"), Pin(KEY, "bbb")]
    for _ in range(2):
        records.index(cluster_id("Law-One"), add=pins, remove=[])
    assert records.everything() == {cluster_id("law-one"): Record(pins=frozenset(pins), storage=())}
    assert next(iter(records.everything())).name == "Law-One", "as it was written"
    records.save_status(status("law-one"))
    for _ in range(2):
        records.index(cluster_id("law-one"), add=[], remove=pins[:1])
    record = records.everything()[cluster_id("law-one")]
    assert (record.status is not None, record.pins) == (True, frozenset(pins[1:]))
    assert records.of_cluster(cluster_id("law-one")).pins == frozenset()


def test_odd_rows_of_the_index_name_nobody(raw: tuple[TableClient, TableRecords]) -> None:
    hand, records = raw
    records.save_status(status())
    for partition, row in (
        ("https:||contoso.vault.azure.net|keys|la-cmk|aaa", "nobody"),
        ("https:||contoso.vault.azure.net|secrets|la-cmk|aaa", "x"),
        ("https:||no host|keys|la-cmk|aaa", "|subscriptions"),
        ("https:||", "x"),
    ):
        hand.create_entity({"PartitionKey": partition, "RowKey": row})
    assert records.everything().keys() == {cluster_id()}
    assert records.pinning(Pin(KEY, "aaa"), other_than=cluster_id(), most=11) == []


def test_a_table_that_was_never_written_to_pins_nothing_and_can_be_cleared(records: TableRecords) -> None:
    assert records.pinning(Pin(KEY, "aaa"), other_than=cluster_id(), most=11) == []
    records.index(cluster_id(), add=[], remove=[Pin(KEY, "aaa")])


def test_a_table_that_refuses_is_unavailable_storage_for_the_index_too(azure: Azure, records: TableRecords) -> None:
    azure.rights.deny("function", "Microsoft.Storage/storageAccounts/tableServices/*")
    with pytest.raises(StorageUnavailableError):
        records.pinning(Pin(KEY, "aaa"), other_than=cluster_id(), most=11)
    with pytest.raises(StorageUnavailableError):
        records.index(cluster_id(), add=[Pin(KEY, "aaa")], remove=[])


@pytest.mark.parametrize(
    "key", ["x|y|z", "CONTOSO.vault.azure.net|la-cmk|v2", "contoso.vault.azure.net|la-cmk", "anything"]
)
def test_a_row_that_is_not_under_its_own_key_is_left_out_and_named(
    raw: tuple[TableClient, TableRecords], key: str
) -> None:
    hand, records = raw
    saved = records.save_rotation(rotation())
    partition = next(iter(hand.list_entities()))["PartitionKey"]
    hand.create_entity({"PartitionKey": partition, "RowKey": key, "stage": "updating"})
    hand.create_entity({"PartitionKey": partition, "RowKey": "~account-of-a-later-version"})
    assert records.of_cluster(cluster_id()) == Record(None, (saved,), (key,))
    assert records.everything()[cluster_id()].unreadable_rows == (key,)


def test_a_number_that_nobody_can_have_counted_to_can_be_counted_on(raw: tuple[TableClient, TableRecords]) -> None:
    hand, records = raw
    records.save_rotation(rotation())
    (row,) = hand.list_entities()
    hand.upsert_entity({**row, "attempts": 2**31 - 1}, mode=UpdateMode.REPLACE)
    (found,) = records.of_cluster(cluster_id()).rotations
    assert found.attempts == 9_999
    assert records.save_rotation(replace(found, attempts=found.attempts + 1)).attempts == 10_000


def test_of_many_rows_that_cannot_be_read_twenty_are_named(raw: tuple[TableClient, TableRecords]) -> None:
    hand, records = raw
    records.save_status(status())
    partition = next(iter(hand.list_entities()))["PartitionKey"]
    for number in range(23):
        hand.create_entity({"PartitionKey": partition, "RowKey": f"odd-{number:02}"})
    *named, more = records.of_cluster(cluster_id()).unreadable_rows
    assert (named, more) == ([f"odd-{number:02}" for number in range(20)], "and 3 more")
