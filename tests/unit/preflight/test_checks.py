"""What each check says of things as they should be, of each fault that it is for, and of what could not be read."""

from dataclasses import replace
from typing import Any

import pytest

from cmk_rotation.domain.azure_resources import UnreadableEntry, Workspace
from cmk_rotation.domain.identifiers import Key
from cmk_rotation.domain.visit_message import PoisonQueue
from cmk_rotation.domain.vocabulary import FailureKind, Reason, RequestedBy, Stage
from cmk_rotation.preflight import app_checks, checks, cluster_checks, key_checks
from cmk_rotation.preflight.checks import Check
from cmk_rotation.preflight.findings import Eyes, Found, Level
from cmk_rotation.preflight.seen import (
    AccessPolicy,
    AlertRule,
    Details,
    Grant,
    LinkedAccount,
    Lock,
    Material,
)
from tests.unit.preflight.things import (
    APP,
    FUNCTION,
    GROUP,
    GROUP_ID,
    KEYS,
    LISTS_KEYS,
    ME,
    MOVES_CLUSTERS,
    OFFICER,
    OWNER,
    UNREAD,
    USES_KEYS,
    seen_app,
    seen_cluster,
    seen_key,
    seen_scope,
    seen_vault,
    subscription,
    vault,
)
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    HOUR,
    KEY,
    MINUTE,
    NOW,
    REFUSED,
    SCOPE,
    V1,
    V2,
    cluster,
    failure,
    must,
    over,
    rotation,
    status,
    version,
)

FINE, FAILS, WARNING, UNKNOWN = Level.FINE, Level.FAILS, Level.WARNING, Level.UNKNOWN
WITHOUT_KEY = cluster(key_vault_uri=None, key_name=None, key_version=None)
AUTO = cluster(key_version=None)
USER = Details("westeurope", "userassigned", (ME,))
CONDITIONAL = replace(USES_KEYS, conditional=True)
ODD = (UnreadableEntry("law-odd", "shows nothing"), UnreadableEntry("an entry", "no id"))
OTHER = must(Key.of("https://other.vault.azure.net", "other"))


def policies(*keys: str, principal: str = ME) -> dict[str, Any]:
    return {"vault": vault(by_roles=False, policies=(AccessPolicy(principal, frozenset(keys)),))}


def may(*keys: str) -> dict[str, Any]:
    return policies(*keys, principal=FUNCTION)


def called(reason: Reason) -> dict[str, Any]:
    return {"status": status(reason=reason, attention_reason=reason, message="it is so", remedy="Do it.")}


CLUSTERS: list[tuple[Check[Any], dict[str, Any], Level | None, str]] = [
    (cluster_checks.cluster_is_at_rest, {}, FINE, "at rest"),
    (cluster_checks.cluster_is_at_rest, {"cluster": cluster(state="Failed")}, FAILS, "is Failed"),
    (cluster_checks.cluster_is_at_rest, {"cluster": cluster(state="Deleting")}, WARNING, "deleted"),
    (cluster_checks.cluster_is_at_rest, {"cluster": cluster(state="Updating")}, WARNING, "busy (Updating)"),
    (cluster_checks.mode_is_known, {}, FINE, f"pins version {V1} of la-cmk"),
    (cluster_checks.mode_is_known, {"cluster": WITHOUT_KEY}, FINE, "nothing to rotate"),
    (cluster_checks.mode_is_known, {"cluster": AUTO}, FINE, "by itself"),
    (cluster_checks.mode_is_known, {"cluster": cluster(held=True)}, WARNING, "is held"),
    (cluster_checks.version_in_use_is_alive, {}, FINE, "never expires"),
    (cluster_checks.version_in_use_is_alive, {"cluster": AUTO}, None, ""),
    (cluster_checks.version_in_use_is_alive, {"versions": REFUSED}, UNKNOWN, "CodeRefused: it is refused"),
    (cluster_checks.version_in_use_is_alive, {"versions": (version(V2),)}, FAILS, "does not list"),
    (cluster_checks.version_in_use_is_alive, {"versions": (version(enabled=False),)}, FAILS, "is disabled"),
    (cluster_checks.version_in_use_is_alive, {"versions": (version(expires_at=NOW),)}, FAILS, "has expired"),
    (cluster_checks.version_in_use_is_alive, {"versions": (version(expires_at=NOW + 9 * DAY),)}, WARNING, "in 9 days"),
    (cluster_checks.version_in_use_is_alive, {"versions": (version(expires_at=NOW + 90 * DAY),)}, FINE, "in 90 days"),
    (cluster_checks.identity_may_use_the_key, {}, FINE, "may get, wrap and unwrap"),
    (cluster_checks.identity_may_use_the_key, {"cluster": WITHOUT_KEY}, None, ""),
    (cluster_checks.identity_may_use_the_key, {"details": UNREAD}, UNKNOWN, "the thing"),
    (cluster_checks.identity_may_use_the_key, {"details": Details("x", "none", ())}, FAILS, "has no identity"),
    (cluster_checks.identity_may_use_the_key, {"vault": None}, UNKNOWN, "no subscription that you may see"),
    (cluster_checks.identity_may_use_the_key, {"vault": UNREAD}, UNKNOWN, "the thing"),
    (cluster_checks.identity_may_use_the_key, {"vault": vault(hsm=True)}, UNKNOWN, "Managed HSM"),
    (cluster_checks.identity_may_use_the_key, {"grants": UNREAD}, UNKNOWN, "the thing"),
    (
        cluster_checks.identity_may_use_the_key,
        {"grants": (replace(CONDITIONAL, data_actions=(f"{KEYS}/read",)),)},
        FAILS,
        f"{KEYS}/unwrap/action",
    ),
    (cluster_checks.identity_may_use_the_key, {"grants": ()}, FAILS, f"{KEYS}/unwrap/action"),
    (cluster_checks.identity_may_use_the_key, {"grants": (LISTS_KEYS,)}, FAILS, f"lacks {KEYS}/wrap/action, "),
    (cluster_checks.identity_may_use_the_key, {"grants": (CONDITIONAL,)}, UNKNOWN, "condition of Key Vault Crypto"),
    (cluster_checks.identity_may_use_the_key, {"grants": (CONDITIONAL, USES_KEYS)}, FINE, "may get"),
    (
        cluster_checks.identity_may_use_the_key,
        {"grants": (Grant("odd", "/", data_actions=("*",), not_data_actions=(f"{KEYS}/unwrap/*",)),)},
        FAILS,
        f"lacks {KEYS}/unwrap/action on",
    ),
    (cluster_checks.identity_may_use_the_key, policies("get", "wrapkey", "unwrapkey"), FINE, "an access policy"),
    (cluster_checks.identity_may_use_the_key, policies("all"), FINE, "an access policy"),
    (
        cluster_checks.identity_may_use_the_key,
        policies("get"),
        FAILS,
        "no access policy gives its identity unwrapkey, ",
    ),
    (cluster_checks.identity_may_use_the_key, policies("get", principal=GROUP), FAILS, "get, unwrapkey, wrapkey"),
    (
        cluster_checks.identity_may_use_the_key,
        policies("all", principal=GROUP),
        UNKNOWN,
        f"group that has it ({GROUP})",
    ),
    (cluster_checks.vault_is_near, {}, FINE, "shares region and tenant"),
    (cluster_checks.vault_is_near, {"vault": None}, None, ""),
    (cluster_checks.vault_is_near, {"details": UNREAD}, None, ""),
    (cluster_checks.vault_is_near, {"tenant": UNREAD}, UNKNOWN, "the thing"),
    (
        cluster_checks.vault_is_near,
        {"vault": vault(location="northeurope")},
        FAILS,
        "region northeurope, the cluster in",
    ),
    (cluster_checks.vault_is_near, {"tenant": "another"}, FAILS, "the cluster in another"),
    (cluster_checks.nothing_locks_it, {}, FINE, "no lock"),
    (cluster_checks.nothing_locks_it, {"locks": UNREAD}, UNKNOWN, "the thing"),
    (cluster_checks.nothing_locks_it, {"locks": (Lock(GROUP_ID.upper(), "ReadOnly", "keep"),)}, FAILS, "(keep at "),
    (cluster_checks.nothing_locks_it, {"locks": (Lock(GROUP_ID, "CanNotDelete", "keep"),)}, FINE, "no lock"),
    (cluster_checks.nothing_locks_it, {"locks": (Lock(f"{GROUP_ID}-2", "ReadOnly", "keep"),)}, FINE, "no lock"),
    (cluster_checks.workspaces_are_well, {}, None, ""),
    (
        cluster_checks.workspaces_are_well,
        {"workspaces": (Workspace("/ws", "Succeeded"),)},
        FINE,
        "its linked workspace",
    ),
    (cluster_checks.workspaces_are_well, {"workspaces": (Workspace("/a", "Succeeded"),) * 2}, FINE, "2 linked"),
    (cluster_checks.workspaces_are_well, {"workspaces": (Workspace("/ws", "Failed"),)}, FAILS, "are Failed: ws"),
    (cluster_checks.workspaces_are_well, {"workspaces": (Workspace("/ws", None),)}, UNKNOWN, "(ws)"),
    (cluster_checks.sentinel_agrees, {}, None, ""),
    (cluster_checks.sentinel_agrees, {"sentinel": UNREAD}, UNKNOWN, "the thing"),
    (cluster_checks.sentinel_agrees, {"sentinel": ("ws",), "cluster": WITHOUT_KEY}, None, ""),
    (cluster_checks.sentinel_agrees, {"sentinel": ("ws",), "details": UNREAD}, UNKNOWN, "the thing"),
    (cluster_checks.sentinel_agrees, {"sentinel": ("ws",), "cluster": AUTO}, WARNING, "follows its key by itself"),
    (cluster_checks.sentinel_agrees, {"sentinel": ("ws",), "details": USER}, WARNING, "identity is userassigned"),
    (cluster_checks.sentinel_agrees, {"sentinel": ("ws",)}, FINE, "Microsoft Sentinel is on ws"),
    (cluster_checks.linked_storage_follows, {}, None, ""),
    (cluster_checks.linked_storage_follows, {"linked": UNREAD}, UNKNOWN, "the thing"),
    (
        cluster_checks.linked_storage_follows,
        {"linked": (LinkedAccount("/sa", KEY, V1),)},
        WARNING,
        "older version of the key: sa",
    ),
    (cluster_checks.linked_storage_follows, {"linked": (LinkedAccount("/sa", KEY, V2),)}, FINE, "no older"),
    (cluster_checks.linked_storage_follows, {"linked": (LinkedAccount("/sa", OTHER, V1),)}, FINE, "no older"),
    (cluster_checks.linked_storage_follows, {"linked": (LinkedAccount("/sa", KEY, None),)}, FINE, "no older"),
    (
        cluster_checks.linked_storage_follows,
        {"linked": (LinkedAccount("/sa", KEY, V1),), "versions": REFUSED},
        UNKNOWN,
        "whether linked storage accounts",
    ),
    (cluster_checks.function_sees_it, {}, FINE, "looked at 2026-03-01 11:55Z: up-to-date"),
    (cluster_checks.function_sees_it, {"status": None}, WARNING, "has not looked"),
    (cluster_checks.function_sees_it, called(Reason.CLUSTER_ACCESS_DENIED), FAILS, "(it is so)"),
    (cluster_checks.function_sees_it, called(Reason.MOVED_BACK), WARNING, "moved-back (it is so)"),
]
KEYS_AND_VAULTS: list[tuple[Check[Any], dict[str, Any], Level | None, str]] = [
    (key_checks.a_version_is_usable, {}, FINE, f"newest usable version {V2}"),
    (key_checks.a_version_is_usable, {"versions": REFUSED}, UNKNOWN, "CodeRefused"),
    (key_checks.a_version_is_usable, {"versions": (version(enabled=False),)}, FAILS, "no usable version"),
    (key_checks.function_reads_it, {}, FINE, "without trouble"),
    (key_checks.function_reads_it, {"statuses": ()}, None, ""),
    (key_checks.function_reads_it, {"statuses": (called(Reason.KEY_ACCESS_DENIED)["status"],)}, FAILS, "it is so"),
    (key_checks.material_is_fit, {}, FINE, "RSA, 3072 bits"),
    (key_checks.material_is_fit, {"material": UNREAD}, UNKNOWN, "the thing"),
    (key_checks.material_is_fit, {"material": Material("EC-HSM", None, frozenset())}, FAILS, "of type EC-HSM"),
    (key_checks.material_is_fit, {"material": Material("RSA-HSM", 1024, frozenset())}, FAILS, "1024 bits"),
    (
        key_checks.material_is_fit,
        {"material": Material("RSA-HSM", 4096, frozenset({"wrapkey"}))},
        FAILS,
        "permit unwrapkey",
    ),
]
OF_VAULTS: list[tuple[Check[Any], dict[str, Any], Level | None, str]] = [
    (key_checks.vault_is_recoverable, {}, FINE, "are on"),
    (key_checks.vault_is_recoverable, {"vault": None}, UNKNOWN, "no subscription that you may see"),
    (key_checks.vault_is_recoverable, {"vault": UNREAD}, UNKNOWN, "the thing"),
    (key_checks.vault_is_recoverable, {"vault": vault(purge_protection=False)}, FAILS, "purge protection off"),
    (key_checks.azure_monitor_gets_in, {}, FINE, "open to all"),
    (key_checks.azure_monitor_gets_in, {"vault": UNREAD}, None, ""),
    (key_checks.azure_monitor_gets_in, {"vault": vault(public_access="securedbyperimeter")}, FAILS, "perimeter"),
    (key_checks.azure_monitor_gets_in, {"vault": vault(public_access="disabled")}, FINE, "lets Azure Monitor in"),
    (
        key_checks.azure_monitor_gets_in,
        {"vault": vault(public_access="disabled"), "user_assigned": ("web-shop",)},
        FAILS,
        "cannot reach it (web-shop)",
    ),
    (
        key_checks.azure_monitor_gets_in,
        {"vault": vault(default_deny=True, trusted_services=False)},
        FAILS,
        "lets trusted services in no more",
    ),
    (key_checks.function_gets_in, {}, FINE, "2026-03-01 11:55Z"),
    (key_checks.function_gets_in, {"statuses": ()}, WARNING, "has not read a key"),
    (
        key_checks.function_gets_in,
        {"statuses": (status(reason=Reason.KEY_VAULT_BLOCKED),)},
        FAILS,
        "keeps the function out",
    ),
    (key_checks.function_may_list_its_keys, {}, FINE, "and no more"),
    (key_checks.function_may_list_its_keys, {"vault": vault(hsm=True)}, None, ""),
    (key_checks.function_may_list_its_keys, {"vault": None}, None, ""),
    (key_checks.function_may_list_its_keys, {"function_principal": UNREAD}, UNKNOWN, "the thing"),
    (key_checks.function_may_list_its_keys, {"function_grants": UNREAD}, UNKNOWN, "the thing"),
    (key_checks.function_may_list_its_keys, {"function_grants": ()}, FAILS, "may not list"),
    (
        key_checks.function_may_list_its_keys,
        {"function_grants": (replace(LISTS_KEYS, conditional=True),)},
        UNKNOWN,
        f"the condition of CMK rotation keys at {GROUP_ID}",
    ),
    (key_checks.function_may_list_its_keys, {"function_grants": (OFFICER,)}, WARNING, "Key Vault Crypto Officer at"),
    (key_checks.function_may_list_its_keys, may("list", "get"), FINE, "and no more"),
    (key_checks.function_may_list_its_keys, may("get"), FAILS, "may not list"),
    (key_checks.function_may_list_its_keys, may("list", "sign"), WARNING, "than it needs: sign"),
    (key_checks.its_events_reach_the_app, {}, FINE, "no rotation has shown it yet"),
    (key_checks.its_events_reach_the_app, {"rotations": (rotation(),)}, FINE, "reach the app"),
    (key_checks.its_events_reach_the_app, {"vault": None}, None, ""),
    (key_checks.its_events_reach_the_app, {"vault": vault(hsm=True)}, FINE, "reconcile only"),
    (key_checks.its_events_reach_the_app, {"registered": UNREAD}, UNKNOWN, "the thing"),
    (key_checks.its_events_reach_the_app, {"events": UNREAD}, UNKNOWN, "the thing"),
    (key_checks.its_events_reach_the_app, {"registered": False}, WARNING, "not registered"),
    (key_checks.its_events_reach_the_app, {"events": ()}, WARNING, "no event subscription"),
    (
        key_checks.its_events_reach_the_app,
        {"events": (subscription(destination="/other"),)},
        WARNING,
        "points to this app",
    ),
    (key_checks.its_events_reach_the_app, {"app": None}, FINE, "event subscription"),
    (
        key_checks.its_events_reach_the_app,
        {"events": (subscription(destination=f"https://{APP.rpartition('/')[2]}.azurewebsites.net/runtime"),)},
        FINE,
        "event subscription",
    ),
    (
        key_checks.its_events_reach_the_app,
        {"events": (subscription(event_types=frozenset({"microsoft.keyvault.keyexpired"})),)},
        WARNING,
        "leaves new key versions out",
    ),
    (key_checks.its_events_reach_the_app, {"events": (subscription(state="Failed"),)}, WARNING, "is Failed"),
    (
        key_checks.its_events_reach_the_app,
        {"rotations": (rotation(requested_by=RequestedBy.RECONCILE),)},
        WARNING,
        "no event has led",
    ),
    (key_checks.its_events_reach_the_app, {"events": (subscription(dead_letters=False),)}, WARNING, "no dead letters"),
]
SCOPES: list[tuple[Check[Any], dict[str, Any], Level | None, str]] = [
    (app_checks.scope_can_be_listed, {}, FINE, "holds a cluster"),
    (app_checks.scope_can_be_listed, {"clusters": 3}, FINE, "holds 3 clusters"),
    (app_checks.scope_can_be_listed, {"clusters": 0}, WARNING, "holds no cluster"),
    (app_checks.scope_can_be_listed, {"failure": failure(FailureKind.NOT_FOUND)}, FAILS, "is not there"),
    (app_checks.scope_can_be_listed, {"failure": REFUSED}, UNKNOWN, "its clusters"),
    (app_checks.scope_can_be_listed, {"clusters": 0, "unreadable": ODD}, None, ""),
    (app_checks.its_clusters_can_be_read, {}, FINE, "no cluster that cannot be read"),
    (app_checks.its_clusters_can_be_read, {"failure": REFUSED}, None, ""),
    (app_checks.its_clusters_can_be_read, {"unreadable": ODD}, UNKNOWN, "law-odd (shows nothing); an entry (no id)"),
    (app_checks.provider_is_registered, {}, FINE, "is registered"),
    (app_checks.provider_is_registered, {"registered": UNREAD}, UNKNOWN, "the thing"),
    (app_checks.provider_is_registered, {"registered": False}, FAILS, "is not registered"),
    (app_checks.api_version_is_spoken, {}, FINE, "2022-10-01"),
    (app_checks.api_version_is_spoken, {"versions": UNREAD}, UNKNOWN, "the thing"),
    (app_checks.api_version_is_spoken, {"versions": ("2021-06-01",)}, FAILS, "there, but 2021-06-01"),
    (app_checks.function_may_move_its_clusters, {}, FINE, "and no more"),
    (app_checks.function_may_move_its_clusters, {"function_grants": UNREAD}, UNKNOWN, "the thing"),
    (app_checks.function_may_move_its_clusters, {"function_grants": ()}, FAILS, "clusters/write"),
    (
        app_checks.function_may_move_its_clusters,
        {"function_grants": (replace(MOVES_CLUSTERS, scope=GROUP_ID),)},
        FAILS,
        "lacks Microsoft.OperationalInsights/locations/operationStatuses/read at the subscription",
    ),
    (
        app_checks.function_may_move_its_clusters,
        {"function_grants": (replace(MOVES_CLUSTERS, conditional=True),)},
        UNKNOWN,
        f"the condition of CMK rotation at {SCOPE.text}",
    ),
    (
        app_checks.function_may_move_its_clusters,
        {"function_grants": (replace(MOVES_CLUSTERS, conditional=True, not_actions=("*/clusters/write",)),)},
        FAILS,
        "clusters/write",
    ),
    (
        app_checks.function_may_move_its_clusters,
        {"function_grants": (replace(MOVES_CLUSTERS, conditional=True, scope=GROUP_ID),)},
        FAILS,
        "at the subscription",
    ),
    (app_checks.function_may_move_its_clusters, {"function_grants": (OWNER,)}, WARNING, f"Owner at {SCOPE.text}"),
]
APPS: list[tuple[Check[Any], dict[str, Any], Level | None, str]] = [
    (app_checks.storage_can_be_reached, {}, FINE, "is empty"),
    (app_checks.storage_can_be_reached, {"poison": UNREAD}, UNKNOWN, "the thing"),
    (app_checks.storage_can_be_reached, {"poison": PoisonQueue(2)}, WARNING, "2 messages"),
    (app_checks.function_is_alive, {}, FINE, "2026-03-01 11:55Z"),
    (app_checks.function_is_alive, {"statuses": ()}, WARNING, "nothing is on record"),
    (app_checks.function_is_alive, {"statuses": (status(looked_at=NOW - 2 * DAY),)}, FAILS, "more than a day ago"),
    (
        app_checks.function_is_alive,
        {"statuses": (status(looked_at=NOW - 2 * DAY),), "silent_before": NOW - 14 * DAY},
        FINE,
        "it last wrote",
    ),
    (
        app_checks.function_is_alive,
        {"statuses": (status(looked_at=NOW - 2 * DAY),), "silent_before": None},
        FAILS,
        "more than a day ago",
    ),
    (app_checks.function_has_its_identity, {}, FINE, "that it works with"),
    (app_checks.function_has_its_identity, {"principal": None}, FAILS, "does not have the identity"),
    (app_checks.function_has_its_identity, {"principal": UNREAD}, UNKNOWN, "the thing"),
    (app_checks.evidence_is_apart, {}, FINE, "no cluster in scope encrypts"),
    (app_checks.evidence_is_apart, {"workspace": None}, UNKNOWN, "TELEMETRY_WORKSPACE_ID"),
    (app_checks.evidence_is_apart, {"at_risk": ("payments",)}, FAILS, "linked to payments"),
    (app_checks.heartbeat_is_new, {}, FINE, "2026-03-01 11:55Z"),
    (app_checks.heartbeat_is_new, {"workspace": None}, None, ""),
    (app_checks.heartbeat_is_new, {"heartbeat": UNREAD}, UNKNOWN, "the thing"),
    (app_checks.heartbeat_is_new, {"heartbeat": None}, FAILS, "no heartbeat has ever"),
    (
        app_checks.heartbeat_is_new,
        {"heartbeat": NOW - 31 * MINUTE},
        FAILS,
        "three runs: the last is of 2026-03-01 11:29Z",
    ),
    (app_checks.heartbeat_is_new, {"heartbeat": NOW - 5 * HOUR, "silent_before": NOW - 12 * HOUR}, FINE, "07:00Z"),
    (app_checks.heartbeat_is_new, {"silent_before": None}, UNKNOWN, "RECONCILE_SCHEDULE names a setting"),
    (app_checks.alerts_are_on, {}, FINE, "2 alert rules are on"),
    (app_checks.alerts_are_on, {"workspace": None}, None, ""),
    (app_checks.alerts_are_on, {"alerts": UNREAD}, UNKNOWN, "the thing"),
    (app_checks.alerts_are_on, {"alerts": ()}, WARNING, "no alert rule"),
    (app_checks.alerts_are_on, {"alerts": (AlertRule("silent", enabled=False),)}, WARNING, "are off: silent"),
]
CASES = [
    *((seen_cluster, *case) for case in CLUSTERS),
    *((seen_key, *case) for case in KEYS_AND_VAULTS),
    *((seen_vault, *case) for case in OF_VAULTS),
    *((seen_scope, *case) for case in SCOPES),
    *((seen_app, *case) for case in APPS),
]
ALL = [
    *checks.OF_THE_APP,
    *checks.OF_A_SCOPE,
    *checks.OF_A_VAULT,
    *checks.OF_A_KEY,
    *checks.OF_A_CLUSTER,
]


@pytest.mark.parametrize(
    ("seen", "check", "changes", "level", "told"),
    CASES,
    ids=[f"{case[1].__name__}-{number}" for number, case in enumerate(CASES)],
)
def test_a_check_says(seen: Any, check: Check[Any], changes: dict[str, Any], level: Level | None, told: str) -> None:
    found = check(seen(**changes))
    if level is None:
        assert found is None
        return
    assert found is not None
    assert found.level is level
    assert told in found.message
    assert (found.remedy is None) == (level is FINE), "what is not fine comes with what to do"


def test_every_check_is_told_of_something_fine_and_of_something_that_is_not() -> None:
    levels: dict[str, set[Level | None]] = {}
    for _, check, _, level, _ in CASES:
        levels.setdefault(check.__name__, set()).add(level)
    assert levels.keys() == {check.__name__ for check in ALL}
    assert all(FINE in found and len(found - {FINE, None}) >= 1 for found in levels.values())


def test_what_the_function_met_is_told_as_the_function() -> None:
    as_the_function = {
        cluster_checks.function_sees_it: seen_cluster(),
        key_checks.function_reads_it: seen_key(),
        key_checks.function_gets_in: seen_vault(),
        app_checks.function_is_alive: seen_app(),
    }
    found: list[Found | None] = [check(seen) for check, seen in as_the_function.items()]  # type: ignore[operator]
    assert {one.eyes for one in found if one} == {Eyes.FUNCTION}
    others: list[Found | None] = [
        cluster_checks.nothing_locks_it(seen_cluster()),
        key_checks.material_is_fit(seen_key()),
    ]
    assert {one.eyes for one in others if one} == {Eyes.YOU}


def test_a_group_that_an_access_policy_names_may_be_anybodys() -> None:
    found = cluster_checks.identity_may_use_the_key(
        seen_cluster(
            vault=vault(
                by_roles=False, policies=(AccessPolicy(ME, frozenset({"get"})), AccessPolicy(GROUP, frozenset({"all"})))
            )
        )
    )
    assert found is not None
    assert found.level is UNKNOWN
    assert "Entra" in (found.remedy or "")


def test_findings_name_their_check_and_what_they_are_about() -> None:
    found = checks.run(checks.OF_A_CLUSTER, seen_cluster(), "cluster law-one", CLUSTER.text)
    assert [one.check for one in found][:2] == ["cluster-is-at-rest", "mode-is-known"]
    assert {(one.about, one.about_id) for one in found} == {("cluster law-one", CLUSTER.text)}
    assert {one.found.level for one in found} == {FINE}


def test_a_rotation_on_record_needs_no_event_to_be_proof_of_events() -> None:
    by_event = over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, requested_by=RequestedBy.EVENT)
    by_timer = over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, requested_by=RequestedBy.RECONCILE)
    found = key_checks.its_events_reach_the_app(seen_vault(rotations=(by_event, by_timer)))
    assert found is not None
    assert found.level is FINE
