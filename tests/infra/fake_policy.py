"""Azure Policy, and the what-if that tells what would be deployed: the templates themselves, evaluated."""

import json
from pathlib import Path
from typing import Any

from tests.infra import policies
from tests.infra.evaluation import deploy
from tests.infra.fake_arm import RefusedError


def what_if(state: dict[str, Any], told: dict[str, str]) -> dict[str, Any]:
    """What would be deployed; nothing where nobody has assigned a policy, to save the time."""
    file = Path(told["--parameters"].removeprefix("@"))
    given = {name: one["value"] for name, one in json.loads(file.read_text(encoding="utf-8"))["parameters"].items()}
    state["what_if"] = [*state.get("what_if", []), given]
    assert told["--template-file"].endswith("main.bicep")
    for code, words in state.get("what_if_refuses", {}).items():
        inner = json.dumps({"error": {"code": code, "additionalInfo": words}})
        raise RefusedError("", "", json.dumps({"code": "InvalidTemplateDeployment", "details": [{"message": inner}]}))
    if not state["policies"]:
        return {"status": "Succeeded", "changes": []}
    scope = f"/subscriptions/{told['--subscription']}"
    made = [policies.as_sent(one) for one in deploy(Path(told["--template-file"]), given, scope=scope).everything()]
    changes = [{"changeType": "Create", "resourceId": one["id"], "after": one} for one in made]
    hidden = {"changeType": "Unsupported", "resourceId": "x", "after": None}
    kept = {
        "changeType": "NoChange",
        "resourceId": "y",
        "after": {"id": "/subscriptions/y", "type": "x/y", "name": "kept"},
    }
    return {"status": "Succeeded", "changes": [*changes, hidden, kept]}


def answer(state: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """The policies' own check of one resource."""
    details = body["resourceDetails"]
    assert details["apiVersion"], "Azure asks for it"
    resource = details["resourceContent"]
    assigned = [one for one in policies.EVERY if one.name in state["policies"]]
    return {
        "fieldRestrictions": [],
        "contentEvaluationResult": {
            "policyEvaluations": [
                {
                    "policyInfo": {
                        "policyDefinitionId": f"/providers/Microsoft.Authorization/policyDefinitions/{one.name}",
                        "policyAssignmentId": "/providers/Microsoft.Management/managementGroups/m/providers/"
                        f"Microsoft.Authorization/policyAssignments/deny-{policies.EVERY.index(one)}",
                    },
                    "evaluationResult": "NonCompliant" if one.denies(resource) else "Compliant",
                }
                for one in assigned
            ]
        },
    }
