"""Workspaces: reading and updating them, and their links to clusters.

From "Create and manage a dedicated cluster in Azure Monitor Logs": a link takes up to 90 minutes, and a workspace may
be linked twice in 30 days. That any update which succeeds ends a Failed state is ARM's custom, not documented for these.
"""

from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator.arm.answers import (
    EITHER,
    GROUP,
    ArmError,
    Handler,
    absent,
    answer,
    check_method,
    check_right,
    envelope,
    json_body,
    listed,
)
from simulator.arm.cluster_bodies import workspace_body
from simulator.operationalinsights.clusters import Cluster
from simulator.operationalinsights.workspaces import Workspace
from simulator.state import State

LINK_SECONDS = 5_400.0
_MOST_LINKS = 2
_LINK_SPAN_SECONDS = 30 * 86_400.0
_PROVIDER = "Microsoft.OperationalInsights"


class Workspaces:
    """The handlers for these paths, over one Azure's workspaces and clusters."""

    def __init__(self, state: State) -> None:
        self.state, self.arm = state, state.arm
        self._pending: dict[str, tuple[float, str | None]] = {}
        """By workspace id: when a link (to a cluster's id) or an unlinking (None) is done."""
        self._made: dict[str, list[float]] = {}

    def routes(self) -> Mapping[str, Handler]:
        """Handlers by the pattern of their paths."""
        one = rf"{GROUP}/providers/{_PROVIDER}/workspaces/(?P<name>[^/]+)"
        return {
            rf"{EITHER}/providers/{_PROVIDER}/workspaces": self._list,
            one: self._workspace,
            rf"{one}/linkedServices/cluster": self._link,
        }

    def settle(self, now: float) -> None:
        """Let the links whose time has come take effect."""
        for id_, (ends, cluster_id) in list(self._pending.items()):
            if now >= ends:
                del self._pending[id_]
                self._apply(self.arm.workspaces[id_], cluster_id)

    def forget(self, cluster: Cluster) -> None:
        """Let go of a cluster that is no more: its workspaces are on their own, and links to it never come about."""
        gone = cluster.id.lower()
        for workspace in self.arm.workspaces.values():
            id_ = workspace.id.lower()
            if (workspace.cluster_id or "").lower() == gone:
                workspace.cluster_id = None
            if (self._pending.get(id_, (0.0, None))[1] or "").lower() == gone:
                del self._pending[id_]
                workspace.state = "Failed"

    def _apply(self, workspace: Workspace, cluster_id: str | None) -> None:
        concerned = self.arm.clusters.get((cluster_id or workspace.cluster_id or "").lower())
        if concerned and self.arm.behaviour_of(concerned).links_fail:
            workspace.state = "Failed"
            return
        for cluster in self.arm.clusters.values():
            cluster.workspaces = [one for one in cluster.workspaces if one.lower() != workspace.id.lower()]
        workspace.state, workspace.cluster_id = "Succeeded", cluster_id
        if cluster_id:
            self.arm.clusters[cluster_id.lower()].workspaces.append(workspace.id)

    def _list(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "GET")
        check_right(self.state.rights, principal, f"{_PROVIDER}/workspaces/read", path["scope"])
        inside = path["scope"].lower() + "/"
        return listed(self._shown(one) for id_, one in sorted(self.arm.workspaces.items()) if id_.startswith(inside))

    def _workspace(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "GET", "PATCH")
        verb = "read" if request.method == "GET" else "write"
        check_right(self.state.rights, principal, f"{_PROVIDER}/workspaces/{verb}", request.path)
        workspace = self.arm.workspaces.get(request.path.rstrip("/").lower())
        if workspace is None:
            raise absent(self.arm.resource_groups, f"{_PROVIDER}/workspaces", path)
        if request.method == "PATCH":
            tags = json_body(request).get("tags")
            workspace.tags = workspace.tags if tags is None else tags
            workspace.state = "Succeeded"
        return answer(self._shown(workspace))

    def _shown(self, workspace: Workspace) -> dict[str, Any]:
        cluster = self.arm.clusters.get((workspace.cluster_id or "").lower())
        if cluster is None:
            return workspace_body(workspace, workspace.state)
        behaviour = self.arm.behaviour_of(cluster)
        failed = cluster.shown(self.arm.clock.timestamp(), behaviour)[0] == "Failed"
        return workspace_body(workspace, "Failed" if behaviour.workspaces_fail and failed else workspace.state)

    def _link(self, request: Request, principal: str, _: dict[str, str]) -> Response:
        id_ = request.path.lower().partition("/linkedservices/")[0]
        verb = {"GET": "read", "DELETE": "delete"}.get(request.method, "write")
        action = f"{_PROVIDER}/workspaces/linkedServices/{verb}"
        check_right(self.state.rights, principal, action, request.path)
        workspace = self.arm.workspaces.get(id_)
        if workspace is None:
            raise ArmError(404, "ResourceNotFound", "Workspace not found")
        if request.method in {"PUT", "DELETE"}:
            if id_ in self._pending:
                raise ArmError(409, "Conflict", "Workspace link or unlink operation is in process")
            if request.method == "DELETE" and workspace.cluster_id is None:
                raise ArmError(404, "ResourceNotFound", "The workspace is not linked to a cluster")
            self._begin(workspace, request)
        elif id_ not in self._pending and workspace.cluster_id is None:
            raise ArmError(404, "ResourceNotFound", "The workspace is not linked to a cluster")
        return answer(self._body(workspace), 200 if request.method == "GET" else 202)

    def _begin(self, workspace: Workspace, request: Request) -> None:
        now, id_ = self.arm.clock.timestamp(), workspace.id.lower()
        if request.method == "DELETE":
            self._wait_for(id_, now + LINK_SECONDS, None)
            return
        cluster_id = json_body(request)["properties"].get("writeAccessResourceId")
        cluster = self.arm.clusters.get(cluster_id.lower()) if isinstance(cluster_id, str) else None
        # In another tenant there is none to find; other regions cannot be linked either.
        if cluster is None or self.state.tenants.of(cluster.id) != self.state.tenants.of(workspace.id):
            raise ArmError(400, "BadRequest", "Cluster not found")
        if cluster.state == "Deleting" or cluster.location.lower() != workspace.location.lower():
            raise ArmError(400, "BadRequest", "The cluster is being deleted, or is in another region")
        made = [at for at in self._made.get(id_, []) if at > now - _LINK_SPAN_SECONDS]
        if len(made) >= _MOST_LINKS:
            raise ArmError(400, "BadRequest", "A workspace can be linked twice in 30 days")
        self._made[id_] = [*made, now]
        self._wait_for(id_, now + LINK_SECONDS, cluster.id)

    def _wait_for(self, id_: str, ends: float, cluster_id: str | None) -> None:
        self._pending[id_] = (ends, cluster_id)
        self.arm.clock.mark(ends, f"link of {id_}")

    def _body(self, workspace: Workspace) -> dict[str, Any]:
        _, coming = self._pending.get(workspace.id.lower(), (0.0, workspace.cluster_id))
        state = "Succeeded"
        if workspace.id.lower() in self._pending:
            state = "ProvisioningAccount" if coming else "Deleting"
        body = envelope(f"{workspace.id}/linkedServices/cluster", f"{_PROVIDER}/workspaces/linkedServices", None)
        body["name"] = f"{workspace.name}/Cluster"  # As in the specification's examples.
        cluster_id = coming or workspace.cluster_id
        return {**body, "properties": {"writeAccessResourceId": cluster_id, "provisioningState": state}}
