"""Roles that are there already, in place of our own."""

from typing import Any

import pytest

import given_roles
from tests.infra import bicep
from tests.infra.faults import faults
from tests.infra.hook_stage import KEYS, OTHER, PROD, STORAGE, SUBSCRIPTION, Stage
from tests.infra.test_deployment import connect
from tests.infra.test_hooks_check import FIRST, the_one, wrong

CLUSTERS, OPERATIONS, READ_KEYS, STORAGE_ROLE = (f"{one}0000000-0000-0000-0000-000000000000" for one in "abcd")
GIVEN = {
    "CLUSTER_ROLE_ID": CLUSTERS.upper(),
    "OPERATION_ROLE_ID": OPERATIONS,
    "KEY_ROLE_ID": f" {READ_KEYS}",
    "STORAGE_ROLE_ID": STORAGE_ROLE,
}
WITH_STORAGE = PROD | {"STORAGE_SCOPES": f"{STORAGE},{KEYS}"}
ROLES, RIGHTS = "Microsoft.Authorization/roleDefinitions", "Microsoft.Authorization/roleAssignments"


@pytest.fixture
def with_roles(azure: Stage) -> Stage:
    """The roles can be had in both subscriptions."""
    for subscription in (SUBSCRIPTION, OTHER):
        add(azure, subscription, CLUSTERS, actions=["Microsoft.OperationalInsights/*"])
        add(azure, subscription, OPERATIONS, actions=["*/read"])
        add(azure, subscription, READ_KEYS, dataActions=["Microsoft.KeyVault/vaults/*/read"])
        add(azure, subscription, STORAGE_ROLE, actions=["*/read"])
    return azure


def add(azure: Stage, subscription: str, name: str, **permissions: list[str]) -> None:
    told = {"type": "BuiltInRole", "roleName": f"Role {name[0]}", "permissions": [permissions]}
    azure.add(f"/subscriptions/{subscription}/providers/{ROLES}/{name}", properties=told)


def test_no_role_is_made_where_all_are_given() -> None:
    roles: dict[str, Any] = {
        "clusterRole": CLUSTERS,
        "operationRole": OPERATIONS,
        "keyRole": READ_KEYS,
        "storageRole": STORAGE_ROLE,
    }
    deployment = connect(**roles)
    assert deployment.all(ROLES) == []
    assert faults(deployment) == []
    given = {str(one.properties["roleDefinitionId"]).rpartition("/")[2] for one in deployment.all(RIGHTS)}
    assert given >= set(roles.values())
    assert len(given) == 5, "and the one for dead letters"
    assert {role for name in roles for role in deployment.outputs[f"{name}s"]} == {""}


@pytest.mark.parametrize(
    "given",
    [
        {"clusterRole": CLUSTERS},
        {"operationRole": OPERATIONS},
        {"keyRole": READ_KEYS},
        {"storageRole": STORAGE_ROLE},
    ],
)
def test_a_right_by_another_role_is_another_right_and_all_others_stay(given: dict[str, Any]) -> None:
    """Azure refuses to change the role of a right."""
    ours, other = ({one.id: one.properties for one in found.all(RIGHTS)} for found in (connect(), connect(**given)))
    assert len(ours) == len(other)
    (role,) = given.values()
    new = {id_: told for id_, told in other.items() if id_ not in ours}
    assert new != {}
    assert all(str(told["roleDefinitionId"]).endswith(role) for told in new.values())
    assert {id_: ours[id_] for id_ in ours.keys() & other.keys()} == {
        id_: other[id_] for id_ in ours.keys() & other.keys()
    }


def test_what_the_check_wants_of_a_role_is_what_our_own_allows() -> None:
    wanted = {**given_roles.CLUSTER_ROLES, **given_roles.KEY_ROLES, **given_roles.STORAGE_ROLES}
    files = ("cluster-roles", "key-role", "storage-role")
    own = [one for file in files for one in bicep.read(f"connect/{file}.bicep").resources]
    for needed, role in zip(wanted.values(), (one for one in own if one.type == ROLES), strict=True):
        (allowed,) = role.properties["permissions"]
        assert ([*needed.actions, *needed.wished], list(needed.data_actions)) == (
            allowed["actions"],
            allowed["dataActions"],
        )


def test_connecting_gives_the_roles_on_and_removes_our_own(azure: Stage) -> None:
    connected = azure
    connected.connect(WITH_STORAGE)
    own = {id_ for id_ in connected.outside(PROD) if "/roledefinitions/" in id_}
    assert len(own) == 6
    connected.connect(WITH_STORAGE | GIVEN)
    given: dict[str, Any] = connected.state["parameters"]
    told = [given[name] for name in ("clusterRole", "operationRole", "keyRole", "storageRole")]
    assert told == [CLUSTERS, OPERATIONS, READ_KEYS, STORAGE_ROLE]
    assert own & connected.outside(PROD) == set()
    rights = {id_ for id_ in connected.outside(PROD) if "/roleassignments/" in id_}
    assert len(rights) == 9
    connected.disconnect(PROD)
    assert connected.outside(PROD) == set()


def test_the_check_is_content_with_roles_that_allow_enough(
    with_roles: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    with_roles.check(FIRST | GIVEN)
    assert "'Role a' may allow the app more than it needs" in capsys.readouterr().out


def test_who_may_make_no_roles_needs_no_right_to(with_roles: Stage) -> None:
    no = {"actions": ["*"], "notActions": [f"{ROLES}/write"]}
    with_roles.state["permissions"] = {f"/subscriptions/{one}": [no] for one in (SUBSCRIPTION, OTHER)}
    with_roles.check(FIRST | GIVEN)
    for variable in (one for one in GIVEN if one != "STORAGE_ROLE_ID"):
        assert any(f"{ROLES}/write" in one for one in wrong(with_roles, **GIVEN | {variable: ""})), variable
    with_roles.state["permissions"] = {f"/subscriptions/{OTHER}": [no]}
    here = {"CLUSTER_SCOPES": f"/subscriptions/{SUBSCRIPTION}", "KEY_VAULT_IDS": "none", "STORAGE_SCOPES": STORAGE}
    with_roles.check(FIRST | here | GIVEN)
    assert f"{ROLES}/write" in the_one(with_roles, **here | GIVEN | {"STORAGE_ROLE_ID": ""})


@pytest.mark.parametrize(
    ("variable", "name", "permissions", "missing"),
    [
        ("CLUSTER_ROLE_ID", CLUSTERS, {"actions": ["*/read"]}, "Microsoft.OperationalInsights/clusters/write"),
        ("OPERATION_ROLE_ID", OPERATIONS, {"actions": ["*"], "notActions": ["*/read"]}, given_roles.OPERATIONS),
        ("KEY_ROLE_ID", READ_KEYS, {"actions": ["*"]}, "Microsoft.KeyVault/vaults/keys/read"),
        (
            "STORAGE_ROLE_ID",
            STORAGE_ROLE,
            {"actions": ["Microsoft.OperationalInsights/*"]},
            "Microsoft.Storage/storageAccounts/read",
        ),
    ],
)
def test_a_role_that_allows_too_little_is_named(
    with_roles: Stage, variable: str, name: str, permissions: dict[str, list[str]], missing: str
) -> None:
    add(with_roles, OTHER, name, **permissions)
    found = the_one(with_roles, **GIVEN, STORAGE_SCOPES=STORAGE)
    assert found.startswith(f"{variable}: the role 'Role {name[0]}' does not allow ")
    assert missing in found


def test_a_role_that_is_not_there_is_named(with_roles: Stage) -> None:
    del with_roles.resources[f"/subscriptions/{OTHER}/providers/{ROLES}/{READ_KEYS}".lower()]
    assert f"KEY_ROLE_ID: there is no role {READ_KEYS} to be had in subscription {OTHER}" in the_one(
        with_roles, **GIVEN
    )


def test_who_leaves_the_connecting_to_others_leaves_the_roles_to_them(azure: Stage) -> None:
    azure.check(FIRST | GIVEN | {"CONNECTED_BY_OTHERS": "true"})


def test_a_name_is_no_guid_and_one_role_cannot_be_given_twice_at_one_place(with_roles: Stage) -> None:
    assert "is no role's GUID" in the_one(with_roles, **GIVEN | {"KEY_ROLE_ID": "Key Vault Reader"})
    add(with_roles, OTHER, CLUSTERS, actions=["*"])
    both = GIVEN | {"OPERATION_ROLE_ID": CLUSTERS}
    assert "are one role" in the_one(with_roles, **both)
    with_roles.check(FIRST | both | {"CLUSTER_SCOPES": KEYS})


@pytest.mark.parametrize(
    ("variable", "place"), [("CLUSTER_ROLE_ID", KEYS), ("OPERATION_ROLE_ID", f"/subscriptions/{OTHER}")]
)
def test_the_role_for_storage_is_none_that_the_app_has_there_anyway(
    with_roles: Stage, variable: str, place: str
) -> None:
    add(with_roles, OTHER, STORAGE_ROLE, actions=["*"])
    given = GIVEN | {variable: STORAGE_ROLE, "CLUSTER_SCOPES": KEYS}
    found = the_one(with_roles, **given, STORAGE_SCOPES=place)
    assert f"{variable} and STORAGE_ROLE_ID are one role, and Azure gives it only once at {place.lower()}" in found
    assert "out of STORAGE_SCOPES" in found
    with_roles.check(FIRST | given | {"STORAGE_SCOPES": STORAGE})


def test_a_role_of_before_that_shows_no_linked_storage_stops_nothing(
    with_roles: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """The app does all else with it, and says what it cannot tell."""
    clusters, workspaces = (f"Microsoft.OperationalInsights/{one}" for one in ("clusters", "workspaces"))
    of_before = [f"{clusters}/read", f"{clusters}/write", given_roles.OPERATIONS, f"{workspaces}/read"]
    for subscription in (SUBSCRIPTION, OTHER):
        add(with_roles, subscription, CLUSTERS, actions=of_before)
    with_roles.check(FIRST | GIVEN)
    assert (
        f"CLUSTER_ROLE_ID: the role 'Role a' does not allow {workspaces}/linkedStorageAccounts/read"
        in capsys.readouterr().out
    )
