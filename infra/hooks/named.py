"""Resources of somebody else's that the operator names by their ids."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from azure_cli import AzError, Azure
from environment import Installation


@dataclass(frozen=True)
class Kind:
    """What a variable names, and what whoever deploys must be allowed to do with it."""

    type: str
    what: str
    at_it: tuple[str, ...] = ()
    at_its_group: tuple[str, ...] = ()
    by_connect: bool = False
    """Whether it is connect that uses it, so that whoever leaves connecting to others needs no right to it."""


SUBNETS = "Microsoft.Network/virtualNetworks/subnets"
JOIN = "Microsoft.Network/virtualNetworks/subnets/join/action"
NO_WORKBOOK = "none"
"""What WORKBOOK_STORAGE_ID says where there is to be no workbook."""
KINDS = {
    "PRIVATE_LINK_SCOPE_ID": Kind(
        "Microsoft.Insights/privateLinkScopes",
        "an Azure Monitor private link scope",
        at_its_group=(
            "Microsoft.Resources/deployments/write",
            "Microsoft.Insights/privateLinkScopes/scopedResources/write",
        ),
        by_connect=True,
    ),
    "ACTION_GROUP_IDS": Kind("Microsoft.Insights/actionGroups", "an action group"),
    "APP_SUBNET_ID": Kind(SUBNETS, "a subnet", at_it=(JOIN,)),
    "ALERTS_STORAGE_ID": Kind("Microsoft.Storage/storageAccounts", "a storage account"),
    "WORKBOOK_STORAGE_ID": Kind(
        "Microsoft.Storage/storageAccounts/blobServices/containers", f"a blob container, nor '{NO_WORKBOOK}'"
    ),
    "WATCH_IDENTITY_ID": Kind(
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        "a user-assigned identity",
        at_it=("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",),
    ),
    "ENDPOINT_SUBNET_ID": Kind(SUBNETS, "a subnet", at_it=(JOIN,)),
}


@dataclass(frozen=True)
class Named:
    """A resource that a variable names, by its id in lower case."""

    variable: str
    id: str

    @property
    def kind(self) -> Kind:
        """What it is."""
        return KINDS[self.variable]

    @property
    def subscription(self) -> str:
        """The id of its subscription."""
        return self.id.split("/")[2]

    @property
    def group(self) -> str:
        """The ARM id of its resource group."""
        return self.id.partition("/providers/")[0]


def named(environ: Mapping[str, str]) -> list[Named]:
    """All that are named, as far as their ids are ids."""
    found = (Named(variable, value.lower()) for variable in KINDS for value in _values(environ, variable))
    return [one for one in found if _pattern(one.kind.type).fullmatch(one.id)]


def wrong_names(environ: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each id that is none, or of something else."""
    for variable, kind in KINDS.items():
        for value in _values(environ, variable):
            if variable == "WORKBOOK_STORAGE_ID" and value.lower() == NO_WORKBOOK:
                continue
            if not _pattern(kind.type).fullmatch(value.lower()):
                yield f"{variable}: '{value}' is not the ARM id of {kind.what}. 'az resource show --query id' tells ids."


def check_named(azure: Azure, mine: Installation, one: Named, wrong: list[str]) -> bool:
    """Whether a named resource is there and not in the group that goes with the app; if not, a sentence is added."""
    if mine.contains(one.id):
        wrong.append(f"{one.variable}: {one.id} lies in the app's own resource group, which 'azd down' deletes.")
        return False
    try:
        azure.get(one.id, one.kind.type)
    except AzError as error:
        why = "does not exist" if error.gone else "cannot be seen with this sign-in"
        wrong.append(f"{one.variable}: {one.id} {why}: correct the id, or get Reader there. {error.short}")
        return False
    return True


def _values(environ: Mapping[str, str], variable: str) -> Iterator[str]:
    """What a variable names: several only where its name says so."""
    value = environ.get(variable, "")
    parts = value.split(",") if variable.endswith("_IDS") else [value]
    yield from (part.strip() for part in parts if part.strip())


def _pattern(kind: str) -> re.Pattern[str]:
    provider, *types = kind.lower().split("/")
    ends = "".join(rf"/{one}/[^/\s]+" for one in types)
    subscription = r"/subscriptions/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    return re.compile(rf"{subscription}/resourcegroups/[^/\s]+/providers/{re.escape(provider)}{ends}")
