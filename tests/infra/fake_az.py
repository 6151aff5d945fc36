"""An Azure CLI with a memory: a few resources, deployments, and what was deleted. A program; its state is a JSON file."""

import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any

IN_A_GROUP = 8
"""Slashes in the id of a resource in a resource group."""
_STATE = Path(os.environ.get("FAKE_AZ_STATE", "state.json"))


def main(arguments: list[str]) -> int:
    state: dict[str, Any] = json.loads(_STATE.read_text(encoding="utf-8"))
    told = {name: value for name, value in itertools.pairwise(arguments) if name.startswith("--")}
    state["calls"].append(arguments)
    try:
        match arguments:
            case ["rest", *_]:
                answer = rest(state, told["--method"], told["--url"].lower())
            case ["deployment", "sub", "list", *_]:
                answer = [without_outputs(one) for one in state["deployments"]]
            case ["deployment", "sub", "show", *_]:
                answer = next(one for one in state["deployments"] if one["name"] == told["--name"])
            case ["deployment", "sub", "create", *_]:
                answer = deploy(state, told["--name"], told["--parameters"].removeprefix("@"))
            case _:
                sys.stderr.write(f"ERROR: '{arguments}' is misspelled or not recognized by the system.\n")
                return 2
    except KeyError as error:
        sys.stderr.write(f'ERROR: Not Found({{"error":{{"code":"ResourceNotFound","message":"{error.args[0]}"}}}})\n')
        return 1
    except PermissionError as error:
        sys.stderr.write(f"ERROR: Forbidden({error})\n")
        return 1
    finally:
        _STATE.write_text(json.dumps(state), encoding="utf-8")
    sys.stdout.write(json.dumps(answer) if answer is not None else "")
    return 0


def rest(state: dict[str, Any], method: str, url: str) -> Any:
    """Read or delete by id. The function appears when it has been asked for as often as the state says."""
    path, _, query = url.removeprefix("https://arm").partition("?")
    assert "api-version=" in query
    if path in state["forbidden"]:
        raise PermissionError(path)
    if path.endswith("/functions/on_key_event"):
        state["polls_until_indexed"] -= 1
        if state["polls_until_indexed"] >= 0:
            raise KeyError(path)
        return {}
    if path.endswith("/providers/microsoft.eventgrid/systemtopics"):
        topics = [
            one for id_, one in state["resources"].items() if "/systemtopics/" in id_ and id_.count("/") == IN_A_GROUP
        ]
        return page(topics, path, query)
    if path.endswith("/eventsubscriptions"):
        return page([one for id_, one in state["resources"].items() if id_.startswith(f"{path}/")], path, query)
    if method == "delete":
        if "/roledefinitions/" in path and state["seems_assigned"] > 0:
            state["seems_assigned"] -= 1
            raise PermissionError("RoleDefinitionHasAssignments")
        state["deleted"].append(path)
        return state["resources"].pop(path) and None
    return state["resources"][path]


def without_outputs(deployment: dict[str, Any]) -> dict[str, Any]:
    """A deployment as a list may show it."""
    return deployment | {"properties": deployment["properties"] | {"outputs": None}}


def page(items: list[Any], path: str, query: str) -> Any:
    """One item for each page, as if Event Grid's twenty were one."""
    place = int(query.rpartition("&skip=")[2]) if "&skip=" in query else 0
    following = f"https://arm{path}?api-version=1&skip={place + 1}"
    return {"value": items[place : place + 1], "nextLink": following if place + 1 < len(items) else None}


def deploy(state: dict[str, Any], name: str, file: str) -> Any:
    """Remember the parameters, and succeed with the outputs that the test laid out."""
    given = json.loads(Path(file).read_text(encoding="utf-8"))["parameters"]
    state["parameters"] = {key: entry["value"] for key, entry in given.items()}
    outputs = {"made": {"value": state["makes"]}}
    vault = state["parameters"]["vaults"][0]
    source = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.KeyVault/vaults/{name}".format(
        **vault
    )
    tags = {"cmk-rotation-environment": state["parameters"]["environmentName"]}
    made = {id_.lower(): {"id": id_, "tags": tags, "properties": {"source": source}} for id_ in state["makes"] if id_}
    state["resources"].update(made)
    properties = {"provisioningState": "Succeeded", "timestamp": f"{len(state['calls']):04}", "outputs": outputs}
    others = [one for one in state["deployments"] if one["name"] != name]
    state["deployments"] = [*others, {"name": name, "properties": properties}]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
