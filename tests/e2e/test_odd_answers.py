"""One bad thing does not stop the good ones: an entry that cannot be read, and a key that expires after the year 9999."""

import json
from pathlib import Path

from simulator.azure import Azure
from simulator.operationalinsights.behaviour import Behaviour
from simulator.wire.faults import Fault, FaultKind
from tests.e2e.stage import stage

QUICK = Behaviour(update_seconds=120, retry_after=5)
BEYOND = 253402303861
DAY = 86_400.0


def build(azure: Azure) -> None:
    azure.add_cluster("cluster-a", key=azure.pinned("contoso", "la-cmk"))


def test_a_cluster_beside_one_that_cannot_be_read_is_moved_to_a_version_that_never_expires(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=build) as story:
        (cluster,) = story.azure.arm.clusters.values()
        assert cluster.key is not None
        key = {"keyVaultUri": cluster.key.vault_uri, "keyName": cluster.key.name, "keyVersion": cluster.key.version}
        healthy = {"id": cluster.id, "properties": {"provisioningState": "Succeeded", "keyVaultProperties": key}}
        odd = {"id": f"{cluster.id}-odd", "properties": None}
        body = json.dumps({"value": [odd, healthy]}).encode()
        story.azure.faults.add(Fault(kind=FaultKind.REPLACED_BODY, path="*/clusters", body=body, times=None))
        new = story.rotate()
        with story.azure.lock:
            story.azure.vault("contoso").set_attributes("la-cmk", new, expires=BEYOND)
        story.reconcile()
        assert story.finished(cluster, new)["stage"] == "succeeded"
        (line,) = story.lines("cluster.unreadable")
        assert (line["level"], line["clusterId"]) == ("Error", odd["id"])
        story.reconcile()
        assert len(story.lines("cluster.unreadable")) == 1
        story.quiet(DAY)
        story.reconcile()
        assert len(story.lines("cluster.unreadable")) == 2
        assert story.lines("reconcile.finished")[-1]["level"] == "Information"
