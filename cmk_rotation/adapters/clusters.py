"""Dedicated clusters in Azure Resource Manager."""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from azure.core.rest import HttpRequest
from azure.mgmt.loganalytics import LogAnalyticsManagementClient

from cmk_rotation.adapters import cluster_answers as answers
from cmk_rotation.adapters.arm import arm_policies
from cmk_rotation.adapters.errors import (
    TIMEOUTS,
    UNREADABLE,
    patiently,
    translated,
    unreadable,
)
from cmk_rotation.adapters.paging import all_of
from cmk_rotation.adapters.refusals import of_read, of_update, of_workspace
from cmk_rotation.adapters.wire import Wire
from cmk_rotation.config.clouds import Cloud
from cmk_rotation.controller.ports import AzureCallError
from cmk_rotation.domain.azure_resources import (
    Accepted,
    Cluster,
    Failure,
    Listed,
    Operation,
    OperationError,
    UnreadableEntry,
)
from cmk_rotation.domain.identifiers import ClusterId, Scope
from cmk_rotation.domain.redaction import one_line, without_query_of
from cmk_rotation.domain.timing import PATCH_TIMEOUT
from cmk_rotation.domain.vocabulary import FailureKind

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline import PipelineResponse

_PATCH_TIMEOUTS: Mapping[str, Any] = {
    "connection_timeout": TIMEOUTS["connection_timeout"],
    "read_timeout": PATCH_TIMEOUT / timedelta(seconds=1) - TIMEOUTS["connection_timeout"],
}
_TAKEN = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED})
_WORKSPACE_ID = re.compile(
    r"/subscriptions/([0-9a-f-]{36})/resourceGroups/([^/?#]+)"
    r"/providers/Microsoft\.OperationalInsights/workspaces/([^/?#]+)/?",
    re.IGNORECASE,
)
# An operation's URL comes with its version; one that is not known is as good as an operation that is not there.
_OF_OPERATIONS = {FailureKind.UNKNOWN_VERSION: FailureKind.NOT_FOUND}


class ArmClusters:
    """`ports.Clusters` over azure-mgmt-loganalytics."""

    def __init__(self, credential: "TokenCredential", cloud: Cloud) -> None:
        self._client: Callable[[str], LogAnalyticsManagementClient] = functools.cache(
            functools.partial(_client, credential, cloud)
        )

    def in_scope(self, scope: Scope) -> Listed:
        """All clusters in a scope, from all pages of the list, and what it holds that cannot be read."""
        cluster_id, group = scope.cluster, scope.resource_group

        def read() -> list[Cluster | UnreadableEntry]:
            with translated(of_read):
                clusters = self._client(scope.subscription).clusters
                options: Mapping[str, Any] = {"cls": answers.entries, **TIMEOUTS}
                found = clusters.list_by_resource_group(group, **options) if group else clusters.list(**options)
                return [answers.entry(item) for item in all_of(found)]

        listed = patiently(read) if cluster_id is None else [self._look_at(cluster_id)]
        return Listed(
            tuple(one for one in listed if isinstance(one, Cluster)),
            tuple(one for one in listed if isinstance(one, UnreadableEntry)),
        )

    def get(self, cluster_id: ClusterId) -> Cluster:
        """One cluster."""
        found = self._look_at(cluster_id)
        if isinstance(found, UnreadableEntry):
            raise AzureCallError(unreadable(found.problem))
        return found

    def _look_at(self, cluster_id: ClusterId) -> Cluster | UnreadableEntry:
        """One cluster, or what is wrong with the answer about it. An answer about another one is no answer."""

        def read() -> Cluster | UnreadableEntry:
            with translated(of_read):
                clusters = self._client(cluster_id.subscription).clusters
                found = answers.entry(clusters.get(cluster_id.resource_group, cluster_id.name, **TIMEOUTS))
            if isinstance(found, UnreadableEntry):
                return replace(found, cluster_id=cluster_id)
            if found.id != cluster_id:
                raise AzureCallError(unreadable(f"asked for {cluster_id.name}, got {found.id.name}"))
            return found

        return patiently(read)

    def set_key_version(self, cluster: Cluster, version: str, attempt_id: str) -> Accepted:
        """Send the PATCH, once. Its 200 and its 202 count the same, and so does any body, or none, or a broken one."""
        taken: list[Accepted] = []

        def note(response: "PipelineResponse[Any, Any]") -> None:
            answer = response.http_response
            if answer.status_code in _TAKEN:
                taken.append(answers.accepted(answer.headers))

        properties: dict[str, object] = {
            "keyVaultUri": cluster.key_vault_uri,
            "keyName": cluster.key_name,
            "keyVersion": version,
        }
        if cluster.key_rsa_size is not None:
            properties["keyRsaSize"] = cluster.key_rsa_size
        body: dict[str, Any] = {"properties": {"keyVaultProperties": properties}}
        try:
            with translated(of_update):
                self._client(cluster.id.subscription).clusters.begin_update(
                    cluster.id.resource_group,
                    cluster.id.name,
                    body,
                    polling=False,
                    request_id=attempt_id,
                    raw_response_hook=note,
                    **_PATCH_TIMEOUTS,
                )
        except AzureCallError:
            if not taken:
                raise
        return taken[0]

    def operation(self, cluster_id: ClusterId, url: str) -> Operation:
        """Read an operation's status, once. An answer that cannot be understood is a refusal: asking again won't help.

        The URL's query is a signature: it is kept out of whatever comes back, even if the answer repeats it.
        """
        clean = without_query_of(url)
        # The SDK formats the URL as a template; a brace in a signature is not one of its fields.
        request = HttpRequest("GET", url.replace("{", "%7B").replace("}", "%7D"))
        try:
            with translated(of_read):
                response = self._client(cluster_id.subscription).send_request(request, **TIMEOUTS)
                response.raise_for_status()
                found = answers.operation(response)
        except AzureCallError as error:
            failure = error.failure
            kind = _OF_OPERATIONS.get(failure.kind, failure.kind)
            kind = FailureKind.REFUSED if failure.code == UNREADABLE else kind
            raise AzureCallError(
                Failure(kind, clean(failure.code), clean(failure.message), failure.retry_after)
            ) from None
        why = found.error and OperationError(clean(found.error.code), clean(found.error.message))
        return Operation(clean(found.status), why, found.retry_after)

    def workspace_state(self, workspace_id: str) -> str:
        """The state of a workspace, which may lie in another subscription than its cluster."""
        found = _WORKSPACE_ID.fullmatch(workspace_id)
        if found is None:
            raise AzureCallError(Failure(FailureKind.NOT_FOUND, "NotAWorkspace", one_line(workspace_id)))
        subscription, group, name = found.groups()

        def read() -> str:
            with translated(of_workspace):
                workspace = self._client(subscription.lower()).workspaces.get(group, name, **TIMEOUTS)
                state = answers.workspace_state(workspace)
            if state is None:
                raise AzureCallError(unreadable("the workspace shows no provisioningState"))
            return state

        return patiently(read)


def _client(credential: "TokenCredential", cloud: Cloud, subscription: str) -> LogAnalyticsManagementClient:
    """A client that does one request for one call."""
    return LogAnalyticsManagementClient(
        credential,
        subscription,
        cloud.arm_endpoint,
        transport=Wire(cloud.arm_host),
        api_version=cloud.arm_api_version,
        policies=arm_policies(credential, cloud),
    )
