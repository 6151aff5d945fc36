import json
import logging
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmk_rotation import logs
from cmk_rotation.controller.ports import Log
from cmk_rotation.domain.identifiers import ClusterId, Key, Scope
from cmk_rotation.domain.log_events import LogEvent, LogLine
from cmk_rotation.domain.vocabulary import Reason
from cmk_rotation.logs import LONGEST_LINE, LONGEST_REMEDY

GROUP = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-Logs"
ID = f"{GROUP}/providers/Microsoft.OperationalInsights/clusters/Cluster-1"
WRITE: Log = logs.write


def write(event: LogEvent, level: int, **fields: object) -> None:
    WRITE(LogLine(event, level, fields))


@pytest.fixture(autouse=True)
def _every_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="cmk_rotation")


def written(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    line: dict[str, Any] = json.loads(record.getMessage())
    assert datetime.now(UTC) - datetime.fromisoformat(line.pop("at")) < timedelta(minutes=1)
    return line


def test_a_line_is_one_json_object_in_the_message(caplog: pytest.LogCaptureFixture) -> None:
    write(LogEvent.UPDATE_SENT, logging.INFO, toVersion="v2", clusterId=ClusterId.parse(ID), attempt=1, stage=None)
    assert written(caplog) == {"event": "update.sent", "clusterId": ID, "toVersion": "v2", "attempt": 1}
    assert caplog.records[0].levelno == logging.INFO
    assert caplog.records[0].name == "cmk_rotation"


def test_fields_stand_in_the_same_order_whoever_writes_them(caplog: pytest.LogCaptureFixture) -> None:
    write(LogEvent.VISIT_DECIDED, logging.INFO, zebra=1, reason="r", apple=2, clusterId="c", message="m")
    assert list(written(caplog)) == ["event", "message", "clusterId", "reason", "apple", "zebra"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (datetime(2026, 5, 4, 12, 30, 15, 123456, UTC), "2026-05-04T12:30:15.123Z"),
        (datetime(2026, 5, 4, 14, 30, tzinfo=timezone(timedelta(hours=2))), "2026-05-04T12:30:00.000Z"),
        (datetime(2026, 5, 4), "2026-05-04T00:00:00.000Z"),  # noqa: DTZ001 - one that lost its zone counts as UTC
        (timedelta(minutes=1.5), 90.0),
        (Reason.UP_TO_DATE, "up-to-date"),
        (Key("contoso.vault.azure.net", "la-cmk"), "contoso.vault.azure.net/la-cmk"),
        (Scope.parse(GROUP), GROUP),
        (float("nan"), "nan"),
        (1.5, 1.5),
        (True, True),
        (b"secret", "6 bytes"),
        ({"a": (1, {"b": None})}, {"a": [1, {"b": None}]}),
        ({3}, [3]),
        ("a\nb\x00\x1b[31m", "a b [31m"),
        ("half a pair \ud83d", "half a pair"),
        ("a\u202eb\u200bc\u2066d\ufeffe\u200ff\u2060", "a b c d e f"),
        ("x" * 999, "x" * 499 + "…"),
        ("https://management.azure.com/o/1?t=SECRET", "https://management.azure.com/o/1?…"),
        (ValueError("no\nway"), "no way"),
    ],
)
def test_every_value_is_shown_as_json_has_it(caplog: pytest.LogCaptureFixture, value: object, shown: object) -> None:
    write(LogEvent.UPDATE_SENT, logging.INFO, value=value)
    assert written(caplog)["value"] == shown


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError


ENDLESS: list[object] = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    "value", [Unspeakable(), ENDLESS, 10**9_999, [Unspeakable()]], ids=["mute", "endless", "huge", "deep"]
)
def test_no_value_is_too_odd_to_be_logged(caplog: pytest.LogCaptureFixture, value: object) -> None:
    write(LogEvent.UPDATE_SENT, logging.INFO, value=value, attempt=1)
    line = written(caplog)
    assert "cannot be shown" in line["value"]
    assert line["attempt"] == 1


@pytest.mark.parametrize("level", [logging.WARNING, logging.ERROR])
def test_a_line_that_calls_for_a_person_never_lacks_what_they_need(
    caplog: pytest.LogCaptureFixture, level: int
) -> None:
    write(LogEvent.CLUSTER_ATTENTION, level, remedy=None)
    line = written(caplog)
    assert line["message"] == "cluster.attention"
    assert line["remedy"] == "None is on record for this line."
    assert datetime.now(UTC) - datetime.fromisoformat(line["since"]) < timedelta(minutes=1)


def test_a_remedy_is_written_whole_for_half_a_command_repairs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    remedy = (
        f'Do this. To do it: `az resource patch --properties \'{{"a": "{"x" * 1500}"}}\' --scope $(az keyvault show)`.'
    )
    write(LogEvent.CLUSTER_ATTENTION, logging.ERROR, message="m", remedy=remedy, since="s")
    assert written(caplog)["remedy"] == remedy
    caplog.clear()
    write(LogEvent.CLUSTER_ATTENTION, logging.ERROR, message="m", remedy="y" * 5000, since="s")
    assert len(str(written(caplog)["remedy"])) == LONGEST_REMEDY


def test_what_a_caller_says_stands(caplog: pytest.LogCaptureFixture) -> None:
    write(LogEvent.CLUSTER_ATTENTION, logging.ERROR, message="m", remedy="r", since="s")
    assert written(caplog) == {"event": "cluster.attention", "message": "m", "remedy": "r", "since": "s"}


def test_a_percent_sign_is_only_a_percent_sign(caplog: pytest.LogCaptureFixture) -> None:
    write(LogEvent.UPDATE_SENT, logging.INFO, message="100 %s %d")
    assert written(caplog)["message"] == "100 %s %d"


def test_a_level_that_nobody_reads_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="cmk_rotation")
    write(LogEvent.VISIT_DECIDED, logging.DEBUG, value=Unspeakable())
    assert not caplog.records


def test_a_line_that_is_too_long_for_azure_has_its_longest_lists_cut_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    names, few = [f"law-{number:05}-{'x' * 40}" for number in range(1_000)], ["a", "b"]
    write(LogEvent.RECONCILE_FINISHED, logging.INFO, names=names, few=few, message="m")
    assert len(caplog.records[0].getMessage()) <= LONGEST_LINE
    line = written(caplog)
    *kept, more = line["names"]
    assert (kept, more) == (names[: len(kept)], f"and {1_000 - len(kept)} more")
    assert len(kept) > 100
    assert line["few"] == few


def test_the_longest_texts_are_cut_where_there_is_no_list(caplog: pytest.LogCaptureFixture) -> None:
    write(LogEvent.UPDATE_SENT, logging.INFO, attempt=1, **{f"field{number}": "x" * 500 for number in range(60)})
    assert len(caplog.records[0].getMessage()) <= LONGEST_LINE
    line = written(caplog)
    assert len(line) == 62
    assert (line["event"], line["attempt"]) == ("update.sent", 1)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=600) | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=40) | st.dictionaries(st.text(max_size=99), inner, max_size=40),
    max_leaves=200,
)
MANY = st.one_of(
    st.dictionaries(st.text(min_size=1, max_size=50), VALUES, max_size=40),
    st.integers(0, 3_000).map(lambda count: {f"field{number}": number for number in range(count)}),
    st.integers(0, 3_000).map(lambda count: {"names": ["x" * 400] * count, "message": "m"}),
    st.integers(0, 3_000).map(lambda count: {"deep": {f"name{number}": "x" * 400 for number in range(count)}}),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(MANY, st.sampled_from([logging.INFO, logging.ERROR]))
def test_whatever_a_line_holds_it_is_short_enough_parses_and_says_its_event(
    caplog: pytest.LogCaptureFixture, fields: dict[str, object], level: int
) -> None:
    caplog.clear()
    WRITE(LogLine(LogEvent.SETTINGS_INVALID, level, fields))
    (text,) = caplog.messages
    assert len(text) <= LONGEST_LINE
    assert text.startswith('{"event": "settings.invalid", "at": "')
    assert json.loads(text)["event"] == "settings.invalid"
