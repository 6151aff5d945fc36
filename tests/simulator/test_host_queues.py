"""The queue trigger: delivery, retries, poison messages, renewal."""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from simulator.host.queues import BackOff, poison_queue_of
from tests.simulator.hosting import HOST_JSON, fast, messages_of, running, spec, storage, wait_until

APP = """
    import logging, os, time
    import azure.functions as func

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
            time.sleep(float(os.environ.get("SLOW", "0")))
        if body == "bad":
            raise ValueError("cannot do this")
"""


def host_json(**queues: object) -> Mapping[str, object]:
    return HOST_JSON | {"extensions": {"queues": {"maxPollingInterval": "00:00:01"} | queues}}


def test_a_message_is_delivered_once_and_deleted(tmp_path: Path) -> None:
    with (
        storage() as store,
        running(spec(tmp_path, APP, settings=store.settings | {"QUEUE": "Work"})) as host,
    ):
        # The queue did not exist when the host started, and its name is lower-cased.
        store.put("work", "hello", "describe")
        wait_until(lambda: len(messages_of(host, "Function.on_work.User")) == 3)
        wait_until(lambda: store.bodies("work") == [])
        said = set(messages_of(host, "Function.on_work.User"))
        assert {"hello, dequeued 1", "describe, dequeued 1"} <= said
        # The host's own requests are no log lines of the app's.
        assert not any("Request URL" in text for text in messages_of(host, "Worker"))
        assert any(text.startswith("True True 7 days, 0:00:00 0:10:0") for text in said)


def test_a_failing_message_is_tried_again_after_the_visibility_timeout_and_then_put_on_the_poison_queue(
    tmp_path: Path,
) -> None:
    clock = fast(60)
    settings = {"QUEUE": "work"}
    configuration = host_json(maxDequeueCount=3, visibilityTimeout="00:01:00")
    with (
        storage(clock) as store,
        running(
            spec(
                tmp_path,
                APP,
                settings=store.settings | settings,
                host_json=configuration,
                clock=clock,
            )
        ) as host,
    ):
        put_at = clock.timestamp()
        store.put("work", "bad")
        wait_until(lambda: store.bodies("work-poison") == ["bad"])
        assert clock.timestamp() - put_at >= 2 * 60
        assert messages_of(host, "Function.on_work.User") == [f"bad, dequeued {count}" for count in (1, 2, 3)]
        # It was moved after the last try, not when it would have been due for another.
        last_try = datetime.fromisoformat(host.log_lines()[-2]["time"])
        assert store.service.messages("work-poison")[0].inserted_at - last_try < timedelta(seconds=45)
        wait_until(lambda: store.bodies("work") == [])
        assert messages_of(host, "Host.Triggers.Queue") == [
            "Message has reached MaxDequeueCount of 3. Moving message to queue 'work-poison'."
        ]


def test_an_undecodable_message_goes_to_the_poison_queue_without_a_try(tmp_path: Path) -> None:
    with (
        storage() as store,
        running(spec(tmp_path, APP, settings=store.settings | {"QUEUE": "work"})) as host,
    ):
        store.put_text("work", "this is not base64!")
        wait_until(lambda: store.service.messages("work-poison"))
        assert store.service.messages("work-poison")[0].text == "this is not base64!"
        assert messages_of(host, "Function.on_work") == []


def test_plain_text_is_delivered_when_host_json_says_so(tmp_path: Path) -> None:
    with (
        storage() as store,
        running(
            spec(
                tmp_path,
                APP,
                settings=store.settings | {"QUEUE": "work"},
                host_json=host_json(messageEncoding="none"),
            )
        ) as host,
    ):
        store.put_text("work", "plain")
        wait_until(lambda: messages_of(host, "Function.on_work.User") == ["plain, dequeued 1"])


def test_a_message_stays_invisible_for_as_long_as_its_function_runs(tmp_path: Path) -> None:
    clock = fast(600)
    # 2.5 s are 25 minutes: two and a half times as long as a message is taken for.
    settings = {"QUEUE": "work", "SLOW": "2.5"}
    with (
        storage(clock) as store,
        running(
            spec(
                tmp_path,
                APP,
                settings=store.settings | settings,
                clock=clock,
                host_json={**host_json(), "functionTimeout": "-1"},
            )
        ) as host,
    ):
        store.put("work", "slow")
        wait_until(lambda: any("Succeeded" in text for text in messages_of(host, "Function.on_work")))
        wait_until(lambda: store.bodies("work") == [])
        assert messages_of(host, "Function.on_work.User") == ["slow, dequeued 1"]


def test_a_failure_on_a_poison_queue_leaves_the_message_invisible(tmp_path: Path) -> None:
    with (
        storage() as store,
        running(spec(tmp_path, APP, settings=store.settings | {"QUEUE": "work-poison"})) as host,
    ):
        store.put("work-poison", "bad")
        wait_until(lambda: any("Failed" in text for text in messages_of(host, "Function.on_work")))
        time.sleep(0.3)
        (left,) = store.service.messages("work-poison")
        assert left.due_at - left.inserted_at > timedelta(minutes=9)
        assert store.service.messages("work-poison-poison") == []


def test_a_killed_host_loses_no_message(tmp_path: Path) -> None:
    clock = fast(600)
    settings = {"QUEUE": "work", "SLOW": "1"}
    with (
        storage(clock) as store,
        running(spec(tmp_path, APP, settings=store.settings | settings, clock=clock)) as host,
    ):
        store.put("work", "slow")
        wait_until(lambda: messages_of(host, "Function.on_work.User") == ["slow, dequeued 1"])
        host.restart()
        wait_until(lambda: store.bodies("work") == [])
        assert messages_of(host, "Function.on_work.User") == ["slow, dequeued 1", "slow, dequeued 2"]


def test_no_more_messages_are_taken_than_a_batch_and_its_threshold(tmp_path: Path) -> None:
    settings = {"QUEUE": "work", "SLOW": "1.5", "PYTHON_THREADPOOL_THREAD_COUNT": "16"}
    with storage() as store:
        store.put("work", *["slow"] * 4)
        with running(
            spec(
                tmp_path,
                APP,
                settings=store.settings | settings,
                host_json=host_json(batchSize=2, newBatchThreshold=1),
            )
        ) as host:
            wait_until(lambda: len(messages_of(host, "Function.on_work.User")) == 2)
            time.sleep(0.3)
            # Two run, more than the threshold: no new batch yet.
            assert len(messages_of(host, "Function.on_work.User")) == 2
            wait_until(lambda: store.bodies("work") == [])


def test_polling_slows_down_while_nothing_comes_and_is_fast_again_after_a_message() -> None:
    back_off = BackOff(timedelta(seconds=2))
    delays = [back_off.next_delay(found_messages=False) for _ in range(50)]
    assert delays[0] == timedelta(milliseconds=100)
    assert timedelta(milliseconds=180) <= delays[1] <= timedelta(milliseconds=220)
    assert delays == sorted(delays)
    assert delays[-1] == timedelta(seconds=2)
    assert back_off.next_delay(found_messages=True) == timedelta(milliseconds=100)


def test_a_poison_queue_and_a_queue_with_a_long_name_have_no_poison_queue() -> None:
    assert poison_queue_of("work") == "work-poison"
    assert poison_queue_of("work-poison") is None
    assert poison_queue_of("w" * 57) is None
