"""Stage each failure in the playground, take what the log tells, and run it: `make repairs`.

Needs the Azure CLI that `make az-cli` installs; no sign-in, and no network.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from cmk_rotation.domain.repairs import Repair
from tests.patience import HANG
from tests.repairs.cases import CASES, Case, Line
from tests.simulator.playground.test_up import ROOT, Terminal, started

AZURE_CLI = ROOT / "tools" / "azure-cli" / ".venv" / "bin"
SPEED = 240
"""Simulated seconds in a real one: a role counts after five minutes, and the app looks every ten."""
PROPAGATION_SECONDS = 330 / SPEED


class Desk:
    """A playground, and whoever is called at it: the log and a shell, nothing else."""

    def __init__(self, terminal: Terminal, commands: Path) -> None:
        self.terminal = terminal
        paths = (str(Path(sys.executable).parent), str(commands), os.environ["PATH"])
        self.environment = terminal.environment() | {"PATH": os.pathsep.join(paths), "PYTHONWARNINGS": "ignore"}

    def lines(self) -> list[dict[str, object]]:
        """The app's log."""
        log = self.terminal.folder / "host.jsonl"
        records = (json.loads(line) for line in log.read_text(encoding="utf-8").split("\n")[:-1])
        return [json.loads(one["message"]) for one in records if one["message"].startswith('{"event"')]

    def until(self, case: Case, since: int, **wanted: object) -> Line:
        """Wait for a line about the case's cluster, written after the first `since`."""
        ends = time.monotonic() + HANG
        while time.monotonic() < ends:
            for line in self.lines()[since:]:
                of_it = case.cluster is None or str(line.get("clusterId", "")).endswith(f"/{case.cluster}")
                if of_it and wanted.items() <= line.items():
                    return line
            time.sleep(0.25)
        raise AssertionError(f"{case.title}: waited for {wanted}; {[*self.lines()[since:]][-5:]}")

    def stage(self, step: str) -> None:
        """Let something go wrong."""
        if step.startswith("az "):
            self.shell(step)
            time.sleep(PROPAGATION_SECONDS)
        else:
            done = self.terminal.run("fault", step)
            assert done.returncode == 0, f"{step}: {done.stdout}{done.stderr}"

    def shell(self, command: str) -> None:
        """Paste a command."""
        done = subprocess.run(
            ["/bin/bash", "-c", command],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
            timeout=HANG,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def told(case: Case, line: Line) -> Iterator[tuple[Repair, str]]:
    """The case's commands, as the line has them."""
    remedy = str(line["remedy"])
    for repair in case.repairs:
        found = re.search(rf"{re.escape(repair.aim)}: `([^`]+)`", remedy)
        assert found, f"{case.title}: '{repair.aim}' is not in: {remedy}"
        yield repair, found[1]


def run(desk: Desk, case: Case) -> float:
    """One failure and its repair; returns how long that took."""
    began, before = time.monotonic(), len(desk.lines())
    for step in case.staged:
        if step.startswith("key ") and len(case.staged) > 1:
            time.sleep(PROPAGATION_SECONDS)  # until what was taken counts no more
        desk.stage(step)
    wanted = {"event": case.event} | ({"reason": case.reason.value} if case.reason else {})
    line = desk.until(case, before, **wanted)
    since = len(desk.lines())
    print(f"== {case.title}\n   {line['message']}")  # noqa: T201 - a script that tells how it gets on
    for _, command in told(case, line):
        print(f"   $ {command}", flush=True)  # noqa: T201 - as above
        desk.shell(command)
        time.sleep(PROPAGATION_SECONDS)
    desk.until(case, since, **case.healed)
    for step in (*case.undone, "clear"):
        desk.stage(step)
    return time.monotonic() - began


def commands(folder: Path) -> Path:
    """A folder with what is pasted. An environment's own script names its Python by a path, which may not hold a blank."""
    folder.mkdir()
    for name, python, module in (
        ("az", AZURE_CLI / "python", "azure.cli"),
        ("cmk-rotation", Path(sys.executable), "cmk_rotation"),
    ):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec "{python}" -m {module} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    return folder


def main() -> int:
    """All of them."""
    if not (AZURE_CLI / "python").exists():
        print("'make az-cli' installs what this needs")  # noqa: T201 - as above
        return 1
    with tempfile.TemporaryDirectory() as folder, started(Path(folder), "--speed", str(SPEED)) as terminal:
        desk = Desk(terminal, commands(Path(folder) / "pasted"))
        desk.shell("az login --identity")
        wanted = sys.argv[1:]
        cases = [case for case in CASES if not wanted or any(word in case.title for word in wanted)]
        for case in cases:
            print(f"   healed after {run(desk, case):.0f} s", flush=True)  # noqa: T201 - as above
    print(f"{len(cases)} failures were staged and repaired by the commands that the log printed.")  # noqa: T201 - as above
    return 0


if __name__ == "__main__":
    sys.exit(main())
