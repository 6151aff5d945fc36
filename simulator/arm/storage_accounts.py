"""Microsoft.Storage in ARM: storage accounts and their keys."""

from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator.arm.answers import EITHER, GROUP, Handler, answer, check_method, check_right, envelope, listed, not_found
from simulator.entra.roles import within
from simulator.state import State


class StorageAccounts:
    """The handlers for these paths, over one Azure's storage accounts."""

    def __init__(self, state: State) -> None:
        self.state = state

    def routes(self) -> Mapping[str, Handler]:
        """Handlers by the pattern of their paths."""
        accounts = r"/providers/Microsoft\.Storage/storageAccounts"
        return {
            rf"{EITHER}{accounts}": self._accounts,
            rf"{GROUP}{accounts}/(?P<name>[^/]+)": self._account,
            rf"{GROUP}{accounts}/(?P<name>[^/]+)/listKeys": self._account_keys,
        }

    def _accounts(self, _: Request, principal: str, path: dict[str, str]) -> Response:
        check_right(self.state.rights, principal, "Microsoft.Storage/storageAccounts/read", path["scope"])
        return listed(
            self._account_body(one.name)
            for one in self.state.accounts.values()
            if within(one.resource_id, path["scope"])
        )

    def _account(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_right(self.state.rights, principal, "Microsoft.Storage/storageAccounts/read", request.path)
        if path["name"].lower() not in self.state.accounts:
            raise not_found(request.path)
        return answer(self._account_body(path["name"].lower()))

    def _account_body(self, name: str) -> dict[str, Any]:
        account = self.state.accounts[name]
        kinds = ("queue", "table")
        return {
            **envelope(account.resource_id, "Microsoft.Storage/storageAccounts"),
            "kind": "StorageV2",
            "sku": {"name": "Standard_LRS", "tier": "Standard"},
            "properties": {
                "provisioningState": "Succeeded",
                "allowSharedKeyAccess": account.key is not None,
                "encryption": _encryption(account.customer_key),
                "primaryEndpoints": {kind: f"https://{name}.{kind}.{account.suffix}/" for kind in kinds},
            },
        }

    def _account_keys(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "POST")
        scope = request.path.rstrip("/").rpartition("/")[0]
        check_right(self.state.rights, principal, "Microsoft.Storage/storageAccounts/listKeys/action", scope)
        account = self.state.accounts.get(path["name"].lower())
        if account is None:
            raise not_found(scope)
        keys = [{"keyName": "key1", "value": account.key, "permissions": "FULL"}] if account.key else []
        return answer({"keys": keys})


def _encryption(key: tuple[str, str, str] | None) -> dict[str, Any]:
    """As the REST reference of Microsoft.Storage has it, whose names of these properties are in lower case."""
    if key is None:
        return {"keySource": "Microsoft.Storage"}
    uri, name, version = key
    properties = {"keyvaulturi": uri, "keyname": name, "keyversion": version}
    return {"keySource": "Microsoft.Keyvault", "keyvaultproperties": properties}
