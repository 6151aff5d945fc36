"""What else there is of workspaces: storage linked to them, Microsoft Sentinel on them, and queries of what is in them.

From the REST references of linked storage accounts (2020-08-01), of Sentinel onboarding states (2023-02-01), and of the logs
query API. Of all queries one is understood: that for the newest heartbeat.
"""

import re
from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator.arm.answers import (
    GROUP,
    ArmError,
    Handler,
    answer,
    check_method,
    check_right,
    envelope,
    listed,
    not_found,
)
from simulator.clock import iso
from simulator.entra import identity
from simulator.entra.identity import principal_id
from simulator.operationalinsights.workspaces import Workspace
from simulator.state import State

_PROVIDER = "Microsoft.OperationalInsights"
_LINKED = f"{_PROVIDER}/workspaces/linkedStorageAccounts"
_KINDS = {kind.lower(): kind for kind in ("CustomLogs", "AzureWatson", "Query", "Ingestion", "Alerts")}
"""What workspaces keep in storage that is linked to them."""


class WorkspaceExtras:
    """The handlers for these paths, over one Azure's workspaces."""

    def __init__(self, state: State) -> None:
        self.state = state

    def routes(self) -> Mapping[str, Handler]:
        """Handlers by the pattern of their paths."""
        one = rf"(?P<id>{GROUP}/providers/{_PROVIDER}/workspaces/[^/]+)"
        return {
            rf"{one}/linkedStorageAccounts": self._linked,
            rf"{one}/linkedStorageAccounts/(?P<kind>[^/]+)": self._link,
            rf"{one}/providers/Microsoft\.SecurityInsights/onboardingStates/default": self._sentinel,
        }

    def _linked(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "GET")
        check_right(self.state.rights, principal, f"{_LINKED}/read", path["id"])
        found = self._workspace(path["id"])
        return listed(_link_body(found, kind) for kind in found.linked_accounts)

    def _link(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "GET", "PUT", "DELETE")
        verb = {"GET": "read", "PUT": "write"}.get(request.method, "delete")
        check_right(self.state.rights, principal, f"{_LINKED}/{verb}", path["id"])
        found, kind = self._workspace(path["id"]), _KINDS.get(path["kind"].lower())
        if kind is None:
            raise ArmError(400, "InvalidParameter", f"'{path['kind']}' is no type of data source.")
        if request.method == "PUT":
            found.linked_accounts[kind] = self._accounts(request.get_json(force=True, silent=True))
        if kind not in found.linked_accounts:
            raise not_found(request.path)
        body = _link_body(found, kind)
        if request.method == "DELETE":
            del found.linked_accounts[kind]
            return answer({})
        return answer(body)

    def _accounts(self, body: Any) -> list[str]:
        """The ids of storage accounts that are there, of which a link must name one."""
        properties = body.get("properties") if isinstance(body, dict) else None
        ids = properties.get("storageAccountIds") if isinstance(properties, dict) else None
        known = {one.resource_id.lower() for one in self.state.accounts.values()}
        if not isinstance(ids, list) or not ids or any(str(one).lower() not in known for one in ids):
            raise ArmError(400, "InvalidParameter", "'storageAccountIds' must name storage accounts that exist.")
        return [str(one) for one in ids]

    def _sentinel(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "GET")
        check_right(self.state.rights, principal, "Microsoft.SecurityInsights/onboardingStates/read", path["id"])
        if not self._workspace(path["id"]).sentinel:
            raise not_found(request.path)
        body = envelope(request.path, "Microsoft.SecurityInsights/onboardingStates", None)
        return answer({**body, "properties": {"customerManagedKey": True}})

    def _workspace(self, id_: str) -> Workspace:
        found = self.state.arm.workspaces.get(id_.lower())
        if found is None:
            raise not_found(id_)
        return found

    def logs(self, request: Request) -> Response:
        """Answer the logs query API, whose errors are in a shape of their own."""
        token = identity.authorize(request, {f"https://{self.state.cloud.logs_host}"})
        if token is None:
            return _refusal(401, "InvalidTokenError", "Valid authentication was not provided")
        wanted = re.fullmatch(r"/v1/workspaces/([0-9a-f-]{36})/query", request.path)
        workspaces = self.state.arm.workspaces.values()
        found = next((one for one in workspaces if wanted and principal_id(one.id) == wanted[1]), None)
        action = f"{_PROVIDER}/workspaces/query/read"
        if found is None or self.state.tenants.of(found.id) != token.tenant:
            return _refusal(404, "WorkspaceNotFoundError", "The workspace could not be found")
        if not self.state.rights.allows(token.principal, action, found.id):
            return _refusal(
                403,
                "InsufficientAccessError",
                "The provided credentials have insufficient access to perform the requested operation",
            )
        if "reconcile.finished" not in str((request.get_json(silent=True) or {}).get("query")):
            return _refusal(
                400, "BadArgumentError", "The simulator understands no other query than that for heartbeats"
            )
        newest = iso(max(found.heartbeats)) if found.heartbeats else None
        columns = [{"name": "Newest", "type": "datetime"}]
        return answer({"tables": [{"name": "PrimaryResult", "columns": columns, "rows": [[newest]]}]})


def _link_body(workspace: Workspace, kind: str) -> dict[str, Any]:
    body = envelope(f"{workspace.id}/linkedStorageAccounts/{kind}", _LINKED, None)
    return {**body, "properties": {"dataSourceType": kind, "storageAccountIds": workspace.linked_accounts[kind]}}


def _refusal(status: int, code: str, message: str) -> Response:
    body: dict[str, Any] = {"error": {"code": code, "message": message}}
    return answer(body, status)
