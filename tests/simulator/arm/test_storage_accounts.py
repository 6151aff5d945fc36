"""Storage accounts with a key of their owner's: what they show, the daily look for a newer version, and refusals of the key."""

from typing import Any

import pytest
from azure.identity import ManagedIdentityCredential

from simulator.azure import FUNCTION, Azure
from simulator.keyvault.vaults import Network
from simulator.storage.accounts import StorageAccount
from tests.simulator.calling import Caller

DAY = 86_400
URI = "https://contoso.vault.azure.net/"


@pytest.fixture
def caller(azure: Azure, credential: ManagedIdentityCredential) -> Caller:
    assert azure.server.port
    return Caller(credential)


@pytest.fixture
def account(azure: Azure) -> StorageAccount:
    azure.add_vault("contoso")
    azure.add_key("contoso", "la-cmk")
    return azure.storage_account("saved")


def rotate(azure: Azure) -> str:
    azure.clock.sleep(2)
    return azure.vault("contoso").rotate("la-cmk").version


def url(account: StorageAccount) -> str:
    return f"https://management.azure.com{account.resource_id}?api-version=2021-04-01"


def shown(caller: Caller, account: StorageAccount) -> dict[str, Any]:
    found: dict[str, Any] = caller("GET", url(account))["properties"]["encryption"]
    return found


def given(caller: Caller, account: StorageAccount, **key: str) -> Any:
    encryption = {
        "keySource": "Microsoft.Keyvault",
        "keyvaultproperties": {"keyvaulturi": URI, "keyname": "la-cmk", **key},
    }
    return caller("PATCH", url(account), {"properties": {"encryption": encryption}})


def test_an_account_is_given_a_version_and_stays_on_it(azure: Azure, account: StorageAccount, caller: Caller) -> None:
    assert shown(caller, account) == {"keySource": "Microsoft.Storage"}
    old = azure.vault("contoso").keys["la-cmk"].newest.version
    given(caller, account, keyversion=old)
    new = rotate(azure)
    azure.clock.sleep(2 * DAY)
    key = shown(caller, account)["keyvaultproperties"]
    assert (key["keyversion"], key["currentVersionedKeyIdentifier"]) == (old, f"{URI}keys/la-cmk/{old}")
    given(caller, account, keyversion=new)
    moved = shown(caller, account)["keyvaultproperties"]
    assert moved["currentVersionedKeyIdentifier"].endswith(new)
    assert moved["lastKeyRotationTimestamp"] > key["lastKeyRotationTimestamp"]


def test_one_without_a_version_follows_within_a_day_where_it_may(
    azure: Azure, account: StorageAccount, caller: Caller
) -> None:
    given(caller, account)
    old = azure.vault("contoso").keys["la-cmk"].newest.version
    new = rotate(azure)
    key = shown(caller, account)["keyvaultproperties"]
    assert "keyversion" not in key
    assert key["currentVersionedKeyIdentifier"].endswith(old)
    azure.rights.deny(account.resource_id, "Microsoft.KeyVault/vaults/keys/wrap/action")
    azure.clock.sleep(DAY)
    assert shown(caller, account)["keyvaultproperties"]["currentVersionedKeyIdentifier"].endswith(old)
    azure.rights.allow(account.resource_id, "Microsoft.KeyVault/vaults/keys/wrap/action")
    azure.clock.sleep(DAY)
    assert shown(caller, account)["keyvaultproperties"]["currentVersionedKeyIdentifier"].endswith(new)


def test_a_key_that_the_account_may_not_use_is_refused(azure: Azure, account: StorageAccount, caller: Caller) -> None:
    azure.rights.deny(account.resource_id, "Microsoft.KeyVault/vaults/keys/*")
    assert given(caller, account)["error"]["code"] == "KeyVaultAuthenticationFailure"
    assert given(caller, account, keyname="absent")["error"]["code"] == "KeyVaultAuthenticationFailure"
    body = {"properties": {"encryption": {"keySource": "Microsoft.Keyvault"}}}
    assert caller("PATCH", url(account), body)["error"]["code"] == "InvalidRequestPropertyValue"
    assert shown(caller, account) == {"keySource": "Microsoft.Storage"}
    assert "error" not in caller("PATCH", url(account), {"tags": {}})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"purge_protection": False}, "KeyVaultPolicyError"),
        ({"network": Network.PERIMETER}, "KeyVaultAuthenticationFailure"),
        ({"network": Network.FIREWALL, "trusted_services": False}, "KeyVaultAuthenticationFailure"),
        ({"enabled": False}, "KeyVaultAuthenticationFailure"),
        ({"expires": -1}, "KeyVaultAuthenticationFailure"),
        ({"not_before": DAY}, "KeyVaultAuthenticationFailure"),
    ],
)
def test_what_no_cluster_could_be_given_no_account_is(
    azure: Azure, account: StorageAccount, caller: Caller, change: dict[str, Any], code: str
) -> None:
    vault, now = azure.vault("contoso"), int(azure.clock.timestamp())
    for name, value in change.items():
        if hasattr(vault, name):
            setattr(vault, name, value)
        else:
            vault.set_attributes("la-cmk", **{name: value if name == "enabled" else now + value})
    assert given(caller, account)["error"]["code"] == code
    assert shown(caller, account) == {"keySource": "Microsoft.Storage"}


def test_an_account_has_its_keys_where_it_lies_and_nowhere_else(account: StorageAccount, caller: Caller) -> None:
    here = f"https://management.azure.com{account.resource_id}"
    elsewhere = here.replace("/resourceGroups/", "/resourceGroups/not-")
    assert "keys" in caller("POST", f"{here}/listKeys?api-version=2021-04-01")
    assert caller("POST", f"{elsewhere}/listKeys?api-version=2021-04-01")["error"]["code"] == "ResourceNotFound"


def test_reading_and_writing_are_rights_of_their_own(azure: Azure, account: StorageAccount, caller: Caller) -> None:
    azure.rights.deny(FUNCTION, "Microsoft.Storage/storageAccounts/write")
    assert given(caller, account)["error"]["code"] == "AuthorizationFailed"
    azure.rights.deny(FUNCTION, "Microsoft.Storage/storageAccounts/read")
    assert caller("GET", url(account))["error"]["code"] == "AuthorizationFailed"
