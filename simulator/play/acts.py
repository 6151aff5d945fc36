"""What can be done to the playground in one line: faults on the wire, and everything else that goes wrong or is done.

`HELP` lists the lines. Each is tried in order; what no pattern knows is taken for a fault on the wire.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from simulator.azure import FUNCTION
from simulator.behaviour import AcceptedHeaders, Behaviour, OperationReading, Outcome
from simulator.clock import Clock
from simulator.clusters import Cluster
from simulator.faults import Fault, FaultKind
from simulator.keys import Key, Network
from simulator.play.fleet import ACCOUNT
from simulator.play.wire_faults import DURATION, NotUnderstoodError, Target, parse, seconds
from simulator.replication import change
from simulator.vaults import Vault

if TYPE_CHECKING:
    from simulator.play.world import Playground

__all__ = ["HELP", "NotUnderstoodError", "perform"]

HELP = """\
PATCH payments: 429 without Retry-After, then reset after applying      requests; see below for what can go wrong
region westeurope: down for 1 h                                         its clusters and vaults answer 503
clock of contoso: 10 min ahead                                          or ARM; or behind
queue: lose | double | delay 10 min                                     the next message
events: lose | duplicate 3 | delay 2 h | hold | release | answer 403    the next event, or try of one; release is in disorder
cluster payments: updates fail | never end | take 3 h | have no effect | read stale for 5 min | answer 200
                  | hide operations | give no headers | stay in ProvisioningAccount | go well
cluster payments: state Failed
cluster payments: replicate to northeurope | stop replicating
key contoso/la-cmk: rotate | delete | recover | purge
key contoso/la-cmk: disable | enable | expire | extend   newest or previous
vault contoso: firewall | private | open | no bypass | no purge protection
right of payments on contoso: take | give                               payments, or function
clear                                                                   what is left of faults; updates go well again

Requests: [METHOD] WHAT: FAULT, then FAULT … with WHAT a cluster, vault/key, a vault, ARM, operations, identity, queues,
tables, or a glob; FAULT one of 429, 503 with Retry-After 120, down, reset, reset after applying, hang 5 min,
hang after applying, delay 20 s, empty body, truncated body, wrong-typed body, answer without HEADER; each of them
`3 times`, `always` or `for 1 h`.
"""

_UPDATES: dict[str, Callable[[Behaviour], Behaviour]] = {
    "fail": lambda usual: replace(usual, outcome=Outcome.FAILED),
    "never end": lambda usual: replace(usual, outcome=Outcome.NEVER),
    "have no effect": lambda usual: replace(usual, accepted_status=200, key_applied=False),
    "answer 200": lambda usual: replace(usual, accepted_status=200),
    "hide operations": lambda usual: replace(usual, reading=OperationReading.NOT_FOUND),
    "give no headers": lambda usual: replace(usual, accepted_headers=AcceptedHeaders.NONE),
    "stay in provisioningaccount": lambda usual: replace(usual, state_while_running="ProvisioningAccount"),
}
_YEAR_SECONDS = 365 * 86_400
_NETWORKS = {"firewall": Network.FIREWALL, "private": Network.PRIVATE, "open": Network.OPEN}


def perform(playground: "Playground", line: str) -> str:
    """Do what a line says and return how it was understood, or raise NotUnderstoodError."""
    line = " ".join(line.split())
    with playground.azure.lock:
        for pattern, act in _ACTS.items():
            if match := re.fullmatch(pattern, line, re.IGNORECASE):
                act(playground, match)
                return line
        azure = playground.azure
        faults = parse(line, names(playground), azure.clock.timestamp())
        azure.faults.add(*faults)
        return line


def names(playground: "Playground") -> dict[str, Target]:
    """What a request's fault can be aimed at, in lower case."""
    azure = playground.azure
    targets = {
        "arm": Target(host=azure.cloud.arm_host),
        "operations": Target(path="*/operation*s/*"),
        "identity": Target(host="127.0.0.1", path="/msi/*"),
        "queues": Target(host="*.queue.*"),
        "tables": Target(host="*.table.*"),
    }
    targets |= {one.name.lower(): Target(path=f"*/clusters/{one.name}") for one in azure.arm.clusters.values()}
    for vault in azure.vaults.values():
        targets[vault.name.lower()] = Target(host=vault.host)
        for key in vault.keys.values():
            targets[f"{vault.name}/{key.name}".lower()] = Target(host=vault.host, path=f"/keys/{key.name}*")
    return targets


def _cluster(playground: "Playground", name: str) -> Cluster:
    for cluster in playground.azure.arm.clusters.values():
        if cluster.name.lower() == name.lower():
            return cluster
    raise NotUnderstoodError(f"there is no cluster '{name}'")


def _vault(playground: "Playground", name: str) -> Vault:
    for vault in playground.azure.vaults.values():
        if vault.name.lower() == name.lower():
            return vault
    raise NotUnderstoodError(f"there is no vault '{name}'")


def _key(vault: Vault, name: str) -> Key:
    if name.lower() not in vault.keys:
        raise NotUnderstoodError(f"there is no key '{name}' in {vault.name}")
    return vault.keys[name.lower()]


def _region(playground: "Playground", match: re.Match[str]) -> None:
    azure = playground.azure
    until = azure.clock.timestamp() + seconds(match["span"])
    down = Fault(kind=FaultKind.ANSWER, status=503, times=None, until=until)
    here = [one for one in azure.arm.clusters.values() if one.location.lower() == match["region"].lower()]
    if not here:
        raise NotUnderstoodError(f"nothing is in the region '{match['region']}'")
    azure.faults.add(*(replace(down, host=vault.host) for vault in azure.vaults.values()))
    azure.faults.add(*(replace(down, path=f"{cluster.id}*") for cluster in here))


def _clock(playground: "Playground", match: re.Match[str]) -> None:
    offset = seconds(match["span"]) * (1 if match["way"].lower() == "ahead" else -1)
    true = playground.azure.clock
    skewed = Clock(true.speed, true.real_origin, true.simulated_origin + offset)
    if match["name"].lower() == "arm":
        playground.azure.arm.clock = skewed
    else:
        _vault(playground, match["name"]).clock = skewed


def _queue(playground: "Playground", match: re.Match[str]) -> None:
    queues = playground.azure.storage_account(ACCOUNT).queues
    match match["what"].lower().split()[0]:
        case "lose":
            queues.lose_next()
        case "double":
            queues.duplicate_next()
        case _:
            queues.delay_next(seconds(match["span"]))


def _events(playground: "Playground", match: re.Match[str]) -> None:
    grid, count = playground.azure.event_grid, int(match["count"] or 1)
    match match["what"].lower():
        case "delay" if match["span"]:
            grid.delay_next(seconds(match["span"]))
        case "lose":
            grid.lose_next(count)
        case "duplicate":
            grid.duplicate_next(count)
        case "hold":
            grid.hold()
        case "release":
            grid.release()
        case "answer" if match["count"]:
            grid.answer_next(count)
        case _:
            raise NotUnderstoodError("events: delay 2 h, and events: answer 403, need their number")


def _updates(playground: "Playground", match: re.Match[str]) -> None:
    cluster = _cluster(playground, match["name"])
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
    _cluster(playground, match["name"]).state = match["state"]


def _replication(playground: "Playground", match: re.Match[str]) -> None:
    """Its state is another one than the cluster's, and says nothing of the key."""
    cluster, now = _cluster(playground, match["name"]), playground.azure.clock.timestamp()
    fails = playground.azure.arm.behaviour_of(cluster).replication_fails
    wanted = {"enabled": True, "location": match["region"]} if match["region"] else {"enabled": False}
    try:
        cluster.replication = change(cluster.replication, wanted, cluster.location, now, fails=fails)
    except ValueError as error:
        raise NotUnderstoodError(str(error)) from None


def _key_act(playground: "Playground", match: re.Match[str]) -> None:
    vault, name = _vault(playground, match["vault"]), match["name"]
    act = match["act"].lower()
    if act in {"recover", "purge"}:
        if name.lower() not in vault.deleted:
            raise NotUnderstoodError(f"'{name}' is not a deleted key of {vault.name}")
        if act == "recover":
            vault.recover_key(name)
        else:
            del vault.deleted[name.lower()]
        return
    key = _key(vault, name)
    if act == "rotate":
        vault.rotate(name)
    else:
        vault.delete_key(key.name)


def _version_act(playground: "Playground", match: re.Match[str]) -> None:
    vault = _vault(playground, match["vault"])
    key = _key(vault, match["name"])
    place = 2 if match["version"].lower() == "previous" else 1
    if len(key.versions) < place:
        raise NotUnderstoodError(f"'{key.name}' has no previous version")
    version = key.versions[-place].version
    match match["act"].lower():
        case "expire":
            vault.set_attributes(key.name, version, expires=int(vault.clock.timestamp()))
        case "extend":
            vault.set_attributes(key.name, version, expires=int(vault.clock.timestamp()) + _YEAR_SECONDS)
        case act:
            vault.set_attributes(key.name, version, enabled=act == "enable")


def _vault_act(playground: "Playground", match: re.Match[str]) -> None:
    vault = _vault(playground, match["name"])
    match match["how"].lower():
        case "no bypass":
            vault.trusted_services = False
        case "no purge protection":
            vault.purge_protection = False
        case how:
            vault.network = _NETWORKS[how]


def _right(playground: "Playground", match: re.Match[str]) -> None:
    """As a role assignment or an access policy is made or removed; a Managed HSM's local role likewise."""
    azure, vault = playground.azure, _vault(playground, match["vault"])
    is_function = match["who"].lower() == FUNCTION
    who = FUNCTION if is_function else _cluster(playground, match["who"]).id
    give = match["act"].lower() == "give"
    if vault.hsm:
        change = azure.rights.allow if give else azure.rights.deny
        change(who, "Microsoft.KeyVault/vaults/keys/*", vault.resource_id)
    elif vault.access_policies:
        permissions = ("get", "list") if is_function else ("get", "wrapKey", "unwrapKey")
        vault.permit(who, *(permissions if give else ()))
    elif give:
        role = "Key version reader" if is_function else "Key Vault Crypto Service Encryption User"
        azure.rights.assign(who, role, vault.resource_id)
    else:
        azure.rights.unassign(who, vault.resource_id)


def _clear(playground: "Playground", _: re.Match[str]) -> None:
    azure = playground.azure
    azure.faults.clear()
    azure.arm.clock = azure.clock
    for vault in azure.vaults.values():
        vault.clock = azure.clock
    for cluster in azure.arm.clusters.values():
        cluster.behaviour = None


_NAME = r"[\w-]+"
_ACTS: dict[str, Callable[["Playground", re.Match[str]], None]] = {
    rf"region (?P<region>\w+): down for (?P<span>{DURATION})": _region,
    rf"clock of (?P<name>{_NAME}): (?P<span>{DURATION}) (?P<way>ahead|behind)": _clock,
    rf"queue: (?P<what>lose|double|delay (?P<span>{DURATION}))": _queue,
    rf"events: (?P<what>lose|duplicate|hold|release|answer|delay)(?: (?P<span>{DURATION})| (?P<count>\d+))?": _events,
    rf"cluster (?P<name>{_NAME}): updates (?P<how>{'|'.join(_UPDATES)}|go well"
    rf"|(?:take|read stale for) (?P<span>{DURATION}))": _updates,
    rf"cluster (?P<name>{_NAME}): state (?P<state>\w+)": _state,
    rf"cluster (?P<name>{_NAME}): (?:replicate to (?P<region>\w+)|stop replicating)": _replication,
    rf"key (?P<vault>{_NAME})/(?P<name>{_NAME}): (?P<act>rotate|delete|recover|purge)": _key_act,
    rf"key (?P<vault>{_NAME})/(?P<name>{_NAME}): (?P<act>disable|enable|expire|extend) (?P<version>newest|previous)": (
        _version_act
    ),
    rf"vault (?P<name>{_NAME}): (?P<how>firewall|private|open|no bypass|no purge protection)": _vault_act,
    rf"right of (?P<who>{_NAME}) on (?P<vault>{_NAME}): (?P<act>take|give)": _right,
    "clear": _clear,
}
