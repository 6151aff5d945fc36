"""A storage account: its queues and tables, and who may use them."""

from dataclasses import dataclass, field
from typing import Literal

from werkzeug.wrappers import Request

from simulator.clock import Clock
from simulator.entra import identity
from simulator.entra.rights import Rights
from simulator.entra.tenants import Tenants
from simulator.storage import QueueService, StorageError, TableService
from simulator.storage.customer_keys import CustomerKey


@dataclass(slots=True)
class StorageAccount:
    """A storage account's queues and tables."""

    name: str
    key: str | None
    """None for an account that takes tokens only."""
    suffix: str
    resource_id: str
    clock: Clock
    rights: Rights
    tenants: Tenants
    customer_key: CustomerKey | None = None
    """None for a key of Azure's own."""
    queues: QueueService = field(init=False)
    tables: TableService = field(init=False)

    def __post_init__(self) -> None:
        self.queues = QueueService(
            self.name, self.clock, lambda request: self._authorize(request, "queue"), key=self.key
        )
        self.tables = TableService(
            self.name, self.clock, lambda request: self._authorize(request, "table"), key=self.key
        )

    @property
    def connection_string(self) -> str:
        """As the portal gives it; only for an account with a key."""
        return (
            f"DefaultEndpointsProtocol=https;AccountName={self.name};AccountKey={self.key};EndpointSuffix={self.suffix}"
        )

    def host(self, kind: Literal["queue", "table"]) -> str:
        """Where a service of the account answers."""
        return f"{self.name}.{kind}.{self.suffix}"

    def set_clock(self, clock: Clock) -> None:
        """Live by another clock, such as a wrong one, from now on."""
        self.queues.set_clock(clock)
        self.tables.set_clock(clock)

    def set_newest_version(self, version: str) -> None:
        """Know no newer version of the API than this, from now on."""
        self.queues.set_newest_version(version)
        self.tables.set_newest_version(version)

    def refuses(self, principal: str, tenant: str) -> bool:
        """Whether a principal's token would be refused by the queues, if one is needed at all."""
        return self.key is None and not (
            tenant == self.tenants.of(self.resource_id)
            and self.rights.allows(principal, self._action("queue", "write"), self.resource_id)
        )

    @staticmethod
    def _action(kind: str, verb: str) -> str:
        # Three rights for each service in place of Azure's many data actions.
        return f"Microsoft.Storage/storageAccounts/{kind}Services/{verb}"

    def _authorize(self, request: Request, kind: Literal["queue", "table"]) -> bool:
        token = identity.authorize(request, {"https://storage.azure.com", f"https://{self.host(kind)}"})
        if token is None or token.tenant != self.tenants.of(self.resource_id):
            return False
        verb = "read" if request.method in {"GET", "HEAD"} else "write"
        if kind == "queue" and request.method == "POST":
            verb = "add"  # a message put on a queue
        if not self.rights.allows(token.principal, self._action(kind, verb), self.resource_id):
            message = "This request is not authorized to perform this operation using this permission."
            raise StorageError(403, "AuthorizationPermissionMismatch", message)
        return True
