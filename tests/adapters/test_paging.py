"""A list that has no end is no answer."""

import json

import pytest
from azure.identity import ManagedIdentityCredential

from cmk_rotation.adapters import paging
from cmk_rotation.adapters.arm import Arm
from cmk_rotation.adapters.clusters import ArmClusters
from cmk_rotation.adapters.keys import VaultKeys
from cmk_rotation.adapters.linked_accounts import ArmLinkedAccounts
from cmk_rotation.adapters.rotations_table import TableRecords
from cmk_rotation.config import clouds
from cmk_rotation.controller.ports import AzureCallError, StorageUnavailableError
from cmk_rotation.domain.cluster_record import Pin
from cmk_rotation.domain.identifiers import ClusterId, Key, Scope, StorageId
from simulator.azure import SUBSCRIPTION, Azure
from simulator.operationalinsights import clusters
from simulator.storage.accounts import StorageAccount
from simulator.wire.faults import Fault, FaultKind

KEY = Key("contoso.vault.azure.net", "la-cmk")
SCOPE = Scope.parse(f"/subscriptions/{SUBSCRIPTION}")
FEW = 20
"""How many requests a list that leads back may cost: two pages, each three times, and a challenge."""


def leads_to(azure: Azure, host: str, link: str) -> None:
    body = json.dumps({"value": [], "nextLink": link}).encode()
    azure.faults.add(Fault(kind=FaultKind.REPLACED_BODY, host=host, body=body, times=None))


def test_clusters_whose_next_page_is_the_same(azure: Azure, arm: ArmClusters, cluster: clusters.Cluster) -> None:
    assert SCOPE
    leads_to(
        azure,
        "management*",
        f"https://management.azure.com{SCOPE.text}/providers/Microsoft.OperationalInsights/clusters?api-version=2022-10-01",
    )
    with pytest.raises(AzureCallError, match="leads back"):
        arm.in_scope(SCOPE)
    assert len(azure.exchanges) < FEW
    assert cluster.name


def test_versions_whose_next_page_is_the_same(azure: Azure, keys: VaultKeys, cluster: clusters.Cluster) -> None:
    keys.versions(KEY)
    leads_to(azure, KEY.vault, f"https://{KEY.vault}/keys/la-cmk/versions?api-version=7.2")
    with pytest.raises(AzureCallError, match="leads back"):
        keys.versions(KEY)
    assert len(azure.exchanges) < FEW
    assert cluster.name


def test_rows_whose_next_page_is_the_same(azure: Azure, account: StorageAccount, records: TableRecords) -> None:
    headers = {"x-ms-continuation-NextPartitionKey": "a", "x-ms-continuation-NextRowKey": "b"}
    azure.faults.add(
        Fault(
            kind=FaultKind.ANSWER,
            host=account.host("table"),
            status=200,
            headers=headers,
            body=b'{"value": []}',
            times=None,
        )
    )
    with pytest.raises(StorageUnavailableError, match="leads back"):
        records.everything()
    assert len(azure.exchanges) < FEW


def test_a_list_may_have_only_so_many_pages(
    azure: Azure, keys: VaultKeys, cluster: clusters.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    azure.vault("contoso").page_size = 1
    for _ in range(4):
        azure.vault("contoso").rotate("la-cmk")
    assert len(keys.versions(KEY)) == 5
    monkeypatch.setattr(paging, "_MOST_PAGES", 3)
    with pytest.raises(AzureCallError, match="no end"):
        keys.versions(KEY)
    assert cluster.name


def test_who_uses_a_version_is_not_read_round_and_round(
    azure: Azure, account: StorageAccount, records: TableRecords, cluster: clusters.Cluster
) -> None:
    """Whose rows a page repeats is no news, and a page that holds none may lead on for ever."""
    headers = {"x-ms-continuation-NextPartitionKey": "a", "x-ms-continuation-NextRowKey": "b"}
    for body in (b'{"value": []}', b'{"value": [{"PartitionKey": "odd", "RowKey": "odd"}]}'):
        azure.faults.add(
            Fault(kind=FaultKind.ANSWER, host=account.host("table"), status=200, headers=headers, body=body, times=60)
        )
        who = ClusterId.parse(cluster.id)
        assert who
        with pytest.raises(StorageUnavailableError, match="leads back"):
            records.pinning(Pin(KEY, "1"), other_than=who, most=3)
        assert len(azure.exchanges) < FEW
        azure.faults.clear()


WORKSPACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/ws-1"


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ({"value": [], "nextLink": f"https://management.azure.com{WORKSPACE}/linkedStorageAccounts"}, "leads back"),
        ({"value": {}}, "no list"),
        ({"value": [], "nextLink": 7}, "no address"),
    ],
)
def test_storage_that_a_workspace_is_linked_to_is_known_only_from_a_whole_list(
    azure: Azure, credential: ManagedIdentityCredential, page: dict[str, object], why: str
) -> None:
    """Half of it would free a key version that an account still uses."""
    accounts, workspace = ArmLinkedAccounts(Arm(credential, clouds.PUBLIC)), StorageId.parse(WORKSPACE)
    assert workspace
    azure.faults.add(
        Fault(kind=FaultKind.ANSWER, status=200, path=f"{WORKSPACE}/*", body=json.dumps(page).encode(), times=None)
    )
    with pytest.raises(AzureCallError, match=why):
        accounts.of_workspace(workspace)
    assert len(azure.exchanges) < FEW
