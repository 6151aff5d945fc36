"""Answers in Azure Resource Manager's shapes, shared by what it is made of."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator.entra.identity import principal_id
from simulator.entra.rights import Rights

type Handler = Callable[[Request, str, dict[str, str]], Response]
"""Answers a request by a principal to a path whose named parts are given."""

SUBSCRIPTION = r"/subscriptions/(?P<subscription>[^/]+)"
GROUP = SUBSCRIPTION + r"/resourceGroups/(?P<group>[^/]+)"
EITHER = rf"(?P<scope>{SUBSCRIPTION}(?:/resourceGroups/[^/]+)?)"
"""A subscription or a resource group, to list in."""


_CLUSTERS = re.compile(r".*/providers/Microsoft\.OperationalInsights/clusters(?:/[^/]+)?/?", re.IGNORECASE)


class ArmError(Exception):
    """An answer other than success, in ARM's shape."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}


def answer(body: Mapping[str, Any], status: int = 200) -> Response:
    """A JSON answer."""
    return Response(json.dumps(body), status, content_type="application/json; charset=utf-8")


def listed(bodies: Iterable[Mapping[str, Any]]) -> Response:
    """A list of one page."""
    return answer({"value": list(bodies)})


def envelope(id_: str, type_: str, location: str | None = "westeurope") -> dict[str, Any]:
    """What every resource begins with."""
    body = {"id": id_, "name": id_.rstrip("/").rpartition("/")[2], "type": type_}
    return body if location is None else {**body, "location": location, "tags": {}}


def check_right(rights: Rights, principal: str, action: str, scope: str) -> None:
    """Refuse whoever may not do something to a scope."""
    if not rights.allows(principal, action, scope):
        raise ArmError(
            403,
            "AuthorizationFailed",
            f"The client '{principal_id(principal)}' with object id '{principal_id(principal)}' does not have authorization to "
            f"perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please "
            "refresh your credentials.",
        )


def not_found(id_: str) -> ArmError:
    """The answer for a resource that is not there."""
    return ArmError(404, "ResourceNotFound", f"The Resource '{id_}' was not found.")


def check_cluster_version(request: Request, known: frozenset[str], region: str) -> None:
    """Refuse a version that the provider is not registered with, in the words of Azure/azure-cli issue 26639."""
    version = request.args["api-version"]
    if _CLUSTERS.fullmatch(request.path) and version not in known:
        raise ArmError(
            400,
            "NoRegisteredProviderFound",
            f"No registered resource provider found for location '{region}' and API version '{version}' for type "
            f"'clusters'. The supported api-versions are '{', '.join(sorted(known))}'. The supported locations are "
            f"'{region}'.",
        )


def check_scope_exists(resource_groups: set[tuple[str, str]], path: Mapping[str, str]) -> None:
    """Refuse a path whose subscription or resource group is not there."""
    subscription = path["subscription"].lower()
    if subscription not in {known for known, _ in resource_groups}:
        raise ArmError(404, "SubscriptionNotFound", f"The subscription '{path['subscription']}' could not be found.")
    group = path.get("group") or path.get("scope", "").lower().partition("/resourcegroups/")[2]
    if group and (subscription, group.lower()) not in resource_groups:
        raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")


def absent(resource_groups: set[tuple[str, str]], type_: str, path: Mapping[str, str]) -> ArmError:
    """Why there is no such resource: its subscription, its group, or itself is missing."""
    check_scope_exists(resource_groups, path)
    message = f"The Resource '{type_}/{path['name']}' under resource group '{path['group']}' was not found."
    return ArmError(404, "ResourceNotFound", message)


def check_method(request: Request, *allowed: str) -> None:
    """Refuse a method that a path does not have here."""
    if request.method not in allowed:
        raise ArmError(405, "MethodNotAllowed", f"The simulator does not {request.method} this.")


def json_body(request: Request) -> dict[str, Any]:
    """The body, which must be an object whose `properties` and `tags`, if any, are objects; tags are texts."""
    body: Any = request.get_json(force=True, silent=True)
    if not isinstance(body, dict) or not all(isinstance(body.get(it), dict | None) for it in ("properties", "tags")):
        raise _bad_body()
    if not all(isinstance(tag, str) for tag in (body.get("tags") or {}).values()):
        raise _bad_body()
    return {**body, "properties": body.get("properties") or {}}


def _bad_body() -> ArmError:
    return ArmError(400, "InvalidRequestContent", "The request content was invalid and could not be deserialized.")
