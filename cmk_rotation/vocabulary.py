"""The words that the log uses."""

from enum import StrEnum


class Event(StrEnum):
    """What a line of the log tells of. Alerts and dashboards are built on these words."""

    KEY_CHANGED = "key.changed"
    KEY_MATCHED = "key.matched"
    KEY_EXPIRING = "key.expiring"
    EVENT_IGNORED = "event.ignored"
    EVENT_REJECTED = "event.rejected"
    VISIT_DECIDED = "visit.decided"
    VISIT_REJECTED = "visit.rejected"
    VISIT_FAILED = "visit.failed"
    VISIT_LOST = "visit.lost"
    UPDATE_SENT = "update.sent"
    UPDATE_ACCEPTED = "update.accepted"
    UPDATE_PROGRESS = "update.progress"
    UPDATE_REFUSED = "update.refused"
    UPDATE_OVERDUE = "update.overdue"
    ROTATION_FINISHED = "rotation.finished"
    CLUSTER_ATTENTION = "cluster.attention"
    CLUSTER_RECOVERED = "cluster.recovered"
    OLD_VERSION_DISABLED_EARLY = "old-version.disabled-early"
    RECONCILE_FINISHED = "reconcile.finished"
    SETTINGS_INVALID = "settings.invalid"
