"""Linked storage accounts as ARM shows them, and as the table keeps them."""

from dataclasses import replace
from typing import Any

import pytest
from azure.data.tables import TableClient, UpdateMode
from azure.identity import ManagedIdentityCredential

from cmk_rotation.adapters import storage_rows
from cmk_rotation.adapters.arm import Arm
from cmk_rotation.adapters.linked_accounts import ArmLinkedAccounts
from cmk_rotation.adapters.rotations_table import TABLE, TableRecords
from cmk_rotation.config import clouds
from cmk_rotation.config.settings import Storage
from cmk_rotation.controller.ports import AzureCallError
from cmk_rotation.domain.azure_resources import AccountKey
from cmk_rotation.domain.cluster_record import LinkedStorage, Pin, Record
from cmk_rotation.domain.identifiers import ClusterId, StorageId
from cmk_rotation.domain.vocabulary import FailureKind, Reason
from simulator.azure import FUNCTION, Azure
from simulator.operationalinsights import clusters
from tests.unit.support.builders import CLUSTER, DAY, KEY, KEY_NAME, NOW, SUBSCRIPTION, V1, V2, VAULT, cluster_id, must

ACCOUNT = must(
    StorageId.parse(
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-S/providers/Microsoft.Storage/storageAccounts/saved"
    )
)


@pytest.fixture
def accounts(credential: ManagedIdentityCredential) -> ArmLinkedAccounts:
    return ArmLinkedAccounts(Arm(credential, clouds.PUBLIC))


def test_each_account_of_a_workspace_is_found_once_with_its_key(
    azure: Azure, cluster: clusters.Cluster, accounts: ArmLinkedAccounts
) -> None:
    workspace = azure.add_workspace("ws-one", cluster)
    saved, plain = azure.storage_account("saved"), azure.storage_account("plain")
    classic = saved.resource_id.replace("Microsoft.Storage", "Microsoft.ClassicStorage")
    workspace.linked_accounts = {
        "Query": [saved.resource_id, classic],
        "Alerts": [saved.resource_id.upper(), plain.resource_id],
    }
    found = accounts.of_workspace(must(StorageId.parse(workspace.id)))
    assert [one.name for one in found] == ["saved", "plain"]
    uri, version = azure.vault("contoso").uri, azure.pinned("contoso", "la-cmk").version
    azure.encrypt(saved, uri, "la-cmk", version)
    key = must(accounts.key_of(found[0]))
    assert (key.key, key.key_version, key.version_in_use) == (KEY, version, version)
    assert key.rotated_at is not None
    azure.encrypt(saved, uri, "la-cmk")
    assert must(accounts.key_of(found[0])).key_version is None
    saved.customer_key = replace(must(saved.customer_key), in_use="a/b")
    assert must(accounts.key_of(found[0])).version_in_use is None
    assert accounts.key_of(found[1]) is None


@pytest.mark.parametrize(
    "action",
    ["Microsoft.OperationalInsights/workspaces/linkedStorageAccounts/read", "Microsoft.Storage/storageAccounts/read"],
)
def test_a_missing_right_is_a_refusal(
    azure: Azure, cluster: clusters.Cluster, accounts: ArmLinkedAccounts, action: str
) -> None:
    workspace = must(StorageId.parse(azure.add_workspace("ws-one", cluster).id))
    account = must(StorageId.parse(azure.storage_account("saved").resource_id))
    azure.rights.deny(FUNCTION, action)
    with pytest.raises(AzureCallError) as refused:
        accounts.of_workspace(workspace) if "linked" in action else accounts.key_of(account)
    assert refused.value.failure.kind is FailureKind.REFUSED
    assert action in refused.value.failure.message


def row(**changes: Any) -> LinkedStorage:
    full = LinkedStorage(
        id=ACCOUNT,
        clusters=(CLUSTER, cluster_id("law-two")),
        reason=Reason.STORAGE_BEHIND,
        since=NOW,
        message="it is behind",
        remedy="Move it.",
        looked_at=NOW,
        account_key=AccountKey(VAULT, KEY_NAME, V1, V2, NOW),
        newest_version=V2,
        called_for=Reason.STORAGE_KEY_DISABLED,
        called_at=NOW,
        called_since=NOW - DAY,
        said="behind",
        said_at=NOW,
    )
    return replace(full, **changes)


def test_a_row_is_read_as_it_was_written_with_each_cluster_that_led_there(records: TableRecords) -> None:
    records.save_storage(row(reason=Reason.STORAGE_CURRENT))
    records.save_storage(row())
    records.index(ACCOUNT, add=[Pin(KEY, V1)], remove=[])
    found = records.everything()
    assert found.keys() == {CLUSTER, cluster_id("law-two")}
    assert found[CLUSTER] == Record(storage=(row(pins=frozenset({Pin(KEY, V1)})),))
    assert records.pinning(Pin(KEY, V1), other_than=CLUSTER, most=3) == [ACCOUNT]
    assert records.of_cluster(CLUSTER) == Record()
    assert records.storage_of(CLUSTER) == (row(),)
    assert records.storage_of(cluster_id("law-three")) == ()
    records.index(ACCOUNT, add=[], remove=[Pin(KEY, V1)])
    bare = LinkedStorage(ACCOUNT, (CLUSTER,), Reason.STORAGE_UNREAD, NOW, "it is not known", "Look.", NOW)
    records.save_storage(bare)
    assert records.everything() == {CLUSTER: Record(storage=(bare,))}


def test_a_row_has_room_for_fifty_clusters_of_the_longest_names(records: TableRecords) -> None:
    named = tuple(cluster_id(f"{number:02}".ljust(63, "n"), group="g" * 90) for number in range(50))
    records.save_storage(row(clusters=named))
    assert {one.storage for one in records.everything().values()} == {(row(clusters=named),)}


def test_nothing_in_a_row_is_believed(
    records: TableRecords, storage: Storage, credential: ManagedIdentityCredential
) -> None:
    records.save_storage(row())
    stored = dict(storage_rows.from_storage(row()))
    table = TableClient(must(storage.table_url), TABLE, credential=credential)
    for broken in ({"reason": "odd"}, {"lookedAt": "yesterday"}):
        table.upsert_entity({**stored, **broken}, mode=UpdateMode.REPLACE)
        assert records.everything() == {}
    table.upsert_entity(
        {
            **stored,
            "resourceId": "/elsewhere",
            "clusters": f"odd,{CLUSTER.text}",
            "since": 1,
            "message": 1,
            "remedy": 1,
        },
        mode=UpdateMode.REPLACE,
    )
    (read,) = must(records.everything()[must(ClusterId.parse(CLUSTER.text))].storage)
    assert (read.id, read.clusters, read.since, read.message, read.remedy) == (ACCOUNT, (CLUSTER,), NOW, "", "")
    assert read.id.text == ACCOUNT.key
    table.close()
