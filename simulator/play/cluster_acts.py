"""What can be done to clusters and workspaces in one line."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from simulator.behaviour import AcceptedHeaders, Behaviour, OperationReading, Outcome
from simulator.clusters import Cluster
from simulator.play.wire_faults import DURATION, NAME, NotUnderstoodError, seconds
from simulator.replication import change

if TYPE_CHECKING:
    from simulator.play.world import Playground

_UPDATES: dict[str, Callable[[Behaviour], Behaviour]] = {
    "fail": lambda usual: replace(usual, outcome=Outcome.FAILED),
    "never end": lambda usual: replace(usual, outcome=Outcome.NEVER),
    "have no effect": lambda usual: replace(usual, accepted_status=200, key_applied=False),
    "answer 200": lambda usual: replace(usual, accepted_status=200),
    "hide operations": lambda usual: replace(usual, reading=OperationReading.NOT_FOUND),
    "give no headers": lambda usual: replace(usual, accepted_headers=AcceptedHeaders.NONE),
    "stay in provisioningaccount": lambda usual: replace(usual, state_while_running="ProvisioningAccount"),
}
_VARIANTS: dict[str, Callable[[Behaviour], Behaviour]] = {
    "replication fails": lambda usual: replace(usual, replication_fails=True),
    "replication blocks updates": lambda usual: replace(usual, replication_is_update=True),
    "links fail": lambda usual: replace(usual, links_fail=True),
    "workspaces fail": lambda usual: replace(usual, workspaces_fail=True),
}


def cluster_named(playground: "Playground", name: str) -> Cluster:
    """A cluster by its name, or NotUnderstoodError."""
    for cluster in playground.azure.arm.clusters.values():
        if cluster.name.lower() == name.lower():
            return cluster
    raise NotUnderstoodError(f"there is no cluster '{name}'")


def _updates(playground: "Playground", match: re.Match[str]) -> None:
    cluster = cluster_named(playground, match["name"])
    behaviour = cluster.behaviour or playground.azure.arm.behaviour
    how = match["how"].lower()
    if how in _UPDATES:
        cluster.behaviour = _UPDATES[how](behaviour)
    elif how.startswith("take"):
        cluster.behaviour = replace(behaviour, update_seconds=seconds(match["span"]))
    elif how.startswith("read stale"):
        cluster.behaviour = replace(behaviour, stale_seconds=seconds(match["span"]))
    else:
        cluster.behaviour = None


def _state(playground: "Playground", match: re.Match[str]) -> None:
    cluster_named(playground, match["name"]).state = match["state"]


def _replication(playground: "Playground", match: re.Match[str]) -> None:
    """Its state is another one than the cluster's, and says nothing of the key."""
    cluster, now = cluster_named(playground, match["name"]), playground.azure.clock.timestamp()
    fails = playground.azure.arm.behaviour_of(cluster).replication_fails
    wanted = {"enabled": True, "location": match["region"]} if match["region"] else {"enabled": False}
    try:
        cluster.replication = change(cluster.replication, wanted, cluster.location, now, fails=fails)
    except ValueError as error:
        raise NotUnderstoodError(str(error)) from None


def _variant(playground: "Playground", match: re.Match[str]) -> None:
    cluster = cluster_named(playground, match["name"])
    cluster.behaviour = _VARIANTS[match["how"].lower()](playground.azure.arm.behaviour_of(cluster))


def _workspace_state(playground: "Playground", match: re.Match[str]) -> None:
    for workspace in playground.azure.arm.workspaces.values():
        if workspace.name.lower() == match["name"].lower():
            workspace.state = match["state"]
            return
    raise NotUnderstoodError(f"there is no workspace '{match['name']}'")


ACTS: Mapping[str, Callable[["Playground", re.Match[str]], None]] = {
    rf"cluster (?P<name>{NAME}): updates (?P<how>{'|'.join(_UPDATES)}|go well"
    rf"|(?:take|read stale for) (?P<span>{DURATION}))": _updates,
    rf"cluster (?P<name>{NAME}): state (?P<state>\w+)": _state,
    rf"cluster (?P<name>{NAME}): (?:replicate to (?P<region>\w+)|stop replicating)": _replication,
    rf"cluster (?P<name>{NAME}): (?P<how>{'|'.join(_VARIANTS)})": _variant,
    rf"workspace (?P<name>{NAME}): state (?P<state>\w+)": _workspace_state,
}
