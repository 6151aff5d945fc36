"""The multipart bodies of entity group transactions.

Source: "Performing entity group transactions". A batch holds one change set, whose parts are whole HTTP requests.
"""

import uuid
from collections.abc import Iterable
from email.message import Message
from email.parser import BytesParser
from urllib.parse import urlsplit

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Request, Response

from simulator.storage.errors import StorageError, invalid_input


def read_batch(request: Request) -> list[Request]:
    """The requests in the batch's change set, each as if it had been sent by itself."""
    changesets = _parts(f"Content-Type: {request.content_type}\r\n\r\n".encode() + request.get_data())
    if len(changesets) != 1 or not isinstance(changesets[0].get_payload(), list):
        raise invalid_input("A batch must hold exactly one change set; queries in batches are not simulated.")
    return [_read_request(part) for part in changesets[0].walk() if part.get_content_type() == "application/http"]


def write_batch(responses: Iterable[Response]) -> Response:
    """The answer to a batch: 202 whatever its parts say."""
    outer, inner = f"batchresponse_{uuid.uuid4()}", f"changesetresponse_{uuid.uuid4()}"
    parts = b"".join(b"--%s\r\n%s\r\n" % (inner.encode(), _write_response(response)) for response in responses)
    head = f"--{outer}\r\nContent-Type: multipart/mixed; boundary={inner}\r\n\r\n"
    tail = f"--{inner}--\r\n--{outer}--\r\n"
    body = head.encode() + parts + tail.encode()
    return Response(body, status=202, content_type=f"multipart/mixed; boundary={outer}")


def numbered(error: StorageError, index: int) -> StorageError:
    """An error of one request in a batch says which: its message begins with the index."""
    return StorageError(error.status, error.code, f"{index}:{error.message}", **error.details)


def _parts(body: bytes) -> list[Message]:
    message = BytesParser().parsebytes(body)
    return [part for part in message.get_payload() if isinstance(part, Message)] if message.is_multipart() else []


def _read_request(part: Message) -> Request:
    payload = part.get_payload(decode=True)
    head, _, body = payload.partition(b"\r\n\r\n") if isinstance(payload, bytes) else (b"", b"", b"")
    line, *lines = head.decode("latin-1").split("\r\n")
    match line.split(" "):
        case [method, url, _version]:
            parts = urlsplit(url)
            headers = Headers([(name, value.strip()) for name, _, value in (text.partition(":") for text in lines)])
            headers.remove("Content-Length")
            return Request.from_values(
                path=parts.path,
                base_url=f"http://{parts.netloc}/",
                query_string=parts.query,
                method=method,
                headers=headers,
                data=body.rstrip(b"\r\n"),
            )
    raise invalid_input("A part of the batch is not an HTTP request.")


def _write_response(response: Response) -> bytes:
    headers = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
    head = f"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\nHTTP/1.1 {response.status}\r\n"
    return f"{head}{headers}\r\n".encode() + response.get_data()
