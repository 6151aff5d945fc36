"""Simulated Microsoft Entra tokens and the managed identity endpoint of App Service.

The endpoint follows "How to use managed identities for App Service and Azure Functions", REST endpoint reference,
api-version 2019-08-01.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from uuid import uuid4

from werkzeug.wrappers import Request, Response

TENANT = "5e7c1f0a-6c1d-4f0e-9a51-3f2f0b8f6d21"
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


def issue(resource: str, principal: str, lifetime: float = LIFETIME) -> str:
    """Write a bearer token for one resource, good for `lifetime` real seconds."""
    claims = json.dumps(asdict(Token(resource, principal, time.time() + lifetime))).encode()
    return f"{base64.urlsafe_b64encode(claims).decode()}.{_signature(claims)}"


def read(text: str) -> Token | None:
    """Read a bearer token; None unless this process wrote it. Does not check whether it has expired."""
    encoded, _, signature = text.partition(".")
    try:
        claims = base64.b64decode(encoded, altchars=b"-_", validate=True)
    except ValueError:
        return None
    if not hmac.compare_digest(_signature(claims).encode(), signature.encode()):
        return None
    return Token(**json.loads(claims))


def authorize(request: Request, audiences: Collection[str]) -> Token | None:
    """The request's token, if it is genuine, unexpired and meant for one of the audiences."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    token = read(text) if scheme.lower() == "bearer" else None
    if token is None or token.expires_at <= time.time():
        return None
    return token if token.resource.rstrip("/") in {audience.rstrip("/") for audience in audiences} else None


def _signature(claims: bytes) -> str:
    return hmac.new(_SECRET, claims, hashlib.sha256).hexdigest()


class IdentityEndpoint:
    """The local endpoint that hands a process tokens for its managed identity.

    Each principal's process gets a header value of its own, as each app has in App Service.
    """

    def __init__(self) -> None:
        self._header_of: dict[str, str] = {}
        self._client_id_of: dict[str, str] = {}

    def add(self, principal: str) -> None:
        """Let a principal sign in."""
        self._header_of.setdefault(principal, secrets.token_hex(16))
        self._client_id_of.setdefault(principal, str(uuid4()))

    def header(self, principal: str) -> str:
        """The secret that the principal's process has in IDENTITY_HEADER."""
        return self._header_of[principal]

    def client_id(self, principal: str) -> str:
        """The principal's client id, which a process may name to ask for exactly this identity."""
        return self._client_id_of[principal]

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
        wanted = request.args.get("client_id", self._client_id_of[caller])
        principal = next((name for name, client_id in self._client_id_of.items() if client_id == wanted), None)
        if principal is None:
            return _refusal(400, "No managed identity was found for the given client id")
        answer = {
            "access_token": issue(resource, principal),
            "expires_on": str(int(time.time()) + LIFETIME),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": wanted,
        }
        return Response(json.dumps(answer), content_type="application/json")


def _refusal(status: int, message: str) -> Response:
    return Response(json.dumps({"statusCode": status, "message": message}), status, content_type="application/json")
