"""The README tells the truth: its tables are complete, its links lead somewhere, its commands are run by tests."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from cmk_rotation.cli import plain, tables
from cmk_rotation.config.settings import SETTINGS
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.remedies import REMEDIES
from cmk_rotation.domain.vocabulary import Reason, Stage
from cmk_rotation.preflight import checks
from cmk_rotation.preflight.cluster_checks import identity_may_use_the_key
from cmk_rotation.preflight.key_checks import its_events_reach_the_app
from cmk_rotation.preflight.seen import Details
from tests.unit.preflight.things import seen_cluster, seen_vault
from tests.unit.support.builders import cluster_id, over, status

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8") if (ROOT / "README.md").exists() else ""
RUN_BY = {
    "make demo": "tests/simulator/playground/test_demo.py",
    "make play": "tests/repository/test_surroundings.py",
    "make shell": "tests/repository/test_surroundings.py",
    "make status": "tests/repository/test_surroundings.py",
    "make test": ".ci/run",
    "make prove": "tests/prove/test_model.py",
    "make soak": "tests/e2e/test_soak.py",
    "make lint": ".ci/run",
    "make coverage": ".ci/run",
    "make requirements": ".ci/run",
    "cmk-rotation preflight": "tests/e2e/test_preflight.py",
    "cmk-rotation plan": "tests/e2e/test_command_line.py",
    "cmk-rotation visit CLUSTER --wait": "tests/e2e/test_command_line.py",
    "cmk-rotation status --watch": "tests/e2e/test_command_line.py",
    "cmk-rotation status --history --since 7d --json": "tests/e2e/test_command_line.py",
    "cmk-rotation report --output report.html": "tests/e2e/test_operators.py",
}
"""Each command of the README, and what runs it."""


def settings_table() -> str:
    rows = [f"| `{setting.name}` | {_code(setting.default)} | {setting.meaning} |" for setting in SETTINGS]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows, ""])


def reasons_table() -> str:
    rows = [f"| `{reason}` | {REMEDIES[reason]} |" for reason in Reason]
    return "\n".join(["| reason | what to do |", "|---|---|", *rows, ""])


def _code(default: str) -> str:
    return default if default in {"", "required"} else f"`{default}`"


def test_every_setting_is_in_the_readme() -> None:
    assert settings_table() in README


def test_every_log_event_is_in_the_readme() -> None:
    assert [event for event in LogEvent if f"`{event}`" not in README] == []


def test_every_command_in_the_readme_is_run_by_a_test() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    commands = {line for block in blocks for line in block.splitlines()}
    assert commands == RUN_BY.keys()
    for command, where in RUN_BY.items():
        # In .ci/run each step is a word of a list; a story gives the command line's words.
        words = command.removeprefix("make ").removeprefix("cmk-rotation ").split()
        text = (ROOT / where).read_text(encoding="utf-8")
        assert all(word in text for word in words if word != "CLUSTER"), command


def test_every_link_in_the_readme_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_output_that_the_readme_shows_is_what_the_checks_say() -> None:
    cluster = identity_may_use_the_key(
        seen_cluster(grants=(), details=Details("westeurope", "systemassigned", ("ID",)))
    )
    vault = its_events_reach_the_app(seen_vault(events=()))
    for found in (cluster, vault):
        assert found is not None
        assert f"{found.message} ({found.eyes})\n" in README
        assert re.search(re.escape(found.remedy or "").replace("ID", "[0-9a-f-]{36}"), README)


def test_the_tables_that_the_readme_shows_are_those_that_status_prints() -> None:
    def at(time: str) -> datetime:
        return datetime.fromisoformat(f"2026-11-26T{time}+00:00")

    payments = status(
        cluster_id=cluster_id("payments"), key_version="b85eed84" * 4, newest_version="b85eed84" * 4, since=at("08:41")
    )
    archive = replace(
        payments,
        cluster_id=cluster_id("archive"),
        key_version="d220e0fd" * 4,
        held=True,
        reason=Reason.ON_HOLD,
        since=at("08:25"),
    )
    fraud = over(
        Stage.SUCCEEDED,
        Reason.UPDATE_CONFIRMED,
        cluster_id=cluster_id("fraud"),
        key_name="fraud-cmk",
        from_version="9b92d048" * 4,
        to_version="8c31e7a4" * 4,
        started_at=at("08:50:14"),
        finished_at=at("09:06:32"),
        keep_old_version_until=at("09:06:32") + timedelta(days=1),
    )
    shown = plain.text([*tables.clusters([payments, archive]), *tables.rotations([fraud])]).splitlines()
    lines = {" ".join(line.split()) for line in README.splitlines()}
    assert [line for line in shown if " ".join(line.split()) not in lines] == [tables.KEPT.text]


def test_the_number_of_checks_is_that_of_the_readme() -> None:
    every = (*checks.OF_THE_APP, *checks.OF_A_SCOPE, *checks.OF_A_VAULT, *checks.OF_A_KEY, *checks.OF_A_CLUSTER)
    assert f"to work, {len(every)} things" in README
