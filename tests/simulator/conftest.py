from collections.abc import Iterator

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient
from azure.mgmt.loganalytics import LogAnalyticsManagementClient

from simulator.azure import SUBSCRIPTION, Azure
from simulator.clock.waiting import WaitingClock
from simulator.operationalinsights.clusters import Cluster
from tests.simulator.calling import Caller


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """A running Azure, which the SDKs in this process live in."""
    with Azure(WaitingClock.starting()) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def credential(azure: Azure) -> Iterator[ManagedIdentityCredential]:
    assert azure.server.port
    with ManagedIdentityCredential() as signed_in:
        yield signed_in


@pytest.fixture
def cluster(azure: Azure) -> Cluster:
    """A cluster pinned to the only version of the key `la-cmk` in the vault `contoso`."""
    azure.add_vault("contoso")
    azure.add_key("contoso", "la-cmk")
    return azure.add_cluster("Cluster-1", key=azure.pinned("contoso", "la-cmk"))


@pytest.fixture
def arm(credential: ManagedIdentityCredential) -> Iterator[LogAnalyticsManagementClient]:
    """The SDK's client, without retries: a test wants to see each answer."""
    with LogAnalyticsManagementClient(credential, SUBSCRIPTION, retry_total=0, polling_interval=0.01) as client:
        yield client


@pytest.fixture
def keys(credential: ManagedIdentityCredential) -> Iterator[KeyClient]:
    with KeyClient("https://contoso.vault.azure.net", credential, retry_total=0) as client:
        yield client


@pytest.fixture
def call(credential: ManagedIdentityCredential) -> Caller:
    """Plain requests to ARM."""
    return Caller(credential)
