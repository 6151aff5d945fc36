"""Whose identity, from where, may use a key on a cluster's behalf."""

import pytest

from simulator.azure import Azure
from simulator.keyvault.keys import Network
from simulator.keyvault.vaults import Vault
from simulator.operationalinsights.clusters import FAILED, Cluster
from tests.simulator.bodies import IDENTITY, USER_ASSIGNED
from tests.simulator.calling import Caller

ROLE = "Key Vault Crypto Service Encryption User"
URL = "https://management.azure.com{}?api-version=2025-07-01"


@pytest.fixture
def vault(azure: Azure, cluster: Cluster) -> Vault:
    """The cluster's; only the cluster itself has a right there."""
    azure.rights.by_roles = True
    azure.rights.assign(cluster.id, ROLE, azure.vault("contoso").resource_id)
    assert refused(azure.vault("contoso"), cluster) is None
    return azure.vault("contoso")


def refused(vault: Vault, cluster: Cluster) -> str | None:
    assert cluster.key is not None
    return vault.refusal(cluster, cluster.key)


def test_a_role_counts_for_the_identity_that_the_cluster_has_now(azure: Azure, vault: Vault, cluster: Cluster) -> None:
    cluster.identity = dict(USER_ASSIGNED)
    assert refused(vault, cluster) == FAILED
    azure.rights.assign(IDENTITY, ROLE, vault.resource_id)
    assert refused(vault, cluster) is None
    cluster.identity = {"type": "None"}
    assert refused(vault, cluster) == FAILED


def test_nobody_asks_for_a_cluster_without_an_identity_even_where_all_is_allowed(
    azure: Azure, vault: Vault, cluster: Cluster
) -> None:
    azure.rights.by_roles = False
    cluster.identity = {"type": "None"}
    assert refused(vault, cluster) == FAILED


def test_a_user_assigned_identity_does_not_reach_a_private_vault(azure: Azure, vault: Vault, cluster: Cluster) -> None:
    azure.rights.assign(IDENTITY, ROLE, vault.resource_id)
    vault.network = Network.PRIVATE
    assert refused(vault, cluster) is None
    cluster.identity = dict(USER_ASSIGNED)
    assert refused(vault, cluster) == FAILED


def test_a_vault_in_another_region_is_of_no_use(vault: Vault, cluster: Cluster) -> None:
    vault.location = "eastus"
    assert refused(vault, cluster) == FAILED


def test_an_identity_that_was_taken_from_an_encrypted_cluster_is_gone_for_good(call: Caller, cluster: Cluster) -> None:
    url = URL.format(cluster.id)
    assert call("PATCH", url, {"identity": {"type": "None"}})["identity"]["type"] == "None"
    assert "by support only" in call("PATCH", url, {"identity": {"type": "SystemAssigned"}})["error"]["message"]
