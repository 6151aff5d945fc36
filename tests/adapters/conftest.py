from collections.abc import Iterator

import pytest
from azure.identity import ManagedIdentityCredential

from cmk_rotation.adapters import errors
from cmk_rotation.adapters.clusters import ArmClusters
from cmk_rotation.adapters.keys import VaultKeys
from cmk_rotation.adapters.outcomes import TopicOutcomes
from cmk_rotation.adapters.rotations_table import TableRecords
from cmk_rotation.adapters.visit_queue import QueueRequests
from cmk_rotation.config import clouds
from cmk_rotation.config.settings import Storage
from simulator.azure import Azure
from simulator.clock.waiting import WaitingClock
from simulator.eventgrid.topics import Topic
from simulator.operationalinsights import clusters
from simulator.storage.accounts import StorageAccount


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """A running Azure, which the adapters in this process live in."""
    monkeypatch.setattr(errors, "PAUSES", (0.0, 0.0))
    with Azure(WaitingClock.starting()) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def credential(azure: Azure) -> Iterator[ManagedIdentityCredential]:
    assert azure.server.port
    with ManagedIdentityCredential(retry_total=0) as signed_in:
        yield signed_in


@pytest.fixture
def cluster(azure: Azure) -> clusters.Cluster:
    """A cluster pinned to the only version of the key `la-cmk` in the vault `contoso`."""
    azure.add_vault("contoso")
    azure.add_key("contoso", "la-cmk")
    return azure.add_cluster("Cluster-1", key=azure.pinned("contoso", "la-cmk"))


@pytest.fixture
def arm(credential: ManagedIdentityCredential) -> ArmClusters:
    return ArmClusters(credential, clouds.PUBLIC)


@pytest.fixture
def keys(credential: ManagedIdentityCredential) -> VaultKeys:
    return VaultKeys(credential, clouds.PUBLIC)


@pytest.fixture
def account(azure: Azure) -> StorageAccount:
    return azure.storage_account("contosofn", keyless=True)


@pytest.fixture
def storage(account: StorageAccount) -> Storage:
    base = f"{account.suffix}"
    return Storage(
        queue_url=f"https://{account.name}.queue.{base}",
        table_url=f"https://{account.name}.table.{base}",
    )


@pytest.fixture
def records(storage: Storage, credential: ManagedIdentityCredential) -> TableRecords:
    return TableRecords(storage, credential)


@pytest.fixture
def requests(storage: Storage, credential: ManagedIdentityCredential) -> QueueRequests:
    return QueueRequests(storage, credential)


@pytest.fixture
def topic(azure: Azure) -> Topic:
    return azure.add_topic("outcomes")


@pytest.fixture
def outcomes(topic: Topic, credential: ManagedIdentityCredential) -> TopicOutcomes:
    return TopicOutcomes(topic.endpoint, "fn-cmk", credential)
