from datetime import UTC, datetime, timedelta

import pytest

from cmk_rotation.adapters.keys import VaultKeys
from cmk_rotation.controller.ports import AzureCallError
from cmk_rotation.domain.azure_resources import Failure, KeyVersion, OperationError
from cmk_rotation.domain.identifiers import Key
from cmk_rotation.domain.remedies import advice_for
from cmk_rotation.domain.vocabulary import FailureKind, Reason
from simulator.azure import Azure
from simulator.keyvault.vaults import Network, Vault
from simulator.wire.faults import Fault, FaultKind

KEY = Key("contoso.vault.azure.net", "la-cmk")


@pytest.fixture
def vault(azure: Azure) -> Vault:
    azure.add_vault("contoso").add_key("la-cmk")
    return azure.vault("contoso")


def test_all_versions_are_listed_with_their_times(azure: Azure, vault: Vault, keys: VaultKeys) -> None:
    vault.page_size = 2
    for _ in range(4):
        vault.rotate("la-cmk")
    soon = int(azure.clock.timestamp()) + 3600
    newest = vault.keys["la-cmk"].newest
    vault.set_attributes("la-cmk", newest.version, enabled=False, not_before=soon, expires=soon + 1)
    found = {version.version: version for version in keys.versions(KEY)}
    assert set(found) == {version.version for version in vault.keys["la-cmk"].versions}
    assert len(found) == 5
    seen = found[newest.version]
    assert seen.created_at == datetime.fromtimestamp(newest.created, UTC)
    assert (seen.enabled, seen.not_before) == (False, datetime.fromtimestamp(soon, UTC))
    assert seen.expires_at == datetime.fromtimestamp(soon, UTC) + timedelta(seconds=1)
    assert found[vault.keys["la-cmk"].versions[0].version].enabled


def test_a_managed_hsm_answers_like_a_vault(azure: Azure, keys: VaultKeys) -> None:
    azure.add_vault("hsm1", hsm=True).add_key("la-cmk")
    assert len(keys.versions(Key("hsm1.managedhsm.azure.net", "la-cmk"))) == 1


def test_the_current_version_is_the_one_that_is_given_to_whoever_names_none(vault: Vault, keys: VaultKeys) -> None:
    newest = vault.rotate("la-cmk").version
    assert keys.current_version(KEY) == newest
    assert "la-cmk" in vault.keys
    vault.network = Network.PRIVATE
    with pytest.raises(AzureCallError) as error:
        keys.current_version(KEY)
    assert error.value.failure.kind is FailureKind.NETWORK_BLOCKED


def test_a_version_without_a_creation_time_is_left_out(azure: Azure, vault: Vault, keys: VaultKeys) -> None:
    kid = f"{vault.uri}keys/la-cmk/"
    body = f'{{"value": [{{"kid": "{kid}a", "attributes": {{"enabled": true}}}}, {{"kid": "{kid}b"}}]}}'
    keys.versions(KEY)
    azure.faults.add(Fault(kind=FaultKind.REPLACED_BODY, host=vault.host, body=body.encode()))
    assert keys.versions(KEY) == ()


NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
BEYOND = 253402303861
"""An hour after the year 9999, as in a real vault (dotnet/dnceng issue 222)."""


def listed(azure: Azure, vault: Vault, keys: VaultKeys, attributes: str) -> tuple[KeyVersion, ...]:
    """What is read of a version with these attributes beside a healthy one."""
    kid = f"{vault.uri}keys/la-cmk/"
    healthy = f'{{"kid": "{kid}healthy", "attributes": {{"enabled": true, "created": 1}}}}'
    odd = f'{{"kid": "{kid}odd", "attributes": {{"enabled": true, {attributes}}}}}'
    keys.versions(KEY)
    fault = Fault(kind=FaultKind.REPLACED_BODY, host=vault.host, body=f'{{"value": [{odd}, {healthy}]}}'.encode())
    azure.faults.add(fault)
    found = keys.versions(KEY)
    assert found[-1].version == "healthy"
    assert all(isinstance(version.usable(NOW), bool) for version in found)
    return found[:-1]


@pytest.mark.parametrize("expiry", [str(BEYOND), f'"{BEYOND}"', "1e30", "1e999", "9" * 400])
def test_an_expiry_beyond_all_dates_never_comes(azure: Azure, vault: Vault, keys: VaultKeys, expiry: str) -> None:
    (version,) = listed(azure, vault, keys, f'"created": 2, "exp": {expiry}')
    assert version.expires_at is None
    assert version.usable(NOW)


@pytest.mark.parametrize("start", [str(BEYOND), f'"{BEYOND}"', "1e30"])
def test_a_version_that_begins_beyond_all_dates_is_not_usable_yet(
    azure: Azure, vault: Vault, keys: VaultKeys, start: str
) -> None:
    (version,) = listed(azure, vault, keys, f'"created": 2, "nbf": {start}')
    assert not version.usable(NOW)
    assert not version.expired(NOW)


@pytest.mark.parametrize(("name", "usable"), [("exp", False), ("nbf", True)])
@pytest.mark.parametrize("time", ["-62135596801", '"1559081980"', "-1e30"])
def test_a_time_that_is_text_or_before_all_dates_counts(  # noqa: PLR0913 - a row of the table
    azure: Azure, vault: Vault, keys: VaultKeys, name: str, time: str, *, usable: bool
) -> None:
    (version,) = listed(azure, vault, keys, f'"created": 2, "{name}": {time}')
    assert version.usable(NOW) is usable


@pytest.mark.parametrize("created", [str(BEYOND), '"1559081980"', '"x"', "1e30", "-1e30", "{}", "NaN"])
def test_a_version_whose_creation_cannot_be_read_is_left_out(
    azure: Azure, vault: Vault, keys: VaultKeys, created: str
) -> None:
    assert listed(azure, vault, keys, f'"created": {created}') == ()


@pytest.mark.parametrize("name", ["exp", "nbf"])
@pytest.mark.parametrize("time", ['"soon"', "{}", "[]", "NaN", '""'])
def test_a_version_with_a_time_that_cannot_be_read_is_left_out(
    azure: Azure, vault: Vault, keys: VaultKeys, name: str, time: str
) -> None:
    assert listed(azure, vault, keys, f'"created": 2, "{name}": {time}') == ()


@pytest.mark.parametrize("network", [Network.FIREWALL, Network.PRIVATE])
def test_a_firewall_is_told_from_a_missing_right(vault: Vault, keys: VaultKeys, network: Network) -> None:
    vault.network = network
    with pytest.raises(AzureCallError) as error:
        keys.versions(KEY)
    assert error.value.failure.kind is FailureKind.NETWORK_BLOCKED


def test_a_missing_right_is_refused(azure: Azure, vault: Vault, keys: VaultKeys) -> None:
    azure.rights.deny("function", "Microsoft.KeyVault/*", vault.resource_id)
    with pytest.raises(AzureCallError) as error:
        keys.versions(KEY)
    assert (error.value.failure.kind, error.value.failure.code) == (FailureKind.REFUSED, "Forbidden")


@pytest.mark.parametrize(
    ("inner", "message", "kind"),
    [
        ("ForbiddenByNsp", "no", FailureKind.NETWORK_BLOCKED),
        ("AccessDenied", "Access is denied by the network security perimeter.", FailureKind.NETWORK_BLOCKED),
        ("AccessDenied", "The user does not have keys list permission.", FailureKind.REFUSED),
        ("ForbiddenByPolicy", "no", FailureKind.REFUSED),
    ],
)
def test_a_403_is_read_by_its_inner_code_and_its_words(  # noqa: PLR0913, PLR0917 - a row of the table
    azure: Azure, vault: Vault, keys: VaultKeys, inner: str, message: str, kind: FailureKind
) -> None:
    body = f'{{"error": {{"code": "Forbidden", "message": "{message}", "innererror": {{"code": "{inner}"}}}}}}'
    headers = {"Content-Type": "application/json"}
    azure.faults.add(
        Fault(kind=FaultKind.ANSWER, host=vault.host, status=403, headers=headers, body=body.encode(), times=None)
    )
    with pytest.raises(AzureCallError) as error:
        keys.versions(KEY)
    assert error.value.failure.kind is kind
    assert error.value.failure.message == f"{inner}: {message}"


@pytest.mark.parametrize(
    "message",
    [
        "Connection is not an approved private link and caller was ignored because bypass is set to None.",
        "Request is not from a trusted service nor via an approved private link.",
    ],
)
def test_a_private_link_that_is_missing_needs_no_inner_code_to_be_known(
    azure: Azure, vault: Vault, keys: VaultKeys, message: str
) -> None:
    body = f'{{"error": {{"code": "Forbidden", "message": "{message}"}}}}'.encode()
    azure.faults.add(Fault(kind=FaultKind.ANSWER, host=vault.host, status=403, body=body, times=None))
    with pytest.raises(AzureCallError) as error:
        keys.versions(KEY)
    told = error.value.failure
    assert told.kind is FailureKind.NETWORK_BLOCKED
    assert "private endpoint" in advice_for(Reason.KEY_VAULT_BLOCKED, OperationError(told.code, told.message))


@pytest.mark.parametrize("inner", ["null", "3", "{}", '{"code": 5}', '{"code": ""}'])
def test_an_odd_inner_code_is_as_good_as_none(azure: Azure, vault: Vault, keys: VaultKeys, inner: str) -> None:
    body = f'{{"error": {{"code": "Forbidden", "message": "no", "innererror": {inner}}}}}'.encode()
    headers = {"Content-Type": "application/json"}
    azure.faults.add(Fault(kind=FaultKind.ANSWER, host=vault.host, status=403, headers=headers, body=body, times=None))
    with pytest.raises(AzureCallError) as error:
        keys.versions(KEY)
    assert error.value.failure == Failure(FailureKind.REFUSED, "Forbidden", "no")


REFUSALS = {
    Network.FIREWALL: "firewall",
    Network.PRIVATE: "private endpoint",
    Network.PERIMETER: "perimeter",
}


@pytest.mark.parametrize("network", REFUSALS)
def test_what_keeps_the_function_out_has_a_remedy_of_its_own(vault: Vault, keys: VaultKeys, network: Network) -> None:
    vault.network = network
    with pytest.raises(AzureCallError) as error:
        keys.versions(KEY)
    told = error.value.failure
    assert told.kind is FailureKind.NETWORK_BLOCKED
    remedy = advice_for(Reason.KEY_VAULT_BLOCKED, OperationError(told.code, told.message))
    assert REFUSALS[network] in remedy
    assert ("firewall" in remedy) is (network is Network.FIREWALL)


def test_a_vault_of_another_tenant_says_so(azure: Azure, vault: Vault, keys: VaultKeys) -> None:
    vault.tenant = "0f0f0f0f-0000-4000-8000-000000000001"
    with pytest.raises(AzureCallError) as error:
        keys.versions(KEY)
    told = error.value.failure
    assert told.kind is FailureKind.REFUSED
    assert "tenantId" in advice_for(Reason.KEY_ACCESS_DENIED, OperationError(told.code, told.message))
    assert azure.vaults


def signature_is_not_known(vault: Vault, times: int | None) -> Fault:
    """A fresh token that a vault cannot check yet."""
    body = b'{"error": {"code": "Unauthorized", "message": "AKV10046: Unable to resolve the key used for signature validation."}}'
    challenge = f'Bearer authorization="https://{vault.login_host}/{vault.tenant}", resource="{vault.audience}"'
    return Fault(
        kind=FaultKind.ANSWER,
        host=vault.host,
        status=401,
        headers={"WWW-Authenticate": challenge, "Content-Type": "application/json"},
        body=body,
        times=times,
    )


def test_a_token_that_a_vault_cannot_check_yet_is_shown_again(azure: Azure, vault: Vault, keys: VaultKeys) -> None:
    azure.faults.add(signature_is_not_known(vault, times=4))
    assert len(keys.versions(KEY)) == 1


def test_a_token_that_was_just_issued_is_no_missing_right(azure: Azure, vault: Vault, keys: VaultKeys) -> None:
    azure.faults.add(signature_is_not_known(vault, times=None))
    with pytest.raises(AzureCallError, match="AKV10046") as error:
        keys.versions(KEY)
    assert error.value.failure.kind is FailureKind.UNAVAILABLE


def test_a_key_that_is_not_there_is_gone(vault: Vault, keys: VaultKeys) -> None:
    assert vault.keys
    with pytest.raises(AzureCallError) as error:
        keys.versions(Key(KEY.vault, "other"))
    assert (error.value.failure.kind, error.value.failure.code) == (FailureKind.NOT_FOUND, "KeyNotFound")


def test_a_vault_that_is_not_there_is_unavailable(azure: Azure, keys: VaultKeys) -> None:
    with pytest.raises(AzureCallError) as error:
        keys.versions(Key("nobody.vault.azure.net", "la-cmk"))
    assert error.value.failure.kind is FailureKind.UNAVAILABLE
    assert not azure.vaults


def test_a_challenge_for_another_domain_gets_no_token(azure: Azure, vault: Vault, keys: VaultKeys) -> None:
    challenge = 'Bearer authorization="https://login.microsoftonline.com/t", resource="https://evil.example"'
    fault = Fault(
        kind=FaultKind.ANSWER, host=vault.host, status=401, headers={"WWW-Authenticate": challenge}, times=None
    )
    azure.faults.add(fault)
    with pytest.raises(AzureCallError):
        keys.versions(KEY)
    assert not any("evil" in exchange.query for exchange in azure.exchanges)
