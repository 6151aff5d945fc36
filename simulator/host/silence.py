"""A server that says nothing of its requests."""

from typing import Any

from werkzeug.serving import WSGIRequestHandler


class SilentHandler(WSGIRequestHandler):
    """Requests are no concern of the app's root logger, to which werkzeug would log them."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  (werkzeug's name)
        """Say nothing."""
