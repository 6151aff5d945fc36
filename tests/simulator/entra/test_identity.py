import time

import pytest
import requests
from azure.identity import ManagedIdentityCredential
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from simulator.azure import FUNCTION, Azure
from simulator.entra import identity
from tests.patience import HANG

AUDIENCE = "https://management.azure.com"


def bearing(authorization: str) -> Request:
    return Request(EnvironBuilder(headers=[("Authorization", authorization)]).get_environ())


def test_a_token_is_for_its_resource_whatever_the_slash_at_the_end() -> None:
    request = bearing("Bearer " + identity.issue(AUDIENCE + "/", "function"))
    token = identity.authorize(request, {AUDIENCE})
    assert token is not None
    assert token.principal == "function"
    assert identity.authorize(request, {"https://vault.azure.net"}) is None


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic Zm9v",
        "Bearer",
        "Bearer not-a-token",
        "Bearer e30=.0000",
        "Bearer é.ü",
        "Bearer " + identity.issue(AUDIENCE, "function")[:-1],
        "Bearer " + identity.issue(AUDIENCE, "function", lifetime=-1),
    ],
)
def test_no_other_token_is_good(authorization: str) -> None:
    assert identity.authorize(bearing(authorization), {AUDIENCE}) is None


def test_the_sdk_signs_in_as_the_function(credential: ManagedIdentityCredential) -> None:
    answer = credential.get_token("https://vault.azure.net/.default")
    token = identity.read(answer.token)
    assert token is not None
    assert (token.principal, token.resource) == (FUNCTION, "https://vault.azure.net")
    assert answer.expires_on == pytest.approx(time.time() + identity.LIFETIME, abs=HANG)


def test_the_sdk_signs_in_as_the_identity_it_names(azure: Azure) -> None:
    azure.identities.add("second")
    with ManagedIdentityCredential(client_id=azure.identities.client_id("second")) as credential:
        token = identity.read(credential.get_token(AUDIENCE + "/.default").token)
    assert token is not None
    assert token.principal == "second"


def test_each_process_signs_in_as_its_own_principal(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", azure.environment("operator")["IDENTITY_HEADER"])
    with ManagedIdentityCredential() as credential:
        token = identity.read(credential.get_token(AUDIENCE + "/.default").token)
    assert token is not None
    assert token.principal == "operator"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"X-IDENTITY-HEADER": "wrong"}, 401),
        ({"client_id": "00000000-0000-0000-0000-000000000000"}, 400),
        ({"resource": ""}, 400),
        ({"api-version": "2017-09-01"}, 400),
    ],
)
def test_the_endpoint_wants_the_right_header_and_parameters(azure: Azure, change: dict[str, str], status: int) -> None:
    environment = azure.environment()
    parameters = {"api-version": "2019-08-01", "resource": AUDIENCE} | change
    header = parameters.pop("X-IDENTITY-HEADER", environment["IDENTITY_HEADER"])
    answer = requests.get(
        environment["IDENTITY_ENDPOINT"], parameters, headers={"X-IDENTITY-HEADER": header}, timeout=HANG
    )
    assert answer.status_code == status
    if status == 200:
        body = answer.json()
        assert set(body) == {"access_token", "expires_on", "resource", "token_type", "client_id"}
        assert body["expires_on"].isdigit()
        assert azure.exchanges[-1].response_body == b"", "tokens are not recorded"
