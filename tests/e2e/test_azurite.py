"""One rotation in real time, with the app's queue and table in Azurite instead of the simulated storage."""

import json
from pathlib import Path
from typing import Any

from azure.data.tables import TableClient

from simulator.clock.running import RunningClock
from simulator.operationalinsights.behaviour import Behaviour
from tests.e2e.stage import stage
from tests.e2e.worlds import one_cluster
from tests.simulator.storage.backends import azurite


def test_a_rotation_on_azurite_in_real_time(tmp_path: Path) -> None:
    with azurite() as storage:
        settings = {"AzureWebJobsStorage": storage.connection_string(), "POLL_FLOOR_SECONDS": "1"}
        behaviour = Behaviour(update_seconds=4, retry_after=None)
        with (
            stage(
                tmp_path, clock=RunningClock.starting_now(), behaviour=behaviour, build=one_cluster, settings=settings
            ) as story,
            TableClient.from_connection_string(storage.connection_string(), "rotations") as table,
        ):
            (cluster,) = story.azure.arm.clusters.values()
            new = story.rotate()

            def rows() -> list[dict[str, Any]]:
                return [dict(row) for row in table.query_entities("PartitionKey ge '|' and RowKey lt '~'")]

            story.until(lambda: story.lines("rotation.finished"), "the rotation to finish")
            story.until(lambda: all(row["announced"] for row in rows()), "that to be put on record")
            (row,) = rows()
            assert (row["toVersion"], row["stage"], row["reason"]) == (new, "succeeded", "update-confirmed")
            assert row["announced"] is True
            history = [dict(line) for line in table.query_entities("RowKey gt '~history'")]
            assert [line["step"] for line in history][:: len(history) - 1] == ["claimed", "finished"]
            assert len(story.patches(cluster)) == 1
            assert json.loads(story.patches(cluster)[0].request_body)["properties"].keys() == {"keyVaultProperties"}
