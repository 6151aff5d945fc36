"""What can be done to the playground in one line: faults on the wire, and everything else that goes wrong or is done.

`HELP` lists the lines. What is about no subject is taken for a fault on the wire.
"""

import re
from dataclasses import replace

from simulator.playground import cluster_acts, vault_acts
from simulator.playground.cluster_acts import ways_of
from simulator.playground.fleet import ACCOUNT
from simulator.playground.subject import Subject
from simulator.playground.vault_acts import vault_named
from simulator.playground.wire_faults import UNDERSTOOD, Target, foretold, parse, pending
from simulator.playground.words import DURATION, NAME, NotUnderstoodError, count, seconds
from simulator.playground.world import Playground
from simulator.storage.accounts import StorageAccount
from simulator.wire.faults import Fault, FaultKind

__all__ = ["HELP", "SUBJECTS", "NotUnderstoodError", "perform", "to_come"]

_CLEAR = "clear"


def perform(playground: Playground, line: str) -> str:
    """Do what a line says and return what will come of it, or raise NotUnderstoodError."""
    line = " ".join(line.split())
    subject, colon, what = (part.strip() for part in line.partition(":"))
    with playground.azure.lock:
        if line.lower() == _CLEAR:
            return _clear(playground)
        for known in SUBJECTS if colon else ():
            if (said := known.perform(playground, subject, what)) is not None:
                return said
        if not colon:
            raise NotUnderstoodError(f"'{line}' says nothing; a line is SUBJECT: WHAT. See `fault --help`")
        azure, now = playground.azure, playground.azure.clock.timestamp()
        faults = parse(line, names(playground), now)
        azure.faults.add(*faults)
        return foretold(faults, now)


def to_come(playground: Playground) -> list[str]:
    """What is still to go wrong, and all else that `clear` would take back."""
    azure = playground.azure
    with azure.lock:
        now = azure.clock.timestamp()
        clusters = ((one, ways_of(playground, one)) for one in azure.arm.clusters.values())
        account = None if playground.options.azurite else _account(playground)
        clocks = [
            ("ARM", azure.arm.clock),
            ("app", playground.app_clock),
            *((vault.name, vault.clock) for vault in azure.vaults.values()),
            *([("storage", account.clock)] if account else []),
        ]
        wrong = [(name, clock.timestamp() - now) for name, clock in clocks if clock != azure.clock]
        return [
            *pending(azure.faults.pending(), now),
            *azure.event_grid.to_come(),
            *(f"the next message of a queue: {mishap}" for mishap in (account.queues.mishaps() if account else [])),
            *(f"the clock of {name} is {abs(round(skew))} s {_way_off(skew)}" for name, skew in wrong),
            *(f"{cluster.name}: {how}" for cluster, ways in clusters for how in ways),
        ]


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


def _region(playground: Playground, match: re.Match[str]) -> str:
    azure, region = playground.azure, match["region"].lower()
    until = azure.clock.timestamp() + seconds(match["span"])
    down = Fault(kind=FaultKind.ANSWER, status=503, times=None, until=until)
    clusters = [one for one in azure.arm.clusters.values() if one.location.lower() == region]
    vaults = [one for one in azure.vaults.values() if one.location == region]
    if not clusters and not vaults:
        raise NotUnderstoodError(f"nothing is in the region '{match['region']}'")
    said = "request to {} is answered 503"
    azure.faults.add(*(replace(down, host=vault.host, said=said.format(vault.name)) for vault in vaults))
    azure.faults.add(*(replace(down, path=f"{one.id}*", said=said.format(one.name)) for one in clusters))
    return f"for {match['span']} all requests to {len(clusters)} clusters and {len(vaults)} vaults in {region} are answered 503"


def _clock(playground: Playground, match: re.Match[str]) -> str:
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
    return f"the clock of {match['name']} is {match['span']} {_way_off(skew)}"


def _way_off(skew: float) -> str:
    return "ahead" if skew > 0 else "behind"


def _crash(playground: Playground, _: re.Match[str]) -> str:
    playground.restart_app(playground.app_clock)
    return "the app ends in the middle of what it does, and comes back"


def _account(playground: Playground) -> StorageAccount:
    if playground.options.azurite:
        raise NotUnderstoodError("the app's storage is in Azurite, which does as it does")
    return playground.azure.storage_account(ACCOUNT)


def _queue(playground: Playground, match: re.Match[str]) -> str:
    queues = _account(playground).queues
    match match["what"].lower().split()[0]:
        case "lose":
            queues.lose_next()
            return "the next message is taken, and never delivered"
        case "double":
            queues.duplicate_next()
            return "the next message is kept twice"
        case _:
            queues.delay_next(seconds(match["span"]))
            return f"the next message comes {match['span']} late"


def _events(playground: Playground, match: re.Match[str]) -> str:
    grid, number = playground.azure.event_grid, count(match["count"] or "1")
    if match["what"].lower() == "lose":
        grid.lose_next(number)
        return f"the next {'event is' if number == 1 else f'{number} events are'} never delivered"
    grid.duplicate_next(number)
    return f"the next event is delivered {number + 1} times"


def _hold_events(playground: Playground, _: re.Match[str]) -> str:
    playground.azure.event_grid.hold()
    return "events are kept back until `events: release`"


def _release_events(playground: Playground, _: re.Match[str]) -> str:
    playground.azure.event_grid.release()
    return "what was kept back is delivered, the newest first"


def _late_event(playground: Playground, match: re.Match[str]) -> str:
    playground.azure.event_grid.delay_next(seconds(match["span"]))
    return f"the next event is delivered {match['span']} late"


def _answer_event(playground: Playground, match: re.Match[str]) -> str:
    status = int(match["status"])
    if not 300 <= status <= 599:
        raise NotUnderstoodError(f"{status} is no answer by which an endpoint fails; those are 300 to 599")
    playground.azure.event_grid.answer_next(status)
    return f"the next try to deliver an event is answered {status}"


def _clear(playground: Playground) -> str:
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
    return "nothing more goes wrong, and clocks are right; keys, vaults, rights, tags and states stay as they are"


SUBJECTS = (
    *cluster_acts.SUBJECTS,
    *vault_acts.SUBJECTS,
    Subject(
        r"region (?P<region>\w+)",
        "region NAME",
        ("down for 1 h (its clusters and vaults answer 503)",),
        {rf"down for (?P<span>{DURATION})": _region},
    ),
    Subject(
        rf"clock of (?P<name>{NAME})",
        "clock of VAULT",
        ("10 min ahead | 10 min behind (or of ARM, storage, app, in place of a vault)",),
        {rf"(?P<span>{DURATION}) (?P<way>ahead|behind)": _clock},
    ),
    Subject("app", "app", ("crash (and it comes back)",), {"crash": _crash}),
    Subject(
        "queue",
        "queue",
        ("lose | double | delay 10 min (the next message)",),
        {rf"(?P<what>lose|double|delay (?P<span>{DURATION}))": _queue},
    ),
    Subject(
        "events",
        "events",
        (
            "lose | lose 3 | duplicate | duplicate 3 | delay 2 h | answer 403 (the next event)",
            "hold | release (in disorder)",
        ),
        {
            r"(?P<what>lose|duplicate)(?: (?P<count>\d+))?": _events,
            "hold": _hold_events,
            "release": _release_events,
            rf"delay (?P<span>{DURATION})": _late_event,
            r"answer (?P<status>\d+)": _answer_event,
        },
    ),
)

_REQUESTS = "\n".join(f"  {line}" for line in UNDERSTOOD)
HELP = f"""\
{"\n".join(subject.help() for subject in SUBJECTS)}
[METHOD] WHAT (requests to a cluster, vault/key, a vault, ARM, operations, identity, queues, tables, or a glob):
{_REQUESTS}

list: what is still to go wrong. clear: take that back; keys, vaults, rights, tags and states stay as they are.
"""
