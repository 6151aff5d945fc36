"""The host names and token audiences of the clouds that can be simulated."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """One Azure cloud, by the names its clients see."""

    name: str
    arm_host: str
    arm_audiences: frozenset[str]
    """The token audiences that Azure Resource Manager accepts."""
    login_host: str
    graph_host: str
    """Microsoft Graph."""
    vault_suffix: str
    """Without a leading dot. It is also the host of the audience that the vaults ask for."""
    hsm_suffix: str
    storage_suffix: str
    event_grid_suffix: str
    logs_host: str
    """Where workspaces are queried; also the audience of tokens for that."""


PUBLIC = Cloud(
    name="AzurePublic",
    arm_host="management.azure.com",
    arm_audiences=frozenset({"https://management.azure.com", "https://management.core.windows.net"}),
    login_host="login.microsoftonline.com",
    graph_host="graph.microsoft.com",
    vault_suffix="vault.azure.net",
    hsm_suffix="managedhsm.azure.net",
    storage_suffix="core.windows.net",
    event_grid_suffix="eventgrid.azure.net",
    logs_host="api.loganalytics.io",
)

US_GOVERNMENT = Cloud(
    name="AzureUSGovernment",
    arm_host="management.usgovcloudapi.net",
    # Not the ARM host: a client that asks for a token for the host name is refused.
    arm_audiences=frozenset({"https://management.core.usgovcloudapi.net"}),
    login_host="login.microsoftonline.us",
    graph_host="graph.microsoft.us",
    vault_suffix="vault.usgovcloudapi.net",
    hsm_suffix="managedhsm.usgovcloudapi.net",
    storage_suffix="core.usgovcloudapi.net",
    event_grid_suffix="eventgrid.azure.us",
    logs_host="api.loganalytics.us",
)

CHINA = Cloud(
    name="AzureChina",
    arm_host="management.chinacloudapi.cn",
    arm_audiences=frozenset({"https://management.chinacloudapi.cn", "https://management.core.chinacloudapi.cn"}),
    login_host="login.chinacloudapi.cn",
    graph_host="microsoftgraph.chinacloudapi.cn",
    vault_suffix="vault.azure.cn",
    hsm_suffix="managedhsm.azure.cn",
    storage_suffix="core.chinacloudapi.cn",
    event_grid_suffix="eventgrid.azure.cn",
    logs_host="api.loganalytics.azure.cn",
)

CUSTOM = Cloud(
    # An air-gapped cloud that no SDK has heard of. The names are invented (RFC 6761 reserves `.example`).
    name="Custom",
    arm_host="management.sovereign.example",
    arm_audiences=frozenset({"https://arm.sovereign.example"}),
    login_host="login.sovereign.example",
    graph_host="graph.sovereign.example",
    vault_suffix="vault.sovereign.example",
    hsm_suffix="managedhsm.sovereign.example",
    storage_suffix="core.sovereign.example",
    event_grid_suffix="eventgrid.sovereign.example",
    logs_host="api.loganalytics.sovereign.example",
)
