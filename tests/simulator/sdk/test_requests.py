"""What is written to a cluster or assignment in no shape of its model is refused, and what is in one is kept."""

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import ManagedIdentityCredential
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.authorization.v2022_04_01.models import RoleAssignmentCreateParameters
from azure.mgmt.loganalytics import LogAnalyticsManagementClient
from azure.mgmt.loganalytics.models import ClusterPatch, ManagedServiceIdentity

from simulator.azure import RESOURCE_GROUP, SUBSCRIPTION
from simulator.entra.roles import ROLES
from simulator.operationalinsights.clusters import Cluster
from tests.simulator.bodies import IDENTITY
from tests.simulator.sdk.shapes import problems

BAD: list[dict[str, Any]] = [
    {"tags": {"a": 1}},
    {"identity": {"type": "Nonsense"}},
    {"identity": {"type": "None", "colour": "red"}},
    {"sku": {"name": "CapacityReservation", "capacity": 100, "colour": "red"}},
    {"properties": {"billingType": "Nobody"}},
]


@pytest.mark.parametrize(
    "patch", [*BAD, {"identity": {}}, {"identity": {"type": None}}, {"identity": {"type": "UserAssigned"}}]
)
def test_an_update_in_no_shape_of_the_model_is_refused(
    cluster: Cluster, arm: LogAnalyticsManagementClient, patch: dict[str, Any]
) -> None:
    before = (cluster.identity, cluster.tags, cluster.sku, cluster.billing_type)
    with pytest.raises(HttpResponseError, match="bad format"):
        arm.clusters.begin_update(RESOURCE_GROUP, cluster.name, patch, polling=False)
    assert (cluster.identity, cluster.tags, cluster.sku, cluster.billing_type) == before


@pytest.mark.parametrize("patch", BAD)
def test_the_model_says_so_too(patch: dict[str, Any]) -> None:
    assert len(problems(patch, ClusterPatch)) == 1


def test_what_is_written_is_read(cluster: Cluster, arm: LogAnalyticsManagementClient) -> None:
    users = {"type": "userAssigned", "userAssignedIdentities": {IDENTITY: {}}}
    patch = {"properties": {"billingType": "Workspaces"}, "identity": users}
    arm.clusters.begin_update(RESOURCE_GROUP, cluster.name, patch, polling=False)
    found = arm.clusters.get(RESOURCE_GROUP, cluster.name)
    assert found.properties is not None
    assert found.properties.billing_type == "Workspaces"
    assert isinstance(found.identity, ManagedServiceIdentity)
    assert found.identity.type == "UserAssigned"


def test_an_assignment_tells_the_type_of_principal_that_it_was_made_for(credential: ManagedIdentityCredential) -> None:
    scope, name = f"/subscriptions/{SUBSCRIPTION}", "7f5c5f9e-7a0e-4b59-8d12-7a52a0c0a001"
    wanted = RoleAssignmentCreateParameters(
        role_definition_id=f"{scope}/providers/Microsoft.Authorization/roleDefinitions/{ROLES['Reader'].id}",
        principal_id="7f5c5f9e-7a0e-4b59-8d12-7a52a0c0a009",
        principal_type="User",
    )
    with AuthorizationManagementClient(credential, SUBSCRIPTION, retry_total=0) as client:
        assert client.role_assignments.create(scope, name, wanted).principal_type == "User"
        wanted.principal_type = "Robot"
        with pytest.raises(HttpResponseError, match="principalType"):
            client.role_assignments.create(scope, name, wanted)
