"""The line `cluster.status`: what is so of a cluster, daily and when it changes, so that a day of log answers every question."""

from dataclasses import replace

from cmk_rotation.decisions.observation import Observation, UnreadableCluster, names
from cmk_rotation.domain import log_events
from cmk_rotation.domain.cluster_record import AlertState, ClusterStatus
from cmk_rotation.domain.log_events import LogLine
from cmk_rotation.domain.remedies import remedy_for
from cmk_rotation.domain.timing import REMIND_EVERY, plausible


def status_due(
    status: ClusterStatus, seen: Observation | UnreadableCluster, alerts: AlertState
) -> tuple[AlertState, list[LogLine]]:
    """The line, if it says something else than the last one or that one is a day old, and what was said noted."""
    updating = next((one for one in seen.unfinished if one.attempt.started_at is not None), None)
    called = alerts.attention_reason
    remedy = None
    if called is not None:  # perhaps for something else than what this look came to
        remedy = status.remedy if called is status.reason else remedy_for(called, names(seen)).text
    line = log_events.cluster_status(replace(status, alerts=alerts), updating, seen.rotations, remedy)
    says = "|".join(str(line.fields[name]) for name in log_events.SAID_ON_CHANGE)
    last = plausible(alerts.status_at, latest=status.looked_at)
    if says == alerts.status_said and last is not None and status.looked_at - last < REMIND_EVERY:
        return alerts, []
    return replace(alerts, status_said=says, status_at=status.looked_at), [line]
