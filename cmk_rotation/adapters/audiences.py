"""Tokens for one service each. A service's challenge may name any resource, and the SDKs ask for a token for it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, AccessTokenInfo, TokenCredential

STORAGE = "https://storage.azure.com/.default"
"""The same in every cloud (learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory)."""
EVENT_GRID = "https://eventgrid.azure.net/.default"


class OneAudience:
    """A credential that gives tokens for one service, whatever they are asked for.

    It does not raise where another's is asked for: Key Vault's SDK keeps the challenge of a vault as long as the process
    lives, and would ask for the same again. A vault that is given its own service's token can answer with a better one.
    """

    def __init__(self, credential: "TokenCredential", scope: str) -> None:
        self._credential: Any = credential
        self._scope = scope

    def get_token(self, *_: str, **kwargs: Any) -> "AccessToken":
        """A token, in the older form that not all SDKs have left."""
        token: AccessToken = self._credential.get_token(self._scope, **kwargs)
        return token

    def get_token_info(self, *_: str, **kwargs: Any) -> "AccessTokenInfo":
        """A token."""
        token: AccessTokenInfo = self._credential.get_token_info(self._scope, **kwargs)
        return token


def of_vault(vault: str, suffixes: tuple[str, ...]) -> str:
    """What a token for a vault or managed HSM is asked for: its service's domain, which is its name without the first label."""
    suffix = next((suffix for suffix in suffixes if vault.endswith(suffix)), f".{vault.partition('.')[2]}")
    return f"https://{suffix[1:]}/.default"
