"""A Managed HSM's own roles: who gives them, what they give, and what is refused."""

from uuid import uuid4

import pytest
from azure.identity import ManagedIdentityCredential

from simulator.azure import FUNCTION, Azure
from simulator.entra.identity import principal_id
from simulator.keyvault.vaults import Vault
from simulator.operationalinsights.clusters import FAILED, Cluster
from tests.simulator.calling import Caller

ROLES = "providers/Microsoft.Authorization"
USER = "33413926-3206-4cdd-b39a-83574fe37a17"


@pytest.fixture
def hsm(azure: Azure, cluster: Cluster) -> Vault:
    """The cluster's key lies in it, and nobody has a right there but the function, which may give local roles."""
    vault = azure.add_vault("contoso-hsm", hsm=True)
    azure.add_key("contoso-hsm", "hsm-cmk")
    cluster.key = azure.pinned("contoso-hsm", "hsm-cmk")
    azure.rights.by_roles = True
    azure.rights.allow(FUNCTION, "Microsoft.KeyVault/managedHsm/*", vault.resource_id)
    return vault


@pytest.fixture
def call_hsm(credential: ManagedIdentityCredential) -> Caller:
    return Caller(credential, "https://managedhsm.azure.net")


def assign(call: Caller, hsm: Vault, scope: str, principal: str, role: str = USER) -> dict[str, object]:
    properties = {"principalId": principal, "roleDefinitionId": f"Microsoft.KeyVault/{ROLES}/roleDefinitions/{role}"}
    url = f"{hsm.uri}{scope}/{ROLES}/roleAssignments/{uuid4()}?api-version=7.5"
    answer: dict[str, object] = call("PUT", url, {"properties": properties})
    return answer


def test_a_role_at_a_key_lets_the_cluster_use_it(call_hsm: Caller, hsm: Vault, cluster: Cluster) -> None:
    assert cluster.key is not None
    assert hsm.refusal(cluster, cluster.key) == FAILED
    listed = call_hsm("GET", f"{hsm.uri}keys/hsm-cmk/{ROLES}/roleDefinitions?api-version=7.5")["value"]
    assert USER in {one["name"] for one in listed}
    assert "properties" in assign(call_hsm, hsm, "keys/hsm-cmk", principal_id(cluster.id))
    assert hsm.refusal(cluster, cluster.key) is None


@pytest.mark.parametrize(
    ("scope", "principal", "role"),
    [
        ("keys/other", "11111111-1111-4111-8111-111111111111", USER),
        ("keys", "", USER),
        ("keys", "x", "22222222-2222-4222-8222-222222222222"),
    ],
)
def test_what_makes_no_sense_is_refused(call_hsm: Caller, hsm: Vault, scope: str, principal: str, role: str) -> None:
    assert assign(call_hsm, hsm, scope, principal, role)["error"]["code"] == "BadParameter"  # type: ignore[index]


def test_whoever_has_no_right_to_roles_gives_none_and_reads_no_keys(
    azure: Azure, call_hsm: Caller, hsm: Vault, cluster: Cluster
) -> None:
    azure.rights.deny(FUNCTION, "Microsoft.KeyVault/managedHsm/*", hsm.resource_id)
    refused = assign(call_hsm, hsm, "keys/hsm-cmk", principal_id(cluster.id))["error"]
    assert refused["code"] == "AccessDenied"  # type: ignore[index]
    unread = call_hsm("GET", f"{hsm.uri}keys/hsm-cmk/versions?api-version=7.5")["error"]
    assert unread["message"].startswith(
        "Not authorized to access Microsoft.KeyVault/managedHsm/keys/list/action on /keys/hsm-cmk"
    )


def test_nothing_else_is_done_to_local_roles_and_a_vault_has_none(call_hsm: Caller, hsm: Vault) -> None:
    url = f"{hsm.uri}{ROLES}/roleAssignments?api-version=7.5"
    assert call_hsm("GET", url)["error"]["code"] == "MethodNotAllowed"
    hsm.hsm = False
    assert call_hsm("GET", url)["error"]["code"] == "NotFound"
