"""The wire under the SDKs: no call lasts longer than it may, and none leaves for a host that is not its client's own.

An SDK's timeouts are for one wait each, for a connection or for the next bytes, so an answer that comes byte by byte outlives
them all, and an update could be in flight when its claim has lapsed. And it calls whatever address a list names for its next
page, with the token of the client.
"""

import http.client
import io
import math
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from azure.core.exceptions import ServiceRequestTimeoutError
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_ends: ContextVar[float] = ContextVar("ends", default=math.inf)
"""When the call that is being made here must have ended, on the clock that only goes forward."""


class ForeignHostError(ValueError):
    """An address that is not the client's to call."""


@contextmanager
def within(limit: timedelta) -> Iterator[None]:
    """Let all that is called in here end before a limit, tokens, connections, and pages included."""
    token = _ends.set(min(_ends.get(), time.monotonic() + limit.total_seconds()))
    try:
        yield
    finally:
        _ends.reset(token)


def _left() -> float:
    return _ends.get() - time.monotonic()


class Wire(RequestsTransport):  # type: ignore[misc] # azure-core loads its transports so late that they have no type
    """The usual transport of the SDKs, to some hosts and the names below them alone; without any, to every host."""

    def __init__(self, *hosts: str) -> None:
        session = requests.Session()
        session.auth = its_own
        for scheme in ("https://", "http://"):
            session.mount(scheme, _Adapter(hosts))
        super().__init__(session=session)

    def send(self, request: Any, *, proxies: Any = None, **kwargs: Any) -> Any:
        """Send a request in what time is left."""
        left = _left()
        if left <= 0:
            raise ServiceRequestTimeoutError("there was no time left for this request")
        for name, usual in (
            ("connection_timeout", self.connection_config.timeout),
            ("read_timeout", self.connection_config.read_timeout),
        ):
            kwargs[name] = min(kwargs.get(name, usual), left)
        return super().send(request, proxies=proxies, **kwargs)

    def sleep(self, duration: float) -> None:
        """Wait before a request is tried again, but not longer than anybody waits for it."""
        super().sleep(max(min(duration, _left()), 0.0))


def its_own(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An `auth` that leaves the SDK's token. Without one `requests` sends what it finds in ~/.netrc in place of that."""
    return request


class _Adapter(HTTPAdapter):
    """What `requests` sends by. It is asked here which host is called: addresses have been read in one way only by then."""

    def __init__(self, hosts: tuple[str, ...]) -> None:
        super().__init__()
        self._hosts = hosts

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: Any, **proxy_kwargs: Any) -> Any:
        manager: Any = super().proxy_manager_for(proxy, **proxy_kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        parts = urlsplit(request.url or "")
        host = parts.hostname or ""
        own = parts.scheme == "https" and any(host == one or host.endswith(f".{one}") for one in self._hosts)
        if self._hosts and not own:
            raise ForeignHostError(f"{parts.scheme}://{host} is not called: it is none of {', '.join(self._hosts)}")
        return super().send(request, *args, **kwargs)


class _UntilTheEnd(io.RawIOBase):
    """What comes from a socket, as long as the call may last: bytes that drip extend nothing."""

    def __init__(self, raw: io.RawIOBase, connection: socket.socket) -> None:
        self._raw, self._connection = raw, connection
        self._ends, self._patience = _ends.get(), connection.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._ends < math.inf:
            left = self._ends - time.monotonic()
            if left <= 0:
                raise TimeoutError("the answer took longer than the whole call may")
            self._connection.settimeout(min(left, self._patience if self._patience is not None else left))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        super().close()
        self._raw.close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp: Any = io.BufferedReader(_UntilTheEnd(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}
