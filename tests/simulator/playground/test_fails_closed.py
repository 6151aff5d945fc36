"""Without a playground nothing that its pages say can reach the real Azure.

An `az` that writes down how it was called stands in for the Azure CLI of somebody who is signed in to the real Azure.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.patience import HANG
from tests.simulator.playground.test_up import Terminal, started
from tests.surroundings import ROOT

STAND_IN = """\
#!/bin/sh
echo "$AZURE_CONFIG_DIR|$HTTPS_PROXY|$NO_PROXY|$*" >> {calls}
"""
DEAD_PROXY = "http://127.0.0.1:1"
ENV = 'eval "$(python -m simulator --folder "$FOLDER" env)"'


class Desk:
    """Where somebody works who has `az`, and perhaps a playground."""

    def __init__(self, folder: Path, python: Sequence[str] = (sys.executable,)) -> None:
        self.calls = folder / "calls"
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.playground = folder / "playground"
        self._program("az", STAND_IN.format(calls=shlex.quote(str(self.calls))))
        self._program("python", f'#!/bin/sh\nexec {shlex.join(python)} "$@"\n')

    def _program(self, name: str, text: str) -> None:
        (self.programs / name).write_text(text, encoding="utf-8")
        (self.programs / name).chmod(0o755)

    def types(self, script: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        env = {
            **os.environ,
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "FOLDER": str(self.playground),
            "PLAYGROUND_FOLDER": str(self.playground),
            "AZURE_CONFIG_DIR": "/home/me/.azure",
            "AZURE_CLIENT_SECRET": "real",
            **environment,
        }
        command = ["/bin/bash", "-c", script]
        return subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, encoding="utf-8", timeout=HANG, check=False
        )

    def called(self) -> list[str]:
        return self.calls.read_text(encoding="utf-8").splitlines() if self.calls.exists() else []


@pytest.fixture(params=["nothing is up", "it died", "another version's is up", "no packages", "no such person"])
def desk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Desk]:
    python = (sys.executable, *(["-S"] if request.param == "no packages" else []))
    made, notice = Desk(tmp_path, python), tmp_path / "playground" / "running.json"
    match request.param:
        case "it died":
            with started(tmp_path / "playground", "--without-app") as terminal:
                text = notice.read_text(encoding="utf-8")
            # Its number may belong to another process by now, such as this one.
            text = text.replace(f'"pid": {terminal.process.pid}', f'"pid": {os.getpid()}')
            notice.write_text(text, encoding="utf-8")
            yield made
        case "another version's is up":
            with started(tmp_path / "playground", "--without-app"):
                text = notice.read_text(encoding="utf-8")
                notice.write_text(text.replace('"operator"', '"owner"'), encoding="utf-8")
                yield made
        case _:
            yield made


@pytest.mark.parametrize(
    "script",
    [
        f"{ENV} && az keyvault key rotate",
        f"set -e; {ENV}; az keyvault key rotate",
        "python -m simulator shell az keyvault key rotate",
        'echo "az keyvault key rotate" | python -m simulator shell',
        "PYTHON=python docs/playground/session.sh",
    ],
)
def test_nothing_is_called_where_nothing_is_up(desk: Desk, script: str, request: pytest.FixtureRequest) -> None:
    if "no such person" in request.node.name:
        script = script.replace(" env", " env --as nobody").replace("shell", "shell --as nobody")
    done = desk.types(script)
    assert desk.called() == []
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_who_goes_on_all_the_same_has_no_way_out_and_no_sign_in(desk: Desk) -> None:
    desk.types(f"{ENV}; az keyvault key rotate")
    (call,) = desk.called()
    folder, proxy, direct, words = call.split("|")
    assert (proxy, direct, words) == (DEAD_PROXY, "", "keyvault key rotate")
    assert folder == str(ROOT / ".playground/azure-cli-nobody")


def test_a_defect_leaves_no_way_out_either(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.playground.mkdir()
    notice = {"pid": "a word", "port": 1, "key": "", "environments": {}, "commands": ""}
    (desk.playground / "running.json").write_text(json.dumps(notice), encoding="utf-8")
    done = desk.types(f"{ENV} && az keyvault key rotate")
    assert "TypeError" in done.stderr, "and it is there to be reported"
    assert (done.returncode, desk.called()) == (1, [])


def test_a_python_without_the_packages_says_which_one_has_them(tmp_path: Path) -> None:
    done = Desk(tmp_path, (sys.executable, "-S")).types("python -m simulator status")
    assert done.stdout == ""
    assert "`make demo` makes it" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def up(tmp_path: Path) -> Iterator[tuple[Desk, Terminal]]:
    # Ahead of a real clock, and slow enough for what the product gives itself five minutes for, on however busy a machine.
    with started(tmp_path / "playground", "--without-app", "--speed", "10") as terminal:
        yield Desk(tmp_path), terminal


def test_with_a_playground_each_way_in_leads_there(up: tuple[Desk, Terminal]) -> None:
    desk, terminal = up
    for script in (
        f"{ENV} && az keyvault key rotate",
        "python -m simulator shell az keyvault key rotate",
        'echo "az keyvault key rotate" | python -m simulator shell',
    ):
        done = desk.types(script)
        assert done.returncode == 0, done.stderr
    proxy = terminal.environment()["HTTPS_PROXY"]
    (call,) = set(desk.called())
    assert call == f"{terminal.folder}/azure-cli-operator|{proxy}|127.0.0.1,localhost|keyvault key rotate"
    as_partner = desk.types(
        "python -m simulator shell --as partner sh -c 'echo $AZURE_CONFIG_DIR $AZURE_CLIENT_SECRET'"
    )
    assert as_partner.stdout == f"{terminal.folder}/azure-cli-partner\n", "and nothing of the real one"


def test_the_shell_has_a_marked_prompt_and_keeps_what_leads_in(up: tuple[Desk, Terminal], tmp_path: Path) -> None:
    desk, terminal = up
    (tmp_path / ".bashrc").write_text("export AZURE_CONFIG_DIR=/home/me/.azure PS1='me: '\n", encoding="utf-8")
    # A terminal of its own: only there is a shell interactive.
    script = (
        "import os, pty, sys\n"
        "words = iter([b'echo config $AZURE_CONFIG_DIR; exit 7\\n'])\n"
        "code = pty.spawn([sys.executable, '-m', 'simulator', 'shell'], stdin_read=lambda fd: next(words, b''))\n"
        "sys.exit(os.waitstatus_to_exitcode(code))\n"
    )
    done = desk.types(f"{shlex.quote(sys.executable)} -c {shlex.quote(script)}", HOME=str(tmp_path), PROMPT_COMMAND="")
    assert done.returncode == 7, done.stdout + done.stderr
    assert "(playground) me: " in done.stdout
    assert f"config {terminal.folder}/azure-cli-operator" in done.stdout


def test_the_products_own_commands_tell_the_simulated_time(up: tuple[Desk, Terminal]) -> None:
    desk, terminal = up
    simulated = terminal.run("fault", "key contoso/la-cmk: rotate")
    assert simulated.returncode == 0
    for command in ("python -m cmk_rotation", "cmk-rotation"):
        done = desk.types(f"python -m simulator shell {command} plan --json")
        assert done.returncode == 2, done.stderr
        assert '"decision": "update"' in done.stdout, (
            "a key that was made later than a real clock says is not usable yet"
        )
