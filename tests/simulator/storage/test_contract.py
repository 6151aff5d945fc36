"""What the unmodified SDKs see of a storage account: the same for the simulated one and for Azurite.

Where Azurite and Microsoft's documents differ, the simulated account follows the documents: those tests are in
`test_simulated.py`, or the difference is noted here.
"""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.data.tables import (
    EdmType,
    EntityProperty,
    TableClient,
    TableServiceClient,
    TableTransactionError,
    UpdateMode,
)
from azure.storage.queue import QueueClient, QueueServiceClient

from tests.simulator.storage.backends import WRONG_KEY, Backend, azurite, simulated

WEEK = 7 * 24 * 3600


@pytest.fixture(scope="module", params=["simulated", "azurite"])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with simulated() if request.param == "simulated" else azurite() as running:
        yield running


@pytest.fixture
def queue(backend: Backend) -> Iterator[QueueClient]:
    name = f"q-{uuid.uuid4().hex}"
    with QueueClient.from_connection_string(backend.connection_string(), name) as client:
        client.create_queue()
        yield client


@pytest.fixture
def table(backend: Backend) -> Iterator[TableClient]:
    name = f"T{uuid.uuid4().hex}"
    with TableClient.from_connection_string(backend.connection_string(), name) as client:
        client.create_table()
        yield client


def refused(call: Callable[[], object]) -> tuple[int | None, str]:
    """The status and the error code with which the call is refused."""
    with pytest.raises(HttpResponseError) as caught:
        call()
    headers = getattr(caught.value.response, "headers", {})
    code = getattr(caught.value, "error_code", None) or headers.get("x-ms-error-code", "")
    return caught.value.status_code, str(getattr(code, "value", code))


# --- queues ---


@pytest.mark.parametrize("text", ["plain", "<a & 'b'>\"", "żółć 🎉", "line\nbreak", "x" * 65536])
def test_a_message_comes_back_as_it_was_sent(queue: QueueClient, text: str) -> None:
    sent = queue.send_message(text)
    received = queue.receive_message()
    assert received is not None
    assert (received.content, received.id, received.dequeue_count) == (text, sent.id, 1)


def test_a_message_over_64_kib_is_refused(queue: QueueClient) -> None:
    assert refused(lambda: queue.send_message("x" * 65537)) == (413, "RequestBodyTooLarge")


def test_a_delayed_message_is_hidden_until_it_is_due(queue: QueueClient, backend: Backend) -> None:
    queue.send_message("later", visibility_timeout=1)
    assert queue.receive_message() is None
    assert queue.peek_messages() == []
    backend.let_pass(1.2)
    received = queue.receive_message()
    assert received is not None
    assert received.dequeue_count == 1


def test_a_message_that_is_not_deleted_comes_again_and_its_first_receipt_is_void(
    queue: QueueClient, backend: Backend
) -> None:
    queue.send_message("again")
    first = queue.receive_message(visibility_timeout=1)
    assert first is not None
    assert queue.receive_message() is None
    backend.let_pass(1.2)
    second = queue.receive_message()
    assert second is not None
    assert (second.id, second.dequeue_count) == (first.id, 2)
    assert refused(lambda: queue.delete_message(first)) == (400, "PopReceiptMismatch")
    queue.delete_message(second)
    assert refused(lambda: queue.delete_message(second)) == (404, "MessageNotFound")


def test_a_late_receipt_still_deletes_a_message_that_nobody_else_received(queue: QueueClient, backend: Backend) -> None:
    queue.send_message("slow")
    received = queue.receive_message(visibility_timeout=1)
    assert received is not None
    backend.let_pass(1.2)
    queue.delete_message(received)
    assert queue.receive_message() is None


def test_a_message_can_be_deleted_with_the_receipt_of_its_sending(queue: QueueClient) -> None:
    sent = queue.send_message("changed my mind")
    queue.delete_message(sent.id, sent.pop_receipt)
    assert queue.receive_message() is None


def test_an_expired_message_is_gone(queue: QueueClient, backend: Backend) -> None:
    queue.send_message("short-lived", time_to_live=1)
    backend.let_pass(1.2)
    assert queue.receive_message() is None


def test_an_updated_message_has_a_new_text_a_new_receipt_and_a_new_time(queue: QueueClient) -> None:
    queue.send_message("one")
    received = queue.receive_message()
    assert received is not None
    updated = queue.update_message(received, content="two", visibility_timeout=0)
    assert refused(lambda: queue.delete_message(received)) == (400, "PopReceiptMismatch")
    again = queue.receive_message()
    assert again is not None
    assert (again.content, again.dequeue_count) == ("two", 2)
    assert updated.pop_receipt != received.pop_receipt


def test_an_update_without_text_keeps_the_text(queue: QueueClient) -> None:
    queue.send_message("kept")
    received = queue.receive_message()
    assert received is not None
    queue.update_message(received.id, received.pop_receipt, visibility_timeout=0)
    again = queue.receive_message()
    assert again is not None
    assert again.content == "kept"


def test_a_peek_changes_nothing(queue: QueueClient) -> None:
    queue.send_message("seen")
    assert [message.content for message in queue.peek_messages()] == ["seen"]
    received = queue.receive_message()
    assert received is not None
    assert received.dequeue_count == 1


def test_a_message_may_be_hidden_for_a_week_if_it_never_expires(queue: QueueClient) -> None:
    sent = queue.send_message("next week", visibility_timeout=WEEK, time_to_live=-1)
    assert sent.expires_on is not None
    assert sent.expires_on.year == 9999
    assert queue.receive_message() is None


@pytest.mark.parametrize(
    ("hidden", "lifetime", "code"),
    [
        (WEEK + 1, -1, "OutOfRangeQueryParameterValue"),
        (-1, -1, "OutOfRangeQueryParameterValue"),
        (60, 60, "InvalidQueryParameterValue"),
        (0, 0, "InvalidQueryParameterValue"),
    ],
)
def test_impossible_times_of_a_message_are_refused(queue: QueueClient, hidden: int, lifetime: int, code: str) -> None:
    def send() -> object:
        return queue.send_message("never", visibility_timeout=hidden, time_to_live=lifetime)

    assert refused(send) == (400, code)


@pytest.mark.parametrize("hidden", [0, WEEK + 1])
def test_a_received_message_is_hidden_for_a_second_at_least_and_a_week_at_most(queue: QueueClient, hidden: int) -> None:
    received = refused(lambda: queue.receive_message(visibility_timeout=hidden))
    assert received == (400, "OutOfRangeQueryParameterValue")


def test_at_most_32_messages_come_at_once(queue: QueueClient) -> None:
    for number in range(40):
        queue.send_message(str(number))
    page = next(iter(queue.receive_messages(messages_per_page=32).by_page()))
    assert len(list(page)) == 32
    code = refused(lambda: next(iter(queue.receive_messages(messages_per_page=33))))
    assert code == (400, "OutOfRangeQueryParameterValue")


def test_a_queue_counts_its_messages_until_it_is_cleared(queue: QueueClient) -> None:
    queue.send_message("due")
    queue.send_message("hidden", visibility_timeout=60)
    assert queue.get_queue_properties().approximate_message_count == 2
    queue.clear_messages()
    assert queue.get_queue_properties().approximate_message_count == 0
    assert queue.receive_message() is None


def test_creating_a_queue_again_is_harmless_only_with_the_same_metadata(queue: QueueClient) -> None:
    with pytest.raises(ResourceExistsError) as same:
        queue.create_queue()
    assert same.value.status_code == 204
    assert refused(lambda: queue.create_queue(metadata={"owner": "me"})) == (409, "QueueAlreadyExists")


def test_metadata_is_kept(queue: QueueClient) -> None:
    queue.set_queue_metadata({"owner": "me", "team": "us"})
    assert queue.get_queue_properties().metadata == {"owner": "me", "team": "us"}


def test_a_queue_that_does_not_exist_is_not_found(queue: QueueClient) -> None:
    queue.delete_queue()
    with QueueClient(f"http://{queue.primary_hostname}", "no-such-queue", credential=queue.credential) as absent:
        for call in (lambda: absent.send_message("x"), absent.receive_message, absent.delete_queue):
            assert refused(call) == (404, "QueueNotFound")


@pytest.mark.parametrize(
    ("name", "code"),
    [("ab", "OutOfRangeInput"), ("a" * 64, "OutOfRangeInput"), ("Upper", "InvalidResourceName")]
    + [(name, "InvalidResourceName") for name in ("two--dashes", "-front", "back-", "under_score")],
)
def test_bad_queue_names_are_refused(backend: Backend, name: str, code: str) -> None:
    with QueueClient.from_connection_string(backend.connection_string(), name) as client:
        assert refused(client.create_queue) == (400, code)


def test_queues_are_listed_by_prefix_and_in_pages(backend: Backend) -> None:
    prefix = f"list-{uuid.uuid4().hex[:8]}"
    with QueueServiceClient.from_connection_string(backend.connection_string()) as service:
        for number in range(3):
            with service.create_queue(f"{prefix}-{number}", metadata={"number": str(number)}):
                pass
        pages = service.list_queues(prefix, include_metadata=True, results_per_page=2).by_page()
        names = [[(found.name, found.metadata) for found in page] for page in pages]
    assert names == [
        [(f"{prefix}-0", {"number": "0"}), (f"{prefix}-1", {"number": "1"})],
        [(f"{prefix}-2", {"number": "2"})],
    ]


def test_a_wrong_key_opens_no_queue(backend: Backend) -> None:
    with QueueClient.from_connection_string(backend.connection_string(WRONG_KEY), "closed") as client:
        with pytest.raises(ClientAuthenticationError) as caught:
            client.create_queue()
        assert caught.value.status_code == 403


# --- tables ---

EVERY_TYPE: dict[str, Any] = {
    "Text": "żółć 🎉 'quoted'",
    "Empty": "",
    "Number": -5,
    "Big": EntityProperty(2**40, EdmType.INT64),
    "Real": 1.5,
    "Whole": 2.0,
    "Infinite": float("inf"),
    "Yes": True,
    "No": False,
    "When": datetime(2026, 2, 3, 4, 5, 6, 789000, UTC),
    "Guid": uuid.UUID("c9da6455-213d-42c9-9a79-3e9149a57833"),
    "Bytes": b"\x00\xff",
}


def test_every_type_comes_back_as_it_was_stored(table: TableClient) -> None:
    table.create_entity({"PartitionKey": "p", "RowKey": "r", **EVERY_TYPE, "Nothing": None})
    entity = table.get_entity("p", "r")
    assert dict(entity) == {"PartitionKey": "p", "RowKey": "r", **EVERY_TYPE}
    assert isinstance(entity["Whole"], float)
    assert list(table.list_entities()) == [entity]


def test_the_version_of_an_entity_is_the_same_wherever_it_is_read(table: TableClient) -> None:
    created = table.create_entity({"PartitionKey": "p", "RowKey": "r"})
    assert table.get_entity("p", "r").metadata["etag"] == created["etag"]
    assert next(iter(table.query_entities("RowKey eq 'r'"))).metadata["etag"] == created["etag"]


def test_an_entity_is_inserted_once(table: TableClient) -> None:
    table.create_entity({"PartitionKey": "p", "RowKey": "r", "By": "first"})
    with pytest.raises(ResourceExistsError) as caught:
        table.create_entity({"PartitionKey": "p", "RowKey": "r", "By": "second"})
    assert caught.value.response is not None
    assert "EntityAlreadyExists" in str(caught.value)
    assert table.get_entity("p", "r")["By"] == "first"


@pytest.mark.parametrize("mode", [UpdateMode.MERGE, UpdateMode.REPLACE])
def test_a_change_under_a_stale_version_is_refused(table: TableClient, mode: UpdateMode) -> None:
    etag = table.create_entity({"PartitionKey": "p", "RowKey": "r", "N": 1})["etag"]
    entity = {"PartitionKey": "p", "RowKey": "r", "N": 2}
    unchanged = MatchConditions.IfNotModified
    updated = table.update_entity(entity, mode=mode, etag=etag, match_condition=unchanged)
    assert updated["etag"] != etag
    with pytest.raises(ResourceModifiedError):
        table.update_entity({**entity, "N": 3}, mode=mode, etag=etag, match_condition=unchanged)
    with pytest.raises(ResourceModifiedError):
        table.delete_entity("p", "r", etag=etag, match_condition=unchanged)
    assert table.get_entity("p", "r")["N"] == 2
    table.delete_entity("p", "r", etag=updated["etag"], match_condition=unchanged)
    with pytest.raises(ResourceNotFoundError):
        table.get_entity("p", "r")


def test_what_is_not_there_cannot_be_updated(table: TableClient) -> None:
    with pytest.raises(ResourceNotFoundError):
        table.update_entity({"PartitionKey": "p", "RowKey": "absent"})


def test_merging_keeps_other_properties_and_replacing_drops_them(table: TableClient) -> None:
    key = {"PartitionKey": "p", "RowKey": "r"}
    table.create_entity({**key, "A": 1, "B": 2})
    table.update_entity({**key, "B": 3, "A": None}, mode=UpdateMode.MERGE)
    assert dict(table.get_entity("p", "r")) == {**key, "A": 1, "B": 3}
    table.update_entity({**key, "C": 4}, mode=UpdateMode.REPLACE)
    assert dict(table.get_entity("p", "r")) == {**key, "C": 4}


def test_an_upsert_inserts_and_then_merges_or_replaces(table: TableClient) -> None:
    key = {"PartitionKey": "p", "RowKey": "r"}
    table.upsert_entity({**key, "A": 1}, mode=UpdateMode.MERGE)
    table.upsert_entity({**key, "B": 2}, mode=UpdateMode.MERGE)
    assert dict(table.get_entity("p", "r")) == {**key, "A": 1, "B": 2}
    table.upsert_entity({**key, "C": 3}, mode=UpdateMode.REPLACE)
    assert dict(table.get_entity("p", "r")) == {**key, "C": 3}


@pytest.mark.parametrize("key", ["", " ", "it's", "a b+c%20", "żółć 🎉", "(a,b)='c'", "k" * 512, "a&b;c:d@e|f"])
def test_unusual_keys_work(table: TableClient, key: str) -> None:
    table.create_entity({"PartitionKey": key, "RowKey": key, "N": 1})
    table.update_entity({"PartitionKey": key, "RowKey": key, "N": 2})
    assert table.get_entity(key, key)["N"] == 2
    quoted = key.replace("'", "''")
    assert [entity["RowKey"] for entity in table.query_entities(f"PartitionKey eq '{quoted}'")] == [key]
    table.delete_entity(key, key)
    assert list(table.list_entities()) == []


@pytest.mark.parametrize("key", ["a/b", "a\\b", "a#b", "a?b", "a\tb", "a\x7fb", "k" * 513])
def test_keys_that_azure_does_not_allow_are_refused(table: TableClient, key: str) -> None:
    # Azurite calls all of them InvalidInput; the simulated account says OutOfRangeInput or KeyValueTooLarge.
    status, _ = refused(lambda: table.create_entity({"PartitionKey": key, "RowKey": "r"}))
    assert status == 400


@pytest.mark.parametrize(("value", "too_large"), [("x" * 32768, "x" * 32769), (b"x" * 65536, b"x" * 65537)])
def test_a_property_holds_64_kib(table: TableClient, value: str | bytes, too_large: str | bytes) -> None:
    table.create_entity({"PartitionKey": "p", "RowKey": "r", "Value": value})
    assert table.get_entity("p", "r")["Value"] == value
    status = refused(lambda: table.upsert_entity({"PartitionKey": "p", "RowKey": "r", "Value": too_large}))
    assert status == (400, "PropertyValueTooLarge")


def test_an_entity_holds_1_mib(table: TableClient) -> None:
    # Azurite measures the JSON, and only when an entity is replaced; Azure measures UTF-16.
    too_many = {f"P{number}": "x" * 30000 for number in range(36)}
    refusal = refused(lambda: table.upsert_entity({"PartitionKey": "p", "RowKey": "r", **too_many}))
    assert refusal == (400, "EntityTooLarge")
    enough = {f"P{number}": "x" * 30000 for number in range(17)}
    table.upsert_entity({"PartitionKey": "p", "RowKey": "r", **enough})


def _numbers(table: TableClient, condition: str) -> list[int]:
    return [entity["Number"] for entity in table.query_entities(condition)]


@pytest.mark.parametrize(
    ("condition", "numbers"),
    [
        ("Number eq 2", [2]),
        ("Number ne 2", [1, 3]),
        ("Number gt 1 and Number lt 3", [2]),
        ("Number ge 3 or Number le 1", [1, 3]),
        ("not (Number eq 2)", [1, 3]),
        ("not Number eq 2 and Number gt 1", [3]),
        ("Number eq 1 or Number eq 2 and Number eq 3", [1]),
        ("(Number eq 1 or Number eq 2) and Number gt 1", [2]),
        ("Text eq 'it''s 2'", [2]),
        ("Text ge 'it''s 2' and Text lt 'j'", [2, 3]),
        ("Big eq 1099511627777L", [1]),
        ("Real gt 1.5", [2, 3]),
        ("Real eq 2.5", [2]),
        ("Even eq true", [2]),
        ("Even eq false", [1, 3]),
        ("When ge datetime'2026-01-02T00:00:00Z'", [2, 3]),
        ("Guid eq guid'00000000-0000-0000-0000-000000000003'", [3]),
        ("PartitionKey eq 'p' and RowKey ge 'r2'", [2, 3]),
        ("PartitionKey eq 'other'", []),
        ("Missing eq 1", []),
        ("RowKey eq 'r1' or Text eq 'no' or Missing ge 'a'", [1]),
        ("Text eq 'and'", []),
    ],
)
def test_a_query_finds_what_its_filter_says(table: TableClient, condition: str, numbers: list[int]) -> None:
    for number in (1, 2, 3):
        table.create_entity(
            {
                "PartitionKey": "p",
                "RowKey": f"r{number}",
                "Number": number,
                "Text": f"it's {number}",
                "Big": EntityProperty(2**40 + number, EdmType.INT64),
                "Real": number + 0.5,
                "Even": number % 2 == 0,
                "When": datetime(2026, 1, number, tzinfo=UTC),
                "Guid": uuid.UUID(int=number),
            }
        )
    assert _numbers(table, condition) == numbers


@pytest.mark.parametrize("condition", ["Number eq", "Number is 1", "(Number eq 1", "Number eq 1)"])
def test_a_malformed_filter_is_refused(table: TableClient, condition: str) -> None:
    status, _ = refused(lambda: list(table.query_entities(condition)))
    assert status == 400


def test_only_selected_properties_come(table: TableClient) -> None:
    table.create_entity({"PartitionKey": "p", "RowKey": "r", "A": 1, "B": EntityProperty(2, EdmType.INT64)})
    selected = ["RowKey", "B"]
    expected = {"RowKey": "r", "B": EntityProperty(2, EdmType.INT64)}
    assert dict(table.get_entity("p", "r", select=selected)) == expected
    assert [dict(entity) for entity in table.query_entities("A eq 1", select=selected)] == [expected]


def test_entities_come_in_the_order_of_their_keys_and_in_pages(table: TableClient) -> None:
    keys = [("b", "2"), ("a", "2"), ("b", "1"), ("a", "10"), ("B", "1")]
    for partition, row in keys:
        table.create_entity({"PartitionKey": partition, "RowKey": row})
    pages = [
        [(entity["PartitionKey"], entity["RowKey"]) for entity in page]
        for page in table.list_entities(results_per_page=2).by_page()
    ]
    assert [key for page in pages for key in page] == sorted(keys)
    assert max(map(len, pages)) == 2


def test_a_query_goes_on_over_more_than_a_thousand_entities(table: TableClient) -> None:
    for batch in range(11):
        table.submit_transaction(
            [("create", {"PartitionKey": "p", "RowKey": f"{batch:02}-{row:02}"}) for row in range(100)]
        )
    assert len(list(table.query_entities("PartitionKey eq 'p'"))) == 1100


def test_a_transaction_does_all_of_its_changes(table: TableClient) -> None:
    for row in ("merged", "replaced", "deleted"):
        table.create_entity({"PartitionKey": "p's %20 ż+", "RowKey": row, "Old": 1})
    etag = table.get_entity("p's %20 ż+", "deleted").metadata["etag"]
    entity = {"PartitionKey": "p's %20 ż+", "Text": "żółć\r\n--batch"}
    results = table.submit_transaction(
        [
            ("create", {**entity, "RowKey": "created"}),
            ("update", {**entity, "RowKey": "merged"}, {"mode": "merge"}),
            ("upsert", {**entity, "RowKey": "replaced"}, {"mode": "replace"}),
            (
                "delete",
                {"PartitionKey": "p's %20 ż+", "RowKey": "deleted"},
                {"etag": etag, "match_condition": MatchConditions.IfNotModified},
            ),
        ]
    )
    stored = {found["RowKey"]: found for found in table.list_entities()}
    assert {row: ("Old" in found, found["Text"]) for row, found in stored.items()} == {
        "created": (False, entity["Text"]),
        "merged": (True, entity["Text"]),
        "replaced": (False, entity["Text"]),
    }
    etags = [result.get("etag") for result in results]
    assert etags[:3] == [stored[row].metadata["etag"] for row in ("created", "merged", "replaced")]


def test_a_transaction_that_fails_changes_nothing_and_says_where(table: TableClient) -> None:
    table.create_entity({"PartitionKey": "p", "RowKey": "there"})
    with pytest.raises(TableTransactionError) as caught:
        table.submit_transaction([("create", {"PartitionKey": "p", "RowKey": row}) for row in ("new", "there", "more")])
    assert caught.value.index == 1
    assert "EntityAlreadyExists" in str(caught.value)
    assert [entity["RowKey"] for entity in table.list_entities()] == ["there"]


def test_a_stale_version_fails_a_whole_transaction(table: TableClient) -> None:
    etag = table.create_entity({"PartitionKey": "p", "RowKey": "r"})["etag"]
    table.update_entity({"PartitionKey": "p", "RowKey": "r", "N": 1})
    condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
    with pytest.raises(TableTransactionError) as caught:
        table.submit_transaction(
            [
                ("create", {"PartitionKey": "p", "RowKey": "history"}),
                ("update", {"PartitionKey": "p", "RowKey": "r", "N": 2}, condition),
            ]
        )
    assert caught.value.index == 1
    assert "UpdateConditionNotSatisfied" in str(caught.value)
    assert [dict(entity) for entity in table.list_entities()] == [{"PartitionKey": "p", "RowKey": "r", "N": 1}]


def test_an_entity_appears_once_in_a_transaction(table: TableClient) -> None:
    entity = {"PartitionKey": "p", "RowKey": "r"}
    with pytest.raises(TableTransactionError, match="InvalidDuplicateRow"):
        table.submit_transaction([("upsert", entity), ("upsert", entity)])
    assert list(table.list_entities()) == []


def test_of_many_that_insert_the_same_entity_one_wins(table: TableClient) -> None:
    def insert(number: int) -> bool:
        try:
            table.create_entity({"PartitionKey": "p", "RowKey": "r", "By": number})
        except ResourceExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(insert, range(8))) == 1


def test_a_table_is_created_once_whatever_its_case(table: TableClient, backend: Backend) -> None:
    name = table.table_name.swapcase()
    with (
        TableClient.from_connection_string(backend.connection_string(), name) as again,
        pytest.raises(ResourceExistsError, match="TableAlreadyExists"),
    ):
        again.create_table()


def test_a_table_that_does_not_exist_is_not_found(backend: Backend) -> None:
    with TableClient.from_connection_string(backend.connection_string(), "NoSuchTable") as absent:
        for call in (
            lambda: absent.create_entity({"PartitionKey": "p", "RowKey": "r"}),
            lambda: absent.update_entity({"PartitionKey": "p", "RowKey": "r"}),
            lambda: list(absent.list_entities()),
        ):
            assert refused(call)[0] == 404


@pytest.mark.parametrize("name", ["ab", "a" * 64, "1st", "with-dash"])
def test_bad_table_names_are_refused(backend: Backend, name: str) -> None:
    # The SDK turns Azure's refusal into a ValueError, but not Azurite's, which lacks the error code.
    with (
        TableClient.from_connection_string(backend.connection_string(), name) as client,
        pytest.raises((ValueError, HttpResponseError)) as caught,
    ):
        client.create_table()
    assert getattr(caught.value, "status_code", 400) == 400


def test_tables_are_listed_and_found_by_name(table: TableClient, backend: Backend) -> None:
    with TableServiceClient.from_connection_string(backend.connection_string()) as service:
        assert table.table_name in [found.name for found in service.list_tables()]
        found = list(service.query_tables(f"TableName eq '{table.table_name}'"))
    assert [item.name for item in found] == [table.table_name]


@pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")  # Azurite answers in XML
def test_a_wrong_key_opens_no_table(backend: Backend) -> None:
    with TableClient.from_connection_string(backend.connection_string(WRONG_KEY), "Closed") as client:
        with pytest.raises(HttpResponseError) as caught:
            client.create_table()
        assert caught.value.status_code == 403
