"""The Azure that the hooks act on."""

import pytest

from tests.infra.hook_stage import PROD, Stage, stage


@pytest.fixture
def azure() -> Stage:
    return stage()


@pytest.fixture
def connected(azure: Stage) -> Stage:
    azure.connect(PROD)
    return azure
