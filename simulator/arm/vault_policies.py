"""The access policies of a vault, as bodies in ARM write them."""

from typing import Any

from simulator.arm.answers import ArmError
from simulator.keyvault.vaults import Permissions, Vault

_KINDS = ("keys", "secrets", "certificates", "storage")
_ON_KEYS = {
    *("all", "encrypt", "decrypt", "wrapkey", "unwrapkey", "sign", "verify", "get", "list", "create", "update"),
    *("import", "delete", "backup", "restore", "recover", "purge", "release", "rotate"),
    *("getrotationpolicy", "setrotationpolicy"),
}


def policies_body(vault: Vault) -> list[dict[str, Any]]:
    """A vault's access policies."""
    return [
        {"tenantId": vault.tenant, "objectId": id_, "permissions": permissions}
        for id_, permissions in vault.policies.items()
    ]


def read_policies(value: Any, tenant: str) -> dict[str, Permissions]:
    """The access policies of a body, by object id; all must be of the vault's tenant."""
    policies: dict[str, Permissions] = {}
    for one in value if isinstance(value, list) else [None]:
        if not isinstance(one, dict) or not isinstance(one.get("permissions"), dict):
            raise invalid("accessPolicies")
        if one.get("applicationId"):
            raise bad_request("The simulator has no policies for an application together with a user.")
        id_ = str(one.get("objectId") or "").lower()
        granted = {kind: one["permissions"].get(kind) or [] for kind in _KINDS}
        lists = all(isinstance(it, list) and all(isinstance(name, str) for name in it) for it in granted.values())
        if not lists or {name.lower() for name in granted["keys"]} - _ON_KEYS:
            raise invalid("accessPolicies")
        if not id_ or id_ in policies or str(one.get("tenantId")).lower() != tenant:
            raise invalid("accessPolicies")
        policies[id_] = {kind: permissions for kind, permissions in granted.items() if permissions}
    return policies


def combined(kind: str, held: Permissions, given: Permissions) -> Permissions:
    """What a principal has after permissions were added to those held, replaced them, or were removed from them."""
    match kind:
        case "replace":
            return given
        case "add":
            kinds = [one for one in _KINDS if one in held or one in given]
            return {one: list(dict.fromkeys([*held.get(one, []), *given.get(one, [])])) for one in kinds}
    gone = {one: {it.lower() for it in permissions} for one, permissions in given.items()}
    left = {one: [it for it in held[one] if it.lower() not in gone.get(one, set())] for one in held}
    return {one: permissions for one, permissions in left.items() if permissions}


def bad_request(message: str) -> ArmError:
    """A refusal of what a body says."""
    return ArmError(400, "BadRequest", message)


def invalid(name: str) -> ArmError:
    """The refusal of a property's value, as the Azure CLI's own tests expect it for accessPolicies."""
    return bad_request(f"An invalid value was provided for '{name}'.")
