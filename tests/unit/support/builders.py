"""Values with good defaults: a cluster on the first of its key's two versions, and an update to the second under way."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cmk_rotation.decisions.observation import Observation
from cmk_rotation.domain.azure_resources import Cluster, Failure, KeyVersion
from cmk_rotation.domain.cluster_record import AlertState, ClusterStatus, NextVisit
from cmk_rotation.domain.identifiers import ClusterId, Key, Scope
from cmk_rotation.domain.rotation import Attempt, Outcome, Rotation
from cmk_rotation.domain.timing import Timing
from cmk_rotation.domain.vocabulary import FailureKind, KeyMode, Reason, RequestedBy, Stage

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

ARM = "management.azure.com"
SUBSCRIPTION = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
VAULT = "https://contoso.vault.azure.net"
KEY_NAME = "la-cmk"
V1, V2, V3 = "1" * 31 + "a", "2" * 31 + "b", "3" * 31 + "c"
CREATED = {V1: NOW - 100 * DAY, V2: NOW - HOUR, V3: NOW - MINUTE}
OPERATION = "11111111-2222-3333-4444-555555555555"
WORKSPACE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-logs/providers/Microsoft.OperationalInsights/workspaces/ws-one"
)
ATTEMPT, OUTCOME, ALERTS = ({one.name for one in fields(part)} for part in (Attempt, Outcome, AlertState))


def must[T](value: T | None) -> T:
    """A value that is there."""
    assert value is not None
    return value


def cluster_id(name: str = "law-one", *, group: str = "rg-logs", subscription: str = SUBSCRIPTION) -> ClusterId:
    text = (
        f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.OperationalInsights/clusters/{name}"
    )
    return must(ClusterId.parse(text))


CLUSTER = cluster_id()
SCOPE = must(Scope.parse(f"/subscriptions/{SUBSCRIPTION}"))
KEY = must(Key.of(VAULT, KEY_NAME))


def operation_url(operation: str = OPERATION, *, host: str = ARM, subscription: str = SUBSCRIPTION) -> str:
    path = f"/subscriptions/{subscription}/providers/Microsoft.OperationalInsights/locations/westeurope"
    return f"https://{host}{path}/operationStatuses/{operation}?api-version=2025-07-01&t=638&c=signed&s=secret"


def cluster(**changes: Any) -> Cluster:
    """A healthy cluster that pins V1."""
    pinned = Cluster(CLUSTER, "Succeeded", key_vault_uri=VAULT, key_name=KEY_NAME, key_version=V1)
    return replace(pinned, **changes)


def version(name: str = V1, **changes: Any) -> KeyVersion:
    """An enabled version without an expiry."""
    return replace(KeyVersion(name, CREATED.get(name, NOW - 10 * DAY)), **changes)


def rotation(**changes: Any) -> Rotation:
    """An update from V1 to V2 that ARM took ten minutes ago."""
    under_way = Rotation(
        cluster_id=CLUSTER,
        key_vault_uri=VAULT,
        key_name=KEY_NAME,
        from_version=V1,
        to_version=V2,
        to_version_created_at=CREATED[V2],
        stage=Stage.UPDATING,
        reason=Reason.UPDATE_RUNNING,
        message="update accepted",
        requested_at=NOW - 11 * MINUTE,
        requested_by=RequestedBy.EVENT,
        attempts=1,
        attempt=Attempt(
            id="attempt-1",
            started_at=NOW - 10 * MINUTE,
            accepted_at=NOW - 10 * MINUTE,
            operation_id=OPERATION,
            operation_url=operation_url(),
        ),
    )
    return changed(under_way, **changes)


def changed(before: Rotation, **changes: Any) -> Rotation:
    """A rotation with other values, be they its own, of its attempt or of its outcome."""
    attempt = {name: value for name, value in changes.items() if name in ATTEMPT}
    outcome = {name: value for name, value in changes.items() if name in OUTCOME}
    return replace(
        before,
        attempt=replace(before.attempt, **attempt),
        outcome=replace(before.outcome, **outcome),
        **{name: value for name, value in changes.items() if name not in ATTEMPT | OUTCOME},
    )


def claimed(**changes: Any) -> Rotation:
    """An update that was claimed, and of which nothing more is known."""
    bare: dict[str, Any] = {"accepted_at": None, "operation_id": None, "operation_url": None}
    return rotation(**(bare | changes))


def waiting(**changes: Any) -> Rotation:
    """A rotation that waits for its cluster."""
    bare: dict[str, Any] = {"stage": Stage.WAITING, "reason": Reason.CLUSTER_BUSY, "started_at": None, "attempts": 0}
    return claimed(**(bare | changes))


def over(stage: Stage, reason: Reason, **changes: Any) -> Rotation:
    """A rotation that ended five minutes ago, and everybody knows."""
    bare: dict[str, Any] = {
        "stage": stage,
        "reason": reason,
        "finished_at": NOW - 5 * MINUTE,
        "operation_url": None,
        "announced": True,
        "published": True,
    }
    return rotation(**(bare | changes))


def status(**changes: Any) -> ClusterStatus:
    """The row of an up-to-date cluster, looked at five minutes ago."""
    row = ClusterStatus(
        cluster_id=CLUSTER,
        mode=KeyMode.PINNED,
        reason=Reason.UP_TO_DATE,
        since=NOW - DAY,
        message="law-one: up to date",
        remedy="Nothing to do.",
        looked_at=NOW - 5 * MINUTE,
        key_vault_uri=VAULT,
        key_name=KEY_NAME,
        key_version=V1,
        newest_version=V1,
        cluster_state="Succeeded",
    )
    return changed_status(row, **changes)


def changed_status(before: ClusterStatus, **changes: Any) -> ClusterStatus:
    """A cluster's row with other values, be they its own, of the visit it waits for or of what was said."""
    said = {name: changes.pop(name) for name in ALERTS & set(changes)}
    if "next_visit_at" in changes:
        asked_at = before.next_visit.asked_at if before.next_visit else None
        due, asked_at = changes.pop("next_visit_at"), changes.pop("next_visit_asked_at", asked_at)
        changes["next_visit"] = NextVisit(due, asked_at) if due else None
    return replace(before, alerts=replace(before.alerts, **said), **changes)


def observation(*rotations: Rotation, **changes: Any) -> Observation:
    """A cluster on V1, with V2 to be had, and these rotations on record."""
    seen = Observation(
        now=NOW,
        timing=Timing(),
        by=RequestedBy.RECONCILE,
        cluster=cluster(),
        versions=(version(V1), version(V2)),
        rotations=rotations,
    )
    return replace(seen, **changes)


def failure(kind: FailureKind = FailureKind.UNAVAILABLE, **changes: Any) -> Failure:
    """What Azure says when it does not do what it was asked."""
    return replace(Failure(kind, f"Code{kind.title()}", f"it is {kind}"), **changes)


GONE = failure(FailureKind.NOT_FOUND)
REFUSED = failure(FailureKind.REFUSED)
UNAVAILABLE = failure(FailureKind.UNAVAILABLE)
BUSY = failure(FailureKind.BUSY)
BLOCKED = failure(FailureKind.NETWORK_BLOCKED)
