"""How the host finds the storage account of a binding."""

import threading
from collections.abc import Iterator, Mapping

import pytest
from azure.identity import ManagedIdentityCredential
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from simulator.host.errors import FunctionInError
from simulator.host.host_json import MessageEncoding
from simulator.host.settings import Queues, UndecodableMessageError, resolve
from simulator.host.silence import SilentHandler

STRING = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=a2V5;EndpointSuffix=core.chinacloudapi.cn"


def queues(settings: Mapping[str, str]) -> Queues:
    return Queues(settings, MessageEncoding.BASE64)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"S": STRING, "S__accountName": "b"}, "https://a.queue.core.chinacloudapi.cn/work"),
        ({"S__accountName": "b", "S__queueServiceUri": "https://c.example"}, "https://b.queue.core.windows.net/work"),
        ({"S": "", "S__queueServiceUri": "https://c.queue.core.usgovcloudapi.net"},
         "https://c.queue.core.usgovcloudapi.net/work"),
    ],
)  # fmt: skip
def test_a_connection_string_wins_over_an_account_name_and_that_over_a_uri(
    settings: Mapping[str, str], url: str
) -> None:
    assert queues({**settings, "S__credential": "managedidentity"}).client("S", "work").url == url


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"S__blobServiceUri": "https://c.blob.core.windows.net", "S__credential": "managedidentity"},
        {"S__accountName": "b", "S__credential": "workloadidentity"},
        {"S": "not a connection string"},
    ],
)
def test_a_connection_that_leads_nowhere_is_an_error_of_the_function(settings: Mapping[str, str]) -> None:
    with pytest.raises(FunctionInError):
        queues(settings).client("S", "work")


@pytest.mark.parametrize("name", ["a", "no_underscores", "-first", "two--dashes", "w" * 64, "%MISSING%"])
def test_a_queue_that_cannot_exist_is_an_error_of_the_function(name: str) -> None:
    with pytest.raises(FunctionInError):
        queues({"S": STRING}).client("S", name)


@pytest.fixture
def asked_identities(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str | None]]:
    """The `client_id` of each request to a stand-in for the identity endpoint."""
    asked: list[str | None] = []

    @Request.application
    def application(request: Request) -> Response:
        asked.append(request.args.get("client_id"))
        return Response('{"access_token": "t", "expires_on": "4102444800", "resource": "r", "token_type": "Bearer"}')

    server = make_server("127.0.0.1", 0, application, request_handler=SilentHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{server.server_port}/token")
    monkeypatch.setenv("IDENTITY_HEADER", "h")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("client_id", [None, "11111111-1111-1111-1111-111111111111"])
def test_the_identity_is_the_one_that_the_connection_names(
    asked_identities: list[str | None], client_id: str | None
) -> None:
    settings = {"S__accountName": "b", "S__credential": "ManagedIdentity"}
    if client_id is not None:
        settings["S__clientId"] = client_id
    credential = queues(settings).client("S", "work").credential
    assert isinstance(credential, ManagedIdentityCredential)
    with credential:
        credential.get_token("https://storage.azure.com/.default")
    assert asked_identities == [client_id]


def test_settings_are_put_into_a_binding() -> None:
    assert resolve("%A%-%B%", {"A": "1", "B": "2"}) == "1-2"
    with pytest.raises(FunctionInError, match="'%C%' does not resolve"):
        resolve("%C%", {})


def test_messages_are_base64_or_plain() -> None:
    assert queues({}).decode(queues({}).encode("ä")).decode() == "ä"
    assert Queues({}, MessageEncoding.NONE).encode("ä") == "ä"
    with pytest.raises(UndecodableMessageError):
        queues({}).decode('{"cluster": "x"}')
