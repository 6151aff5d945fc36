"""Links between workspaces and clusters, and the deletion of clusters: what takes a while and then is so.

From "Create and manage a dedicated cluster in Azure Monitor Logs": a link takes up to 90 minutes, a workspace may be
linked twice in 30 days, and all data of a deleted cluster is lost for good.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from werkzeug.wrappers import Request, Response

from simulator.arm_answers import GROUP, ArmError, Handler, answer, check_right, envelope
from simulator.behaviour import Outcome
from simulator.cluster_bodies import Workspace
from simulator.clusters import Cluster, Operation

if TYPE_CHECKING:
    from simulator.arm import Arm

LINK_SECONDS = 5_400.0
DELETION_SECONDS = 1_800.0
"""Not published."""
_MOST_LINKS = 2
_LINK_SPAN_SECONDS = 30 * 86_400.0
_PROVIDER = "Microsoft.OperationalInsights"


@dataclass(slots=True)
class Links:
    """The handlers for a workspace's link, over one ARM's workspaces and clusters."""

    arm: "Arm"
    _pending: dict[str, tuple[float, str | None]] = field(default_factory=dict)
    """By workspace id: when a link (to a cluster's id) or an unlinking (None) is done."""
    _made: dict[str, list[float]] = field(default_factory=dict)

    def routes(self) -> Mapping[str, Handler]:
        """Handlers by the pattern of their paths."""
        return {rf"{GROUP}/providers/{_PROVIDER}/workspaces/(?P<name>[^/]+)/linkedServices/cluster": self._link}

    def settle(self, now: float) -> None:
        """Let the links whose time has come take effect."""
        for id_, (ends, cluster_id) in list(self._pending.items()):
            if now >= ends:
                del self._pending[id_]
                self._apply(self.arm.workspaces[id_], cluster_id)

    def _apply(self, workspace: Workspace, cluster_id: str | None) -> None:
        for cluster in self.arm.clusters.values():
            cluster.workspaces = [one for one in cluster.workspaces if one.lower() != workspace.id.lower()]
        workspace.cluster_id = cluster_id
        if cluster_id:
            self.arm.clusters[cluster_id.lower()].workspaces.append(workspace.id)

    def _link(self, request: Request, principal: str, _: dict[str, str]) -> Response:
        id_ = request.path.lower().partition("/linkedservices/")[0]
        verb = {"GET": "read", "DELETE": "delete"}.get(request.method, "write")
        action = f"{_PROVIDER}/workspaces/linkedServices/{verb}"
        check_right(self.arm.rights, principal, action, request.path)
        workspace = self.arm.workspaces.get(id_)
        if workspace is None:
            raise ArmError(404, "ResourceNotFound", "Workspace not found")
        if request.method in {"PUT", "DELETE"}:
            if id_ in self._pending:
                raise ArmError(409, "Conflict", "Workspace link or unlink operation is in process")
            self._begin(workspace, request)
        elif id_ not in self._pending and workspace.cluster_id is None:
            raise ArmError(404, "ResourceNotFound", "The workspace is not linked to a cluster")
        return answer(self._body(workspace), 200 if request.method == "GET" else 202)

    def _begin(self, workspace: Workspace, request: Request) -> None:
        now, id_ = self.arm.clock.timestamp(), workspace.id.lower()
        if request.method == "DELETE":
            self._pending[id_] = (now + LINK_SECONDS, None)
            return
        body = request.get_json(force=True, silent=True)
        properties: Any = body.get("properties") if isinstance(body, dict) else None
        cluster_id = properties.get("writeAccessResourceId") if isinstance(properties, dict) else None
        if not isinstance(cluster_id, str) or cluster_id.lower() not in self.arm.clusters:
            raise ArmError(400, "BadRequest", "Cluster not found")
        made = [at for at in self._made.get(id_, []) if at > now - _LINK_SPAN_SECONDS]
        if len(made) >= _MOST_LINKS:
            raise ArmError(400, "BadRequest", "A workspace can be linked twice in 30 days")
        self._made[id_] = [*made, now]
        self._pending[id_] = (now + LINK_SECONDS, cluster_id)

    def _body(self, workspace: Workspace) -> dict[str, Any]:
        _, coming = self._pending.get(workspace.id.lower(), (0.0, workspace.cluster_id))
        state = "Succeeded"
        if workspace.id.lower() in self._pending:
            state = "ProvisioningAccount" if coming else "Deleting"
        body = envelope(f"{workspace.id}/linkedServices/cluster", f"{_PROVIDER}/workspaces/linkedServices", None)
        cluster_id = coming or workspace.cluster_id
        return {**body, "properties": {"writeAccessResourceId": cluster_id, "provisioningState": state}}


def deletion(cluster: Cluster, now: float) -> Operation:
    """Begin to delete a cluster, or refuse."""
    if cluster.busy(now):
        raise ArmError(409, "Conflict", "Can't delete a cluster while in provisioning state")
    cluster.state = "Deleting"
    cluster.operation = Operation(
        id=str(uuid4()),
        cluster_id=cluster.id,
        started=now,
        ends=now + DELETION_SECONDS,
        outcome=Outcome.SUCCEEDED,
        error=None,
        after_state="Deleted",
        after_key=None,
        target=None,
        state_meanwhile="Deleting",
    )
    return cluster.operation
