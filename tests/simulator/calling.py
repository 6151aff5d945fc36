"""Plain calls to the simulated Azure, for what no SDK in the environment covers."""

from typing import Any

import requests
from azure.identity import ManagedIdentityCredential

from tests.patience import HANG


class Caller:
    """Calls a URL with a token for its service; returns the decoded answer."""

    def __init__(self, credential: ManagedIdentityCredential, audience: str = "https://management.azure.com") -> None:
        self._headers = {"Authorization": "Bearer " + credential.get_token(f"{audience}/.default").token}

    def __call__(self, method: str, url: str, body: object = None) -> Any:
        answer = requests.request(method, url, json=body, headers=self._headers, timeout=HANG)
        return answer.json() if answer.content else None
