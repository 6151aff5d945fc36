"""What Azure Policy would refuse, asked before anything is made.

Azure says what it would deploy (what-if), and that goes to the policies' own check, piece by piece. Who may ask only one of the
two hears what that one tells: without a what-if, what is known of the pieces by themselves.
"""

import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import connect
from azure_cli import AzError, Azure, say, template_parameters
from belongings import AT_ONCE
from check_cloud import declared
from check_values import CHOICES, PARAMETERS
from environment import Installation, Place
from extra_tags import extra_tags
from key_vaults import Vault

MAIN = PARAMETERS.parent / "main.bicep"
POLICIES = "Microsoft.PolicyInsights/checkPolicyRestrictions"
REFUSED = "RequestDisallowedByPolicy"
NOBODY = "00000000-0000-0000-0000-000000000000"
"""Stands for an identity that is not there yet; no policy looks at it."""
AFTERWARDS = "infra/README.md, Policies, names the setting that answers it, if there is one; else ask its owner for an exemption."
TYPES = {"microsoft.resources/resourcegroups": "Microsoft.Resources/subscriptions/resourceGroups"}
"""Types to which policies give another name than templates do."""
ALWAYS = frozenset(
    {
        "Microsoft.Insights/activityLogAlerts",
        "Microsoft.Insights/components",
        "Microsoft.Insights/scheduledQueryRules",
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        "Microsoft.OperationalInsights/workspaces",
        "Microsoft.Resources/resourceGroups",
        "Microsoft.Storage/storageAccounts",
        "Microsoft.Web/serverfarms",
        "Microsoft.Web/sites",
    }
)
"""What takes tags and is made whatever is asked for: a test holds it together with the templates."""
BOOLEANS = frozenset(name for name, allowed in CHOICES.items() if allowed == ("true", "false"))


def check_policies(
    azure: Azure,
    environ: Mapping[str, str],
    mine: Installation,
    notes: list[str],
    outside: tuple[list[Place], list[Vault], list[Place]] | None,
) -> list[str]:
    """Sentences about what a policy would refuse. `outside` are the scopes, vaults and scopes of storage that are going to be
    connected, or None if others do that.
    """
    say("Asking Azure Policy, which takes a minute or two ...")
    asked = [(MAIN, first_parameters(environ))]
    if outside is not None:
        asked.append((connect.TEMPLATE, connect.parameters(_foreseen(environ, mine), mine, *outside)))
    wrong: list[str] = []
    unsaid = len(notes)
    asking = partial(_what_if, azure, environ, mine)
    wanted = [one for template_and_values in asked for one in _wanted(asking, template_and_values, wrong, notes)]
    if len(notes) > unsaid and not wanted:
        notes += [
            f"{sentence} It was asked without properties, and may take what has them."
            for sentence in _asked_each(azure, bare(environ, mine), notes)
        ]
        return wrong
    return [*wrong, *_asked_each(azure, wanted, notes)]


def bare(environ: Mapping[str, str], mine: Installation) -> list[dict[str, Any]]:
    """What there always is, as far as it is known without a what-if: types, region and tags."""
    tags = {**extra_tags(environ), "azd-env-name": mine.environment}
    at = {"location": environ.get("AZURE_LOCATION", ""), "tags": tags, "id": mine.group_id}
    return [
        {"type": f"{provider}/{kind}", "name": kind, "apiVersion": version, **at}
        for provider, kind, version in sorted(declared())
        if f"{provider}/{kind}" in ALWAYS
    ]


def _wanted(
    asking: Callable[[Path, Mapping[str, Any]], list[dict[str, Any]]],
    asked: tuple[Path, Mapping[str, Any]],
    wrong: list[str],
    notes: list[str],
) -> list[dict[str, Any]]:
    """What a deployment would make; a sentence is added if Azure refuses that, or will not say."""
    name = f"{asked[0].parent.name}/{asked[0].name}"
    try:
        return asking(*asked)
    except AzError as error:
        if REFUSED in error.codes:
            wrong.append(f"Azure Policy would refuse a part of {name}: {_names(error)}. {AFTERWARDS}")
        else:
            notes.append(
                f"Azure does not say what {name} would deploy, so no policy was asked about that: {error.short}"
            )
    return []


def first_parameters(environ: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of main.bicep as azd gives them."""
    entries = json.loads(PARAMETERS.read_text(encoding="utf-8"))["parameters"]
    return {name: _value(environ, entry["value"]) for name, entry in entries.items()}


def _value(environ: Mapping[str, str], entry: str) -> Any:
    variable, _, default = entry.removeprefix("${").removesuffix("}").partition("=")
    text = environ.get(variable, "") or default
    if variable in BOOLEANS:
        return text == "true"
    return int(text) if re.fullmatch(r"-?\d+", default) else text


def _foreseen(environ: Mapping[str, str], mine: Installation) -> dict[str, str]:
    """What azd will tell the hooks after the first deployment, as far as a policy may look at it."""
    at = f"{mine.group_id}/providers"
    return {
        "FUNCTION_APP_ID": f"{at}/Microsoft.Web/sites/func",
        "APP_PRINCIPAL_ID": NOBODY,
        "STORAGE_ACCOUNT_ID": f"{at}/Microsoft.Storage/storageAccounts/st",
        "WORKSPACE_ID": f"{at}/Microsoft.OperationalInsights/workspaces/log",
        "INSIGHTS_ID": f"{at}/Microsoft.Insights/components/appi",
        "CALLED_ACTION_GROUP_IDS": f"{at}/Microsoft.Insights/actionGroups/ag",
        **{name: value for name, value in environ.items() if value},
    }


def _what_if(
    azure: Azure, environ: Mapping[str, str], mine: Installation, template: Path, given: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What a deployment would make or change, as far as Azure can tell before identities are there."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "parameters.json"
        file.write_text(template_parameters(given), encoding="utf-8")
        told = azure.call(
            *("deployment", "sub", "what-if", "--subscription", mine.subscription),
            *("--name", f"cmk-rotation-check-{time.time_ns()}", "--location", environ.get("AZURE_LOCATION", "")),
            *("--template-file", str(template), "--parameters", f"@{file}", "--no-pretty-print"),
        )
    changes = (told or {}).get("changes") or []
    return [
        one["after"] for one in changes if one.get("changeType") in ("Create", "Modify", "Deploy") and one.get("after")
    ]


def _asked_each(azure: Azure, wanted: list[dict[str, Any]], notes: list[str]) -> list[str]:
    """Sentences of the policies' own check about each resource."""
    refused: dict[str, list[str]] = {}
    unasked: list[str] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for resource, answer in zip(wanted, pool.map(lambda one: _ask(azure, one), wanted), strict=True):
            if isinstance(answer, AzError):
                unasked.append(answer.short)
                continue
            for policy in denying(answer):
                refused.setdefault(policy, []).append(f"{resource.get('type')} {resource.get('name')}")
    if unasked:
        notes.append(f"Azure Policy could not be asked about {len(unasked)} of {len(wanted)} resources: {unasked[0]}")
    return [
        f"Azure Policy would refuse {', '.join(dict.fromkeys(what))}, by {policy}. {AFTERWARDS}"
        for policy, what in refused.items()
    ]


def _ask(azure: Azure, resource: Mapping[str, Any]) -> Any:
    subscription = str(resource["id"]).split("/")[2]
    content = {name: value for name, value in resource.items() if name not in ("id", "apiVersion")}
    content["type"] = TYPES.get(str(content.get("type")).lower(), content.get("type"))
    body = {"resourceDetails": {"resourceContent": content, "apiVersion": resource.get("apiVersion")}}
    try:
        return azure.ask(f"/subscriptions/{subscription}/providers/{POLICIES}", POLICIES, body)
    except AzError as error:
        return error


def denying(answer: Any) -> Iterator[str]:
    """The policies that a resource does not comply with; those that only audit are not in the answer."""
    for one in ((answer or {}).get("contentEvaluationResult") or {}).get("policyEvaluations") or []:
        if one.get("evaluationResult") == "NonCompliant":
            told = one.get("policyInfo") or {}
            assignment, definition = (
                str(told.get(name) or "").rpartition("/")[2] for name in ("policyAssignmentId", "policyDefinitionId")
            )
            yield f"the assignment '{assignment}' of the policy '{definition}'"


def _names(error: AzError) -> str:
    """The assignments that a deployment's error names, or the error."""
    found = re.findall(r'\\*"policyAssignmentDisplayName\\*"\s*:\s*\\*"([^"\\]+)', str(error))
    return ", ".join(dict.fromkeys(found)) or error.short
