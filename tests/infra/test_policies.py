"""With the settings that infra/README.md names, no policy of its table refuses what the templates ask for."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.infra import policies
from tests.infra.bicep import INFRA
from tests.infra.hook_stage import LINK_SCOPE
from tests.infra.policies import Policy
from tests.infra.test_deployment import GOVERNMENT, PLANS, app, connect
from tests.infra.test_networks import GIVEN as SUBNETS
from tests.infra.test_own_storage import GIVEN as OWN_STORAGE

TABLE = (INFRA / "README.md").read_text(encoding="utf-8").split("## Policies")[1].split("\n## ")[0]
SET: dict[str, Any] = {
    "extraTags": "owner=ops",
    "storagePublicAccess": "Disabled",
    "privateLinkScopeId": LINK_SCOPE,
    **SUBNETS,
    **OWN_STORAGE,
}
"""Of the first deployment, all that a policy may want."""
SET_OUTSIDE: dict[str, Any] = {
    "extraTags": {"owner": "ops"},
    "deadLetters": False,
    "privateLinkScopeId": LINK_SCOPE,
    **dict.fromkeys(("clusterRole", "operationRole", "keyRole", "storageRole"), "a"),
}
OWN_NETWORK = SET | {"appSubnetId": "", "endpointSubnetId": "", "ownPrivateZones": False}


def refused(policy: Policy, *deployments: Any) -> set[str]:
    """Types that a policy refuses."""
    everything = [one for deployment in deployments for one in deployment.everything()]
    group = {"Microsoft.Resources/resourceGroups": policies.GROUP}
    return {
        one.type for one in everything if policy.denies(policies.as_sent(one) | {"type": group.get(one.type, one.type)})
    }


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("policy", policies.EVERY, ids=lambda policy: policy.name)
def test_no_policy_refuses_what_is_asked_for_with_everything_set(policy: Policy, plan: str) -> None:
    assert refused(policy, app(hostingPlan=plan, **SET), connect(**SET_OUTSIDE)) == set()


@pytest.mark.parametrize("policy", policies.EVERY, ids=lambda policy: policy.name)
def test_with_a_network_of_its_own_only_that_refuses_which_forbids_networks(policy: Policy) -> None:
    assert (refused(policy, app(**OWN_NETWORK)) != set()) is (policy is policies.OWN_NETWORKS)


MET_AS_IT_IS = [policies.NO_SECURITY_GROUP, policies.NOT_PRIVATE, policies.LOCAL_SIGN_IN]


@pytest.mark.parametrize("policy", policies.EVERY, ids=lambda policy: policy.name)
def test_with_nothing_set_each_would_refuse_but_those_that_are_met_as_it_is(policy: Policy) -> None:
    """Otherwise these tests would show nothing."""
    assert (refused(policy, app(vnetEnabled=True), connect()) == set()) is (policy in MET_AS_IT_IS)


def test_a_subnet_without_a_security_group_would_be_seen(tmp_path: Path) -> None:
    shutil.copytree(INFRA, tmp_path / "infra")
    file = tmp_path / "infra/app/network.bicep"
    line = "          networkSecurityGroup: { id: endpointRules.id }\n"
    assert line in file.read_text(encoding="utf-8")
    file.write_text(file.read_text(encoding="utf-8").replace(line, ""), encoding="utf-8")
    assert refused(policies.NO_SECURITY_GROUP, app(tmp_path / "infra", vnetEnabled=True)) == {policies.NETWORKS}


def test_outside_the_public_cloud_telemetry_without_entra_is_what_it_is() -> None:
    assert refused(policies.LOCAL_SIGN_IN, app(world=GOVERNMENT, **SET)) == {policies.COMPONENTS}


def test_a_workbook_that_is_left_out_is_refused_by_nobody() -> None:
    assert refused(policies.WORKBOOK_UNDER_AZURES_KEY, app(workbookStorageId="none")) == set()


def test_the_table_names_each_policy_and_only_settings_that_there_are() -> None:
    for policy in policies.EVERY:
        assert policy.name.partition(" (")[0] in TABLE, policy.name
    text = (INFRA / "main.parameters.json").read_text(encoding="utf-8")
    known = {
        *re.findall(r"\$\{([A-Z_]+)", text),
        "CLUSTER_ROLE_ID",
        "OPERATION_ROLE_ID",
        "KEY_ROLE_ID",
        "STORAGE_ROLE_ID",
    }
    named = set(re.findall(r"`([A-Z][A-Z_]+)(?:=\w+)?`", TABLE))
    assert len(named) > 8
    assert named <= known
