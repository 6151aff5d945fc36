"""Who may call: shared keys are checked here, bearer tokens by whoever issued them.

Source: "Authorize with Shared Key" in the Storage REST reference.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Literal, Protocol

from werkzeug.wrappers import Request

from simulator.clock import Clock
from simulator.storage.errors import StorageError

type Authorize = Callable[[Request], bool]


class Owner(Protocol):
    """What has to be known of the account that a request is for."""

    name: str
    service: Literal["queue", "table"]
    clock: Clock
    key: str | None

    @property
    def authorize(self) -> Authorize:
        """Judges bearer tokens."""


_FRESH_SECONDS = 15 * 60
_SIGNED_BY_QUEUES = (
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-MD5",
    "Content-Type",
    "Date",
    "If-Modified-Since",
    "If-Match",
    "If-None-Match",
    "If-Unmodified-Since",
    "Range",
)


def require_authorized(request: Request, account: Owner) -> None:
    """Refuse a request that proves no right to call. An account without a key takes bearer tokens only."""
    scheme, _, _ = request.headers.get("Authorization", "").partition(" ")
    match scheme:
        case "":
            message = "Server failed to authenticate the request. Please refer to the information in the "
            raise StorageError(401, "NoAuthenticationInformation", message + "www-authenticate header.")
        case "Bearer":
            if not account.authorize(request):
                message = "Server failed to authenticate the request. Please refer to the information in the "
                raise StorageError(401, "InvalidAuthenticationInfo", message + "www-authenticate header.")
        case _ if account.key is None:
            message = "Key based authentication is not permitted on this storage account."
            raise StorageError(403, "KeyBasedAuthenticationNotPermitted", message)
        case _ if not _signed(request, account, account.key):
            message = "Server failed to authenticate the request. Make sure the value of Authorization header is "
            raise StorageError(403, "AuthenticationFailed", message + "formed correctly including the signature.")


def _signed(request: Request, account: Owner, key: str) -> bool:
    """Whether the request is recent and signed with the key (base64) as SharedKey or, for tables, SharedKeyLite."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    name, _, signature = credentials.partition(":")
    match account.service, scheme:
        case "queue", "SharedKey":
            signed = _queue_text(request, account.name)
        case "table", "SharedKey":
            signed = _table_text(request, account.name)
        case "table", "SharedKeyLite":
            signed = f"{_date(request)}\n{_table_resource(request, account.name)}"
        case _:
            return False
    digest = hmac.digest(base64.b64decode(key), signed.encode(), hashlib.sha256)
    fresh = _is_fresh(request, account.clock.skew)
    return name == account.name and fresh and hmac.compare_digest(base64.b64encode(digest), signature.encode())


def _queue_text(request: Request, account: str) -> str:
    headers = {name: request.headers.get(name, "") for name in _SIGNED_BY_QUEUES}
    if headers["Content-Length"] == "0":
        headers["Content-Length"] = ""
    if "x-ms-date" in request.headers:
        headers["Date"] = ""
    ms_headers = sorted((name.lower(), value) for name, value in request.headers if name.lower().startswith("x-ms-"))
    parameters = sorted((name.lower(), ",".join(sorted(values))) for name, values in request.args.lists())
    lines = [request.method, *headers.values()]
    lines += [f"{name}:{value.strip()}" for name, value in ms_headers]
    lines += [f"/{account}{raw_path(request)}"]
    lines += [f"{name}:{value}" for name, value in parameters]
    return "\n".join(lines)


def _table_text(request: Request, account: str) -> str:
    headers = [request.headers.get(name, "") for name in ("Content-MD5", "Content-Type")]
    return "\n".join([request.method, *headers, _date(request), _table_resource(request, account)])


def _table_resource(request: Request, account: str) -> str:
    comp = f"?comp={request.args['comp']}" if "comp" in request.args else ""
    return f"/{account}{raw_path(request)}{comp}"


def _date(request: Request) -> str:
    return request.headers.get("x-ms-date") or request.headers.get("Date", "")


def _is_fresh(request: Request, skew: float) -> bool:
    """Clients sign the machine's time, which is not the simulated one; by how much storage errs is the same in both."""
    try:
        signed_at = parsedate_to_datetime(_date(request)).timestamp()
    except ValueError:
        return False
    return abs(time.time() + skew - signed_at) <= _FRESH_SECONDS


def raw_path(request: Request) -> str:
    """The path as it was sent, still percent-encoded: what clients sign."""
    path: str = request.environ["REQUEST_URI"].partition("?")[0]
    return path
