"""Requests to a host on this machine, past any proxy that the environment names.

`urllib.request.urlopen` remembers for good what the environment named when it was first used in a process: a proxy, that of a
simulated Azure say, which is gone by now.
"""

import urllib.request
from http.client import HTTPResponse

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url: str, body: bytes | None, headers: dict[str, str], *, method: str, timeout: float) -> HTTPResponse:
    """The answer, to be closed; `timeout` is in real seconds. Raises `HTTPError` for one that is no success, and `OSError`."""
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - the local host
    answer: HTTPResponse = _OPENER.open(request, timeout=timeout)
    return answer
