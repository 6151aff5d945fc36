import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from cmk_rotation.domain.identifiers import ClusterId, Key
from cmk_rotation.domain.visit_message import VisitRequest, from_text, to_text
from cmk_rotation.domain.vocabulary import RequestedBy

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
ID = (
    "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-Logs"
    "/providers/Microsoft.OperationalInsights/clusters/Cluster-1"
)
CLUSTER = ClusterId.parse(ID)
KEY = Key("contoso.vault.azure.net", "la-cmk")


@pytest.mark.parametrize("by", list(RequestedBy))
@pytest.mark.parametrize("event_id", [None, "e-1"])
def test_a_request_reads_back_as_it_was_written(by: RequestedBy, event_id: str | None) -> None:
    for visit in (VisitRequest(by, NOW, cluster=CLUSTER, event_id=event_id), VisitRequest(by, NOW, key=KEY)):
        assert from_text(to_text(visit), NOW) == visit


def test_a_message_has_the_documented_form() -> None:
    visit = VisitRequest(RequestedBy.EVENT, NOW, key=KEY, event_id="e-1")
    assert json.loads(to_text(visit)) == {
        "key": {"vault": "contoso.vault.azure.net", "name": "la-cmk"},
        "by": "event",
        "eventId": "e-1",
        "requestedAt": "2026-05-04T12:00:00.000Z",
    }
    assert json.loads(to_text(VisitRequest(RequestedBy.OPERATOR, NOW, cluster=CLUSTER)))["cluster"] == ID


def test_a_time_is_written_in_utc() -> None:
    stored = NOW.astimezone(timezone(timedelta(hours=2)))
    visit = VisitRequest(RequestedBy.EVENT, stored, cluster=CLUSTER)
    assert json.loads(to_text(visit))["requestedAt"] == "2026-05-04T12:00:00.000Z"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("{}", "either a cluster or a key"),
        (f'{{"cluster": "{ID}", "key": {{"vault": "v.vault.azure.net", "name": "k"}}}}', "either a cluster or a key"),
        ('{"cluster": 7}', "no dedicated cluster: 7"),
        (f'{{"cluster": "{ID}/x"}}', "no dedicated cluster"),
        ('{"cluster": "a\\nb"}', "no dedicated cluster: a b"),
        ('{"key": "x"}', "no key: x"),
        ('{"key": {"vault": "v.vault.azure.net"}}', "no key"),
        ('{"key": {"vault": "http://v.vault.azure.net", "name": "k"}}', "no key"),
    ],
)
def test_a_message_that_names_nothing_is_a_problem(text: str, problem: str) -> None:
    found = from_text(text, NOW)
    assert isinstance(found, str)
    assert problem in found


@pytest.mark.parametrize("by", [None, "admin", 7, ["event"], {}])
def test_whoever_is_not_known_counts_as_reconcile(by: object) -> None:
    found = from_text(json.dumps({"cluster": ID, "by": by}), NOW)
    assert isinstance(found, VisitRequest)
    assert found.by is RequestedBy.RECONCILE


@pytest.mark.parametrize(
    ("at", "read"),
    [
        (None, NOW),
        ("nonsense", NOW),
        (7, NOW),
        ("2026-05-04T11:00:00", NOW),
        ("2027-01-01T00:00:00Z", NOW),
        ("2026-05-04T11:00:00Z", NOW - timedelta(hours=1)),
        ("2026-05-04T11:00:00+02:00", NOW - timedelta(hours=3)),
    ],
)
def test_a_time_is_taken_if_it_makes_sense(at: object, read: datetime) -> None:
    found = from_text(json.dumps({"cluster": ID, "requestedAt": at}), NOW)
    assert isinstance(found, VisitRequest)
    assert found.requested_at == read


@pytest.mark.parametrize(("event_id", "read"), [(7, None), ("", None), ("a\nb", "a b"), ("x" * 999, "x" * 499 + "…")])
def test_an_event_id_is_made_fit_to_show(event_id: object, read: str | None) -> None:
    found = from_text(json.dumps({"cluster": ID, "eventId": event_id}), NOW)
    assert isinstance(found, VisitRequest)
    assert found.event_id == read


@pytest.mark.parametrize(
    ("ahead", "believed"), [(timedelta(minutes=5), True), (timedelta(minutes=5, seconds=1), False)]
)
def test_a_sender_s_clock_may_be_five_minutes_ahead(ahead: timedelta, believed: bool) -> None:  # noqa: FBT001
    found = from_text(json.dumps({"cluster": ID, "requestedAt": (NOW + ahead).isoformat()}), NOW)
    assert isinstance(found, VisitRequest)
    assert found.requested_at == (NOW + ahead if believed else NOW)


def test_when_the_queue_took_a_message_is_the_queue_s_own_word() -> None:
    taken = NOW - timedelta(seconds=7)
    found = from_text(json.dumps({"cluster": ID, "enqueuedAt": "2026-05-04T12:00:00Z"}), NOW, taken)
    assert isinstance(found, VisitRequest)
    assert found.enqueued_at == taken
