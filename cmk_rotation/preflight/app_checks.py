"""What must be true of the scopes and of the app itself. `checks.py` puts them in order."""

from datetime import timedelta

from cmk_rotation.domain.remedies import REMEDIES, UNREADABLE_CLUSTER
from cmk_rotation.domain.vocabulary import FailureKind, Reason
from cmk_rotation.preflight import rights
from cmk_rotation.preflight.findings import Eyes, Found, Level, fails, fine, unknown, warns
from cmk_rotation.preflight.seen import SeenApp, SeenScope, Unread

_LOOKED_AT_LEAST = timedelta(days=1, hours=1)
"""Each cluster's row is written at least once a day."""
_SILENT = "See the runbook, section `silent`: alarms that read the log cannot fire."
_FUNCTION_NEEDS = (
    f"{rights.CLUSTERS}/read",
    f"{rights.CLUSTERS}/write",
    "Microsoft.OperationalInsights/workspaces/read",
)
_NEEDS_AT_SUBSCRIPTION = ("Microsoft.OperationalInsights/locations/operationStatuses/read",)
_FUNCTION_NEVER = (f"{rights.CLUSTERS}/delete", "Microsoft.Authorization/roleAssignments/write")


def scope_can_be_listed(seen: SeenScope) -> Found | None:
    """What is not listed is not looked after."""
    failure = seen.failure
    if failure is not None:
        why = f"{failure.code}: {failure.message}"
        if failure.kind is FailureKind.NOT_FOUND:
            return fails(f"is not there ({why})", "Take it out of CLUSTER_SCOPES, or correct it.")
        return unknown(Unread("its clusters", why, f"{rights.CLUSTERS}/read there"))
    if not seen.clusters and seen.unreadable:
        return None
    if not seen.clusters:
        return warns("holds no cluster", "Take it out of CLUSTER_SCOPES, or correct it.")
    return fine(f"holds {seen.clusters} clusters" if seen.clusters > 1 else "holds a cluster")


def its_clusters_can_be_read(seen: SeenScope) -> Found | None:
    """What cannot be read is not looked after, and nothing else here is known of it."""
    if not seen.unreadable:
        return None if seen.failure else fine("lists no cluster that cannot be read")
    entries = "; ".join(f"{one.name} ({one.problem})" for one in seen.unreadable)
    return Found(Level.UNKNOWN, f"lists clusters that cannot be read: {entries}", UNREADABLE_CLUSTER)


def provider_is_registered(seen: SeenScope) -> Found:
    """A subscription knows no clusters before that."""
    if isinstance(seen.registered, Unread):
        return unknown(seen.registered)
    if not seen.registered:
        return fails(
            "the provider Microsoft.OperationalInsights is not registered in its subscription",
            "Register it: `az provider register --namespace Microsoft.OperationalInsights`.",
        )
    return fine("the provider Microsoft.OperationalInsights is registered")


def api_version_is_spoken(seen: SeenScope) -> Found:
    """Clouds get versions of an API months or years apart."""
    if isinstance(seen.versions, Unread):
        return unknown(seen.versions)
    if seen.wanted_version not in seen.versions:
        known = ", ".join(seen.versions) or "none"
        return fails(
            f"clusters do not speak the API version {seen.wanted_version} there, but {known}",
            REMEDIES[Reason.API_VERSION_UNKNOWN],
        )
    return fine(f"clusters speak the API version {seen.wanted_version}")


def function_may_move_its_clusters(seen: SeenScope) -> Found:
    """All that the function asks of Resource Manager."""
    grants = seen.function_grants
    if isinstance(grants, Unread):
        return unknown(grants)
    # An operation lies in no resource group, so a role below the subscription does not reach it.
    wide = [grant for grant in grants if "/resourcegroups/" not in grant.scope.lower()]
    lacking, lacking_wide = rights.missing(grants, _FUNCTION_NEEDS), rights.missing(wide, _NEEDS_AT_SUBSCRIPTION)
    perhaps, perhaps_wide = rights.perhaps(grants, lacking), rights.perhaps(wide, lacking_wide)
    if (perhaps or perhaps_wide) and bool(perhaps) == bool(lacking) and bool(perhaps_wide) == bool(lacking_wide):
        return rights.unknown_for("the function's identity move its clusters", [*perhaps, *perhaps_wide])
    lacking += [f"{one} at the subscription" for one in lacking_wide]
    if lacking:
        return fails(f"the function's identity lacks {', '.join(lacking)}", REMEDIES[Reason.CLUSTER_ACCESS_DENIED])
    more = rights.broader(grants, _FUNCTION_NEVER, ())
    if more:
        roles = ", ".join(f"{grant.role} at {grant.scope}" for grant in more)
        return warns(
            f"the function's identity holds more than it needs: {roles}",
            "Give it the custom role of infra/ in place of these.",
        )
    return fine("the function's identity may read and update clusters, and no more")


def function_has_its_identity(seen: SeenApp) -> Found:
    """Without it gets no token, whatever another identity of the app's may do."""
    if isinstance(seen.principal, Unread):
        return unknown(seen.principal)
    if seen.principal is None:
        return fails(
            "the app does not have the identity that it is to work with",
            "Assign the identity whose client id AZURE_CLIENT_ID is to the app; without that setting, a system-assigned one.",
        )
    return fine("the app has the identity that it works with")


def function_is_alive(seen: SeenApp) -> Found:
    """Whether it has looked at anything lately."""
    last = max((one.looked_at for one in seen.statuses), default=None)
    if last is None:
        return warns("nothing is on record yet", "See that the function app is deployed and runs.", Eyes.FUNCTION)
    message = f"it last wrote what it saw at {last:%Y-%m-%d %H:%M}Z"
    if last < min(seen.now - _LOOKED_AT_LEAST, seen.silent_before or seen.now):
        return fails(
            f"{message}, more than a day ago",
            "See the runbook, section `silent`: the function does not run.",
            Eyes.FUNCTION,
        )
    return fine(message, Eyes.FUNCTION)


def storage_can_be_reached(seen: SeenApp) -> Found:
    """The queue and the table. Where the table could not be read there would be no findings at all."""
    if isinstance(seen.poison, Unread):
        return unknown(seen.poison)
    if seen.poison.messages:
        return warns(
            f"{seen.poison.messages} messages lie in the poison queue",
            "See docs/runbook.md#poison-messages: what lies there was given up.",
        )
    return fine("the queue and the table answer, and the poison queue is empty")


def evidence_is_apart(seen: SeenApp) -> Found:
    """A bad key must not take along what tells of it."""
    if seen.workspace is None:
        return unknown(
            Unread(
                "where the app's telemetry goes",
                "TELEMETRY_WORKSPACE_ID is not set",
                "that setting, with the workspace's ARM id",
            )
        )
    if seen.at_risk:
        return fails(
            f"the app's telemetry goes to a workspace linked to {', '.join(seen.at_risk)}",
            "Send it to a workspace that is linked to no cluster in scope: a bad key would take the evidence with it.",
        )
    return fine("the app's telemetry goes to a workspace that no cluster in scope encrypts")


def heartbeat_is_new(seen: SeenApp) -> Found | None:
    """Whether the evidence arrives."""
    if seen.workspace is None:
        return None  # said already
    if isinstance(seen.heartbeat, Unread):
        return unknown(seen.heartbeat)
    if seen.heartbeat is None:
        return fails("no heartbeat has ever arrived in the workspace", _SILENT)
    last = f"{seen.heartbeat:%Y-%m-%d %H:%M}Z"
    if seen.silent_before is None:
        why = "RECONCILE_SCHEDULE names a setting that holds no schedule"
        return unknown(
            Unread(f"whether the newest heartbeat, of {last}, is the newest that was due", why, "that setting")
        )
    if seen.heartbeat < seen.silent_before:
        return fails(f"no heartbeat has arrived in the workspace for three runs: the last is of {last}", _SILENT)
    return fine(f"the newest heartbeat is of {last}")


def alerts_are_on(seen: SeenApp) -> Found | None:
    """Azure disables a rule whose query has failed for a week."""
    if seen.workspace is None:
        return None
    if isinstance(seen.alerts, Unread):
        return unknown(seen.alerts)
    if not seen.alerts:
        return warns(
            "no alert rule reads the workspace",
            "Deploy infra/, or have your own rules on reconcile.finished and rotation.finished.",
        )
    off = [one.name for one in seen.alerts if not one.enabled]
    if off:
        return warns(
            f"alert rules are off: {', '.join(off)}", "Enable them; Azure disables a rule whose query fails for a week."
        )
    return fine(f"{len(seen.alerts)} alert rules are on")
