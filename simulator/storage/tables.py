"""Table Storage: the routes, conditional changes, queries and transactions."""

import re
import uuid
from bisect import bisect_left, insort
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from werkzeug.wrappers import Request, Response

from simulator.clock import Clock
from simulator.storage import filters
from simulator.storage.auth import Authorize
from simulator.storage.batch import numbered, read_batch, write_batch
from simulator.storage.edm import Edm, Property, ticks
from simulator.storage.entities import BODY_BYTES, Entity, Key, check_entity, check_key, pop_key, read_body
from simulator.storage.errors import StorageError, as_odata, body_too_large, invalid_input, trailer
from simulator.storage.service import REMOVAL_SECONDS, Account, operation
from simulator.storage.table_wire import (
    MOST_PER_PAGE,
    check_table_name,
    continuation_of,
    continue_at,
    created,
    filter_of,
    json_answer,
    require_match,
    select_of,
    top_of,
    wants_types,
)

_MOST_PER_BATCH = 100
_ONE_TABLE = re.compile(r"/Tables\('(?P<table>[^']*)'\)")
_ONE_ENTITY = re.compile(
    r"/(?P<table>[^/(]+)\(PartitionKey='(?P<partition>(?:[^']|'')*)',\s*RowKey='(?P<row>(?:[^']|'')*)'\)", re.DOTALL
)
_MANY_ENTITIES = re.compile(r"/(?P<table>[^/()$]+)(?:\(\))?")


@dataclass(slots=True)
class _Table:
    name: str
    rows: dict[Key, Entity] = field(default_factory=dict)
    order: list[Key] = field(default_factory=list)
    """The keys, sorted: queries answer in this order."""

    def set(self, key: Key, entity: Entity | None) -> None:
        if entity is None:
            del self.rows[key]
            del self.order[bisect_left(self.order, key)]
            return
        if key not in self.rows:
            insort(self.order, key)
        self.rows[key] = entity


@dataclass(frozen=True, slots=True)
class _Change:
    """A change that is allowed and not yet made."""

    table: _Table
    key: Key
    entity: Entity | None
    """None deletes."""
    response: Response

    def make(self) -> Response:
        self.table.set(self.key, self.entity)
        return self.response


class TableService:
    """Table Storage of one account.

    `authorize` judges bearer tokens; it may raise a `StorageError` to refuse in its own way. `key` is the account key
    in base64; without one, shared keys are not permitted. A query looks at no more than `page_size` entities for one
    answer, which may therefore be empty and still name a continuation ("Query timeout and pagination").
    """

    def __init__(
        self,
        account: str,
        clock: Clock,
        authorize: Authorize,
        *,
        key: str | None = None,
        page_size: int = MOST_PER_PAGE,
    ) -> None:
        self._account = Account(account, "table", clock, authorize, key)
        self._page_size = page_size
        self._tables: dict[str, _Table] = {}
        """By name in lower case: names keep their case and are compared without it."""
        self._removed_until: dict[str, datetime] = {}
        self._last_change = 0

    def set_newest_version(self, version: str) -> None:
        """Know no newer version of the API than this, from now on."""
        self._account.newest_version = version

    def set_clock(self, clock: Clock) -> None:
        """Live by another clock, such as a wrong one, from now on."""
        self._account.clock = clock

    def __call__(self, request: Request) -> Response:
        """Answer one request."""
        return self._account.answer(request, self._route, as_odata)

    def entities(self, table: str, partition: str | None = None) -> list[dict[str, Any]]:
        """The entities of a table, or of one partition, in key order, with keys and Timestamp; none without the table."""
        found = self._tables.get(table.lower())
        rows = dict(found.rows) if found else {}  # a copy, since other threads may be changing the table
        return [rows[key].to_dict() for key in sorted(key for key in rows if partition in {None, key[0]})]

    def _route(self, request: Request, path: str) -> Response:
        if (request.method, path) == ("POST", "/$batch"):
            return self._transact(request)
        if path == "/Tables":
            return operation({"GET": self._list_tables, "POST": self._create_table}, request.method)(request)
        if found := _ONE_TABLE.fullmatch(path):
            return operation({"DELETE": self._delete_table}, request.method)(request, found["table"])
        if (found := _ONE_ENTITY.fullmatch(path)) and request.method == "GET":
            return self._get(request, *self._addressed(found))
        if (found := _MANY_ENTITIES.fullmatch(path)) and request.method == "GET":
            return self._query(request, found["table"])
        return self._planned(request, path).make()

    def _refuse_while_removed(self, name: str) -> None:
        until = self._removed_until.get(name.lower())
        if until is not None and self._account.clock.now() < until:
            raise StorageError(409, "TableBeingDeleted", "The specified table is being deleted.")

    def _table(self, name: str) -> _Table:
        self._refuse_while_removed(name)
        if name.lower() not in self._tables:
            check_table_name(name)
            raise StorageError(404, "TableNotFound", "The table specified does not exist.")
        return self._tables[name.lower()]

    def _create_table(self, request: Request) -> Response:
        match read_body(request.get_data()).get("TableName"):
            case Property(value=str() as name):
                check_table_name(name)
            case _:
                message = "The values are not specified for all properties in the entity."
                raise StorageError(400, "PropertiesNeedValue", message)
        self._refuse_while_removed(name)
        if name.lower() in self._tables:
            raise StorageError(409, "TableAlreadyExists", "The table specified already exists.")
        self._tables[name.lower()] = _Table(name)
        return created(request, {"TableName": name}, {"Location": f"{request.url}('{name}')"})

    def _delete_table(self, _request: Request, name: str) -> Response:
        self._table(name)
        del self._tables[name.lower()]
        self._removed_until[name.lower()] = self._account.clock.now() + timedelta(seconds=REMOVAL_SECONDS)
        return Response(status=204)

    def _list_tables(self, request: Request) -> Response:
        start, condition = request.args.get("NextTableName", ""), filter_of(request)
        names = [name for name in sorted(self._tables) if name >= start]
        listed = [(name, {"TableName": Property(Edm.STRING, self._tables[name].name)}) for name in names]
        found = [name for name, row in listed if condition is None or filters.matches(condition, row.get)]
        top = top_of(request)
        following = {"x-ms-continuation-NextTableName": found[top]} if len(found) > top else None
        return json_answer(
            {"value": [{"TableName": self._tables[name].name} for name in found[:top]]}, headers=following
        )

    def _get(self, request: Request, table: _Table, key: Key) -> Response:
        entity = _existing(table, key)
        members = entity.to_json(annotate=wants_types(request), select=select_of(request))
        return json_answer(members, headers={"ETag": entity.etag})

    def _query(self, request: Request, name: str) -> Response:
        table, condition, top = self._table(name), filter_of(request), top_of(request)
        partition = filters.only_partition(condition) if condition else None
        start = continuation_of(request) or ("" if partition is None else partition, "")
        found: list[Entity] = []
        headers: dict[str, str] = {}
        first = bisect_left(table.order, start)
        for index in range(first, len(table.order)):
            key = table.order[index]
            if partition is not None and key[0] != partition:
                break
            if index - first == self._page_size or len(found) == top:
                headers = continue_at(key)
                break
            entity = table.rows[key]
            if condition is None or filters.matches(condition, entity.get):
                found.append(entity)
        annotate, select = wants_types(request), select_of(request)
        return json_answer(
            {"value": [entity.to_json(annotate=annotate, select=select) for entity in found]}, headers=headers
        )

    def _planned(self, request: Request, path: str) -> _Change:
        if (found := _MANY_ENTITIES.fullmatch(path)) and request.method == "POST":
            return self._insertion(request, self._table(found["table"]))
        if found := _ONE_ENTITY.fullmatch(path):
            table, key = self._addressed(found)
            match request.method:
                case "PUT":
                    return self._update(request, table, key, merge=False)
                case "PATCH" | "MERGE":
                    return self._update(request, table, key, merge=True)
                case "DELETE":
                    return self._deletion(request, table, key)
        if _ONE_ENTITY.fullmatch(path) or _MANY_ENTITIES.fullmatch(path):
            raise StorageError(405, "MethodNotAllowed", "The requested method is not allowed on this resource.")
        raise StorageError(400, "InvalidUri", "The requested URI does not represent any resource on the server.")

    def _addressed(self, found: re.Match[str]) -> tuple[_Table, Key]:
        key = (found["partition"].replace("''", "'"), found["row"].replace("''", "'"))
        check_key(key)
        return self._table(found["table"]), key

    def _insertion(self, request: Request, table: _Table) -> _Change:
        properties = read_body(request.get_data())
        key = pop_key(properties)
        entity = self._version(key, properties)
        if key in table.rows:
            raise StorageError(409, "EntityAlreadyExists", "The specified entity already exists.")
        location = f"{request.url}(PartitionKey='{quote(key[0])}',RowKey='{quote(key[1])}')"
        headers = {"ETag": entity.etag, "Location": location}
        return _Change(table, key, entity, created(request, entity.to_json(annotate=wants_types(request)), headers))

    def _update(self, request: Request, table: _Table, key: Key, *, merge: bool) -> _Change:
        """Update and Merge with `If-Match`; without, Insert Or Replace and Insert Or Merge. The URL's keys hold."""
        properties = read_body(request.get_data())
        for name in ("PartitionKey", "RowKey"):
            properties.pop(name, None)
        if "If-Match" in request.headers:
            require_match(request, _existing(table, key))
        if merge and key in table.rows:
            properties = {**table.rows[key].properties, **properties}
        entity = self._version(key, properties)
        return _Change(table, key, entity, Response(status=204, headers={"ETag": entity.etag}))

    def _deletion(self, request: Request, table: _Table, key: Key) -> _Change:
        if "If-Match" not in request.headers:
            raise StorageError(400, "MissingRequiredHeader", "A required HTTP header was not specified: If-Match.")
        require_match(request, _existing(table, key))
        return _Change(table, key, None, Response(status=204))

    def _version(self, key: Key, properties: dict[str, Property]) -> Entity:
        self._last_change = max(ticks(self._account.clock.now()), self._last_change + 1)
        entity = Entity(key, properties, self._last_change)
        check_entity(entity)
        return entity

    def _transact(self, request: Request) -> Response:
        """All changes or none. They touch different entities, so each can be judged by what is stored now."""
        if len(request.get_data()) > BODY_BYTES:
            raise body_too_large(BODY_BYTES)
        parts = read_batch(request)
        changes: list[_Change] = []
        try:
            for part in parts:
                changes.append(self._planned_part(part, changes))
        except StorageError as error:
            refusal = numbered(error, len(changes))
            return write_batch([as_odata(refusal, trailer(str(uuid.uuid4()), self._account.clock.now()))])
        return write_batch([change.make() for change in changes])

    def _planned_part(self, part: Request, before: list[_Change]) -> _Change:
        if len(before) == _MOST_PER_BATCH:
            raise invalid_input("The batch request operation exceeds the maximum 100 changes per change set.")
        change = self._planned(part, self._account.path(part))
        if before and (change.table.name, change.key[0]) != (before[0].table.name, before[0].key[0]):
            message = "All commands in a batch must operate on same entity group."
            raise StorageError(400, "CommandsInBatchActOnDifferentPartitions", message)
        if any(change.key == other.key for other in before):
            message = f"A command with RowKey '{change.key[1]}' is already present in the batch."
            raise StorageError(400, "InvalidDuplicateRow", message)
        return change


def _existing(table: _Table, key: Key) -> Entity:
    if key not in table.rows:
        raise StorageError(404, "ResourceNotFound", "The specified resource does not exist.")
    return table.rows[key]
