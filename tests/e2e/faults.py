"""`python -m tests.e2e.faults`: every call of a rotation, and everything that may go wrong with it. `make faults` runs it.

A rotation is recorded: from the event, in an app that was just deployed, to the first reconcile after its end. Then it is
told again for each call in the record and each fault, and that one call goes wrong. Each telling must end as the record does,
and whatever people were told in it must have a remedy. What came of it is written into docs/faults.md.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from simulator.azure import Azure
from simulator.operationalinsights.behaviour import Behaviour
from simulator.operationalinsights.clusters import Cluster
from simulator.wire.exchanges import Exchange
from simulator.wire.faults import FaultKind
from tests.e2e.fault_kinds import HOUR, IDENTITY, KINDS, Kind, like
from tests.e2e.fault_page import Cell, name_of, worst, write
from tests.e2e.stage import Stage, stage

AT_ONCE = 4
"""More than cores: an SDK pauses in real time before it asks for a token again."""
ALL_DAY = 26 * HOUR
"""So long may a rotation take, whatever goes wrong."""
FORGETS = 5.5
"""Real seconds: for five of them MSAL answers as the identity endpoint did when it failed."""
SETTLES_WITHIN = 700.0
"""A reconcile."""
MOST_UPDATES = 2
"""For an attempt: one whose answer was lost is sent again once it cannot be in flight."""
_REASONED = {"cluster.attention", "rotation.finished"}
"""The lines of which the reason says what they are about."""
_SETTINGS = {
    "AzureWebJobsStorage__accountName": "cmkrotation",
    "RECONCILE_SCHEDULE": "0 */10 * * * *",
    "OUTCOME_TOPIC_ENDPOINT": "https://outcomes.westeurope-1.eventgrid.azure.net/api/events",
}
_BEHAVIOUR = Behaviour(update_seconds=30, retry_after=10)


@dataclass(frozen=True, slots=True)
class Call:
    """One call in the record."""

    made: Exchange
    number: int
    """Among those that are like it, from 1."""

    def is_like(self, exchange: Exchange) -> bool:
        """Whether another request is for the same."""
        return like(self.made, FaultKind.RESET).matches(exchange.method, exchange.host, exchange.path)


@dataclass(frozen=True, slots=True)
class Record:
    """A rotation with which nothing goes wrong."""

    calls: tuple[Call, ...]
    took: float
    """Simulated seconds, from the rotation of the key to its end on record."""
    told: frozenset[str]


def record() -> Record:
    """Tell it."""
    with _story() as story:
        before = len(story.azure.exchanges)
        new, took = _rotated(story)
        story.quiet(SETTLES_WITHIN)
        made = story.azure.exchanges[before:]
        calls = []
        for place, exchange in enumerate(made):
            if not _is_the_hosts(exchange):
                calls.append(Call(exchange, sum(map(Call(exchange, 0).is_like, made[: place + 1]))))
        wrong = list(_wrong(story, new))
        assert wrong == []
        return Record(tuple(calls), took, _told(story))


def tell(number: int, kind: Kind, found: Record) -> Cell:
    """Tell it with one call gone wrong."""
    call = found.calls[number]
    try:
        with _story() as story:
            trouble = Trouble(story, call, kind)
            new, took = _rotated(story, trouble)
            story.until(lambda: story.waiting_messages() == 0, "the last look", ALL_DAY)
            story.quiet(SETTLES_WITHIN)
            wrong = (*_wrong(story, new), *trouble.wrong())
            return Cell(took - found.took, _told(story) - found.told, wrong)
    except AssertionError as error:
        return Cell(ALL_DAY, frozenset(), (str(error)[:2_000],))


class Trouble:
    """Lets a call go wrong when its turn comes."""

    def __init__(self, story: Stage, call: Call, kind: Kind) -> None:
        self._azure, self._call, self._kind = story.azure, call, kind
        self._story = story
        self._seen, self._began = 0, 0.0
        self._faults = list(kind.faults(call.made))
        self._before = len(story.azure.exchanges)
        story.azure.after_effect.append(self)
        self._begin_if_next()

    def __call__(self, exchange: Exchange) -> None:
        """A request has taken effect."""
        if self._call.is_like(exchange):
            self._seen += 1
            self._begin_if_next()

    def passes(self) -> None:
        """Let it come, and go."""
        self._story.until(self._was_met, f"a call to meet it: {self._kind.name}, {self._call.made.path}")
        if self._kind.lasts:
            self._story.quiet(max(self._began + self._kind.lasts - self._azure.clock.timestamp(), 0.0))
        if self._kind.nameless:
            with self._azure.lock:
                self._azure.server.hosts[self._call.made.host] = self._service
        if self._call.made.host == IDENTITY and any(fault.kind is FaultKind.ANSWER for fault in self._faults):
            while not self._kind.lasts and self._azure.faults.pending():
                time.sleep(FORGETS)
                self._story.quiet(60)
            time.sleep(FORGETS)

    def wrong(self) -> Iterator[str]:
        """What is odd about the trouble itself."""
        foreign = set(self._azure.server.refused) - ({self._call.made.host} if self._kind.nameless else set())
        if foreign:
            yield f"hosts were called that are nobody's: {foreign}"
        if not self._kind.lasts and any(map(_is_the_hosts, self._met())):
            yield "it was a call of the host's that went wrong"

    def _begin_if_next(self) -> None:
        if self._began or self._seen != self._call.number - 1:
            return
        self._began = self._azure.clock.timestamp()
        until = self._began + self._kind.lasts if self._kind.lasts else None
        if self._kind.nameless:
            with self._azure.lock:
                self._service = self._azure.server.hosts.pop(self._call.made.host)
        self._azure.faults.add(*(replace(fault, until=until) for fault in self._faults))

    def _met(self) -> list[Exchange]:
        return [one for one in self._azure.exchanges[self._before :] if one.fault is not None]

    def _was_met(self) -> bool:
        return bool(self._azure.server.refused if self._kind.nameless else self._met())


def _build(azure: Azure) -> None:
    cluster = azure.add_cluster("cluster-a", key=azure.pinned("contoso", "la-cmk"))
    account = azure.storage_account("saved")
    azure.encrypt(account, azure.vault("contoso").uri, "la-cmk", azure.pinned("contoso", "la-cmk").version)
    azure.add_workspace("ws-1", cluster).linked_accounts["Query"] = [account.resource_id]
    azure.add_topic("outcomes")


@contextmanager
def _story() -> Iterator[Stage]:
    with (
        tempfile.TemporaryDirectory(prefix="faults-") as folder,
        stage(Path(folder), build=_build, keyless=True, settings=_SETTINGS, behaviour=_BEHAVIOUR) as story,
    ):
        yield story


def _rotated(story: Stage, trouble: Trouble | None = None) -> tuple[str, float]:
    """Rotate the key twice in one second, so that Key Vault is asked which is current; the newest, and how long it took."""
    story.a_second_passes()
    began = story.azure.clock.now()
    with story.azure.lock:
        vault = story.azure.vault("contoso")
        vault.rotate("la-cmk")
        new = vault.rotate("la-cmk").version
    if trouble:
        trouble.passes()
    row = story.finished(_cluster(story), new, ALL_DAY)
    story.reason(_cluster(story), "up-to-date", ALL_DAY)
    return new, (datetime.fromisoformat(row["finishedAt"]) - began).total_seconds()


def _cluster(story: Stage) -> Cluster:
    (cluster,) = story.azure.arm.clusters.values()
    return cluster


def _is_the_hosts(exchange: Exchange) -> bool:
    """The host takes messages off the queue, and puts there what an event leads to; the app says how long one has to wait."""
    if not exchange.host.startswith("cmkrotation.queue"):
        return False
    if exchange.path == "/cluster-visits-poison":
        return exchange.method != "GET"
    return exchange.method != "POST" or "visibilitytimeout=" not in exchange.query


def _loud(story: Stage) -> list[dict[str, object]]:
    return [line for line in story.lines() if line["level"] not in {"Debug", "Information"}]


def _told(story: Stage) -> frozenset[str]:
    return frozenset(
        f"{line['event']} {line['reason'] if line['event'] in _REASONED else ''}".strip() for line in _loud(story)
    )


def _wrong(story: Stage, new: str) -> Iterator[str]:
    """What must not be, once all is over."""
    cluster = _cluster(story)
    row = story.rotation(cluster, new) or {}
    if cluster.key is None or cluster.key.version != new:
        yield "the cluster is not on the newest version"
    if (row.get("stage"), row.get("verified"), row.get("announced"), row.get("published")) != (
        "succeeded",
        *[True] * 3,
    ):
        yield f"the record does not say so: {row}"
    if not 1 <= len(story.patches(cluster)) <= MOST_UPDATES * int(row.get("attempts", 0)):
        yield f"{len(story.patches(cluster))} updates were sent in {row.get('attempts')} attempts"
    successes = {one["id"] for one in story.azure.topics["outcomes"].events if one["data"]["stage"] == "succeeded"}
    if len(successes) != 1:
        yield f"{len(successes)} successes were published"
    if story.waiting_messages() or story.poisoned():
        yield f"{story.waiting_messages()} messages are left, and {story.poisoned()} given up"
    yield from _wrong_lines(story)


def _wrong_lines(story: Stage) -> Iterator[str]:
    beat = story.lines("reconcile.finished")[-1]
    if beat["level"] != "Information" or beat["attention"]:
        yield f"it is not over for the last reconcile: {beat}"
    for line in story.host.log_lines():
        loud = line["category"].endswith(".User") and line["level"] not in {"Debug", "Information"}
        if loud and not line["message"].startswith('{"event"'):
            yield f"a line that is not the app's: {line}"
    for line in _loud(story):
        if not all(line.get(name) for name in ("message", "remedy", "since")):
            yield f"a line leaves a person without a remedy: {line}"


def every(found: Record, of: str = "", kind: str = "") -> Iterator[tuple[Call, Kind, Cell]]:
    """Tell it with every call and every fault whose names hold some words."""
    chosen = [
        (number, place)
        for number, call in enumerate(found.calls)
        for place, one in enumerate(KINDS)
        if of in name_of(call.made) and kind in one.name and one.fits(call.made)
    ]
    with ProcessPoolExecutor(AT_ONCE, mp_context=multiprocessing.get_context("spawn")) as pool:
        for (number, place), cell in zip(chosen, pool.map(partial(_tell, found), chosen), strict=True):
            yield found.calls[number], KINDS[place], cell


def _tell(found: Record, chosen: tuple[int, int]) -> Cell:
    return tell(chosen[0], KINDS[chosen[1]], found)


def main() -> int:
    """Write the page, if all was told; 1 if a telling did not end as it must."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.faults", description="Every call and every fault.")
    parser.add_argument("call", nargs="?", default="", help="words in the names of the calls to try alone")
    parser.add_argument("fault", nargs="?", default="", help="words in the names of the faults to try alone")
    options = parser.parse_args()
    found = record()
    cells: dict[tuple[str, str], list[Cell]] = {}
    tellings = wrong = 0
    for call, kind, cell in every(found, options.call, options.fault):
        tellings += 1
        cells.setdefault((name_of(call.made), kind.name), []).append(cell)
        told = " ".join(sorted(cell.told))
        say(f"{name_of(call.made):<36} {call.number:>2}  {kind.name:<26} {cell.minutes:>4} min later  {told}")
        for what in cell.wrong:
            wrong += 1
            say(f"  WRONG: {what}")
    say(f"{len(found.calls)} calls, {tellings} tellings, {wrong} wrong")
    if not (options.call or options.fault or wrong):
        names = dict.fromkeys(name_of(call.made) for call in found.calls)
        said = f"{len(found.calls)} calls are in the record; with their faults it was told {tellings} times."
        write(names, {at: worst(several) for at, several in cells.items()}, said)
    return int(wrong > 0)


def say(text: str) -> None:
    """At once, also to whoever reads it through a pipe."""
    print(text, flush=True)  # noqa: T201 - what a command is for


if __name__ == "__main__":
    sys.exit(main())
