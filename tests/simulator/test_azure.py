import os
import subprocess
import sys

import pytest
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential
from azure.storage.queue import QueueServiceClient

from simulator.azure import FUNCTION, RESOURCE_GROUP, SUBSCRIPTION, Azure
from simulator.clock.running import RunningClock
from simulator.clouds import US_GOVERNMENT
from tests.patience import HANG

CHILD = f"""
from azure.identity import DefaultAzureCredential
from azure.mgmt.loganalytics import LogAnalyticsManagementClient
with DefaultAzureCredential() as credential, LogAnalyticsManagementClient(credential, "{SUBSCRIPTION}") as arm:
    print([cluster.name for cluster in arm.clusters.list()])
"""


def test_a_child_process_lives_in_it_with_nothing_but_its_environment() -> None:
    with Azure(RunningClock.starting_now()) as azure:
        azure.add_cluster("Cluster-1")
        environment = {"PATH": os.environ["PATH"], **azure.environment()}
        child = subprocess.run(
            [sys.executable, "-c", CHILD],
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=HANG,
            check=False,
        )
    assert child.stderr == ""
    assert child.stdout == "['Cluster-1']\n"


def test_tables_and_queues_take_a_token(azure: Azure, credential: ManagedIdentityCredential) -> None:
    account = azure.storage_account("stcmk", keyless=True)
    with TableServiceClient("https://stcmk.table.core.windows.net", credential=credential) as tables:
        tables.create_table("rotations").create_entity({"PartitionKey": "p", "RowKey": "r"})
    assert [row["RowKey"] for row in account.tables.entities("rotations")] == ["r"]
    with QueueServiceClient("https://stcmk.queue.core.windows.net", credential=credential) as queues:
        queues.create_queue("cluster-visits").send_message("hello")
    assert len(account.queues.messages("cluster-visits")) == 1
    assert azure.storage_account("stcmk") is account


def test_storage_takes_a_connection_string_in_any_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    with Azure(RunningClock.starting_now(), US_GOVERNMENT) as azure:
        for name, value in azure.environment().items():
            monkeypatch.setenv(name, value)
        account = azure.storage_account("stcmk")
        with TableServiceClient.from_connection_string(account.connection_string) as tables:
            tables.create_table("rotations")
        assert azure.exchanges[-1].host == "stcmk.table.core.usgovcloudapi.net"


def test_storage_refuses_a_principal_without_the_right(azure: Azure, credential: ManagedIdentityCredential) -> None:
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
    azure.storage_account("stcmk")
    azure.rights.deny(FUNCTION, "Microsoft.Storage/storageAccounts/tableServices/*", group)
    with (
        TableServiceClient("https://stcmk.table.core.windows.net", credential=credential) as tables,
        pytest.raises(HttpResponseError) as refused,
    ):
        tables.create_table("rotations")
    assert refused.value.status_code == 403
    assert "AuthorizationPermissionMismatch" in str(refused.value)


def test_it_must_be_started_to_have_an_environment() -> None:
    azure = Azure(RunningClock.starting_now())
    with pytest.raises(RuntimeError, match="start"):
        azure.environment()
    azure.server.server_close()
