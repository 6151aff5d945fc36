"""What `azd down` deletes besides, and how to keep it."""

import os
from collections.abc import Mapping
from typing import Any

from azure_cli import AzError, Azure
from environment import Installation

PUBLIC = "AzureCloud"
BY_NAME = (PUBLIC, "AzureUSGovernment", "AzureChinaCloud")
"""The clouds that the app knows, by the names that the Azure CLI has for them; main.bicep has the same."""
SERVICES = ("blob", "queue", "table")


def evidence(azure: Azure, environ: Mapping[str, str], mine: Installation, cloud: str) -> str:
    """What is lost with the app's own group, said before."""
    storage = environ.get("STORAGE_ACCOUNT_ID", "").strip() or f"the storage account in {mine.group}"
    workspace = environ.get("WORKSPACE_ID", "").strip() or f"the workspace in {mine.group}"
    return (
        "'azd down' deletes the evidence of all rotations:\n"
        f"  - the records and dead letters in {storage}: for good\n"
        f"  - the logs in {workspace}: for good with --purge; else Azure keeps them 14 days, and a workspace of the same\n"
        "    name that is made meanwhile has them again\n"
        "To have it first, answer azd's question with no, run this with the app's packages installed (requirements.txt), and\n"
        "'azd down' again:\n"
        f"  {status_command(settings(environ, cloud, {} if cloud == PUBLIC else _told(azure)))}\n"
        "infra/README.md, Evidence, says which right that takes, and how to keep all of it."
    )


def status_command(settings: Mapping[str, str], *, windows: bool = os.name == "nt") -> str:
    """What writes the record down, from the folder of azure.yaml, in the shell that the hooks run in."""
    command = "python3 -m cmk_rotation status --json --history > rotations.json"
    if windows:
        given = "".join(f"$env:{name}='{value}'; " for name, value in settings.items())
        return given + command.replace("python3", "python", 1)
    return "".join(f"{name}='{value}' " for name, value in settings.items()) + command


def settings(environ: Mapping[str, str], cloud: str, told: Mapping[str, Any]) -> dict[str, str]:
    """What to look at, the storage and the cloud, as the app takes them; `told` is what the CLI knows of a cloud that is not
    the public one, where the account's name alone does not do.
    """
    account = environ.get("STORAGE_ACCOUNT_ID", "").rstrip("/ ").rpartition("/")[2] or "ACCOUNT"
    found = {"CLUSTER_SCOPES": environ.get("CLUSTER_SCOPES", "").strip() or "SCOPES", "MODE": "observe"}
    if cloud == PUBLIC:
        return {**found, "AzureWebJobsStorage__accountName": account}
    suffixes, endpoints = told.get("suffixes") or {}, told.get("endpoints") or {}
    storage = suffixes.get("storageEndpoint") or "STORAGE_SUFFIX"
    for one in SERVICES:
        found[f"AzureWebJobsStorage__{one}ServiceUri"] = f"https://{account}.{one}.{storage}"
    if cloud in BY_NAME:
        return {**found, "AZURE_CLOUD": cloud}
    return {
        **found,
        "AZURE_CLOUD": "Custom",
        "ARM_ENDPOINT": endpoints.get("resourceManager") or "ARM_ENDPOINT",
        "ARM_AUDIENCE": endpoints.get("activeDirectoryResourceId") or "ARM_AUDIENCE",
        "KEY_VAULT_SUFFIXES": suffixes.get("keyvaultDns") or "KEY_VAULT_SUFFIXES",
    }


def _told(azure: Azure) -> dict[str, Any]:
    """What the CLI knows of the cloud that it is set to; nothing hangs on it but a command to copy."""
    try:
        return dict(azure.call("cloud", "show") or {})
    except AzError:
        return {}
