"""The version before, as it was deployed, and a story in which either version writes every kind of row."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from simulator.azure import Azure
from simulator.operationalinsights.behaviour import Behaviour
from tests.e2e.stage import APP, Stage, stage

BEFORE = Path(__file__).with_name("before.zip")
"""`git archive` of commit 1525528 (the zip's comment says it in full): the app's own files, as they were deployed."""
QUICK = Behaviour(update_seconds=240, retry_after=10)


def unpacked(folder: Path) -> Path:
    """The version before, to be hosted."""
    with zipfile.ZipFile(BEFORE) as archive:
        archive.extractall(folder)
    return folder


def read(package: Path, rows: list[dict[str, Any]], messages: list[str]) -> dict[str, Any]:
    """What a version makes of rows and messages."""
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("reading.py")],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(package)},
        input=json.dumps({"rows": rows, "messages": messages}),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def fleet(azure: Azure) -> None:
    """A cluster that follows, one on hold, one beside a linked account, and one whose key nobody else uses."""
    pinned = azure.pinned("contoso", "la-cmk")
    azure.add_cluster("follows", key=pinned)
    azure.add_cluster("held", key=pinned).tags["cmk-rotation"] = "hold"
    cluster = azure.add_cluster("linked", key=pinned)
    account = azure.storage_account("saved")
    azure.encrypt(account, azure.vault("contoso").uri, "la-cmk", pinned.version)
    azure.add_workspace("ws-1", cluster).linked_accounts["Query"] = [account.resource_id]
    azure.add_key("contoso", "own-cmk")
    azure.add_cluster("alone", key=azure.pinned("contoso", "own-cmk"))


def rows_of_every_kind(folder: Path, app: Path = APP) -> list[dict[str, Any]]:
    """The table after a rotation that ended, an old version that was disabled early, and another one under way."""
    with stage(folder, behaviour=QUICK, build=fleet, app=app) as story:
        followed, held, linked, alone = story.azure.arm.clusters.values()
        story.reconcile()
        early = story.azure.pinned("contoso", "own-cmk").version
        story.finished(alone, story.rotate(key="own-cmk"))
        new = story.rotate()
        story.finished(followed, new)
        story.finished(linked, new)
        assert story.reason(held, "on-hold")
        with story.azure.lock:
            story.azure.vault("contoso").disable("own-cmk", early)
        story.reconcile()
        story.until(lambda: story.lines("old-version.disabled-early"), "an early end to be called out")
        newest = story.rotate()
        story.until(lambda: (story.rotation(followed, newest) or {}).get("operationUrl"), "an update to be under way")
        return _plain(story)


def _plain(story: Stage) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in _NOT_COLUMNS} for row in story.rows()]


_NOT_COLUMNS = {"Timestamp", "odata.etag", "etag", "writeId"}
