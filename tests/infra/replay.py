"""`python -m tests.infra.replay`: the app's lines, run through every alert rule and tile. `make replay` runs it.

The lines are real: the app wrote them in the simulated Azure, in days full of incidents. They arrive late, out of order
and sometimes twice. Each rule is evaluated every five minutes, as its template says, over a table that is not there at
first, and does what a stateful rule of Azure's does: it calls once for each combination of its dimensions, resolves after
three evaluations without it, and fails above 300. Of the answers to the six questions each must survive any one lost line.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.infra import arrivals, queries
from tests.infra.arrivals import Log, Row, Seen
from tests.infra.incidents import Days, live_through
from tests.infra.kusto import Query
from tests.infra.test_deployment import app

EVERY = timedelta(minutes=5)
MOST_COMBINATIONS = 300
RESOLVED_AFTER = 3
"""Evaluations."""
SPANS = {"P1D": timedelta(days=1), "P2D": timedelta(days=2)}
COUNTED = {"Day", "DaysLeft"}
"""Dimensions that only make an alert call again."""
INCIDENTS = frozenset(
    {
        "key-lost",
        "old-version-disabled-early",
        "rotation-failed",
        "update-overdue",
        "cluster-attention",
        "silent",
        "scope-failed",
        "key-expiring",
    }
)
"""The rules that have something to tell of those days: `silent` before the first line."""
TILES = ("clusters", "rotations", "attention", "under-way", "old-versions", "alive")
"""The six questions."""


@dataclass(frozen=True)
class Rule:
    """An alert rule, as its template says."""

    name: str
    query: Query
    dimensions: tuple[str, ...]
    looks_back: timedelta


@dataclass(frozen=True)
class Mail:
    """What a person is sent."""

    at: datetime
    rule: str
    about: tuple[tuple[str, str], ...]
    """The dimensions, but for those that only count."""
    count: str
    fired: bool


@dataclass
class _Fired:
    without: int = 0


@dataclass
class Rules:
    """All rules, and what each has fired."""

    rules: list[Rule]
    mails: list[Mail] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    fired: dict[str, dict[tuple[tuple[str, str], ...], _Fired]] = field(default_factory=lambda: defaultdict(dict))

    def evaluate(self, log: Log, now: datetime) -> None:
        """One evaluation of each."""
        there = bool(log.times) and log.times[0] <= now
        for rule in self.rules:
            found = rule.query(now, {"AppTraces": Seen(log, now, now - rule.looks_back)} if there else {})
            combinations = {tuple((name, str(row[name])) for name in rule.dimensions) for row in found}
            if len(combinations) > MOST_COMBINATIONS:
                self.failed.append(rule.name)
                continue
            self.settle(rule.name, combinations, now)

    def settle(self, rule: str, combinations: set[tuple[tuple[str, str], ...]], now: datetime) -> None:
        """Call for what is new, and resolve what is over."""
        fired = self.fired[rule]
        for one in combinations - fired.keys():
            fired[one] = _Fired()
            self.mails.append(_mail(now, rule, one, fired=True))
        for one in list(fired):
            fired[one].without = 0 if one in combinations else fired[one].without + 1
            if fired[one].without == RESOLVED_AFTER:
                del fired[one]
                self.mails.append(_mail(now, rule, one, fired=False))


def _mail(now: datetime, rule: str, one: tuple[tuple[str, str], ...], *, fired: bool) -> Mail:
    about = tuple(pair for pair in one if pair[0] not in COUNTED)
    return Mail(now, rule, about, next((value for name, value in one if name in COUNTED), ""), fired=fired)


def rules() -> list[Rule]:
    """Those of the templates."""
    found = {rule.name: rule.properties for rule in app().all("Microsoft.Insights/scheduledQueryRules")}
    asked = {name: told["criteria"]["allOf"][0] for name, told in found.items()}
    trees = queries.trees({name: criterion["query"] for name, criterion in asked.items()})
    return [
        Rule(
            name.removeprefix("cmk-rotation-"),
            Query(trees[name]),
            tuple(one["name"] for one in criterion["dimensions"]),
            _span(found[name]["overrideQueryTimeRange"]),
        )
        for name, criterion in asked.items()
    ]


def _span(text: str) -> timedelta:
    return SPANS.get(text) or timedelta(minutes=int(text.removeprefix("PT").removesuffix("M")))


def tiles() -> dict[str, Query]:
    """Every query that a tile shows."""
    files = {name: one.text for name, one in queries.of_files().items() if not name.startswith("alert-")}
    return {name: Query(tree) for name, tree in queries.trees(files).items() if name != "key-use"}


def arriving(lines: Iterable[Row], seed: int) -> Log:
    """The lines as they arrive: up to a quarter of an hour late, so in another order, and one in twenty twice."""
    chance = random.Random(seed)  # noqa: S311 - what goes wrong is no secret
    return arrivals.log(
        (line["TimeGenerated"] + timedelta(minutes=chance.uniform(0.5, 15)), line)
        for line in lines
        for _ in range(1 + (chance.random() < 1 / 20))
    )


def replayed(days: Days, log: Log, every: timedelta = EVERY) -> Rules:
    """All evaluations of all rules; Azure's clock ticks a little unevenly."""
    chance = random.Random(1)  # noqa: S311 - as above
    watched = Rules(rules())
    now = days.began - timedelta(hours=1)
    while now < days.ended:
        watched.evaluate(log, now + timedelta(seconds=chance.uniform(0, 40)))
        now += every
    return watched


# --- what must be so -------------------------------------------------------------------------------------------------


def calls(watched: Rules) -> dict[tuple[str, tuple[str, ...]], list[str]]:
    """What was called for, by rule and by what it is about: the counts of the calls, in order."""
    found = defaultdict(list)
    for mail in watched.mails:
        if mail.fired:
            found[mail.rule, tuple(value for _, value in mail.about)].append(mail.count)
    return dict(found)


def at_once(lines: Iterable[Row]) -> Log:
    """The lines as if each arrived when it was said."""
    return arrivals.log((line["TimeGenerated"], line) for line in lines)


def answers(days: Days, log: Log, ask: dict[str, Query], lost: int = -1) -> dict[str, list[tuple[Any, ...]]]:
    """The answers to the six questions at the end, as far as they are about facts; without the line in that place."""
    seen = Seen(log, days.ended, days.began, lost)
    found = {name: ask[name](days.ended, {"AppTraces": seen}) for name in TILES}
    shown = {
        "clusters": ("ClusterId", "Version", "Newest", "OnNewest", "Reason"),
        "rotations": ("ClusterId", "ToVersion", "FromVersion", "Stage", "Reason", "Finished"),
        "attention": ("ClusterId", "Reason", "Since"),
        "under-way": ("ClusterId", "ToVersion"),
        "old-versions": ("OldVersion", "LastLeft", "NotBefore"),
        "alive": ("Clusters", "Current", "Behind", "UnderWay", "Attention", "FailedScopes", "EmptyScopes"),
    }
    return {name: sorted(tuple(map(str, (row[one] for one in shown[name]))) for row in found[name]) for name in TILES}


def on_record(days: Days) -> dict[str, list[tuple[Any, ...]]]:
    """The same answers, from the product's table."""
    clusters = [row for row in days.rows if row["RowKey"] == "~cluster"]
    rotations = [row for row in days.rows if "stage" in row and not row["RowKey"].startswith("~")]
    return {
        "clusters": sorted(
            (
                row["clusterId"].lower(),
                row["keyVersion"],
                row.get("newestVersion", ""),
                str(row["keyVersion"] == row["newestVersion"]) if "newestVersion" in row else "None",
                row["reason"],
            )
            for row in clusters
        ),
        "rotations": sorted(
            (
                row["clusterId"].lower(),
                row["toVersion"],
                row.get("fromVersion", ""),
                row["stage"],
                row["reason"],
                str(_milliseconds(row.get("finishedAt"))),
            )
            for row in rotations
        ),
        "attention": sorted(
            (row["clusterId"].lower(), row["attentionReason"], str(_milliseconds(row["attentionSince"])))
            for row in clusters
            if "attentionReason" in row
        ),
        "under-way": sorted(
            (row["clusterId"].lower(), row["toVersion"]) for row in rotations if row["stage"] == "updating"
        ),
    }


def _milliseconds(text: str | None) -> datetime | None:
    at = datetime.fromisoformat(text) if text else None
    return at.replace(microsecond=at.microsecond // 1000 * 1000) if at else None


def one_of_each(log: Log, before: datetime) -> dict[str, int]:
    """One line of each kind about each thing: its place."""
    found: dict[str, int] = {}
    for line in log.rows:
        if not line.row["Message"].startswith('{"event"') or line.said >= before:
            continue
        said = json.loads(line.row["Message"])
        about = said.get("clusterId") or said.get("scope") or said.get("keyName") or ""
        found.setdefault(f"{said['event']} {said.get('stage', '')} {said.get('reason', '')} {about}", line.place)
    return found


def lost(days: Days, ask: dict[str, Query]) -> list[str]:
    """The lines of which one, if it is lost, makes an answer wrong a day later."""
    log = at_once(days.lines)
    right = answers(days, log, ask)
    quiet = days.ended - timedelta(days=1, minutes=40)
    wrong = []
    for name, place in one_of_each(log, quiet).items():
        found = answers(days, log, ask, lost=place)
        wrong += [f"without {name}: {tile}" for tile in TILES if found[tile] != right[tile]]
    return wrong


def main() -> int:
    """Run it; 1 if something is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.infra.replay", description="A week of lines, replayed.")
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--clusters", type=int, default=400)
    options = parser.parse_args()
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began:5.0f} s  {text}\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="replay-") as folder:
        days = live_through(Path(folder), options.days, options.clusters - 5, say)
    say(f"{len(days.lines)} lines")
    watched = replayed(days, arriving(days.lines, 1))
    for (rule, about), counts in sorted(calls(watched).items()):
        say(f"{rule} {about}: {', '.join(counts)}")
    say(f"mails: {Counter(mail.rule for mail in watched.mails)}; failed: {watched.failed}")
    ask = tiles()
    wrong = lost(days, ask)
    told = {rule for rule, _ in calls(watched)}
    wrong += [f"{rule} was not told" for rule in sorted(INCIDENTS - told)] + [
        f"{rule} was" for rule in told - INCIDENTS
    ]
    right, record = answers(days, at_once(days.lines), ask), on_record(days)
    wrong += [f"{name}: {right[name]} and on record {record[name]}" for name in record if right[name] != record[name]]
    for one in wrong:
        say(one)
    say("done")
    return 1 if wrong or watched.failed or len(right["clusters"]) != options.clusters else 0


if __name__ == "__main__":
    sys.exit(main())
