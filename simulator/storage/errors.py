"""Refusals, and how each service writes them down."""

import json
from datetime import datetime
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response


class StorageError(Exception):
    """A refusal with one of the codes in Microsoft's lists of common, queue and table error codes."""

    def __init__(self, status: int, code: str, message: str, **details: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        """Elements that a queue error carries besides, such as the name of the query parameter."""


def out_of_range(parameter: str, value: str, least: int, most: int) -> StorageError:
    """Refuse a query parameter that is a number, but not an allowed one."""
    return StorageError(
        400,
        "OutOfRangeQueryParameterValue",
        "One of the query parameters specified in the request URI is outside the permissible range.",
        QueryParameterName=parameter,
        QueryParameterValue=value,
        MinimumAllowed=str(least),
        MaximumAllowed=str(most),
    )


def invalid_query_parameter(parameter: str, value: str, reason: str) -> StorageError:
    """Refuse a query parameter that makes no sense."""
    return StorageError(
        400,
        "InvalidQueryParameterValue",
        "Value for one of the query parameters specified in the request URI is invalid.",
        QueryParameterName=parameter,
        QueryParameterValue=value,
        Reason=reason,
    )


def invalid_input(message: str) -> StorageError:
    """Refuse a request whose body, header or key is not well formed."""
    return StorageError(400, "InvalidInput", message)


def body_too_large(limit: int) -> StorageError:
    """Refuse a body, or a message in it, of more than `limit` bytes."""
    message = "The request body is too large and exceeds the maximum permissible limit."
    return StorageError(413, "RequestBodyTooLarge", message, MaxLimit=str(limit))


def as_xml(error: StorageError, trailer: str) -> Response:
    """Write an error as Queue Storage does."""
    details = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in error.details.items())
    return Response(
        '<?xml version="1.0" encoding="utf-8"?>'
        f"<Error><Code>{error.code}</Code><Message>{escape(error.message + trailer)}</Message>{details}</Error>",
        status=error.status,
        content_type="application/xml",
    )


def as_odata(error: StorageError, trailer: str) -> Response:
    """Write an error as Table Storage does."""
    message = {"lang": "en-US", "value": error.message + trailer}
    return Response(
        json.dumps({"odata.error": {"code": error.code, "message": message}}),
        status=error.status,
        content_type="application/json;odata=minimalmetadata;streaming=true;charset=utf-8",
    )


def trailer(request_id: str, now: datetime) -> str:
    """Two lines that end the message of every error."""
    return f"\nRequestId:{request_id}\nTime:{now.isoformat()}"
