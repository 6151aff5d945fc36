"""Tags of a resource, as a resource of their own: what `az tag` speaks to. Nothing else of the resource is sent or changed.

From the REST reference "Tags - Update At Scope" and "Use tags to organize your Azure resources": at most 50, names without
regard to case. That a cluster takes no tags while it is busy follows from what is said of any update of it.
"""

from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator.arm.answers import GROUP, ArmError, Handler, answer, check_method, check_right, not_found
from simulator.operationalinsights.clusters import update
from simulator.state import State

_MOST = 50
_VERBS = {"GET": "read", "DELETE": "delete"}


class Tags:
    """The handlers for these paths, over one Azure's things."""

    def __init__(self, state: State) -> None:
        self.state = state

    def routes(self) -> Mapping[str, Handler]:
        """Handlers by the pattern of their paths."""
        return {rf"{GROUP}/providers/[^/]+/[^/]+/[^/]+/providers/Microsoft\.Resources/tags/default": self._tags}

    def _tags(self, request: Request, principal: str, _: dict[str, str]) -> Response:
        check_method(request, "GET", "PUT", "PATCH", "DELETE")
        scope = request.path[: request.path.lower().index("/providers/microsoft.resources/tags/")]
        verb = _VERBS.get(request.method, "write")
        check_right(self.state.rights, principal, f"Microsoft.Resources/tags/{verb}", scope)
        before = self._found(scope).tags
        if request.method == "GET":
            return _answer(scope, before)
        after = {} if request.method == "DELETE" else _changed(before, request)
        if len(after) > _MOST:
            raise ArmError(400, "TagsLimitExceeded", f"A resource can have {_MOST} tags at most.")
        self._set(scope, after)
        return _answer(scope, after)

    def _found(self, scope: str) -> Any:
        arm, key = self.state.arm, scope.lower()
        vaults = {vault.resource_id.lower(): vault for vault in self.state.vaults.values()}
        found = arm.clusters.get(key) or arm.workspaces.get(key) or vaults.get(key)
        if found is None:
            raise not_found(scope)
        return found

    def _set(self, scope: str, tags: dict[str, str]) -> None:
        arm = self.state.arm
        if cluster := arm.clusters.get(scope.lower()):
            now, behaviour = arm.clock.timestamp(), arm.behaviour_of(cluster)
            update(cluster, {"tags": tags}, now, behaviour, self.state.key_refusal)
        else:
            self._found(scope).tags = tags


def _changed(before: dict[str, str], request: Request) -> dict[str, str]:
    body: Any = request.get_json(force=True, silent=True)
    properties = body.get("properties") if isinstance(body, dict) else None
    wanted = properties.get("tags") if isinstance(properties, dict) else None
    if not isinstance(wanted, dict) or not all(isinstance(value, str) for value in wanted.values()):
        raise ArmError(400, "InvalidRequestContent", "The request content was invalid and could not be deserialized.")
    named = {name.lower(): value for name, value in wanted.items()}
    match str(body.get("operation")).lower() if request.method == "PATCH" else "replace":
        case "replace":
            return wanted
        case "merge":
            return {name: value for name, value in before.items() if name.lower() not in named} | wanted
        case "delete":  # by name, or by name and value
            return {name: value for name, value in before.items() if named.get(name.lower()) not in {"", value}}
    raise ArmError(400, "InvalidTagsOperation", "The operation must be Replace, Merge or Delete.")


def _answer(scope: str, tags: dict[str, str]) -> Response:
    id_ = f"{scope}/providers/Microsoft.Resources/tags/default"
    return answer({"id": id_, "name": "default", "type": "Microsoft.Resources/tags", "properties": {"tags": tags}})
