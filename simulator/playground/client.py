"""How other processes reach a running playground: its own surface, straight or by the way that an Azure client takes."""

import json
import ssl
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

from simulator.playground.state import HOST, KEY_HEADER, Running

_SECONDS = 30.0


class RefusedError(Exception):
    """What the playground said to a request that it could not do."""


def ask(running: Running, method: str, path: str, body: str = "") -> dict[str, Any]:
    """Ask the playground's own surface; RefusedError if it refuses, or is no more."""
    data = body.encode(errors="replace") if method == "POST" else None
    # Past whatever proxy the environment names: this may run where `env` was evaluated.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return _answer(opener, running, method, f"http://127.0.0.1:{running.port}/playground/{path}", data)


def check_the_way_in(running: Running, who: str) -> None:
    """RefusedError unless what an Azure client in somebody's environment sends to Azure arrives in the playground."""
    try:
        environment = running.environments[who]
        proxy = urllib.request.ProxyHandler({"https": environment["HTTPS_PROXY"]})
        context = ssl.create_default_context(cafile=environment["SSL_CERT_FILE"])
    except KeyError as error:
        raise RefusedError(f"the playground that is up is another version's, without {error}: start it again") from None
    except OSError as error:
        raise RefusedError(f"the playground is gone: {error}") from None
    opener = urllib.request.build_opener(proxy, urllib.request.HTTPSHandler(context=context))
    _answer(opener, running, "GET", f"https://{HOST}/playground", None)


def _answer(
    opener: urllib.request.OpenerDirector, running: Running, method: str, url: str, data: bytes | None
) -> dict[str, Any]:
    request = urllib.request.Request(url, data=data, headers={KEY_HEADER: running.key}, method=method)  # noqa: S310 - our own
    try:
        with opener.open(request, timeout=_SECONDS) as response:
            answer: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            raise RefusedError(_said(error)) from None
    except (OSError, HTTPException, ValueError) as error:
        raise RefusedError(f"the playground does not answer: {error}") from None
    return answer


def _said(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return f"the playground answered {error.code}"
