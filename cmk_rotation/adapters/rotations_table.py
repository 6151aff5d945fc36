"""What is on record, in Azure Table Storage."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError
from azure.data.tables import TableClient, TableEntity, UpdateMode

from cmk_rotation.adapters import index_rows, notice_rows, rotations_rows, storage_rows
from cmk_rotation.adapters.audiences import STORAGE, OneAudience
from cmk_rotation.adapters.columns import Row
from cmk_rotation.adapters.errors import TIMEOUTS, patiently, storage_error, translated, unreadable
from cmk_rotation.adapters.paging import all_of
from cmk_rotation.adapters.wire import Wire
from cmk_rotation.config.settings import Storage
from cmk_rotation.controller.ports import AzureCallError, ConflictError, Pinner, StorageUnavailableError
from cmk_rotation.domain.cluster_record import ClusterStatus, LinkedStorage, Pin, Record
from cmk_rotation.domain.identifiers import ClusterId
from cmk_rotation.domain.instants import iso
from cmk_rotation.domain.notice import Notice
from cmk_rotation.domain.redaction import one_line
from cmk_rotation.domain.rotation import Rotation, Step
from cmk_rotation.domain.vocabulary import OPEN, Stage

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

TABLE = "rotations"
_NO_TABLE = "TableNotFound"
_CHANGED = frozenset(
    {
        "EntityAlreadyExists",
        "UpdateConditionNotSatisfied",
        "ConditionNotMet",
        "ResourceNotFound",
        "EntityNotFound",
        "HTTP 404",
        "HTTP 409",
        "HTTP 412",
    }
)
"""How Table Storage says that a row is not as it was read (learn.microsoft.com/rest/api/storageservices,
"Table service error codes"), or its status where an answer lacks the code."""
_WRITE_ID = "writeId"
_NO_ECHO = {"response_preference": "return-no-content"}
"""What is inserted is not sent back (learn.microsoft.com/rest/api/storageservices, "Insert Entity", Prefer)."""
_MOST_SHOWN = 20
"""Rows that nobody can read, by their keys: what was said of them has to fit a column."""
_LONGEST_SHOWN = 200
"""Characters of the key of a row that nobody can read."""


_MATTERS = " or ".join(
    (
        "RowKey eq @last",
        *(f"stage eq '{stage}'" for stage in (*sorted(OPEN), Stage.FAILED)),
        *(f"{column} ge @lately" for column in ("finishedAt", "keepOldVersionUntil")),
        "oldVersionPinnedBy gt ''",
    )
)
"""What of a long record a visit needs. Each comparison is one that a row without the column does not pass. The SDK finds names
between blanks alone."""


class TableRecords:
    """`ports.Records` over azure-data-tables."""

    def __init__(self, storage: Storage, credential: "TokenCredential | None" = None) -> None:
        options: dict[str, Any] = {
            "retry_total": 0,
            "permit_redirects": False,
            "api_version": storage.api_version,
            **TIMEOUTS,
        }
        if storage.connection_string is not None:
            text = storage.connection_string
            self._table = TableClient.from_connection_string(text, TABLE, transport=Wire(), **options)
        else:
            url, only = storage.table_url or "", credential and OneAudience(credential, STORAGE)
            wire = Wire(urlsplit(url).hostname or "")
            self._table = TableClient(url, TABLE, credential=only, transport=wire, **options)

    def of_cluster(self, cluster_id: ClusterId, *, lately: datetime | None = None) -> Record:
        """What is on record about one cluster. History sorts behind the cluster's row and stays out of the answer.

        Times are compared as text. A row that cannot be read is named only where the whole record is.
        """
        query, named = (
            "PartitionKey eq @partition and RowKey le @last",
            {"partition": rotations_rows.partition(cluster_id), "last": rotations_rows.STATUS_ROW},
        )
        if lately is None:
            return _record(cluster_id, self._query(query, named))
        found = self._query(f"{query} and ( {_MATTERS} )", named | {"lately": iso(lately)})
        return replace(_record(cluster_id, found), unreadable_rows=())

    def everything(self) -> Mapping[ClusterId, Record]:
        """What is on record about all clusters, history left out by the server."""
        by_cluster: dict[ClusterId, list[TableEntity]] = {}
        accounts: list[LinkedStorage] = []
        pins: dict[Pinner, set[Pin]] = {}
        for row in self._query("RowKey le @last", {"last": rotations_rows.STATUS_ROW}):
            if pinned := index_rows.to_pin(row):
                pins.setdefault(pinned[0], set()).add(pinned[1])
            elif account := storage_rows.to_storage(row):
                accounts.append(account)
            elif cluster_id := rotations_rows.cluster_of(row):
                by_cluster.setdefault(cluster_id, []).append(row)
        storage: dict[ClusterId, list[LinkedStorage]] = {}
        for account in accounts:
            for cluster_id in account.clusters:
                with_pins = replace(account, pins=frozenset(pins.get(account.id, ())))
                storage.setdefault(cluster_id, []).append(with_pins)
        clusters = dict.fromkeys(one for one in (*by_cluster, *pins, *storage) if isinstance(one, ClusterId))
        return {
            cluster_id: replace(
                _record(cluster_id, by_cluster.get(cluster_id, [])),
                pins=frozenset(pins.get(cluster_id, ())),
                storage=tuple(storage.get(cluster_id, ())),
            )
            for cluster_id in clusters
        }

    def pinning(self, pin: Pin, *, other_than: ClusterId, most: int) -> list[Pinner]:
        """Who is in the partition of a version. Its rows are read up to the last that is asked for."""

        def read() -> list[Pinner]:
            found = self._table.query_entities(
                "PartitionKey eq @partition",
                parameters={"partition": index_rows.partition(pin)},
                results_per_page=most + 1,
            )
            named = (index_rows.to_pin(row) for row in all_of(found))
            return list(islice((who for who, _ in filter(None, named) if who != other_than), most))

        return self._read(read, [])

    def index(self, who: Pinner, add: Iterable[Pin], remove: Iterable[Pin]) -> None:
        """Write and delete rows of the index, in any order: none of them is a record."""
        changes: list[Callable[[], object]] = [
            partial(self._table.upsert_entity, index_rows.from_pin(who, pin), mode=UpdateMode.REPLACE) for pin in add
        ]
        changes += [
            partial(self._table.delete_entity, index_rows.partition(pin), index_rows.row_key(who)) for pin in remove
        ]
        self._change_all(changes)

    def storage_of(self, cluster_id: ClusterId) -> tuple[LinkedStorage, ...]:
        """The storage accounts that a cluster's workspaces led to."""
        rows = self._query("RowKey eq @row", {"row": storage_rows.ROW})
        accounts = filter(None, map(storage_rows.to_storage, rows))
        return tuple(one for one in accounts if cluster_id in one.clusters)

    def save_storage(self, storage: LinkedStorage) -> None:
        """Write the row of a storage account."""
        row = storage_rows.from_storage(storage)
        self._change_all([partial(self._table.upsert_entity, row, mode=UpdateMode.REPLACE)])

    def history(self, cluster_id: ClusterId | None = None) -> Iterable[Step]:
        """History, oldest first for each cluster."""
        span = {"first": rotations_rows.HISTORY, "end": rotations_rows.HISTORY_END}
        query = "RowKey ge @first and RowKey lt @end"
        if cluster_id is not None:
            span["partition"] = rotations_rows.partition(cluster_id)
            query = f"PartitionKey eq @partition and {query}"
        for row in self._query(query, span):
            about = rotations_rows.cluster_of(row)
            step = rotations_rows.to_step(row, about) if about is not None else None
            if step is not None:
                yield step

    def save_status(self, status: ClusterStatus) -> ClusterStatus:
        """Write a cluster's row."""
        return replace(status, etag=self._save(rotations_rows.from_status(status), status.etag))

    def save_rotation(self, rotation: Rotation, step: Step | None = None) -> Rotation:
        """Write a rotation's row, and with it, or not at all, a line of history."""
        history = [rotations_rows.from_step(step)] if step is not None else []
        return replace(rotation, etag=self._save(rotations_rows.from_rotation(rotation), rotation.etag, history))

    def notices(self) -> Iterator[Notice]:
        """What was said of what has no row of its own."""
        for row in self._query("PartitionKey eq @partition", {"partition": notice_rows.PARTITION}):
            notice = notice_rows.to_notice(row, row.metadata.get("etag"))
            if notice is not None:
                yield notice

    def save_notice(self, notice: Notice) -> None:
        """Write down what was said."""
        self._save(notice_rows.from_notice(notice), notice.etag)

    def _query(self, query: str, parameters: Mapping[str, str]) -> list[TableEntity]:
        """All rows, from all pages, that a query finds."""
        return self._read(lambda: list(all_of(self._table.query_entities(query, parameters=dict(parameters)))), [])

    def _read[T](self, read: Callable[[], T], nothing: T) -> T:
        """What is read, patiently. A table that was never written to holds nothing."""

        def translate() -> T:
            with translated():
                return read()

        try:
            return patiently(translate)
        except AzureCallError as error:
            if error.failure.code == _NO_TABLE:
                return nothing
            raise self._away(error) from None

    def _save(self, row: Row, etag: str | None, history: Sequence[Row] = ()) -> str:
        """Write a row, and insert others, all of them or none. Returns the row's new etag.

        The row is signed with an id of this very write. A write whose answer was lost may have taken effect, and then
        its repetition looks as if somebody else had got there first; whose write it was, the signature tells.
        """
        signed = {**row, _WRITE_ID: uuid.uuid4().hex}
        try:
            return patiently(lambda: self._change(partial(self._write, signed, etag, history)))
        except AzureCallError as error:
            stored = self._stored(signed)
            if stored is not None and stored.get(_WRITE_ID) == signed[_WRITE_ID]:
                return str(stored.metadata["etag"])
            if error.failure.code in _CHANGED:
                raise ConflictError(f"{signed['RowKey']} was changed meanwhile") from None
            raise self._away(error) from None

    def _change_all(self, changes: Iterable[Callable[[], object]]) -> None:
        try:
            for change in changes:
                patiently(partial(self._change, change))
        except AzureCallError as error:
            raise self._away(error) from None

    def _away(self, error: AzureCallError) -> StorageUnavailableError:
        return storage_error(error, f"table {TABLE} of storage account {self._table.account_name}")

    def _stored(self, row: Row) -> TableEntity | None:
        found = self._query(
            "PartitionKey eq @partition and RowKey eq @row",
            {"partition": str(row["PartitionKey"]), "row": str(row["RowKey"])},
        )
        return found[0] if found else None

    def _change[T](self, change: Callable[[], T]) -> T:
        """Change something. The table is created when Azure says that there is none, and never asked for before."""
        try:
            with translated():
                return change()
        except AzureCallError as error:
            if error.failure.code != _NO_TABLE:
                raise
        with translated(), suppress(ResourceExistsError):
            self._table.create_table()
        with translated():
            return change()

    def _write(self, row: Row, etag: str | None, history: Sequence[Row]) -> str:
        """A row that is replaced alone goes in a plain request, which costs a third of a transaction.

        An insertion does not: the SDK raises its refusals without Azure's code, which tells a missing table from a lost race.
        """
        answer: Mapping[str, Any]
        guarded: dict[str, Any] = {
            "mode": UpdateMode.REPLACE,
            "etag": etag,
            "match_condition": MatchConditions.IfNotModified,
        }
        if etag is not None and not history:
            answer = self._table.update_entity(row, **guarded)
        else:
            first = ("create", row, _NO_ECHO) if etag is None else ("update", row, guarded)
            results = self._table.submit_transaction([first, *(("create", line, _NO_ECHO) for line in history)])
            answer = results[0] if results else {}
        if not answer.get("etag"):
            raise AzureCallError(unreadable("the write was answered without an etag"))
        return str(answer["etag"])


def _record(cluster_id: ClusterId, found: Iterable[TableEntity]) -> Record:
    status, rotations, unreadable = None, [], []
    for row in found:
        etag, key = row.metadata.get("etag"), str(row.get("RowKey"))
        if key == rotations_rows.STATUS_ROW:
            status = rotations_rows.to_status(row, cluster_id, etag)
        elif rotation := rotations_rows.to_rotation(row, cluster_id, etag):
            rotations.append(rotation)
        elif not key.startswith("~"):  # what begins so is a kind of row of a later version
            unreadable.append(one_line(key, _LONGEST_SHOWN))
    more = [f"and {len(unreadable) - _MOST_SHOWN} more"] if len(unreadable) > _MOST_SHOWN else []
    return Record(status, tuple(rotations), (*unreadable[:_MOST_SHOWN], *more))
