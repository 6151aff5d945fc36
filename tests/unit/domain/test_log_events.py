import inspect
import logging
import re
from pathlib import Path

from cmk_rotation import domain
from cmk_rotation.domain import log_events
from cmk_rotation.domain.log_events import LogEvent, LogLine
from tests.unit.support.builders import CLUSTER, KEY, NOW, V2

PRODUCT = Path(domain.__file__).parents[1]


def makers() -> dict[str, str]:
    """The functions that make a line, and their source."""
    public = inspect.getmembers(log_events, inspect.isfunction)
    return {
        name: inspect.getsource(function)
        for name, function in public
        if not name.startswith("_") and inspect.signature(function).return_annotation is LogLine
    }


def test_each_event_is_made_by_the_function_of_its_name_and_by_no_other() -> None:
    made = {name: re.findall(r"LogEvent\.(\w+)", source) for name, source in makers().items()}
    assert made == {event.name.lower(): [event.name] for event in LogEvent}


def test_no_other_module_chooses_an_event_or_its_fields() -> None:
    for path in PRODUCT.rglob("*.py"):
        if path.name != "log_events.py":
            source = path.read_text(encoding="utf-8")
            assert "LogEvent" not in source, path
            assert "LogLine(" not in source, path


def test_an_event_of_key_vault_is_told_with_its_key_and_its_kind() -> None:
    line = log_events.key_changed(
        KEY, "Microsoft.KeyVault.KeyNewVersionCreated", event_id="e-1", version=V2, expires_at=None
    )
    assert line.level == logging.INFO
    assert line.fields["message"] == f"Key Vault tells of key {KEY.name} in {KEY.vault}: KeyNewVersionCreated"
    assert (line.fields["toVersion"], line.fields["eventId"]) == (V2, "e-1")


def test_what_leads_nowhere_names_the_event_and_why() -> None:
    ignored, rejected = log_events.event_ignored("e-1", "not ours"), log_events.event_rejected("e-2", "no JSON", NOW)
    assert (ignored.level, ignored.fields) == (logging.INFO, {"eventId": "e-1", "message": "not ours"})
    assert (rejected.level, rejected.fields["eventId"]) == (logging.WARNING, "e-2")
    assert str(rejected.fields["message"]).endswith("not delivered again: no JSON")


def test_a_lost_visit_says_what_it_was_to_look_at() -> None:
    line = log_events.visit_lost(CLUSTER, None, "e-1", "cluster law-prod", NOW)
    assert (line.level, line.fields["clusterId"], line.fields.get("keyName")) == (logging.ERROR, CLUSTER, None)
    assert str(line.fields["message"]).startswith("a visit to cluster law-prod was given up")
    assert (
        log_events.visit_lost(None, KEY, None, "its clusters", NOW).fields.items()
        >= {"vault": KEY.vault, "keyName": KEY.name}.items()
    )


def test_wrong_settings_are_named_in_one_line() -> None:
    wrong = ["MODE is odd", *(f"CLUSTER_SCOPES has the entry '{number}'" for number in range(100))]
    line = log_events.settings_invalid(wrong, NOW)
    assert line.fields["message"] == "101 problems with app settings: MODE, CLUSTER_SCOPES"
    assert line.fields["problems"] == tuple(wrong)
