"""An upgrade and a rollback on the real runtime, while an update is under way: what one version began, the other ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from simulator.host.process import HostProcess
from simulator.operationalinsights.clusters import Cluster
from tests.e2e.stage import APP, Stage, stage
from tests.upgrade.versions import QUICK, fleet, unpacked

TROUBLE = ("visit.failed", "visit.rejected", "visit.lost", "event.rejected", "record.unreadable", "settings.invalid")
WAYS = ["upgrade", "rollback"]


def versions(way: str, folder: Path) -> tuple[Path, Path]:
    before, now = unpacked(folder / "before"), APP
    return (before, now) if way == "upgrade" else (now, before)


def deploy(story: Stage, app: Path, functions: tuple[str, ...] | None = None) -> None:
    """Let the host end as the platform ends it, and start with another app, or with some of its functions."""
    assert isinstance(story.host, HostProcess)
    story.host.stop()
    story.host.spec = replace(story.host.spec, app=app, functions=functions)
    story.host.start()
    assert story.host.errors == {}


@contextmanager
def beside(story: Stage, app: Path, functions: tuple[str, ...]) -> Iterator[HostProcess]:
    """Another instance, of another version, at the same queue."""
    spec = replace(story.host.spec, app=app, name="other", folder=story.folder / "other", functions=functions)
    host = HostProcess(replace(spec, common=story.folder))
    host.start()
    try:
        yield host
    finally:
        host.kill()


def clusters(story: Stage) -> list[Cluster]:
    """Those that follow the key la-cmk."""
    return [one for one in story.azure.arm.clusters.values() if one.name in {"follows", "linked"}]


@pytest.mark.parametrize("way", WAYS)
def test_what_one_version_began_the_other_ends_with_no_second_update(way: str, tmp_path: Path) -> None:
    first, second = versions(way, tmp_path)
    with stage(tmp_path / "host", behaviour=QUICK, build=fleet, app=first) as story:
        story.reconcile()
        new = story.rotate()
        for cluster in clusters(story):
            story.until(lambda one=cluster: (story.rotation(one, new) or {}).get("operationUrl"), "an update")  # type: ignore[misc]
        deploy(story, second)
        for cluster in clusters(story):
            row = story.finished(cluster, new)
            assert (row["stage"], row["reason"], row["attempts"]) == ("succeeded", "update-confirmed", 1)
            assert len(story.patches(cluster)) == 1
        newer = story.rotate()
        for cluster in clusters(story):
            assert story.finished(cluster, newer)["stage"] == "succeeded"
        deploy(story, first)
        story.reconcile()
        for cluster in clusters(story):
            assert story.status(cluster)["keyVersion"] == newer
            assert len(story.patches(cluster)) == 2
        (held,) = (one for one in story.azure.arm.clusters.values() if one.name == "held")
        assert story.patches(held) == []
        assert [line for event in TROUBLE for line in story.lines(event)] == []


@pytest.mark.parametrize("way", WAYS)
def test_what_one_version_asks_for_the_other_one_visits(way: str, tmp_path: Path) -> None:
    """As it may be while instances of both are up: here one has the event and the timer, and the other the queue."""
    first, second = versions(way, tmp_path)
    with stage(tmp_path / "host", behaviour=QUICK, build=fleet, app=first) as story:
        story.reconcile()
        deploy(story, first, ("on_key_event", "on_reconcile"))
        with beside(story, second, ("on_visit", "on_lost_visit")) as other:
            new = story.rotate()
            for cluster in clusters(story):
                assert story.finished(cluster, new)["requestedBy"] == "event"
            with story.azure.lock:
                story.azure.event_grid.subscriptions.clear()
            newer = story.rotate()
            story.reconcile()
            for cluster in clusters(story):
                assert story.finished(cluster, newer)["requestedBy"] == "reconcile"
                assert len(story.patches(cluster)) == 2
            told = [line["message"] for line in (*story.host.log_lines(), *other.log_lines())]
        assert any('"event": "update.sent"' in line for line in told)
        assert [line for line in told for event in TROUBLE if f'"event": "{event}"' in line] == []
