"""Key Vault and Managed HSM: keys, their versions, and the part of the data plane that manages them.

From the Azure Key Vault REST reference (Keys) and "Azure Key Vault REST API error codes".
"""

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator import identity
from simulator.clock import Clock
from simulator.clusters import EXPIRED, ClusterKey
from simulator.rights import Rights


class Network(StrEnum):
    """From where a vault may be reached."""

    OPEN = "open"
    FIREWALL = "firewall"
    """Only from addresses that are not the caller's."""
    PRIVATE = "private"
    """Public network access is disabled."""


@dataclass(slots=True)
class KeyVersion:
    """One version of a key. Times are whole simulated seconds since the epoch."""

    version: str
    created: int
    updated: int
    enabled: bool = True
    not_before: int | None = None
    expires: int | None = None
    size: int = 2048


@dataclass(slots=True)
class Key:
    """A key with its versions, oldest first."""

    name: str
    versions: list[KeyVersion] = field(default_factory=list)
    lifetime: int | None = None
    """Seconds until a version made by rotation expires, as a rotation policy says; None means never."""

    @property
    def newest(self) -> KeyVersion:
        """The version made last."""
        return self.versions[-1]

    def find(self, version: str) -> KeyVersion | None:
        """A version by its name; empty means the newest."""
        return self.newest if version == "" else next((one for one in self.versions if one.version == version), None)


class VaultError(Exception):
    """An answer other than success, in Key Vault's shape."""

    def __init__(self, status: int, code: str, message: str, inner: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error: dict[str, Any] = {"code": code, "message": message}
        if inner:
            self.error["innererror"] = {"code": inner}


@dataclass(slots=True)
class Vault:
    """A vault or a Managed HSM: a service for the one host it lives at."""

    name: str
    host: str
    resource_id: str
    audience: str
    login_host: str
    clock: Clock
    rights: Rights
    announce: Callable[["Vault", str, Key], None]
    """Tells Event Grid of an event type about the newest version of a key."""
    hsm: bool = False
    purge_protection: bool = True
    network: Network = Network.OPEN
    trusted_services: bool = True
    """Whether Azure Monitor gets past the firewall."""
    access_policies: bool = False
    """Whether rights come from access policies, whose refusals have another code than those of Azure roles."""
    page_size: int = 25
    """The most versions that one list page holds, which is Key Vault's own maximum."""
    absent_key_lists_empty: bool = False
    """Not known: whether listing the versions of a key that does not exist is a 404 or an empty list."""
    keys: dict[str, Key] = field(default_factory=dict)
    """By name in lower case."""

    @property
    def uri(self) -> str:
        """As customers copy it from the portal, with a slash at the end."""
        return f"https://{self.host}/"

    def add_key(self, name: str, *, size: int = 2048, lifetime: int | None = None) -> Key:
        """Make a key with one version, or a new version of a key that exists; an event tells of it either way."""
        key = self.keys.setdefault(name.lower(), Key(name, lifetime=lifetime))
        now = int(self.clock.timestamp())
        expires = now + key.lifetime if key.lifetime is not None else None
        key.versions.append(KeyVersion(secrets.token_hex(16), now, now, expires=expires, size=size))
        self.announce(self, "KeyNewVersionCreated", key)
        return key

    def rotate(self, name: str) -> KeyVersion:
        """Make a new version of a key."""
        key = self.keys[name.lower()]
        return self.add_key(key.name, size=key.newest.size).newest

    def set_attributes(
        self,
        name: str,
        version: str = "",
        *,
        enabled: bool | None = None,
        not_before: int | None = None,
        expires: int | None = None,
    ) -> KeyVersion:
        """Change what is given, of one version or the newest."""
        found = self._version(name, version)
        found.enabled = found.enabled if enabled is None else enabled
        found.not_before = found.not_before if not_before is None else not_before
        found.expires = found.expires if expires is None else expires
        found.updated = int(self.clock.timestamp())
        return found

    def disable(self, name: str, version: str = "") -> None:
        """Disable a version: how a customer revokes access."""
        self.set_attributes(name, version, enabled=False)

    def enable(self, name: str, version: str = "") -> None:
        """Enable a version again."""
        self.set_attributes(name, version, enabled=True)

    def delete_key(self, name: str) -> None:
        """Delete a key with all its versions."""
        del self.keys[name.lower()]

    def refusal(self, principal: str, wanted: ClusterKey) -> str | None:
        """Why a cluster's identity cannot use a key here, in the words of the cluster documents; None if it can."""
        key = self.keys.get(wanted.name.lower())
        version = key.find(wanted.version) if key else None
        now = self.clock.timestamp()
        failed = "Failed to validate key in Key Vault. Could be due to lack of permissions or when key doesn't exist"
        reachable = self.network is Network.OPEN or self.trusted_services
        granted = self.rights.allows(principal, "Microsoft.KeyVault/vaults/keys/wrap/action", self.resource_id)
        if version is None or not version.enabled or not reachable or not granted:
            return failed
        if version.expires is not None and version.expires <= now:
            return EXPIRED
        if version.not_before is not None and version.not_before > now:
            return failed
        if not self.purge_protection:
            return "Key isn't recoverable. Key Vault must be set to Soft-delete and Purge-protection"
        return None

    def __call__(self, request: Request) -> Response:
        """Answer a request to the data plane."""
        try:
            return self._route(request)
        except VaultError as error:
            response = _json({"error": error.error}, error.status)
            if error.status == 401:
                response.headers["WWW-Authenticate"] = (
                    f'Bearer authorization="https://{self.login_host}/{identity.TENANT}", resource="{self.audience}"'
                )
            return response

    def _route(self, request: Request) -> Response:
        token = identity.authorize(request, {self.audience})
        if token is None:
            raise VaultError(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.")
        self._check_network()
        if "api-version" not in request.args:
            raise VaultError(400, "BadParameter", "api-version must be specified")
        match request.method, *request.path.strip("/").split("/"):
            case "GET", "keys", name, "versions":
                self._check_right(token.principal, "read")
                return self._list(request, name)
            case "GET", "keys", name, *rest if len(rest) <= 1:
                self._check_right(token.principal, "read")
                found = self._version(name, "".join(rest))
                if not found.enabled:
                    raise VaultError(403, "Forbidden", "Operation get is not allowed on a disabled key.", "KeyDisabled")
                return self._bundle(name, found)
            case "POST", "keys", name, "create":
                self._check_right(token.principal, "create/action")
                key = self.add_key(name, size=_body(request).get("key_size") or 2048)
                return self._bundle(name, key.newest)
            case "POST", "keys", name, "rotate":
                self._check_right(token.principal, "rotate/action")
                self._version(name, "")
                return self._bundle(name, self.rotate(name))
            case "PATCH", "keys", name, version:
                self._check_right(token.principal, "update/action")
                wanted = _body(request).get("attributes") or {}
                not_before, expires = wanted.get("nbf"), wanted.get("exp")
                enabled = wanted.get("enabled")
                found = self.set_attributes(name, version, enabled=enabled, not_before=not_before, expires=expires)
                return self._bundle(name, found)
        raise VaultError(404, "NotFound", "There is nothing at this path.")

    def _check_network(self) -> None:
        if self.network is Network.FIREWALL:
            message = "Client address is not authorized and caller is not a trusted service."
            raise VaultError(403, "Forbidden", message, "ForbiddenByFirewall")
        if self.network is Network.PRIVATE:
            message = (
                "Public network access is disabled and request is not from a trusted service nor via a private link."
            )
            raise VaultError(403, "Forbidden", message, "ForbiddenByConnection")

    def _check_right(self, principal: str, action: str) -> None:
        if not self.rights.allows(principal, f"Microsoft.KeyVault/vaults/keys/{action}", self.resource_id):
            message = f"Caller is not authorized to perform action on resource. Caller: {principal}; Action: {action}"
            raise VaultError(403, "Forbidden", message, "AccessDenied" if self.access_policies else "ForbiddenByRbac")

    def _version(self, name: str, version: str) -> KeyVersion:
        key = self.keys.get(name.lower())
        found = key.find(version) if key else None
        if found is None:
            message = f"A key with (name/id) {name}/{version} was not found in this key vault."
            raise VaultError(404, "KeyNotFound", message)
        return found

    def _list(self, request: Request, name: str) -> Response:
        if name.lower() in self.keys or not self.absent_key_lists_empty:
            self._version(name, "")
        # By version name, so that nobody can take the order for one of age.
        versions = (
            sorted(self.keys[name.lower()].versions, key=lambda one: one.version) if name.lower() in self.keys else []
        )
        start = int(request.args.get("$skiptoken", 0))
        size = min(int(request.args.get("maxresults", self.page_size)), self.page_size)
        page = versions[start : start + size]
        body: dict[str, Any] = {
            "value": [{"kid": self._kid(name, one), "attributes": _attributes(one)} for one in page],
            "nextLink": None,
        }
        if start + size < len(versions):
            version = request.args["api-version"]
            body["nextLink"] = (
                f"{self.uri}keys/{name}/versions?api-version={version}&$skiptoken={start + size}&maxresults={size}"
            )
        return _json(body)

    def _kid(self, name: str, version: KeyVersion) -> str:
        return f"{self.uri}keys/{self.keys[name.lower()].name}/{version.version}"

    def _bundle(self, name: str, version: KeyVersion) -> Response:
        key = {
            "kid": self._kid(name, version),
            "kty": "RSA-HSM" if self.hsm else "RSA",
            "key_ops": ["wrapKey", "unwrapKey"],
            # Any number of the right length will do: nobody wraps anything here.
            "n": base64.urlsafe_b64encode(secrets.token_bytes(version.size // 8)).rstrip(b"=").decode(),
            "e": "AQAB",
        }
        return _json({"key": key, "attributes": _attributes(version)})


def _attributes(version: KeyVersion) -> dict[str, Any]:
    attributes = {
        "enabled": version.enabled,
        "nbf": version.not_before,
        "exp": version.expires,
        "created": version.created,
        "updated": version.updated,
        "recoveryLevel": "Recoverable",
        "recoverableDays": 90,
    }
    return {name: value for name, value in attributes.items() if value is not None}


def _body(request: Request) -> dict[str, Any]:
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise VaultError(400, "BadParameter", "The request body is missing or malformed.")
    return body


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body), status, content_type="application/json; charset=utf-8")
