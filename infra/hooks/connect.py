"""Connect the deployed app to clusters and key vaults. `azd` runs this after each deployment of the code."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from azure_cli import AzError, Azure, StoppedError, say, template_parameters
from belongings import EVENTS, LINKS, TOPICS, Belonging, belonging, find, tell_by_hand, tell_unseen
from environment import Installation, Place, connected_by_others, installation, scopes, storage_scopes, told, vaults
from extra_tags import extra_tags
from given_roles import given_role
from indexing import wait_for_function
from key_vaults import Vault, look_at, policy_offer
from locks import locks
from removal import remove, tell
from sign_in import sign_in

TEMPLATE = Path(__file__).resolve().parent.parent / "connect" / "main.bicep"
TRIES = 12
TRY_SECONDS = 60
"""Roles and identities may take ten minutes to be known everywhere."""
ESCAPE = "\\"
"""Deployments nest their errors as escaped JSON, which nobody can read at night."""
SLOW = {
    "RoleDefinitionDoesNotExist": "a role just made is not known everywhere yet",
    "PrincipalNotFound": "the app's identity is not known everywhere yet",
    "Managed Identity Authorization Error": "the topic's right to leave dead letters does not work yet",
    "destination endpoint not found": "Event Grid does not see the function yet",
    "dead letter": "the topic's right to leave dead letters does not work yet",
    "find a metric named": "the new topic has no metrics yet",
}
"""What passes by itself, by an error's code or words."""
REMEDIES = {
    "AuthorizationFailed": "Let somebody with the rights that infra/README.md names run 'azd hooks run postdeploy'.",
    "RequestDisallowedByPolicy": "A policy of your organisation forbids it: ask its owner for an exemption.",
    "ScopeLocked": "A lock forbids it: 'az lock list --subscription ID' names it. Lift it, and put it back afterwards.",
    "MissingSubscriptionRegistration": "Register the provider that the error names: 'az provider register --namespace NAME'.",
    "RoleAssignmentExists": "Somebody gave the app the same right by hand: 'az role assignment list --all --assignee "
    "APP_PRINCIPAL_ID' shows it. Delete that one.",
    "RoleDefinitionLimitExceeded": "The tenant has all the custom roles it may have: delete some that nobody uses.",
}


def connect(azure: Azure, environ: Mapping[str, str]) -> None:
    """Deploy what lies outside the app's resource group, once the function exists; then remove what is no longer asked for."""
    mine, app_id = installation(environ), told(environ, "FUNCTION_APP_ID")
    if connected_by_others(environ):
        say("Not connected, for CONNECTED_BY_OTHERS is true: who has the rights does it (infra/README.md, Rights).")
        return
    sign_in(azure, environ, mine.subscription)
    where, keys, storage = scopes(environ), vaults(environ), storage_scopes(environ)
    refuse_telemetry_at_risk(azure, environ, where)
    seen = [look_at(azure, vault) for vault in keys]
    tell_locks(azure, [*where, *keys, *storage, *(vault.topic for vault in seen if vault.topic is not None)])
    wait_for_function(azure, app_id, premium=environ.get("HOSTING_PLAN", "") == "ElasticPremium")
    outputs = deploy(azure, mine, parameters(environ, mine, where, seen, storage), told(environ, "AZURE_LOCATION"))
    staying = remove_the_rest(azure, environ, mine, outputs)
    for offer in (policy_offer(vault, told(environ, "APP_PRINCIPAL_ID")) for vault in seen):
        if offer:
            say(f"Left for you: {offer}")
    if not keys:
        say(
            "No key vaults, so no events: the timer alone finds rotations. On a Managed HSM give the app its right to keys: "
            "infra/README.md, Rights."
        )
    if staying:
        raise StoppedError(f"connected, but {staying}")
    say("Connected. New rights may take ten minutes to work.")


def refuse_telemetry_at_risk(azure: Azure, environ: Mapping[str, str], where: list[Place]) -> None:
    """Refuse a workspace for the app's logs that is linked to a cluster in scope: it would fail together with it."""
    workspace_id = told(environ, "WORKSPACE_ID")
    workspace = azure.get(workspace_id, "Microsoft.OperationalInsights/workspaces")
    linked = str(workspace["properties"].get("features", {}).get("clusterResourceId") or "")
    if any(f"{linked.lower()}/".startswith(f"{scope.id}/") for scope in where):
        raise StoppedError(
            f"the app's own logs go to a workspace that is linked to the cluster {linked}, which is in scope: if its key "
            f"fails, the evidence goes with it. Unlink {workspace_id}."
        )


def tell_locks(azure: Azure, named: list[Place]) -> None:
    """Name the locks that will be in the way of removing what is about to be made."""
    for lock in locks(azure, (one.subscription for one in named)):
        if any(lock.holds(one.id) for one in named):
            say(f"Note: the lock {lock.id} ({lock.level}) must be lifted for a moment before 'azd down'.")


def parameters(
    environ: Mapping[str, str], mine: Installation, where: list[Place], seen: list[Vault], storage: list[Place]
) -> dict[str, Any]:
    """What the template asks for: scopes sorted by kind, each vault with the one system topic that it may have."""
    return {
        "environmentName": mine.environment,
        "principalId": told(environ, "APP_PRINCIPAL_ID"),
        "functionAppId": told(environ, "FUNCTION_APP_ID"),
        "storageAccountId": told(environ, "STORAGE_ACCOUNT_ID"),
        # Without public access Event Grid may not get in, and whether it does only Azure can tell.
        "deadLetters": environ.get("STORAGE_PUBLIC_ACCESS", "") in ("", "Enabled"),
        "workspaceId": told(environ, "WORKSPACE_ID"),
        "insightsId": told(environ, "INSIGHTS_ID"),
        "privateLinkScopeId": environ.get("PRIVATE_LINK_SCOPE_ID", "").strip(),
        "actionGroupIds": told(environ, "CALLED_ACTION_GROUP_IDS").split(","),
        "clusterSubscriptions": list(dict.fromkeys(one.subscription for one in where)),
        **_by_kind(where, "subscriptions", "groups", "clusters"),
        **_by_kind(storage, "storageSubscriptions", "storageGroups", "storageAccounts"),
        "clusterRole": given_role(environ, "CLUSTER_ROLE_ID"),
        "operationRole": given_role(environ, "OPERATION_ROLE_ID"),
        "keyRole": given_role(environ, "KEY_ROLE_ID"),
        "storageRole": given_role(environ, "STORAGE_ROLE_ID"),
        "extraTags": extra_tags(environ),
        "vaults": [
            {
                "subscription": vault.place.subscription,
                "group": vault.place.group,
                "name": vault.place.name,
                "location": vault.location,
                "topicId": vault.topic_id,
                "topicPrincipalId": vault.topic_principal,
            }
            for vault in seen
        ],
    }


def _by_kind(where: list[Place], wholes: str, groups: str, singles: str) -> dict[str, Any]:
    return {
        wholes: [one.subscription for one in where if not one.group],
        groups: [{"subscription": one.subscription, "group": one.group} for one in where if one.group and not one.name],
        singles: [
            {"subscription": one.subscription, "group": one.group, "name": one.name} for one in where if one.name
        ],
    }


def deploy(azure: Azure, mine: Installation, given: Mapping[str, Any], location: str) -> dict[str, Any]:
    """Deploy the template, again while Azure only needs time; returns its outputs."""
    say("Connecting the app to its clusters and key vaults, which takes some minutes ...")
    for attempt in range(1, TRIES + 1):
        try:
            return _deploy_once(azure, mine, given, location)
        except AzError as error:  # noqa: PERF203 - the loop is the retry
            slow = passing(error)
            if not slow or attempt == TRIES:
                raise StoppedError(_failed(error, slow)) from error
            say(f"  {slow}; trying again in {TRY_SECONDS} s ({attempt} of {TRIES})")
            azure.sleep(TRY_SECONDS)
    raise AssertionError


def passing(error: AzError) -> str:
    """What it is that passes by itself; empty for anything else. A refusal that needs a remedy may name dead letters too."""
    if any(code in REMEDIES for code in error.codes):
        return ""
    words = str(error).lower()
    return next((why for sign, why in SLOW.items() if sign in error.codes or sign in words), "")


def _deploy_once(azure: Azure, mine: Installation, given: Mapping[str, Any], location: str) -> dict[str, Any]:
    """The name may have 64 characters, and an environment's name too: so it is not in there."""
    name = f"cmk-rotation-connect-{time.time_ns()}"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "parameters.json"
        file.write_text(template_parameters(given), encoding="utf-8")
        answer = azure.call(
            *("deployment", "sub", "create", "--subscription", mine.subscription, "--name", name),
            *("--location", location, "--template-file", str(TEMPLATE), "--parameters", f"@{file}"),
        )
    outputs: dict[str, Any] = answer["properties"]["outputs"]
    return outputs


def _failed(error: AzError, slow: str) -> str:
    known = next((REMEDIES[code] for code in error.codes if code in REMEDIES), "")
    waited = f"{slow.capitalize()}, even after {TRIES * TRY_SECONDS // 60} minutes. " if slow else ""
    return (
        f"connecting failed. {waited}{known}\n  Azure said: {str(error).replace(ESCAPE, '')[:2000]}\n"
        "  What was made so far is known by its marks. Repair the cause and run 'azd hooks run postdeploy'; 'azd down' "
        "removes it too."
    )


def remove_the_rest(azure: Azure, environ: Mapping[str, str], mine: Installation, outputs: Mapping[str, Any]) -> str:
    """Remove what carries our mark and was not asked for now; returns a sentence about what stays of it."""
    wanted = [belonging(resource) for output in outputs.values() for resource in output["value"] if resource]
    if not wanted:
        raise StoppedError(
            "Azure does not say what it deployed, so nothing is removed. Run 'azd hooks run postdeploy'."
        )
    keys = {one.key for one in wanted}
    in_use = {one.key.rsplit("/", 2)[0] for one in wanted if one.type == EVENTS}
    principal = told(environ, "APP_PRINCIPAL_ID").lower()
    found = find(azure, mine, principal, (one.id.split("/")[2] for one in wanted))
    tell_unseen(found.unseen)
    tell_by_hand(found.by_hand)
    staying = remove(azure, [one for one in found.ours if not _stays(one, keys, in_use)])
    return f"of what is no longer asked for, this stays:{tell(staying)}" if staying else ""


def _stays(one: Belonging, keys: set[str], in_use: set[str]) -> bool:
    # That the app's logs are in somebody's scope may be the doing of a policy, and goes only with the logs.
    return one.type == LINKS or one.key in keys or (one.type == TOPICS and one.key in in_use)
