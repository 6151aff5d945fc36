"""The record of what clients said to the simulated Azure, and what it answered."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlencode

from simulator.wire.faults import FaultKind

_SECRET_HEADERS = {"authorization", "x-identity-header", "aeg-sas-key", "proxy-authorization", "x-playground-key"}
_SECRET_ANSWERS = ("/listkeys", "/getfullurl", "/appsettings/list")
"""Ends of the paths whose answers are secrets."""
_SECRET_PARAMETERS = {"t", "c", "s", "sig", "code"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what became of it, without its secrets."""

    number: int
    at: datetime
    method: str
    host: str
    path: str
    query: str
    request_headers: Mapping[str, str]
    """Names in lower case."""
    request_body: bytes
    fault: FaultKind | None = None
    status: int | None = None
    """What the service or the fault answered, whether or not it reached the client; None if nothing did."""
    response_headers: Mapping[str, str] | None = None
    response_body: bytes = b""

    @property
    def mutating(self) -> bool:
        """Whether the request is of a kind that changes something."""
        return self.method not in {"GET", "HEAD", "OPTIONS"}


def visible_headers(headers: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Request headers by their names in lower case, without the secret ones."""
    return {name.lower(): value for name, value in headers if name.lower() not in _SECRET_HEADERS}


def visible_answer(path: str, headers: Iterable[tuple[str, str]], body: bytes) -> tuple[Mapping[str, str], bytes]:
    """An answer's headers and body: the URLs of operations without their signatures, keys not at all."""
    visible = {}
    for name, value in headers:
        url, mark, query = value.partition("?")
        visible[name] = f"{url}?{visible_query(query)}" if mark and url.startswith("https://") else value
    return visible, b"" if path.lower().rstrip("/").endswith(_SECRET_ANSWERS) else body


def visible_query(query: str) -> str:
    """A query string with its secrets starred out."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return urlencode([(name, "***" if name.lower() in _SECRET_PARAMETERS else value) for name, value in pairs])
