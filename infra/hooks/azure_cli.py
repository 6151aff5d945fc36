"""The Azure CLI, and what its errors mean.

Everything goes through `az rest` and an error's code. Text is never searched for "not found": a wrong tenant says that too.
"""

import json
import locale
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

GONE = frozenset({"ResourceNotFound", "ResourceGroupNotFound", "ParentResourceNotFound", "RoleAssignmentNotFound"})
"""Codes by which Azure says that a thing is not there. SubscriptionNotFound is none: it is what a wrong sign-in hears."""
VERSIONS = {
    "Microsoft.Authorization/locks": "2016-09-01",
    "Microsoft.Authorization/permissions": "2022-04-01",
    "Microsoft.Authorization/roleAssignments": "2022-04-01",
    "Microsoft.Authorization/roleDefinitions": "2022-04-01",
    "Microsoft.EventGrid/systemTopics": "2022-06-15",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": "2022-06-15",
    "Microsoft.Insights/diagnosticSettings": "2021-05-01-preview",
    "Microsoft.Insights/metricAlerts": "2018-03-01",
    "Microsoft.Insights/privateLinkScopes": "2021-07-01-preview",
    "Microsoft.Insights/privateLinkScopes/scopedResources": "2021-07-01-preview",
    "Microsoft.KeyVault/vaults": "2023-02-01",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "2023-01-31",
    "Microsoft.Network/privateEndpoints": "2023-04-01",
    "Microsoft.Network/virtualNetworks": "2023-05-01",
    "Microsoft.Network/virtualNetworks/subnets": "2023-05-01",
    "Microsoft.OperationalInsights/clusters": "2023-09-01",
    "Microsoft.OperationalInsights/workspaces": "2023-09-01",
    "Microsoft.PolicyInsights/checkPolicyRestrictions": "2020-07-01",
    "Microsoft.Resources/providers": "2021-04-01",
    "Microsoft.Resources/resourceGroups": "2022-09-01",
    "Microsoft.Resources/subscriptions": "2021-01-01",
    "Microsoft.Storage/storageAccounts": "2023-05-01",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "2023-05-01",
    "Microsoft.Web/serverfarms": "2023-12-01",
    "Microsoft.Web/sites": "2023-12-01",
    "Microsoft.Web/sites/functions": "2023-12-01",
}
"""The templates' own, where they name the type: a test holds the two together."""

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#"
STATUS_WORDS = {
    "Not Found": 404,
    "Forbidden": 403,
    "Internal Server Error": 500,
    "Bad Gateway": 502,
    "Service Unavailable": 503,
    "Gateway Time": 504,
}

Run = Callable[[list[str]], tuple[int, str, str]]
"""Runs `az` with arguments: exit code, what it wrote, what it complained of."""


class StoppedError(Exception):
    """What is in the way, and what to do about it."""


class AzError(Exception):
    """The Azure CLI failed; its text is what that wrote."""

    @property
    def codes(self) -> list[str]:
        """Every code in the text, the outermost first. Deployments nest their errors as escaped JSON."""
        return re.findall(r'\\*"code\\*"\s*:\s*\\*"([^"\\]+)', str(self)) or re.findall(
            r"^(?:ERROR: )?\((\w+)\)", str(self), re.MULTILINE
        )

    @property
    def code(self) -> str:
        """What Azure calls the failure; empty if it gave no code."""
        return next(iter(self.codes), "")

    @property
    def gone(self) -> bool:
        """Whether Azure says that the thing itself is not there, rather than out of reach."""
        return self.code in GONE

    @property
    def status(self) -> int:
        """The HTTP status by the words with which `az rest` begins; 0 for others."""
        text = str(self).removeprefix("ERROR:").strip()
        return next((code for words, code in STATUS_WORDS.items() if text.startswith(words)), 0)

    @property
    def short(self) -> str:
        """One line for a list of troubles."""
        return " ".join(str(self).split())[:300]


def run_az(arguments: list[str]) -> tuple[int, str, str]:
    """Run the operator's own `az`."""
    program = shutil.which("az")
    if program is None:
        raise StoppedError("the Azure CLI is needed: see https://aka.ms/azure-cli, then run 'az login'")
    done = subprocess.run([program, *arguments], capture_output=True, check=False)  # noqa: S603 - the operator's own az
    return done.returncode, _decoded(done.stdout), _decoded(done.stderr)


def _decoded(raw: bytes) -> str:
    """Captured output is in UTF-8, or on Windows in the code page. A name that cannot be read must not stop anything."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode(locale.getpreferredencoding(do_setlocale=False), errors="replace")


class Azure:
    """Azure, as whoever is signed in to the CLI."""

    def __init__(self, run: Run = run_az, sleep: Callable[[float], None] = time.sleep) -> None:
        self._run = run
        self.sleep = sleep

    def text(self, *arguments: str) -> str:
        """What a command writes."""
        code, out, complaint = self._run([*arguments, "--only-show-errors"])
        if code:
            raise AzError(complaint.strip() or out.strip())
        return out

    def call(self, *arguments: str) -> Any:
        """A command's JSON answer; None if it gave none."""
        answer = self.text(*arguments, "--output", "json").strip()
        try:
            return json.loads(answer) if answer else None
        except ValueError as error:
            raise AzError(f"az answered '{arguments[0]}' with what is no JSON: {answer[:200]}") from error

    def get(self, path: str, version_of: str) -> Any:
        """One thing."""
        return self._rest("get", path, version_of)

    def post(self, path: str, version_of: str) -> Any:
        """An action."""
        return self._rest("post", path, version_of)

    def ask(self, path: str, version_of: str, body: Mapping[str, Any]) -> Any:
        """An action with a body, which goes by a file: cmd.exe would take its letters for its own."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "body.json"
            file.write_text(json.dumps(body), encoding="utf-8")
            return self._rest("post", path, version_of, more=("--body", f"@{file}"))

    def delete(self, path: str, version_of: str) -> None:
        """Ask for a deletion, which may go on after the answer."""
        self._rest("delete", path, version_of)

    def pages(self, path: str, version_of: str, query: str = "") -> Iterator[dict[str, Any]]:
        """A list to its end; Event Grid's pages have twenty items. A provider that is not registered has none."""
        try:
            page = self._rest("get", path, version_of, query)
        except AzError as error:
            if error.code == "MissingSubscriptionRegistration":
                return
            raise
        yield from page["value"]
        while page.get("nextLink"):
            page = self._follow(page["nextLink"])
            yield from page["value"]

    def exists(self, path: str, version_of: str) -> bool:
        """Whether a thing is there; an error if Azure will not say."""
        try:
            self.get(path, version_of)
        except AzError as error:
            if not error.gone:
                raise
            return False
        return True

    def _rest(self, method: str, path: str, version_of: str, query: str = "", more: tuple[str, ...] = ()) -> Any:
        query_arguments = [f"api-version={VERSIONS[version_of]}", *([query] if query else [])]
        return self.call("rest", "--method", method, "--url", path, "--uri-parameters", *query_arguments, *more)

    def _follow(self, link: str) -> Any:
        """Read a next page. On Windows az is a batch file, and cmd.exe takes `&` and `%` in an argument for its own: the
        query goes by a file.
        """
        address, _, query = link.partition("?")
        pairs = (pair.partition("=") for pair in query.split("&") if pair)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "query.json"
            file.write_text(json.dumps({unquote(name): unquote(value) for name, _, value in pairs}), encoding="utf-8")
            return self.call("rest", "--method", "get", "--url", address, "--uri-parameters", f"@{file}")


def template_parameters(given: Mapping[str, Any]) -> str:
    """Parameters as the CLI takes them from a file."""
    values = {name: {"value": value} for name, value in given.items()}
    return json.dumps({"$schema": SCHEMA, "contentVersion": "1.0.0.0", "parameters": values})


def say(what: str) -> None:
    """Tell the operator, at once."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()
