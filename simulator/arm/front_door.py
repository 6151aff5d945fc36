"""The front door of Azure Resource Manager: what is the same for every request, and who answers which.

Paths ignore case. Errors have the shape and the codes of "Azure Resource Manager error codes".
"""

import re
from collections.abc import Callable
from uuid import uuid4

from werkzeug.wrappers import Request, Response

from simulator.arm.answers import SUBSCRIPTION, ArmError, Handler, answer, check_cluster_version, check_scope_exists
from simulator.arm.locks import check_locks
from simulator.arm.throttle import Throttle
from simulator.entra import identity
from simulator.operationalinsights.clusters import RefusedError
from simulator.state import State


class FrontDoor:
    """The control plane of one cloud: a service for its ARM host and the regional ones."""

    def __init__(
        self, state: State, settle: Callable[[], None], note: Callable[[Request, Response, str], None]
    ) -> None:
        self.state = state
        self.settle = settle
        """Lets what takes a while and has ended by now be so, before each request."""
        self.note = note
        """Takes down what was asked by whom, and how it was answered."""
        self.routes: dict[str, Handler] = {}
        """What answers by the pattern of the path."""
        self.throttle = Throttle()

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
        if token := identity.authorize(request, self.state.cloud.arm_audiences):
            self.note(request, response, token.principal)
        return response

    def _route(self, request: Request) -> Response:
        token = identity.authorize(request, self.state.cloud.arm_audiences)
        if token is None:
            code = "InvalidAuthenticationToken" if "Authorization" in request.headers else "AuthenticationFailed"
            raise ArmError(
                401, code, "Authentication failed: the access token is missing, expired or for another audience."
            )
        self._check_tenant(request.path, token.tenant)
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}(-\w+)?", request.args.get("api-version", "")):
            message = "The api-version query parameter (?api-version=) is required for all requests."
            raise ArmError(400, "MissingApiVersionParameter", message)
        check_cluster_version(request, self.state.arm.cluster_versions, "westeurope")
        name, left = self._throttle(request, token.principal)
        self.settle()
        for pattern, handler in self.routes.items():
            if match := re.fullmatch(pattern, request.path.rstrip("/"), re.IGNORECASE):
                path = match.groupdict()
                if "scope" in path and "subscription" in path:
                    check_scope_exists(self.state.arm.resource_groups, path)
                check_locks(request, self.state.locks)
                response = handler(request, token.principal, path)
                response.headers[name] = left
                return response
        raise ArmError(
            404, "InvalidResourceType", "The resource type could not be found in the namespace for this api version."
        )

    def _check_tenant(self, path: str, tenant: str) -> None:
        """Refuse another tenant's token, in the words of Azure/azure-sdk-for-net issue 49391."""
        expected = self.state.tenants.of(path)
        # Beside subscriptions there are only lists of one's own, and the root of HOME.
        if path.lower() not in {"/subscriptions", "/tenants"} and tenant != expected:
            raise ArmError(
                401,
                "InvalidAuthenticationTokenTenant",
                f"The access token is from the wrong issuer '{identity.issuer(tenant)}'. It must match the tenant "
                f"'{identity.issuer(expected)}' associated with this subscription.",
            )

    def _throttle(self, request: Request, principal: str) -> tuple[str, str]:
        """Refuse whoever asks too often; the result is the header that tells how much is left."""
        subscription = re.match(SUBSCRIPTION, request.path, re.IGNORECASE)
        scope = subscription["subscription"] if subscription else ""
        kind, left, seconds = self.throttle.take(principal, scope, request.method, self.state.arm.clock.timestamp())
        if seconds:
            message = f"Number of {kind} for the subscription '{scope}' exceeded its limit. Please try again later."
            raise ArmError(429, "SubscriptionRequestsThrottled", message, {"Retry-After": str(seconds)})
        return f"x-ms-ratelimit-remaining-subscription-{kind}", str(left)
