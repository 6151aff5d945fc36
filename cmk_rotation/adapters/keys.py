"""Keys in Key Vault and Managed HSM."""

import functools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING

from azure.core.exceptions import HttpResponseError
from azure.keyvault.keys import KeyClient, KeyProperties

from cmk_rotation.adapters.audiences import OneAudience, of_vault
from cmk_rotation.adapters.errors import TIMEOUTS, failure_of, patiently, translated
from cmk_rotation.adapters.paging import all_of
from cmk_rotation.adapters.wire import Wire
from cmk_rotation.config.clouds import Cloud
from cmk_rotation.controller.ports import AzureCallError
from cmk_rotation.domain.azure_resources import Failure, KeyVersion
from cmk_rotation.domain.identifiers import Key
from cmk_rotation.domain.redaction import one_line
from cmk_rotation.domain.vocabulary import FailureKind
from cmk_rotation.preflight.seen import Material

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

# Key Vault's inner codes and messages for a 403 that no right would cure
# (learn.microsoft.com/azure/key-vault/general/common-error-codes and rest-error-codes).
_BLOCKED = re.compile(
    r"ForbiddenBy(?:Firewall|Connection|Nsp)|client address is not authorized|public network access is disabled|"
    r"network security perimeter|approved private link",
    re.IGNORECASE,
)
_WRONG_TENANT = "AKV10032"
"""The vault trusts another tenant, and no token of ours will do."""
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class VaultKeys:
    """`ports.Keys` over azure-keyvault-keys."""

    def __init__(self, credential: "TokenCredential", cloud: Cloud) -> None:
        self._client: Callable[[str], KeyClient] = functools.cache(functools.partial(_client, credential, cloud))

    def versions(self, key: Key) -> tuple[KeyVersion, ...]:
        """All versions of a key, from all pages.

        One without a creation time is left out, for it has no place in the order; so is one with a time that cannot be read.
        """

        def read() -> tuple[KeyVersion, ...]:
            with translated():
                try:
                    return tuple(_versions(self._client(key.vault), key.name))
                except HttpResponseError as error:
                    raise AzureCallError(_trouble(error)) from None

        return patiently(read)

    def current_version(self, key: Key) -> str:
        """The version that Key Vault gives to whoever names none."""

        def read() -> str:
            with translated():
                try:
                    return self._client(key.vault).get_key(key.name).properties.version or ""
                except HttpResponseError as error:
                    raise AzureCallError(_trouble(error)) from None

        return patiently(read)

    def material(self, key: Key, version: str) -> Material:
        """What a version of a key is made of: its public half, as Key Vault shows it."""

        def read() -> Material:
            with translated():
                try:
                    found = self._client(key.vault).get_key(key.name, version)
                except HttpResponseError as error:
                    raise AzureCallError(_trouble(error)) from None
                kind = found.key_type.value if isinstance(found.key_type, Enum) else str(found.key_type)
                modulus = getattr(found.key, "n", None)
                operations = (one.value if isinstance(one, Enum) else str(one) for one in found.key_operations or ())
                return Material(
                    kind,
                    len(modulus.lstrip(b"\0")) * 8 if isinstance(modulus, bytes) else None,
                    frozenset(one.lower() for one in operations),
                )

        return patiently(read)


def _client(credential: "TokenCredential", cloud: Cloud, vault: str) -> KeyClient:
    return KeyClient(
        f"https://{vault}",
        OneAudience(credential, of_vault(vault, cloud.vault_suffixes)),
        transport=Wire(vault),
        api_version=cloud.key_vault_api_version,
        retry_total=0,
        permit_redirects=False,
        **TIMEOUTS,
    )


def _versions(client: KeyClient, name: str) -> Iterator[KeyVersion]:
    listed: KeyProperties
    for listed in all_of(client.list_properties_of_key_versions(name)):
        created: object = listed.created_on
        try:
            not_before, expires = _time(listed.not_before), _time(listed.expires_on)
        except ValueError:
            continue
        if listed.version and isinstance(created, datetime):
            yield KeyVersion(
                version=listed.version,
                created_at=created,
                enabled=listed.enabled is True,
                not_before=not_before,
                expires_at=None if expires == _LAST else expires,
                updated_at=listed.updated_on if isinstance(listed.updated_on, datetime) else None,
            )


def _time(value: object) -> datetime | None:
    """A time, or the nearest that a datetime holds. Raises ValueError where there is one that cannot be read.

    What the SDK cannot make a datetime of comes as it was in the answer: text, or a number of seconds beyond the year 9999,
    which has been seen in a real vault (dotnet/dnceng issue 222).
    """
    if value is None or isinstance(value, datetime):
        return value
    seconds = float(str(value))
    if math.isnan(seconds):
        raise ValueError("not a number is not a time")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return _LAST if seconds > 0 else _FIRST


def _trouble(error: HttpResponseError) -> Failure:
    """What it means that a vault did not answer, with its inner code, which alone tells one 403 from another."""
    failure = failure_of(error)
    inner = getattr(error.error, "innererror", None)
    code = inner.get("code") if isinstance(inner, Mapping) else None
    if isinstance(code, str) and code:
        failure = replace(failure, message=one_line(f"{one_line(code, 100)}: {failure.message}"))
    if error.status_code == HTTPStatus.FORBIDDEN and _BLOCKED.search(failure.message):
        return replace(failure, kind=FailureKind.NETWORK_BLOCKED)
    if error.status_code == HTTPStatus.UNAUTHORIZED and _WRONG_TENANT not in failure.message:
        # The SDK asks for a new token before it gives up, so this one was just issued: its signature is not known here yet
        # (AKV10046), or clocks differ. A second later the same token has been taken.
        return replace(failure, kind=FailureKind.UNAVAILABLE)
    return failure
