"""Nothing about the terminal matters: neither that there is one, nor where it stands, what it shows, or what it sends.

That `make demo` works anywhere is shown in test_demo.py.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.patience import HANG
from tests.simulator.playground.test_up import Terminal
from tests.surroundings import ROOT, before_a_terminal, checkout, far_from_home


class FarAway(Terminal):
    """A playground in the background of a script that runs elsewhere. It keeps its notice in a folder beside the script."""

    def __init__(self, elsewhere: Path, *options: str) -> None:
        self.elsewhere = elsewhere
        self.checkout = checkout(elsewhere / "it's a checkout")
        folder = elsewhere / "a folder"
        folder.mkdir()
        super().__init__(folder, *options)

    def command(self) -> list[str]:
        return [sys.executable, "-m", "simulator", "--folder", self.folder.name]

    def start(self, command: list[str], output: IO[bytes]) -> "subprocess.Popen[bytes]":
        return far_from_home(command, self.elsewhere, stdout=output, stderr=output, PYTHONPATH=str(self.checkout))

    def said(self, *arguments: str) -> str:
        command = [*self.command(), *arguments]
        child = far_from_home(command, self.elsewhere, PYTHONPATH=str(self.checkout))
        output, errors = child.communicate(timeout=HANG)
        assert (child.returncode, errors) == (0, b"")
        return output.decode("ascii")


@pytest.fixture
def far_away(tmp_path: Path) -> Iterator[FarAway]:
    one = FarAway(tmp_path, "--speed", "200")
    yield one
    one.end()


def test_the_playground_works_far_from_any_terminal_until_it_is_killed(far_away: FarAway) -> None:
    group = far_away.process.pid
    assert f"`kill {group}` ends everything." in far_away.until(" ends everything.")
    for number in (signal.SIGINT, signal.SIGHUP):
        os.killpg(group, number)  # as a terminal does; these were ignored when all this began, and are not meant for it
    far_away.said("fault", "key contoso/la-cmk: rotate")
    far_away.until("rotation.finished")
    assert "payments" in far_away.said("status")
    assert "FAULT" in far_away.said("fault", "--help"), "though ASCII has not all of its letters"
    exported = far_away.said("env")
    assert f"export AZURE_CONFIG_DIR='{far_away.folder}/azure-cli-operator'" in exported, "wherever `az` is run"
    far_away.process.terminate()
    assert far_away.process.wait(HANG) == 0
    shown = far_away.output.read_text(encoding="ascii")
    assert shown.endswith("\nEverything has ended.\n")
    assert "Traceback" not in shown
    assert not (far_away.folder / "running.json").exists()
    with pytest.raises(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_demo_that_is_killed_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    with before_a_terminal():
        demo = subprocess.Popen(
            [sys.executable, "-m", "simulator.playground.demo"],
            cwd=checkout(tmp_path / "a checkout"),
            stdout=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
    assert demo.stdout is not None
    with demo.stdout as output:
        assert any("Both keys are rotated" in line for line in output)
        demo.send_signal(number)
        said = output.read()
    code = demo.wait(HANG)
    with pytest.raises(ProcessLookupError):
        os.killpg(demo.pid, signal.SIGKILL)
    assert (code, said.endswith("\nStopped.\n")) == (130, True)


def test_tests_pass_far_from_any_terminal(tmp_path: Path) -> None:
    """One that presses Ctrl-C, one that hosts an app, one that asks git, and one that runs a script."""
    some = [
        "simulator/playground/test_up.py::test_ctrl_c_ends_everything_cleanly",
        "simulator/host/test_start.py::test_a_killed_host_says_so",
        "repository/test_package.py::test_exactly_the_app_is_deployed",
        "infra/test_hooks_connect.py::test_connecting_waits_for_the_function_and_says_so",
    ]
    options = ["-p", "no:cacheprovider", "--basetemp", str(tmp_path / "a folder")]
    command = [sys.executable, "-m", "pytest", *options, *(str(ROOT / "tests" / one) for one in some)]
    # A hook of git, and a rebase that runs these tests, name their own repository.
    child = far_from_home(command, tmp_path, GIT_DIR=str(tmp_path / "nothing"), GIT_WORK_TREE=str(tmp_path))
    output, errors = child.communicate(timeout=HANG)
    assert child.returncode == 0, (output + errors).decode()


def test_output_that_nobody_wants_is_no_hindrance(tmp_path: Path) -> None:
    """Standard output may be closed too, as a service's is."""
    for arguments in (["stories"], ["--folder", str(tmp_path), "status"]):
        script = 'exec "$0" -m simulator "$@" >&-'
        done = subprocess.run(["/bin/sh", "-c", script, sys.executable, *arguments], cwd=ROOT, stderr=-1, check=False)
        assert b"Traceback" not in done.stderr
        assert done.returncode == (arguments[-1] == "status"), "there is none"


def test_make_runs_no_script_of_the_environment() -> None:
    """Such a script names its Python by the path where the environment was made: a blank breaks that, and so does a move."""
    recipes = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\(BIN\)/(\w+)", recipes)) == {"python"}
