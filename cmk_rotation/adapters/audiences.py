"""Tokens for one service each. A service's challenge may name any resource, and the SDKs ask for a token for it."""

from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ClientAuthenticationError

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, AccessTokenInfo, TokenCredential

STORAGE = "https://storage.azure.com/.default"
"""The same in every cloud (learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory)."""
EVENT_GRID = "https://eventgrid.azure.net/.default"


class OneAudience:
    """A credential that gives tokens for one service, whoever asks for which."""

    def __init__(self, credential: "TokenCredential", scope: str) -> None:
        self._credential: Any = credential
        self._scope = scope

    def get_token(self, *scopes: str, **kwargs: Any) -> "AccessToken":
        """A token, in the older form that not all SDKs have left."""
        self._check(scopes)
        token: AccessToken = self._credential.get_token(self._scope, **kwargs)
        return token

    def get_token_info(self, *scopes: str, **kwargs: Any) -> "AccessTokenInfo":
        """A token."""
        self._check(scopes)
        token: AccessTokenInfo = self._credential.get_token_info(self._scope, **kwargs)
        return token

    def _check(self, scopes: tuple[str, ...]) -> None:
        if {scope.lower() for scope in scopes} != {self._scope.lower()}:
            asked = ", ".join(scopes)
            raise ClientAuthenticationError(
                f"a token for {asked} was asked for, and only one for {self._scope} is given"
            )


def of_vault(vault: str, suffixes: tuple[str, ...]) -> str:
    """What a token for a vault or managed HSM is asked for: its service's domain, which is its name without the first label."""
    suffix = next((suffix for suffix in suffixes if vault.endswith(suffix)), f".{vault.partition('.')[2]}")
    return f"https://{suffix[1:]}/.default"
