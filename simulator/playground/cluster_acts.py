"""What can be done to clusters and workspaces in one line."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from simulator.operationalinsights.behaviour import AcceptedHeaders, Behaviour, KeyCheck, OperationReading, Outcome
from simulator.operationalinsights.clusters import Cluster
from simulator.operationalinsights.replication import change
from simulator.playground.wire_faults import DURATION, NAME, NotUnderstoodError, seconds
from simulator.playground.world import Playground

_WAYS: Mapping[str, Callable[[Behaviour], Behaviour | None]] = {
    "updates fail": lambda usual: replace(usual, outcome=Outcome.FAILED),
    "updates never end": lambda usual: replace(usual, outcome=Outcome.NEVER),
    "updates have no effect": lambda usual: replace(usual, accepted_status=200, key_applied=False),
    "updates answer 200": lambda usual: replace(usual, accepted_status=200),
    "updates hide operations": lambda usual: replace(usual, reading=OperationReading.NOT_FOUND),
    "updates give no headers": lambda usual: replace(usual, accepted_headers=AcceptedHeaders.NONE),
    "updates check the key late": lambda usual: replace(usual, key_check=KeyCheck.IN_OPERATION),
    "updates stay in provisioningaccount": lambda usual: replace(usual, state_while_running="ProvisioningAccount"),
    "replication fails": lambda usual: replace(usual, replication_fails=True),
    "replication blocks updates": lambda usual: replace(usual, replication_is_update=True),
    "links fail": lambda usual: replace(usual, links_fail=True),
    "workspaces fail": lambda usual: replace(usual, workspaces_fail=True),
    "updates go well": lambda _: None,
}
"""How a cluster may behave from now on, besides how it does already; None is as everybody."""


def cluster_named(playground: Playground, name: str) -> Cluster:
    """A cluster by its name, or NotUnderstoodError."""
    for cluster in playground.azure.arm.clusters.values():
        if cluster.name.lower() == name.lower():
            return cluster
    raise NotUnderstoodError(f"there is no cluster '{name}'")


def _way(playground: Playground, match: re.Match[str]) -> None:
    cluster = cluster_named(playground, match["name"])
    cluster.behaviour = _WAYS[match["how"].lower()](playground.azure.arm.behaviour_of(cluster))


def _pace(playground: Playground, match: re.Match[str]) -> None:
    cluster = cluster_named(playground, match["name"])
    behaviour, span = playground.azure.arm.behaviour_of(cluster), seconds(match["span"])
    taking = match["what"].lower() == "take"
    cluster.behaviour = replace(behaviour, update_seconds=span) if taking else replace(behaviour, stale_seconds=span)


def _state(playground: Playground, match: re.Match[str]) -> None:
    cluster_named(playground, match["name"]).state = match["state"]


def _replication(playground: Playground, match: re.Match[str]) -> None:
    """Its state is another one than the cluster's, and says nothing of the key."""
    cluster, now = cluster_named(playground, match["name"]), playground.azure.arm.clock.timestamp()
    fails = playground.azure.arm.behaviour_of(cluster).replication_fails
    wanted = {"enabled": True, "location": match["region"]} if match["region"] else {"enabled": False}
    try:
        changed = change(cluster.replication, wanted, cluster.location, now, fails=fails)
    except ValueError as error:
        raise NotUnderstoodError(str(error)) from None
    if changed == cluster.replication:
        raise NotUnderstoodError(f"{cluster.name} does so already")
    cluster.replication = changed


def _workspace_state(playground: Playground, match: re.Match[str]) -> None:
    for workspace in playground.azure.arm.workspaces.values():
        if workspace.name.lower() == match["name"].lower():
            workspace.state = match["state"]
            return
    raise NotUnderstoodError(f"there is no workspace '{match['name']}'")


ACTS: Mapping[str, Callable[[Playground, re.Match[str]], None]] = {
    rf"cluster (?P<name>{NAME}): (?P<how>{'|'.join(_WAYS)})": _way,
    rf"cluster (?P<name>{NAME}): updates (?P<what>take|read stale for) (?P<span>{DURATION})": _pace,
    rf"cluster (?P<name>{NAME}): state (?P<state>\w+)": _state,
    rf"cluster (?P<name>{NAME}): (?:replicate to (?P<region>\w+)|stop replicating)": _replication,
    rf"workspace (?P<name>{NAME}): state (?P<state>\w+)": _workspace_state,
}
