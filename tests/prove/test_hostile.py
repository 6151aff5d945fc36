"""A few deeds of strangers, always the same; `make prove` tries thousands of others."""

import json
import logging
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from cmk_rotation.clock import utc_now
from cmk_rotation.domain import visit_message
from cmk_rotation.entrypoints import functions
from tests.e2e.test_events import key_event
from tests.prove import hostile_answers, hostile_app
from tests.prove.__main__ import settled
from tests.prove.hostile import nothing_comes_of, spoilt

ID = "https://contoso.vault.azure.net/keys/la-cmk/0123456789abcdef0123456789abcdef"
EVENT = key_event(Id=ID, VaultName="contoso", ObjectName="la-cmk", Version="0123456789abcdef0123456789abcdef")
CLOUD_EVENT = {"specversion": "1.0", "type": EVENT["eventType"], "source": EVENT["topic"]} | EVENT
MOST_BYTES = 48 * 1024
"""That a message may have."""


def always(deeds: int) -> settings:
    return settings(settled(deeds, Phase.generate, Phase.shrink), derandomize=True)


@pytest.mark.parametrize("valid", [EVENT, CLOUD_EVENT], ids=["event", "cloud event"])
def test_an_event_leads_to_one_line_and_at_most_one_message_that_can_be_read(
    valid: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def wrong(event: object) -> str:
        caplog.clear()
        message = functions.key_event(json.dumps(event))
        if message is not None and len(message.encode()) > MOST_BYTES:
            return "a message that no queue takes"
        if message is not None and isinstance(visit_message.from_text(message, utc_now()), str):
            return f"a message that cannot be read: {message}"
        (line,) = caplog.messages
        line.encode()
        return "" if json.loads(line)["event"] in hostile_app.OF_EVENTS else line

    nothing_comes_of(spoilt(valid), wrong, always(150))


@pytest.mark.parametrize("text", [json.dumps(EVENT), "[" * 100_000, '{"a":' * 50_000, "9" * 10_000, "NaN", '"\\ud800"'])
def test_a_payload_that_is_no_event_leads_to_one_line(text: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    functions.key_event(text)
    assert len(caplog.messages) == 1


def test_nothing_but_the_errors_of_the_ports_comes_of_any_answer() -> None:
    with hostile_answers.strangers() as strangers:
        nothing_comes_of(strangers.deeds(), strangers.wrong, always(60))


def test_nothing_that_must_not_be_comes_of_events_messages_rows_and_answers(tmp_path: Path) -> None:
    with hostile_app.strangers(tmp_path) as strangers:
        nothing_comes_of(strangers.deeds(), strangers.wrong, always(20))
