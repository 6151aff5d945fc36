"""Microsoft.KeyVault in ARM: vaults are made, changed, deleted, recovered and purged; Managed HSMs only changed.

From the REST reference of Microsoft.KeyVault 2026-02-01 and "Azure Key Vault soft-delete overview". What is written
counts at once, and an operation that is long in Azure has ended with its first answer.
"""

import re
from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator.arm.answers import (
    EITHER,
    GROUP,
    SUBSCRIPTION,
    ArmError,
    Handler,
    answer,
    check_method,
    check_right,
    check_scope_exists,
    json_body,
    listed,
    not_found,
)
from simulator.arm.vault_bodies import (
    RBAC_BY_DEFAULT_SINCE,
    WRITABLE_OF_HSM,
    changes,
    deleted_body,
    replacing,
    vault_body,
)
from simulator.arm.vault_policies import bad_request, combined, policies_body, read_policies
from simulator.entra.roles import within
from simulator.keyvault.vaults import DeletedVault, Vault
from simulator.state import State

_PROVIDER = "Microsoft.KeyVault"
_TAKEN = (
    "The vault name '{}' is already in use. Vault names are globally unique so it is possible that the name is already "
    "taken, or that a vault with the same name was recently deleted but not purged."
)
_TAKEN_BY_DELETED = (
    "A vault with the same name already exists in deleted state. "
    "You need to either recover or purge existing key vault."
)


class VaultResources:
    """The handlers for these paths, over one Azure's vaults."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.deleted: dict[str, DeletedVault] = {}
        """Vaults that can be recovered still, by host."""

    def routes(self) -> Mapping[str, Handler]:
        """Handlers by the pattern of their paths."""
        provider = r"/providers/Microsoft\.KeyVault"
        vault = rf"{GROUP}{provider}/vaults/(?P<name>[^/]+)"
        deleted = rf"{SUBSCRIPTION}{provider}/locations/(?P<location>[^/]+)/deletedVaults/(?P<name>[^/]+)"
        return {
            rf"{EITHER}{provider}/(?P<kind>vaults|managedHSMs)": self._list,
            vault: self._vault,
            rf"(?P<vault>{vault})/accessPolicies/(?P<kind>add|replace|remove)": self._policies,
            rf"{GROUP}{provider}/managedHSMs/(?P<name>[^/]+)": self._hsm,
            rf"{SUBSCRIPTION}{provider}/(?P<kind>deletedVaults|deletedManagedHSMs)": self._list_deleted,
            deleted: self._show_deleted,
            rf"{deleted}/purge": self._purge,
            rf"{SUBSCRIPTION}{provider}/checkNameAvailability": self._check_name,
        }

    def _check_right(self, principal: str, action: str, scope: str) -> None:
        check_right(self.state.rights, principal, f"{_PROVIDER}/{action}", scope)

    def _find(self, id_: str) -> Vault | None:
        id_ = id_.rstrip("/").lower()
        return next((one for one in self.state.vaults.values() if one.resource_id.lower() == id_), None)

    def _list(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "GET")
        self._check_right(principal, f"{path['kind']}/read", path["scope"])
        hsm = path["kind"].lower() == "managedhsms"
        found = [one for one in self.state.vaults.values() if one.hsm is hsm and within(one.resource_id, path["scope"])]
        return listed(vault_body(one) for one in found)

    def _vault(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "GET", "PUT", "PATCH", "DELETE")
        verb = {"GET": "read", "DELETE": "delete"}.get(request.method, "write")
        self._check_right(principal, f"vaults/{verb}", request.path)
        vault = self._find(request.path)
        match request.method:
            case "PUT":
                vault = self._put(request, principal, path, vault)
            case "PATCH" if vault:
                self._write(vault, principal, json_body(request))
            case "DELETE" if vault:
                self._delete(vault)
                return Response("", 200)
            case "DELETE":
                return Response("", 204)
            case _ if vault is None:
                raise not_found(request.path)
        return answer(vault_body(vault))

    def _put(self, request: Request, principal: str, path: dict[str, str], vault: Vault | None) -> Vault:
        body = json_body(request)
        if not isinstance(body.get("location"), str):
            raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
        location = body["location"].replace(" ", "").lower()
        properties = body["properties"]
        if str(properties.get("createMode")).lower() == "recover" and vault is None:
            return self._recover(request.path, location)
        for name in ("sku", "tenantId"):
            if properties.get(name) is None:
                raise _not_specified(name)
        if vault is None:
            return self._create(request, path, location, body)
        if location != vault.location:
            message = f"The resource '{vault.name}' already exists in location '{vault.location}'."
            raise ArmError(409, "InvalidResourceLocation", message)
        by_roles = properties.get("enableRbacAuthorization")
        by_policies = vault.access_policies if by_roles is None else not by_roles
        if by_policies and properties.get("accessPolicies") is None:
            raise _not_specified("accessPolicies")
        self._write(vault, principal, {"tags": {}, **body, "properties": replacing(properties)})
        return vault

    def _create(self, request: Request, path: dict[str, str], location: str, body: Mapping[str, Any]) -> Vault:
        subscription, group, name = path["subscription"], path["group"], path["name"]
        check_scope_exists(self.state.arm.resource_groups, path)
        self._check_name_is_free(name, subscription)
        # Null, which some clients write, is no value.
        properties = {key: value for key, value in body["properties"].items() if value is not None}
        properties.setdefault("enableRbacAuthorization", request.args["api-version"] >= RBAC_BY_DEFAULT_SINCE)
        if not properties["enableRbacAuthorization"] and "accessPolicies" not in properties:
            raise _not_specified("accessPolicies")
        wanted = {"purge_protection": False} | changes(properties, None)
        vault = self.state.make_vault(name, subscription, group)
        vault.location, vault.tags = location, _tags(body)
        _set(vault, wanted)
        return vault

    def _write(self, vault: Vault, principal: str, body: Mapping[str, Any]) -> None:
        wanted = changes(body["properties"], vault)
        model, policies = vault.access_policies, vault.policies
        if wanted.get("access_policies", model) is not model:
            # "Changing the permission model requires …", says "Provide access to Key Vault … with Azure RBAC".
            action = "Microsoft.Authorization/roleAssignments/write"
            check_right(self.state.rights, principal, action, vault.resource_id)
        if "tags" in body:
            vault.tags = _tags(body)
        _set(vault, wanted)
        if (vault.access_policies, vault.policies) != (model, policies):
            vault.announce(vault, "VaultAccessPolicyChanged", None)

    def _delete(self, vault: Vault) -> None:
        # What a client meets at a deleted vault's host is not documented. Here it is refused as hosts are that do not
        # exist: the client gets no connection, as it would if the name did not resolve.
        self.state.take_vault(vault)
        self.deleted[vault.host] = DeletedVault(vault, self.state.clock.timestamp())
        # "Azure RBAC roles assignments and Event Grid subscriptions" go with the vault, and recovering it does not
        # restore them, says "Azure Key Vault soft-delete overview".
        for one in self.state.rights.assignments.values():
            if within(one.scope, vault.resource_id):
                self.state.rights.remove(one)
        grid = self.state.event_grid
        grid.subscriptions = [one for one in grid.subscriptions if one.source.lower() != vault.resource_id.lower()]

    def _recover(self, id_: str, location: str) -> Vault:
        """As it was: what else the body says does not count, for the Azure CLI sends any sku."""
        for deleted in self._still_deleted():
            vault = deleted.vault
            if vault.resource_id.lower() == id_.rstrip("/").lower() and vault.location == location:
                del self.deleted[vault.host]
                self.state.put_vault(vault)
                vault.clock = self.state.clock
                return vault
        raise _no_deleted_vault(id_.rstrip("/").rpartition("/")[2])

    def _still_deleted(self) -> list[DeletedVault]:
        now = self.state.clock.timestamp()
        self.deleted = {host: one for host, one in self.deleted.items() if now < one.purged_at}
        return list(self.deleted.values())

    def _policies(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        """Change the policies of the principals that the body names, and nobody else's."""
        check_method(request, "PUT")
        self._check_right(principal, "vaults/accessPolicies/write", path["vault"])
        vault = self._find(path["vault"])
        if vault is None:
            raise not_found(path["vault"])
        named = read_policies(json_body(request)["properties"].get("accessPolicies"), vault.tenant)
        policies = dict(vault.policies)
        for id_, permissions in named.items():
            held = policies.pop(id_, {})
            left = combined(path["kind"].lower(), held, permissions)
            if left:
                policies[id_] = left
        if policies != vault.policies:
            vault.policies = policies
            vault.announce(vault, "VaultAccessPolicyChanged", None)
        id_ = f"{vault.resource_id}/accessPolicies/"
        shown = {"id": id_, "type": f"{_PROVIDER}/vaults/accessPolicies", "location": vault.location}
        return answer({**shown, "properties": {"accessPolicies": policies_body(vault)}})

    def _hsm(self, request: Request, principal: str, _: dict[str, str]) -> Response:
        check_method(request, "GET", "PUT", "PATCH")
        self._check_right(principal, f"managedHSMs/{'read' if request.method == 'GET' else 'write'}", request.path)
        hsm = self._find(request.path)
        if hsm is None and request.method == "PUT":
            raise bad_request("The simulator makes no Managed HSMs over ARM.")
        if hsm is None:
            raise not_found(request.path)
        if request.method != "GET":
            body, shown = json_body(request), vault_body(hsm)["properties"]
            for name, value in body["properties"].items():
                if name not in WRITABLE_OF_HSM and value not in (None, shown.get(name)):
                    raise bad_request(f"The simulator does not change '{name}' of a Managed HSM.")
            hsm.tags = _tags(body) if "tags" in body else hsm.tags
            _set(hsm, changes({name: body["properties"].get(name) for name in WRITABLE_OF_HSM}, hsm))
        return answer(vault_body(hsm))

    def _list_deleted(self, _: Request, principal: str, path: dict[str, str]) -> Response:
        scope = f"/subscriptions/{path['subscription']}"
        self._check_right(principal, f"{path['kind']}/read", scope)
        hsm = path["kind"].lower() == "deletedmanagedhsms"
        found = [one for one in self._still_deleted() if within(one.vault.resource_id, scope) and not hsm]
        return listed(deleted_body(one) for one in found)

    def _show_deleted(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "GET")
        self._check_right(principal, "locations/deletedVaults/read", f"/subscriptions/{path['subscription']}")
        return answer(deleted_body(self._find_deleted(path)))

    def _purge(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "POST")
        self._check_right(principal, "locations/deletedVaults/purge/action", f"/subscriptions/{path['subscription']}")
        deleted = self._find_deleted(path)
        if deleted.vault.purge_protection:
            # As in microsoft/AzureTRE issue 1446.
            raise ArmError(405, "MethodNotAllowed", "Operation 'DeletedVaultPurge' is not allowed.")
        del self.deleted[deleted.vault.host]
        return Response("", 200)

    def _find_deleted(self, path: dict[str, str]) -> DeletedVault:
        for one in self._still_deleted():
            here = within(one.vault.resource_id, f"/subscriptions/{path['subscription']}")
            if here and (one.vault.name.lower(), one.vault.location) == (
                path["name"].lower(),
                path["location"].lower(),
            ):
                return one
        raise _no_deleted_vault(path["name"])

    def _check_name(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "POST")
        self._check_right(principal, "checkNameAvailability/read", f"/subscriptions/{path['subscription']}")
        body = request.get_json(force=True, silent=True)
        try:
            self._check_name_is_free(str(body.get("name")) if isinstance(body, dict) else "", path["subscription"])
        except ArmError as error:
            reason = "AccountNameInvalid" if error.code == "VaultNameNotValid" else "AlreadyExists"
            return answer({"nameAvailable": False, "reason": reason, "message": error.message})
        return answer({"nameAvailable": True})

    def _check_name_is_free(self, name: str, subscription: str) -> None:
        if not re.fullmatch(r"(?!.*--)[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]", name):
            message = f"The vault name '{name}' is invalid: 3 to 24 letters, digits and single hyphens, a letter first."
            raise ArmError(400, "VaultNameNotValid", message)
        vaults = [one for one in self.state.vaults.values() if not one.hsm]
        if any(one.name.lower() == name.lower() for one in vaults):
            raise ArmError(409, "VaultAlreadyExists", _TAKEN.format(name))
        for one in self._still_deleted():
            if one.vault.name.lower() == name.lower():
                if within(one.vault.resource_id, f"/subscriptions/{subscription}"):
                    raise ArmError(409, "ConflictError", _TAKEN_BY_DELETED)
                raise ArmError(409, "VaultAlreadyExists", _TAKEN.format(name))


def _tags(body: Mapping[str, Any]) -> dict[str, str]:
    return dict(body.get("tags") or {})


def _set(vault: Vault, wanted: Mapping[str, Any]) -> None:
    for name, value in wanted.items():
        setattr(vault, name, value)


def _not_specified(name: str) -> ArmError:
    # As users of Pulumi and Bicep meet it for accessPolicies.
    return bad_request(f"The parameter {name} is not specified.")


def _no_deleted_vault(name: str) -> ArmError:
    return ArmError(404, "DeletedVaultNotFound", f"The specified deleted vault '{name}' does not exist.")
