"""What docs/first-deployment.md tells people to look at is there: lines, settings, commands, tables."""

import json
import re

import pytest

from cmk_rotation.domain.log_events import LogEvent
from tests.infra import queries
from tests.infra.bicep import ROOT
from tests.infra.test_deployment import app

PAGE = (ROOT / "docs/first-deployment.md").read_text(encoding="utf-8")
REQUESTS = {"TimeGenerated": "datetime", "OperationName": "string", "DurationMs": "real", "Success": "bool"}
"""learn.microsoft.com/azure/azure-monitor/reference/tables/apprequests, as far as it is used."""


def test_every_line_that_is_named_is_one_that_the_app_logs() -> None:
    words = set(re.findall(r"`([a-z-]+\.[a-z-]+)`", PAGE))
    assert len(words) > 5
    assert words <= set(LogEvent)


def test_every_variable_is_a_parameter_or_an_output() -> None:
    parameters = json.loads((ROOT / "infra/main.parameters.json").read_text(encoding="utf-8"))["parameters"]
    known = {re.split(r"[=}]", entry["value"].removeprefix("${"))[0] for entry in parameters.values()}
    used = set(re.findall(r"\$\{?([A-Z_]+)|azd env set ([A-Z_]+)|`([A-Z]+_[A-Z_]+)`", PAGE))
    names = {name for found in used for name in found if name}
    assert len(names) > 6
    assert names <= known | app().outputs.keys() | {"APP", "ACCOUNT", "CLUSTER", "AZURE_SUBSCRIPTION_ID"}


def test_every_query_is_right_for_the_kusto_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```kql\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    monkeypatch.setitem(queries.TABLES, "AppRequests", REQUESTS)
    found = queries.diagnostics({str(place): text for place, text in enumerate(blocks)})
    assert {place: said for place, said in found.items() if said} == {}


def test_every_question_has_its_answers() -> None:
    parts = re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]
    assert [int(part.partition(".")[0]) for part in parts] == list(range(1, 13))
    for part in parts:
        assert part.partition("\n")[0].endswith("?")
        assert len(re.findall(r"^(?:- |\| )", part, re.MULTILINE)) >= 2, part[:40]
