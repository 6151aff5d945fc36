"""A question to a Log Analytics workspace: when the newest heartbeat arrived."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core import PipelineClient
from azure.core.pipeline import policies
from azure.core.rest import HttpRequest, HttpResponse

from cmk_rotation.adapters.audiences import OneAudience
from cmk_rotation.adapters.errors import TIMEOUTS, patiently, translated
from cmk_rotation.adapters.wire import Wire
from cmk_rotation.domain.instants import from_iso

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

# The table is not there before its first row.
_HEARTBEAT = (
    "union isfuzzy=true (datatable(TimeGenerated: datetime, Message: string)[]), AppTraces "
    '| where Message startswith \'{"event"\' and Message has "reconcile.finished" '
    "| summarize Newest = max(TimeGenerated)"
)
_DAYS = "P7D"


def newest_heartbeat(credential: "TokenCredential", endpoint: str, customer_id: str) -> datetime | None:
    """When the newest heartbeat of a week arrived in a workspace; None if none did. May raise `AzureCallError`."""
    scope = f"{endpoint}/.default"
    client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(
        endpoint,
        policies=[
            policies.UserAgentPolicy(base_user_agent="cmk-rotation"),
            policies.ProxyPolicy(),
            policies.BearerTokenCredentialPolicy(OneAudience(credential, scope), scope),
        ],
        transport=Wire(urlsplit(endpoint).hostname or ""),
    )
    request = HttpRequest(
        "POST", f"{endpoint}/v1/workspaces/{customer_id}/query", json={"query": _HEARTBEAT, "timespan": _DAYS}
    )

    def ask() -> datetime | None:
        with translated():
            response = client.send_request(request, **TIMEOUTS)
            response.raise_for_status()
            return _newest(response.json())

    return patiently(ask)


def _newest(answer: Mapping[str, Any]) -> datetime | None:
    """The one cell of the answer's one row."""
    value = answer["tables"][0]["rows"][0][0]
    return from_iso(value) if isinstance(value, str) else None
