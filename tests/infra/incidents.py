"""Days in which every kind of trouble happens to a fleet, in the simulated Azure: the lines that `replay.py` replays."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from simulator.azure import FUNCTION, SUBSCRIPTION, Azure
from simulator.operationalinsights.behaviour import Behaviour
from tests.e2e.stage import Stage, stage

HOUR, DAY = 3_600.0, 86_400.0
KEYS = ("refused", "dead", "expiring", "behind", "linked")
SCOPES = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-Logs",
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-empty",
)
SETTINGS = {"RECONCILE_SCHEDULE": "0 */10 * * * *", "CLUSTER_SCOPES": ",".join(SCOPES), "UPDATE_DEADLINE_HOURS": "2"}
LEVELS = {"Information": 1, "Warning": 2, "Error": 3}
"""As Application Insights numbers them."""
WRITE = "Microsoft.OperationalInsights/clusters/write"


@dataclass
class Days:
    """What was logged, and what is on record at the end."""

    lines: list[dict[str, Any]]
    """Rows of the table AppTraces."""
    rows: list[dict[str, Any]]
    """Rows of the product's table."""
    began: datetime
    ended: datetime


def live_through(folder: Path, days: int, dead: int, step: Callable[[str], None] = lambda _: None) -> Days:
    """Let it all happen: `dead` clusters use a key that is disabled. The last day is quiet."""

    def build(azure: Azure) -> None:
        azure.arm.resource_groups.add((SUBSCRIPTION.lower(), "rg-empty"))
        for key in KEYS:
            azure.add_key("contoso", key)
        for number in range(dead):
            azure.add_cluster(f"dead-{number:03}", key=azure.pinned("contoso", "dead"))
        for key in ("la-cmk", "refused", "expiring", "behind"):
            azure.add_cluster(f"on-{key}", key=azure.pinned("contoso", key))
        linked = azure.pinned("contoso", "linked")
        account = azure.storage_account("saved")
        azure.encrypt(account, linked.vault_uri, linked.name, linked.version)
        workspace = azure.add_workspace("ws-linked", azure.add_cluster("on-linked", key=linked))
        workspace.linked_accounts["Query"] = [account.resource_id]

    behaviour = Behaviour(update_seconds=2_400, retry_after=30)
    with stage(folder, behaviour=behaviour, build=build, settings=SETTINGS) as story:
        began = story.azure.clock.now()
        happens = sorted(_incidents(story, days), key=lambda one: one[0])
        for at, what in happens:
            story.quiet(began.timestamp() + at - story.azure.clock.timestamp())
            step(f"hour {at / HOUR:.0f}")
            what()
        story.quiet(began.timestamp() + days * DAY - story.azure.clock.timestamp())
        rows, ended = story.rows(), story.azure.clock.now()
        logged = [line for line in story.host.log_lines() if line["level"] in LEVELS]
    lines = [
        {
            "TimeGenerated": datetime.fromisoformat(line["time"]),
            "Message": line["message"],
            "SeverityLevel": LEVELS[line["level"]],
        }
        for line in logged
    ]
    return Days(lines, rows, began, ended)


def _incidents(story: Stage, days: int) -> list[tuple[float, Callable[[], object]]]:
    """What happens, and how many seconds after the beginning."""
    azure, vault = story.azure, story.azure.vault("contoso")
    of = {cluster.name: cluster for cluster in azure.arm.clusters.values()}
    old, left = (vault.keys[key].newest.version for key in ("la-cmk", "linked"))

    def locked(work: Callable[[], object]) -> Callable[[], None]:
        def do() -> None:
            with azure.lock:
                work()

        return do

    def expire() -> None:
        vault.set_attributes("expiring", expires=int(azure.clock.timestamp() + 20 * DAY + HOUR))

    def updates_take(seconds: float) -> None:
        azure.behaviour = replace(azure.behaviour, update_seconds=seconds)

    refused = of["on-refused"].id
    return [
        (0.2 * HOUR, locked(expire)),
        (0.5 * HOUR, locked(lambda: azure.rights.deny(FUNCTION, WRITE, refused))),
        (1 * HOUR, story.rotate),
        (2 * HOUR, lambda: story.rotate(key="refused")),
        (3 * HOUR, locked(lambda: vault.disable("dead"))),
        (4 * HOUR, lambda: story.rotate(key="linked")),
        (5 * HOUR, locked(lambda: vault.disable("la-cmk", old))),
        (7 * HOUR, locked(lambda: vault.enable("la-cmk", old))),
        (8 * HOUR, locked(lambda: vault.disable("linked", left))),  # which the account is still on
        (9 * HOUR, locked(lambda: vault.disable("la-cmk", old))),
        (11 * HOUR, locked(lambda: vault.enable("la-cmk", old))),
        (12 * HOUR, story.host.restart),
        (14 * HOUR, locked(lambda: updates_take(4 * HOUR))),
        (15 * HOUR, lambda: story.rotate(key="behind")),
        (20 * HOUR, locked(lambda: updates_take(2_400))),
        (26 * HOUR, locked(lambda: vault.enable("linked", left))),
        (30 * HOUR, locked(lambda: vault.enable("dead"))),
        ((days - 1) * DAY - 6 * HOUR, locked(lambda: azure.rights.allow(FUNCTION, WRITE, refused))),
        ((days - 1) * DAY - 5 * HOUR, lambda: story.ask_for_visit(of["on-refused"])),
    ]
