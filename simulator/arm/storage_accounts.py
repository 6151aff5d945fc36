"""Microsoft.Storage in ARM: storage accounts, their keys, and the keys of their owners' that encrypt them.

An account asks the vault as itself: of its identity no more is simulated than that. What it may be given is what a cluster may
be: "Customer-managed keys for Azure Storage encryption" wants soft delete and purge protection, and lets the account past a
firewall as a trusted service. Which code Azure has for a version that has expired, or is not active yet, is not known.
"""

from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator.arm.answers import (
    EITHER,
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
from simulator.entra.roles import within
from simulator.keyvault import vaults
from simulator.operationalinsights.clusters import FAILED
from simulator.state import State
from simulator.storage.accounts import StorageAccount
from simulator.storage.customer_keys import CHECKED_EVERY, CustomerKey


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
        check_method(request, "GET", "PATCH")
        verb = "read" if request.method == "GET" else "write"
        check_right(self.state.rights, principal, f"Microsoft.Storage/storageAccounts/{verb}", request.path)
        account = self._found(path, request.path.rstrip("/"))
        if request.method == "PATCH":
            self._patch(account, request.get_json(force=True, silent=True))
        return answer(self._account_body(account.name))

    def _found(self, path: dict[str, str], id_: str) -> StorageAccount:
        account = self.state.accounts.get(path["name"].lower())
        if account is None or account.resource_id.lower() != id_.lower():
            raise not_found(id_)
        return account

    def _patch(self, account: StorageAccount, body: Any) -> None:
        """Give the account another key, or another version. What else a PATCH may hold is left as it is."""
        properties = body.get("properties") if isinstance(body, dict) else None
        encryption = properties.get("encryption") if isinstance(properties, dict) else None
        if not isinstance(encryption, dict):
            return
        key = encryption.get("keyvaultproperties")
        if str(encryption.get("keySource")).lower() != "microsoft.keyvault" or not isinstance(key, dict):
            raise ArmError(400, "InvalidRequestPropertyValue", "The value of the request property is invalid.")
        uri, name, version = (str(key.get(part) or "") for part in ("keyvaulturi", "keyname", "keyversion"))
        match self._refusal(account, uri, name, version):
            case None:
                pass
            case vaults.UNPROTECTED:  # Azure/azure-cli issue 12346
                raise ArmError(400, "KeyVaultPolicyError", "Keyvault policy recoverable is not set")
            case _:
                # The code and the words are Azure's; the status is reported of the same failure elsewhere.
                message = "The operation failed because of authentication issue on the keyvault."
                raise ArmError(403, "KeyVaultAuthenticationFailure", message)
        self.state.encrypt(account, uri, name, version)

    def _refusal(self, account: StorageAccount, uri: str, name: str, version: str) -> str | None:
        """Why an account cannot be given a key's version, or its newest; None if it can."""
        vault = self.state.vault_at(uri)
        if vault is None or not vault.opens(account.resource_id, name, version):
            return FAILED
        return vault.unfit(account.resource_id, name, version)

    def _check_for_newer(self, account: StorageAccount) -> None:
        """What Azure Storage does daily for an account that follows its key. Without the right, it stays where it is."""
        key, now = account.customer_key, self.state.clock.timestamp()
        if key is None or key.version or now - key.checked < CHECKED_EVERY:
            return
        key.checked = now
        newest = self.state.newest_at(key.vault_uri, key.name)
        if newest != key.in_use and self._refusal(account, key.vault_uri, key.name, newest) is None:
            key.in_use, key.rotated = newest, now

    def _account_body(self, name: str) -> dict[str, Any]:
        account = self.state.accounts[name]
        self._check_for_newer(account)
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
        account = self._found(path, scope)
        keys = [{"keyName": "key1", "value": account.key, "permissions": "FULL"}] if account.key else []
        return answer({"keys": keys})


def _encryption(key: CustomerKey | None) -> dict[str, Any]:
    """As the REST reference of Microsoft.Storage has it: what one sets has names in lower case, what Azure tells has not."""
    if key is None:
        return {"keySource": "Microsoft.Storage"}
    properties = {
        "keyvaulturi": key.vault_uri,
        "keyname": key.name,
        **({"keyversion": key.version} if key.version else {}),
        "currentVersionedKeyIdentifier": f"{key.vault_uri.rstrip('/')}/keys/{key.name}/{key.in_use}",
        "lastKeyRotationTimestamp": iso(key.rotated),
    }
    return {"keySource": "Microsoft.Keyvault", "keyvaultproperties": properties}
