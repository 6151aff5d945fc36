"""Azure Resource Manager, asked plainly: what no SDK of ours has a call for."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from azure.core import PipelineClient
from azure.core.pipeline import policies
from azure.core.rest import HttpRequest, HttpResponse
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy, ARMHttpLoggingPolicy

from cmk_rotation.adapters.audiences import OneAudience
from cmk_rotation.adapters.errors import TIMEOUTS, patiently, translated, unreadable
from cmk_rotation.adapters.refusals import of_read
from cmk_rotation.adapters.wire import Wire
from cmk_rotation.config.clouds import Cloud
from cmk_rotation.controller.ports import AzureCallError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_MOST_PAGES = 1_000


def arm_policies(credential: "TokenCredential", cloud: Cloud) -> list[Any]:
    """What a request to Resource Manager passes through.

    Three of the SDK's usual policies are left out: retries and redirects, and the one that answers a 409 by registering
    resource providers in the customer's subscription and polling until that is done.
    """
    return [
        policies.RequestIdPolicy(),
        policies.HeadersPolicy(),
        policies.UserAgentPolicy(base_user_agent="cmk-rotation"),
        policies.ProxyPolicy(),
        policies.ContentDecodePolicy(),
        ARMChallengeAuthenticationPolicy(OneAudience(credential, cloud.arm_scope), cloud.arm_scope),
        policies.CustomHookPolicy(),
        policies.DistributedTracingPolicy(),
        ARMHttpLoggingPolicy(),
    ]


class Arm:
    """Reads of Resource Manager. Every method may raise `AzureCallError`."""

    def __init__(self, credential: "TokenCredential", cloud: Cloud) -> None:
        self._client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(
            cloud.arm_endpoint, policies=arm_policies(credential, cloud), transport=Wire(cloud.arm_host)
        )

    def get(self, path: str, version: str, **query: str) -> Mapping[str, Any]:
        """What a path shows."""
        return self._ask(HttpRequest("GET", path, params={**query, "api-version": version}))

    def post(self, path: str, version: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """What a question comes to that Azure takes as a POST; nothing is changed by it."""
        return self._ask(HttpRequest("POST", path, params={"api-version": version}, json=body))

    def listed(self, path: str, version: str, **query: str) -> list[Mapping[str, Any]]:
        """All entries of a list, from all its pages. A list that cannot be read to its end is no answer."""
        page = self.get(path, version, **query)
        found, seen = _entries(page), set[str]()
        while link := page.get("nextLink"):
            if not isinstance(link, str):
                raise AzureCallError(unreadable("the next page has no address"))
            if link in seen or len(seen) >= _MOST_PAGES:
                raise AzureCallError(unreadable("a list leads back to a page that was read, or has no end"))
            seen.add(link)
            page = self._ask(HttpRequest("GET", link))
            found += _entries(page)
        return found

    def _ask(self, request: HttpRequest) -> Mapping[str, Any]:
        request.url = self._client.format_url(request.url) if request.url.startswith("/") else request.url

        def read() -> Mapping[str, Any]:
            with translated(of_read):
                response = self._client.send_request(request, **TIMEOUTS)
                response.raise_for_status()
                found = response.json() if response.status_code != HTTPStatus.NO_CONTENT else {}
            if not isinstance(found, Mapping):
                raise AzureCallError(unreadable("the answer is no object"))
            return found

        return patiently(read)


def _entries(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = page.get("value")
    if not isinstance(entries, list | None):
        raise AzureCallError(unreadable("what should be a list is no list"))
    return [one for one in entries or () if isinstance(one, Mapping)]
