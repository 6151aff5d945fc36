"""What the two services share: whose request it is, whether it may, and what every answer carries."""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from werkzeug.wrappers import Request, Response

from simulator.clock import Clock
from simulator.storage.auth import require_authorized
from simulator.storage.errors import StorageError, trailer

REMOVAL_SECONDS = 40
"""A deleted queue or table is "likely to take at least 40 seconds" to go (Delete Queue, Delete Table); requests that
name it get 409 until then."""

NEWEST_VERSION = "2026-10-06"
"""That of the newest SDK; a cloud that lags behind knows only older ones."""
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}")
_CHALLENGE = (
    "Bearer authorization_uri=https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/oauth2/authorize"
    " resource_id=https://storage.azure.com"
)


@dataclass(slots=True)
class Account:
    """A storage account, as one of its services sees it."""

    name: str
    service: Literal["queue", "table"]
    clock: Clock
    authorize: Callable[[Request], bool]
    """Judges bearer tokens."""
    key: str | None
    newest_version: str = NEWEST_VERSION

    def answer(
        self,
        request: Request,
        handle: Callable[[Request, str], Response],
        render: Callable[[StorageError, str], Response],
    ) -> Response:
        """Answer with what `handle` says about the path within the account, or with a refusal."""
        request_id = str(uuid.uuid4())
        try:
            self._check_version(request.headers.get("x-ms-version", ""))
            path = self.path(request)
            require_authorized(request, self)
            response = handle(request, path)
        except StorageError as error:
            response = render(error, trailer(request_id, self.clock.now()))
            response.headers["x-ms-error-code"] = error.code
            if error.status == 401:
                response.headers["WWW-Authenticate"] = _CHALLENGE
        response.headers["x-ms-request-id"] = request_id
        for name in ("x-ms-version", "x-ms-client-request-id"):
            if value := request.headers.get(name):
                response.headers[name] = value
        return response

    def _check_version(self, version: str) -> None:
        """Refuse a version that is not known; a shared access signature may do without any."""
        if version and (not _VERSION.fullmatch(version) or version > self.newest_version):
            message = "The value for one of the HTTP headers is not in the correct format."
            raise StorageError(400, "InvalidHeaderValue", message, HeaderName="x-ms-version", HeaderValue=version)

    def path(self, request: Request) -> str:
        """Azure names the account in the host; emulators on an IP address name it first in the path."""
        if request.host.startswith(f"{self.name}."):
            return request.path
        first, _, rest = request.path.removeprefix("/").partition("/")
        if first != self.name:
            raise StorageError(400, "InvalidUri", "The requested URI does not represent any resource on the server.")
        return f"/{rest}"


def operation[K, **P, R](operations: dict[K, Callable[P, R]], asked: K) -> Callable[P, R]:
    """The operation that a resource has for what was asked of it."""
    if asked not in operations:
        raise StorageError(405, "UnsupportedHttpVerb", "The resource doesn't support specified Http Verb.")
    return operations[asked]
