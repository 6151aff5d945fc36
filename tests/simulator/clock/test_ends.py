"""The clock that waits, when nothing goes on any more: a hang is said, and what ends leaves nobody asleep."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from simulator.clock import conductor
from simulator.clock.conductor import StuckError
from simulator.clock.waiting import START, WaitingClock
from tests.patience import HANG

WEEK = 7 * 86_400.0


@pytest.fixture
def clock() -> Iterator[WaitingClock]:
    clock = WaitingClock.starting()
    yield clock
    clock.close()


def test_a_hang_says_what_was_being_done(clock: WaitingClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conductor, "_PATIENCE_SECONDS", 0.05)
    clock.alarm(clock.timestamp() + 60, "the thing that is due", lambda: None)
    with clock.work("something that never ends"), pytest.raises(StuckError) as stuck:
        clock.sleep(120)
    assert "is being done: something that never ends" in str(stuck.value)
    assert "due: the thing that is due" in str(stuck.value)


def test_a_hang_says_what_is_waited_for(clock: WaitingClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conductor, "_PATIENCE_SECONDS", 0.05)
    with clock.work("something that never ends"), pytest.raises(StuckError, match="sleeps: the end of the world"):
        clock.until(lambda: False, what="the end of the world")


def test_a_hang_is_noticed_after_five_minutes_and_no_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """And before whoever waits for an answer in real time gives up, who could not say why there is none."""
    waited: list[float | None] = []

    class Never(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout)
            return False

    clock = WaitingClock.starting()
    monkeypatch.setattr(conductor, "Event", Never)
    with clock.work("something that never ends"), pytest.raises(StuckError):
        clock.hold(60, lambda: True)
    clock.close()
    assert waited == [300]
    assert HANG > 2 * 300


def test_closing_wakes_those_who_sleep(clock: WaitingClock) -> None:
    with ThreadPoolExecutor() as pool:
        with clock.work("so that no time passes"):
            sleeping = pool.submit(clock.until, lambda: False, WEEK)
            clock.close()
        assert sleeping.result(HANG) is False


def test_whoever_comes_to_sleep_when_all_is_over_is_woken_at_once(clock: WaitingClock) -> None:
    """As a request does that the server has read just before, whose thread nobody would ever wake."""
    clock.close()
    clock.sleep(60)
    clock.hold(60, lambda: True)
    assert clock.until(lambda: False) is False
    assert clock.until(lambda: True) is True
    assert clock.now() == START
