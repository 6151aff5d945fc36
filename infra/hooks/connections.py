"""Connect the deployed app to clusters and key vaults, or disconnect it. `azd` runs this after deploying and before `down`.

    python3 infra/hooks/connections.py connect | disconnect

Uses the standard library and the Azure CLI alone, signed in as whoever may assign roles. What azd knows comes as
environment variables (outputs of infra/main.bicep).
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).parent.parent / "connect" / "main.bicep"
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#"
FUNCTION = "on_key_event"
POLLS = 60
POLL_SECONDS = 15
"""Together a quarter of an hour: a first remote build and indexing take a few minutes."""
DELETIONS = 5
"""How often a deletion is tried."""
API_VERSIONS = {
    "Microsoft.Authorization/roleAssignments": "2022-04-01",
    "Microsoft.Authorization/roleDefinitions": "2022-04-01",
    "Microsoft.EventGrid/systemTopics": "2025-02-15",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": "2025-02-15",
    "Microsoft.Insights/diagnosticSettings": "2021-05-01-preview",
    "Microsoft.Insights/metricAlerts": "2018-03-01",
    "Microsoft.KeyVault/vaults": "2024-11-01",
    "Microsoft.OperationalInsights/workspaces": "2025-02-01",
    "Microsoft.Web/sites/functions": "2024-11-01",
}
REMOVAL_ORDER = (
    "Microsoft.EventGrid/systemTopics/eventSubscriptions",
    "Microsoft.Insights/metricAlerts",
    "Microsoft.Insights/diagnosticSettings",
    "Microsoft.EventGrid/systemTopics",
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Authorization/roleDefinitions",
)
"""What hangs on something goes before it."""


class StoppedError(Exception):
    """What is in the way, and what to do about it."""


class AzError(Exception):
    """The Azure CLI failed; its text is what that wrote."""

    @property
    def not_found(self) -> bool:
        """Whether the thing isn't there, rather than out of reach."""
        return any(word in str(self) for word in ("NotFound", "Not Found", "could not be found"))


def az(*arguments: str) -> Any:
    """Run the Azure CLI and return its JSON answer, None if it gave none."""
    program = shutil.which("az")
    if program is None:
        raise StoppedError("the Azure CLI is needed: see https://aka.ms/azure-cli, then run 'az login'")
    done = subprocess.run(  # noqa: S603 - the operator's own az
        [program, *arguments, "--only-show-errors", "--output", "json"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise AzError(done.stderr.strip())
    return json.loads(done.stdout) if done.stdout.strip() else None


def rest(method: str, path: str, api_version: str) -> Any:
    """Call Azure Resource Manager of whatever cloud the CLI is signed in to."""
    return az("rest", "--method", method, "--url", f"{path}?api-version={api_version}")


def everything(path: str, api_version: str) -> Iterator[dict[str, Any]]:
    """A list, page by page; Event Grid's have twenty items each."""
    page = rest("get", path, api_version)
    yield from page["value"]
    while page.get("nextLink"):
        page = az("rest", "--method", "get", "--url", page["nextLink"])
        yield from page["value"]


def connect(environ: Mapping[str, str], sleep: Callable[[float], None] = time.sleep) -> None:
    """Deploy what lies outside the app's resource group, once the function exists; then remove what is no longer asked for."""
    app_id, environment = _told(environ, "FUNCTION_APP_ID"), _told(environ, "AZURE_ENV_NAME")
    refuse_telemetry_at_risk(environ)
    wait_for_function(app_id, sleep)
    parameters = {
        "environmentName": environment,
        "principalId": _told(environ, "APP_PRINCIPAL_ID"),
        "functionAppId": app_id,
        "storageAccountId": _told(environ, "STORAGE_ACCOUNT_ID"),
        "workspaceId": _told(environ, "WORKSPACE_ID"),
        "actionGroupId": _told(environ, "ACTION_GROUP_ID"),
        **cluster_parameters(_list(environ, "CLUSTER_SCOPES")),
        "vaults": [vault_parameter(vault_id, environment) for vault_id in _list(environ, "KEY_VAULT_IDS")],
    }
    before = made(environ)
    _say("Connecting the app to its clusters and key vaults ...")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "parameters.json"
        given = {name: {"value": value} for name, value in parameters.items()}
        file.write_text(
            json.dumps({"$schema": SCHEMA, "contentVersion": "1.0.0.0", "parameters": given}), encoding="utf-8"
        )
        az(
            *("deployment", "sub", "create", "--subscription", _told(environ, "AZURE_SUBSCRIPTION_ID")),
            *("--name", f"{_prefix(environ)}{int(time.time())}", "--location", _told(environ, "AZURE_LOCATION")),
            *("--template-file", str(TEMPLATE), "--parameters", f"@{file}"),
        )
    now = {resource.lower() for resource in made(environ)}
    remove((resource for resource in before if resource.lower() not in now), sleep)
    _say("Connected. New rights may take ten minutes to work.")


def disconnect(environ: Mapping[str, str], sleep: Callable[[float], None] = time.sleep) -> None:
    """Remove all that `connect` made."""
    remove(made(environ), sleep)
    _say("Disconnected from clusters and key vaults.")


def refuse_telemetry_at_risk(environ: Mapping[str, str]) -> None:
    """Refuse a workspace for the app's logs that is linked to a cluster in scope: it would fail together with it."""
    workspace_id = _told(environ, "WORKSPACE_ID")
    workspace = rest("get", workspace_id, API_VERSIONS["Microsoft.OperationalInsights/workspaces"])
    linked = str(workspace["properties"].get("features", {}).get("clusterResourceId") or "")
    scopes = [scope.lower() for scope in _list(environ, "CLUSTER_SCOPES")]
    if any(f"{linked.lower()}/".startswith(f"{scope}/") for scope in scopes):
        raise StoppedError(
            f"the app's own logs go to a workspace that is linked to the cluster {linked}, which is in scope: if its key "
            f"fails, the evidence goes with it. Unlink {workspace_id}."
        )


def wait_for_function(app_id: str, sleep: Callable[[float], None]) -> None:
    """Wait until the host has indexed the function: Event Grid takes no subscription to one that it cannot see."""
    for poll in range(1, POLLS + 1):
        try:
            rest("get", f"{app_id}/functions/{FUNCTION}", API_VERSIONS["Microsoft.Web/sites/functions"])
        except AzError as error:
            if not error.not_found:
                raise
        else:
            return
        _say(f"Waiting for the function {FUNCTION} to be indexed ({poll} of {POLLS}) ...")
        sleep(POLL_SECONDS)
    raise StoppedError(
        f"the function {FUNCTION} was not indexed in {POLLS * POLL_SECONDS // 60} minutes. Look at the deployment log and "
        "the app's log for errors at its start, then run 'azd deploy' again."
    )


def cluster_parameters(scopes: Iterable[str]) -> dict[str, Any]:
    """Sort the scopes by their kind."""
    found: dict[str, Any] = {"clusterSubscriptions": [], "subscriptions": [], "groups": [], "clusters": []}
    for scope in scopes:
        match scope.strip("/").split("/"):
            case [_, subscription]:
                _add(found["subscriptions"], subscription.lower())
            case [_, subscription, _, group]:
                _add(found["groups"], {"subscription": subscription.lower(), "group": group})
            case [_, subscription, _, group, _, provider, kind, name] if (
                f"{provider}/{kind}".lower() == "microsoft.operationalinsights/clusters"
            ):
                _add(found["clusters"], {"subscription": subscription.lower(), "group": group, "name": name})
            case _:
                raise StoppedError(f"CLUSTER_SCOPES: '{scope}' is no subscription, resource group or cluster")
        _add(found["clusterSubscriptions"], subscription.lower())
    return found


def vault_parameter(vault_id: str, environment: str) -> dict[str, str]:
    """Find out where a vault is, and which system topic it has: there can be only one."""
    match vault_id.strip("/").split("/"):
        case [_, subscription, _, group, _, provider, kind, name] if (
            f"{provider}/{kind}".lower() == "microsoft.keyvault/vaults"
        ):
            pass
        case _:
            raise StoppedError(f"KEY_VAULT_IDS: '{vault_id}' is not the id of a key vault")
    vault = rest("get", vault_id, API_VERSIONS["Microsoft.KeyVault/vaults"])
    topics = everything(
        f"/subscriptions/{subscription}/providers/Microsoft.EventGrid/systemTopics",
        API_VERSIONS["Microsoft.EventGrid/systemTopics"],
    )
    topic: dict[str, Any] = next((topic for topic in topics if _same(topic["properties"]["source"], vault_id)), {})
    # One that this made before is made again by the template, so that it is its own to remove.
    if (topic.get("tags") or {}).get("cmk-rotation-environment") == environment:
        topic = {}
    principal = (topic.get("identity") or {}).get("principalId")
    if topic and not principal:
        raise StoppedError(
            f"the vault {name} already has the system topic {topic['id']}, and that has no system-assigned identity to "
            "leave dead letters with. Give it one: az eventgrid system-topic update --ids "
            f"{topic['id']} --identity systemassigned"
        )
    return {
        "subscription": subscription.lower(),
        "group": group,
        "name": name,
        "location": str(vault["location"]),
        "topicId": str(topic.get("id", "")),
        "topicPrincipalId": principal or "",
    }


def made(environ: Mapping[str, str]) -> list[str]:
    """The ids of all that the last successful `connect` made."""
    deployments = az("deployment", "sub", "list", "--subscription", _told(environ, "AZURE_SUBSCRIPTION_ID"))
    ours = [
        deployment
        for deployment in deployments
        if deployment["name"].startswith(_prefix(environ))
        and deployment["properties"]["provisioningState"] == "Succeeded"
    ]
    if not ours:
        return []
    newest = max(ours, key=lambda deployment: str(deployment["properties"]["timestamp"]))["name"]
    subscription = _told(environ, "AZURE_SUBSCRIPTION_ID")
    shown = az("deployment", "sub", "show", "--subscription", subscription, "--name", newest)
    outputs = shown["properties"]["outputs"] or {}
    return [resource for output in outputs.values() for resource in output["value"] if resource]


def remove(resources: Iterable[str], sleep: Callable[[float], None]) -> None:
    """Delete resources, those that hang on others first. What is gone already is fine."""
    for resource in sorted(resources, key=lambda resource: REMOVAL_ORDER.index(_type(resource))):
        try:
            if _still_used(resource):
                _say(f"Keeping {resource}: somebody else has event subscriptions there")
                continue
            _say(f"Removing {resource}")
            _delete(resource, sleep)
        except AzError as error:
            if not error.not_found:
                raise


def _delete(resource: str, sleep: Callable[[float], None]) -> None:
    """Delete a resource. A role may seem assigned for a while after its assignments are gone."""
    for _ in range(DELETIONS - 1):
        try:
            rest("delete", resource, API_VERSIONS[_type(resource)])
        except AzError as error:
            if "RoleDefinitionHasAssignments" not in str(error):
                raise
            sleep(POLL_SECONDS)
        else:
            return
    rest("delete", resource, API_VERSIONS[_type(resource)])


def _still_used(resource: str) -> bool:
    """Whether it is a system topic with subscriptions; those made here are gone by then."""
    if _type(resource) != "Microsoft.EventGrid/systemTopics":
        return False
    version = API_VERSIONS["Microsoft.EventGrid/systemTopics/eventSubscriptions"]
    return any(everything(f"{resource}/eventSubscriptions", version))


def _type(resource: str) -> str:
    """The resource type of an ARM id, in the spelling of the table."""
    parts = resource.lower().rsplit("/providers/", 1)[1].split("/")
    spelt = "/".join([parts[0], *parts[1::2]])
    return next(name for name in REMOVAL_ORDER if name.lower() == spelt)


def _same(one: object, other: str) -> bool:
    return str(one).strip("/").lower() == other.strip("/").lower()


def _add(items: list[Any], item: object) -> None:
    if item not in items:
        items.append(item)


def _prefix(environ: Mapping[str, str]) -> str:
    return f"cmk-rotation-connect-{_told(environ, 'AZURE_ENV_NAME')}-"


def _told(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "").strip()
    if not value:
        raise StoppedError(f"{name} is not set: run 'azd provision' first")
    return value


def _list(environ: Mapping[str, str], name: str) -> list[str]:
    return ["/" + item.strip().strip("/") for item in _told(environ, name).split(",") if item.strip()]


def _say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Do what the argument says; 1 if something is in the way, 2 for a wrong argument."""
    try:
        match arguments:
            case ["connect"]:
                connect(environ)
            case ["disconnect"]:
                disconnect(environ)
            case _:
                sys.stderr.write(f"{__doc__}\n")
                return 2
    except StoppedError as error:
        sys.stderr.write(f"Stopped: {error}\n")
        return 1
    except AzError as error:
        sys.stderr.write(f"Stopped: the Azure CLI said: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
