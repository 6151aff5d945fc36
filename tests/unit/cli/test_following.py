"""Following what is under way: it ends, asks for little, and tells a change once."""

import io
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest

from cmk_rotation import clock
from cmk_rotation.cli.commands import main
from tests.unit.cli.sign_in import signed_in
from tests.unit.support.builders import CLUSTER, HOUR, MINUTE, cluster_id, status
from tests.unit.support.worlds import Fakes


class Terminal(io.StringIO):
    """What a terminal was sent."""

    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch, lines: int) -> Terminal:
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "200", "LINES": str(lines), "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    one = Terminal()
    monkeypatch.setattr(sys, "stdout", one)
    return one


def by_simulated_time(monkeypatch: pytest.MonkeyPatch, fakes: Fakes, passes: Callable[[timedelta], None]) -> None:
    signed_in(fakes, monkeypatch)
    monkeypatch.setattr(clock, "sleep", lambda seconds: passes(timedelta(seconds=seconds)))


def fleet(number: int) -> Fakes:
    """One cluster under way, and others on record."""
    fakes = Fakes()
    fakes.records.put(*(status(cluster_id=cluster_id(f"other-{one:02}")) for one in range(number)))
    fakes.visit()
    return fakes


def runs(fakes: Fakes) -> Callable[[timedelta], None]:
    return lambda time: fakes.run(time, reconcile=False)


def test_what_a_terminal_holds_is_written_again_only_when_it_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = fleet(3)
    by_simulated_time(monkeypatch, fakes, runs(fakes))
    sent = terminal(monkeypatch, lines=40)
    assert main(["status", "--watch"]) == 0
    shown = sent.getvalue()
    assert "succeeded" in shown
    # The update lasts ten minutes, which are three hundred looks; times from now change by the minute.
    assert 2 <= shown.count("other-01") <= 15


def test_what_a_terminal_cannot_hold_is_told_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = fleet(30)
    by_simulated_time(monkeypatch, fakes, runs(fakes))
    sent = terminal(monkeypatch, lines=24)
    assert main(["status", "--watch"]) == 0
    shown = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", sent.getvalue())
    assert [line.rpartition(": ")[2] for line in shown.splitlines()] == [
        "updating (update-running)",
        "succeeded (update-confirmed)",
    ]


def test_after_the_first_look_only_what_is_under_way_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = fleet(100)
    looks: list[int] = []

    def ends_at_the_fifth(time: timedelta) -> None:
        looks.append(fakes.records.rows_read)
        fakes.clock.now += time  # and no visit reads rows meanwhile
        if len(looks) == 5:
            fakes.run(HOUR, reconcile=False)

    by_simulated_time(monkeypatch, fakes, ends_at_the_fifth)
    before = fakes.records.rows_read
    assert main(["status", "--watch"]) == 0
    assert looks[0] - before == 102
    assert [later - earlier for earlier, later in pairwise(looks)] == [2] * 4


def test_a_visit_that_nobody_makes_is_not_waited_for_forever(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fakes = Fakes()

    def nobody_runs(time: timedelta) -> None:
        fakes.clock.now += time

    by_simulated_time(monkeypatch, fakes, nobody_runs)
    began = fakes.clock.now
    assert main(["visit", CLUSTER.text, "--wait"]) == 69
    assert fakes.clock.now - began == 10 * MINUTE
    assert capsys.readouterr().err.splitlines() == [
        "10 min have passed, and the function has not looked at law-one.",
        "See the runbook, section `silent`: it may not run. The request stays on the queue, and is carried out when it does.",
    ]


def test_a_visit_that_is_made_is_followed_for_as_long_as_the_update_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = Fakes()
    fakes.clusters.lasts = 3 * HOUR
    by_simulated_time(monkeypatch, fakes, runs(fakes))
    assert main(["visit", CLUSTER.text, "--wait"]) == 0
    assert fakes.clock.now - fakes.rotation.requested_at > 3 * HOUR
