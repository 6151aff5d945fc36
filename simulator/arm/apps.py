"""Microsoft.Web and Microsoft.Insights in ARM: a function app with its settings, and log alerts.

Shapes are those of the REST references (Web Apps 2022-03-01, Scheduled Query Rules 2021-08-01), cut down to what clients read.
"""

from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator.arm.answers import EITHER, GROUP, Handler, answer, check_method, check_right, envelope, listed, not_found
from simulator.entra.identity import principal_id
from simulator.entra.roles import within
from simulator.state import AlertRule, App, State


class Apps:
    """The handlers for these paths, over one Azure's apps and alerts."""

    def __init__(self, state: State) -> None:
        self.state = state

    def routes(self) -> Mapping[str, Handler]:
        """Handlers by the pattern of their paths."""
        site = rf"(?P<id>{GROUP}/providers/Microsoft\.Web/sites/[^/]+)"
        return {
            site: self._site,
            rf"{site}/config/appsettings/list": self._settings,
            rf"{EITHER}/providers/Microsoft\.Insights/scheduledQueryRules": self._alerts,
        }

    def _site(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "GET")
        check_right(self.state.rights, principal, "Microsoft.Web/sites/read", path["id"])
        app = self._app(path["id"])
        user = self.state.identities.resource_id(app.principal)
        ids = {"principalId": principal_id(app.principal), "clientId": self.state.identities.client_id(app.principal)}
        identity: dict[str, Any] = {"type": "UserAssigned", "userAssignedIdentities": {user: ids}}
        if app.system_assigned:
            own = {"type": "SystemAssigned, UserAssigned", "principalId": principal_id(app.system_assigned)}
            identity |= own | {"tenantId": self.state.tenants.of(app.id)}
        body = envelope(app.id, "Microsoft.Web/sites") | {"kind": "functionapp,linux", "identity": identity}
        return answer({**body, "properties": {"state": "Running"}})

    def _settings(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        """A POST, and an action of its own: a reader does not see what may be secrets."""
        check_method(request, "POST")
        check_right(self.state.rights, principal, "Microsoft.Web/sites/config/list/action", path["id"])
        app = self._app(path["id"])
        body = envelope(f"{app.id}/config/appsettings", "Microsoft.Web/sites/config", None)
        return answer({**body, "properties": app.settings})

    def _app(self, id_: str) -> App:
        app = self.state.apps.get(id_.lower())
        if app is None:
            raise not_found(id_)
        return app

    def _alerts(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "GET")
        check_right(self.state.rights, principal, "Microsoft.Insights/scheduledQueryRules/read", path["scope"])
        return listed(_alert_body(one) for one in self.state.alert_rules if within(one.id, path["scope"]))


def _alert_body(rule: AlertRule) -> dict[str, Any]:
    body = envelope(rule.id, "Microsoft.Insights/scheduledQueryRules") | {"kind": "LogAlert"}
    return {**body, "properties": {"enabled": rule.enabled, "scopes": [rule.workspace_id], "severity": 1}}
