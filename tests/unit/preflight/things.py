"""Things as they should be, for a check to find something wrong with one of them."""

from dataclasses import replace
from typing import Any

from cmk_rotation.domain.visit_message import PoisonQueue
from cmk_rotation.preflight.seen import (
    AlertRule,
    Details,
    EventSubscription,
    Grant,
    Material,
    SeenApp,
    SeenCluster,
    SeenKey,
    SeenScope,
    SeenVault,
    Unread,
    Vault,
)
from tests.unit.support.builders import (
    DAY,
    KEY,
    MINUTE,
    NOW,
    SCOPE,
    SUBSCRIPTION,
    V1,
    V2,
    WORKSPACE,
    cluster,
    status,
    version,
)

UNREAD = Unread("the thing", "AuthorizationFailed: no", "Some/right")
TENANT = "7e1c1f2a-0000-4000-8000-000000000001"
ME, GROUP, FUNCTION = "me", "a-group", "the-function"
GROUP_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-logs"
APP = f"{GROUP_ID}/providers/Microsoft.Web/sites/fn"
KEYS = "Microsoft.KeyVault/vaults/keys"
USES_KEYS = Grant(
    "Key Vault Crypto Service Encryption User",
    GROUP_ID,
    data_actions=(f"{KEYS}/read", f"{KEYS}/wrap/action", f"{KEYS}/unwrap/action"),
)
MOVES_CLUSTERS = Grant(
    "CMK rotation",
    SCOPE.text,
    actions=(
        "Microsoft.OperationalInsights/clusters/read",
        "Microsoft.OperationalInsights/clusters/write",
        "Microsoft.OperationalInsights/workspaces/read",
        "Microsoft.OperationalInsights/locations/operationStatuses/read",
    ),
)
LISTS_KEYS = Grant("CMK rotation keys", GROUP_ID, data_actions=(f"{KEYS}/read",))
OWNER = Grant("Owner", SCOPE.text, actions=("*",))
OFFICER = Grant("Key Vault Crypto Officer", SCOPE.text, data_actions=(f"{KEYS}/*",))


def vault(**changes: Any) -> Vault:
    """An open vault with Azure roles."""
    one = Vault(
        id=f"{GROUP_ID}/providers/Microsoft.KeyVault/vaults/contoso",
        host=KEY.vault,
        hsm=False,
        location="westeurope",
        tenant=TENANT,
        soft_delete=True,
        purge_protection=True,
        by_roles=True,
        policies=(),
        public_access="enabled",
        default_deny=False,
        trusted_services=True,
    )
    return replace(one, **changes)


def seen_cluster(**changes: Any) -> SeenCluster:
    """A cluster that would rotate without trouble."""
    one = SeenCluster(
        now=NOW,
        expiry_warning=30 * DAY,
        cluster=cluster(),
        details=Details("westeurope", "systemassigned", (ME,)),
        versions=(version(V1), version(V2)),
        vault=vault(),
        tenant=TENANT,
        grants=(USES_KEYS,),
        locks=(),
        workspaces=(),
        sentinel=(),
        linked=(),
        status=status(),
    )
    return replace(one, **changes)


def seen_key(**changes: Any) -> SeenKey:
    """A key that storage takes."""
    made = Material("RSA", 3072, frozenset({"wrapkey", "unwrapkey", "sign"}))
    return replace(SeenKey(NOW, KEY, (version(V1), version(V2)), made, (status(),)), **changes)


def seen_vault(**changes: Any) -> SeenVault:
    """A vault whose events reach the app."""
    one = SeenVault(
        host=KEY.vault,
        vault=vault(),
        user_assigned=(),
        events=(subscription(),),
        registered=True,
        app=APP,
        function_grants=(LISTS_KEYS,),
        function_principal=FUNCTION,
        statuses=(status(),),
        rotations=(),
    )
    return replace(one, **changes)


def subscription(**changes: Any) -> EventSubscription:
    """One to the app's function, with dead letters."""
    types = frozenset({"microsoft.keyvault.keynewversioncreated"})
    return replace(EventSubscription(f"{APP}/functions/on_key_event", types, "Succeeded", dead_letters=True), **changes)


def seen_scope(**changes: Any) -> SeenScope:
    """A scope with a cluster in it."""
    one = SeenScope(SCOPE, 1, (), None, (MOVES_CLUSTERS,), True, ("2025-07-01", "2022-10-01"), "2022-10-01")  # noqa: FBT003
    return replace(one, **changes)


def seen_app(**changes: Any) -> SeenApp:
    """An app that is alive, and watched."""
    one = SeenApp(
        now=NOW,
        principal=FUNCTION,
        silent_before=NOW - 30 * MINUTE,
        statuses=(status(),),
        poison=PoisonQueue(0),
        workspace=WORKSPACE,
        at_risk=(),
        heartbeat=NOW - 5 * MINUTE,
        alerts=(AlertRule("rotation-failed", enabled=True), AlertRule("silent", enabled=True)),
    )
    return replace(one, **changes)
