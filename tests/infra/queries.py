"""The queries: those of the alerts and the workbook, and those in the runbook; and what they rely on."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cmk_rotation.domain.vocabulary import Reason
from tests.infra.bicep import INFRA, ROOT

RUNBOOK = ROOT / "docs" / "runbook.md"
TABLES = {
    "AppTraces": {
        "TimeGenerated": "datetime",
        "Message": "string",
        "SeverityLevel": "int",
        "OperationId": "string",
        "OperationName": "string",
        "AppRoleName": "string",
        "Properties": "dynamic",
    },
    "AZKVAuditLogs": {
        "TimeGenerated": "datetime",
        "OperationName": "string",
        "RequestUri": "string",
        "Identity": "dynamic",
        "HttpStatusCode": "int",
        "CallerIpAddress": "string",
    },
    "AegDeliveryFailureLogs": {
        "TimeGenerated": "datetime",
        "EventSubscriptionName": "string",
        "Message": "string",
        "OperationName": "string",
    },
}
"""Columns of the tables, as far as they are used (learn.microsoft.com/azure/azure-monitor/reference/tables)."""
NO_EVENT = "a line that does not parse"
"""What queries call a line that was cut on its way."""
_TOOLS = ROOT / "tools/kusto"
_INSTALL = "npm ci --prefix tools/kusto --ignore-scripts --no-audit --no-fund"


@dataclass(frozen=True)
class Query:
    name: str
    text: str

    @property
    def events(self) -> set[str]:
        """The events that it looks for."""
        named = re.findall(r"Event == '([^']+)'", self.text)
        for several in re.findall(r"Event in \(([^)]+)\)", self.text):
            named += re.findall(r"'([^']+)'", several)
        return set(named) - {NO_EVENT}

    @property
    def fields(self) -> set[str]:
        """The fields of a line that it reads."""
        of_every_line = {"event", "clusterId", "vault", "keyName"}
        return set(re.findall(r"\bLine\.(\w+)", self.text)) - of_every_line

    @property
    def reasons(self) -> set[str]:
        """The reasons that it tells apart."""
        lists = re.findall(r"\bReason (?:in \(|== )('[^)\n]+')[),]", self.text)
        return {reason for several in lists for reason in re.findall(r"'([^']+)'", several) if reason in set(Reason)}

    @property
    def stages(self) -> set[str]:
        """The stages that it tells apart."""
        return set(re.findall(r"Line\.stage\) == '([^']+)'", self.text))


def of_files() -> dict[str, Query]:
    """The queries of the alerts and the workbook, which Bicep loads from files."""
    return {
        path.stem: Query(path.stem, path.read_text(encoding="utf-8"))
        for path in sorted((INFRA / "queries").glob("*.kql"))
    }


def of_runbook() -> dict[str, Query]:
    """The queries in the runbook, named by their place."""
    blocks = re.findall(r"```kql\n(.*?)```", RUNBOOK.read_text(encoding="utf-8"), re.DOTALL)
    return {f"runbook {place}": Query(f"runbook {place}", text) for place, text in enumerate(blocks, 1)}


def every() -> list[Query]:
    return [*of_files().values(), *of_runbook().values()]


def diagnostics(queries: dict[str, str], tables: dict[str, dict[str, str]] | None = None) -> dict[str, list[str]]:
    """What Microsoft's Kusto parser says of them, where these tables are there."""
    found: dict[str, list[str]] = _asked(
        "check.cjs", {"tables": TABLES if tables is None else tables, "queries": queries}
    )
    return found


def trees(queries: dict[str, str]) -> dict[str, Any]:
    """Their syntax, as Microsoft's Kusto parser reads it: a node is a list of its kind and its children, a token its text."""
    found: dict[str, Any] = _asked("tree.cjs", queries)
    return found


def _asked(script: str, given: object) -> Any:
    """What a script of the Kusto parser answers. Without it this fails: nothing else knows the language."""
    node = shutil.which("node")
    if node is None or not (_TOOLS / "node_modules").is_dir():
        pytest.fail(f"the Kusto parser is missing: '{_INSTALL}', or 'make test', which installs it; Node 20 or later")
    done = subprocess.run(
        [node, str(_TOOLS / script)],
        input=json.dumps(given),
        capture_output=True,
        encoding="utf-8",
        check=True,
        cwd=Path(ROOT),
    )
    return json.loads(done.stdout)
