"""Instances that come and go, as on Flex Consumption without one that is always ready.

What the scale controller counts was measured on Extensions.Storage.Queues 5.3.10 on 2026-11-25; how late it is was reported in
azure-functions-host #10706; how long a cold start takes is a guess.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import requests
from azure.storage.queue import QueueClient

from simulator.azure import Azure
from simulator.clock.waiting import START, WaitingClock
from simulator.host.instances import ComeAndGo
from simulator.host.scaling import ScaleController
from simulator.wire.faults import Fault, FaultKind
from tests.e2e.stage import queue_looks
from tests.patience import HANG
from tests.simulator.host.hosting import HOST_JSON, spec
from tests.simulator.host.toys import Toys

APP = """
    import logging, os
    import azure.functions as func
    import toytime

    app = func.FunctionApp()
    log = logging.getLogger("toy")

    @app.queue_trigger(arg_name="message", queue_name="work", connection="AzureWebJobsStorage")
    def on_work(message: func.QueueMessage) -> None:
        log.info("worked")
        toytime.sleep(float(message.get_body()))
        log.info("done")

    @app.event_grid_trigger(arg_name="event")
    @app.queue_output(arg_name="out", queue_name="work", connection="AzureWebJobsStorage")
    def on_event(event: str, out: func.Out[str]) -> None:
        out.set("0")

    @app.timer_trigger(arg_name="timer", schedule="0 0 * * * *")
    def on_timer(timer: func.TimerRequest) -> None:
        log.info("past due: %s", timer.past_due)
        toytime.sleep(100)
        log.info("done")
"""
HOW = ComeAndGo(seed=7)
COLD_START = 2.0, 12.0
"""A guess."""
LATEST = 120 + 12 + 1
"""Two minutes (reported), a cold start, and a look."""
ROOT = Path(__file__).parents[3]
FOR_ONE = 12
"""Messages for one instance of the toy app."""


@dataclass(frozen=True, slots=True)
class Coming(Toys[ScaleController]):
    """A toy app whose instances come and go."""

    @property
    def controller(self) -> ScaleController:
        return self.host

    def until(self, happened: Callable[[], object]) -> None:
        assert self.azure.clock.until(happened), "waited in vain"


@contextmanager
def toys(folder: Path, how: ComeAndGo = HOW, *, counted: str | None = None) -> Iterator[Coming]:
    """The app; `counted` is the queue that the scale controller counts in place of each function's own."""
    with Azure(WaitingClock.starting()) as azure:
        account = azure.storage_account("toys")
        settings = azure.environment() | {"AzureWebJobsStorage": account.connection_string}
        looks = queue_looks(azure, account)
        what = replace(
            spec(folder, APP, clock=azure.clock, settings=settings, host_json=HOST_JSON),
            copied_with=("azure.storage.queue",),
        )
        count = replace(looks, count=lambda queue: looks.count(counted or queue))
        controller = ScaleController(what, replace(how, messages_for_one=FOR_ONE), count)
        controller.start()
        try:
            yield Coming(azure, account, controller)
        finally:
            controller.kill()


def test_what_is_measured_or_reported_is_what_the_model_has() -> None:
    """Reported: up to two minutes until an instance is there, which is gone half a minute after nothing is visible."""
    how = ComeAndGo()
    assert (how.notice, how.gone_after) == ((0, 120), 30)
    queues = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))["extensions"]["queues"]
    assert how.messages_for_one == queues["batchSize"] + queues["newBatchThreshold"] == 32


def test_the_first_message_waits_for_an_instance_which_is_gone_half_a_minute_after_nothing_is_visible(
    tmp_path: Path,
) -> None:
    with toys(tmp_path) as world:
        lateness = []
        for _ in range(10):
            world.azure.clock.sleep(600)
            assert world.controller.there("on_work") == 0
            put_at = world.now
            world.put("0")
            world.until(lambda: world.left() == 0)
            lateness.append(world.now - put_at)
            world.azure.clock.sleep(25)
            assert world.controller.there("on_work") == 1
            world.azure.clock.sleep(16)
            assert world.controller.there("on_work") == 0
        assert COLD_START[0] <= min(lateness)
        assert 60 < max(lateness) <= 120 + 12
        assert len(set(lateness)) == 10, "drawn from a range"
        assert world.controller.comings["on_work"] == 10


def test_a_delayed_message_counts_for_nothing_until_it_is_visible(tmp_path: Path) -> None:
    """Measured: 0 are wanted if a look finds nothing visible, however many are delayed or in process."""
    with toys(tmp_path) as world:
        world.put("0", after=300)
        world.put("0")
        world.until(lambda: world.said("on_work"))
        world.until(lambda: world.controller.there("on_work") == 0)
        world.until(lambda: len(world.said("on_work")) == 4)
        assert world.controller.comings["on_work"] == 2
        assert 300 + COLD_START[0] <= world.now - START.timestamp() <= 300 + LATEST


def test_a_message_that_is_being_worked_on_keeps_no_instance_which_finishes_it_first(tmp_path: Path) -> None:
    with toys(tmp_path) as world:
        world.put("89")
        world.until(lambda: world.said("on_work"))
        began_at = world.now
        world.azure.clock.sleep(60)
        assert world.controller.there("on_work") == 1, "it is told to end, and is waited for"
        world.until(lambda: world.controller.there("on_work") == 0)
        assert world.said("on_work")[-1][1] == "done"
        assert world.now - began_at == pytest.approx(89)


@pytest.mark.parametrize(("busy", "instances"), [(1, 1), (30, 2)])
def test_a_message_that_comes_while_instances_finish_waits_for_another_as_any_first_message_does(
    tmp_path: Path, busy: int, instances: int
) -> None:
    with toys(tmp_path) as world:
        world.put(*["400"] * busy)
        world.until(lambda: world.said("on_work"))
        world.azure.clock.sleep(100)
        assert world.controller.there("on_work") == instances, "all are told to end, and are waited for"
        put_at = world.now
        world.put("0")
        world.until(lambda: "done" in world.texts("on_work"))
        assert COLD_START[0] <= world.now - put_at <= LATEST
        assert world.controller.there("on_work") == instances + 1
        world.until(lambda: world.controller.there("on_work") == 0)
        assert world.texts("on_work").count("done") == busy + 1
        assert world.left() == 0


@dataclass(frozen=True, slots=True)
class Load:
    """What a queue holds."""

    visible: int
    delayed: int = 0
    in_process: int = 0

    def put(self, world: Coming) -> None:
        """Put it on the queue that is counted."""
        world.put(*["0"] * (self.in_process + self.visible), queue="load")
        world.put(*["0"] * self.delayed, queue="load", after=3600)
        with QueueClient.from_connection_string(world.account.connection_string, "load") as load:
            assert all(load.receive_message(visibility_timeout=3600) for _ in range(self.in_process))


@pytest.mark.parametrize(
    ("load", "most", "wanted"),
    [(Load(30, 2, 3), 10, 3), (Load(12), 10, 1), (Load(13), 10, 2), (Load(1, in_process=12), 10, 2), (Load(60), 3, 3)],
)
def test_so_many_messages_so_many_instances(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: Load, most: int, wanted: int
) -> None:
    """Measured: one for each `batchSize` and `newBatchThreshold`, what is hidden included: of 30, 2 and 3 messages, 3."""
    with toys(tmp_path, replace(HOW, most=most), counted="load") as world:
        for name, value in world.azure.environment().items():
            monkeypatch.setenv(name, value)
        load.put(world)
        world.put("0")
        world.until(lambda: world.said("on_work"))
        world.azure.clock.sleep(60)
        assert world.controller.there("on_work") == wanted
        assert world.controller.comings["on_work"] == 1


def test_an_instance_that_is_always_ready_is_there_at_once_and_stays_and_others_come_and_go_beside_it(
    tmp_path: Path,
) -> None:
    """The longest that it takes a message is a poll, which in this app comes each second."""
    with toys(tmp_path, replace(HOW, ready=frozenset({"on_work"}))) as world:
        world.azure.clock.sleep(600)
        put_at = world.now
        world.put("0")
        world.until(lambda: world.left() == 0)
        assert world.now - put_at <= 1.2
        world.put(*["100"] * 30)
        world.until(lambda: world.controller.there("on_work") == 3)
        world.until(lambda: len(world.said("on_work")) == 62)
        world.azure.clock.sleep(60)
        assert world.controller.there("on_work") == 1
        assert world.controller.comings == {"on_work": 1, "on_event": 0, "on_timer": 1}, "each function for itself"
        world.controller.restart()
        assert world.controller.there("on_work") == 1


def test_instances_share_the_work(tmp_path: Path) -> None:
    with toys(tmp_path, replace(HOW, most=3)) as world:
        world.put(*["200"] * 30)
        world.until(lambda: world.controller.there("on_work") == 3)
        world.until(lambda: len(world.said("on_work")) == 60)


def test_an_event_waits_for_an_instance_of_its_own_function_and_wakes_no_other(tmp_path: Path) -> None:
    with toys(tmp_path) as world:
        posted_at = world.now
        url = world.controller.event_grid_url("on_event")
        answer = requests.post(url, json=[{"id": "1"}], headers={"aeg-event-type": "Notification"}, timeout=HANG)
        assert answer.status_code == 202
        answered_at = world.now
        assert COLD_START[0] <= answered_at - posted_at <= COLD_START[1]
        assert (world.controller.there("on_event"), world.controller.there("on_work")) == (1, 0)
        world.until(lambda: world.said("on_work"))
        assert COLD_START[0] <= world.now - answered_at <= LATEST
        world.azure.clock.sleep(60)
        assert world.controller.there("on_event") == 0


def test_an_event_whose_message_meets_storage_that_fails_is_waited_for_in_simulated_time(tmp_path: Path) -> None:
    with toys(tmp_path) as world:
        until = world.now + 20
        world.azure.faults.add(
            Fault(kind=FaultKind.ANSWER, method="POST", host="toys.queue.*", times=None, until=until)
        )
        url = world.controller.event_grid_url("on_event")
        answer = requests.post(url, json=[{"id": "1"}], headers={"aeg-event-type": "Notification"}, timeout=HANG)
        assert answer.status_code == 202
        assert world.now > until


def test_a_timer_is_woken_for_and_its_run_is_not_cut(tmp_path: Path) -> None:
    with toys(tmp_path) as world:
        world.azure.clock.sleep(3600 + 300)
        (began_at, past_due), (ended_at, _) = world.said("on_timer")
        assert past_due == "past due: True"
        assert COLD_START[0] <= began_at % 3600 <= COLD_START[1]
        assert ended_at - began_at == 100
        assert world.controller.there("on_timer") == 0
        assert world.controller.comings["on_timer"] == 2, "when it was deployed, and when it was due"


def test_a_function_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with toys(tmp_path) as world:
        answer = requests.post(world.controller.event_grid_url("nobody"), data="[]", timeout=HANG)
        assert answer.status_code == 404


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_draws_the_same(tmp_path: Path, seed: int) -> None:
    moments: list[list[tuple[float, str]]] = []
    for attempt in ("first", "second"):
        with toys(tmp_path / attempt, ComeAndGo(seed)) as world:
            world.put("0")
            world.azure.clock.sleep(200)
            moments.append(world.said("on_work"))
    assert moments[0] == moments[1]
