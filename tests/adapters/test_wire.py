"""No token leaves for another host or another service, and no call outlasts what a claim is made to outlast."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.core.exceptions import ServiceRequestTimeoutError
from azure.core.rest import HttpRequest
from azure.identity import ManagedIdentityCredential
from werkzeug.wrappers import Request, Response

from cmk_rotation import bootstrap
from cmk_rotation.adapters import wire
from cmk_rotation.adapters.clusters import ArmClusters
from cmk_rotation.adapters.keys import VaultKeys
from cmk_rotation.adapters.outcomes import TopicOutcomes
from cmk_rotation.adapters.rotations_table import TableRecords
from cmk_rotation.adapters.visit_queue import QueueRequests
from cmk_rotation.adapters.wire import ForeignHostError, Wire, within
from cmk_rotation.config import clouds
from cmk_rotation.controller.ports import AzureCallError, StorageUnavailableError
from cmk_rotation.domain.identifiers import ClusterId, Key, Scope
from cmk_rotation.domain.timing import CLAIM_LASTS, PATCH_TIMEOUT
from cmk_rotation.domain.vocabulary import FailureKind
from simulator.azure import SUBSCRIPTION, Azure
from simulator.clock.waiting import WaitingClock
from simulator.clouds import CHINA
from simulator.operationalinsights import clusters
from simulator.wire.faults import Fault, FaultKind

KEY = Key("contoso.vault.azure.net", "la-cmk")
EVIL = "evil.example"


def scope() -> Scope:
    found = Scope.parse(f"/subscriptions/{SUBSCRIPTION}")
    assert found is not None
    return found


def id_of(cluster: clusters.Cluster) -> ClusterId:
    found = ClusterId.parse(cluster.id)
    assert found is not None
    return found


@pytest.fixture
def evil(azure: Azure) -> list[str]:
    """A stranger's hosts; what they hear."""
    heard: list[str] = []

    def hear(request: Request) -> Response:
        heard.append(request.url)
        return Response("{}")

    for host in (EVIL, f"management.azure.com.{EVIL}", f"{KEY.vault}.{EVIL}"):
        azure.server.hosts[host] = hear
    return heard


LINKS = [
    f"https://{EVIL}/x",
    f"https://management.azure.com.{EVIL}/x",
    f"https://management.azure.com@{EVIL}/x",
    f"https://{EVIL}\\\\@management.azure.com/x",
    f"https://{EVIL}#@management.azure.com/x",
    f"http://{EVIL}/x",
    "http://management.azure.com/x",
    f"//{EVIL}/x",
]


@pytest.mark.parametrize("link", LINKS)
def test_no_page_is_read_from_another_host(  # noqa: PLR0913, PLR0917 - whoever reads pages, and who must hear nothing
    azure: Azure, arm: ArmClusters, keys: VaultKeys, cluster: clusters.Cluster, evil: list[str], link: str
) -> None:
    keys.versions(KEY)
    body = f'{{"value": [], "nextLink": "{link.replace("management.azure.com", "{own}")}"}}'
    for own, call in (
        ("management.azure.com", lambda: arm.in_scope(scope())),
        (KEY.vault, lambda: keys.versions(KEY)),
    ):
        text = body.replace("{own}", own).encode()
        azure.faults.add(Fault(kind=FaultKind.REPLACED_BODY, host=own, body=text, times=None))
        with pytest.raises(AzureCallError):
            call()
        azure.faults.clear()
    assert evil == []
    assert azure.server.refused == []
    assert cluster.name


def test_a_page_may_lie_on_a_region_s_own_host(azure: Azure, arm: ArmClusters, cluster: clusters.Cluster) -> None:
    link = f"https://westeurope.management.azure.com/subscriptions/{SUBSCRIPTION}/providers/Microsoft.OperationalInsights/clusters"
    body = json.dumps({"value": [], "nextLink": f"{link}?api-version=2022-10-01"}).encode()
    azure.faults.add(Fault(kind=FaultKind.REPLACED_BODY, host="management.azure.com", body=body))
    assert [found.id for found in arm.in_scope(scope()).clusters] == [id_of(cluster)]


def asked_for(azure: Azure) -> set[str]:
    """The resources that tokens were asked for."""
    queries = [exchange.query for exchange in azure.exchanges if exchange.path == "/msi/token"]
    return {pair.partition("=")[2] for query in queries for pair in query.split("&") if pair.startswith("resource=")}


RESOURCES = [
    "https://management.azure.com",
    "https://vault.azure.net",
    "https://azure.net",
    "https://graph.microsoft.com",
]


@pytest.mark.parametrize("resource", RESOURCES)
def test_storage_gets_a_token_for_storage_alone(
    azure: Azure, records: TableRecords, requests: QueueRequests, resource: str
) -> None:
    challenge = f"Bearer authorization_uri=https://login.microsoftonline.com/t/oauth2/authorize resource_id={resource}"
    headers = {"WWW-Authenticate": challenge}
    azure.faults.add(Fault(kind=FaultKind.ANSWER, host="contosofn.*", status=401, headers=headers, times=None))
    for call in (records.everything, requests.poison_queue):
        with pytest.raises(StorageUnavailableError):
            call()
    assert len(asked_for(azure)) == 1
    assert "storage.azure.com" in asked_for(azure).pop()


@pytest.mark.parametrize(
    "resource", ["https://azure.net", "https://managedhsm.azure.net", "https://contoso.vault.azure.net"]
)
def test_a_vault_gets_a_token_for_its_service_alone(
    azure: Azure, keys: VaultKeys, cluster: clusters.Cluster, resource: str
) -> None:
    challenge = f'Bearer authorization="https://login.microsoftonline.com/t", resource="{resource}"'
    headers = {"WWW-Authenticate": challenge}
    azure.faults.add(Fault(kind=FaultKind.ANSWER, host=KEY.vault, status=401, headers=headers, times=None))
    with pytest.raises(AzureCallError):
        keys.versions(KEY)
    # That of its service may be asked for first, if another client has been challenged before.
    assert asked_for(azure) <= {"https%3A%2F%2Fvault.azure.net"}
    assert cluster.name


@pytest.mark.usefixtures("cluster")
def test_a_vault_that_asked_for_another_s_token_once_is_read_again(azure: Azure, keys: VaultKeys) -> None:
    """The SDK remembers what was asked for as long as the process lives, for all its clients."""
    challenge = 'Bearer authorization="https://login.microsoftonline.com/t", resource="https://azure.net"'
    headers = {"WWW-Authenticate": challenge}
    azure.faults.add(Fault(kind=FaultKind.ANSWER, host=KEY.vault, status=401, headers=headers, times=None))
    with pytest.raises(AzureCallError):
        keys.versions(KEY)
    azure.faults.clear()
    assert keys.versions(KEY)
    assert asked_for(azure) == {"https%3A%2F%2Fvault.azure.net"}


def test_each_kind_of_vault_in_another_cloud_gets_the_token_that_it_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with Azure(WaitingClock.starting(), CHINA) as azure:
        for name, value in azure.environment().items():
            monkeypatch.setenv(name, value)
        azure.add_vault("contoso").add_key("la-cmk")
        azure.add_vault("hsm1", hsm=True).add_key("la-cmk")
        with ManagedIdentityCredential() as credential:
            keys = VaultKeys(credential, clouds.CHINA)
            for host in azure.vaults:
                assert len(keys.versions(Key(host, "la-cmk"))) == 1


class Ticking:
    """A clock on which a second passes whenever somebody looks."""

    def __init__(self) -> None:
        self._ticks = itertools.count()

    def monotonic(self) -> float:
        return float(next(self._ticks))


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "time", Ticking())


@pytest.mark.usefixtures("ticking")
def test_an_answer_that_drips_ends_with_the_call(azure: Azure, arm: ArmClusters, cluster: clusters.Cluster) -> None:
    azure.faults.add(Fault(kind=FaultKind.DRIP, host="management*", times=None))
    with pytest.raises(AzureCallError) as error:
        arm.get(id_of(cluster))
    assert error.value.failure.kind is FailureKind.UNAVAILABLE


@pytest.mark.usefixtures("ticking")
def test_an_update_whose_answer_drips_is_over_before_its_claim(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster
) -> None:
    before = arm.get(id_of(cluster))
    version = azure.vault("contoso").rotate("la-cmk").version
    azure.faults.add(Fault(kind=FaultKind.DRIP, method="PATCH", times=None))
    with pytest.raises(AzureCallError) as error:
        arm.set_key_version(before, version, "attempt")
    assert error.value.failure.kind is FailureKind.UNAVAILABLE
    assert cluster.operation is not None
    assert sum(exchange.method == "PATCH" for exchange in azure.exchanges) == 1
    assert timedelta(seconds=80) + PATCH_TIMEOUT <= CLAIM_LASTS


@pytest.mark.usefixtures("ticking")
def test_a_token_counts_to_the_call_that_needs_it(azure: Azure, cluster: clusters.Cluster) -> None:
    credential = bootstrap._managed_identity(None)  # noqa: SLF001 - as the function signs in
    with within(timedelta(seconds=0)), pytest.raises(AzureCallError) as error:
        ArmClusters(credential, clouds.PUBLIC).get(id_of(cluster))
    assert error.value.failure.kind is FailureKind.UNAVAILABLE
    assert azure.exchanges == []


def test_an_answer_that_drips_in_time_is_an_answer(azure: Azure, arm: ArmClusters, cluster: clusters.Cluster) -> None:
    azure.faults.add(Fault(kind=FaultKind.DRIP, host="management*", times=None))
    assert arm.get(id_of(cluster)).id == id_of(cluster)


def test_a_call_within_another_lasts_no_longer(azure: Azure, arm: ArmClusters, cluster: clusters.Cluster) -> None:
    with within(timedelta(seconds=-1)), within(timedelta(hours=1)), pytest.raises(AzureCallError, match="no time left"):
        arm.get(id_of(cluster))
    assert {exchange.host for exchange in azure.exchanges} == {"127.0.0.1"}, "which gives the token"
    assert arm.get(id_of(cluster)).id == id_of(cluster)


def test_nobody_sleeps_longer_than_the_call_lasts() -> None:
    with Wire() as client, within(timedelta(seconds=-1)):
        client.sleep(3_600.0)
        with pytest.raises(ServiceRequestTimeoutError):
            client.send(HttpRequest("GET", "https://management.azure.com/"))


def test_a_wire_without_hosts_of_its_own_calls_any_and_one_with_calls_them_alone() -> None:
    with Wire("example.org") as client, pytest.raises(ForeignHostError, match=r"none of example\.org"):
        client.send(HttpRequest("GET", "https://example.com/"))


def test_credentials_that_a_person_keeps_for_other_programs_are_sent_to_nobody(  # noqa: PLR0913, PLR0917 - each a client
    arm: ArmClusters,
    keys: VaultKeys,
    records: TableRecords,
    requests: QueueRequests,
    outcomes: TopicOutcomes,
    azure: Azure,
    cluster: clusters.Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`requests` sends what is in ~/.netrc in place of the token, to whatever host it names, or to all of them."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert arm.get(id_of(cluster)).id == id_of(cluster)
    assert keys.versions(KEY)
    assert records.of_cluster(id_of(cluster)) is not None
    assert requests.poison_queue() is not None
    outcomes.publish(id="1", subject="/subscriptions/s", time=datetime.now(UTC), data={})
    assert bootstrap._own_sign_in(clouds.PUBLIC).get_token("https://vault.azure.net/.default")  # noqa: SLF001
    asked = [one for one in azure.exchanges if one.path == "/msi/token"]
    assert asked
    assert not any("authorization" in one.request_headers for one in asked)
