"""What can be done to clusters and workspaces in one line."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from simulator.operationalinsights.behaviour import AcceptedHeaders, Behaviour, KeyCheck, OperationReading, Outcome
from simulator.operationalinsights.clusters import Cluster
from simulator.operationalinsights.replication import change
from simulator.playground.subject import Subject
from simulator.playground.words import DURATION, NAME, NotUnderstoodError, seconds
from simulator.playground.world import Playground

_WAYS: Mapping[str, Callable[[Behaviour], Behaviour]] = {
    "updates fail": lambda usual: replace(usual, outcome=Outcome.FAILED),
    "updates never end": lambda usual: replace(usual, outcome=Outcome.NEVER),
    "updates have no effect": lambda usual: replace(usual, accepted_status=200, key_applied=False),
    "updates answer 200": lambda usual: replace(usual, accepted_status=200),
    "updates hide operations": lambda usual: replace(usual, reading=OperationReading.NOT_FOUND),
    "updates give no headers": lambda usual: replace(usual, accepted_headers=AcceptedHeaders.NONE),
    "updates check the key late": lambda usual: replace(usual, key_check=KeyCheck.IN_OPERATION),
    "updates stay in ProvisioningAccount": lambda usual: replace(usual, state_while_running="ProvisioningAccount"),
    "replication fails": lambda usual: replace(usual, replication_fails=True),
    "replication blocks updates": lambda usual: replace(usual, replication_is_update=True),
    "links fail": lambda usual: replace(usual, links_fail=True),
    "workspaces fail": lambda usual: replace(usual, workspaces_fail=True),
}
"""How a cluster may behave from now on, besides how it does already."""
_GO_WELL = "updates go well"
_STATES = ("Creating", "Succeeded", "Failed", "Canceled", "Deleting", "ProvisioningAccount", "Updating")
"""ClusterEntityStatus, and WorkspaceEntityStatus, of the REST specification."""
_HOLD = "cmk-rotation"


def cluster_named(playground: Playground, name: str) -> Cluster:
    """A cluster by its name, or NotUnderstoodError."""
    clusters = playground.azure.arm.clusters.values()
    for cluster in clusters:
        if cluster.name.lower() == name.lower():
            return cluster
    raise NotUnderstoodError(
        f"there is no cluster '{name}'; there are {', '.join(sorted(one.name for one in clusters))}"
    )


def ways_of(playground: Playground, cluster: Cluster) -> list[str]:
    """How a cluster behaves that others do not, in the words by which it was told to."""
    behaviour, usual = cluster.behaviour, playground.azure.arm.behaviour
    if behaviour is None:
        return []
    ways = [how for how, way in _WAYS.items() if way(behaviour) == behaviour and way(usual) != usual]
    if behaviour.update_seconds != usual.update_seconds:
        ways.append(f"updates take {behaviour.update_seconds:g} s")
    if behaviour.stale_seconds != usual.stale_seconds:
        ways.append(f"updates read stale for {behaviour.stale_seconds:g} s")
    return ways


def _way(playground: Playground, match: re.Match[str]) -> str:
    cluster = cluster_named(playground, match["name"])
    how = next(how for how in (*_WAYS, _GO_WELL) if how.lower() == match["how"].lower())
    if how == _GO_WELL:
        cluster.behaviour = None
    else:
        cluster.behaviour = _WAYS[how](playground.azure.arm.behaviour_of(cluster))
    return _from_now_on(cluster, how)


def _pace(playground: Playground, match: re.Match[str]) -> str:
    cluster = cluster_named(playground, match["name"])
    behaviour, span = playground.azure.arm.behaviour_of(cluster), seconds(match["span"])
    taking = match["what"].lower() == "take"
    cluster.behaviour = replace(behaviour, update_seconds=span) if taking else replace(behaviour, stale_seconds=span)
    return _from_now_on(cluster, f"updates {match['what'].lower()} {match['span']}")


def _from_now_on(cluster: Cluster, how: str) -> str:
    subject, _, does = how.partition(" ")
    return f"from now on {subject} of {cluster.name} {does}"


def _state(playground: Playground, match: re.Match[str]) -> str:
    cluster = cluster_named(playground, match["name"])
    cluster.state = _known_state(match["state"])
    return f"{cluster.name} is {cluster.state} now"


def _known_state(text: str) -> str:
    for state in _STATES:
        if state.lower() == text.lower():
            return state
    raise NotUnderstoodError(f"'{text}' is no state that Azure has; there are {', '.join(_STATES)}")


def _tag(playground: Playground, match: re.Match[str]) -> str:
    cluster = cluster_named(playground, match["name"])
    cluster.tags = {name: value for name, value in cluster.tags.items() if name.lower() != _HOLD}
    if match["no"]:
        return f"{cluster.name} has no tag {_HOLD} any more"
    cluster.tags[_HOLD] = "hold"
    return f"{cluster.name} has the tag {_HOLD} = hold now"


def _replication(playground: Playground, match: re.Match[str]) -> str:
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
    return (
        f"{cluster.name} begins to replicate to {match['region']}"
        if match["region"]
        else f"{cluster.name} stops replicating"
    )


def _workspace_state(playground: Playground, match: re.Match[str]) -> str:
    workspaces = playground.azure.arm.workspaces.values()
    for workspace in workspaces:
        if workspace.name.lower() == match["name"].lower():
            workspace.state = _known_state(match["state"])
            return f"{workspace.name} is {workspace.state} now"
    known = ", ".join(sorted(one.name for one in workspaces))
    raise NotUnderstoodError(f"there is no workspace '{match['name']}'; there are {known}")


SUBJECTS = (
    Subject(
        rf"cluster (?P<name>{NAME})",
        "cluster NAME",
        (
            "updates fail | updates never end | updates have no effect | updates take 3 h | updates read stale for 5 min",
            "updates answer 200 | updates hide operations | updates give no headers | updates check the key late",
            "updates stay in ProvisioningAccount | updates go well",
            f"state Failed (or {', '.join(one for one in _STATES if one != 'Failed')})",
            "tag hold | no tag",
            "replicate to northeurope | stop replicating",
            "replication fails | replication blocks updates | links fail | workspaces fail",
        ),
        {
            rf"(?P<how>{'|'.join((*_WAYS, _GO_WELL))})": _way,
            rf"updates (?P<what>take|read stale for) (?P<span>{DURATION})": _pace,
            r"state (?P<state>\w+)": _state,
            r"(?:tag hold|(?P<no>no tag))": _tag,
            r"(?:replicate to (?P<region>\w+)|stop replicating)": _replication,
        },
    ),
    Subject(
        rf"workspace (?P<name>{NAME})",
        "workspace NAME",
        ("state Failed",),
        {r"state (?P<state>\w+)": _workspace_state},
    ),
)
