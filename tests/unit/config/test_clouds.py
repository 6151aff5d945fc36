import pytest

from cmk_rotation.config import clouds
from cmk_rotation.config.clouds import CHINA, PUBLIC, US_GOVERNMENT, Cloud
from simulator import clouds as simulated


@pytest.mark.parametrize(
    ("name", "cloud"),
    [
        ("AzurePublic", PUBLIC),
        ("AzureCloud", PUBLIC),
        ("azurecloud", PUBLIC),
        ("AzureUSGovernment", US_GOVERNMENT),
        ("AZUREUSGOVERNMENT", US_GOVERNMENT),
        ("AzureChina", CHINA),
        ("AzureChinaCloud", CHINA),
        ("Custom", None),
        ("AzureGermanCloud", None),
    ],
)
def test_a_cloud_is_found_by_its_names_in_any_casing(name: str, cloud: Cloud | None) -> None:
    assert clouds.named(name) is cloud


@pytest.mark.parametrize(
    ("cloud", "other"),
    [(PUBLIC, simulated.PUBLIC), (US_GOVERNMENT, simulated.US_GOVERNMENT), (CHINA, simulated.CHINA)],
)
def test_a_cloud_has_the_endpoints_that_it_is_simulated_with(cloud: Cloud, other: simulated.Cloud) -> None:
    assert cloud.arm_host == other.arm_host
    assert cloud.arm_scope.removesuffix("/.default") in other.arm_audiences
    assert cloud.vault_suffixes == (f".{other.vault_suffix}", f".{other.hsm_suffix}")
    assert cloud.storage_suffix == other.storage_suffix
    assert cloud.authority_host == other.login_host


def test_azure_government_asks_for_tokens_under_another_name_than_arms() -> None:
    assert US_GOVERNMENT.arm_host not in US_GOVERNMENT.arm_scope


@pytest.mark.parametrize("audience", ["https://arm.example", "https://arm.example/", "https://arm.example/.default"])
def test_a_cloud_of_its_own_is_what_it_is_told(audience: str) -> None:
    cloud = clouds.custom("https://management.example", audience, (".vault.example",))
    assert (cloud.arm_host, cloud.arm_scope) == ("management.example", "https://arm.example/.default")
    assert cloud.vault_suffixes == (".vault.example",)
    assert cloud.storage_suffix is None
