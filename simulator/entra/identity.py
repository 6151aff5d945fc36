"""Simulated Microsoft Entra tokens and the managed identity endpoint of App Service.

Tokens are JSON Web Tokens with Entra's names for the claims, because some clients (the Azure CLI) read them. They are
signed with a secret of this process, not with a published key: only this process can check them.

The endpoint follows "How to use managed identities for App Service and Azure Functions", REST endpoint reference,
api-version 2019-08-01.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid4, uuid5

from werkzeug.wrappers import Request, Response

from simulator.entra.tenants import HOME

LIFETIME = 86_400
"""Seconds that a token is good for: a managed identity's lives about a day."""

_SECRET = secrets.token_bytes(32)


@dataclass(frozen=True, slots=True)
class Token:
    """What a bearer token says."""

    resource: str
    principal: str
    expires_at: float
    """REAL seconds since the epoch: the SDKs' token caches know no simulated time."""
    tenant: str


def principal_id(principal: str) -> str:
    """The object id that role assignments and tokens name a principal by."""
    return str(uuid5(NAMESPACE_URL, principal.lower()))


def issuer(tenant: str) -> str:
    """Who signs a tenant's tokens, as they and those who refuse them say it."""
    return f"https://sts.windows.net/{tenant}/"


def issue(resource: str, principal: str, lifetime: float = LIFETIME, tenant: str = HOME) -> str:
    """Write a bearer token for one resource, good for `lifetime` real seconds."""
    now = time.time()
    claims = {
        "aud": resource,
        "iss": issuer(tenant),
        "iat": int(now),
        "exp": now + lifetime,
        "tid": tenant,
        "oid": principal_id(principal),
        "sub": principal_id(principal),
        "idtyp": "app",
        "principal": principal,
    }
    signed = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{_encoded(claims)}"
    return f"{signed}.{_signature(signed)}"


def read(text: str) -> Token | None:
    """Read a bearer token; None unless this process wrote it. Does not check whether it has expired."""
    signed, _, signature = text.rpartition(".")
    if not hmac.compare_digest(_signature(signed).encode(), signature.encode()):
        return None
    claims = json.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
    return Token(claims["aud"], claims["principal"], claims["exp"], claims["tid"])


def authorize(request: Request, audiences: Collection[str]) -> Token | None:
    """The request's token, if it is genuine, unexpired and meant for one of the audiences."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    token = read(text) if scheme.lower() == "bearer" else None
    if token is None or token.expires_at <= time.time():
        return None
    return token if token.resource.rstrip("/") in {audience.rstrip("/") for audience in audiences} else None


def _encoded(claims: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()


def _signature(signed: str) -> str:
    digest = hmac.digest(_SECRET, signed.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class IdentityEndpoint:
    """The local endpoint that hands a process tokens for its managed identity.

    Each principal's process gets a header value of its own, as each app has in App Service.
    """

    def __init__(self) -> None:
        self._header_of: dict[str, str] = {}
        self._client_id_of: dict[str, str] = {}
        self._tenant_of: dict[str, str] = {}

    def add(self, principal: str, tenant: str = HOME) -> None:
        """Let a principal of a tenant sign in."""
        if self._tenant_of.setdefault(principal, tenant) != tenant:
            raise ValueError(f"{principal} is at home in another tenant")
        self._header_of.setdefault(principal, secrets.token_hex(16))
        self._client_id_of.setdefault(principal, str(uuid4()))

    def header(self, principal: str) -> str:
        """The secret that the principal's process has in IDENTITY_HEADER."""
        return self._header_of[principal]

    def principals(self, tenant: str) -> list[str]:
        """Everyone of a tenant who can sign in."""
        return [name for name, home in self._tenant_of.items() if home == tenant]

    def tenant(self, principal: str) -> str:
        """Where a principal is at home."""
        return self._tenant_of.get(principal, HOME)

    def client_id(self, principal: str) -> str:
        """The principal's client id, which a process may name to ask for exactly this identity."""
        return self._client_id_of[principal]

    def resource_id(self, principal: str) -> str:
        """The ARM id of the principal's identity, by which a process may ask for it too."""
        group = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-identities"
        return f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{principal}"

    def __call__(self, request: Request) -> Response:
        """Answer `GET /msi/token`."""
        sent = request.headers.get("X-IDENTITY-HEADER", "")
        caller = next((name for name, header in self._header_of.items() if hmac.compare_digest(header, sent)), None)
        if request.path != "/msi/token" or request.method != "GET":
            return _refusal(404, "no such endpoint")
        if caller is None:
            return _refusal(401, "X-IDENTITY-HEADER is missing or wrong")
        resource = request.args.get("resource", "")
        if not resource or request.args.get("api-version") != "2019-08-01":
            return _refusal(400, "resource and api-version=2019-08-01 are required")
        principal = self._wanted(request, caller)
        if principal is None:
            return _refusal(400, "No managed identity was found for the given client id or resource id")
        answer = {
            "access_token": issue(resource, principal, tenant=self._tenant_of[principal]),
            "expires_on": str(int(time.time()) + LIFETIME),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": self._client_id_of[principal],
        }
        return Response(json.dumps(answer), content_type="application/json")

    def _wanted(self, request: Request, caller: str) -> str | None:
        """The identity that is asked for, by its client id or its ARM id; the caller's own if none is named."""
        if "mi_res_id" in request.args:
            wanted = request.args["mi_res_id"].lower()
            return next((name for name in self._client_id_of if self.resource_id(name).lower() == wanted), None)
        client_id = request.args.get("client_id", self._client_id_of[caller])
        return next((name for name, id_ in self._client_id_of.items() if id_ == client_id), None)


def _refusal(status: int, message: str) -> Response:
    return Response(json.dumps({"statusCode": status, "message": message}), status, content_type="application/json")
