"""Storage of somebody else's for alerts and the workbook: whether it can be used."""

from collections.abc import Iterable, Iterator, Mapping

from azure_cli import AzError, Azure
from named import NO_WORKBOOK, Named

IDENTITY = "WATCH_IDENTITY_ID"
STORAGE = ("ALERTS_STORAGE_ID", "WORKBOOK_STORAGE_ID")
ROLES = {"ALERTS_STORAGE_ID": "Storage Table Data Contributor", "WORKBOOK_STORAGE_ID": "Storage Blob Data Contributor"}
"""learn.microsoft.com/azure/azure-monitor/logs/private-storage, and .../visualize/workbooks-bring-your-own-storage."""


def without_identity(environ: Mapping[str, str]) -> Iterator[str]:
    """A sentence where storage is named, and not the identity by which it is reached."""
    wanted = [name for name in STORAGE if environ.get(name, "").lower() not in ("", NO_WORKBOOK)]
    if wanted and not environ.get(IDENTITY, ""):
        yield (
            f"{' and '.join(wanted)} are reached by an identity: azd env set {IDENTITY} ID, of a user-assigned one that has "
            f"{' and '.join(ROLES[name] for name in wanted)} there"
        )


def check_watch(azure: Azure, environ: Mapping[str, str], named: Iterable[Named], notes: list[str]) -> list[str]:
    """Sentences about storage that a workspace cannot take; which rights the identity has is only remarked."""
    wrong: list[str] = []
    for one in named:
        if one.variable not in STORAGE:
            continue
        notes.append(
            f"the identity of {IDENTITY} needs the role {ROLES[one.variable]} on {one.id}; whether it has is not looked at."
        )
        if one.variable == "ALERTS_STORAGE_ID":
            wrong += _account(azure, environ, one)
    return wrong


def _account(azure: Azure, environ: Mapping[str, str], one: Named) -> Iterator[str]:
    try:
        account = azure.get(one.id, one.kind.type)
    except AzError as error:
        yield f"{one.variable}: {error.short}"
        return
    there, wanted = (text.replace(" ", "").lower() for text in (account["location"], environ.get("AZURE_LOCATION", "")))
    if wanted and there != wanted:
        yield f"{one.variable} is in {there}, and a workspace takes storage of its own region alone, which is {wanted}"
    if account.get("kind") != "StorageV2":
        yield f"{one.variable} is of kind {account.get('kind')}, and a workspace takes StorageV2 alone"
