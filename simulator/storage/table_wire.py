"""What Table Storage reads from a request's address and headers, and writes into an answer.

Sources: "Query Entities", "Query timeout and pagination", "Specifying conditional headers".
"""

import base64
import json
import re

from werkzeug.wrappers import Request, Response

from simulator.storage import filters
from simulator.storage.entities import Entity, Key
from simulator.storage.errors import StorageError, invalid_input, invalid_query_parameter

MOST_PER_PAGE = 1000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_RESERVED = "tables"


def check_table_name(name: str) -> None:
    """3 to 63 letters and digits, a letter first."""
    if not 3 <= len(name) <= 63:
        message = "The specified resource name length is not within the permissible limits."
        raise StorageError(400, "OutOfRangeInput", message)
    if not _NAME.fullmatch(name) or name.lower() == _RESERVED:
        raise StorageError(400, "InvalidResourceName", "The specified resource name contains invalid characters.")


def require_match(request: Request, entity: Entity) -> None:
    """Refuse unless `If-Match` names the entity's version, or any."""
    wanted = request.headers["If-Match"]
    if wanted != "*" and not wanted.startswith('W/"'):
        raise invalid_input(f"The etag value '{wanted}' specified in one of the request headers is not valid.")
    if wanted not in ("*", entity.etag):
        message = "The update condition specified in the request was not satisfied."
        raise StorageError(412, "UpdateConditionNotSatisfied", message)


def filter_of(request: Request) -> filters.Filter | None:
    """`$filter`, if there is one."""
    text = request.args.get("$filter", "")
    return filters.parse(text) if text else None


def select_of(request: Request) -> list[str] | None:
    """`$select`: the names of the properties wanted, or None for all."""
    names = [name.strip() for name in request.args.get("$select", "").split(",")]
    return None if names in ([""], ["*"]) else names


def top_of(request: Request) -> int:
    """`$top`: how many results are wanted at most."""
    text = request.args.get("$top", str(MOST_PER_PAGE))
    if not (text.isdigit() and 1 <= int(text) <= MOST_PER_PAGE):
        raise invalid_query_parameter("$top", text, f"Must be from 1 to {MOST_PER_PAGE}.")
    return int(text)


def wants_types(request: Request) -> bool:
    """Whether the client wants the types of properties in the JSON."""
    return "odata=nometadata" not in request.headers.get("Accept", "")


def continuation_of(request: Request) -> Key | None:
    """Where the query that this request continues had stopped."""
    tokens = [request.args.get(name) for name in ("NextPartitionKey", "NextRowKey")]
    match tokens:
        case [None, _]:
            return None
        case [str() as partition, row]:
            return _read_token(partition), _read_token(row or "")
    return None


def continue_at(key: Key) -> dict[str, str]:
    """The headers that tell a client where to go on."""
    partition, row = (f"1!{base64.urlsafe_b64encode(part.encode()).decode()}" for part in key)
    return {"x-ms-continuation-NextPartitionKey": partition, "x-ms-continuation-NextRowKey": row}


def json_answer(body: dict[str, object], *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer with a document."""
    content_type = "application/json;odata=minimalmetadata;streaming=true;charset=utf-8"
    return Response(json.dumps(body), status=status, headers=headers, content_type=content_type)


def created(request: Request, body: dict[str, object], headers: dict[str, str]) -> Response:
    """The answer to an insertion: with what was inserted, unless the client prefers none."""
    preference = request.headers.get("Prefer")
    if preference:
        headers["Preference-Applied"] = preference
    if preference == "return-no-content":
        return Response(status=204, headers=headers)
    return json_answer(body, status=201, headers=headers)


def _read_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.removeprefix("1!")).decode()
    except ValueError:
        raise invalid_query_parameter("NextPartitionKey", token, "Not a continuation token.") from None
