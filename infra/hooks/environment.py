"""What azd tells the hooks: outputs of infra/main.bicep and what was set with `azd env set`, as environment variables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from azure_cli import StoppedError

PARTS = re.compile(
    r"/subscriptions/(?P<subscription>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"(?:/resourcegroups/(?P<group>[^/\s]+)"
    r"(?:/providers/(?P<type>[^/\s]+/[^/\s]+)/(?P<name>[^/\s]+))?)?"
)
SITES = "/providers/microsoft.web/sites/"
SCOPE_KINDS = ("", "microsoft.operationalinsights/clusters")
VAULT_KINDS = ("microsoft.keyvault/vaults",)
STORAGE_KINDS = ("", "microsoft.storage/storageaccounts")
WHAT = {
    SCOPE_KINDS: "of a subscription, resource group or cluster",
    VAULT_KINDS: "of a key vault",
    STORAGE_KINDS: "of a subscription, resource group or storage account",
}
NONE = "none"
"""What KEY_VAULT_IDS says where every key is in a Managed HSM: azd asks again for what is empty."""


@dataclass(frozen=True)
class Place:
    """A subscription, a resource group or a resource, all in lower case: Azure's ids come back in any."""

    subscription: str
    group: str = ""
    type: str = ""
    name: str = ""

    @property
    def id(self) -> str:
        """The ARM id."""
        group = f"/resourcegroups/{self.group}" if self.group else ""
        return f"/subscriptions/{self.subscription}{group}" + (
            f"/providers/{self.type}/{self.name}" if self.name else ""
        )


def place(text: str) -> Place | None:
    """An ARM id taken apart; None if it is none, or of something deeper than a resource."""
    found = PARTS.fullmatch("/" + text.strip().strip("/").lower())
    return Place(**{name: part or "" for name, part in found.groupdict().items()}) if found else None


@dataclass(frozen=True)
class Installation:
    """One azd environment in one subscription. Its resource group is its own, and so is any function app in it."""

    environment: str
    subscription: str
    group: str

    @property
    def group_id(self) -> str:
        """ARM id of the resource group, in lower case."""
        return f"/subscriptions/{self.subscription}/resourcegroups/{self.group}"

    def owns(self, app_id: str) -> bool:
        """Whether a function app is this installation's: by its whole resource group, never by how a name begins."""
        return app_id.lower().startswith(f"{self.group_id}{SITES}")

    def contains(self, resource: str) -> bool:
        """Whether a resource lies in the installation's own group."""
        return resource.lower().startswith(f"{self.group_id}/")


def installation(environ: Mapping[str, str]) -> Installation:
    """The installation that azd speaks of. Its group has the name that main.bicep fixes, made or not: AZURE_RESOURCE_GROUP
    is a variable that many shells have for something else.
    """
    environment, subscription = told(environ, "AZURE_ENV_NAME"), told(environ, "AZURE_SUBSCRIPTION_ID").lower()
    app = environ.get("FUNCTION_APP_ID", "").strip()
    found = place(app) if app else Place(subscription, f"rg-cmk-rotation-{environment}".lower())
    if found is None or found.subscription != subscription:
        raise StoppedError(
            f"azd's environment {environment} is of subscription {subscription}, but its function app is {app}. An "
            "environment cannot move: set AZURE_SUBSCRIPTION_ID back ('azd env set'), or make another ('azd env new')."
        )
    return Installation(environment, subscription, found.group)


def told(environ: Mapping[str, str], name: str) -> str:
    """What azd told, or a sentence about how to get it."""
    value = environ.get(name, "").strip()
    if not value:
        raise StoppedError(
            f"{name} is not set: run 'azd provision' first, and this by azd: 'azd hooks run postdeploy' connects."
        )
    return value


def places(environ: Mapping[str, str], name: str, kinds: tuple[str, ...]) -> tuple[list[Place], list[str]]:
    """A list of ids, each once however it is spelt; and what is wrong with it."""
    found: list[Place] = []
    wrong: list[str] = []
    for text in (item.strip() for item in re.split(r"[,\r\n]", environ.get(name, ""))):
        if not text or (kinds == VAULT_KINDS and text.lower() == NONE):
            continue
        one = place(text)
        if one is None or one.type not in kinds or (one.group == "" and "" not in kinds):
            wrong.append(f"{name}: '{text}' is not the ARM id {WHAT[kinds]}. 'az resource show --query id' tells ids.")
            continue
        if text != f"/{text.strip('/')}":
            # The template takes ids as they are written, and two spellings for two things.
            wrong.append(f"{name}: '{text}' is written '/{text.strip('/')}', with one slash before and none behind.")
        if one not in found:
            found.append(one)
    return found, wrong


def connected_by_others(environ: Mapping[str, str]) -> bool:
    """Whether whoever deploys has no rights on clusters, vaults and storage accounts, and somebody else connects the app."""
    return environ.get("CONNECTED_BY_OTHERS", "").strip() == "true"


def scopes(environ: Mapping[str, str]) -> list[Place]:
    """The scopes of clusters, or a sentence about what is wrong."""
    found, wrong = places(environ, "CLUSTER_SCOPES", SCOPE_KINDS)
    if wrong or not found:
        raise StoppedError(
            " ".join(wrong) or "CLUSTER_SCOPES is not set: 'azd env set CLUSTER_SCOPES IDS', then 'azd up'"
        )
    return found


def storage_scopes(environ: Mapping[str, str]) -> list[Place]:
    """Where the app may see which keys encrypt storage accounts; there may be none."""
    found, wrong = places(environ, "STORAGE_SCOPES", STORAGE_KINDS)
    if wrong:
        raise StoppedError(" ".join(wrong))
    return found


def vaults(environ: Mapping[str, str]) -> list[Place]:
    """The key vaults; there may be none, where every key is in a Managed HSM, which sends no events."""
    found, wrong = places(environ, "KEY_VAULT_IDS", VAULT_KINDS)
    if wrong:
        raise StoppedError(" ".join(wrong))
    return found
