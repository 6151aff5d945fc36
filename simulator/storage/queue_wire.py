"""What Queue Storage reads from a request and writes into an answer."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from werkzeug.wrappers import Request, Response

from simulator.storage.errors import StorageError, body_too_large, invalid_query_parameter, out_of_range
from simulator.storage.messages import Message

SEVEN_DAYS = 7 * 24 * 3600
METADATA = "x-ms-meta-"
_MESSAGE_BYTES = 64 * 1024


def metadata_of(request: Request) -> dict[str, str]:
    """What the request's headers say about a queue."""
    names = {name.lower(): value for name, value in request.headers if name.lower().startswith(METADATA)}
    return {name.removeprefix(METADATA): value for name, value in names.items()}


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise invalid_query_parameter(name, text, "Not a number.") from None


def integer(request: Request, name: str, default: int | None, least: int, most: int) -> int:
    """A number from the query; one without a default is required."""
    text = request.args.get(name)
    if text is None:
        if default is None:
            raise _missing(name)
        return default
    number = _number(name, text)
    if not least <= number <= most:
        raise out_of_range(name, text, least, most)
    return number


def lifetime_of(request: Request) -> int | None:
    """How many seconds a message may live; None for ever, written -1."""
    lifetime = _number("messagettl", request.args.get("messagettl", str(SEVEN_DAYS)))
    if lifetime == -1:
        return None
    if lifetime < 1:
        raise invalid_query_parameter("messagettl", str(lifetime), "Must be at least 1, or -1.")
    return lifetime


def pop_receipt(request: Request) -> str:
    """The receipt that shows who holds a message."""
    if "popreceipt" not in request.args:
        raise _missing("popreceipt")
    return request.args["popreceipt"]


def _missing(name: str) -> StorageError:
    message = "A required query parameter was not specified for this request."
    return StorageError(400, "MissingRequiredQueryParameter", message, QueryParameterName=name)


def message_text(request: Request) -> str:
    """The text of the message in the body: at most 64 KiB of UTF-8 (Put Message)."""
    try:
        text = ET.fromstring(request.get_data()).findtext("MessageText")  # noqa: S314 - only local tests and demos send to this
    except ET.ParseError:
        text = None
    if text is None:
        raise StorageError(400, "InvalidXmlDocument", "XML specified is not syntactically valid.")
    if len(text.encode()) > _MESSAGE_BYTES:
        raise body_too_large(_MESSAGE_BYTES)
    return text


type _Elements = tuple[tuple[str, Callable[[Message], str]], ...]

RECEIPT: _Elements = (
    ("PopReceipt", lambda message: message.pop_receipt),
    ("TimeNextVisible", lambda message: http_date(message.due_at)),
)
CONTENT: _Elements = (
    ("DequeueCount", lambda message: str(message.dequeue_count)),
    ("MessageText", lambda message: escape(message.text)),
)
_ALWAYS: _Elements = (
    ("MessageId", lambda message: message.id),
    ("InsertionTime", lambda message: http_date(message.inserted_at)),
    ("ExpirationTime", lambda message: http_date(message.expires_at)),
)


def messages_xml(messages: list[Message], elements: _Elements) -> str:
    """Messages with what every answer shows of them, and `elements`."""
    items = (
        "".join(f"<{name}>{value(message)}</{name}>" for name, value in _ALWAYS + elements) for message in messages
    )
    return f"<QueueMessagesList>{''.join(f'<QueueMessage>{item}</QueueMessage>' for item in items)}</QueueMessagesList>"


def xml_answer(body: str, status: int = 200) -> Response:
    """An answer with a document."""
    declaration = '<?xml version="1.0" encoding="utf-8"?>'
    return Response(declaration + body, status=status, content_type="application/xml")


def http_date(moment: datetime) -> str:
    """RFC 1123, whole seconds."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)
