"""What the four functions say of an error that nobody foresaw."""

import json
import logging

import pytest

from cmk_rotation import bootstrap
from cmk_rotation.entrypoints import functions
from tests.unit.support.builders import CLUSTER, KEY


def broken() -> None:
    raise ZeroDivisionError("nobody foresaw this")


@pytest.mark.parametrize(
    ("message", "about"),
    [
        ({"cluster": CLUSTER.text}, {"clusterId": CLUSTER.text}),
        ({"key": {"vault": KEY.vault, "name": KEY.name}}, {"vault": KEY.vault, "keyName": KEY.name}),
        ({}, {}),
    ],
)
def test_an_unexpected_error_says_what_it_met(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    message: dict[str, object],
    about: dict[str, object],
) -> None:
    monkeypatch.setattr(bootstrap, "function_world", broken)
    with caplog.at_level(logging.ERROR, logger="cmk_rotation"):
        functions.visit(json.dumps(message | {"by": "event"}).encode(), None)
    line = json.loads(caplog.records[0].getMessage())
    assert {name: line[name] for name in ("clusterId", "vault", "keyName") if name in line} == about
    assert "nobody foresaw this" in line["message"]
    assert line["remedy"].startswith("Please report this line.")
