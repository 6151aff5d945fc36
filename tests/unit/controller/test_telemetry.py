"""Evidence must survive the failure that it reports."""

import logging
from dataclasses import replace

from cmk_rotation.controller.reconcile import reconcile
from cmk_rotation.domain.log_events import LogEvent
from tests.unit.support.builders import CLUSTER, WORKSPACE, cluster
from tests.unit.support.worlds import Fakes


def linked() -> Fakes:
    fakes = Fakes()
    fakes.clusters.stored = {CLUSTER: cluster(workspace_ids=(WORKSPACE,))}
    return fakes


def test_telemetry_in_a_workspace_that_is_linked_to_a_cluster_in_scope_is_an_error_at_every_reconcile() -> None:
    fakes = linked()
    reconcile(replace(fakes.world, telemetry_workspace=WORKSPACE.upper()))
    (line,) = fakes.log.of(LogEvent.RECONCILE_FINISHED)
    assert line.level == logging.ERROR
    assert line.fields["telemetryAtRisk"] == 1
    assert CLUSTER.name in str(line.fields["message"])
    assert str(line.fields["remedy"]).startswith("Send this app's telemetry to a workspace")


def test_telemetry_elsewhere_is_well() -> None:
    for elsewhere in (None, f"{WORKSPACE}-of-the-app"):
        fakes = linked()
        reconcile(replace(fakes.world, telemetry_workspace=elsewhere))
        (line,) = fakes.log.of(LogEvent.RECONCILE_FINISHED)
        assert (line.level, line.fields["telemetryAtRisk"]) == (logging.INFO, 0)
