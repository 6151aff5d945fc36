"""What only the simulated storage account does: follow the documents where Azurite does not, and obey a test."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from azure.data.tables import EdmType, EntityProperty, TableClient, TableTransactionError
from azure.storage.queue import QueueClient
from werkzeug.wrappers import Request, Response

from simulator.clock.running import RunningClock
from simulator.storage import QueueService, StorageError, TableService
from tests.simulator.storage.backends import ACCOUNT, KEY, Backend, refuse_tokens, simulated

START = datetime(2026, 1, 1, tzinfo=UTC)
TOKEN = {"Authorization": "Bearer token"}
ANY = {"If-Match": "*"}


@dataclass(frozen=True, slots=True)
class HandClock(RunningClock):
    """A clock that only a test moves."""

    seconds: list[float] = field(default_factory=lambda: [START.timestamp()])

    def timestamp(self) -> float:
        return self.seconds[0]

    def advance(self, seconds: float) -> None:
        self.seconds[0] += seconds


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def queues(clock: HandClock) -> QueueService:
    service = QueueService(ACCOUNT, clock, lambda _: True)
    assert call(service, "PUT", "/jobs").status_code == 201
    return service


@pytest.fixture
def tables(clock: HandClock) -> TableService:
    service = TableService(ACCOUNT, clock, lambda _: True)
    assert call(service, "POST", "/Tables", {"TableName": "Rows"}).status_code == 201
    return service


@pytest.fixture
def served() -> Iterator[Backend]:
    with simulated() as backend:
        yield backend


def call(  # noqa: PLR0913 - an HTTP request has that many parts
    service: Callable[[Request], Response],
    method: str,
    path: str,
    body: object = None,
    *,
    headers: dict[str, str] = TOKEN,
    query: dict[str, str] | None = None,
) -> Response:
    """Send one request to a service whose host names the account."""
    data = body if isinstance(body, str) else json.dumps(body)
    request = Request.from_values(
        path,
        base_url=f"https://{ACCOUNT}.x.core.windows.net",
        method=method,
        headers={**TOKEN, **headers},
        query_string=query,
        data=None if body is None else data,
    )
    return service(request)


def code(response: Response) -> tuple[int, str]:
    return response.status_code, response.headers.get("x-ms-error-code", "")


def put(queues: QueueService, text: str, **query: str) -> Response:
    body = f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>"
    return call(queues, "POST", "/jobs/messages", body, query=query)


def received(queues: QueueService) -> list[str | None]:
    answer = call(queues, "GET", "/jobs/messages", query={"numofmessages": "32"})
    return [text.text for text in ET.fromstring(answer.get_data()).iter("MessageText")]  # noqa: S314 - our own answer


def insert(tables: TableService, partition: str, row: str, **properties: object) -> Response:
    return call(tables, "POST", "/Rows", {"PartitionKey": partition, "RowKey": row, **properties})


# --- time and mishaps ---


def test_messages_are_shown_before_they_are_due(queues: QueueService, clock: HandClock) -> None:
    put(queues, "later", visibilitytimeout="60")
    (message,) = queues.messages("jobs")
    assert (message.text, message.inserted_at, message.due_at) == ("later", START, START + timedelta(seconds=60))
    assert received(queues) == []
    clock.advance(60)
    assert received(queues) == ["later"]
    assert queues.messages("absent") == []


def test_a_message_expires_after_a_week_of_simulated_time(queues: QueueService, clock: HandClock) -> None:
    put(queues, "old")
    clock.advance(7 * 24 * 3600)
    assert queues.messages("jobs") == []
    assert received(queues) == []


def test_a_lost_message_is_accepted_and_never_comes(queues: QueueService) -> None:
    queues.lose_next()
    assert put(queues, "lost").status_code == 201
    put(queues, "kept")
    assert received(queues) == ["kept"]


def test_a_duplicated_message_comes_twice(queues: QueueService) -> None:
    queues.duplicate_next()
    put(queues, "twice")
    put(queues, "once")
    assert received(queues) == ["twice", "twice", "once"]
    assert len({message.id for message in queues.messages("jobs")}) == 3


def test_a_delayed_message_comes_later_than_asked(queues: QueueService, clock: HandClock) -> None:
    queues.delay_next(100)
    put(queues, "late", visibilitytimeout="10")
    clock.advance(109)
    assert received(queues) == []
    clock.advance(1)
    assert received(queues) == ["late"]


def test_a_deleted_queue_or_table_is_in_the_way_for_40_seconds(
    queues: QueueService, tables: TableService, clock: HandClock
) -> None:
    assert call(queues, "DELETE", "/jobs").status_code == 204
    assert call(tables, "DELETE", "/Tables('rows')").status_code == 204
    clock.advance(39)
    assert code(call(queues, "PUT", "/jobs")) == (409, "QueueBeingDeleted")
    assert code(put(queues, "x")) == (409, "QueueBeingDeleted")
    assert code(call(tables, "POST", "/Tables", {"TableName": "Rows"})) == (409, "TableBeingDeleted")
    assert code(insert(tables, "p", "r")) == (409, "TableBeingDeleted")
    clock.advance(1)
    assert call(queues, "PUT", "/jobs").status_code == 201
    assert call(tables, "POST", "/Tables", {"TableName": "Rows"}).status_code == 201


def test_a_message_cannot_stay_hidden_until_it_expires_or_longer(queues: QueueService) -> None:
    week = str(7 * 24 * 3600)
    assert code(put(queues, "default lifetime", visibilitytimeout=week)) == (400, "InvalidQueryParameterValue")
    put(queues, "short", messagettl="60")
    (message,) = queues.messages("jobs")
    query = {"popreceipt": message.pop_receipt, "visibilitytimeout": "61"}
    answer = call(queues, "PUT", f"/jobs/messages/{message.id}", query=query)
    assert code(answer) == (400, "InvalidQueryParameterValue")
    answer = call(queues, "PUT", f"/jobs/messages/{message.id}", query={**query, "visibilitytimeout": "60"})
    assert answer.status_code == 204


def test_timestamps_are_simulated_and_every_change_has_its_own(tables: TableService) -> None:
    etags = {insert(tables, "p", str(row)).headers["ETag"] for row in range(3)}
    assert len(etags) == 3
    assert [entity["Timestamp"] for entity in tables.entities("Rows")] == [START] * 3


# --- who may call ---


def test_an_account_without_a_key_takes_only_tokens(clock: HandClock) -> None:
    service = QueueService(ACCOUNT, clock, lambda request: request.headers["Authorization"] == "Bearer good")
    signed = {"Authorization": f"SharedKey {ACCOUNT}:c2lnbmF0dXJl"}
    assert code(call(service, "PUT", "/jobs", headers=signed)) == (403, "KeyBasedAuthenticationNotPermitted")
    assert call(service, "PUT", "/jobs", headers={"Authorization": "Bearer good"}).status_code == 201
    bad = call(service, "PUT", "/jobs", headers={"Authorization": "Bearer bad"})
    assert code(bad) == (401, "InvalidAuthenticationInfo")
    assert "resource_id=https://storage.azure.com" in bad.headers["WWW-Authenticate"]
    assert code(call(service, "PUT", "/jobs", headers={"Authorization": ""})) == (401, "NoAuthenticationInformation")


def test_whoever_judges_tokens_may_refuse_in_its_own_way(clock: HandClock) -> None:
    def authorize(_request: Request) -> bool:
        raise StorageError(403, "AuthorizationPermissionMismatch", "Not permitted.")

    refusal = call(TableService(ACCOUNT, clock, authorize), "GET", "/Tables")
    assert code(refusal) == (403, "AuthorizationPermissionMismatch")


@pytest.mark.parametrize(
    ("scheme", "age", "tampered", "status"),
    [
        ("SharedKey", 0, False, 200),
        ("SharedKeyLite", 0, False, 200),
        ("SharedKey", 0, True, 403),
        ("SharedKeyLite", 16 * 60, False, 403),
        ("SharedSecret", 0, False, 403),
    ],
)
def test_a_shared_key_must_sign_what_is_sent_now(
    clock: HandClock,
    scheme: str,
    age: float,
    tampered: bool,  # noqa: FBT001 - a column of the table above
    status: int,
) -> None:
    service = TableService(ACCOUNT, clock, refuse_tokens, key=KEY)
    headers = signed_with(scheme, age)
    if tampered:
        headers["Content-Type"] = "text/html"
    assert call(service, "GET", "/Tables", headers=headers).status_code == status


def test_a_wrong_clock_takes_a_fresh_signature_for_a_stale_one_and_the_reverse(clock: HandClock) -> None:
    service = TableService(ACCOUNT, clock, refuse_tokens, key=KEY)
    service.set_clock(replace(clock, skew=16 * 60.0))
    assert call(service, "GET", "/Tables", headers=signed_with("SharedKey", 0)).status_code == 403
    assert call(service, "GET", "/Tables", headers=signed_with("SharedKey", -16 * 60)).status_code == 200


def signed_with(scheme: str, age: float) -> dict[str, str]:
    date = formatdate(datetime.now(UTC).timestamp() - age, usegmt=True)
    lines = [date, f"/{ACCOUNT}/Tables"]
    if scheme != "SharedKeyLite":
        lines = ["GET", "", "text/plain", *lines]
    signature = hmac.digest(base64.b64decode(KEY), "\n".join(lines).encode(), hashlib.sha256)
    return {
        "Authorization": f"{scheme} {ACCOUNT}:{base64.b64encode(signature).decode()}",
        "x-ms-date": date,
        "Content-Type": "text/plain",
    }


def test_the_account_is_named_by_the_host_or_first_in_the_path(queues: QueueService) -> None:
    request = Request.from_values(f"/{ACCOUNT}/jobs", base_url="http://127.0.0.1", method="PUT", headers=TOKEN)
    assert queues(request).status_code == 204
    other = Request.from_values("/fabrikam/jobs", base_url="http://127.0.0.1", method="PUT", headers=TOKEN)
    assert code(queues(other)) == (400, "InvalidUri")


def test_every_answer_has_a_request_id_and_repeats_the_clients(queues: QueueService) -> None:
    ids = {"x-ms-client-request-id": "mine", "x-ms-version": "2026-06-06"}
    answers = [call(queues, "PUT", path, headers=ids) for path in ("/jobs", "/absent/messages")]
    assert [answer.status_code for answer in answers] == [204, 404]
    assert len({answer.headers["x-ms-request-id"] for answer in answers}) == 2
    for answer in answers:
        assert {name: answer.headers[name] for name in ids} == ids


# --- queues ---


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/", {}, (405, "UnsupportedHttpVerb")),
        ("POST", "/jobs", {}, (405, "UnsupportedHttpVerb")),
        ("GET", "/jobs/blobs", {}, (400, "InvalidUri")),
        ("DELETE", "/jobs/messages/id", {}, (400, "MissingRequiredQueryParameter")),
        ("PUT", "/jobs/messages/id", {"popreceipt": "x"}, (400, "MissingRequiredQueryParameter")),
        ("GET", "/jobs/messages", {"numofmessages": "many"}, (400, "InvalidQueryParameterValue")),
        ("POST", "/jobs/messages", {"messagettl": "-2"}, (400, "InvalidQueryParameterValue")),
        ("POST", "/jobs/messages", {}, (400, "InvalidXmlDocument")),
    ],
)
def test_malformed_queue_requests_are_refused(
    queues: QueueService, method: str, path: str, query: dict[str, str], expected: tuple[int, str]
) -> None:
    assert code(call(queues, method, path, "no XML" if method == "POST" else None, query=query)) == expected


# --- tables ---


def test_stored_entities_can_be_read_directly(tables: TableService) -> None:
    big = {
        "Big": str(2**40),
        "Big@odata.type": "Edm.Int64",
        "When": START.isoformat(),
        "When@odata.type": "Edm.DateTime",
    }
    insert(tables, "p", "b", Text="x", **big)
    insert(tables, "p", "a")
    key = {"PartitionKey": "p", "Timestamp": START}
    assert tables.entities("rows") == [
        {**key, "RowKey": "a"},
        {**key, "RowKey": "b", "Text": "x", "Big": 2**40, "When": START},
    ]
    assert tables.entities("Absent") == tables.entities("rows", "elsewhere") == []


@pytest.mark.parametrize(
    ("partition", "expected"),
    [("a/b", "OutOfRangeInput"), ("a\x00b", "OutOfRangeInput"), ("k" * 513, "KeyValueTooLarge"), (1, "InvalidInput")],
)
def test_impossible_keys_are_refused(tables: TableService, partition: str, expected: str) -> None:
    assert code(insert(tables, partition, "r")) == (400, expected)
    assert tables.entities("Rows") == []


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({f"P{number}": number for number in range(253)}, "TooManyProperties"),
        ({"with-dash": 1}, "PropertyNameInvalid"),
        ({"1st": 1}, "PropertyNameInvalid"),
        ({"a" * 256: 1}, "PropertyNameTooLong"),
        ({f"P{number}": "x" * 30000 for number in range(18)}, "EntityTooLarge"),
        ({"A": 2**31}, "InvalidInput"),
        ({"A": {"nested": 1}}, "InvalidInput"),
        ({"A": "five", "A@odata.type": "Edm.Int64"}, "InvalidInput"),
        ({"A": "x", "A@odata.type": "Edm.Guid"}, "InvalidInput"),
        ({"A": "x", "A@odata.type": "Edm.Unknown"}, "InvalidInput"),
        ({"A": "yesterday", "A@odata.type": "Edm.DateTime"}, "InvalidInput"),
        ({"A": "1600-12-31T23:59:59Z", "A@odata.type": "Edm.DateTime"}, "OutOfRangeInput"),
    ],
)
def test_impossible_entities_are_refused(tables: TableService, properties: dict[str, Any], expected: str) -> None:
    assert code(insert(tables, "p", "r", **properties)) == (400, expected)
    assert tables.entities("Rows") == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"RowKey": "r"}', (400, "PropertiesNeedValue")),
        ('{"PartitionKey": "p", "RowKey": "r", "A": 1, "A": 2}', (400, "DuplicatePropertiesSpecified")),
        ("[]", (400, "InvalidInput")),
        ("{", (400, "InvalidInput")),
        ('{"A": "' + "x" * 4 * 1024 * 1024 + '"}', (413, "RequestBodyTooLarge")),
    ],
    ids=["no key", "twice", "list", "open", "large"],
)
def test_malformed_entities_are_refused(tables: TableService, body: str, expected: tuple[int, str]) -> None:
    assert code(call(tables, "POST", "/Rows", body)) == expected


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("DELETE", {}, (400, "MissingRequiredHeader")),
        ("DELETE", {"If-Match": '"nonsense"'}, (400, "InvalidInput")),
        ("DELETE", {"If-Match": "W/\"datetime'2026-01-01T00%3A00%3A00Z'\""}, (412, "UpdateConditionNotSatisfied")),
        ("PUT", {"If-Match": "W/\"datetime'2020-01-01T00%3A00%3A00Z'\""}, (412, "UpdateConditionNotSatisfied")),
        ("POST", ANY, (405, "MethodNotAllowed")),
    ],
)
def test_conditions_are_checked(
    tables: TableService, clock: HandClock, method: str, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    clock.advance(1)
    insert(tables, "p", "r", A=1)
    answer = call(tables, method, "/Rows(PartitionKey='p',RowKey='r')", {"A": 2}, headers=headers)
    assert code(answer) == expected
    assert [entity["A"] for entity in tables.entities("Rows")] == [1]


def test_what_is_not_there_cannot_be_deleted(tables: TableService) -> None:
    answer = call(tables, "DELETE", "/Rows(PartitionKey='p',RowKey='r')", headers=ANY)
    assert code(answer) == (404, "ResourceNotFound")


def test_merge_is_also_a_method(tables: TableService) -> None:
    insert(tables, "p", "r", A=1)
    answer = call(tables, "MERGE", "/Rows(PartitionKey='p',RowKey='r')", {"B": 2}, headers=ANY)
    assert answer.status_code == 204
    assert [(entity["A"], entity["B"]) for entity in tables.entities("Rows")] == [(1, 2)]


def test_a_client_may_prefer_no_content(tables: TableService) -> None:
    entity = {"PartitionKey": "p", "RowKey": "r"}
    answer = call(tables, "POST", "/Rows", entity, headers={"Prefer": "return-no-content"})
    assert (answer.status_code, answer.get_data(), answer.headers["Preference-Applied"]) == (
        204,
        b"",
        "return-no-content",
    )


def test_a_selected_property_that_is_missing_is_null(tables: TableService) -> None:
    insert(tables, "p", "r", A=1)
    answer = call(
        tables, "GET", "/Rows()", query={"$select": "A,B"}, headers={"Accept": "application/json;odata=nometadata"}
    )
    assert answer.get_json() == {"value": [{"A": 1, "B": None}]}


@pytest.mark.parametrize(
    "condition",
    ["A eq 'open", "A eq", "1 eq A", "A", " and ".join(["A eq 1"] * 16), "A eq 3000000000", "A eq X'0'"],
)
def test_filters_beyond_the_documented_ones_are_refused(tables: TableService, condition: str) -> None:
    assert code(call(tables, "GET", "/Rows()", query={"$filter": condition})) == (400, "InvalidInput")


@pytest.mark.parametrize(
    ("condition", "found"),
    [("A eq 1", True), ("A eq 1L", False), ("A eq 1.0", False), ("A ne '1'", False), ("Data eq X'00ff'", True)],
)
def test_a_constant_must_be_of_the_propertys_type(tables: TableService, condition: str, found: bool) -> None:  # noqa: FBT001 - a column of the table above
    insert(tables, "p", "r", A=1, **{"Data": base64.b64encode(b"\x00\xff").decode(), "Data@odata.type": "Edm.Binary"})
    answer = call(tables, "GET", "/Rows()", query={"$filter": condition})
    assert (answer.get_json()["value"] != []) is found


@pytest.mark.parametrize("top", ["0", "1001", "few"])
def test_a_page_has_1_to_1000_entities(tables: TableService, top: str) -> None:
    assert code(call(tables, "GET", "/Rows()", query={"$top": top})) == (400, "InvalidQueryParameterValue")


def test_a_page_may_be_empty_and_still_not_the_last(clock: HandClock) -> None:
    service = TableService(ACCOUNT, clock, refuse_tokens, key=KEY, page_size=2)
    with (
        simulated(tables=service) as backend,
        TableClient.from_connection_string(backend.connection_string(), "Rows") as client,
    ):
        client.create_table()
        for row in range(5):
            client.create_entity({"PartitionKey": "a", "RowKey": str(row), "Last": row == 4})
        client.create_entity({"PartitionKey": "b", "RowKey": "0", "Last": True})
        pages = [[entity["RowKey"] for entity in page] for page in client.query_entities("Last eq true").by_page()]
        alone = list(client.query_entities("PartitionKey eq 'b' and Last eq true").by_page())
    assert pages == [[], [], ["4", "0"]]
    assert len(alone) == 1


def test_a_transaction_has_at_most_100_changes(served: Backend) -> None:
    with TableClient.from_connection_string(served.connection_string(), "Rows") as client:
        client.create_table()
        with pytest.raises(TableTransactionError, match="exceeds the maximum 100 changes") as caught:
            client.submit_transaction([("create", {"PartitionKey": "p", "RowKey": str(row)}) for row in range(101)])
        assert caught.value.index == 100
        assert list(client.list_entities()) == []


def batch(*requests: tuple[str, str, str]) -> tuple[str, dict[str, str]]:
    """A change set of requests, each with a method, a path and a body, as Microsoft's reference writes one."""
    lines = ["--batch_1", "Content-Type: multipart/mixed; boundary=changeset_1", ""]
    for method, path, body in requests:
        lines += ["--changeset_1", "Content-Type: application/http", "Content-Transfer-Encoding: binary", ""]
        lines += [f"{method} https://{ACCOUNT}.x.core.windows.net{path} HTTP/1.1", "Content-Type: application/json"]
        lines += ["", body]
    lines += ["--changeset_1--", "", "--batch_1--", ""]
    return "\r\n".join(lines), {"Content-Type": "multipart/mixed; boundary=batch_1"}


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        (
            [
                ("POST", "/Rows", '{"PartitionKey": "p", "RowKey": "1"}'),
                ("POST", "/Rows", '{"PartitionKey": "q", "RowKey": "2"}'),
            ],
            '"1:All commands in a batch must operate on same entity group.',
        ),
        (
            [("POST", "/Rows", '{"PartitionKey": "p", "RowKey": "1"}'), ("POST", "/Absent", "{}")],
            '"1:The table specified',
        ),
        ([("DELETE", "/Rows(PartitionKey='p',RowKey='1')", "")], '"0:A required HTTP header'),
    ],
)
def test_a_refused_transaction_names_the_first_change_at_fault(
    tables: TableService, requests: list[tuple[str, str, str]], expected: str
) -> None:
    body, headers = batch(*requests)
    answer = call(tables, "POST", "/$batch", body, headers=headers)
    assert answer.status_code == 202
    assert expected in answer.get_data(as_text=True)
    assert tables.entities("Rows") == []


def test_a_body_that_is_no_batch_is_refused(tables: TableService) -> None:
    headers = {"Content-Type": "multipart/mixed; boundary=batch_1"}
    for body in ("nothing", batch(("GARBAGE", "", ""))[0].replace(" HTTP/1.1", "")):
        assert code(call(tables, "POST", "/$batch", body, headers=headers)) == (400, "InvalidInput")
    large = call(tables, "POST", "/$batch", "x" * (4 * 1024 * 1024 + 1))
    assert code(large) == (413, "RequestBodyTooLarge")


def test_a_table_needs_a_name(tables: TableService) -> None:
    assert code(call(tables, "POST", "/Tables", {})) == (400, "PropertiesNeedValue")


@pytest.mark.parametrize("name", ["tables", "1st", "with-dash"])
def test_reserved_and_malformed_table_names_are_refused(tables: TableService, name: str) -> None:
    assert code(call(tables, "POST", "/Tables", {"TableName": name})) == (400, "InvalidResourceName")


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/Rows(PartitionKey='p')", (400, "InvalidUri")),
        ("PUT", "/Rows", (405, "MethodNotAllowed")),
        ("GET", "/Tables('Rows')", (405, "UnsupportedHttpVerb")),
        ("GET", "/Rows()?NextPartitionKey=1!gA", (400, "InvalidQueryParameterValue")),
    ],
)
def test_malformed_table_requests_are_refused(
    tables: TableService, method: str, path: str, expected: tuple[int, str]
) -> None:
    assert code(call(tables, method, path)) == expected


def test_a_table_is_found_whatever_the_case_of_its_name(tables: TableService) -> None:
    call(tables, "POST", "/ROWS", {"PartitionKey": "p", "RowKey": "r"})
    assert len(tables.entities("rows")) == 1
    assert call(tables, "GET", "/Tables").get_json() == {"value": [{"TableName": "Rows"}]}


def test_tables_are_listed_in_pages(tables: TableService) -> None:
    for name in ("Beta", "Alpha"):
        call(tables, "POST", "/Tables", {"TableName": name})
    first = call(tables, "GET", "/Tables", query={"$top": "2"})
    following = first.headers["x-ms-continuation-NextTableName"]
    second = call(tables, "GET", "/Tables", query={"NextTableName": following})
    names = [table["TableName"] for page in (first, second) for table in page.get_json()["value"]]
    assert names == ["Alpha", "Beta", "Rows"]


# --- both, at speed ---


def test_thousands_of_requests_take_seconds(queues: QueueService, tables: TableService) -> None:
    began = datetime.now(UTC)
    for number in range(2000):
        put(queues, "x", visibilitytimeout="60" if number % 2 else "0")
        insert(tables, f"p{number % 100}", str(number), Number=number)
    for number in range(100):
        call(tables, "GET", "/Rows()", query={"$filter": f"PartitionKey eq 'p{number}' and Number gt 5"})
        received(queues)
    assert datetime.now(UTC) - began < timedelta(seconds=20)


def test_the_unmodified_sdks_share_one_simulated_account(served: Backend) -> None:
    with (
        QueueClient.from_connection_string(served.connection_string(), "jobs") as queue,
        TableClient.from_connection_string(served.connection_string(), "Rows") as table,
    ):
        queue.create_queue()
        table.create_table()
        table.create_entity({"PartitionKey": "p", "RowKey": "r", "N": EntityProperty(1, EdmType.INT64)})
        queue.send_message("p/r")
        assert [message.content for message in queue.peek_messages()] == ["p/r"]
