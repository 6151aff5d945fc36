"""Keys in Key Vault and Managed HSM."""

import functools
import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING

from azure.core.exceptions import HttpResponseError
from azure.keyvault.keys import KeyClient, KeyProperties

from cmk_rotation.adapters.errors import TIMEOUTS, by_status, patiently, translated
from cmk_rotation.identifiers import Key
from cmk_rotation.model import KeyVersion
from cmk_rotation.vocabulary import TroubleKind

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

# Key Vault's inner codes and messages for a 403 that no right would cure
# (learn.microsoft.com/azure/key-vault/general/common-error-codes and rest-error-codes).
_BLOCKED = re.compile(
    r"ForbiddenBy(?:Firewall|Connection|Nsp)|client address is not authorized|public network access is disabled|"
    r"network security perimeter",
    re.IGNORECASE,
)


class VaultKeys:
    """`ports.Keys` over azure-keyvault-keys."""

    def __init__(self, credential: "TokenCredential") -> None:
        self._client: Callable[[str], KeyClient] = functools.cache(functools.partial(_client, credential))

    def versions(self, key: Key) -> tuple[KeyVersion, ...]:
        """All versions of a key, from all pages. One without a creation time is left out: it has no place in the order."""

        def read() -> tuple[KeyVersion, ...]:
            with translated(_kind_of_refusal):
                return tuple(_versions(self._client(key.vault), key.name))

        return patiently(read)


def _client(credential: "TokenCredential", vault: str) -> KeyClient:
    return KeyClient(f"https://{vault}", credential, retry_total=0, permit_redirects=False, **TIMEOUTS)


def _versions(client: KeyClient, name: str) -> Iterator[KeyVersion]:
    listed: KeyProperties
    for listed in client.list_properties_of_key_versions(name):
        if listed.version and listed.created_on:
            yield KeyVersion(
                version=listed.version,
                created_at=listed.created_on,
                enabled=listed.enabled is True,
                not_before=listed.not_before,
                expires_at=listed.expires_on,
            )


def _kind_of_refusal(error: HttpResponseError, _code: str, message: str) -> TroubleKind:
    """What it means that a vault did not answer: a firewall before it is told apart from a missing right."""
    inner = getattr(error.error, "innererror", None)
    if error.status_code == HTTPStatus.FORBIDDEN and _BLOCKED.search(f"{inner} {message}"):
        return TroubleKind.BLOCKED
    return by_status(error)
