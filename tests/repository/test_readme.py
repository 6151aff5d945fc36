"""The README tells the truth: its tables are complete, its links lead somewhere, its commands are run by tests."""

import re
from pathlib import Path

from cmk_rotation.config.settings import SETTINGS
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.remedies import REMEDIES
from cmk_rotation.domain.vocabulary import Reason

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8") if (ROOT / "README.md").exists() else ""
RUN_BY = {
    "make demo": "tests/simulator/playground/test_demo.py",
    "make play": "tests/repository/test_surroundings.py",
    "make shell": "tests/repository/test_surroundings.py",
    "make status": "tests/repository/test_surroundings.py",
    "make test": ".ci/run",
    "make soak": "tests/e2e/test_soak.py",
    "make lint": ".ci/run",
    "make coverage": ".ci/run",
    "make requirements": ".ci/run",
    ".venv/bin/python -m cmk_rotation status": "tests/e2e/test_command_line.py",
    ".venv/bin/python -m cmk_rotation status --history --since 7d --json": "tests/e2e/test_command_line.py",
    ".venv/bin/python -m cmk_rotation plan": "tests/e2e/test_command_line.py",
    ".venv/bin/python -m cmk_rotation visit CLUSTER_ID": "tests/e2e/test_command_line.py",
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
        words = command.removeprefix("make ").removeprefix(".venv/bin/python -m cmk_rotation ").split()
        text = (ROOT / where).read_text(encoding="utf-8")
        assert all(word in text for word in words if word != "CLUSTER_ID"), command


def test_every_link_in_the_readme_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
