"""The queue trigger: delivery, retries, poison messages, renewal."""

import base64
import itertools
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from simulator.host.back_off import BackOff
from simulator.host.messages import poison_queue_of
from tests.simulator.host.hosting import HOST_JSON, messages_of, running, spec, storage, wait_until

APP = """
    import logging, os
    import azure.functions as func
    import toytime

    app = func.FunctionApp()
    log = logging.getLogger("toy")

    @app.queue_trigger(arg_name="message", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
    def on_work(message: func.QueueMessage) -> None:
        body = message.get_body().decode()
        log.info("%s, dequeued %s", body, message.dequeue_count)
        if body == "describe":
            log.info("%s %s %s %s", bool(message.id), bool(message.pop_receipt),
                     message.expiration_time - message.insertion_time, message.time_next_visible - message.insertion_time)
        if body == "slow":
            toytime.sleep(float(os.environ["SLOW"]))
        if body == "bad":
            raise ValueError("cannot do this")
"""


CHAIN = """
    import azure.functions as func

    app = func.FunctionApp()

    @app.queue_trigger(arg_name="message", queue_name="first", connection="AzureWebJobsStorage")
    @app.queue_output(arg_name="out", queue_name="second", connection="AzureWebJobsStorage")
    def on_first(message: func.QueueMessage, out: func.Out[str]) -> None:
        out.set("from the first")

    @app.queue_trigger(arg_name="message", queue_name="second", connection="AzureWebJobsStorage")
    def on_second(message: func.QueueMessage) -> None: ...

    @app.queue_trigger(arg_name="message", queue_name="first-poison", connection="AzureWebJobsStorage")
    def on_lost(message: func.QueueMessage) -> None: ...
"""
SLOW_POLLS = HOST_JSON | {"extensions": {"queues": {"maxPollingInterval": "00:01:00"}}}


def host_json(**queues: object) -> Mapping[str, object]:
    return HOST_JSON | {"extensions": {"queues": {"maxPollingInterval": "00:00:01"} | queues}}


def test_a_message_is_delivered_once_and_deleted(tmp_path: Path) -> None:
    with (
        storage() as store,
        running(spec(tmp_path, APP, clock=store.clock, settings=store.settings | {"QUEUE": "Work"})) as host,
    ):
        # The queue did not exist when the host started, and its name is lower-cased.
        store.put("work", "hello", "describe")
        wait_until(host, lambda: len(messages_of(host, "Function.on_work.User")) == 3)
        wait_until(host, lambda: store.bodies("work") == [])
        said = set(messages_of(host, "Function.on_work.User"))
        assert {"hello, dequeued 1", "describe, dequeued 1"} <= said
        # The host's own requests are no log lines of the app's.
        assert not any("Request URL" in text for text in messages_of(host, "Worker"))
        assert any(text.startswith("True True 7 days, 0:00:00 0:10:0") for text in said)


def test_a_failing_message_is_tried_again_after_the_visibility_timeout_and_then_put_on_the_poison_queue(
    tmp_path: Path,
) -> None:
    settings = {"QUEUE": "work"}
    configuration = host_json(maxDequeueCount=3, visibilityTimeout="00:01:00")
    with (
        storage() as store,
        running(
            spec(tmp_path, APP, clock=store.clock, settings=store.settings | settings, host_json=configuration)
        ) as host,
    ):
        put_at = store.clock.timestamp()
        store.put("work", "bad")
        wait_until(host, lambda: store.bodies("work-poison") == ["bad"])
        # A minute between tries, and the pauses of a poll that finds nothing: a second at the most.
        assert 2 * 60 <= store.clock.timestamp() - put_at <= 2 * 61 + 1
        assert messages_of(host, "Function.on_work.User") == [f"bad, dequeued {count}" for count in (1, 2, 3)]
        # It was moved after the last try, not when it would have been due for another.
        last_try = datetime.fromisoformat(host.log_lines()[-2]["time"])
        assert store.service.messages("work-poison")[0].inserted_at == last_try
        wait_until(host, lambda: store.bodies("work") == [])
        assert messages_of(host, "Host.Triggers.Queue") == [
            "Message has reached MaxDequeueCount of 3. Moving message to queue 'work-poison'."
        ]


def test_an_undecodable_message_goes_to_the_poison_queue_without_a_try(tmp_path: Path) -> None:
    with (
        storage() as store,
        running(spec(tmp_path, APP, clock=store.clock, settings=store.settings | {"QUEUE": "work"})) as host,
    ):
        store.put_text("work", "this is not base64!")
        wait_until(host, lambda: store.service.messages("work-poison"))
        assert store.service.messages("work-poison")[0].text == "this is not base64!"
        assert messages_of(host, "Function.on_work") == []


def test_plain_text_is_delivered_when_host_json_says_so(tmp_path: Path) -> None:
    with (
        storage() as store,
        running(
            spec(
                tmp_path,
                APP,
                clock=store.clock,
                settings=store.settings | {"QUEUE": "work"},
                host_json=host_json(messageEncoding="none"),
            )
        ) as host,
    ):
        store.put_text("work", "plain")
        wait_until(host, lambda: messages_of(host, "Function.on_work.User") == ["plain, dequeued 1"])


def test_a_message_stays_invisible_for_as_long_as_its_function_runs(tmp_path: Path) -> None:
    # 25 minutes: two and a half times as long as a message is taken for.
    settings = {"QUEUE": "work", "SLOW": "1500"}
    with (
        storage() as store,
        running(
            spec(
                tmp_path,
                APP,
                clock=store.clock,
                settings=store.settings | settings,
                host_json={**host_json(), "functionTimeout": "-1"},
            )
        ) as host,
    ):
        store.put("work", "slow")
        wait_until(host, lambda: any("Succeeded" in text for text in messages_of(host, "Function.on_work")))
        wait_until(host, lambda: store.bodies("work") == [])
        assert messages_of(host, "Function.on_work.User") == ["slow, dequeued 1"]


def test_a_failure_on_a_poison_queue_leaves_the_message_invisible(tmp_path: Path) -> None:
    with (
        storage() as store,
        running(spec(tmp_path, APP, clock=store.clock, settings=store.settings | {"QUEUE": "work-poison"})) as host,
    ):
        store.put("work-poison", "bad")
        wait_until(host, lambda: any("Failed" in text for text in messages_of(host, "Function.on_work")))
        store.clock.sleep(5 * 60)
        (left,) = store.service.messages("work-poison")
        assert left.due_at - left.inserted_at > timedelta(minutes=9)
        assert store.service.messages("work-poison-poison") == []


def test_a_killed_host_loses_no_message(tmp_path: Path) -> None:
    settings = {"QUEUE": "work", "SLOW": "60"}
    with (
        storage() as store,
        running(spec(tmp_path, APP, clock=store.clock, settings=store.settings | settings)) as host,
    ):
        store.put("work", "slow")
        wait_until(host, lambda: messages_of(host, "Function.on_work.User") == ["slow, dequeued 1"])
        taken_at = store.clock.timestamp()
        host.restart()
        wait_until(host, lambda: len(messages_of(host, "Function.on_work.User")) == 2)
        assert 600 <= store.clock.timestamp() - taken_at <= 601
        wait_until(host, lambda: store.bodies("work") == [])
        assert messages_of(host, "Function.on_work.User") == ["slow, dequeued 1", "slow, dequeued 2"]


def test_no_more_messages_are_taken_than_a_batch_and_its_threshold(tmp_path: Path) -> None:
    settings = {"QUEUE": "work", "SLOW": "90", "PYTHON_THREADPOOL_THREAD_COUNT": "16"}
    with storage() as store:
        store.put("work", *["slow"] * 4)
        with running(
            spec(
                tmp_path,
                APP,
                clock=store.clock,
                settings=store.settings | settings,
                host_json=host_json(batchSize=2, newBatchThreshold=1),
            )
        ) as host:
            wait_until(host, lambda: len(messages_of(host, "Function.on_work.User")) == 2)
            store.clock.sleep(60)
            # Two run, more than the threshold: no new batch yet.
            assert len(messages_of(host, "Function.on_work.User")) == 2
            wait_until(host, lambda: store.bodies("work") == [])


def test_polling_slows_down_while_nothing_comes_and_is_fast_again_after_a_message() -> None:
    back_off = BackOff(timedelta(seconds=2), random.Random("work"))  # noqa: S311 - no secret
    moments = back_off.moments(0.0, found_messages=False)
    pauses = [later - sooner for sooner, later in itertools.pairwise((0.0, *moments))]
    assert pauses[0] == 0.1
    assert 0.18 <= pauses[1] <= 0.22
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(2.0)
    back_off.polled(moments[1])
    assert back_off.moments(moments[1], found_messages=False)[0] - moments[1] > 0.25, "two polls were in vain"
    assert back_off.moments(9.0, found_messages=True)[0] == 9.1


def test_an_idle_queue_is_polled_when_a_message_comes_and_not_a_hundred_times_before(tmp_path: Path) -> None:
    with (
        storage() as store,
        running(spec(tmp_path, APP, clock=store.clock, settings=store.settings | {"QUEUE": "work"})) as host,
    ):
        store.clock.sleep(86_400.3)
        store.put("work", "hello")
        put_at = store.clock.timestamp()
        wait_until(host, lambda: messages_of(host, "Function.on_work.User"))
        assert 0 < store.clock.timestamp() - put_at <= 1, "maxPollingInterval"
        assert store.requests < 10


@pytest.mark.parametrize(("text", "said"), [(" aGVs\r\nbG8=\t", ["hello, dequeued 1"]), ("aGVsbG8", [])])
def test_white_space_inside_base64_is_ignored_and_padding_is_needed(tmp_path: Path, text: str, said: list[str]) -> None:
    """Measured, on 2026-11-25."""
    with (
        storage() as store,
        running(spec(tmp_path, APP, clock=store.clock, settings=store.settings | {"QUEUE": "work"})) as host,
    ):
        store.put_text("work", text)
        wait_until(host, lambda: store.service.messages("work") == [])
        assert messages_of(host, "Function.on_work.User") == said
        assert [message.text for message in store.service.messages("work-poison")] == ([] if said else [text])


def test_what_is_not_utf_8_fails_five_times_without_a_run(tmp_path: Path) -> None:
    """Measured."""
    with (
        storage() as store,
        running(spec(tmp_path, APP, clock=store.clock, settings=store.settings | {"QUEUE": "work"})) as host,
    ):
        store.put_text("work", base64.b64encode(b"\xff\xfe").decode())
        wait_until(host, lambda: store.service.messages("work-poison"))
        assert messages_of(host, "Function.on_work") == []
        assert len([one for one in store.asked if one.method == "PUT" and "/messages/" in one.path]) == 4


def test_a_message_on_a_poison_queue_is_run_whatever_its_count(tmp_path: Path) -> None:
    """Measured: since 5.3.8. A function that fails there sees it again each ten minutes."""
    with (
        storage() as store,
        running(spec(tmp_path, APP, clock=store.clock, settings=store.settings | {"QUEUE": "work-poison"})) as host,
    ):
        store.put("work-poison", "bad")
        wait_until(host, lambda: len(messages_of(host, "Function.on_work.User")) == 8)
        assert messages_of(host, "Function.on_work.User")[-1] == "bad, dequeued 8"


def test_what_cannot_be_decoded_rots_on_the_poison_queue_with_a_warning_each_ten_minutes(tmp_path: Path) -> None:
    """Measured: no function runs, until it expires, by default after seven days."""
    with (
        storage() as store,
        running(spec(tmp_path, APP, clock=store.clock, settings=store.settings | {"QUEUE": "work-poison"})) as host,
    ):
        store.put_text("work-poison", "this is not base64!", lifetime=4000)
        store.clock.sleep(3600)
        warnings = [line for line in host.log_lines() if "could not be decoded" in line["message"]]
        assert [line["level"] for line in warnings] == ["Warning"] * 6
        times = [datetime.fromisoformat(line["time"]) for line in warnings]
        assert all(timedelta(0) <= later - sooner - timedelta(minutes=10) <= timedelta(seconds=1)
                   for sooner, later in itertools.pairwise(times))  # fmt: skip
        store.clock.sleep(600)
        assert store.service.messages("work-poison") == []
        assert messages_of(host, "Function.on_work") == []


def test_a_message_that_is_given_up_wakes_the_poison_queues_function_and_an_output_wakes_nobody(tmp_path: Path) -> None:
    """Measured: 0.08 s after the move; `QueueAsyncCollector.Notify` has no watcher."""
    with (
        storage() as store,
        running(spec(tmp_path, CHAIN, clock=store.clock, settings=store.settings, host_json=SLOW_POLLS)) as host,
    ):
        store.put("first-poison", "the queue is there")
        store.put("second", "the queue is there")
        wait_until(host, lambda: store.bodies("first-poison") == store.bodies("second") == [])
        store.clock.sleep(600.5)
        store.put("first", "go")
        wait_until(host, lambda: store.service.messages("second"))
        written_at = store.clock.timestamp()
        wait_until(host, lambda: store.bodies("second") == [])
        assert store.clock.timestamp() - written_at > 1, "as late as a poll is"
        store.clock.sleep(600.5)
        store.put_text("first", "this is not base64!")
        wait_until(host, lambda: store.service.messages("first-poison"))
        moved_at = store.clock.timestamp()
        wait_until(
            host, lambda: len([one for one in host.log_lines() if "could not be decoded" in one["message"]]) == 2
        )
        assert store.clock.timestamp() - moved_at == pytest.approx(0.08)


def test_a_poison_queue_and_a_queue_with_a_long_name_have_no_poison_queue() -> None:
    assert poison_queue_of("work") == "work-poison"
    assert poison_queue_of("work-poison") is None
    assert poison_queue_of("w" * 57) is None
