"""Azure Resource Manager: the part of Microsoft.OperationalInsights that dedicated clusters need.

Paths ignore case; answers carry ids in Azure's own casing, or in a dirty one if so chosen. Errors have the shape and
the codes of "Azure Resource Manager error codes".
"""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from werkzeug.wrappers import Request, Response

from simulator import identity
from simulator.arm_answers import (
    CLUSTER_VERSIONS,
    EITHER,
    GROUP,
    SUBSCRIPTION,
    ArmError,
    Handler,
    answer,
    check_cluster_version,
    check_method,
    check_right,
)
from simulator.behaviour import AcceptedHeaders, Behaviour, OperationReading, Outcome
from simulator.clock import OwnClock
from simulator.cluster_bodies import Workspace, cluster_body, operation_body
from simulator.cluster_writes import Deleted, as_patch, check_room, create, deletion, replicated
from simulator.clusters import Cluster, ClusterKey, KeyRefusal, Operation, RefusedError, update
from simulator.rights import Rights
from simulator.tenants import Tenants
from simulator.throttle import Throttle
from simulator.workspaces import Workspaces

_PROVIDER = "Microsoft.OperationalInsights"
_LOCATION = rf"{SUBSCRIPTION}/providers/{_PROVIDER}/locations/(?P<location>[^/]+)"


@dataclass(slots=True)
class Arm:
    """The control plane of one cloud: a service for its ARM host and the regional ones."""

    host: str
    audiences: frozenset[str]
    clock: OwnClock
    rights: Rights
    tenants: Tenants
    key_refusal: KeyRefusal
    newest_version: Callable[[ClusterKey], str]
    serve_region: Callable[[str], None]
    """Makes a region's own host answer too."""
    behaviour: Behaviour = field(default_factory=Behaviour)
    page_size: int = 100
    cluster_versions: frozenset[str] = CLUSTER_VERSIONS
    """In which versions of the API clusters can be spoken of."""
    clusters: dict[str, Cluster] = field(default_factory=dict)
    """By id in lower case, as are the workspaces. Taking one out deletes it."""
    workspaces: dict[str, Workspace] = field(default_factory=dict)
    resource_groups: set[tuple[str, str]] = field(default_factory=set)
    """Subscription and name, in lower case."""
    operations: dict[str, Operation] = field(default_factory=dict)
    deleted: list[Deleted] = field(default_factory=list)
    """Clusters that a DELETE took away."""

    routes: dict[str, Handler] = field(default_factory=dict)
    """What answers by the pattern of the path; other providers add theirs."""
    throttle: Throttle = field(default_factory=Throttle)
    workspace_service: Workspaces = field(init=False)

    def __post_init__(self) -> None:
        self.workspace_service = Workspaces(self)
        self.routes |= {
            **self.workspace_service.routes(),
            rf"{EITHER}/providers/{_PROVIDER}/clusters": self._list,
            rf"{GROUP}/providers/{_PROVIDER}/clusters/(?P<name>[^/]+)": self._cluster,
            rf"{_LOCATION}/operationStatuses/(?P<id>[^/]+)": self._operation,
            rf"{GROUP}/providers/{_PROVIDER}/clusters/[^/]+/operationresults/(?P<id>[^/]+)": self._operation,
        }

    def __call__(self, request: Request) -> Response:
        """Answer a request."""
        # ARM reads an empty segment as if it were not there: the Azure CLI's `resource show` writes one.
        request.path = re.sub("/{2,}", "/", request.path)
        try:
            response = self._route(request)
        except (ArmError, RefusedError) as error:
            response = answer({"error": {"code": error.code, "message": error.message}}, error.status)
            if error.status == 401:
                response.headers["WWW-Authenticate"] = f'Bearer error="invalid_token", error_description="{error.code}"'
            if isinstance(error, ArmError):
                response.headers.update(error.headers)
        sent = request.headers
        response.headers["x-ms-request-id"] = str(uuid4())
        response.headers["x-ms-correlation-request-id"] = sent.get("x-ms-correlation-request-id", str(uuid4()))
        if "x-ms-client-request-id" in sent:
            response.headers["x-ms-client-request-id"] = sent["x-ms-client-request-id"]
        return response

    def behaviour_of(self, cluster: Cluster) -> Behaviour:
        """The cluster's own behaviour, or Azure's."""
        return cluster.behaviour or self.behaviour

    def finish_update(self, cluster: Cluster) -> None:
        """End a running update now, with the outcome it has coming; one that never ends goes on."""
        if cluster.operation and cluster.operation.outcome is not Outcome.NEVER:
            cluster.operation = replace(cluster.operation, ends=self.clock.timestamp())
            self.operations[cluster.operation.id] = cluster.operation

    def _route(self, request: Request) -> Response:
        token = identity.authorize(request, self.audiences)
        if token is None:
            code = "InvalidAuthenticationToken" if "Authorization" in request.headers else "AuthenticationFailed"
            raise ArmError(
                401, code, "Authentication failed: the access token is missing, expired or for another audience."
            )
        self._check_tenant(request.path, token.tenant)
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}(-\w+)?", request.args.get("api-version", "")):
            message = "The api-version query parameter (?api-version=) is required for all requests."
            raise ArmError(400, "MissingApiVersionParameter", message)
        check_cluster_version(request, self.cluster_versions, "westeurope")
        name, left = self._throttle(request, token.principal)
        self.settle()
        for pattern, handler in self.routes.items():
            if match := re.fullmatch(pattern, request.path.rstrip("/"), re.IGNORECASE):
                path = match.groupdict()
                if "scope" in path and "subscription" in path:
                    self.check_scope_exists(path)
                response = handler(request, token.principal, path)
                response.headers[name] = left
                return response
        raise ArmError(
            404, "InvalidResourceType", "The resource type could not be found in the namespace for this api version."
        )

    def _check_tenant(self, path: str, tenant: str) -> None:
        """Refuse another tenant's token, in the words of Azure/azure-sdk-for-net issue 49391."""
        expected = self.tenants.of(path)
        # Beside subscriptions there are only lists of one's own, and the root of HOME.
        if path.lower() not in {"/subscriptions", "/tenants"} and tenant != expected:
            raise ArmError(
                401,
                "InvalidAuthenticationTokenTenant",
                f"The access token is from the wrong issuer '{identity.issuer(tenant)}'. It must match the tenant "
                f"'{identity.issuer(expected)}' associated with this subscription.",
            )

    def settle(self) -> None:
        """Let what takes a while and has ended by now be so: links, and deletions."""
        now = self.clock.timestamp()
        self.workspace_service.settle(now)
        for id_, cluster in list(self.clusters.items()):
            if cluster.state == "Deleting" and cluster.operation and now >= cluster.operation.ends:
                del self.clusters[id_]
                self.workspace_service.forget(cluster)
                self.deleted.append(Deleted(cluster, cluster.operation.ends))

    def _throttle(self, request: Request, principal: str) -> tuple[str, str]:
        """Refuse whoever asks too often; the result is the header that tells how much is left."""
        subscription = re.match(SUBSCRIPTION, request.path, re.IGNORECASE)
        scope = subscription["subscription"] if subscription else ""
        kind, left, seconds = self.throttle.take(principal, scope, request.method, self.clock.timestamp())
        if seconds:
            message = f"Number of {kind} for the subscription '{scope}' exceeded its limit. Please try again later."
            raise ArmError(429, "SubscriptionRequestsThrottled", message, {"Retry-After": str(seconds)})
        return f"x-ms-ratelimit-remaining-subscription-{kind}", str(left)

    def _check_right(self, principal: str, action: str, scope: str) -> None:
        check_right(self.rights, principal, f"{_PROVIDER}/{action}", scope)

    def _list(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "GET")
        scope = path["scope"]
        self._check_right(principal, "clusters/read", scope)
        visible = [
            cluster
            for id_, cluster in sorted(self.clusters.items())
            if id_.startswith(scope.lower() + "/")
            and self.rights.allows(principal, f"{_PROVIDER}/clusters/read", cluster.id)
        ]
        start = int(base64.urlsafe_b64decode(request.args.get("$skiptoken", "MA==")))
        end = start + self.page_size
        body: dict[str, Any] = {"value": [self._body(cluster) for cluster in visible[start:end]]}
        if end < len(visible):
            token = quote(base64.urlsafe_b64encode(str(end).encode()))
            version = request.args["api-version"]
            body["nextLink"] = f"https://{self.host}{request.path}?api-version={version}&$skiptoken={token}"
        return answer(body)

    def _cluster(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "GET", "PATCH", "PUT", "DELETE")
        verb = {"GET": "read", "DELETE": "delete"}.get(request.method, "write")
        self._check_right(principal, f"clusters/{verb}", request.path)
        cluster = self.clusters.get(request.path.rstrip("/").lower())
        body, now = request.get_json(force=True, silent=True), self.clock.timestamp()
        if cluster is None and request.method == "PUT":
            self.check_scope_exists(path)
            cluster, creation = create(path, body, now, self.behaviour)
            check_room(cluster, self.clusters.values(), self.deleted, now)
            self.serve_region(cluster.location)
            self.clusters[cluster.id.lower()] = cluster
            self.operations[creation.id] = creation
            return self._accepted(cluster, creation, self.behaviour, request.args["api-version"])
        if cluster is None:
            raise self.not_found("clusters", path)
        if request.method == "GET":
            return answer(self._body(cluster))
        behaviour = self.behaviour_of(cluster)
        if request.method == "DELETE":
            ending = deletion(cluster, now, behaviour)
            self.operations[ending.id] = ending
            return self._accepted(cluster, ending, behaviour, request.args["api-version"])
        cluster.settle(now, replace(behaviour, stale_seconds=0.0))  # A PUT is compared with what is in effect.
        is_put = request.method == "PUT"
        patch = as_patch(cluster, body) if is_put else body
        replication = replicated(cluster, body, now, behaviour) if is_put else cluster.replication
        operation = update(cluster, patch, now, behaviour, self.key_refusal)
        cluster.replication = replication
        if operation is None:
            return answer(self._body(cluster))
        self.operations[operation.id] = operation
        return self._accepted(cluster, operation, behaviour, request.args["api-version"])

    def _accepted(self, cluster: Cluster, operation: Operation, behaviour: Behaviour, version: str) -> Response:
        if operation.outcome is not Outcome.NEVER:
            self.clock.mark(operation.ends, f"end of an operation on {cluster.id}")
        body = json.dumps(self._body(cluster)) if behaviour.accepted_body else ""
        response = Response(body, behaviour.accepted_status, content_type="application/json; charset=utf-8")
        host = f"{cluster.location}.{self.host}" if behaviour.regional_operation_url else self.host
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
        operation = self.operations.get(path["id"].lower())
        if operation is None or request.args.get("t") != operation.secret or "c" not in request.args:
            raise ArmError(404, "ResourceNotFound", "The operation was not found.")
        cluster = self.clusters.get(operation.cluster_id.lower())
        behaviour = self.behaviour_of(cluster) if cluster else self.behaviour
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
        now = self.clock.timestamp()
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
        behaviour = self.behaviour_of(cluster)
        return cluster_body(
            cluster, self.tenants.of(cluster.id), self.clock.timestamp(), behaviour, self.newest_version
        )

    def check_scope_exists(self, path: dict[str, str]) -> None:
        """Refuse a path whose subscription or resource group is not there."""
        subscription = path["subscription"].lower()
        if subscription not in {known for known, _ in self.resource_groups}:
            raise ArmError(
                404, "SubscriptionNotFound", f"The subscription '{path['subscription']}' could not be found."
            )
        group = path.get("group") or path.get("scope", "").lower().partition("/resourcegroups/")[2]
        if group and (subscription, group.lower()) not in self.resource_groups:
            raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")

    def not_found(self, kind: str, path: dict[str, str]) -> ArmError:
        """Why there is no such resource: its subscription, its group, or itself is missing."""
        self.check_scope_exists(path)
        message = (
            f"The Resource '{_PROVIDER}/{kind}/{path['name']}' under resource group '{path['group']}' was not found."
        )
        return ArmError(404, "ResourceNotFound", message)


def _retry_after(response: Response, behaviour: Behaviour) -> None:
    if behaviour.retry_after is not None:
        response.headers["Retry-After"] = str(behaviour.retry_after)
