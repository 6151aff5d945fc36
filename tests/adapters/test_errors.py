"""Whatever Azure does, only the errors of `ports` come out of the adapters."""

import gc
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Never

import pytest
from azure.identity import ManagedIdentityCredential
from werkzeug.wrappers import Response

from cmk_rotation.adapters import errors
from cmk_rotation.adapters.clusters import ArmClusters
from cmk_rotation.adapters.errors import patiently, retry_after
from cmk_rotation.adapters.keys import VaultKeys
from cmk_rotation.adapters.outcomes import TopicOutcomes
from cmk_rotation.adapters.rotations_table import TableRecords
from cmk_rotation.adapters.visit_queue import QueueRequests
from cmk_rotation.config import clouds
from cmk_rotation.config.settings import Storage
from cmk_rotation.controller.ports import AzureCallError, ConflictError, StorageUnavailableError
from cmk_rotation.domain.azure_resources import Cluster, Failure
from cmk_rotation.domain.cluster_record import ClusterStatus
from cmk_rotation.domain.identifiers import ClusterId, Key, Scope
from cmk_rotation.domain.notice import Notice, NoticeKind
from cmk_rotation.domain.rotation import Rotation, Step
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import FailureKind, Reason, RequestedBy, Stage
from simulator.azure import SUBSCRIPTION, Azure
from simulator.eventgrid.topics import Topic
from simulator.operationalinsights import clusters
from simulator.storage.accounts import StorageAccount
from simulator.wire.faults import Fault, FaultKind
from tests.patience import HANG

AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-Logs"
CLUSTER_ID = ClusterId.parse(f"{GROUP}/providers/Microsoft.OperationalInsights/clusters/Cluster-1")
assert CLUSTER_ID is not None
CLUSTER = Cluster(CLUSTER_ID, "Succeeded", "https://contoso.vault.azure.net", "la-cmk", "v1")
WORKSPACE = f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/ws"
OPERATION = (
    f"https://management.azure.com/subscriptions/{SUBSCRIPTION}/providers/Microsoft.OperationalInsights"
    "/locations/westeurope/operationStatuses/op-1?api-version=2025-07-01&t=VERYSECRET"
)
ROTATION = Rotation(
    CLUSTER_ID,
    "https://contoso.vault.azure.net",
    "la-cmk",
    "v1",
    "v2",
    AT,
    Stage.UPDATING,
    Reason.UPDATE_RUNNING,
    "",
    AT,
    RequestedBy.EVENT,
)
STATUS = ClusterStatus(CLUSTER_ID, None, Reason.UP_TO_DATE, AT, "", None, AT)
NOTICE = Notice(NoticeKind.UNREADABLE_CLUSTER, "an entry", "odd", AT, AT)
VISIT = VisitRequest(RequestedBy.EVENT, AT, cluster=CLUSTER_ID)

ANSWER = FaultKind.ANSWER
JSON = {"Content-Type": "application/json"}
FAULTS = {
    **{f"status {status}": Fault(kind=ANSWER, status=status) for status in (300, 301, 304, 307, 400, 401, 403, 404)},
    **{f"status {status}": Fault(kind=ANSWER, status=status) for status in (408, 409, 412, 413, 429, 500, 502, 504)},
    "a redirect": Fault(kind=ANSWER, status=302, headers={"Location": "https://contoso.vault.azure.net/elsewhere"}),
    "throttled": Fault(kind=ANSWER, status=429, headers={"Retry-After": "3600"}),
    "throttled until": Fault(kind=ANSWER, status=503, headers={"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}),
    "an odd error": Fault(kind=ANSWER, status=400, headers=JSON, body=b'{"error": [1, {"code": 7}]}'),
    "an error that is a list": Fault(kind=ANSWER, status=409, headers=JSON, body=b"[]"),
    "an error that is a text": Fault(kind=ANSWER, status=403, headers=JSON, body=b'{"error": "x"}'),
    "an error that is a page": Fault(kind=ANSWER, status=502, headers={"Content-Type": "text/html"}, body=b"<html>"),
    "nothing with 204": Fault(kind=ANSWER, status=204),
    "a reset": Fault(kind=FaultKind.RESET),
    "a reset after the effect": Fault(kind=FaultKind.RESET_AFTER),
    "a hang": Fault(kind=FaultKind.HANG, seconds=0.01),
    "an empty body": Fault(kind=FaultKind.EMPTY_BODY),
    "half a body": Fault(kind=FaultKind.TRUNCATED_BODY),
    "no headers": Fault(kind=FaultKind.REPLACED_HEADERS, headers={"Content-Type": None, "ETag": None}),
    **{
        f"the body {body!r}": Fault(kind=FaultKind.REPLACED_BODY, body=body)
        for body in (b"null", b"[]", b"7", b'"x"', b"{}", b"<html>", b"\xff\xfe", b'{"value": 7}', b'{"value": [null]}')
    },
    "no such words": Fault(kind=FaultKind.REPLACED_BODY, body=b'{"value": ["x"], "nextLink": 5}'),
    "deep": Fault(kind=FaultKind.REPLACED_BODY, body=b"[" * 100_000),
    "a key from nowhere": Fault(
        kind=FaultKind.REPLACED_BODY, body=b'{"value": [{"kid": "x", "attributes": {"created": 1e30}}]}'
    ),
}


# The SDKs leave the socket of a streamed answer that breaks off to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")

type Calls = dict[str, Callable[[], object]]


@pytest.fixture
def calls(  # noqa: PLR0913, PLR0917 - one of each port
    arm: ArmClusters,
    keys: VaultKeys,
    records: TableRecords,
    requests: QueueRequests,
    outcomes: TopicOutcomes,
    cluster: clusters.Cluster,
) -> Iterator[Calls]:
    """Every method of every port."""
    assert cluster.name == CLUSTER.id.name
    subscription, group, one = map(Scope.parse, (f"/subscriptions/{SUBSCRIPTION}", GROUP, CLUSTER.id.text))
    assert subscription
    assert group
    assert one
    yield {
        "in_scope of a subscription": lambda: arm.in_scope(subscription),
        "in_scope of a group": lambda: arm.in_scope(group),
        "in_scope of a cluster": lambda: arm.in_scope(one),
        "get": lambda: arm.get(CLUSTER.id),
        "set_key_version": lambda: arm.set_key_version(CLUSTER, "v2", "attempt"),
        "operation": lambda: arm.operation(CLUSTER.id, OPERATION),
        "workspace_state": lambda: arm.workspace_state(WORKSPACE),
        "versions": lambda: keys.versions(Key("contoso.vault.azure.net", "la-cmk")),
        "of_cluster": lambda: records.of_cluster(CLUSTER.id),
        "everything": records.everything,
        "history": lambda: list(records.history()),
        "save_status": lambda: records.save_status(STATUS),
        "save_rotation": lambda: records.save_rotation(ROTATION, Step("claimed", AT, ROTATION)),
        "notices": lambda: list(records.notices()),
        "save_notice": lambda: records.save_notice(NOTICE),
        "request": lambda: requests.request(VISIT),
        "publish": lambda: outcomes.publish(id="1", subject="s", time=AT, data={}),
    }
    gc.collect()


def what_was_raised(call: Callable[[], object]) -> str:
    """The text of an error of ours, if one was raised; any other error is the test's failure."""
    try:
        call()
    except (AzureCallError, StorageUnavailableError, ConflictError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("times", [1, None])
def test_no_exception_of_an_sdk_comes_out(azure: Azure, calls: Calls, name: str, times: int | None) -> None:
    fault = FAULTS[name]
    started = time.monotonic()
    for what, call in calls.items():
        azure.faults.clear()
        azure.faults.add(replace(fault, host="*.*.*", path="/[!m]*", times=times))
        said = what_was_raised(call)
        assert "VERYSECRET" not in said, what
        assert "\n" not in said, what
        assert len(said) < 700, what
    assert time.monotonic() - started < HANG, "no call slept for as long as it was told to"
    assert not any(exchange.path == "/elsewhere" for exchange in azure.exchanges)


def no_such_name(*_: object, **__: object) -> Never:
    """What a resolver says of a name that does not exist."""
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize("name", ["nowhere", "no proxy", "another authority", "no authority"])
def test_a_broken_network_is_unavailable_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, calls: Calls, name: str, tmp_path: object
) -> None:
    if name == "another authority":
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        monkeypatch.delenv("SSL_CERT_FILE")
    elif name == "no authority":
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", f"{tmp_path}/none.pem")
    elif name == "no proxy":
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    else:  # Not asked of this machine's own name server, which may take its time.
        monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    for what, call in calls.items():
        with pytest.raises((AzureCallError, StorageUnavailableError)) as error:
            call()
        if isinstance(error.value, AzureCallError):
            expected = FailureKind.REFUSED if (name, what) == ("no authority", "operation") else FailureKind.UNAVAILABLE
            assert error.value.failure.kind is expected, what


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(kind=ANSWER, status=500, headers=JSON, body=b'{"statusCode": 500, "message": "x"}'), "unavailable"),
        (Fault(kind=ANSWER, status=429, headers=JSON, body=b'{"statusCode": 429, "message": "x"}'), "unavailable"),
        (Fault(kind=ANSWER, status=400, headers=JSON, body=b'{"statusCode": 400, "message": "no"}'), "refused"),
        (Fault(kind=ANSWER, status=200, headers=JSON, body=b"{}"), "unavailable"),
        (Fault(kind=ANSWER, status=200, headers=JSON, body=b"<html>"), "unavailable"),
        (Fault(kind=FaultKind.RESET), "unavailable"),
    ],
)
def test_a_token_that_cannot_be_had_is_trouble_of_its_own_kind(
    azure: Azure, calls: Calls, fault: Fault, kind: str
) -> None:
    azure.faults.add(replace(fault, path="/msi/token", times=None))
    for what, call in calls.items():
        with pytest.raises((AzureCallError, StorageUnavailableError)) as error:
            call()
        if isinstance(error.value, AzureCallError) and what not in {"operation", "versions"}:
            assert (error.value.failure.kind, what) == (kind, what)
    assert all(exchange.method != "PATCH" for exchange in azure.exchanges)


def test_an_identity_that_is_not_there_is_refused(azure: Azure, cluster: clusters.Cluster) -> None:
    assert azure.arm.clusters
    with (
        ManagedIdentityCredential(client_id="00000000-0000-0000-0000-000000000001") as stranger,
        pytest.raises(AzureCallError) as error,
    ):
        ArmClusters(stranger, clouds.PUBLIC).get(CLUSTER.id)
    assert (error.value.failure.kind, error.value.failure.code) == (FailureKind.REFUSED, "NoToken")
    assert cluster.operation is None


def test_a_read_is_tried_three_times(azure: Azure, arm: ArmClusters, cluster: clusters.Cluster) -> None:
    azure.faults.add(Fault(kind=FaultKind.RESET, path="*clusters*"), Fault(kind=ANSWER, status=503, path="*clusters*"))
    assert arm.get(CLUSTER.id).id.text == cluster.id
    azure.faults.add(Fault(kind=ANSWER, status=503, path="*clusters*", times=3))
    with pytest.raises(AzureCallError):
        arm.get(CLUSTER.id)


def test_what_has_failed_for_long_is_left_to_the_next_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    monkeypatch.setattr(errors, "_PATIENCE", -1.0)

    def fail() -> None:
        tried.append(1)
        raise AzureCallError(Failure(FailureKind.UNAVAILABLE, "x", "x"))

    with pytest.raises(AzureCallError):
        patiently(fail)
    assert len(tried) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7),
        ({"retry-after": " 7.5 "}, 7.5),
        ({"Retry-After-Ms": "250", "Retry-After": "7"}, 0.25),
        ({"x-ms-retry-after-ms": "1500"}, 1.5),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "9" * 40}, None),
        ({"Retry-After": "20, 15"}, 20),
        ({"Retry-After": "15,20 , soon"}, 20),
        ({"Retry-After": "7, Wed, 21 Oct 2015 07:28:00 GMT"}, 7),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT, Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 +99999999999"}, None),
        ({"Retry-After-Ms": "250, 500", "Retry-After": "7"}, 0.5),
        ({"Retry-After-Ms": "soon", "Retry-After": "7"}, 7),
        ({"Retry-After": ", ,"}, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 -0000"}, 0),
    ],
)
def test_a_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == (None if seconds is None else timedelta(seconds=seconds))


def test_a_retry_after_may_be_a_date() -> None:
    until = datetime.now(UTC) + timedelta(minutes=10)
    wait = retry_after({"Retry-After": format_datetime(until, usegmt=True)})
    assert wait is not None
    assert timedelta(minutes=9) < wait <= timedelta(minutes=10)


def test_the_fixtures_reach_the_simulated_azure(
    azure: Azure, account: StorageAccount, storage: Storage, topic: Topic, calls: Calls
) -> None:
    azure.add_workspace("ws", next(iter(azure.arm.clusters.values())))
    for what in calls.keys() - {"operation", "set_key_version"}:
        calls[what]()
    assert account.queues.messages("cluster-visits")
    assert topic.events
    assert storage.table_url


def test_an_answer_to_several_writes_that_is_spoilt_within_is_a_failure_of_storage(
    azure: Azure, account: StorageAccount, records: TableRecords
) -> None:
    body = "--b\r\nContent-Type: application/http\r\n\r\nodd\r\n--b--\r\n"
    answer = Response(body, 202, content_type="multipart/mixed; boundary=b")
    azure.server.hosts[account.host("table")] = lambda _: answer
    with pytest.raises(StorageUnavailableError):
        records.save_rotation(ROTATION, Step("sent", AT, ROTATION))


def test_a_token_in_an_answer_that_cannot_be_read_is_told_to_nobody(azure: Azure, records: TableRecords) -> None:
    body = b'access_token": "eyJhbGciOiJSUzI1NiJ9.secret.secret", "expires_on": "1"}'
    azure.faults.add(Fault(kind=FaultKind.REPLACED_BODY, path="/msi/token", body=body, times=None))
    with pytest.raises(StorageUnavailableError) as error:
        records.everything()
    assert "secret" not in str(error.value)
