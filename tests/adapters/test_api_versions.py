"""Clouds lag behind: each service is spoken to in an old version, and one that it does not know is said as what it is."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from azure.data.tables._base_client import _SUPPORTED_API_VERSIONS as OF_TABLES
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import ApiVersion
from azure.storage.queue._serialize import _SUPPORTED_API_VERSIONS as OF_QUEUES

from cmk_rotation.adapters.clusters import ArmClusters
from cmk_rotation.adapters.keys import VaultKeys
from cmk_rotation.adapters.rotations_table import TableRecords
from cmk_rotation.adapters.visit_queue import QueueRequests
from cmk_rotation.config import api_versions, clouds
from cmk_rotation.config.settings import Storage
from cmk_rotation.controller.ports import AzureCallError, StorageUnavailableError
from cmk_rotation.domain.azure_resources import Cluster, OperationError
from cmk_rotation.domain.cluster_record import ClusterStatus
from cmk_rotation.domain.identifiers import ClusterId, Key, Scope
from cmk_rotation.domain.remedies import advice_for
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import FailureKind, Reason, RequestedBy
from simulator.azure import SUBSCRIPTION, Azure
from simulator.operationalinsights import clusters
from simulator.storage.accounts import StorageAccount
from simulator.wire.faults import Fault, FaultKind

AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
KEY = Key("contoso.vault.azure.net", "la-cmk")
JSON = {"Content-Type": "application/json"}
INVALID = (
    b'{"error": {"code": "InvalidApiVersionParameter", "message": "The api-version \'2022-10-01\' is invalid. '
    b"The supported versions are '2020-08-01'.\"}}"
)
NO_TYPE = (
    b'{"error": {"code": "InvalidResourceType", "message": "The resource type could not be found in the namespace '
    b"'Microsoft.OperationalInsights' for api version '2022-10-01'. The supported api-versions are '2020-08-01'.\"}}"
)


def scope() -> Scope:
    found = Scope.parse(f"/subscriptions/{SUBSCRIPTION}")
    assert found is not None
    return found


def id_of(cluster: clusters.Cluster) -> ClusterId:
    found = ClusterId.parse(cluster.id)
    assert found is not None
    return found


def versions(azure: Azure, host: str) -> set[str]:
    """In which versions a service was spoken to."""
    named = [exchange for exchange in azure.exchanges if exchange.host.endswith(host)]
    headers = {exchange.request_headers.get("x-ms-version") for exchange in named}
    queries = {pair for exchange in named for pair in exchange.query.split("&") if pair.startswith("api-version=")}
    return {query.partition("=")[2] for query in queries} or {str(header) for header in headers}


def use_all(arm: ArmClusters, keys: VaultKeys, records: TableRecords, requests: QueueRequests, found: Cluster) -> None:
    arm.in_scope(scope())
    arm.set_key_version(found, found.key_version or "", "attempt")
    keys.versions(KEY)
    records.save_status(ClusterStatus(found.id, None, Reason.UP_TO_DATE, AT, "", None, AT))
    records.everything()
    requests.request(VisitRequest(RequestedBy.EVENT, AT, cluster=found.id))
    requests.poison_queue()


def test_every_service_is_spoken_to_in_the_oldest_version_that_suffices(  # noqa: PLR0913, PLR0917 - one of each port
    azure: Azure,
    arm: ArmClusters,
    keys: VaultKeys,
    records: TableRecords,
    requests: QueueRequests,
    cluster: clusters.Cluster,
    account: StorageAccount,
) -> None:
    azure.arm.cluster_versions = frozenset({api_versions.ARM})
    azure.vault("contoso").api_versions = ("7.1", api_versions.KEY_VAULT)
    account.set_newest_version(api_versions.STORAGE)
    new = azure.vault("contoso").rotate("la-cmk").version
    use_all(arm, keys, records, requests, replace(arm.get(id_of(cluster)), key_version=new))
    assert versions(azure, "management.azure.com") == {"2022-10-01"}
    assert versions(azure, "vault.azure.net") == {"7.2"}
    assert versions(azure, "core.windows.net") == {"2020-12-06"}


def test_each_version_can_be_set(
    azure: Azure,
    credential: ManagedIdentityCredential,
    storage: Storage,
    cluster: clusters.Cluster,
) -> None:
    azure.arm.cluster_versions = frozenset({"2025-02-01"})
    azure.vault("contoso").api_versions = ("7.6",)
    cloud = replace(clouds.PUBLIC, arm_api_version="2025-02-01", key_vault_api_version="7.6")
    older = replace(storage, api_version="2019-07-07")
    arm, keys = ArmClusters(credential, cloud), VaultKeys(credential, cloud)
    use_all(arm, keys, TableRecords(older, credential), QueueRequests(older, credential), arm.get(id_of(cluster)))
    assert versions(azure, "core.windows.net") == {"2019-07-07"}


type Call = Callable[[ArmClusters, VaultKeys, Cluster], object]
CALLS: dict[str, tuple[Call, Reason]] = {
    "list": (lambda arm, _keys, _found: arm.in_scope(scope()), Reason.API_VERSION_UNKNOWN),
    "get": (lambda arm, _keys, found: arm.get(found.id), Reason.API_VERSION_UNKNOWN),
    "patch": (lambda arm, _keys, found: arm.set_key_version(found, "v2", "attempt"), Reason.UPDATE_REFUSED),
    "versions": (lambda _arm, keys, _found: keys.versions(KEY), Reason.API_VERSION_UNKNOWN),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_version_that_is_not_known_is_no_missing_right(
    azure: Azure, arm: ArmClusters, keys: VaultKeys, cluster: clusters.Cluster, name: str
) -> None:
    found = arm.get(id_of(cluster))
    azure.arm.cluster_versions = frozenset({"2020-08-01", "2021-06-01"})
    azure.vault("contoso").api_versions = ("2016-10-01", "7.0")
    call, reason = CALLS[name]
    with pytest.raises(AzureCallError) as error:
        call(arm, keys, found)
    failure = error.value.failure
    assert failure.kind is FailureKind.UNKNOWN_VERSION
    assert "API_VERSION" in advice_for(reason, OperationError(failure.code, failure.message))


@pytest.mark.parametrize(("status", "body"), [(400, INVALID), (404, NO_TYPE)])
def test_resource_manager_has_more_words_for_it(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, status: int, body: bytes
) -> None:
    azure.faults.add(
        Fault(kind=FaultKind.ANSWER, path="*/clusters*", status=status, headers=JSON, body=body, times=None)
    )
    for call in (lambda: arm.in_scope(scope()), lambda: arm.get(id_of(cluster))):
        with pytest.raises(AzureCallError) as error:
            call()
        assert error.value.failure.kind is FailureKind.UNKNOWN_VERSION


def test_storage_says_so_too(
    account: StorageAccount, records: TableRecords, requests: QueueRequests, cluster: clusters.Cluster
) -> None:
    account.set_newest_version("2019-02-02")
    cluster_id = id_of(cluster)
    status = ClusterStatus(cluster_id, None, Reason.UP_TO_DATE, AT, "", None, AT)
    calls: list[Callable[[], object]] = [
        records.everything,
        lambda: records.save_status(status),
        lambda: requests.request(VisitRequest(RequestedBy.EVENT, AT, cluster=cluster_id)),
        requests.poison_queue,
        lambda: requests.note_poison(AT),
    ]
    for call in calls:
        with pytest.raises(StorageUnavailableError, match="InvalidHeaderValue") as error:
            call()
        assert error.value.reason is Reason.API_VERSION_UNKNOWN


def test_what_may_be_set_is_what_the_sdks_take() -> None:
    assert set(api_versions.KNOWN["STORAGE_API_VERSION"]) == set(OF_TABLES) & set(OF_QUEUES)
    assert set(api_versions.KNOWN["KEY_VAULT_API_VERSION"]) == {version.value for version in ApiVersion}
