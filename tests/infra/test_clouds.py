"""Clouds differ, and lag: what differs is said in one table, and API versions are the same wherever one is named."""

import re
from pathlib import Path

import pytest

import azure_cli
import evidence
from cmk_rotation.config.settings import SETTINGS
from tests.infra import bicep
from tests.infra.bicep import INFRA, ROOT
from tests.infra.hook_stage import PROD, Stage
from tests.infra.test_bicep import known

FILES = [str(path.relative_to(INFRA)) for path in bicep.files()]
OF_ONE_CLOUD = re.compile(
    r"Azure(?:Cloud|USGovernment|ChinaCloud)\b|environment\(\)\.name|(?:azure|windows)\.(?:com|net|us|cn)|usgovcloudapi|chinacloudapi"
)
"""The name of a cloud, or a host of one."""
TABLE = re.compile(r"^var publicCloud = .*?^}$", re.MULTILINE | re.DOTALL)
PAGES = [ROOT / "README.md", INFRA / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
IDS = {"$CLUSTER": "Microsoft.OperationalInsights/clusters"}
"""What a page's own variables stand for."""
ELSEWHERE = {"Microsoft.AlertsManagement/alerts": "2019-03-01"}
"""Types that neither the templates nor the hooks name."""


def outside_the_table(path: str) -> list[str]:
    text = bicep.read(path).text
    if path == "main.bicep":
        text = TABLE.sub("", text)
    code = (line.partition("// ")[0] for line in text.splitlines())
    told = [line for line in code if not line.startswith("@description(")]
    return [line.strip() for line in told if OF_ONE_CLOUD.search(line)]


def test_the_one_table_of_clouds_is_there() -> None:
    (table,) = TABLE.findall(bicep.read("main.bicep").text)
    assert len(OF_ONE_CLOUD.findall(table)) > 3


@pytest.mark.parametrize("path", FILES)
def test_no_name_of_a_cloud_and_no_host_of_one_stands_outside_the_table(path: str) -> None:
    """`AZURE_CLOUD` takes the name as it is, from a cloud that the table says is known."""
    allowed = {"AZURE_CLOUD: cloudIsKnown ? environment().name : 'Custom'"}
    assert set(outside_the_table(path)) <= allowed


def test_the_hooks_name_no_host_of_a_cloud() -> None:
    """The CLI knows where it is. What is left names a schema, which is the same in each."""
    found = {
        line.strip()
        for path in (INFRA / "hooks").glob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"(?:azure|windows)\.(?:com|net|us|cn)|usgovcloudapi|chinacloudapi", line)
    }
    assert found == {'SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#"'}


def test_the_hooks_and_the_template_know_the_same_clouds() -> None:
    (table,) = TABLE.findall(bicep.read("main.bicep").text)
    assert set(re.findall(r"'(Azure\w+)'", table)) == set(evidence.BY_NAME)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_on_a_page_has_the_api_version_that_the_templates_have(page: Path) -> None:
    for url, version in re.findall(r'--url "([^?"]+)\?api-version=([\d-]+\w*)', page.read_text(encoding="utf-8")):
        kind = IDS.get(url) or "/".join(url.partition("/providers/")[2].split("/")[:2])
        assert version == (ELSEWHERE.get(kind) or azure_cli.VERSIONS.get(kind) or known(kind)), url


def test_a_command_with_an_api_version_is_there_to_be_looked_at() -> None:
    assert sum("api-version=" in page.read_text(encoding="utf-8") for page in PAGES) > 0


GOVERNMENT = {
    "endpoints": {"resourceManager": "https://arm.example/", "activeDirectoryResourceId": "https://core.example/"},
    "suffixes": {"storageEndpoint": "core.usgovcloudapi.net", "keyvaultDns": ".vault.usgovcloudapi.net"},
}


def command(connected: Stage, capsys: pytest.CaptureFixture[str], cloud: str) -> dict[str, str]:
    """The settings in the command that writes the record down."""
    connected.state.update(cloud=cloud, cloud_told=GOVERNMENT)
    connected.disconnect(PROD)
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "-m cmk_rotation status" in one]
    settings = dict(re.findall(r"(\w+)='([^']*)'", line))
    assert settings.keys() <= {setting.name for setting in SETTINGS}
    return settings


def test_the_record_is_written_down_with_the_addresses_of_the_cloud(
    connected: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    told = command(connected, capsys, "AzureUSGovernment")
    assert told["AzureWebJobsStorage__tableServiceUri"] == "https://stprod.table.core.usgovcloudapi.net"
    assert told["AZURE_CLOUD"] == "AzureUSGovernment"
    assert "AzureWebJobsStorage__accountName" not in told


def test_a_cloud_that_the_app_does_not_know_is_described_to_it(
    connected: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    told = command(connected, capsys, "USNat")
    assert told["AZURE_CLOUD"] == "Custom"
    assert told["ARM_ENDPOINT"] == GOVERNMENT["endpoints"]["resourceManager"]
    assert told["ARM_AUDIENCE"] == GOVERNMENT["endpoints"]["activeDirectoryResourceId"]
    assert told["KEY_VAULT_SUFFIXES"] == GOVERNMENT["suffixes"]["keyvaultDns"]


def test_a_cloud_that_the_cli_does_not_describe_leaves_words_to_fill_in(
    connected: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    connected.state["cloud_told"] = None
    connected.state["cloud"] = "AzureChinaCloud"
    connected.disconnect(PROD)
    assert "='https://stprod.blob.STORAGE_SUFFIX'" in capsys.readouterr().out
