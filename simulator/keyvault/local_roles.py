"""A Managed HSM's own roles, which are not Azure's: definitions, and assignments at `/` or at one key.

From the Azure Key Vault REST reference (Role Definitions, Role Assignments) and "Local RBAC built-in roles for Managed HSM";
a refusal in the words of Azure/azure-cli issue 32719. An assignment counts at once.
"""

import re
from collections.abc import Mapping
from typing import Any

from simulator.keyvault.keys import VaultError
from simulator.keyvault.vaults import Vault

_PATH = re.compile(
    r"/(?P<scope>.*?)/*providers/Microsoft\.Authorization/(?P<what>role(?:Definitions|Assignments))(?:/(?P<name>[^/]+))?/?",
    re.IGNORECASE,
)
_DEFINITIONS = "Microsoft.KeyVault/providers/Microsoft.Authorization/roleDefinitions"
_KEYS = "Microsoft.KeyVault/vaults/keys"
_ROLES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "33413926-3206-4cdd-b39a-83574fe37a17": (
        "Managed HSM Crypto Service Encryption User",
        ("read", "wrap/action", "unwrap/action"),
    ),
    "2c18b078-7c48-4d3a-af88-5a3a1b3f82b3": ("Managed HSM Crypto Auditor", ("read",)),
}
"""By id: the name, and what it gives on keys. Of the built-in ones those that a cluster and the app need."""


def is_about_roles(path: str) -> bool:
    """Whether a path of the data plane is one of these."""
    return _PATH.fullmatch(path) is not None


def answer(
    vault: Vault, principal: str, method: str, path: str, body: Mapping[str, Any]
) -> tuple[Mapping[str, Any], int]:
    """Answer a request of a principal: a body and a status."""
    found = _PATH.fullmatch(path)
    if found is None or not vault.hsm:
        raise VaultError(404, "NotFound", "There is nothing at this path.")
    scope = f"/{found['scope'].strip('/')}"
    writes = method == "PUT"
    action = f"Microsoft.KeyVault/managedHsm/{found['what']}/{'write' if writes else 'read'}/action"
    if not vault.rights.allows(principal, action, vault.resource_id):
        raise VaultError(403, "AccessDenied", f"Not authorized to access {action} on {scope}")
    match method, found["what"].lower(), found["name"]:
        case "GET", "roledefinitions", None:
            return {"value": [_definition(id_, name) for id_, (name, _) in _ROLES.items()]}, 200
        case "PUT", "roleassignments", str() as name:
            return _assign(vault, scope, name, body.get("properties") or {}), 201
    raise VaultError(405, "MethodNotAllowed", "The simulator does not do this to local roles.")


def _assign(vault: Vault, scope: str, name: str, properties: Mapping[str, Any]) -> Mapping[str, Any]:
    id_ = str(properties.get("roleDefinitionId", "")).rpartition("/")[2].lower()
    principal = str(properties.get("principalId", "")).lower()
    if id_ not in _ROLES or not principal:
        raise VaultError(400, "BadParameter", "The role definition or the principal is missing or unknown.")
    if scope not in {"/", "/keys"} and scope.rpartition("/")[2].lower() not in vault.keys:
        raise VaultError(400, "BadParameter", f"Scope {scope} is not valid.")
    # A key in the scope is not told from the others: whoever is given one may use all of this HSM.
    for action in _ROLES[id_][1]:
        vault.rights.allow(principal, f"{_KEYS}/{action}", vault.resource_id)
    return {
        "id": f"{scope.rstrip('/')}/providers/Microsoft.Authorization/roleAssignments/{name}",
        "name": name,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {"principalId": principal, "roleDefinitionId": f"{_DEFINITIONS}/{id_}", "scope": scope},
    }


def _definition(id_: str, name: str) -> Mapping[str, Any]:
    properties = {
        "roleName": name,
        "type": "AKVBuiltInRole",
        "description": "",
        "assignableScopes": ["/"],
        "permissions": [],
    }
    return {
        "id": f"{_DEFINITIONS}/{id_}",
        "name": id_,
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": properties,
    }
