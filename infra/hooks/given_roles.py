"""Roles that are there already, given to the app instead of roles of our own: for where nobody may make one."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from azure_cli import AzError, Azure
from check_rights import allows
from environment import SCOPE_KINDS, STORAGE_KINDS, Place, places

TYPE = "Microsoft.Authorization/roleDefinitions"
GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
OPERATIONS = "Microsoft.OperationalInsights/locations/operationStatuses/read"


@dataclass(frozen=True)
class Needed:
    """What a role must allow."""

    actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    wished: tuple[str, ...] = ()
    """Actions without which the app does all but one thing, and says so."""


CLUSTER_ROLES = {
    "CLUSTER_ROLE_ID": Needed(
        (
            "Microsoft.OperationalInsights/clusters/read",
            "Microsoft.OperationalInsights/clusters/write",
            OPERATIONS,
            "Microsoft.OperationalInsights/workspaces/read",
        ),
        wished=("Microsoft.OperationalInsights/workspaces/linkedStorageAccounts/read",),
    ),
    "OPERATION_ROLE_ID": Needed((OPERATIONS,)),
}
KEY_ROLES = {"KEY_ROLE_ID": Needed(data_actions=("Microsoft.KeyVault/vaults/keys/read",))}
STORAGE_ROLES = {
    "STORAGE_ROLE_ID": Needed(
        (
            "Microsoft.Storage/storageAccounts/read",
            "Microsoft.OperationalInsights/workspaces/linkedStorageAccounts/read",
        )
    )
}
"""As the templates' own: a test holds them together."""
INSTEAD = {
    "OPERATION_ROLE_ID": "take another for operations, such as Log Analytics Reader",
    "STORAGE_ROLE_ID": "the app has it there then, so take that place out of STORAGE_SCOPES",
}


def given_role(environ: Mapping[str, str], variable: str) -> str:
    """The name of a role, which is a GUID; empty for one of our own."""
    return environ.get(variable, "").strip().lower()


def wrong_roles(environ: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each value that is no role's name, and for two rights that Azure would take for one."""
    for variable in (*CLUSTER_ROLES, *KEY_ROLES, *STORAGE_ROLES):
        value = given_role(environ, variable)
        if value and not GUID.fullmatch(value):
            yield f"{variable}: '{value}' is no role's GUID: az role definition list --name ROLE --query [].name"
    yield from _given_twice(environ).values()


def _given_twice(environ: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """A sentence for each two variables that would give one role at one place."""
    scopes = places(environ, "CLUSTER_SCOPES", SCOPE_KINDS)[0]
    storage = places(environ, "STORAGE_SCOPES", STORAGE_KINDS)[0]
    rights = [
        *(("CLUSTER_ROLE_ID", one) for one in scopes),
        *(("OPERATION_ROLE_ID", Place(one.subscription)) for one in scopes),
        *(("STORAGE_ROLE_ID", one) for one in storage),
    ]
    first: dict[tuple[str, Place], str] = {}
    found: dict[tuple[str, str], str] = {}
    for variable, where in rights:
        role = given_role(environ, variable)
        other = first.setdefault((role, where), variable)
        if role and other != variable:
            twice = f"{other} and {variable} are one role, and Azure gives it only once at {where.id}"
            found.setdefault((other, variable), f"{twice}: {INSTEAD[variable]}")
    return found


def check_roles(
    azure: Azure,
    environ: Mapping[str, str],
    roles: Mapping[str, Needed],
    subscriptions: Iterable[str],
    notes: list[str],
) -> list[str]:
    """Sentences about given roles that are not there, or do not allow what the app does."""
    wrong: list[str] = []
    broad: list[str] = []
    unwatched: list[str] = []
    where = sorted(set(subscriptions))
    for variable, needed in roles.items():
        name = given_role(environ, variable)
        for subscription in where if GUID.fullmatch(name) else ():
            try:
                role = azure.get(f"/subscriptions/{subscription}/providers/{TYPE}/{name}", TYPE)["properties"]
            except AzError as error:
                wrong.append(
                    f"{variable}: there is no role {name} to be had in subscription {subscription}: {error.short}"
                )
                continue
            permissions = role.get("permissions") or []
            missing = [one for one in needed.actions if not allows(permissions, one)]
            missing += [one for one in needed.data_actions if not allows(permissions, one, data=True)]
            unwatched += [
                f"{variable}: the role '{role.get('roleName')}' does not allow {one}: the app will say "
                "that it cannot tell which key versions linked storage accounts use."
                for one in needed.wished
                if not allows(permissions, one)
            ]
            if missing:
                wrong.append(f"{variable}: the role '{role.get('roleName')}' does not allow {', '.join(missing)}")
            elif str(role.get("type")) == "BuiltInRole":
                broad.append(f"{variable}: '{role.get('roleName')}' may allow the app more than it needs.")
    notes += dict.fromkeys((*broad, *unwatched))
    return list(dict.fromkeys(wrong))
