"""Every command of docs/playground.md that needs no Azure CLI is run, and every name in it exists."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from simulator.playground.command_line import main
from tests.patience import HANG
from tests.simulator.playground.test_up import ROOT, Terminal, started

PAGE = (ROOT / "docs/playground.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with started(tmp_path, "--without-app", "--speed", "3600") as one:
        yield one


def test_every_command_of_the_page_works(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    ran = 0
    for line in COMMANDS:
        words = shlex.split(line)
        if words[:3] == ["python", "-m", "simulator"]:
            # In this process: starting another one for each would take most of the time.
            code = main(["--folder", str(terminal.folder), *words[3:]])
            said = capsys.readouterr()
            if "app:" in line:  # What an app makes of these is seen in test_up.
                assert (code, "there is no app here" in said.err) == (1, True)
                continue
            assert code == 0, f"{line}: {said.err}"
            ran += 1
    assert ran > 20


def test_the_products_commands_work_where_env_was_evaluated(tmp_path: Path) -> None:
    # Slow enough for what the product gives itself five minutes for, on however busy a machine.
    with started(tmp_path, "--without-app", "--speed", "10") as terminal:
        environment = terminal.environment()
        for line in COMMANDS:
            if line.startswith("python -m cmk_rotation"):
                command = [sys.executable, *shlex.split(line)[1:]]
                done = subprocess.run(
                    command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=HANG, check=False
                )
                assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"


def test_a_fault_can_be_posted_as_the_page_says(terminal: Terminal) -> None:
    environment = terminal.environment()
    (line,) = [line for line in COMMANDS if line.startswith("curl")]
    said = shlex.split(line)[shlex.split(line).index("--data") + 1]
    headers = {"X-Playground-Key": environment["PLAYGROUND_KEY"]}
    url = environment["PLAYGROUND_URL"]
    assert requests.post(f"{url}/faults", data=said, headers=headers, timeout=HANG).json() == {
        "understood": "the next GET of contoso is answered 429, 3 times"
    }
    assert requests.get(f"{url}/faults", headers=headers, timeout=HANG).json() == {
        "toCome": ["the next GET of contoso is answered 429, 3 times"]
    }
    assert requests.post(f"{url}/faults", data="nonsense", headers=headers, timeout=HANG).status_code == 400
    assert requests.post(f"{url}/faults", data=said, timeout=HANG).status_code == 401
    status = requests.get(url, headers=headers, timeout=HANG).json()
    assert {one["cluster"] for one in status["clusters"]} >= {"payments", "web-shop"}
    assert requests.get(f"{url}/feed?after=0", headers=headers, timeout=HANG).json()["lines"]
    assert requests.delete(f"{url}/faults", headers=headers, timeout=HANG).json()["understood"]
    assert requests.get(f"{url}/faults", headers=headers, timeout=HANG).json() == {"toCome": []}
    for path in ("nothing", "stories/no-such-story"):
        assert requests.post(f"{url}/{path}", headers=headers, timeout=HANG).status_code == 404


def test_the_session_uses_every_command_that_the_page_promises() -> None:
    session = (ROOT / "docs/playground/session.sh").read_text(encoding="utf-8")
    for promised in (
        "login --identity",
        "account list",
        "resource show",
        "role assignment delete",
        "entity query",
        "storage account show",
    ):
        assert promised in session
        assert promised in PAGE
