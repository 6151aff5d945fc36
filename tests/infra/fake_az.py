"""An Azure CLI with a memory, as unfriendly as Azure: answers in other casing and in pages of one, deletions that go on after
the answer, locks, roles that seem assigned, other tenants, deployments that fail half way, letters that no code page has.

`Fake.run` is `az`; as a program its state is a JSON file.
"""

import fcntl
import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.infra import fake_policy
from tests.infra.fake_arm import RefusedError, Resource, connected

LISTS = (
    "providers/microsoft.authorization/roleassignments",
    "providers/microsoft.authorization/roledefinitions",
    "providers/microsoft.authorization/locks",
    "providers/microsoft.eventgrid/systemtopics",
    "providers/microsoft.insights/diagnosticsettings",
    "providers/microsoft.insights/metricalerts",
    "providers/microsoft.insights/privatelinkscopes",
    "providers/microsoft.network/privateendpoints",
    "providers/microsoft.web/sites",
    "eventsubscriptions",
    "scopedresources",
)
OWNER = {"actions": ["*"], "notActions": []}
NAME_LIMIT = 64
RESOURCE_DEPTH = "/subscriptions/s/resourceGroups/g/providers/p/t/n".count("/")
EMPTY: dict[str, Any] = {
    "calls": [],
    "user": "zoë@contoso.com",
    "tenant": "tenant-a",
    "cloud": "AzureCloud",
    "cloud_told": None,
    "subscriptions": {},
    "resources": {},
    "deleted": [],
    "deleting": {},
    "deletion_polls": 2,
    "seems_assigned": 0,
    "polls_until_indexed": 0,
    "refusals": [],
    "unlisted": [],
    "slow": [],
    "fails_after": None,
    "permissions": {},
    "unregistered": [],
    "policies": [],
    "versions": {},
    "bicep": "Bicep CLI version 0.49.2 (0123abcd)",
    "flex": ["West Europe", "northeurope"],
}


class Fake:
    def __init__(self, state: dict[str, Any]) -> None:
        self.state = {**json.loads(json.dumps(EMPTY)), **state}

    def run(self, arguments: list[str]) -> tuple[int, str, str]:
        self.state["calls"].append(arguments)
        told = {name: value for name, value in itertools.pairwise(arguments) if name.startswith("--")}
        try:
            answer = self._answer(arguments, told)
        except RefusedError as error:
            body = json.dumps({"error": {"code": error.code, "message": str(error)}}, ensure_ascii=False)
            said = f"{error.reason}({body})" if error.code else error.reason or str(error)
            return 1, "", f"ERROR: {said}"
        return 0, answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False) if answer else "", ""

    def _answer(self, arguments: list[str], told: dict[str, str]) -> Any:
        match arguments:
            case ["rest", *_]:
                return self._rest(told["--method"], told["--url"], query(arguments), told.get("--body", "@")[1:])
            case ["account", "show", *_]:
                subscription = told.get("--subscription", "").lower()
                tenant = self.state["subscriptions"].get(subscription, {}).get("tenant", self.state["tenant"])
                if subscription and not self._signed_in(subscription):
                    raise RefusedError(
                        "", "", f"The subscription of '{subscription}' doesn't exist in cloud 'AzureCloud'."
                    )
                return {
                    "user": {"name": self.state["user"]},
                    "tenantId": tenant,
                    "environmentName": self.state["cloud"],
                }
            case ["cloud", "show", *_]:
                return self.state["cloud_told"]
            case ["bicep", "version", *_]:
                if not self.state["bicep"]:
                    raise RefusedError("", "", 'Bicep CLI not found. Install it now by running "az bicep install".')
                return self.state["bicep"]
            case ["functionapp", "list-flexconsumption-locations", *_]:
                return [{"name": name} for name in self.state["flex"]]
            case ["deployment", "sub", "what-if", *_]:
                return fake_policy.what_if(self.state, told)
            case ["deployment", "sub", "create", *_]:
                return self._deploy(told["--name"], told["--parameters"].removeprefix("@"))
            case _:
                raise RefusedError("", "", f"'{arguments}' is misspelled or not recognized by the system.")

    def _signed_in(self, subscription: str) -> bool:
        return subscription in self.state["subscriptions"]

    def _rest(self, method: str, url: str, asked: dict[str, str], body: str) -> Any:
        path = url.lower().removeprefix("https://management.azure.com").rstrip("/")
        assert "&" not in url, "cmd.exe would take it for the end of the command"
        assert asked["api-version"]
        self._refuse(method, path)
        if path == "/subscriptions":
            tenant = self.state["tenant"]
            seen = [one for one, told in self.state["subscriptions"].items() if told["tenant"] == tenant]
            return self._page([{"subscriptionId": one} for one in seen], path, asked)
        subscription = path.split("/")[2]
        if not self._signed_in(subscription):
            raise RefusedError(
                "", "", f"Subscription '{subscription}' not found. Check the spelling and casing and try again."
            )
        if self.state["subscriptions"][subscription]["tenant"] != self.state["tenant"]:
            raise RefusedError(
                "Not Found", "SubscriptionNotFound", f"The subscription '{subscription}' could not be found."
            )
        if method == "get":
            return self._get(path, asked)
        if method == "delete":
            return self._delete(path)
        if path.endswith("/checkpolicyrestrictions"):
            return fake_policy.answer(self.state, json.loads(Path(body).read_text(encoding="utf-8")))
        assert path.endswith("/syncfunctiontriggers")
        return None

    def _refuse(self, method: str, path: str) -> None:
        for refusal in self.state["refusals"]:
            if refusal["times"] and refusal["method"] == method and refusal["path"].lower() in f"{path}$":
                if refusal.setdefault("after", 0):
                    refusal["after"] -= 1
                    continue
                refusal["times"] -= 1
                raise RefusedError(refusal["reason"], refusal["code"], refusal.get("message", "Größe ungültig"))

    def _get(self, path: str, asked: dict[str, str]) -> Any:
        if path.count("/") == 2:
            return {"subscriptionId": path.split("/")[2]}
        if path.endswith("/providers/microsoft.authorization/permissions"):
            return {"value": self._permissions(path.rsplit("/providers/", 1)[0])}
        if path.endswith("/providers"):
            return self._page(self._providers(), path, asked)
        kind = next((one for one in LISTS if path.endswith(f"/{one}")), None)
        if kind is not None:
            return self._page(self._listed(path.removesuffix(f"/{kind}"), kind, asked.get("$filter", "")), path, asked)
        if path.endswith("/resources"):
            return self._page(self._resources(path.removesuffix("/resources"), asked.get("$filter", "")), path, asked)
        if path.endswith("/functions/on_key_event"):
            self.state["polls_until_indexed"] -= 1
            if self.state["polls_until_indexed"] >= 0:
                raise RefusedError("Not Found", "NotFound", "Function on_key_event is unknown.")
            return {"name": "on_key_event"}
        return shuffled(self._present(path))

    def _permissions(self, scope: str) -> list[Resource]:
        above = [one for one in self.state["permissions"] if f"{scope}/".startswith(f"{one.lower()}/")]
        return self.state["permissions"][max(above, key=len)] if above else [OWNER]

    def _providers(self) -> list[Resource]:
        names = (
            "App",
            "EventGrid",
            "Insights",
            "KeyVault",
            "ManagedIdentity",
            "Network",
            "OperationalInsights",
            "Storage",
            "Web",
        )
        return [
            {
                "namespace": f"microsoft.{name}",
                "registrationState": "NotRegistered"
                if f"Microsoft.{name}" in self.state["unregistered"]
                else "Registered",
                "resourceTypes": [
                    {"resourceType": kind.partition("/")[2], "apiVersions": versions}
                    for kind, versions in self.state["versions"].items()
                    if kind.startswith(f"Microsoft.{name}/")
                ],
            }
            for name in names
        ]

    def _resources(self, scope: str, only: str) -> list[Resource]:
        """All of a scope that lie in a group themselves, or those with a tag."""
        parts = only.split("'")
        return [
            one
            for id_, one in self.state["resources"].items()
            if id_.startswith(f"{scope}/")
            and id_.count("/") == RESOURCE_DEPTH
            and (not only or (one.get("tags") or {}).get(parts[1]) == parts[3])
        ]

    def _listed(self, scope: str, kind: str, only: str) -> list[Resource]:
        found = [one for id_, one in self.state["resources"].items() if id_.startswith(f"{scope}/") and is_a(id_, kind)]
        if kind in ("eventsubscriptions", "providers/microsoft.insights/diagnosticsettings"):
            self._present(scope)
        if kind.endswith("roledefinitions"):
            assert only == "type eq 'CustomRole'"
        hidden = tuple(one.lower() for one in self.state["unlisted"])
        return [one for one in found if not one["id"].lower().startswith(hidden)]

    def _present(self, path: str) -> Resource:
        """A resource; one that is being deleted is seen for a while, and then gone."""
        if path in self.state["deleting"]:
            self.state["deleting"][path] -= 1
            if self.state["deleting"][path] < 0:
                self.state["resources"].pop(path, None)
        found: Resource | None = self.state["resources"].get(path)
        if found is None:
            group = "/".join(path.split("/")[:5])
            missing_group = path == group or ("/resourcegroups/" in path and group not in self.state["resources"])
            raise RefusedError(
                "Not Found", "ResourceGroupNotFound" if missing_group else "ResourceNotFound", f"'{path}' öde"
            )
        return found

    def _delete(self, path: str) -> None:
        locks = [
            one["id"].lower().rpartition("/providers/")[0]
            for id_, one in self.state["resources"].items()
            if "/locks/" in id_
        ]
        if any(f"{path}/".startswith(f"{scope}/") for scope in locks):
            raise RefusedError("Conflict", "ScopeLocked", "The scope is locked.")
        if "/roledefinitions/" in path:
            if self._assigned(path) or self.state["seems_assigned"]:
                self.state["seems_assigned"] = max(0, self.state["seems_assigned"] - 1)
                raise RefusedError("Bad Request", "RoleDefinitionHasAssignments")
            if path not in self.state["resources"]:
                raise RefusedError("Not Found", "RoleDefinitionDoesNotExist")
        self._present(path)
        if "/systemtopics/" in path and "/eventsubscriptions/" not in path:
            left = {one["id"].lower() for one in self._listed(path, "eventsubscriptions", "")}
            assert not left - self.state["deleting"].keys(), "Azure would delete somebody's subscriptions with it"
        self.state["deleted"].append(path)
        if "/systemtopics/" in path and "/diagnosticsettings/" not in path:
            self.state["deleting"][path] = self.state["deletion_polls"]
        else:
            del self.state["resources"][path]

    def _assigned(self, role: str) -> bool:
        rights = (one for id_, one in self.state["resources"].items() if "/roleassignments/" in id_)
        return any(one["properties"]["roleDefinitionId"].lower() == role for one in rights)

    def _page(self, items: list[Resource], path: str, asked: dict[str, str]) -> Any:
        """One item for each page. The token has what a shell, a URL and a code page stumble over."""
        place = int(asked["$skiptoken"].rpartition(" &%+ö")[2]) if "$skiptoken" in asked else 0
        following = "&".join(f"{quote(name)}={quote(value)}" for name, value in asked.items() if name != "$skiptoken")
        token = quote(f" &%+ö{place + 1}")
        link = f"https://management.azure.com{path}?{following}&%24skiptoken={token}"
        shown = [shuffled(one) for one in items[place : place + 1]]
        return {"value": shown, "nextLink": link if place + 1 < len(items) else None}

    def _deploy(self, name: str, file: str) -> Any:
        """Make what connect/main.bicep makes, or a part of it."""
        assert len(name) <= NAME_LIMIT
        given = {
            key: one["value"] for key, one in json.loads(Path(file).read_text(encoding="utf-8"))["parameters"].items()
        }
        self.state["parameters"] = given
        outputs: dict[str, list[str]] = {}
        for count, (output, made) in enumerate(connected(given)):
            if self.state["fails_after"] == count:
                self._fail("Conflict", "somebody pulled the plug")
            self._make(made)
            outputs.setdefault(output, []).append(made["id"])
            if output == "vaultAccess" and self.state["slow"]:
                self._fail(*self.state["slow"].pop(0))
        return {"properties": {"outputs": {key: {"type": "Array", "value": ids} for key, ids in outputs.items()}}}

    def _fail(self, code: str, message: str) -> None:
        inner = json.dumps({"error": {"code": code, "message": message}})
        raise RefusedError(
            "", "", json.dumps({"code": "DeploymentFailed", "details": [{"code": "Conflict", "message": inner}]})
        )

    def _make(self, made: Resource) -> None:
        resources, id_ = self.state["resources"], made["id"].lower()
        source = (made["properties"].get("source") or "").lower()
        for other_id, other in resources.items():
            if source and other_id != id_ and (other["properties"].get("source") or "").lower() == source:
                self._fail("InvalidRequest", "Only one system topic is allowed per source.")
        name = id_.rsplit("/", 1)[-1]
        resources[id_] = {**made, "name": name}


def is_a(id_: str, kind: str) -> bool:
    """Whether an id ends in a resource of a kind."""
    return id_.rpartition("/")[0].endswith(f"/{kind}")


def shuffled(resource: Resource) -> Resource:
    """As Azure may answer: an id in another casing than it was given."""
    return resource | ({"id": resource["id"].upper()} if "id" in resource else {})


def query(arguments: list[str]) -> dict[str, str]:
    """The query's parameters, each by itself or from a file."""
    given = arguments[arguments.index("--uri-parameters") + 1 :]
    given = list(itertools.takewhile(lambda one: not one.startswith("--"), given))
    if given[0].startswith("@"):
        found: dict[str, str] = json.loads(Path(given[0][1:]).read_text(encoding="utf-8"))
        return found
    return {name: value for name, _, value in (one.partition("=") for one in given)}


def main(arguments: list[str]) -> int:
    file = Path(os.environ["FAKE_AZ_STATE"])
    with file.open("r+", encoding="utf-8") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        fake = Fake(json.load(opened))
        code, out, complaint = fake.run(arguments)
        opened.seek(0)
        opened.truncate()
        json.dump(fake.state, opened)
    code_page = os.environ.get("FAKE_AZ_CODE_PAGE", "utf-8")
    sys.stdout.buffer.write(out.encode(code_page))
    sys.stderr.buffer.write(complaint.encode(code_page))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
