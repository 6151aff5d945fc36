"""The Bicep files as files: they parse, say what they are, fit together, and use API versions that are known."""

import json
import re

import pytest
import yaml

from tests.infra import bicep
from tests.infra.bicep import INFRA, ROOT

FILES = [str(path.relative_to(INFRA)) for path in bicep.files()]
MAINS = {"main.bicep", "connect/main.bicep"}
API_VERSIONS = {
    "Microsoft.Authorization": "2022-04-01",
    "Microsoft.EventGrid": "2022-06-15",
    "Microsoft.Insights/actionGroups": "2023-01-01",
    "Microsoft.Insights/activityLogAlerts": "2020-10-01",
    "Microsoft.Insights/components": "2020-02-02",
    "Microsoft.Insights/diagnosticSettings": "2021-05-01-preview",
    "Microsoft.Insights/metricAlerts": "2018-03-01",
    "Microsoft.Insights/privateLinkScopes": "2021-07-01-preview",
    "Microsoft.Insights/scheduledQueryRules": "2022-06-15",
    "Microsoft.Insights/workbooks": "2022-04-01",
    "Microsoft.KeyVault": "2023-02-01",
    "Microsoft.ManagedIdentity": "2023-01-31",
    "Microsoft.Network/privateDnsZones": "2020-06-01",
    "Microsoft.Network/virtualNetworks": "2023-05-01",
    "Microsoft.Network": "2023-04-01",
    "Microsoft.OperationalInsights": "2023-09-01",
    "Microsoft.Resources": "2022-09-01",
    "Microsoft.Storage": "2023-05-01",
    "Microsoft.Web": "2023-12-01",
}
"""Of each type, or of a whole provider, the oldest that has what is used: newer ones come late to clouds such as Azure
Government, and a template that names one fails there. `diagnosticSettings` has none that is stable and has
all; of `privateLinkScopes` an older compiler does not know the stable one."""


def known(kind: str) -> str:
    provider, name = kind.split("/")[:2]
    return API_VERSIONS.get(f"{provider}/{name}") or API_VERSIONS[provider]


def test_there_are_files() -> None:
    assert len(FILES) > 15
    assert set(FILES) >= MAINS


@pytest.mark.parametrize("path", FILES)
def test_a_file_parses(path: str) -> None:
    assert bicep.problems((INFRA / path).read_text(encoding="utf-8")) == []


def test_the_parser_notices_a_missing_brace() -> None:
    text = (INFRA / "app/identity.bicep").read_text(encoding="utf-8")
    assert bicep.problems(text.replace("}\n", "\n", 1)) != []


@pytest.mark.parametrize("path", FILES)
def test_every_parameter_and_output_is_described(path: str) -> None:
    file = bicep.read(path)
    assert [parameter.name for parameter in file.parameters.values() if not parameter.described] == []
    assert file.undescribed == ()


@pytest.mark.parametrize("path", FILES)
def test_every_parameter_and_variable_is_used(path: str) -> None:
    file = bicep.read(path)
    for name in [*file.parameters, *file.variables]:
        assert len(re.findall(rf"\b{name}\b", file.text)) > 1, name


@pytest.mark.parametrize("path", FILES)
def test_every_resource_has_the_api_version_that_was_chosen(path: str) -> None:
    for resource in bicep.read(path).resources:
        assert resource.version == known(resource.type), resource.type


def test_the_hook_uses_the_api_versions_of_the_templates() -> None:
    """Where it reads what they made, and removes it again."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (INFRA / "hooks").glob("*.py"))
    used = dict(re.findall(r'"(Microsoft\.[\w/]+)": "(\d{4}-\d\d-\d\d(?:-preview)?)"', sources))
    made = {resource.type: resource.version for path in FILES for resource in bicep.read(path).resources}
    assert len(used.keys() & made.keys()) > 5
    assert {kind: version for kind, version in used.items() if version != made.get(kind, version)} == {}


@pytest.mark.parametrize("path", FILES)
def test_modules_get_exactly_the_parameters_that_they_have(path: str) -> None:
    for module in bicep.read(path).modules:
        target = bicep.parse(module.path)
        required = {name for name, parameter in target.parameters.items() if parameter.required}
        given = module.body["params"].keys()
        assert required <= given <= target.parameters.keys(), module.symbol
        assert module.body.get("scope") or bicep.read(path).scope == target.scope, module.symbol


@pytest.mark.parametrize("path", FILES)
def test_outputs_of_modules_exist(path: str) -> None:
    file = bicep.read(path)
    for module in file.modules:
        outputs = bicep.parse(module.path).outputs
        used = set(re.findall(rf"\b{module.symbol}(?:\[\w+\])?!?\.outputs\.(\w+)", file.text))
        assert used <= outputs.keys(), module.symbol


def test_every_file_is_used_by_another_but_the_two_that_are_deployed() -> None:
    used = {module.path.resolve() for path in FILES for module in bicep.read(path).modules}
    assert {INFRA / path for path in FILES} - used == {INFRA / path for path in MAINS}


def test_the_parameters_file_names_every_parameter_and_keeps_its_default() -> None:
    parameters = bicep.read("main.bicep").parameters
    text = (INFRA / "main.parameters.json").read_text(encoding="utf-8")
    given = {name: entry["value"] for name, entry in json.loads(text)["parameters"].items()}
    assert given.keys() == parameters.keys()
    for name, value in given.items():
        found = re.fullmatch(r"\$\{[A-Z_]+(?:=(.*))?\}", value)
        assert found, name
        default = parameters[name].default
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        assert found[1] == (None if parameters[name].required else shown), name


def test_azd_asks_for_five_things_and_mode_is_one_of_them() -> None:
    required = {name for name, parameter in bicep.read("main.bicep").parameters.items() if parameter.required}
    assert required == {"environmentName", "location", "clusterScopes", "keyVaultIds", "mode"}


def test_what_azd_may_delete_touches_no_resource_group_but_its_own() -> None:
    """`azd down` deletes every resource group in which its deployment has a resource (resourceGroupsToDelete in azd)."""
    main = bicep.read("main.bicep")
    assert {module.body["scope"] for module in main.modules} == {"group"}
    below = [bicep.parse(module.path) for module in main.modules]
    assert [file.path.name for file in below if file.modules] == []
    assert [file.path.name for file in below if "resourceGroup(" in file.text or "subscription(" in file.text] == []


def test_a_functions_types_are_those_that_are_documented() -> None:
    """learn.microsoft.com/azure/azure-resource-manager/bicep/user-defined-functions"""
    found = [
        one for path in FILES for one in re.findall(r"^func \w+\((.*)\) (\S+) =>", bicep.read(path).text, re.MULTILINE)
    ]
    assert found != []
    types = {kind for given, returned in found for kind in (*re.findall(r"\w+ (\S+?)(?:,|$)", given), returned)}
    assert types <= {"array", "bool", "int", "object", "string"}


def test_no_part_of_a_name_that_is_reckoned_depends_on_the_casing_of_an_id() -> None:
    """`guid` and `uniqueString` give something else for an id that Azure, or its operator, spells in another casing."""
    for path in FILES:
        text = bicep.read(path).text
        for call in re.findall(r"\b(?:guid|uniqueString)\(([^()]*(?:\([^()]*(?:\([^()]*\)[^()]*)*\)[^()]*)*)\)", text):
            bare = re.sub(r"toLower\((?:[^()]|\([^()]*\))*\)", "", call)
            assert re.findall(r"\bid\b|\w+Id\b", bare.replace("principalId", "").replace("role.value", "")) == [], (
                path,
                call,
            )


def test_azure_yaml_deploys_the_tagged_app_and_runs_the_hooks_that_exist() -> None:
    project = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))
    (service,) = project["services"]
    assert project["services"][service] == {"project": ".", "language": "python", "host": "function"}
    app = bicep.read("app/function.bicep").the("Microsoft.Web/sites")
    assert f"'azd-service-name': '{service}'" in app.body["tags"]
    assert "'azd-env-name': environmentName" in bicep.read("main.bicep").text
    words = {"preprovision": "check", "postdeploy": "connect", "predown": "disconnect"}
    for name, word in words.items():
        for system, python in (("posix", "python3"), ("windows", "python")):
            assert project["hooks"][name][system]["run"] == f"{python} infra/hooks/connections.py {word}"
    assert project["hooks"].keys() == words.keys()
    assert (INFRA / "hooks/connections.py").exists()


def test_an_azd_is_asked_for_that_can_take_a_package_as_it_is() -> None:
    """Older ones do not know `remoteBuild`, build all the same, and perhaps with another Python."""
    project = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))
    assert project["requiredVersions"] == {"azd": ">= 1.23.5"}


def test_the_linter_is_set_to_fail() -> None:
    rules = json.loads((INFRA / "bicepconfig.json").read_text(encoding="utf-8"))["analyzers"]["core"]["rules"]
    assert len(rules) > 20
    assert {rule["level"] for rule in rules.values()} == {"error"}
