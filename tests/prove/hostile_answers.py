"""Answers of strangers to each request that the adapters make: nothing but the errors of their ports comes of them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import parse_qs

import pytest
from hypothesis import strategies as st
from werkzeug.wrappers import Request, Response

from cmk_rotation import bootstrap
from cmk_rotation.adapters import errors
from cmk_rotation.adapters.wire import Wire
from cmk_rotation.config.settings import read as read_settings
from cmk_rotation.controller.ports import AzureCallError, ConflictError, StorageUnavailableError, World
from cmk_rotation.domain.cluster_record import LinkedStorage, Pin
from cmk_rotation.domain.identifiers import Scope, StorageId
from cmk_rotation.domain.notice import Notice, NoticeKind
from cmk_rotation.domain.rotation import Step
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import Reason, RequestedBy
from simulator.azure import Azure
from simulator.clock.waiting import WaitingClock
from simulator.operationalinsights.behaviour import Behaviour
from simulator.wire.server import Service
from tests.prove.hostile import EVIL, spoilt_body
from tests.unit.support.builders import CLUSTER, KEY, NOW, SCOPE, SUBSCRIPTION, V1, V2, cluster, must, rotation, status

ALLOWED = (AzureCallError, StorageUnavailableError, ConflictError)
"""What the ports say that they raise."""
LONGEST = 1_000
"""Characters of an error, which ends in a line of the log."""
MOST_REQUESTS = 40
"""That a call makes, whatever it is answered: three tries, each of a few pages, tokens and a look at what was written."""
_GROUP, _, _REST = CLUSTER.text.partition("/providers/")
_WORKSPACE = f"{_GROUP}/providers/Microsoft.OperationalInsights/workspaces/ws-1"
_ACCOUNT = f"{_GROUP}/providers/Microsoft.Storage/storageAccounts/saved"
_TOPIC = "https://outcomes.westeurope-1.eventgrid.azure.net/api/events"
_AUDIENCES = {
    *("https://management.azure.com", "https://vault.azure.net"),
    *("https://storage.azure.com", "https://eventgrid.azure.net"),
}
_TOKEN = "eyJ"
"""How a token begins."""
_STATUSES = (*(200, 201, 202, 204, 206, 301, 302, 304, 307), *(400, 401, 403, 404, 408, 409, 412, 429, 500, 503, 599))
_HEADERS = {
    "Content-Type": ("text/html", "application/json; charset=odd", "multipart/mixed", "", "application/xml"),
    "Content-Encoding": ("gzip", "br", "odd"),
    "Location": (f"https://{EVIL}/x", f"//{EVIL}", "https://[::1", "/x"),
    "Azure-AsyncOperation": (f"https://{EVIL}/x", f"https://management.azure.com@{EVIL}/x?t=1", "x" * 9_000, ""),
    "Retry-After": ("-1", "9" * 300, "odd", "Fri, 31 Dec 9999 23:59:59 GMT", "5, 7"),
    "WWW-Authenticate": (
        f'Bearer authorization="https://{EVIL}/t", resource="https://{EVIL}"',
        "Bearer",
        "Basic realm=x, Bearer resource=",
        'Bearer error="insufficient_claims", claims="odd"',
    ),
    "ETag": ("", 'W/"odd\'"', "*"),
    "x-ms-error-code": ("TableNotFound", "odd", "QueueNotFound"),
    "x-ms-continuation-NextPartitionKey": ("a", ""),
    "x-ms-approximate-messages-count": ("odd", "-1", "9" * 50),
    "x-ms-meta-cmkrotationsince": ("odd", "9999-12-31T23:59:59Z"),
}


@dataclass(frozen=True, slots=True)
class Made:
    """A request that was made, and how it was answered."""

    method: str
    host: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What a stranger answers."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Deed:
    """A request of a call, answered by a stranger."""

    call: str
    made: Made
    answer: Answer


@st.composite
def answers(draw: st.DrawFn, made: Made) -> Answer:
    """An answer that is wrong in its body, its headers, its status, or in several."""
    headers = dict(made.headers)
    for name in draw(st.lists(st.sampled_from(sorted({*_HEADERS, *headers})), max_size=2, unique=True)):
        value = draw(st.none() | st.sampled_from(_HEADERS.get(name, ("odd",))))
        headers.pop(name, None)
        headers |= {name: value} if value is not None else {}
    body = draw(st.just(made.body) | spoilt_body(made.body) | spoilt_body(made.body))
    return Answer(draw(st.just(made.status) | st.sampled_from(_STATUSES)), headers, body)


class Stranger:
    """Stands before all services; answers in place of them, or writes down what they answer."""

    def __init__(self, azure: Azure) -> None:
        self.azure = azure
        self.made: list[Made] = []
        self.spoils: tuple[Made, Answer] | None = None
        for host, service in azure.server.hosts.items():
            azure.server.hosts[host] = self._before(host, service)

    def _before(self, host: str, service: Service) -> Service:
        def answered(request: Request) -> Response:
            if self.spoils is not None:
                made, answer = self.spoils
                if (request.method, host, request.path) == (made.method, made.host, made.path):
                    response = Response(answer.body, answer.status)
                    response.headers.clear()
                    response.headers.extend(answer.headers)
                    return response
            response = service(request)
            headers = dict(response.headers)
            self.made.append(
                Made(request.method, host, request.path, response.status_code, headers, response.get_data())
            )
            return response

        return answered


def _calls(version: str, operation_url: str) -> Mapping[str, Callable[[World], object]]:
    """Every call of every port."""
    row, step = rotation(), Step("sent", NOW, rotation())
    account = must(StorageId.parse(_ACCOUNT))
    linked = LinkedStorage(account, (CLUSTER,), Reason.STORAGE_UNREAD, NOW, "it is not known", "Look.", NOW)
    notice = Notice(NoticeKind.UNREADABLE_CLUSTER, "x", "it shows no properties", NOW, NOW)
    return {
        "list a subscription": lambda world: world.clusters.in_scope(SCOPE),
        "list a group": lambda world: world.clusters.in_scope(must(Scope.parse(_GROUP))),
        "read a cluster": lambda world: world.clusters.get(CLUSTER),
        "send an update": lambda world: world.clusters.set_key_version(cluster(), version, "attempt"),
        "read an operation": lambda world: world.clusters.operation(CLUSTER, operation_url),
        "read a workspace": lambda world: world.clusters.workspace_state(_WORKSPACE),
        "list versions": lambda world: world.keys.versions(KEY),
        "ask for the current version": lambda world: world.keys.current_version(KEY),
        "list linked accounts": lambda world: must(world.storage).of_workspace(must(StorageId.parse(_WORKSPACE))),
        "read an account": lambda world: must(world.storage).key_of(account),
        "write a rotation": lambda world: world.records.save_rotation(row, step),
        "write a status": lambda world: world.records.save_status(status()),
        "write an account": lambda world: world.records.save_storage(linked),
        "write a notice": lambda world: world.records.save_notice(notice),
        "write the index": lambda world: world.records.index(CLUSTER, [Pin(KEY, V1)], [Pin(KEY, V2)]),
        "read a record": lambda world: world.records.of_cluster(CLUSTER),
        "read all records": lambda world: world.records.everything(),
        "read history": lambda world: list(world.records.history()),
        "read notices": lambda world: list(world.records.notices()),
        "who pins": lambda world: world.records.pinning(Pin(KEY, V1), other_than=CLUSTER, most=3),
        "request a visit": lambda world: world.requests.request(VisitRequest(RequestedBy.EVENT, NOW, cluster=CLUSTER)),
        "look at what was given up": lambda world: world.requests.poison_queue(),
        "note what was given up": lambda world: world.requests.note_poison(NOW),
        "publish": lambda world: must(world.outcomes).publish(id="1", subject="x", time=NOW, data={"a": 1}),
    }


class Strangers:
    """A world in which anybody may answer."""

    def __init__(self, azure: Azure, settings: Mapping[str, str]) -> None:
        self.azure, self._settings = azure, settings
        self.stranger = Stranger(azure)
        newest = azure.pinned("contoso", "la-cmk").version
        taken = self.world().clusters.set_key_version(cluster(), newest, "attempt")
        self.calls = _calls(newest, must(taken.operation_url))
        self.requests = [(name, made) for name in self.calls for made in self._recorded(name)]
        """Each request of each call, and its honest answer."""

    def world(self) -> World:
        """As the function sees it, with a token still to be had."""
        return bootstrap.world(read_settings(self._settings), bootstrap._managed_identity(None))  # noqa: SLF001 - as it signs in

    def _recorded(self, name: str) -> list[Made]:
        before = len(self.stranger.made)
        with suppress(ConflictError):  # an earlier call wrote that row
            self.calls[name](self.world())
        return self.stranger.made[before:]

    def deeds(self) -> st.SearchStrategy[Deed]:
        """Any answer to any request."""
        return st.sampled_from(self.requests).flatmap(
            lambda one: st.builds(Deed, st.just(one[0]), st.just(one[1]), answers(one[1]))
        )

    def wrong(self, deed: Deed) -> str:
        """What is wrong with what comes of it; empty if nothing is."""
        before = len(self.azure.exchanges)
        self.stranger.spoils = (deed.made, deed.answer)
        try:
            self.calls[deed.call](self.world())
        except ALLOWED as error:
            text = str(error)
            if len(text) > LONGEST or not text.isprintable() or _TOKEN in text:
                return f"an error that fits no line: {text[:LONGEST]!r}"
        except Exception as error:  # noqa: BLE001 - what is looked for
            return f"{type(error).__name__}: {error}"
        finally:
            self.stranger.spoils = None
        return self._elsewhere(before)

    def _elsewhere(self, before: int) -> str:
        """What was asked of whom nobody should ask."""
        if self.azure.server.refused:
            return f"a foreign host was called: {self.azure.server.refused}"
        made = self.azure.exchanges[before:]
        queries = [parse_qs(one.query) for one in made if one.path == "/msi/token"]
        foreign = {one["resource"][0].rstrip("/") for one in queries} - _AUDIENCES
        if foreign:
            return f"a token was asked for: {foreign}"
        return f"{len(made)} requests were made" if len(made) > MOST_REQUESTS else ""


@contextmanager
def strangers() -> Iterator[Strangers]:
    """Raise it."""
    with Azure(WaitingClock.starting()) as azure, pytest.MonkeyPatch.context() as patch:
        patch.setattr(errors, "PAUSES", (0.0, 0.0))
        patch.setattr(Wire, "sleep", lambda *_: None)
        bootstrap._quiet_the_sdks()  # noqa: SLF001 - as the function does
        azure.behaviour = Behaviour(update_seconds=0)
        azure.add_vault("contoso")
        azure.add_key("contoso", "la-cmk")
        one = azure.add_cluster(CLUSTER.name, key=azure.pinned("contoso", "la-cmk"), resource_group="rg-logs")
        saved = azure.storage_account("saved")
        azure.encrypt(saved, azure.vault("contoso").uri, "la-cmk", azure.pinned("contoso", "la-cmk").version)
        azure.add_workspace("ws-1", one).linked_accounts["Query"] = [saved.resource_id]
        azure.add_topic("outcomes")
        azure.storage_account("cmkrotation", keyless=True).queues.put("cluster-visits-poison", "b2Rk")
        azure.vault("contoso").rotate("la-cmk")
        environ = {
            **azure.environment(),
            "CLUSTER_SCOPES": f"/subscriptions/{SUBSCRIPTION}",
            "MODE": "enforce",
            "AzureWebJobsStorage__accountName": "cmkrotation",
            "OUTCOME_TOPIC_ENDPOINT": _TOPIC,
        }
        for name, value in environ.items():
            patch.setenv(name, value)
        yield Strangers(azure, environ)
