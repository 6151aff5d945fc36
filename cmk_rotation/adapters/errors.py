"""What an SDK's exception means for what comes next."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ResourceNotFoundError,
)

from cmk_rotation import clock
from cmk_rotation.adapters import error_bodies
from cmk_rotation.adapters.wire import within
from cmk_rotation.controller.ports import AzureCallError, StorageUnavailableError
from cmk_rotation.domain.azure_resources import Failure
from cmk_rotation.domain.redaction import one_line
from cmk_rotation.domain.timing import PATCH_TIMEOUT
from cmk_rotation.domain.vocabulary import FailureKind, Reason

UNREADABLE = "UnreadableAnswer"
"""The code of an answer that isn't what its service is documented to send."""
TIMEOUTS: Mapping[str, Any] = {"connection_timeout": 10, "read_timeout": 30}
"""Seconds, for each request that Azure answers at once. The SDKs' own default is 300 for each."""
PAUSES = (0.5, 2.0)
"""Seconds before a request is tried a second and a third time, where repeating it does no harm."""
_PATIENCE = 15.0
"""Seconds. A request that has failed for longer than this is not tried again here: the next visit will."""

type Classify = Callable[[HttpResponseError, str, str], FailureKind]
"""What a refusal means, by its exception, its code and its message."""

_WAITS = re.compile(r"(?:[A-Za-z]+, )?[^,]+")
"""One of several values in a header that was sent more than once; a date has a comma of its own."""
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,6})?")
# Azure Resource Manager's codes, and storage's for a header, of which only x-ms-version is not the SDK's own doing.
_UNKNOWN_VERSION = frozenset(
    {"noregisteredproviderfound", "invalidapiversionparameter", "invalidresourcetype", "invalidheadervalue"}
)
# Key Vault's words beside the code BadParameter (azure-sdk-for-python issue 28595).
_NOT_RECOGNIZED = re.compile(r"version [^ ]{1,40} is not recognized", re.IGNORECASE)
_PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.LOCKED})
# How App Service's identity endpoint names a fault of the request ("identity not found"), as azure-identity words it.
_NO_SUCH_IDENTITY = re.compile(r"Token request error: \(\w+\) 4(?!08|29)\d\d\b")
_ODD_ANSWERS = (
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    OSError,
    RecursionError,
    SyntaxError,  # XML that isn't
    HTTPException,  # an answer within an answer: of several writes at once
)
"""What SDKs raise over answers that their models did not foresee, and where the connection itself is broken."""


def by_status(error: HttpResponseError, code: str, message: str) -> FailureKind:
    """What an HTTP status means: 404 is gone, other 4xx are refusals, and anything else may be better later.

    A version of the API that the service does not know comes first: it would be taken for a missing right, or for a cluster
    that is gone.
    """
    status = error.status_code or 0
    if code.lower() in _UNKNOWN_VERSION or (code == "BadParameter" and _NOT_RECOGNIZED.search(message)):
        return FailureKind.UNKNOWN_VERSION
    if status == HTTPStatus.NOT_FOUND:
        return FailureKind.NOT_FOUND
    refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _PASSING
    return FailureKind.REFUSED if refused else FailureKind.UNAVAILABLE


@contextmanager
def translated(classify: Classify = by_status) -> Iterator[None]:
    """Turn whatever an SDK raises into `AzureCallError`, and let no call last longer than an update's.

    That is what a claim is made to outlast: the token's requests count, and all pages of a list.
    """
    try:
        with within(PATCH_TIMEOUT):
            yield
    except AzureError as error:
        raise AzureCallError(failure_of(error, classify)) from None
    except _ODD_ANSWERS as error:
        raise AzureCallError(unreadable(f"{type(error).__name__}: {error}")) from None


def patiently[T](call: Callable[[], T]) -> T:
    """Make a call that may be repeated, again if Azure was unavailable and did not say for how long."""
    started = time.monotonic()
    for pause in PAUSES:
        try:
            return call()
        except AzureCallError as error:
            passing = error.failure.kind is FailureKind.UNAVAILABLE and error.failure.retry_after is None
            if not passing or time.monotonic() - started > _PATIENCE:
                raise
        clock.sleep(pause)
    return call()


def storage_error(error: AzureCallError, where: str) -> StorageUnavailableError:
    """The same as an error of the product's own storage, with its place there."""
    unknown = error.failure.kind is FailureKind.UNKNOWN_VERSION
    return StorageUnavailableError(f"{where}: {error}", Reason.API_VERSION_UNKNOWN if unknown else None, error.failure)


def unreadable(what: str) -> Failure:
    """The failure that is an answer that makes no sense."""
    return Failure(FailureKind.UNAVAILABLE, UNREADABLE, one_line(what))


def failure_of(error: AzureError, classify: Classify = by_status) -> Failure:
    """What an SDK's exception means."""
    if isinstance(error, DecodeError):
        return unreadable(error.message)
    if isinstance(error, HttpResponseError) and error.response is not None:
        code, message = _code_and_message(error)
        headers = getattr(error.response, "headers", {})
        return Failure(classify(error, code, message), code, message, retry_after(headers))
    if isinstance(error, ResourceNotFoundError):
        return Failure(
            FailureKind.NOT_FOUND, "NotFound", one_line(error.message)
        )  # the Event Grid client drops the answer
    if isinstance(error, ClientAuthenticationError):
        # Without an answer from the service, it was the token that could not be had; nothing was sent.
        kind = FailureKind.REFUSED if _NO_SUCH_IDENTITY.search(error.message) else FailureKind.UNAVAILABLE
        return Failure(kind, "NoToken", one_line(error.message))
    return Failure(FailureKind.UNAVAILABLE, type(error).__name__, one_line(error.message))


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """How long Azure asks to wait: in milliseconds, seconds, or until a date; of several values, the longest.

    Nonsense is as good as nothing.
    """
    names = {name.lower(): value for name, value in headers.items()}
    for name, unit in (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("retry-after", 1.0)):
        waits = [_wait(text.strip(), unit) for text in _WAITS.findall(names.get(name, ""))]
        found = [wait for wait in waits if wait is not None]
        if found:
            return max(found)
    return None


def _wait(text: str, unit: float) -> timedelta | None:
    if _SECONDS.fullmatch(text):
        return timedelta(seconds=float(text) * unit)
    try:
        return max(_utc(parsedate_to_datetime(text)) - clock.utc_now(), timedelta())
    except (ValueError, OverflowError):
        return None


def _utc(time_of_day: datetime) -> datetime:
    return time_of_day if time_of_day.tzinfo is not None else time_of_day.replace(tzinfo=UTC)


def _code_and_message(error: HttpResponseError) -> tuple[str, str]:
    """What Azure says. Storage SDKs read it by themselves and keep the code in `error_code`."""
    own = getattr(error, "error_code", None)
    code = own.value if isinstance(own, Enum) else own
    message = None
    if not code:
        code, message = error_bodies.read(_body(error))
    message = message or getattr(error.error, "message", None)
    shown = code if isinstance(code, str) and code else f"HTTP {error.status_code}"
    return one_line(shown, 100), one_line(message if isinstance(message, str) and message else error.message)


def _body(error: HttpResponseError) -> str:
    """The text of a refusal; none where it was not read to its end, or is no text.

    Of an answer that is none, and cannot be read all the same, nothing is told: that of the identity endpoint is a token.
    """
    if error.response is None or (error.status_code or 0) < HTTPStatus.BAD_REQUEST:
        return ""
    try:
        return str(error.response.text())
    except (AzureError, *_ODD_ANSWERS):
        return ""
