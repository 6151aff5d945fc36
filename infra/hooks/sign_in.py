"""Who the Azure CLI acts as. azd and the CLI sign in apart: with another tenant or cloud, nothing of ours is visible, and
what is not visible must never pass for removed.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from azure_cli import AzError, Azure, StoppedError


@dataclass(frozen=True)
class Account:
    """The CLI's sign-in."""

    name: str
    tenant: str
    cloud: str

    def __str__(self) -> str:
        """As messages name it."""
        return f"{self.name} (tenant {self.tenant}, cloud {self.cloud})"


def sign_in(azure: Azure, environ: Mapping[str, str], subscription: str) -> Account:
    """The CLI's sign-in, once it is certain that it is for azd's subscription, tenant and cloud."""
    try:
        shown = azure.call("account", "show")
    except AzError as error:
        raise StoppedError(f"the Azure CLI is not signed in: run 'az login'. It said: {error.short}") from error
    account = Account(str(shown["user"]["name"]), str(shown["tenantId"]), str(shown["environmentName"]))
    told_tenant = environ.get("AZURE_TENANT_ID", "").strip() or account.tenant
    try:
        tenant = str(azure.call("account", "show", "--subscription", subscription)["tenantId"])
        azure.get(f"/subscriptions/{subscription}", "Microsoft.Resources/subscriptions")
    except AzError as error:
        raise StoppedError(
            f"the Azure CLI is signed in as {account} and does not see the subscription {subscription} that azd deploys "
            "to. Sign in as azd is: 'az login --tenant TENANT'; for another cloud first 'az cloud set --name NAME'. "
            f"It said: {error.short}"
        ) from error
    if not tenant.lower() == account.tenant.lower() == told_tenant.lower():
        raise StoppedError(
            f"the Azure CLI acts as {account}, but azd deploys to subscription {subscription} of tenant "
            f"{told_tenant if told_tenant != account.tenant else tenant}. Run 'az account set --subscription "
            f"{subscription}', or 'az login --tenant' with that tenant."
        )
    return account


def azd_account() -> str:
    """Whom azd acts as; empty if this azd does not tell. Nothing but a remark hangs on it."""
    program = shutil.which("azd")
    if program is None:
        return ""
    asked = [program, "auth", "status", "--output", "json"]
    done = subprocess.run(asked, capture_output=True, check=False, text=True, errors="replace")  # noqa: S603 - azd itself
    try:
        found = re.search(r'"(?:email|clientId)"\s*:\s*("[^"]+")', done.stdout)
        return str(json.loads(found[1])) if found else ""
    except ValueError:
        return ""
