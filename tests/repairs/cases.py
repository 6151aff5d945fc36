"""What goes wrong, what is told, and which of the told commands repair it.

A step of staging is a line of the playground's (docs/playground.md), or a command of the Azure CLI.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cmk_rotation.domain import repairs
from cmk_rotation.domain.repairs import Repair
from cmk_rotation.domain.vocabulary import Reason
from simulator.azure import FUNCTION, RESOURCE_GROUP, SUBSCRIPTION
from simulator.entra.identity import principal_id
from simulator.playground.fleet import SAVED_QUERIES, SECOND_SUBSCRIPTION

type Line = Mapping[str, object]

_APP = principal_id(FUNCTION)
_SCOPE = f"/subscriptions/{SUBSCRIPTION}"
_SOON = f"{datetime.now(UTC) + timedelta(days=20):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True)
class Case:
    """One failure and its repair."""

    title: str
    staged: tuple[str, ...]
    cluster: str | None
    """Whose line tells of it; None for a line about a scope."""
    event: str
    reason: Reason | None
    repairs: tuple[Repair, ...]
    """Those of the told commands that are run, in this order. The others are for vaults of another kind."""
    healed: Mapping[str, object]
    """Fields of a later line that says that all is well."""
    hsm: bool = False
    undone: tuple[str, ...] = field(default=())
    """What is put back as it was, beyond the repair."""


_IN_ITS_SUBSCRIPTION, _BACK = (f"az account set --subscription {one}" for one in (SECOND_SUBSCRIPTION, SUBSCRIPTION))
_RECOVERED = {"event": "cluster.recovered"}
_MOVED = {"event": "rotation.finished", "stage": "succeeded"}
_CALL, _END = "cluster.attention", "rotation.finished"
_DISABLED, _EXPIRED, _GONE = Reason.IN_USE_DISABLED, Reason.IN_USE_EXPIRED, Reason.KEY_NOT_FOUND
_READER = f"--assignee-object-id {_APP} --assignee-principal-type ServicePrincipal --role Reader --scope {_SCOPE}"
_UPDATER = _READER.replace("Reader", "'Cluster key updater'")
_CONTRIBUTOR = f"--assignee {_APP} --role 'Log Analytics Contributor' --scope {_SCOPE}"
_SAVED = f"{_SCOPE}/resourceGroups/{RESOURCE_GROUP}/providers/Microsoft.Storage/storageAccounts/{SAVED_QUERIES}"
_NEWEST = "$(basename $(az keyvault key show --vault-name contoso --name la-cmk --query key.kid --output tsv))"
_BY_AGE = "sort_by(@, &attributes.created)[-2].kid"
_PREVIOUS = (
    f"$(basename $(az keyvault key list-versions --vault-name contoso --name la-cmk --query '{_BY_AGE}' --output tsv))"
)
_MOVED_YET = (
    f"az monitor log-analytics cluster wait --resource-group {RESOURCE_GROUP} --name payments --interval 1 "
    f"--custom \"properties.provisioningState=='Succeeded' && properties.keyVaultProperties.keyVersion=='{_NEWEST}'\""
)
_LEFT_BEHIND = (
    f"az storage account update --ids {_SAVED} --encryption-key-source Microsoft.Keyvault "
    f"--encryption-key-vault https://contoso.vault.azure.net --encryption-key-name la-cmk --encryption-key-version {_PREVIOUS}"
)
_LINK = f"--resource-group {RESOURCE_GROUP} --workspace-name law-payments --type Query"

CASES = (
    Case(
        "the version in use is disabled",
        *(("key contoso/la-cmk: disable newest",), "payments", _CALL, _DISABLED, (repairs.ENABLE,), _RECOVERED),
    ),
    Case(
        "the version in use is disabled, in a Managed HSM",
        *(("key contoso-hsm/hsm-cmk: disable newest",), "ledger", _CALL, _DISABLED, (repairs.ENABLE,), _RECOVERED),
        hsm=True,
    ),
    Case(
        "the version in use has expired",
        *(("key contoso/la-cmk: expire newest",), "payments", _CALL, _EXPIRED, (repairs.EXTEND,), _RECOVERED),
    ),
    Case(
        "the version in use has expired, in a Managed HSM",
        *(("key contoso-hsm/hsm-cmk: expire newest",), "ledger", _CALL, _EXPIRED, (repairs.EXTEND,), _RECOVERED),
        hsm=True,
    ),
    Case(
        "the key is deleted",
        *(("key contoso/la-cmk: delete",), "payments", _CALL, _GONE, (repairs.RECOVER,), _RECOVERED),
    ),
    Case(
        "the key is deleted, in a Managed HSM",
        *(("key contoso-hsm/hsm-cmk: delete",), "ledger", _CALL, _GONE, (repairs.RECOVER,), _RECOVERED),
        hsm=True,
    ),
    Case(
        "the version in use expires soon",
        (f"az keyvault key set-attributes --vault-name fabrikam --name fraud-cmk --expires {_SOON}",),
        *("fraud", "key.expiring", None, (repairs.ROTATE,), _MOVED),
    ),
    Case(
        "the version in use expires soon, in a Managed HSM",
        (f"az keyvault key set-attributes --hsm-name contoso-hsm --name hsm-cmk --expires {_SOON}",),
        *("ledger", "key.expiring", None, (repairs.ROTATE,), _MOVED),
        hsm=True,
    ),
    Case(
        "the vault's firewall keeps the app out",
        *(("vault contoso: firewall",), "payments", _CALL, Reason.KEY_VAULT_BLOCKED, (repairs.ADMIT,), _RECOVERED),
        undone=("vault contoso: open",),
    ),
    Case(
        "the app may not list keys",
        ("right of function on contoso: take",),
        *("payments", _CALL, Reason.KEY_ACCESS_DENIED, (repairs.LET_APP_READ,), _RECOVERED),
    ),
    Case(
        "the app may not list keys, in a vault with access policies",
        (_IN_ITS_SUBSCRIPTION, "right of function on fabrikam: take"),
        *("fraud", _CALL, Reason.KEY_ACCESS_DENIED, (repairs.LET_APP_READ_BY_POLICY,), _RECOVERED),
        undone=(_BACK,),
    ),
    Case(
        "the operation fails, for the cluster may not use its key",
        (
            "cluster payments: updates check the key late",
            "right of payments on contoso: take",
            "key contoso/la-cmk: rotate",
        ),
        *("payments", _END, Reason.UPDATE_FAILED, (repairs.LET_CLUSTER_USE, repairs.VISIT), _MOVED),
    ),
    Case(
        "the cluster may not use its key, in a vault with access policies",
        (_IN_ITS_SUBSCRIPTION, "right of fraud on fabrikam: take", "key fabrikam/fraud-cmk: rotate"),
        *("fraud", _END, Reason.UPDATE_REFUSED, (repairs.LET_CLUSTER_USE_BY_POLICY, repairs.VISIT), _MOVED),
        undone=(_BACK,),
    ),
    Case(
        "the cluster may not use its key, in a Managed HSM",
        ("right of ledger on contoso-hsm: take", "key contoso-hsm/hsm-cmk: rotate"),
        *("ledger", _END, Reason.UPDATE_REFUSED, (repairs.LET_CLUSTER_USE, repairs.VISIT), _MOVED),
        hsm=True,
    ),
    Case(
        "the vault has no purge protection",
        (_IN_ITS_SUBSCRIPTION, "vault fabrikam: no purge protection", "key fabrikam/fraud-cmk: rotate"),
        *("fraud", _END, Reason.UPDATE_REFUSED, (repairs.PROTECT, repairs.VISIT), _MOVED),
        undone=(_BACK,),
    ),
    Case(
        "the Managed HSM has no purge protection",
        ("vault contoso-hsm: no purge protection", "key contoso-hsm/hsm-cmk: rotate"),
        *("ledger", _END, Reason.UPDATE_REFUSED, (repairs.PROTECT, repairs.VISIT), _MOVED),
        hsm=True,
    ),
    Case(
        "the cluster is Failed, and not by an update of ours",
        ("cluster payments: state Failed",),
        *("payments", _CALL, Reason.CLUSTER_FAILED, (repairs.SET_VERSION,), _RECOVERED),
    ),
    Case(
        "the version that a linked storage account uses is disabled, once its cluster has moved",
        (
            "key contoso/la-cmk: rotate",
            _MOVED_YET,
            _LEFT_BEHIND,
            f"az monitor log-analytics workspace linked-storage create {_LINK} --storage-accounts {_SAVED}",
            "key contoso/la-cmk: disable previous",
        ),
        *("payments", _CALL, Reason.STORAGE_KEY_DISABLED, (repairs.ENABLE, repairs.MOVE_ACCOUNT)),
        {"event": "storage.status", "reason": Reason.STORAGE_CURRENT.value},
        undone=(f"az monitor log-analytics workspace linked-storage delete --yes {_LINK}",),
    ),
    Case(
        "the app may read clusters and not update them",
        (
            f"az role assignment create {_READER}",
            f"az role assignment delete --assignee {_APP} --role 'Cluster key updater' --scope {_SCOPE}",
            "key contoso/la-cmk: rotate",
        ),
        *("payments", _END, Reason.UPDATE_REFUSED, (repairs.LET_APP_UPDATE, repairs.VISIT), _MOVED),
    ),
    Case(
        "the app may not list clusters",
        (f"az role assignment delete --assignee {_APP} --role Reader --scope {_SCOPE}",),
        *(None, "scope.failed", None, (repairs.LET_APP_UPDATE,), {"event": "reconcile.finished", "failedScopes": 0}),
        undone=(f"az role assignment create {_UPDATER}", f"az role assignment delete {_CONTRIBUTOR}"),
    ),
)
