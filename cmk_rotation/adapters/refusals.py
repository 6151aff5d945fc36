"""What it means that Azure Resource Manager did not do what was asked: busy, refused, or better later."""

import re
from http import HTTPStatus

from azure.core.exceptions import HttpResponseError

from cmk_rotation.adapters.errors import by_status, retry_after
from cmk_rotation.domain.vocabulary import FailureKind

_MAY_BE_BUSY = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.LOCKED})
# The documented wordings of "not now" (the tables of errors in Azure Monitor's articles on dedicated clusters and
# customer-managed keys). "Not now" and "not like this" share the status 400, and no codes are published.
_BUSY_WORDS = re.compile(
    r"(?:can.?t|cannot) be executed now|wait for the async(?:hronous)? operation|async(?:hronous)? operation is in "
    r"(?:progress|a state)|another operation|operation (?:is )?(?:already )?in progress",
    re.IGNORECASE,
)
_BUSY_CODES = frozenset(
    {
        *("anotheroperationinprogress", "operationinprogress", "conflictingconcurrentwritenotallowed"),
        *("newerdataexists", "requestconflict", "serviceisinmaintenance"),
    }
)
# A conflict with whatever else goes on there passes; ARM's own words for that name no operation.
_AGAIN = re.compile(r"\bretr(?:y|ied|ying)\b|\btry(?: \w+){0,3} again\b", re.IGNORECASE)
# Conflicts that only a person ends, though their texts say "remove the lock and try again", "register and retry"
# ("Azure Resource Manager error codes").
_FOR_A_PERSON = frozenset(
    {"scopelocked", "missingsubscriptionregistration", "readonlydisabledsubscription", "requestdisallowedbypolicy"}
)


_NOT_ACTIVE = re.compile(r"not ?active", re.IGNORECASE)
# What no other token of the same identity would cure ("Azure Resource Manager error codes").
_WRONG_TENANT = "invalidauthenticationtokentenant"


def of_read(error: HttpResponseError, code: str, message: str) -> FailureKind:
    """What it means that ARM did not answer.

    A token that it does not take was issued by Entra moments or minutes ago: that is a fault of clocks and signing keys, which
    passes (`ExpiredAuthenticationToken`). Nothing was done.
    """
    if error.status_code == HTTPStatus.UNAUTHORIZED and code.lower() != _WRONG_TENANT:
        return FailureKind.UNAVAILABLE
    return by_status(error, code, message)


def of_workspace(error: HttpResponseError, code: str, message: str) -> FailureKind:
    """What it means that ARM did not show a workspace. One that is deleted, and can be recovered, is not gone."""
    if error.status_code == HTTPStatus.NOT_FOUND and _NOT_ACTIVE.search(f"{code} {message}"):
        return FailureKind.REFUSED
    return of_read(error, code, message)


def of_update(error: HttpResponseError, code: str, message: str) -> FailureKind:
    """What it means that ARM did not take an update. Of one that it turned away at the door it is certain that it was not."""
    if _is_busy(error, code.lower(), message):
        return FailureKind.BUSY
    kind = of_read(error, code, message)
    at_the_door = error.status_code in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.UNAUTHORIZED}
    return FailureKind.THROTTLED if at_the_door and kind is FailureKind.UNAVAILABLE else kind


def _is_busy(error: HttpResponseError, code: str, message: str) -> bool:
    status = error.status_code
    if status not in _MAY_BE_BUSY or code in _FOR_A_PERSON:
        return False
    if code in _BUSY_CODES or _BUSY_WORDS.search(message) or status == HTTPStatus.LOCKED:
        return True
    headers = getattr(error.response, "headers", {})
    return status == HTTPStatus.CONFLICT and bool(_AGAIN.search(message) or retry_after(headers) is not None)
