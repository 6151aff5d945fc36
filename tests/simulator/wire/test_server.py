import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from werkzeug.wrappers import Request, Response

from simulator.azure import Azure
from simulator.clock.running import RunningClock
from simulator.entra import identity
from simulator.operationalinsights.clusters import Cluster
from simulator.wire.exchanges import Exchange
from simulator.wire.faults import Fault, FaultKind
from tests.patience import HANG

ARM = "https://management.azure.com"


@pytest.fixture
def session(azure: Azure) -> Iterator[requests.Session]:
    assert azure.server.port
    with requests.Session() as opened:
        opened.headers["Authorization"] = "Bearer " + identity.issue(ARM, "function")
        yield opened


@pytest.fixture
def get(session: requests.Session, cluster: Cluster) -> Callable[[], requests.Response]:
    return lambda: session.get(f"{ARM}{cluster.id}?api-version=2025-07-01", timeout=HANG)


@pytest.fixture
def patch(session: requests.Session, cluster: Cluster) -> Callable[[], requests.Response]:
    url = f"{ARM}{cluster.id}?api-version=2025-07-01"
    return lambda: session.patch(url, json={"tags": {"touched": "yes"}}, timeout=HANG)


@pytest.mark.parametrize("url", ["https://example.com/", "https://unknown.vault.azure.net/keys", f"{ARM}:8443/"])
def test_a_host_that_nothing_serves_is_refused_before_a_word_is_said(azure: Azure, url: str) -> None:
    with pytest.raises(requests.exceptions.ProxyError):
        requests.get(url, timeout=HANG)
    assert len(azure.server.refused) == 1
    assert azure.exchanges == []


def test_plain_http_to_anywhere_is_refused(azure: Azure) -> None:
    assert requests.get("http://169.254.169.254/metadata", timeout=HANG).status_code == 403
    assert azure.server.refused == ["169.254.169.254"]
    assert azure.exchanges == []


def test_a_tunnel_serves_only_the_host_it_was_opened_for(azure: Azure, session: requests.Session) -> None:
    assert session.get(ARM, headers={"Host": "contoso.vault.azure.net"}, timeout=HANG).status_code == 403
    assert azure.server.refused == ["contoso.vault.azure.net"]


def test_an_exchange_is_on_record_without_its_secrets(azure: Azure, session: requests.Session) -> None:
    session.get(f"{ARM}/nothing/HERE?api-version=2025-07-01&t=topsecret&c=certificate", timeout=HANG)
    (exchange,) = azure.exchanges
    assert (exchange.number, exchange.method, exchange.host) == (1, "GET", "management.azure.com")
    assert (exchange.path, exchange.status, exchange.mutating) == ("/nothing/HERE", 404, False)
    assert "InvalidResourceType" in exchange.response_body.decode()
    assert exchange.query == "api-version=2025-07-01&t=%2A%2A%2A&c=%2A%2A%2A"
    assert "authorization" not in exchange.request_headers
    assert exchange.request_headers["host"] == "management.azure.com"


def test_a_hook_sees_an_effect_before_the_client_sees_the_answer(
    azure: Azure, cluster: Cluster, patch: Callable[[], requests.Response]
) -> None:
    seen: list[tuple[str, int | None, dict[str, str]]] = []
    azure.server.before_effect.append(lambda it: seen.append(("before", it.status, dict(cluster.tags))))
    azure.after_effect.append(lambda it: seen.append(("effect", it.status, dict(cluster.tags))))
    azure.server.after_response.append(lambda it: seen.append(("response", it.status, dict(cluster.tags))))
    patch()
    patch()  # The first exchange is surely over when the second one is answered.
    touched = {"touched": "yes"}
    assert seen[:3] == [("before", None, {}), ("effect", 200, touched), ("response", 200, touched)]


def test_a_hook_that_fails_cuts_the_connection_and_fails_the_test(patch: Callable[[], requests.Response]) -> None:
    # The fixture's Azure is another one: this one's failure is the point.
    assert patch().ok
    broken = Azure(RunningClock.starting_now())

    def fail(_: Exchange) -> None:
        raise ZeroDivisionError

    broken.start()
    broken.after_effect.append(fail)
    with pytest.raises(requests.ConnectionError):
        requests.get(broken.environment()["IDENTITY_ENDPOINT"], timeout=HANG)
    with pytest.raises(BaseExceptionGroup) as failure:
        broken.stop()
    assert isinstance(failure.value.exceptions[0], ZeroDivisionError)


def test_no_two_requests_take_effect_at_once(azure: Azure) -> None:
    inside: list[int] = []
    most: list[int] = []

    def service(_: Request) -> Response:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.02)  # Real, so that another request would have the time to come in.
        inside.pop()
        return Response("ok")

    azure.server.hosts["extra.example"] = service
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: requests.get("https://extra.example/", timeout=HANG), range(8)))
    assert [answer.text for answer in answers] == ["ok"] * 8
    assert most == [1] * 8


def test_a_body_without_a_length_is_refused(azure: Azure, session: requests.Session) -> None:
    assert session.post(ARM, iter([b"chunk"]), timeout=HANG).status_code == 411
    assert azure.exchanges == []


def test_a_story_changes_things_between_two_requests(azure: Azure, get: Callable[[], requests.Response]) -> None:
    with ThreadPoolExecutor(1) as pool:
        with azure.lock:
            answer = pool.submit(get)
            time.sleep(0.1)  # Real, so that it would have the time to be answered.
            assert not answer.done()
            azure.arm.clusters.clear()
        assert answer.result().status_code == 404


@pytest.mark.parametrize("kind", [FaultKind.RESET, FaultKind.HANG])
def test_a_request_cut_before_its_effect_has_none(
    azure: Azure, cluster: Cluster, patch: Callable[[], requests.Response], kind: FaultKind
) -> None:
    azure.faults.add(Fault(kind=kind, method="PATCH", seconds=0.05))
    with pytest.raises(requests.ConnectionError):
        patch()
    assert cluster.tags == {}
    assert (azure.exchanges[-1].fault, azure.exchanges[-1].status) == (kind, None)


@pytest.mark.parametrize("kind", [FaultKind.RESET_AFTER, FaultKind.HANG_AFTER, FaultKind.TRUNCATED_BODY])
def test_a_request_cut_after_its_effect_has_it(
    azure: Azure, cluster: Cluster, patch: Callable[[], requests.Response], kind: FaultKind
) -> None:
    azure.faults.add(Fault(kind=kind, method="PATCH", seconds=0.05))
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        patch()
    assert cluster.tags == {"touched": "yes"}
    assert (azure.exchanges[-1].fault, azure.exchanges[-1].status) == (kind, 200)


def test_a_faulty_answer_prevents_the_effect(
    azure: Azure, cluster: Cluster, patch: Callable[[], requests.Response]
) -> None:
    azure.faults.add(Fault(kind=FaultKind.ANSWER, status=429, headers={"Retry-After": "7"}, body=b'{"error": {}}'))
    answer = patch()
    assert (answer.status_code, answer.headers["Retry-After"], answer.json()) == (429, "7", {"error": {}})
    assert cluster.tags == {}


def test_a_delayed_request_is_served_in_the_end(azure: Azure, patch: Callable[[], requests.Response]) -> None:
    before = azure.clock.timestamp()
    azure.faults.add(Fault(kind=FaultKind.DELAY, seconds=300))
    assert patch().ok
    assert azure.clock.timestamp() - before == 300


def test_a_service_has_the_latency_that_is_chosen_whatever_else_goes_wrong_with_it(
    azure: Azure, patch: Callable[[], requests.Response]
) -> None:
    azure.faults.latency = {"*.vault.azure.net": 5.0, "management.*": 0.25, "*": 7.0}
    before = azure.clock.timestamp()
    assert patch().ok
    assert azure.clock.timestamp() - before == 0.25
    azure.faults.add(Fault(kind=FaultKind.ANSWER, status=503))
    assert patch().status_code == 503
    assert azure.clock.timestamp() - before == 0.5
    azure.faults.latency = {"*.vault.azure.net": 5.0}
    assert patch().ok
    assert azure.clock.timestamp() - before == 0.5


def test_where_time_runs_a_service_has_its_latency_too() -> None:
    with Azure(RunningClock.starting_now(100)) as azure:
        azure.faults.latency = {"127.0.0.1": 20}
        before = azure.clock.timestamp()
        requests.get(f"http://127.0.0.1:{azure.server.port}/", timeout=HANG)
        assert azure.clock.timestamp() - before >= 20


@pytest.mark.parametrize(
    ("kind", "body"), [(FaultKind.EMPTY_BODY, b""), (FaultKind.REPLACED_BODY, b'["not", "a", "cluster"]')]
)
def test_a_body_can_be_lost_or_replaced_after_the_effect(
    azure: Azure, cluster: Cluster, patch: Callable[[], requests.Response], kind: FaultKind, body: bytes
) -> None:
    azure.faults.add(Fault(kind=kind, body=body))
    answer = patch()
    assert (answer.status_code, answer.content) == (200, body)
    assert cluster.tags == {"touched": "yes"}


def test_a_header_can_be_lost_or_replaced(azure: Azure, get: Callable[[], requests.Response]) -> None:
    changed = {"x-ms-request-id": None, "Retry-After": "soon"}
    azure.faults.add(Fault(kind=FaultKind.REPLACED_HEADERS, headers=changed))
    answer = get()
    assert "x-ms-request-id" not in answer.headers
    assert answer.headers["Retry-After"] == "soon"


def test_faults_come_in_order_and_only_to_requests_that_match(
    azure: Azure, get: Callable[[], requests.Response]
) -> None:
    def answer(status: int, **patterns: Any) -> Fault:
        return Fault(kind=FaultKind.ANSWER, status=status, **patterns)

    azure.faults.add(
        answer(500, host="*.vault.azure.net"),
        answer(501, method="PATCH"),
        answer(502, path="*/CLUSTERS/*", times=2),
        answer(503, method="get", times=None),
    )
    assert [get().status_code for _ in range(5)] == [502, 502, 503, 503, 503]
    azure.faults.clear()
    assert get().status_code == 200
