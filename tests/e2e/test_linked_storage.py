"""Storage accounts with the clusters' key, on the real runtime: rotated together, forgotten, unseen, and lost too early."""

import json
from pathlib import Path

import pytest

from simulator.azure import FUNCTION, Azure
from simulator.operationalinsights.behaviour import Behaviour
from tests.e2e.stage import Stage, stage
from tests.e2e.test_command_line import run

QUICK = Behaviour(update_seconds=120, retry_after=5)


DAY = 86_400


def linked(azure: Azure, *, pinned: bool = True) -> None:
    """A cluster and, linked to its workspace, an account with the same key, which pins the same version, or follows."""
    cluster = azure.add_cluster("cluster-a", key=azure.pinned("contoso", "la-cmk"))
    account = azure.storage_account("saved")
    version = azure.pinned("contoso", "la-cmk").version
    azure.encrypt(account, azure.vault("contoso").uri, "la-cmk", version if pinned else "")
    azure.add_workspace("ws-1", cluster).linked_accounts["Query"] = [account.resource_id]


def kept_until(story: Stage) -> tuple[object, object]:
    """Until when the old version is to stay, and who keeps it."""
    (cluster,) = story.azure.arm.clusters.values()
    row = story.rotation(cluster, story.azure.pinned("contoso", "la-cmk").version) or {}
    return row.get("keepOldVersionUntil"), row.get("oldVersionPinnedBy")


def test_a_cluster_is_moved_and_an_account_on_its_key_follows_by_itself_and_then_the_old_version_is_free(
    tmp_path: Path,
) -> None:
    with stage(tmp_path, behaviour=QUICK, build=lambda azure: linked(azure, pinned=False)) as story:
        (cluster,) = story.azure.arm.clusters.values()
        story.reconcile()
        story.finished(cluster, story.rotate())
        story.reconcile()
        assert kept_until(story) == (None, "storage account saved")
        shown = json.loads(run(story, "status", "--json").stdout)["clusters"][0]["storageAccounts"]
        assert [(one["reason"], one["mode"]) for one in shown] == [("storage-follows", "auto")]
        story.quiet(DAY)
        story.reconcile()
        assert kept_until(story)[0] is not None
        assert [one for one in story.lines() if one["level"] == "Error"] == []


def test_the_old_version_stays_until_the_forgotten_account_has_moved_too(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=linked) as story:
        (cluster,) = story.azure.arm.clusters.values()
        story.reconcile()
        new = story.rotate()
        story.finished(cluster, new)
        story.reconcile()
        assert kept_until(story) == (None, "storage account saved")
        shown = json.loads(run(story, "status", "--json").stdout)["clusters"][0]["storageAccounts"]
        assert [(one["reason"], one["newestVersion"]) for one in shown] == [("storage-behind", new)]
        alone = json.loads(run(story, "status", "--json", "--cluster", cluster.id).stdout)["clusters"][0]
        assert alone["storageAccounts"] == shown
        told = run(story, "status").stdout
        assert "used by storage account saved" in told
        assert "storage-behind" in told
        planned = json.loads(run(story, "plan", "--json").stdout)["clusters"][0]
        assert planned["storageAccounts"] == shown
        assert "storage-behind" in run(story, "plan").stdout
        with story.azure.lock:
            account = story.azure.storage_account("saved")
            story.azure.encrypt(account, story.azure.vault("contoso").uri, "la-cmk", new)
        story.reconcile()
        assert kept_until(story)[0] is not None
        assert kept_until(story)[1] is None
        assert [line["level"] for line in story.lines("storage.status")] == ["Information"] * 3
        written = [one for one in story.azure.server.exchanges if one.method != "GET" and "/saved" in one.path]
        assert written == [], "the app changes no account"


@pytest.mark.parametrize(
    "right",
    ["Microsoft.OperationalInsights/workspaces/linkedStorageAccounts/read", "Microsoft.Storage/storageAccounts/read"],
)
def test_what_nobody_may_read_is_said_once_and_holds_nothing_back(tmp_path: Path, right: str) -> None:
    with stage(tmp_path, behaviour=QUICK, build=linked) as story:
        (cluster,) = story.azure.arm.clusters.values()
        with story.azure.lock:
            story.azure.rights.deny(FUNCTION, right)
        story.reconcile()
        story.finished(cluster, story.rotate())
        story.reconcile()
        assert kept_until(story)[0] is not None
        (line,) = story.lines("storage.status")
        assert (line["level"], line["reason"]) == ("Information", "storage-unread")
        assert "AuthorizationFailed" in line["message"]
        assert [one for one in story.lines() if one["level"] == "Error"] == []
        told = run(story, "status").stdout
        assert "Whether linked storage uses an old version could not be read of" in told


def test_an_account_that_may_not_be_read_any_more_keeps_the_old_version_until_somebody_says_otherwise(
    tmp_path: Path,
) -> None:
    with stage(tmp_path, behaviour=QUICK, build=linked) as story:
        (cluster,) = story.azure.arm.clusters.values()
        story.reconcile()
        story.finished(cluster, story.rotate())
        with story.azure.lock:
            story.azure.rights.deny(FUNCTION, "Microsoft.Storage/storageAccounts/read")
        story.reconcile()
        story.reconcile()
        assert kept_until(story) == (None, "storage account saved")
        told = run(story, "status").stdout
        assert "could not be read since" in told
        assert "STORAGE_ACCOUNTS=ignore" in told


def test_an_old_version_that_is_disabled_under_an_account_calls_a_person(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=linked) as story:
        (cluster,) = story.azure.arm.clusters.values()
        story.reconcile()
        old = story.azure.pinned("contoso", "la-cmk").version
        new = story.rotate()
        story.finished(cluster, new)
        with story.azure.lock:
            story.azure.vault("contoso").disable("la-cmk", old)
        story.reconcile()
        story.reconcile()
        (line,) = story.lines("cluster.attention")
        assert (line["reason"], line["clusterId"]) == ("storage-key-disabled", cluster.id)
        assert line["resourceId"].endswith("/saved")
        assert f"--version {old} --enabled true" in line["remedy"]
        assert f"--encryption-key-version {new}`" in line["remedy"]
        with story.azure.lock:
            story.azure.vault("contoso").enable("la-cmk", old)
        story.reconcile()
        assert [one["resourceId"] for one in story.lines("cluster.recovered")] == [line["resourceId"]]
