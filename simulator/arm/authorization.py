"""Role assignments and definitions in ARM, and the part of Microsoft Graph that tells who a principal is.

From the REST reference of Microsoft.Authorization 2022-04-01.
"""

import re
from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator.arm.answers import ArmError, Handler, answer, check_right, json_body, listed, not_found
from simulator.entra import identity
from simulator.entra.roles import ROLES, Assignment, Role, within
from simulator.state import State

_PREFIX = r"(?P<scope>.*)/providers/Microsoft\.Authorization"


class Authorization:
    """The handlers for these paths, over one Azure's rights."""

    def __init__(self, state: State) -> None:
        self.state = state

    def routes(self) -> Mapping[str, Handler]:
        """Handlers by the pattern of their paths."""
        return {
            rf"{_PREFIX}/roleAssignments": self._assignments,
            rf"{_PREFIX}/roleAssignments/(?P<name>[^/]+)": self._assignment,
            rf"{_PREFIX}/roleDefinitions": self._definitions,
            rf"{_PREFIX}/roleDefinitions/(?P<name>[^/]+)": self._definition,
        }

    def _assignments(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        scope = path["scope"]
        check_right(self.state.rights, principal, "Microsoft.Authorization/roleAssignments/read", scope)
        query = request.args.get("$filter", "")
        wanted = re.search(r"(principalId|assignedTo)(?: eq |\()'([^']+)'", query)
        # Only `assignedTo` follows groups ("List Azure role assignments using the REST API").
        held = {wanted[2].lower()} if wanted else set()
        if wanted and wanted[1] == "assignedTo":
            held = self.state.rights.held_by(wanted[2])
        exactly = "atScope()" in query
        return listed(
            _assignment_body(one)
            for one in self.state.rights.assignments.values()
            if (within(scope, one.scope) or (within(one.scope, scope) and not exactly))
            and (wanted is None or one.principal_id in held)
        )

    def _assignment(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        verb = {"GET": "read", "PUT": "write", "DELETE": "delete"}.get(request.method, "write")
        check_right(self.state.rights, principal, f"Microsoft.Authorization/roleAssignments/{verb}", path["scope"])
        key = request.path.rstrip("/").lower()
        held = self.state.rights.assignments
        match request.method:
            case "PUT":
                return self._assign(request, path)
            case "DELETE" if key in held:
                self.state.rights.remove(held[key])
                return answer(_assignment_body(held[key]))
            case "DELETE":
                return Response("", 204)
            case _ if key in held:
                return answer(_assignment_body(held[key]))
        raise not_found(request.path)

    def _assign(self, request: Request, path: dict[str, str]) -> Response:
        properties = json_body(request)["properties"]
        if not properties.get("principalId"):
            raise ArmError(400, "InvalidRequestContent", "The request content was invalid: principalId is required.")
        role = _role(str(properties.get("roleDefinitionId", "")).rpartition("/")[2])
        if role is None:
            raise ArmError(404, "RoleDefinitionDoesNotExist", "The specified role definition does not exist.")
        tenant = self.state.tenants.of(path["scope"])
        kind = properties.get("principalType")
        if kind is None and str(properties["principalId"]).lower() not in self._principals(tenant):
            # Without the type, Azure looks the principal up: "Troubleshoot Azure RBAC", new principals.
            message = f"Principal {properties['principalId']} does not exist in the directory {tenant}."
            raise ArmError(400, "PrincipalNotFound", message)
        if kind not in {None, "User", "Group", "ServicePrincipal", "ForeignGroup", "Device"}:
            raise ArmError(400, "InvalidRequestContent", "The request content was invalid: principalType is unknown.")
        principal = str(properties["principalId"]).lower()
        made = Assignment(principal, role, path["scope"] or "/", path["name"], kind or "ServicePrincipal")
        same = (made.principal_id, made.role.id, made.scope.lower())
        held = self.state.rights.assignments.values()
        if any((one.principal_id, one.role.id, one.scope.lower()) == same for one in held):
            raise ArmError(409, "RoleAssignmentExists", "The role assignment already exists.")
        if made.id.lower() in self.state.rights.assignments:
            message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
            raise ArmError(400, "RoleAssignmentUpdateNotPermitted", message)
        self.state.rights.add(made)
        return answer(_assignment_body(made), 201)

    def _definitions(self, request: Request, _: str, path: dict[str, str]) -> Response:
        wanted = re.search(r"roleName eq '([^']+)'", request.args.get("$filter", ""))
        return listed(
            _definition_body(role, path["scope"])
            for role in ROLES.values()
            if wanted is None or wanted[1].lower() == role.name.lower()
        )

    def _definition(self, request: Request, _: str, path: dict[str, str]) -> Response:
        role = _role(path["name"])
        if role is None:
            raise not_found(request.path)
        return answer(_definition_body(role, path["scope"]))

    def graph(self, request: Request) -> Response:
        """Answer Microsoft Graph's `directoryObjects/getByIds` and the look-ups of a service principal."""
        token = identity.authorize(request, {f"https://{self.state.cloud.graph_host}"})
        if token is None:
            error = {"code": "InvalidAuthenticationToken", "message": "Access token is empty."}
            return answer({"error": error}, 401)
        names = self._principals(token.tenant)
        body = request.get_json(force=True, silent=True) or {}
        if request.path.endswith("/directoryObjects/getByIds") and isinstance(body.get("ids"), list):
            return listed(_principal_body(id_, names[id_]) for id_ in map(str.lower, body["ids"]) if id_ in names)
        wanted = re.search(r"/servicePrincipals/([0-9a-f-]{36})$", request.path)
        if wanted and wanted[1] in names:
            return answer(_principal_body(wanted[1], names[wanted[1]]))
        if request.path.endswith("/servicePrincipals"):
            asked = set(re.findall(r"eq '([^']+)'", request.args.get("$filter", "")))
            return listed(_principal_body(id_, name) for id_, name in names.items() if {id_, name} & asked)
        error = {"code": "Request_ResourceNotFound", "message": "The resource does not exist."}
        return answer({"error": error}, 404)

    def _principals(self, tenant: str) -> dict[str, str]:
        """A tenant's display names by object id. A system-assigned identity is called what its resource is called."""
        state = self.state
        named = {identity.principal_id(one): one for one in state.identities.principals(tenant)}
        resources = {one.id: one.name for one in state.arm.clusters.values()}
        resources |= {one.resource_id: one.name for one in state.accounts.values()}
        here = {id_: name for id_, name in resources.items() if state.tenants.of(id_) == tenant}
        return named | {identity.principal_id(id_): name for id_, name in here.items()}


def _role(id_: str) -> Role | None:
    return next((role for role in ROLES.values() if role.id == id_.lower()), None)


def _definition_id(role: Role, scope: str) -> str:
    subscription = re.match(r"/subscriptions/[^/]+", scope)
    return f"{subscription[0] if subscription else ''}/providers/Microsoft.Authorization/roleDefinitions/{role.id}"


def _assignment_body(one: Assignment) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId": _definition_id(one.role, one.scope),
            "principalId": one.principal_id,
            "principalType": one.principal_type,
            "scope": one.scope,
        },
    }


def _definition_body(role: Role, scope: str) -> dict[str, Any]:
    permission = {
        "actions": list(role.actions),
        "notActions": [],
        "dataActions": list(role.data_actions),
        "notDataActions": [],
    }
    return {
        "id": _definition_id(role, scope),
        "name": role.id,
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": role.name,
            "type": "CustomRole" if role.custom else "BuiltInRole",
            "description": "",
            "assignableScopes": ["/"],
            "permissions": [permission],
        },
    }


def _principal_body(id_: str, name: str) -> dict[str, Any]:
    return {
        "@odata.type": "#microsoft.graph.servicePrincipal",
        "id": id_,
        "appId": id_,
        "displayName": name,
        "servicePrincipalNames": [id_],
        "servicePrincipalType": "ManagedIdentity",
    }
