"""Where each Azure cloud has its endpoints.

The values are those of Azure CLI's and azure-mgmt-core's cloud tables and of Key Vault's "DNS suffixes" table
(learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates). Two audiences are missing because every
cloud has the same: storage's is https://storage.azure.com, and Event Grid's SDK knows only https://eventgrid.azure.net.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from cmk_rotation.config import api_versions


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud's endpoints."""

    name: str
    arm_endpoint: str
    """Without a slash at its end."""
    arm_scope: str
    """What a token for ARM is asked for. In Azure Government its host is not ARM's."""
    vault_suffixes: tuple[str, ...]
    """Of vaults and managed HSMs, lower case, with their leading dot."""
    authority_host: str | None = None
    """Where people sign in; None leaves it to `AZURE_AUTHORITY_HOST`. A managed identity needs none."""
    storage_suffix: str | None = None
    """None where only full storage URIs will do."""
    logs_endpoint: str | None = None
    """Where workspaces are queried, which is also the audience of its tokens; None where it is not known."""
    arm_api_version: str = api_versions.ARM
    key_vault_api_version: str = api_versions.KEY_VAULT

    @property
    def arm_host(self) -> str:
        """ARM's DNS name."""
        return urlsplit(self.arm_endpoint).hostname or ""


PUBLIC = Cloud(
    name="AzurePublic",
    arm_endpoint="https://management.azure.com",
    arm_scope="https://management.azure.com/.default",
    vault_suffixes=(".vault.azure.net", ".managedhsm.azure.net"),
    authority_host="login.microsoftonline.com",
    storage_suffix="core.windows.net",
    logs_endpoint="https://api.loganalytics.io",
)
US_GOVERNMENT = Cloud(
    name="AzureUSGovernment",
    arm_endpoint="https://management.usgovcloudapi.net",
    arm_scope="https://management.core.usgovcloudapi.net/.default",
    vault_suffixes=(".vault.usgovcloudapi.net", ".managedhsm.usgovcloudapi.net"),
    authority_host="login.microsoftonline.us",
    storage_suffix="core.usgovcloudapi.net",
    logs_endpoint="https://api.loganalytics.us",
)
CHINA = Cloud(
    name="AzureChina",
    arm_endpoint="https://management.chinacloudapi.cn",
    arm_scope="https://management.chinacloudapi.cn/.default",
    vault_suffixes=(".vault.azure.cn", ".managedhsm.azure.cn"),
    authority_host="login.chinacloudapi.cn",
    storage_suffix="core.chinacloudapi.cn",
    logs_endpoint="https://api.loganalytics.azure.cn",
)
CUSTOM = "Custom"
"""The name under which the settings describe a cloud of their own (USNat, USSec, …)."""

_BY_NAME = {
    "azurepublic": PUBLIC,
    "azurecloud": PUBLIC,
    "azureusgovernment": US_GOVERNMENT,
    "azurechina": CHINA,
    "azurechinacloud": CHINA,
}


def named(name: str) -> Cloud | None:
    """The cloud of a name, in any casing; the names that `az cloud list` uses are understood too."""
    return _BY_NAME.get(name.lower())


def custom(arm_endpoint: str, arm_audience: str, vault_suffixes: tuple[str, ...]) -> Cloud:
    """A cloud that only its operator knows."""
    return Cloud(
        name=CUSTOM,
        arm_endpoint=arm_endpoint,
        arm_scope=arm_audience.removesuffix("/.default").rstrip("/") + "/.default",
        vault_suffixes=vault_suffixes,
    )
