"""The queries: those of the alerts and the workbook, and those in the runbook; and what they rely on."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

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
_CHECK = ROOT / "tools/kusto/check.cjs"
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
        return set(named)

    @property
    def fields(self) -> set[str]:
        """The fields of a line that it reads."""
        return set(re.findall(r"\bLine\.(\w+)", self.text))

    @property
    def reasons(self) -> set[str]:
        """The reasons that it tells apart."""
        lists = re.findall(r"Line\.reason\) !?in \(([^)]+)\)", self.text)
        return {reason for several in lists for reason in re.findall(r"'([^']+)'", several)}

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


def diagnostics(queries: dict[str, str]) -> dict[str, list[str]]:
    """What Microsoft's Kusto parser says of them. Without it this fails: nothing else knows the language."""
    node = shutil.which("node")
    if node is None or not (_CHECK.parent / "node_modules").is_dir():
        pytest.fail(f"the Kusto parser is missing: '{_INSTALL}', or 'make test', which installs it; Node 20 or later")
    done = subprocess.run(
        [node, str(_CHECK)],
        input=json.dumps({"tables": TABLES, "queries": queries}),
        capture_output=True,
        encoding="utf-8",
        check=True,
        cwd=Path(ROOT),
    )
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found
