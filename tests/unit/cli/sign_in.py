"""An operator whose Azure is a world of fakes."""

import pytest

from cmk_rotation import bootstrap
from tests.unit.support.builders import SCOPE
from tests.unit.support.worlds import Fakes


def signed_in(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what the command line needs."""
    monkeypatch.setenv("CLUSTER_SCOPES", SCOPE.text)
    monkeypatch.setenv("MODE", "enforce")
    monkeypatch.setenv("AzureWebJobsStorage__accountName", "cmkrotation")
    monkeypatch.setattr(bootstrap, "operator_world", lambda _: fakes.world)
