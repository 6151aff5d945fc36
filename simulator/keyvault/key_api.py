"""The part of Key Vault's data plane that manages keys; a Managed HSM's is the same.

From the Azure Key Vault REST reference (Keys) and "Azure Key Vault REST API error codes".
"""

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator.entra import identity
from simulator.keyvault import local_roles
from simulator.keyvault.keys import CALLER_ADDRESS, DeletedKey, Key, KeyVersion, Network, VaultError
from simulator.keyvault.vaults import Vault

_SIZES = {2048, 3072, 4096}


def answer(vault: Vault, request: Request) -> Response:
    """Answer a request to a vault."""
    try:
        return _route(vault, request)
    except VaultError as error:
        response = _json({"error": error.error}, error.status)
        if error.status == 401:
            response.headers["WWW-Authenticate"] = (
                f'Bearer authorization="https://{vault.login_host}/{vault.tenant}", resource="{vault.audience}"'
            )
        return response


def _route(vault: Vault, request: Request) -> Response:
    token = identity.authorize(request, {vault.audience})
    if token is None:
        raise VaultError(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.")
    if vault.tenant != token.tenant:
        expected, found = identity.issuer(vault.tenant), identity.issuer(token.tenant)
        message = f"AKV10032: Invalid issuer. Expected one of {expected}, found {found}."
        raise VaultError(401, "Unauthorized", message)
    _check_network(vault, token)
    if "api-version" not in request.args:
        raise VaultError(400, "BadParameter", "api-version must be specified")
    _check_version(vault, request.args["api-version"])
    if local_roles.is_about_roles(request.path):
        body = request.get_json(force=True, silent=True)
        return _json(
            *local_roles.answer(
                vault, token.principal, request.method, request.path, body if isinstance(body, dict) else {}
            )
        )
    vault.purge_expired()
    parts = request.path.strip("/").split("/")
    action = _ACTIONS.get((request.method, parts[0], len(parts), parts[-1] if len(parts) > 2 else ""))
    action = action or _ACTIONS.get((request.method, parts[0], len(parts), ""))
    if action is None:
        raise VaultError(404, "NotFound", "There is nothing at this path.")
    if not vault.grants(token.principal, action):
        raise _refusal(vault, token, parts, action)
    return _deleted_keys(vault, request, parts) if parts[0] == "deletedkeys" else _keys(vault, request, parts)


def _refusal(vault: Vault, token: identity.Token, parts: Sequence[str], action: str) -> VaultError:
    """Who may not do what, as users report it: hashicorp/terraform-provider-azurerm issue 27817 for a role that is missing,
    Azure/azure-cli issue 32719 for a Managed HSM, "Azure Key Vault REST API error codes" for an access policy.
    """
    if vault.hsm:
        missing = f"Microsoft.KeyVault/managedHsm/keys/{action.removesuffix('/action')}/action"
        activity = identity.principal_id(f"{token.principal}/{vault.clock.timestamp()}")
        where = f"/{'/'.join(parts[:2])}"
        return VaultError(
            403, "AccessDenied", f"Not authorized to access {missing} on {where} (Activity ID: {activity})"
        )
    caller, place = _caller(token), f"{vault.name};location={vault.location}"
    if vault.access_policies:
        verb = "get" if action == "read" else action.removesuffix("/action")
        message = (
            f"The user, group or application '{caller}' does not have keys {verb} permission on key "
            f"vault '{place}'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287"
        )
        return VaultError(403, "Forbidden", message, "AccessDenied")
    role_action = "read" if action == "list" else action
    message = (
        "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions "
        f"were changed recently, please observe propagation time.\r\nCaller: {caller}\r\n"
        f"Action: 'Microsoft.KeyVault/vaults/keys/{role_action}'\r\n"
        f"Resource: '{vault.resource_id.lower()}/{'/'.join(parts[:2])}'\r\nAssignment: (not found)\r\n"
        f"DenyAssignmentId: null\r\nDecisionReason: null \r\nVault: {place}\r\n"
    )
    return VaultError(403, "Forbidden", message, "ForbiddenByRbac")


def _caller(token: identity.Token) -> str:
    id_ = identity.principal_id(token.principal)
    return f"appid={id_};oid={id_};iss={identity.issuer(token.tenant)}"


def _check_version(vault: "Vault", version: str) -> None:
    """Refuse a version that is not known, in the words of Azure/azure-sdk-for-python issue 28595."""
    if version not in vault.api_versions:
        latest = vault.api_versions[-1]
        message = f"The specified version ({version}) is not recognized. Consider using the latest supported version ({latest})."
        raise VaultError(400, "BadParameter", message)


_ACTIONS = {
    ("GET", "keys", 1, ""): "list",
    ("GET", "keys", 2, ""): "read",
    ("GET", "keys", 3, ""): "read",
    ("GET", "keys", 3, "versions"): "list",
    ("POST", "keys", 3, "create"): "create/action",
    ("POST", "keys", 3, "rotate"): "rotate/action",
    ("PATCH", "keys", 2, ""): "update/action",
    ("PATCH", "keys", 3, ""): "update/action",
    ("DELETE", "keys", 2, ""): "delete",
    ("GET", "deletedkeys", 1, ""): "list",
    ("GET", "deletedkeys", 2, ""): "read",
    ("DELETE", "deletedkeys", 2, ""): "purge/action",
    ("POST", "deletedkeys", 3, "recover"): "recover/action",
}
"""The right that a request needs, by method, first part, number of parts, and the last one where it is a verb."""


def _keys(vault: Vault, request: Request, parts: Sequence[str]) -> Response:
    match request.method, *parts:
        case "GET", "keys":
            keys = sorted(vault.keys.values(), key=lambda key: key.name.lower())
            items = [
                {"kid": f"{vault.uri}keys/{key.name}", "attributes": _attributes(vault, key.newest)} for key in keys
            ]
            return _page(vault, request, items)
        case "GET", "keys", name, "versions":
            return _versions(vault, request, name)
        case "GET", "keys", name, *rest:
            found = vault.find(name, "".join(rest))
            if not found.enabled:
                raise VaultError(403, "Forbidden", "Operation get is not allowed on a disabled key.", "KeyDisabled")
            return _bundle(vault, name, found)
        case "POST", "keys", name, "create":
            return _create(vault, name, _body(request))
        case "POST", "keys", name, _:
            vault.find(name)
            return _bundle(vault, name, vault.rotate(name))
        case "DELETE", _, name:
            vault.find(name)
            vault.delete_key(name)
            return _deleted_bundle(vault, vault.deleted[name.lower()])
        case _, _, name, *rest:
            return _bundle(vault, name, _changed(vault, name, "".join(rest), _body(request)))
    raise VaultError(404, "NotFound", "There is nothing at this path.")


def _changed(vault: Vault, name: str, version: str, body: dict[str, Any]) -> KeyVersion:
    wanted = body.get("attributes") or {}
    return vault.set_attributes(
        name, version, enabled=wanted.get("enabled"), not_before=wanted.get("nbf"), expires=wanted.get("exp")
    )


def _deleted_keys(vault: Vault, request: Request, parts: Sequence[str]) -> Response:
    if len(parts) == 1:
        return _page(vault, request, [_deleted_item(vault, one) for one in vault.deleted.values()])
    name = parts[1]
    deleted = vault.deleted.get(name.lower())
    if deleted is None:
        raise VaultError(404, "KeyNotFound", f"Deleted Key not found: {name}")
    if request.method == "POST":
        return _bundle(vault, name, vault.recover_key(name).newest)
    if request.method == "DELETE":
        if vault.purge_protection:
            message = "Operation purge is not allowed because purge protection is enabled for this vault."
            raise VaultError(403, "Forbidden", message, "ForbiddenByPolicy")
        del vault.deleted[name.lower()]
        return Response("", 204)
    return _deleted_bundle(vault, deleted)


def _create(vault: Vault, name: str, body: dict[str, Any]) -> Response:
    if name.lower() in vault.deleted:
        message = f"Key {name} is currently in a deleted but recoverable state, and its name cannot be reused."
        raise VaultError(409, "Conflict", message, "ObjectIsDeletedButRecoverable")
    if str(body.get("kty", "RSA")).upper() not in {"RSA", "RSA-HSM"} or (body.get("key_size") or 2048) not in _SIZES:
        raise VaultError(400, "BadParameter", "Only RSA keys of 2048, 3072 or 4096 bits are simulated.")
    key = vault.add_key(name, size=body.get("key_size") or 2048)
    return _bundle(vault, name, _changed(vault, name, key.newest.version, body))


def _check_network(vault: Vault, token: identity.Token) -> None:
    """Refuse whoever calls from where the vault is not reached, in words that users report."""
    network = vault.network
    if network is Network.OPEN or (network is Network.FIREWALL and vault.admits_caller):
        return
    where = f"Caller: {_caller(token)}\r\nVault: {vault.name};location={vault.location}"
    if network is Network.FIREWALL:
        message = (
            "Client address is not authorized and caller is not a trusted service.\r\n"
            f"Client address: {CALLER_ADDRESS}\r\n{where}"
        )
        raise VaultError(403, "Forbidden", message, "ForbiddenByFirewall")
    if network is Network.PERIMETER:
        raise VaultError(403, "Forbidden", f"The request was forbidden by NSP policy.\r\n{where}", "ForbiddenByNsp")
    message = (
        "Public network access is disabled and request is not from a trusted service nor via an approved private link."
    )
    raise VaultError(403, "Forbidden", f"{message}\r\n{where}", "ForbiddenByConnection")


def _versions(vault: Vault, request: Request, name: str) -> Response:
    if name.lower() not in vault.keys and vault.absent_key_lists_empty:
        return _page(vault, request, [])
    vault.find(name)
    key = vault.keys[name.lower()]
    # By version name, so that nobody can take the order for one of age.
    versions = sorted(key.versions, key=lambda one: one.version)
    return _page(
        vault, request, [{"kid": _kid(vault, key, one), "attributes": _attributes(vault, one)} for one in versions]
    )


def _page(vault: Vault, request: Request, items: Sequence[dict[str, Any]]) -> Response:
    start = int(request.args.get("$skiptoken", 0))
    size = min(int(request.args.get("maxresults", vault.page_size)), vault.page_size)
    body: dict[str, Any] = {"value": items[start : start + size], "nextLink": None}
    if start + size < len(items):
        version = request.args["api-version"]
        here = f"{vault.uri.rstrip('/')}{request.path}"
        body["nextLink"] = f"{here}?api-version={version}&$skiptoken={start + size}&maxresults={size}"
    return _json(body)


def _kid(vault: Vault, key: Key, version: KeyVersion) -> str:
    return f"{vault.uri}keys/{key.name}/{version.version}"


def _bundle(vault: Vault, name: str, version: KeyVersion) -> Response:
    return _json(_key_body(vault, vault.keys[name.lower()], version))


def _key_body(vault: Vault, key: Key, version: KeyVersion) -> dict[str, Any]:
    parts = {
        "kid": _kid(vault, key, version),
        "kty": "RSA-HSM" if vault.hsm else "RSA",
        "key_ops": ["wrapKey", "unwrapKey"],
        # Any number of the right length will do: nobody wraps anything here.
        "n": base64.urlsafe_b64encode(secrets.token_bytes(version.size // 8)).rstrip(b"=").decode(),
        "e": "AQAB",
    }
    return {"key": parts, "attributes": _attributes(vault, version)}


def _deleted_item(vault: Vault, deleted: DeletedKey) -> dict[str, Any]:
    kid = f"{vault.uri}keys/{deleted.key.name}"
    return {"kid": kid, "attributes": _attributes(vault, deleted.key.newest), **_deletion(vault, deleted)}


def _deleted_bundle(vault: Vault, deleted: DeletedKey) -> Response:
    return _json(_key_body(vault, deleted.key, deleted.key.newest) | _deletion(vault, deleted))


def _deletion(vault: Vault, deleted: DeletedKey) -> dict[str, Any]:
    return {
        "recoveryId": f"{vault.uri}deletedkeys/{deleted.key.name}",
        "deletedDate": deleted.at,
        "scheduledPurgeDate": deleted.at + vault.retention_days * 86_400,
    }


def _attributes(vault: Vault, version: KeyVersion) -> dict[str, Any]:
    attributes = {
        "enabled": version.enabled,
        "nbf": version.not_before,
        "exp": version.expires,
        "created": version.created,
        "updated": version.updated,
        "recoveryLevel": _recovery_level(vault),
        "recoverableDays": vault.retention_days,
    }
    return {name: value for name, value in attributes.items() if value is not None}


def _recovery_level(vault: Vault) -> str:
    kind = "CustomizedRecoverable" if vault.retention_days < 90 else "Recoverable"
    return kind if vault.purge_protection else f"{kind}+Purgeable"


def _body(request: Request) -> dict[str, Any]:
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise VaultError(400, "BadParameter", "The request body is missing or malformed.")
    return body


def _json(body: Mapping[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body), status, content_type="application/json; charset=utf-8")
