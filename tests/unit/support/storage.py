"""A cluster with linked storage, and what reconcile sees of it."""

from datetime import timedelta

from cmk_rotation.domain.azure_resources import AccountKey
from cmk_rotation.domain.cluster_record import LinkedStorage
from cmk_rotation.domain.identifiers import StorageId
from cmk_rotation.domain.vocabulary import FailureKind, Stage
from tests.unit.support.builders import (
    CLUSTER,
    HOUR,
    KEY_NAME,
    MINUTE,
    SUBSCRIPTION,
    V1,
    VAULT,
    WORKSPACE,
    cluster,
    failure,
    must,
)
from tests.unit.support.worlds import Fakes

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-storage"
ACCOUNT = must(StorageId.parse(f"{GROUP}/providers/Microsoft.Storage/storageAccounts/saved"))
LINKED_TO = must(StorageId.parse(WORKSPACE))
DARK = must(StorageId.parse(f"{WORKSPACE}-dark"))
DENIED = failure(FailureKind.REFUSED, code="AuthorizationFailed")
PINNED = AccountKey(VAULT, KEY_NAME, V1, V1)


def linked(key: AccountKey | None = PINNED, **changes: object) -> Fakes:
    """A cluster on V1 whose workspace is linked to an account on V1; nothing was ever looked at."""
    fakes = Fakes()
    for name, value in changes.items():
        setattr(fakes, name, value)
    fakes.clusters.stored[CLUSTER] = cluster(workspace_ids=(WORKSPACE,))
    fakes.storage.links[LINKED_TO] = (ACCOUNT,)
    fakes.storage.keys[ACCOUNT] = key
    return fakes


def reconcile(fakes: Fakes, after: timedelta = 10 * MINUTE) -> None:
    fakes.clock.now += after
    fakes.reconcile()


def row(fakes: Fakes) -> LinkedStorage:
    return fakes.records.accounts[ACCOUNT]


def rotated(fakes: Fakes) -> None:
    """Reconcile has looked; then the key's new version reached the cluster."""
    reconcile(fakes)
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]


def reconciles(fakes: Fakes, times: int = 2) -> None:
    for _ in range(times):
        reconcile(fakes)
