"""Management locks in ARM: what there are, and what they refuse.

From "Lock your Azure resources to protect your infrastructure" and the REST reference of management locks, 2016-09-01.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator.arm.answers import SUBSCRIPTION, ArmError, Handler, check_method, check_right, listed
from simulator.entra.roles import within
from simulator.state import Lock, State


class Locks:
    """The handler for their list."""

    def __init__(self, state: State) -> None:
        self.state = state

    def routes(self) -> Mapping[str, Handler]:
        """Handlers by the pattern of their paths."""
        return {rf"{SUBSCRIPTION}/providers/Microsoft\.Authorization/locks": self._list}

    def _list(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "GET")
        scope = f"/subscriptions/{path['subscription']}"
        check_right(self.state.rights, principal, "Microsoft.Authorization/locks/read", scope)
        return listed(_body(one) for one in self.state.locks if within(one.scope, scope))


def check_locks(request: Request, locks: Iterable[Lock]) -> None:
    """Refuse what a lock forbids: a read-only one whatever is no GET, POSTs included, the other one deletions."""
    if request.method == "GET":
        return
    for lock in locks:
        forbids = lock.level == "ReadOnly" or request.method == "DELETE"
        if forbids and within(request.path, lock.scope):
            verb = "delete" if request.method == "DELETE" else "write"
            raise ArmError(
                409,
                "ScopeLocked",
                f"The scope '{request.path}' cannot perform {verb} operation because following scope(s) are locked: "
                f"'{lock.scope}'. Please remove the lock and try again.",
            )


def _body(lock: Lock) -> dict[str, Any]:
    return {
        "id": f"{lock.scope}/providers/Microsoft.Authorization/locks/{lock.name}",
        "name": lock.name,
        "type": "Microsoft.Authorization/locks",
        "properties": {"level": lock.level},
    }
