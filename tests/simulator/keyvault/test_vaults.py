from datetime import UTC, datetime

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient

from simulator.azure import FUNCTION, Azure
from simulator.entra import identity
from simulator.keyvault.vaults import Network
from simulator.operationalinsights.clusters import Cluster
from simulator.wire.faults import Fault, FaultKind
from tests.patience import HANG

pytestmark = pytest.mark.usefixtures("cluster")


def inner_code(error: HttpResponseError) -> str | None:
    assert error.error is not None
    assert error.error.code == "Forbidden"
    inner = error.error.innererror
    return str(inner["code"]) if inner else None


def test_the_first_call_is_challenged_and_later_ones_are_not(azure: Azure) -> None:
    answer = requests.get("https://contoso.vault.azure.net/keys/la-cmk/versions?api-version=2025-07-01", timeout=HANG)
    assert answer.status_code == 401
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer authorization="https://login.microsoftonline.com/')
    assert challenge.endswith('resource="https://vault.azure.net"')
    assert azure.exchanges[-1].status == 401


def test_versions_are_listed_over_pages_with_whole_seconds(azure: Azure, keys: KeyClient) -> None:
    vault = azure.vault("contoso")
    vault.page_size = 2
    for _ in range(4):
        vault.rotate("la-cmk")
    vault.set_attributes("la-cmk", expires=2_000_000_000, not_before=1_700_000_000)
    pages = list(keys.list_properties_of_key_versions("la-cmk").by_page())
    assert [len(list(page)) for page in pages] == [2, 2, 1]
    listed = {one.version: one for one in keys.list_properties_of_key_versions("la-cmk")}
    key = vault.keys["la-cmk"]
    assert set(listed) == {one.version for one in key.versions}
    assert sum("/versions" in it.path and it.status == 200 for it in azure.exchanges) == 6
    newest = listed[key.newest.version]
    assert newest.created_on == datetime.fromtimestamp(key.newest.created, UTC)
    assert newest.expires_on == datetime.fromtimestamp(2_000_000_000, UTC)
    assert newest.not_before == datetime.fromtimestamp(1_700_000_000, UTC)
    assert newest.enabled is True
    assert newest.recovery_level == "Recoverable"
    assert newest.id == f"https://contoso.vault.azure.net/keys/la-cmk/{key.newest.version}"


def test_the_list_order_says_nothing_about_age(azure: Azure, keys: KeyClient) -> None:
    for _ in range(8):
        azure.vault("contoso").rotate("la-cmk")
    listed = [one.version for one in keys.list_properties_of_key_versions("la-cmk")]
    assert listed == sorted(str(version) for version in listed)
    assert listed != [one.version for one in azure.vault("contoso").keys["la-cmk"].versions]


def test_a_key_is_created_rotated_read_and_changed_by_the_sdk(azure: Azure, keys: KeyClient) -> None:
    first = keys.create_rsa_key("second", size=3072)
    rotated = keys.rotate_key("second")
    assert rotated.properties.version != first.properties.version
    assert keys.get_key("SECOND").properties.version == rotated.properties.version
    modulus = getattr(keys.get_key("second", first.properties.version).key, "n", b"")
    assert len(modulus) == 3072 // 8
    keys.update_key_properties("second", first.properties.version, enabled=False)
    assert [one.enabled for one in azure.vault("contoso").keys["second"].versions] == [False, True]


def test_a_rotated_version_expires_as_the_rotation_policy_says(azure: Azure) -> None:
    azure.add_key("contoso", "policy", lifetime=86_400)
    version = azure.vault("contoso").rotate("policy")
    assert version.expires == version.created + 86_400


def test_a_disabled_version_is_listed_and_cannot_be_read(azure: Azure, keys: KeyClient) -> None:
    azure.vault("contoso").disable("la-cmk")
    assert [one.enabled for one in keys.list_properties_of_key_versions("la-cmk")] == [False]
    with pytest.raises(HttpResponseError) as refused:
        keys.get_key("la-cmk")
    assert inner_code(refused.value) == "KeyDisabled"
    azure.vault("contoso").enable("la-cmk")
    assert keys.get_key("la-cmk").name == "la-cmk"


def test_a_key_that_is_gone_is_not_found(azure: Azure, keys: KeyClient) -> None:
    azure.vault("contoso").delete_key("la-cmk")
    with pytest.raises(ResourceNotFoundError) as missing:
        keys.get_key("la-cmk")
    assert missing.value.error is not None
    assert missing.value.error.code == "KeyNotFound"
    with pytest.raises(ResourceNotFoundError):
        list(keys.list_properties_of_key_versions("la-cmk"))
    azure.vault("contoso").absent_key_lists_empty = True
    assert list(keys.list_properties_of_key_versions("la-cmk")) == []


@pytest.mark.parametrize(
    ("network", "code"), [(Network.FIREWALL, "ForbiddenByFirewall"), (Network.PRIVATE, "ForbiddenByConnection")]
)
def test_a_vault_behind_a_firewall_says_so(azure: Azure, keys: KeyClient, network: Network, code: str) -> None:
    azure.vault("contoso").network = network
    with pytest.raises(HttpResponseError) as refused:
        list(keys.list_properties_of_key_versions("la-cmk"))
    assert (refused.value.status_code, inner_code(refused.value)) == (403, code)


@pytest.mark.parametrize(("policies", "code"), [(False, "ForbiddenByRbac"), (True, "AccessDenied")])
def test_a_missing_right_is_forbidden_as_the_vault_grants_rights(
    azure: Azure, keys: KeyClient, *, policies: bool, code: str
) -> None:
    azure.vault("contoso").access_policies = policies
    azure.rights.deny(FUNCTION, "Microsoft.KeyVault/vaults/keys/rotate/*", azure.vault("contoso").resource_id)
    assert keys.get_key("la-cmk").name == "la-cmk"
    with pytest.raises(HttpResponseError) as refused:
        keys.rotate_key("la-cmk")
    assert (refused.value.status_code, inner_code(refused.value)) == (403, code)


def test_a_throttled_vault_answers_429(azure: Azure, keys: KeyClient) -> None:
    body = b'{"error": {"code": "Throttled", "message": "Request was not processed because too many requests were received."}}'
    azure.faults.add(Fault(kind=FaultKind.ANSWER, host="*.vault.azure.net", status=429, body=body))
    with pytest.raises(HttpResponseError) as refused:
        keys.get_key("la-cmk")
    assert refused.value.status_code == 429


def test_a_token_for_arm_is_no_good_at_a_vault(azure: Azure, credential: ManagedIdentityCredential) -> None:
    token = credential.get_token("https://management.azure.com/.default").token
    url = "https://contoso.vault.azure.net/keys/la-cmk?api-version=2025-07-01"
    assert requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=HANG).status_code == 401
    assert azure.server.refused == []


def test_an_api_version_is_required(credential: ManagedIdentityCredential) -> None:
    token = credential.get_token("https://vault.azure.net/.default").token
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get("https://contoso.vault.azure.net/keys/la-cmk", headers=headers, timeout=HANG).status_code == 400


def test_a_managed_hsm_has_its_own_resource_and_raises_no_events(
    azure: Azure, credential: ManagedIdentityCredential, cluster: Cluster
) -> None:
    vault = azure.add_vault("hsm1", hsm=True)
    azure.add_key("hsm1", "la-cmk")
    with KeyClient("https://hsm1.managedhsm.azure.net", credential, retry_total=0) as client:
        assert client.rotate_key("la-cmk").key_type == "RSA-HSM"
    azure.vault("contoso").rotate("la-cmk")
    assert {event["source"] for event in azure.event_grid.published} == {azure.vault("contoso").resource_id}
    assert len(azure.event_grid.published) == 2
    assert vault.resource_id.endswith("/providers/Microsoft.KeyVault/managedHSMs/hsm1")
    assert cluster.key is not None
    assert cluster.key.vault_uri == "https://contoso.vault.azure.net/"


def test_a_token_that_no_longer_holds_is_challenged_again(
    azure: Azure, keys: KeyClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert keys.get_key("la-cmk").name == "la-cmk"
    monkeypatch.setattr(identity, "_SECRET", b"another")
    with pytest.raises(ClientAuthenticationError):
        keys.get_key("la-cmk")
    assert azure.exchanges[-1].status == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/secrets/la-cmk", "", 404),
        ("DELETE", "/keys/no-such-key", "", 404),
        ("POST", "/keys/la-cmk/create", "not json", 400),
        ("PATCH", "/keys/la-cmk/no-such-version", "{}", 404),
        ("POST", "/keys/no-such-key/rotate", "{}", 404),
    ],
)
def test_what_is_not_served_is_refused(
    credential: ManagedIdentityCredential, method: str, path: str, body: str, status: int
) -> None:
    headers = {"Authorization": "Bearer " + credential.get_token("https://vault.azure.net/.default").token}
    url = f"https://contoso.vault.azure.net{path}?api-version=2025-07-01"
    assert requests.request(method, url, data=body, headers=headers, timeout=HANG).status_code == status
