"""What can be done to the playground in one line: faults on the wire, and everything else that goes wrong or is done.

`HELP` lists the lines. Each is tried in order; what no pattern knows is taken for a fault on the wire.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from simulator.playground import cluster_acts, vault_acts
from simulator.playground.fleet import ACCOUNT
from simulator.playground.vault_acts import vault_named
from simulator.playground.wire_faults import DURATION, NAME, NotUnderstoodError, Target, parse, seconds
from simulator.playground.world import Playground
from simulator.storage.accounts import StorageAccount
from simulator.wire.faults import Fault, FaultKind

__all__ = ["HELP", "NotUnderstoodError", "perform"]

HELP = """\
PATCH payments: 429 without Retry-After, then reset after applying      requests; see below for what can go wrong
region westeurope: down for 1 h                                         its clusters and vaults answer 503
clock of contoso: 10 min ahead                                          or ARM, storage, app; or behind
app: crash                                                              and it comes back
queue: lose | double | delay 10 min                                     the next message
events: lose | duplicate 3 | delay 2 h | hold | release | answer 403    the next event, or try of one; release is in disorder
cluster payments: updates fail | never end | take 3 h | have no effect | read stale for 5 min | answer 200
                  | hide operations | give no headers | stay in ProvisioningAccount | check the key late | go well
cluster payments: state Failed
cluster payments: replicate to northeurope | stop replicating
cluster payments: replication fails | replication blocks updates | links fail | workspaces fail
workspace law-payments: state Failed
key contoso/la-cmk: rotate | delete | recover | purge
key contoso/la-cmk: disable | enable | expire | extend   newest or previous
vault contoso: firewall | private | perimeter | open | no bypass | bypass | no purge protection | purge protection
               | other tenant | own tenant
right of payments on contoso: take | give                               payments, or function
rights: take 10 min to count                                            role assignments and their removal
clear                                                                   faults, clocks and ways of clusters; keys, vaults,
                                                                        rights and states stay as they are

Requests: [METHOD] WHAT: FAULT, then FAULT … with WHAT a cluster, vault/key, a vault, ARM, operations, identity, queues,
tables, or a glob; FAULT one of 429, 503 with Retry-After 120, down, reset, reset after applying, hang 5 min,
hang after applying, delay 20 s, empty body, truncated body, wrong-typed body, answer without HEADER; each of them
`3 times`, `always` or `for 1 h`.
"""


def perform(playground: Playground, line: str) -> str:
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


def names(playground: Playground) -> dict[str, Target]:
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


def _region(playground: Playground, match: re.Match[str]) -> None:
    azure, region = playground.azure, match["region"].lower()
    until = azure.clock.timestamp() + seconds(match["span"])
    down = Fault(kind=FaultKind.ANSWER, status=503, times=None, until=until)
    clusters = [one for one in azure.arm.clusters.values() if one.location.lower() == region]
    vaults = [one for one in azure.vaults.values() if one.location == region]
    if not clusters and not vaults:
        raise NotUnderstoodError(f"nothing is in the region '{match['region']}'")
    azure.faults.add(*(replace(down, host=vault.host) for vault in vaults))
    azure.faults.add(*(replace(down, path=f"{cluster.id}*") for cluster in clusters))


def _clock(playground: Playground, match: re.Match[str]) -> None:
    azure, name = playground.azure, match["name"].lower()
    skew = seconds(match["span"]) * (1 if match["way"].lower() == "ahead" else -1)
    wrong = azure.clock.skewed(skew)
    match name:
        case "arm":
            azure.arm.clock = wrong
        case "storage":
            _account(playground).set_clock(wrong)
        case "app":
            playground.restart_app(wrong)
        case _:
            vault_named(playground, name).clock = wrong


def _crash(playground: Playground, _: re.Match[str]) -> None:
    playground.restart_app(playground.app_clock)


def _account(playground: Playground) -> StorageAccount:
    if playground.options.azurite:
        raise NotUnderstoodError("the app's storage is in Azurite, which does as it does")
    return playground.azure.storage_account(ACCOUNT)


def _queue(playground: Playground, match: re.Match[str]) -> None:
    queues = _account(playground).queues
    match match["what"].lower().split()[0]:
        case "lose":
            queues.lose_next()
        case "double":
            queues.duplicate_next()
        case _:
            queues.delay_next(seconds(match["span"]))


def _events(playground: Playground, match: re.Match[str]) -> None:
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


def _clear(playground: Playground, _: re.Match[str]) -> None:
    azure = playground.azure
    azure.faults.clear()
    azure.event_grid.clear()
    azure.arm.clock = azure.clock
    if not playground.options.azurite:
        account = _account(playground)
        account.queues.clear_mishaps()
        account.set_clock(azure.clock)
    for vault in azure.vaults.values():
        vault.clock = azure.clock
    for cluster in azure.arm.clusters.values():
        cluster.behaviour = None
    if playground.app_clock != azure.clock:
        playground.restart_app(azure.clock)


_ACTS: Mapping[str, Callable[[Playground, re.Match[str]], None]] = {
    rf"region (?P<region>\w+): down for (?P<span>{DURATION})": _region,
    rf"clock of (?P<name>{NAME}): (?P<span>{DURATION}) (?P<way>ahead|behind)": _clock,
    rf"queue: (?P<what>lose|double|delay (?P<span>{DURATION}))": _queue,
    rf"events: (?P<what>lose|duplicate|hold|release|answer|delay)(?: (?P<span>{DURATION})| (?P<count>\d+))?": _events,
    "app: crash": _crash,
    "clear": _clear,
    **cluster_acts.ACTS,
    **vault_acts.ACTS,
}
