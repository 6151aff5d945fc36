"""The command line, as an operator with a sign-in of their own."""

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from evidence import PUBLIC, status_command
from evidence import settings as settings_of
from simulator.azure import SUBSCRIPTION, Azure
from simulator.operationalinsights.behaviour import Behaviour, Outcome
from simulator.wire.faults import Fault, FaultKind
from tests.e2e.stage import APP, APP_CLOCK, Stage, stage
from tests.patience import HANG
from tests.surroundings import ASCII

QUICK = Behaviour(update_seconds=120, retry_after=5)


def build(azure: Azure) -> None:
    azure.add_cluster("cluster-a", key=azure.pinned("contoso", "la-cmk"))
    azure.add_cluster("cluster-b", key=azure.pinned("contoso", "la-cmk"))


def on_clock(story: Stage) -> list[str]:
    """What runs a module of the app's by the story's time."""
    return [sys.executable, "-m", "simulator.host.on_clock", story.azure.clock.share().argument, APP_CLOCK]


def run(story: Stage, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    env = {**story.host.spec.env, **story.azure.environment("operator"), **settings}
    command = [*on_clock(story), "cmk_rotation", *words]
    return subprocess.run(command, cwd=APP, env=env, capture_output=True, encoding="utf-8", timeout=HANG, check=False)


def test_plan_tells_what_would_be_done_and_changes_nothing(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=build, settings={"MODE": "observe"}) as story:
        clean = run(story, "plan")
        assert (clean.returncode, clean.stderr) == (0, "")
        story.azure.event_grid.lose_next()
        new = story.rotate()
        before = len(story.rows())
        behind = run(story, "plan", "--json")
        assert behind.returncode == 2
        clusters = json.loads(behind.stdout)["clusters"]
        assert {cluster["decision"] for cluster in clusters} == {"update"}
        assert {cluster["newestVersion"] for cluster in clusters} == {new}
        assert len(story.rows()) == before
        assert "cluster-a" in run(story, "plan").stdout


def test_plan_tells_of_a_template_that_put_the_old_version_back_as_the_pages_show(tmp_path: Path) -> None:
    def masked(text: str) -> str:
        text = re.sub(r"\b[0-9a-f]{8}(?:[0-9a-f]{24}|…)?(?!\w)", "VERSION", text)
        return " ".join(re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\dZ", "TIME", text).split())

    with stage(tmp_path, behaviour=QUICK, build=build) as story:
        new = story.rotate()
        for cluster in story.azure.arm.clusters.values():
            story.finished(cluster, new)
        with story.azure.lock:
            cluster = next(iter(story.azure.arm.clusters.values()))
            old = story.azure.vault("contoso").keys["la-cmk"].versions[0].version
            assert cluster.key is not None
            cluster.key = replace(cluster.key, version=old)
        told = run(story, "plan")
        assert told.returncode == 2
        for page in ("README.md", "docs/runbook.md"):
            text = (APP / page).read_text(encoding="utf-8")
            blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
            (sample,) = (one for one in blocks if " moved-back " in one)
            assert [line for line in sample.splitlines() if masked(line) not in masked(told.stdout)] == [], page


def test_status_shows_clusters_rotations_and_history(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=build) as story:
        new = story.rotate()
        for cluster in story.azure.arm.clusters.values():
            story.finished(cluster, new)
            story.reason(cluster, "up-to-date")
        told = json.loads(run(story, "status", "--history", "--since", "7d", "--json").stdout)
        assert {rotation["toVersion"] for rotation in told["rotations"]} == {new}
        assert {cluster["reason"] for cluster in told["clusters"]} == {"up-to-date"}
        assert {"claimed", "accepted", "finished"} <= {step["step"] for step in told["history"]}
        for options in (["--json"], []):
            ascii_ = run(story, "status", "--history", *options, **ASCII)
            assert (ascii_.returncode, ascii_.stderr) == (0, ""), "a locale that lacks a letter loses that letter alone"
            assert f"\\u2192 {new}" in ascii_.stdout if options else f" ? {new}" in ascii_.stdout
        assert told["poisonMessages"] == 0
        with story.azure.lock:
            story.account.queues.put("cluster-visits-poison", "not base64!")
        assert json.loads(run(story, "status", "--json").stdout)["poisonMessages"] == 1
        story.azure.faults.add(Fault(kind=FaultKind.ANSWER, status=403, host="*.queue.*", times=None))
        withheld = run(story, "status", "--json")
        assert (withheld.returncode, json.loads(withheld.stdout)["poisonMessages"]) == (0, None)
        assert withheld.stderr.startswith("what lies in the queue cluster-visits-poison could not be read: ")
        assert json.loads(withheld.stdout)["rotations"] == told["rotations"]
        story.azure.faults.clear()
        text = run(story, "status").stdout
        assert "1 message lies in the queue cluster-visits-poison: see docs/runbook.md" in text
        assert "update-confirmed" in text
        assert "\x1b" not in text
        only = run(story, "status", "--cluster", "cluster-b").stdout
        assert "cluster-b" in only
        assert "cluster-a" not in only
        cut = f"{shlex.join([*on_clock(story), 'cmk_rotation'])} status | true; exit ${{PIPESTATUS[0]}}"
        env = {**story.host.spec.env, **story.azure.environment("operator")}
        done = subprocess.run(
            ["/bin/bash", "-c", cut], cwd=APP, env=env, capture_output=True, timeout=HANG, check=False
        )
        assert (done.returncode, done.stderr) == (141, b""), "not all was told, and no traceback"
        closed = ["/bin/sh", "-c", f"{shlex.join([*on_clock(story), 'cmk_rotation'])} status >&-"]
        done = subprocess.run(closed, cwd=APP, env=env, capture_output=True, timeout=HANG, check=False)
        assert (done.returncode, done.stderr) == (0, b""), "nobody wants to hear it, as of a service"


def test_a_python_without_the_packages_says_what_is_needed() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "cmk_rotation", "status"],
        cwd=APP,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1
    assert "in a checkout: `make demo`" in done.stderr
    assert "Traceback" not in done.stderr


def test_visit_asks_the_function_to_look_and_waits_for_what_comes_of_it(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=build) as story:
        one, two = story.azure.arm.clusters.values()
        for cluster in (one, two):
            story.ask_for_visit(cluster)
            story.reason(cluster, "up-to-date")
        story.azure.event_grid.lose_next()
        new = story.rotate()
        followed = run(story, "visit", "cluster-b", "--wait")
        assert followed.returncode == 0, followed.stderr
        asked, *lines = followed.stdout.splitlines()
        assert asked == "Asked for a visit to cluster-b."
        assert ": updating (update-running)" in lines[0]
        assert ": succeeded (update-confirmed)" in lines[-1]
        assert story.finished(two, new)["requestedBy"] == "operator"
        assert run(story, "visit", one.id).returncode == 0
        assert story.finished(one, new)["requestedBy"] == "operator"


def test_status_is_watched_until_nothing_is_under_way_and_tells_of_failure(tmp_path: Path) -> None:
    fails = Behaviour(update_seconds=600, retry_after=5, outcome=Outcome.FAILED)
    with stage(tmp_path, behaviour=fails, build=build) as story:
        new = story.rotate()
        one, two = story.azure.arm.clusters.values()
        story.until(lambda: story.rotation(one, new) and story.rotation(two, new), "both rotations to begin")
        watched = run(story, "status", "--watch")
        assert watched.returncode == 1
        lines = [line.partition("Z ")[2] for line in watched.stdout.splitlines()]
        ends = {line.partition(":")[0] for line in lines if line.endswith("failed (update-failed)")}
        assert ends == {"cluster-a", "cluster-b"}
        documents = run(story, "status", "--watch", "--json", "--cluster", "cluster-a").stdout.splitlines()
        assert {rotation["stage"] for rotation in json.loads(documents[-1])["rotations"]} == {"failed"}


def test_what_cannot_be_done_is_said_and_the_exit_code_tells(tmp_path: Path) -> None:
    elsewhere = (
        "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/rg"
        "/providers/Microsoft.OperationalInsights/clusters/elsewhere"
    )
    with stage(tmp_path, behaviour=QUICK, build=build) as story:
        for words, told in (
            (("visit", elsewhere), "is not in CLUSTER_SCOPES"),
            (("visit", "nonsense"), "'nonsense' is no cluster in scope"),
            (("visit", "cluster"), "may be any of /subscriptions/"),
            (("status", "--cluster", "nonsense"), "nothing is on record"),
            (("status", "--app", "nonsense"), "is not the ARM id of a function app"),
            (("status", "--since", "soon"), "neither a time nor a span"),
            (("gibberish",), "invalid choice"),
        ):
            done = run(story, *words)
            assert (done.returncode, done.stdout) == (64, ""), words
            assert told in done.stderr
        wrong = run(story, "status", MODE="on", POLL_FLOOR_SECONDS="soon")
        assert wrong.returncode == 78
        assert wrong.stderr.splitlines()[2] == (
            "These settings were looked for in the environment; give them there, name a file (--settings FILE), or take them "
            "from the app: --app ID."
        )
        empty = run(story, "plan", CLUSTER_SCOPES=f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-nowhere")
        assert empty.returncode == 69
        assert "rg-nowhere" in empty.stderr
        dead = run(story, "status", HTTPS_PROXY="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9")
        assert (dead.returncode, dead.stdout) == (69, "")
        assert dead.stderr.startswith("Azure did not do what was asked: table rotations of storage account")


def test_the_command_that_the_deployments_hook_prints_writes_the_record_down(tmp_path: Path) -> None:
    """Before `azd down` deletes it. Run in a shell, by an operator who has nothing set but a sign-in."""
    settings = {"AzureWebJobsStorage__accountName": "cmkrotation"}
    with stage(tmp_path, behaviour=QUICK, build=build, settings=settings, keyless=True) as story:
        cluster = next(iter(story.azure.arm.clusters.values()))
        new = story.rotate()
        story.finished(cluster, new)
        known = {"CLUSTER_SCOPES": f"/subscriptions/{SUBSCRIPTION}", "STORAGE_ACCOUNT_ID": story.account.resource_id}
        command = status_command(settings_of(known, PUBLIC, {}), windows=False).removesuffix(" > rotations.json")
        python = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        env = {**story.azure.environment("operator"), **python}
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=APP, env=env, capture_output=True, timeout=HANG, check=False
        )
        assert done.stderr == b""
        assert new in {rotation["toVersion"] for rotation in json.loads(done.stdout)["rotations"]}
