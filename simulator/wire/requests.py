"""A request that came through the port, as services read it."""

import io
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

from werkzeug.wrappers import Request


def as_request(came: BaseHTTPRequestHandler, host: str, plain_port: int | None, body: bytes) -> Request:
    """A request to a host, with its body; it came by TLS unless the port is given that it came to."""
    url = urlsplit("//" + host + came.path)
    environ: dict[str, object] = {
        "REQUEST_METHOD": came.command,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(url.path, "latin-1"),
        "QUERY_STRING": url.query,
        "RAW_URI": came.path,
        "REQUEST_URI": came.path,
        "SERVER_NAME": host,
        "SERVER_PORT": "443" if plain_port is None else str(plain_port),
        "SERVER_PROTOCOL": came.request_version,
        "wsgi.url_scheme": "https" if plain_port is None else "http",
        "wsgi.input": io.BytesIO(body),
        "CONTENT_TYPE": came.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
    }
    for name, value in came.headers.items():
        variable = name.upper().replace("-", "_")
        if variable not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
            environ[f"HTTP_{variable}"] = value
    return Request(environ)
