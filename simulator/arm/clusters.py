"""Microsoft.OperationalInsights in ARM: reading and writing dedicated clusters, and following their operations.

Answers carry ids in Azure's own casing, or in a dirty one if so chosen.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from werkzeug.wrappers import Request, Response

from simulator.arm.answers import (
    EITHER,
    GROUP,
    SUBSCRIPTION,
    ArmError,
    Handler,
    absent,
    answer,
    check_method,
    check_right,
    check_scope_exists,
)
from simulator.arm.cluster_bodies import cluster_body, operation_body
from simulator.arm.workspaces import Workspaces
from simulator.operationalinsights.behaviour import AcceptedHeaders, Behaviour, OperationReading, Outcome
from simulator.operationalinsights.cluster_writes import Deleted, as_patch, check_room, create, deletion, replicated
from simulator.operationalinsights.clusters import Cluster, Operation, update
from simulator.state import State

_PROVIDER = "Microsoft.OperationalInsights"
_LOCATION = rf"{SUBSCRIPTION}/providers/{_PROVIDER}/locations/(?P<location>[^/]+)"


class Clusters:
    """The handlers for these paths, over one Azure's clusters."""

    def __init__(self, state: State, workspaces: Workspaces) -> None:
        self.state, self.arm = state, state.arm
        self.workspaces = workspaces

    def routes(self) -> Mapping[str, Handler]:
        """Handlers by the pattern of their paths."""
        return {
            rf"{EITHER}/providers/{_PROVIDER}/clusters": self._list,
            rf"{GROUP}/providers/{_PROVIDER}/clusters/(?P<name>[^/]+)": self._cluster,
            rf"{_LOCATION}/operationStatuses/(?P<id>[^/]+)": self._operation,
            rf"{GROUP}/providers/{_PROVIDER}/clusters/[^/]+/operationresults/(?P<id>[^/]+)": self._operation,
        }

    def settle(self) -> None:
        """Let what takes a while and has ended by now be so: links, and deletions."""
        now = self.arm.clock.timestamp()
        self.workspaces.settle(now)
        for id_, cluster in list(self.arm.clusters.items()):
            if cluster.state == "Deleting" and cluster.operation and now >= cluster.operation.ends:
                del self.arm.clusters[id_]
                self.workspaces.forget(cluster)
                self.arm.deleted.append(Deleted(cluster, cluster.operation.ends))

    def _check_right(self, principal: str, action: str, scope: str) -> None:
        check_right(self.state.rights, principal, f"{_PROVIDER}/{action}", scope)

    def _list(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "GET")
        scope = path["scope"]
        self._check_right(principal, "clusters/read", scope)
        visible = [
            cluster
            for id_, cluster in sorted(self.arm.clusters.items())
            if id_.startswith(scope.lower() + "/")
            and self.state.rights.allows(principal, f"{_PROVIDER}/clusters/read", cluster.id)
        ]
        start = int(base64.urlsafe_b64decode(request.args.get("$skiptoken", "MA==")))
        end = start + self.arm.page_size
        body: dict[str, Any] = {"value": [self._body(cluster) for cluster in visible[start:end]]}
        if end < len(visible):
            token = quote(base64.urlsafe_b64encode(str(end).encode()))
            version = request.args["api-version"]
            body["nextLink"] = (
                f"https://{self.state.cloud.arm_host}{request.path}?api-version={version}&$skiptoken={token}"
            )
        return answer(body)

    def _cluster(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "GET", "PATCH", "PUT", "DELETE")
        verb = {"GET": "read", "DELETE": "delete"}.get(request.method, "write")
        self._check_right(principal, f"clusters/{verb}", request.path)
        cluster = self.arm.clusters.get(request.path.rstrip("/").lower())
        body, now = request.get_json(force=True, silent=True), self.arm.clock.timestamp()
        if cluster is None and request.method == "PUT":
            check_scope_exists(self.arm.resource_groups, path)
            cluster, creation = create(path, body, now, self.arm.behaviour)
            check_room(cluster, self.arm.clusters.values(), self.arm.deleted, now)
            self.state.serve_region(cluster.location)
            self.arm.clusters[cluster.id.lower()] = cluster
            self.arm.operations[creation.id] = creation
            return self._accepted(cluster, creation, self.arm.behaviour, request.args["api-version"])
        if cluster is None:
            raise absent(self.arm.resource_groups, f"{_PROVIDER}/clusters", path)
        if request.method == "GET":
            return answer(self._body(cluster))
        behaviour = self.arm.behaviour_of(cluster)
        if request.method == "DELETE":
            ending = deletion(cluster, now, behaviour)
            self.arm.operations[ending.id] = ending
            return self._accepted(cluster, ending, behaviour, request.args["api-version"])
        cluster.settle(now, replace(behaviour, stale_seconds=0.0))  # A PUT is compared with what is in effect.
        is_put = request.method == "PUT"
        patch = as_patch(cluster, body) if is_put else body
        replication = replicated(cluster, body, now, behaviour) if is_put else cluster.replication
        operation = update(cluster, patch, now, behaviour, self.state.key_refusal)
        cluster.replication = replication
        if operation is None:
            return answer(self._body(cluster))
        self.arm.operations[operation.id] = operation
        return self._accepted(cluster, operation, behaviour, request.args["api-version"])

    def _accepted(self, cluster: Cluster, operation: Operation, behaviour: Behaviour, version: str) -> Response:
        if operation.outcome is not Outcome.NEVER:
            self.arm.clock.mark(operation.ends, f"end of an operation on {cluster.id}")
        body = json.dumps(self._body(cluster)) if behaviour.accepted_body else ""
        response = Response(body, behaviour.accepted_status, content_type="application/json; charset=utf-8")
        host = (
            f"{cluster.location}.{self.state.cloud.arm_host}"
            if behaviour.regional_operation_url
            else self.state.cloud.arm_host
        )
        base = f"https://{host}/subscriptions/{cluster.subscription}/providers/{_PROVIDER}/locations/{cluster.location}"
        query = f"{operation.id}?api-version={version}&t={operation.secret}&c=MIIsimulated"
        if behaviour.accepted_headers in {AcceptedHeaders.BOTH, AcceptedHeaders.AZURE_ASYNC_OPERATION}:
            response.headers["Azure-AsyncOperation"] = f"{base}/operationStatuses/{query}"
        if behaviour.accepted_headers in {AcceptedHeaders.BOTH, AcceptedHeaders.LOCATION}:
            # This form is that of the specification's examples of clusters.
            response.headers["Location"] = f"https://{host}{cluster.id}/operationresults/{query}"
        if behaviour.accepted_headers is not AcceptedHeaders.NONE:
            _retry_after(response, behaviour)
        # Werkzeug would rewrite a Location that it takes for a relative one.
        response.autocorrect_location_header = False
        return response

    def _operation(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        is_status = "/operationstatuses/" in request.path.lower()
        # The second name is a guess.
        kind = "locations/operationStatuses" if is_status else "clusters/operationResults"
        below = request.path.lower().partition("/operationresults/")[0]
        self._check_right(principal, f"{kind}/read", f"/subscriptions/{path['subscription']}" if is_status else below)
        operation = self.arm.operations.get(path["id"].lower())
        if operation is None or request.args.get("t") != operation.secret or "c" not in request.args:
            raise ArmError(404, "ResourceNotFound", "The operation was not found.")
        cluster = self.arm.clusters.get(operation.cluster_id.lower())
        behaviour = self.arm.behaviour_of(cluster) if cluster else self.arm.behaviour
        match behaviour.reading:
            case OperationReading.NOT_FOUND:
                message = f"The resource type '{kind}' could not be found in the namespace '{_PROVIDER}'."
                raise ArmError(404, "InvalidResourceType", message)
            case OperationReading.FORBIDDEN:
                raise ArmError(403, "AuthorizationFailed", f"No authorization to read {kind}.")
            case OperationReading.ERROR:
                raise ArmError(500, "InternalServerError", "The server encountered an error.")
            case OperationReading.EMPTY:
                return Response("", 200, content_type="application/json")
            case OperationReading.FINE:
                return self._status(operation, cluster, behaviour, request.path)

    def _status(self, operation: Operation, cluster: Cluster | None, behaviour: Behaviour, path: str) -> Response:
        now = self.arm.clock.timestamp()
        running = now < operation.ends
        if "/operationstatuses/" in path.lower():
            response = answer(operation_body(operation, path, now, nested_error=behaviour.nested_error))
        elif running:
            response = Response("", 202)
        elif operation.outcome is Outcome.SUCCEEDED:
            response = answer(self._body(cluster)) if cluster else Response("", 204)
        else:
            code, message = operation.error or ("OperationFailed", "The operation failed.")
            raise ArmError(400, code, message)
        if running:
            _retry_after(response, behaviour)
        return response

    def _body(self, cluster: Cluster) -> dict[str, Any]:
        behaviour = self.arm.behaviour_of(cluster)
        return cluster_body(
            cluster, self.state.tenants.of(cluster.id), self.arm.clock.timestamp(), behaviour, self.state.newest_version
        )


def _retry_after(response: Response, behaviour: Behaviour) -> None:
    if behaviour.retry_after is not None:
        response.headers["Retry-After"] = str(behaviour.retry_after)
