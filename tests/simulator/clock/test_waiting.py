"""The clock that waits: what counts as work, what happens when, and who is told."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from simulator.clock import Polls
from simulator.clock.conductor import Conductor, Due
from simulator.clock.link import LinkedClock, join
from simulator.clock.running import RunningClock
from simulator.clock.waiting import START, WaitingClock
from tests.patience import HANG

WEEK = 7 * 86_400.0


@pytest.fixture
def clock() -> Iterator[WaitingClock]:
    clock = WaitingClock.starting()
    yield clock
    clock.close()


@pytest.fixture
def other(clock: WaitingClock) -> Iterator[LinkedClock]:
    """The clock as another process has it; that it is a thread of this one makes no difference."""
    linked = LinkedClock(json.loads(clock.share().argument))
    yield linked
    linked.close()


def test_time_stands_still_until_its_maker_lets_it_pass_and_then_takes_no_time(clock: WaitingClock) -> None:
    assert clock.now() == START
    clock.sleep(WEEK)
    assert clock.timestamp() == START.timestamp() + WEEK


def test_what_is_due_happens_at_its_moment(clock: WaitingClock) -> None:
    happened: list[float] = []
    for span in (3_600.0, 60.0, 7 * 86_400.0):
        clock.alarm(clock.timestamp() + span, "a thing", lambda: happened.append(clock.timestamp() - START.timestamp()))
    clock.sleep(7_200)
    assert happened == [60.0, 3_600.0]


def test_what_is_due_at_one_moment_happens_in_the_order_of_names_each_after_the_one_before(clock: WaitingClock) -> None:
    happened: list[str] = []

    def slow(name: str) -> None:
        happened.append(f"{name} begins")
        threading.Event().wait(0.01)  # Real work, which takes no simulated time.
        happened.append(f"{name} ends")

    due = clock.timestamp() + 60
    for name in ("b", "c", "a"):
        clock.alarm(due, name, lambda name=name: slow(name))  # type: ignore[misc]
    clock.sleep(60)
    assert happened == [f"{name} {what}" for name in "abc" for what in ("begins", "ends")]


def test_no_time_passes_between_falling_asleep_and_being_due_to_wake(
    clock: WaitingClock, other: LinkedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_at_once = Conductor.set

    def set_slowly(self: Conductor, due: Due) -> None:
        threading.Event().wait(0.05)
        set_at_once(self, due)

    def sleep() -> None:
        other.sleep(60)
        woken.append(other.timestamp() - START.timestamp())

    monkeypatch.setattr(Conductor, "set", set_slowly)
    woken: list[float] = []
    other.alarm(START.timestamp() + 60, "a thing", sleep)
    other.heard()
    clock.sleep(WEEK)
    assert clock.until(lambda: woken)
    assert woken == [120.0]


def test_an_alarm_can_be_taken_back(clock: WaitingClock) -> None:
    happened: list[int] = []
    clock.alarm(clock.timestamp() + 60, "a thing", lambda: happened.append(1)).cancel()
    clock.sleep(WEEK)
    assert happened == []


def test_what_sets_the_next_thing_goes_on_for_ever(clock: WaitingClock) -> None:
    moments: list[float] = []

    def tick() -> None:
        moments.append(clock.timestamp() - START.timestamp())
        clock.alarm(clock.timestamp() + 600, "tick", tick)

    clock.alarm(clock.timestamp() + 600, "tick", tick)
    clock.sleep(3_600)
    assert moments == [600.0 * number for number in range(1, 7)]


def test_nothing_happens_while_work_is_being_done_anywhere(clock: WaitingClock, other: LinkedClock) -> None:
    happened: list[str] = []
    clock.alarm(clock.timestamp() + 1, "an alarm", lambda: happened.append("an alarm"))
    begun, end = threading.Event(), threading.Event()

    def work() -> None:
        with other.work("work elsewhere"):
            begun.set()
            end.wait()
            happened.append("work")

    with ThreadPoolExecutor() as pool:
        done = pool.submit(work)
        begun.wait()
        sleeping = pool.submit(clock.sleep, 60)
        end.set()
        done.result()
        sleeping.result()
    assert happened == ["work", "an alarm"]


def test_another_process_sees_the_time_and_does_what_is_due_there(clock: WaitingClock, other: LinkedClock) -> None:
    happened: list[float] = []
    other.alarm(other.timestamp() + 60, "there", lambda: happened.append(other.timestamp()))
    other.alarm(other.timestamp() + 90, "taken back", lambda: happened.append(0)).cancel()
    other.heard()
    clock.sleep(100)
    assert happened == [START.timestamp() + 60]
    assert other.now() == clock.now()


def test_another_process_sleeps_in_simulated_time(clock: WaitingClock, other: LinkedClock) -> None:
    woken: list[float] = []

    def sleep() -> None:
        other.sleep(3_600)
        woken.append(other.timestamp() - START.timestamp())

    other.alarm(other.timestamp() + 60, "there", sleep)
    other.heard()
    clock.sleep(3_599)
    assert woken == []
    clock.sleep(61)
    assert woken == [3_660.0]


def test_what_a_process_did_and_was_about_to_do_ends_with_it(clock: WaitingClock) -> None:
    shared = clock.share()
    gone = LinkedClock(json.loads(shared.argument))
    happened: list[int] = []
    gone.alarm(gone.timestamp() + 60, "never", lambda: happened.append(1))
    working = gone.work("for ever")
    working.__enter__()
    shared.close()
    clock.sleep(WEEK)
    assert happened == []


def test_a_process_with_a_wrong_clock_does_things_when_they_are_due_for_it(clock: WaitingClock) -> None:
    wrong = LinkedClock(json.loads(clock.skewed(600).share().argument))
    happened: list[float] = []
    assert wrong.timestamp() == clock.timestamp() + 600
    wrong.alarm(wrong.timestamp() + 60, "there", lambda: happened.append(clock.timestamp()))
    wrong.heard()
    clock.sleep(120)
    assert happened == [START.timestamp() + 60]
    wrong.close()


def test_a_process_hears_that_whoever_keeps_the_time_is_gone(clock: WaitingClock) -> None:
    gone = threading.Event()
    other = join(clock.share().argument, gone.set)
    clock.close()
    assert gone.wait(HANG)
    other.close()


def test_a_stranger_at_the_door_is_not_let_in(clock: WaitingClock) -> None:
    told = json.loads(clock.share().argument)
    with socket.create_connection(("127.0.0.1", told["port"])) as stranger:
        stranger.sendall(json.dumps({"secret": "guessed", "link": 0}).encode() + b"\n")
        assert stranger.recv(1) == b""


def test_waiting_looks_only_when_all_is_at_rest(clock: WaitingClock) -> None:
    seen: list[str] = []
    state = ["before"]

    def change() -> None:
        state[0] = "half way"
        threading.Event().wait(0.01)
        state[0] = "after"

    clock.alarm(clock.timestamp() + 60, "change", change)

    def over() -> bool:
        seen.append(state[0])
        return state[0] == "after"

    assert clock.until(over)
    assert seen == ["before", "after"]
    assert clock.timestamp() == START.timestamp() + 60


def test_waiting_in_vain_ends_at_its_moment_after_a_last_look(clock: WaitingClock) -> None:
    assert not clock.until(lambda: False, within=3_600)
    assert clock.timestamp() == START.timestamp() + 3_600
    assert clock.until(lambda: clock.timestamp() == START.timestamp() + 7_200, within=3_600), "time alone changes it"


def test_an_error_of_the_one_who_looks_is_theirs(clock: WaitingClock) -> None:
    with pytest.raises(ZeroDivisionError):
        clock.until(lambda: 1 // 0)
    clock.sleep(1)


def test_a_mark_makes_those_who_wait_look(clock: WaitingClock) -> None:
    due = clock.timestamp() + 60
    clock.mark(due, "a state ends")
    assert clock.until(lambda: clock.timestamp() >= due)
    assert clock.timestamp() == due


def test_a_request_that_is_held_stands_still_and_so_does_whoever_sent_it(clock: WaitingClock) -> None:
    """The server's work and its client's: two pieces, neither of which goes on until the request does."""
    moments: list[float] = []

    def serve() -> None:
        with clock.work("a request"):
            clock.hold(90, lambda: True)
            moments.append(clock.timestamp() - START.timestamp())

    server = threading.Thread(target=serve)
    server.start()
    server.join()  # The maker of the clock is the client, and lets no time pass itself.
    assert moments == [90.0]


def test_a_client_that_has_hung_up_is_at_work_again(clock: WaitingClock) -> None:
    there = [True]
    held, end = threading.Event(), threading.Event()

    def serve() -> None:
        with clock.work("a request"):
            held.set()
            clock.hold(90, lambda: there[0])
            end.set()

    there[0] = False
    server = threading.Thread(target=serve)
    server.start()
    held.wait()
    assert not end.wait(0.05), "the client is at work, so no time passes"
    clock.sleep(100)
    assert end.wait(HANG)
    server.join()


def test_work_that_waits_for_other_work_does_not_count(clock: WaitingClock, other: LinkedClock) -> None:
    moments: list[float] = []

    def wait_for_another() -> None:
        waiting, over = ExitStack(), threading.Event()

        def end_the_wait() -> None:
            waiting.close()  # Before its own work is over.
            over.set()

        other.alarm(other.timestamp() + 60, "the other", end_the_wait)
        waiting.enter_context(other.idle("waits for a thread"))
        over.wait()
        moments.append(other.timestamp() - START.timestamp())

    other.alarm(other.timestamp() + 1, "one", wait_for_another)
    other.heard()
    clock.sleep(120)
    assert moments == [61.0]


def test_looks_that_would_find_nothing_are_left_out(clock: WaitingClock) -> None:
    visible: list[float | None] = [None]
    clock.watch_queues(lambda host, queue: visible[0] if (host, queue) == ("h", "q") else None)
    looks: list[float] = []
    start = clock.timestamp()
    polls = Polls("h", "q", (start + 0.1, start + 0.3), 10.0)
    clock.alarm(polls, "look", lambda: looks.append(clock.timestamp() - start))
    clock.sleep(86_400)
    assert looks == []
    visible[0] = clock.timestamp() + 5
    clock.sleep(86_400)
    assert looks == [pytest.approx(86_410.3)], "the first look at or after the moment from which there is something"


@pytest.mark.parametrize(
    ("moment", "look"), [(0.0, 1.0), (1.0, 1.0), (1.5, 2.0), (2.0, 2.0), (2.1, 12.0), (12.0, 12.0), (12.1, 22.0)]
)
def test_looks_come_at_their_moments_and_then_periodically(moment: float, look: float) -> None:
    assert Polls("h", "q", (1.0, 2.0), 10.0).first_from(moment) == look


def test_a_running_clock_is_shared_by_what_is_written_of_it() -> None:
    clock = RunningClock.starting_now(60).skewed(600)
    there = join(clock.share().argument)
    assert isinstance(there, RunningClock)
    assert there == clock
    assert abs(there.timestamp() - clock.timestamp()) < 60
