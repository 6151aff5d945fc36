"""The playground as a person starts it: `python -m simulator`, in processes of their own."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from azure.data.tables import TableClient

from simulator.playground.command_line import main
from tests.patience import HANG
from tests.surroundings import before_a_terminal

ROOT = Path(__file__).parents[3]


class Terminal:
    """A playground that is up, and commands beside it."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.output = folder / "up.txt"
        with self.output.open("wb") as output:
            self.process = self.start([*self.command(), "up", *options], output)
        self.until(" ends everything.")

    def start(self, command: list[str], output: IO[bytes]) -> "subprocess.Popen[bytes]":
        with before_a_terminal():
            return subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)

    def command(self) -> list[str]:
        return [sys.executable, "-m", "simulator", "--folder", str(self.folder)]

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command(), *arguments],
            cwd=ROOT,
            capture_output=True,
            encoding="utf-8",
            timeout=HANG,
            check=False,
            env=env,
        )

    def environment(self, who: str = "operator") -> dict[str, str]:
        words = shlex.split(self.run("env", "--as", who).stdout)
        exported = (word.partition("=") for word in words if word != "export")
        return {**os.environ, **{name: value for name, _, value in exported}}

    def until(self, text: str, real_seconds: float = HANG, times: int = 1) -> str:
        ends = time.monotonic() + real_seconds
        while (shown := self.output.read_text(encoding="utf-8")).count(text) < times:
            assert time.monotonic() < ends, f"waited for {text!r}:\n{shown}"
            assert self.process.poll() is None, shown
            time.sleep(0.05)
        return shown

    def interrupt(self) -> int:
        """Ctrl-C: a terminal sends it to all processes in the foreground."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(HANG)

    def end(self) -> None:
        """With all that it has started, even if a test has failed."""
        self.process.terminate()
        try:
            self.process.wait(HANG)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def started(folder: Path, *options: str) -> Iterator[Terminal]:
    terminal = Terminal(folder, *options)
    try:
        yield terminal
    finally:
        terminal.end()


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Terminal]:
    with started(tmp_path, "--without-app", "--speed", "3600") as terminal:
        yield terminal


def test_ctrl_c_ends_everything_cleanly(bare: Terminal) -> None:
    assert (bare.folder / "running.json").stat().st_mode & 0o777 == 0o600
    assert bare.interrupt() == 0
    assert bare.output.read_text(encoding="utf-8").endswith("Everything has ended.\n")
    assert not (bare.folder / "running.json").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_kill_ends_it_as_cleanly_and_so_does_a_terminal_that_closes(bare: Terminal, number: signal.Signals) -> None:
    assert f"Ctrl-C, or `kill {bare.process.pid}`, ends everything." in bare.output.read_text(encoding="utf-8")
    bare.process.send_signal(number)
    assert bare.process.wait(HANG) == 0
    assert not (bare.folder / "running.json").exists()


def test_a_second_one_says_what_is_wrong_and_a_dead_one_is_no_hindrance(bare: Terminal) -> None:
    second = bare.run("up", "--without-app")
    assert second.returncode == 1
    assert f"is up already: process {bare.process.pid}" in second.stderr
    assert bare.process.poll() is None
    bare.process.kill()
    bare.process.wait()
    assert (bare.folder / "running.json").exists()
    assert bare.run("status").returncode == 1
    with started(bare.folder, "--without-app") as third:
        assert third.interrupt() == 0


def test_every_command_that_it_prints_works_where_it_is_to_be_typed(bare: Terminal, tmp_path: Path) -> None:
    """In a terminal that knows nothing of the project's Python; an `az` that writes down its words stands in for the real one."""
    shown = bare.output.read_text(encoding="utf-8")
    (way_in,) = re.findall(r"In another terminal:\n  (.+)\n", shown)
    inside = re.findall(r"^  ((?:python|az) .+)$", shown, re.MULTILINE)
    assert len(inside) == 8
    az = tmp_path / "programs" / "az"
    az.parent.mkdir()
    az.write_text(f'#!/bin/sh\necho "$1 $2" >> {tmp_path}/calls\n', encoding="utf-8")
    az.chmod(0o755)
    for command in inside:
        done = subprocess.run(
            ["/bin/sh", "-c", f"{way_in} {command}"],
            cwd=ROOT,
            env={"PATH": f"{az.parent}:/usr/bin:/bin"},
            capture_output=True,
            encoding="utf-8",
            timeout=HANG,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), command
    assert (tmp_path / "calls").read_text(encoding="utf-8") == "login --identity\nkeyvault key\nmonitor log-analytics\n"


def test_without_a_playground_commands_say_how_to_start_one(tmp_path: Path) -> None:
    for arguments in (["env"], ["shell"], ["status"], ["fault", "clear"], ["play", "rotation"]):
        command = [sys.executable, "-m", "simulator", "--folder", str(tmp_path), *arguments]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=HANG, check=False)
        assert answer.returncode == 1
        assert f"python -m simulator --folder {tmp_path} up" in answer.stderr


def test_where_it_cannot_write_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    command = [sys.executable, "-m", "simulator", "--folder", str(tmp_path / "a file" / "folder"), "up"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=HANG, check=False)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("It cannot write in ")
    assert len(answer.stderr.splitlines()) == 1


@pytest.mark.parametrize("speed", ["0", "-1", "inf", "nan", "fast"])
def test_time_must_pass(tmp_path: Path, speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["--folder", str(tmp_path), "up", f"--speed={speed}"])
    assert refused.value.code == 2
    assert speed in capsys.readouterr().err


def test_ctrl_c_while_a_story_is_watched_ends_the_watching_alone(bare: Terminal) -> None:
    with before_a_terminal():
        watching = subprocess.Popen(
            [*bare.command(), "play", "hours-of-provisioning"], cwd=ROOT, stdout=-1, stderr=-1, encoding="utf-8"
        )
    assert watching.stdout is not None
    watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    _, errors = watching.communicate(timeout=HANG)
    assert (watching.returncode, errors.strip()) == (
        130,
        "Stopped watching. The story goes on where the playground was started.",
    )
    assert bare.run("status").returncode == 0


def test_it_ends_by_a_signal_that_was_ignored_when_it_was_started(tmp_path: Path) -> None:
    """As a script's `&` has Ctrl-C ignored, and a supervisor perhaps SIGTERM."""
    for number in (signal.SIGINT, signal.SIGTERM):
        up = [sys.executable, "-m", "simulator", "--folder", str(tmp_path), "up", "--without-app"]
        trapped = f"trap '' INT TERM; exec {shlex.join(up)}"
        child = subprocess.Popen(
            ["/bin/sh", "-c", trapped], cwd=ROOT, stdout=-1, encoding="utf-8", start_new_session=True
        )
        assert child.stdout is not None
        with child.stdout as output:
            assert any(" ends everything." in line for line in output)
            child.send_signal(number)
            assert output.read().endswith("\nEverything has ended.\n")
        assert child.wait(HANG) == 0


def test_one_can_be_somebody_else_even_of_another_tenant(bare: Terminal) -> None:
    mine, theirs = bare.environment(), bare.environment("partner")
    assert mine["IDENTITY_HEADER"] != theirs["IDENTITY_HEADER"]
    assert mine["AZURE_CONFIG_DIR"] != theirs["AZURE_CONFIG_DIR"]
    script = (
        "from azure.identity import ManagedIdentityCredential as Me\n"
        "from azure.mgmt.resource.subscriptions import SubscriptionClient as Client\n"
        "print(*(one.display_name for one in Client(Me()).subscriptions.list()), sep=',')"
    )
    seen = {}
    for who in ("operator", "partner"):
        command = [sys.executable, "-c", script]
        env = bare.environment(who)
        child = subprocess.run(command, env=env, capture_output=True, encoding="utf-8", timeout=HANG, check=True)
        seen[who] = set(child.stdout.strip().split(","))
    assert seen == {"operator": {"Production", "Fraud and archive"}, "partner": {"Partner"}}
    assert bare.run("env", "--as", "nobody").returncode == 2


def test_a_reader_that_has_had_enough_gets_no_traceback() -> None:
    listing = subprocess.Popen([sys.executable, "-m", "simulator", "stories"], cwd=ROOT, stdout=-1, stderr=-1)
    assert listing.stdout is not None
    listing.stdout.close()
    assert listing.wait(HANG) == 1
    assert listing.stderr is not None
    with listing.stderr:
        assert listing.stderr.read() == b""


def test_a_fault_is_said_in_one_line_and_met(bare: Terminal) -> None:
    done = bare.run("fault", "GET contoso: 429 with Retry-After 1 2 times")
    assert done.stdout == "Done: the next GET of contoso is answered 429 with Retry-After 1, 2 times\n"
    assert bare.run("fault", "list").stdout == "the next GET of contoso is answered 429 with Retry-After 1, 2 times\n"
    code = (
        "from azure.identity import ManagedIdentityCredential as M; from azure.keyvault.keys import KeyClient as K;"
        "print(K('https://contoso.vault.azure.net', M()).get_key('la-cmk').name)"
    )
    child = subprocess.run(
        [sys.executable, "-c", code],
        env=bare.environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=HANG,
        check=False,
    )
    assert child.stdout == "la-cmk\n"
    assert bare.until("GET contoso: 429").count("GET contoso: 429") == 2
    wrong = bare.run("fault", "paymints: 429")
    assert wrong.returncode == 1
    assert "there are archive, arm" in wrong.stderr


def test_the_control_surface_wants_the_key(bare: Terminal) -> None:
    notice = bare.folder / "running.json"
    told = json.loads(notice.read_text(encoding="utf-8"))
    notice.write_text(json.dumps({**told, "key": "guessed"}), encoding="utf-8")
    refused = bare.run("fault", "clear")
    assert refused.returncode == 1
    assert "X-Playground-Key" in refused.stderr


def test_stories_are_listed_and_one_is_played_to_its_end(bare: Terminal) -> None:
    listed = bare.run("stories").stdout
    assert "revocation\n" in listed
    assert "Source: " in listed
    told = bare.run("play", "revocation").stdout
    assert "revocation has ended" in told
    lost = re.search(r"payments ingests again; ([\d.]+) GB are lost for good", told)
    assert lost is not None
    assert float(lost[1]) > 1
    shown = bare.run("status").stdout
    assert re.search(r"payments +Succeeded .* True +[1-9]", shown)
    assert re.search(r"KeyUnwrap +payments +la-cmk +\w{8} +REFUSED \d+ times", shown)
    assert bare.run("play", "no-such-story").returncode == 2


def test_the_app_moves_the_clusters_when_a_client_rotates_the_key(tmp_path: Path) -> None:
    with started(tmp_path, "--speed", "200") as terminal:
        told = terminal.run("play", "lost-answer").stdout
        assert "PATCH payments: 429\n" in told
        assert "payments uses the newest version" in told
        assert "web-shop uses the newest version" in told
        command = [sys.executable, "-m", "cmk_rotation", "status", "--json"]
        environment = terminal.environment()
        child = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=HANG, check=True
        )
        done = {one["clusterId"].rsplit("/", 1)[1]: one["stage"] for one in json.loads(child.stdout)["rotations"]}
        assert {"payments", "web-shop"} <= done.keys()
        for line in ("app: crash", "clock of app: 1 h behind"):
            assert terminal.run("fault", line).returncode == 0
        terminal.until("has crashed and is back", times=2)
        assert terminal.interrupt() == 0
        assert "cluster.status" not in told
        assert "Traceback" not in terminal.output.read_text(encoding="utf-8")


def test_azurite_keeps_the_queue_and_the_table_if_so_chosen(tmp_path: Path) -> None:
    if os.environ.get("CMK_WITHOUT_AZURITE") == "1":
        pytest.skip("CMK_WITHOUT_AZURITE=1")
    with started(tmp_path, "--azurite") as terminal:
        connection = terminal.environment()["AzureWebJobsStorage"]
        assert "QueueEndpoint=http://127.0.0.1:" in connection
        terminal.run("fault", "key contoso/la-cmk: rotate")
        terminal.until("update.sent update-running payments")
        with TableClient.from_connection_string(connection, "rotations") as table:
            assert {
                row["stage"]
                for row in table.query_entities("PartitionKey ge '|' and RowKey lt '~' and RowKey ne '~cluster'")
            } == {"updating"}
        assert terminal.interrupt() == 0


def test_without_azurite_it_says_how_to_install_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "simulator", "--folder", str(tmp_path), "up", "--azurite"]
    env = {**os.environ, "AZURITE": str(tmp_path / "nothing")}
    answer = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, encoding="utf-8", timeout=HANG, check=False
    )
    assert answer.returncode == 1
    assert "npm ci --prefix tools/azurite" in answer.stderr
