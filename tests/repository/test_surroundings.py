"""Nothing about the terminal matters: neither that there is one, nor where it stands, what it shows, or what it sends.

That `make demo` works anywhere is shown in test_demo.py.
"""

import os
import re
import shlex
import shutil
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
    assert f"`kill {group}`, ends everything." in far_away.until(" ends everything.")
    os.killpg(
        group, signal.SIGHUP
    )  # as a terminal does that closes; it was ignored when all this began, as after `nohup`
    far_away.said("fault", "key contoso/la-cmk: rotate")
    far_away.until("rotation.finished")
    assert "payments" in far_away.said("status")
    assert "updates never end" in far_away.said("fault", "--help")
    refused = far_from_home(
        [*far_away.command(), "fault", os.fsdecode("PATCH façade: 429".encode())],
        far_away.elsewhere,
        PYTHONPATH=str(far_away.checkout),
    )
    assert b"Traceback" not in refused.communicate(timeout=HANG)[1]
    assert refused.returncode == 1
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


def test_two_demos_at_once_keep_out_of_each_others_way_and_a_reader_may_leave(tmp_path: Path) -> None:
    """One is read to its end; of the other `head` reads a line, and a third has nowhere to say anything."""
    folder = checkout(tmp_path / "a checkout")
    demo = shlex.join([sys.executable, "-m", "simulator.playground.demo"])
    run = ["/bin/bash", "-c"]
    scripts = {"whole": demo, "head": f"{demo} | head -n 1; exit ${{PIPESTATUS[0]}}", "closed": f"{demo} >&-"}
    children = {name: far_from_home([*run, script], folder) for name, script in scripts.items()}
    said = {
        name: [text.decode("ascii") for text in child.communicate(timeout=HANG)] for name, child in children.items()
    }
    assert {name: child.returncode for name, child in children.items()} == {"whole": 0, "head": 1, "closed": 0}
    assert {name: errors for name, (_, errors) in said.items()} == dict.fromkeys(scripts, "")
    (log,) = re.findall(r"The whole function log: (\S+)", said["whole"][0])
    assert Path(log).stat().st_size > 1_000
    assert {one.name for one in folder.glob(".*")} == {".venv"}, "a checkout may be read-only"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_demo_that_is_killed_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    with before_a_terminal():
        demo = subprocess.Popen(
            [sys.executable, "-m", "simulator.playground.demo"],
            cwd=checkout(tmp_path / "a checkout"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
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


def test_a_terminal_that_has_no_colour_gets_none() -> None:
    code = "from simulator.terminal import say; say('x', '31')"
    script = f"import pty, sys; sys.exit(pty.spawn([sys.executable, '-c', {code!r}]))"
    shown = {}
    for terminal in ("dumb", "xterm"):
        env = {**os.environ, "TERM": terminal}
        env.pop("NO_COLOR", None)
        child = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, env=env, stdout=-1, stdin=subprocess.DEVNULL, check=True
        )
        shown[terminal] = b"\x1b" in child.stdout
    assert shown == {"dumb": False, "xterm": True}


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_a_letter_that_a_terminal_lacks_is_a_question_mark(encoding: str) -> None:
    code = (
        "from simulator.terminal import complain, run, say\n"
        "run(lambda: say('payments: 1 \u2192 2 \u2026') or complain('\u2192') or 0)"
    )
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode(encoding).startswith(f"payments: 1 {'\u2192' if encoding == 'utf-8' else '?'} 2 ")
    assert len(done.stderr.splitlines()) == 1


def test_make_alone_lists_what_can_be_made(tmp_path: Path) -> None:
    make = shutil.which("make")
    assert make is not None
    listed = subprocess.run([make], cwd=checkout(tmp_path / "here"), stdout=-1, encoding="utf-8", check=True).stdout
    for target in ("demo", "play", "shell", "status", "test", "lint"):
        assert f"make {target} " in listed


def test_make_plays_and_leads_into_what_is_played(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "it's a checkout")
    make = ["make", "--no-print-directory"]
    for target in ("shell", "status"):
        refused = subprocess.run([*make, target], cwd=folder, capture_output=True, encoding="utf-8", check=False)
        assert refused.returncode == 2
        assert "No playground is up here." in refused.stderr
    with before_a_terminal():
        played = subprocess.Popen([*make, "play"], cwd=folder, stdout=-1, encoding="utf-8", start_new_session=True)
    assert played.stdout is not None
    with played.stdout as output:
        assert any(" ends everything." in line for line in output)
        words = "python -m simulator status; cmk-rotation plan --json"
        inside = subprocess.run(
            [*make, "shell"], cwd=folder, input=words, capture_output=True, encoding="utf-8", timeout=HANG, check=False
        )
        assert "audit log of key uses" in inside.stdout
        assert '"clusters"' in inside.stdout
        record = subprocess.run([*make, "status"], cwd=folder, capture_output=True, encoding="utf-8", check=True)
        assert record.stdout
        os.killpg(played.pid, signal.SIGINT)
        assert output.read().endswith("\nEverything has ended.\n")
    played.wait(HANG)


def test_without_a_python_make_says_how_to_get_one(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "here")
    (folder / ".venv" / "made").unlink()
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "make"):
        (programs / name).symlink_to(shutil.which(name) or "")
    old = programs / "old python"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    for words, why in (([], "there is no Python on the PATH"), ([f"PYTHON={old}"], f"{old} is not that")):
        done = subprocess.run(
            [programs / "make", "demo", *words],
            cwd=folder,
            env={"PATH": str(programs)},
            stdout=-1,
            stderr=-1,
            check=False,
        )
        assert done.returncode == 2
        assert done.stdout.decode().startswith(f"Python 3.13 or 3.14 is needed, and {why}.\n")
        assert b"https://www.python.org/downloads" in done.stdout
        assert not (folder / ".venv" / "made").exists()


def test_make_runs_no_script_of_the_environment() -> None:
    """Such a script names its Python by the path where the environment was made: a blank breaks that, and so does a move."""
    recipes = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\(BIN\)/(\w+)", recipes)) == {"python"}
