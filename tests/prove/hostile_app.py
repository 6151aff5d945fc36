"""What a stranger does to the whole app on the real runtime: events, messages, rows edited by hand, answers about a cluster."""

import base64
import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from azure.core.exceptions import AzureError
from azure.data.tables import TableClient, UpdateMode
from hypothesis import strategies as st

from simulator.azure import Azure
from simulator.operationalinsights.behaviour import Behaviour, Outcome
from simulator.wire.exchanges import Exchange
from simulator.wire.faults import Fault, FaultKind
from tests.e2e.stage import QUEUE, Stage, stage
from tests.e2e.test_events import key_event
from tests.prove.hostile import ODD, spoilt, spoilt_body

_SETTINGS = {"OUTCOME_TOPIC_ENDPOINT": "https://outcomes.westeurope-1.eventgrid.azure.net/api/events"}
OF_EVENTS = {"key.changed", "event.ignored", "event.rejected"}
_LOUD = {"Warning", "Error", "Critical"}
_BREAKS_OFF = "Please report this line"
_MOST_LINES = 8
"""That call for a person: of two clusters, their records, and a reconcile."""
_MOST_REQUESTS = 300
"""Of two visits and a reconcile, where anything asked for is tried three times."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event that anybody who knows the key posts."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """A message on the queue."""

    body: bytes


def as_text(body: bytes) -> Message:
    """What is no text never reaches the app: the host gives it up after five tries."""
    return Message(body.decode(errors="replace").encode())


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that somebody has written, over others or beside them."""

    written: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What Resource Manager or a vault answers in place of something else."""

    made: Exchange
    body: bytes


type Deed = Event | Message | Rows | Answer


_CELLS = st.one_of(
    st.none(),
    ODD.filter(lambda value: isinstance(value, str | bool | int | float)),
    st.datetimes(min_value=datetime(1700, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone is the strategy's
    st.uuids(),
    st.binary(max_size=8),
)


@st.composite
def spoilt_row(draw: st.DrawFn, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row with some columns gone, or of another kind; where that is its key, it lies beside the other."""
    columns = {name: value for name, value in row.items() if name not in {"Timestamp", "PartitionKey"}}
    for name in draw(st.lists(st.sampled_from(sorted(columns)), min_size=1, max_size=5, unique=True)):
        columns[name] = draw(_CELLS)
    key = columns.get("RowKey") if isinstance(columns.get("RowKey"), str) else "odd"
    written = {name: value for name, value in columns.items() if value is not None}
    return {**written, "PartitionKey": row["PartitionKey"], "RowKey": key}


def table_of(story: Stage) -> TableClient:
    """The app's table, for somebody who may write to it."""
    world = story.azure.environment("somebody")
    return TableClient.from_connection_string(
        str(story.account.connection_string),
        "rotations",
        proxies={"https": world["HTTPS_PROXY"]},
        connection_verify=world["SSL_CERT_FILE"],
    )


class Strangers:
    """An app with a cluster that is up to date and one whose update does not end, and what can be done to it."""

    def __init__(self, story: Stage) -> None:
        self.story = story
        self.settled, self.moving = story.azure.arm.clusters.values()
        story.reconcile()
        self.newest = story.rotate()
        story.finished(self.settled, self.newest)
        story.until(lambda: story.patches(self.moving), "the update that does not end")
        story.quiet(400)
        before = len(story.azure.exchanges)
        self._look_at_all()
        self.answers = [
            one
            for one in story.azure.exchanges[before:]
            if one.host in {"management.azure.com", "contoso.vault.azure.net"} and one.response_body
        ]
        # History is written and never read: one line of it stands for all.
        past = [row for row in story.rows() if row["RowKey"].startswith("~history")]
        self.rows = [row for row in story.rows() if row not in past[1:]]
        self._tables = copy.deepcopy(story.account.tables._tables)  # noqa: SLF001 - to have each row as it was again
        self._table = table_of(story)

    def deeds(self) -> st.SearchStrategy[Deed]:
        """Whatever somebody may do."""
        about = {"by": "operator", "eventId": "1", "requestedAt": "2026-03-02T08:00:00Z"}
        key = {"vault": "contoso.vault.azure.net", "name": "la-cmk"}
        messages = [{**about, "cluster": self.settled.id}, {**about, "cluster": self.moving.id}, {**about, "key": key}]
        id_ = f"https://contoso.vault.azure.net/keys/la-cmk/{self.newest}"
        event = key_event(Id=id_, VaultName="contoso", ObjectName="la-cmk", Version=self.newest)
        return st.one_of(
            spoilt(event).map(lambda odd: Event(json.dumps([odd]).encode())),
            st.sampled_from(messages).flatmap(lambda one: spoilt_body(json.dumps(one).encode())).map(as_text),
            st.lists(st.sampled_from(self.rows).flatmap(spoilt_row), min_size=1, max_size=4).map(Rows),
            st.sampled_from(self.answers).flatmap(
                lambda one: st.builds(Answer, st.just(one), spoilt_body(one.response_body))
            ),
        )

    def wrong(self, deed: Deed) -> list[str]:
        """Do it. What is wrong with what comes of it."""
        story = self.story
        lines, made = len(story.host.log_lines()), len(story.azure.exchanges)
        self._do(deed)
        story.quiet(5)
        story.azure.faults.clear()
        with story.azure.lock:
            story.account.tables._tables = copy.deepcopy(self._tables)  # noqa: SLF001 - as above
        said = story.host.log_lines()[lines:]
        return [*self._of_lines(deed, said), *self._of_requests(story.azure.exchanges[made:])]

    def _do(self, deed: Deed) -> None:
        azure = self.story.azure
        match deed:
            case Event(body):
                azure.event_grid.deliver_raw(self.story.host.event_grid_url("on_key_event"), body)
            case Message(body):
                with azure.lock:
                    self.story.account.queues.put(QUEUE, base64.b64encode(body).decode())
            case Rows(written):
                for columns in written:
                    self._write(columns)
                self._look_at_all()
            case Answer(other, body):
                azure.faults.add(
                    Fault(kind=FaultKind.REPLACED_BODY, host=other.host, path=other.path, body=body, times=None)
                )
                self._look_at_all()

    def _look_at_all(self) -> None:
        for cluster in (self.settled, self.moving):
            self.story.ask_for_visit(cluster)
        self.story.quiet(5)
        self.story.run("on_reconcile")
        self.story.quiet(5)

    def _write(self, columns: Mapping[str, Any]) -> None:
        try:
            self._table.upsert_entity(columns, mode=UpdateMode.REPLACE)
        except (AzureError, ValueError, TypeError, OverflowError):
            return  # no table holds that

    def _of_lines(self, deed: Deed, said: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        loud = [line for line in said if line["category"].endswith(".User") and line["level"] in _LOUD]
        for line in loud:
            fields = json.loads(line["message"]) if line["message"].startswith('{"event"') else {}
            if not all(fields.get(name) for name in ("message", "remedy", "since")):
                yield f"no line for a person: {line}"
            elif _BREAKS_OFF in fields["remedy"] or fields.get("reason") == "unexpected-error":
                yield f"the product fails: {fields['message']}"
        if len(loud) > _MOST_LINES:
            yield f"{len(loud)} lines call for a person"
        events = [json.loads(line["message"])["event"] for line in said if line["message"].startswith('{"event"')]
        if isinstance(deed, Event) and sum(event in OF_EVENTS for event in events) > 1:
            yield f"more than one line of an event: {events}"
        if isinstance(deed, Message) and events.count("visit.rejected") > 1:
            yield f"more than one line of a message: {events}"

    def _of_requests(self, made: Sequence[Exchange]) -> Iterator[str]:
        story = self.story
        for one in made:
            if one.method == "PATCH" and self.newest not in one.request_body.decode():
                yield f"an update to another version: {one.request_body!r}"
            if one.method == "PATCH" and one.path.lower() == self.settled.id.lower():
                yield "an update of a cluster that is up to date"
        if story.azure.server.refused:
            yield f"a foreign host was called: {story.azure.server.refused}"
        if len(made) > _MOST_REQUESTS:
            yield f"{len(made)} requests were made"
        with story.azure.lock:
            again = [one for one in story.account.queues.messages(QUEUE) if one.dequeue_count]
        if again or story.poisoned():
            yield f"a message comes again: {again}"


@contextmanager
def strangers(folder: Path) -> Iterator[Strangers]:
    """Raise it."""

    def build(azure: Azure) -> None:
        settled = azure.add_cluster("cluster-a", key=azure.pinned("contoso", "la-cmk"))
        moving = azure.add_cluster("cluster-b", key=azure.pinned("contoso", "la-cmk"))
        moving.behaviour = Behaviour(outcome=Outcome.NEVER)
        saved = azure.storage_account("saved")
        azure.encrypt(saved, azure.vault("contoso").uri, "la-cmk", azure.pinned("contoso", "la-cmk").version)
        azure.add_workspace("ws-1", settled).linked_accounts["Query"] = [saved.resource_id]
        azure.add_topic("outcomes")

    with stage(folder, build=build, settings=_SETTINGS, behaviour=Behaviour(update_seconds=30)) as story:
        yield Strangers(story)
