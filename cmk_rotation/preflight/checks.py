"""All checks, in order: the specification of `preflight`.

Each says one thing about one thing, or nothing where it does not apply or where another one has said it.
"""

from collections.abc import Callable, Iterable, Sequence

from cmk_rotation.preflight import app_checks, cluster_checks, key_checks
from cmk_rotation.preflight.findings import Finding, Found
from cmk_rotation.preflight.seen import SeenApp, SeenCluster, SeenKey, SeenScope, SeenVault

type Check[Seen] = Callable[[Seen], Found | None]

OF_THE_APP: Sequence[Check[SeenApp]] = (
    app_checks.storage_can_be_reached,
    app_checks.function_has_its_identity,
    app_checks.function_is_alive,
    app_checks.evidence_is_apart,
    app_checks.heartbeat_is_new,
    app_checks.alerts_are_on,
)
OF_A_SCOPE: Sequence[Check[SeenScope]] = (
    app_checks.scope_can_be_listed,
    app_checks.its_clusters_can_be_read,
    app_checks.provider_is_registered,
    app_checks.api_version_is_spoken,
    app_checks.function_may_move_its_clusters,
)
OF_A_VAULT: Sequence[Check[SeenVault]] = (
    key_checks.vault_is_recoverable,
    key_checks.azure_monitor_gets_in,
    key_checks.function_gets_in,
    key_checks.function_may_list_its_keys,
    key_checks.its_events_reach_the_app,
)
OF_A_KEY: Sequence[Check[SeenKey]] = (
    key_checks.a_version_is_usable,
    key_checks.function_reads_it,
    key_checks.material_is_fit,
)
OF_A_CLUSTER: Sequence[Check[SeenCluster]] = (
    cluster_checks.cluster_is_at_rest,
    cluster_checks.mode_is_known,
    cluster_checks.version_in_use_is_alive,
    cluster_checks.identity_may_use_the_key,
    cluster_checks.vault_is_near,
    cluster_checks.nothing_locks_it,
    cluster_checks.workspaces_are_well,
    cluster_checks.sentinel_agrees,
    cluster_checks.linked_storage_follows,
    cluster_checks.function_sees_it,
)


def run[Seen](checks: Iterable[Check[Seen]], seen: Seen, about: str, about_id: str) -> list[Finding]:
    """What all checks find about one thing."""
    found = [(check.__name__.replace("_", "-"), check(seen)) for check in checks]
    return [Finding(name, about, about_id, one) for name, one in found if one is not None]
