"""A cloud that lags behind: it is served in old versions, and one that it does not know is called what it is."""

from pathlib import Path

from simulator.azure import Azure
from simulator.operationalinsights.behaviour import Behaviour
from tests.e2e.stage import stage

QUICK = Behaviour(update_seconds=120, retry_after=5)


def lags(azure: Azure) -> None:
    azure.add_cluster("cluster-a", key=azure.pinned("contoso", "la-cmk"))
    azure.arm.cluster_versions = frozenset({"2020-08-01"})
    azure.vault("contoso").api_versions = ("7.0", "7.1")


def test_a_cloud_that_lags_behind_is_served_in_the_versions_that_are_set(tmp_path: Path) -> None:
    settings = {"ARM_API_VERSION": "2020-08-01", "KEY_VAULT_API_VERSION": "7.1", "STORAGE_API_VERSION": "2019-07-07"}
    with stage(tmp_path, behaviour=QUICK, build=lags, settings=settings) as story:
        (cluster,) = story.azure.arm.clusters.values()
        assert story.finished(cluster, story.rotate())["stage"] == "succeeded"


def test_versions_that_are_not_known_are_told_from_missing_rights(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=lags) as story:
        (cluster,) = story.azure.arm.clusters.values()
        story.reconcile()
        assert "Set ARM_API_VERSION" in story.lines("reconcile.finished")[-1]["remedy"]
        story.ask_for_visit(cluster)
        assert "ARM_API_VERSION" in story.reason(cluster, "api-version-unknown")["remedy"]
        with story.azure.lock:
            story.azure.arm.cluster_versions = frozenset({"2022-10-01"})
        story.ask_for_visit(cluster)
        story.until(
            lambda: "is not recognized" in story.status(cluster).get("message", ""), "Key Vault's version to be named"
        )
        assert story.status(cluster)["reason"] == "api-version-unknown"
        with story.azure.lock:
            story.account.tables.set_newest_version("2019-02-02")
        story.ask_for_visit(cluster)
        story.until(lambda: story.lines("visit.failed"), "the table's version to be named")
        line = story.lines("visit.failed")[0]
        assert line["reason"] == "api-version-unknown"
        assert "STORAGE_API_VERSION" in line["remedy"]
