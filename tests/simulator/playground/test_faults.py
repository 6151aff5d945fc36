import pytest

from simulator.playground.wire_faults import Target, foretold, parse, pending
from simulator.playground.words import NotUnderstoodError, seconds
from simulator.wire.faults import Fault, FaultKind, Faults

NAMES = {"payments": Target(path="*/clusters/payments"), "contoso": Target(host="contoso.vault.azure.net")}
NOW = 1_000.0


def kinds(line: str) -> list[tuple[FaultKind, int | None]]:
    return [(fault.kind, fault.times) for fault in parse(line, NAMES, NOW)]


def test_a_line_is_a_method_a_name_and_what_goes_wrong_in_turn() -> None:
    first, second = parse("PATCH payments: 429 without Retry-After, then reset after applying", NAMES, NOW)
    assert (first.kind, first.status, dict(first.headers)) == (FaultKind.ANSWER, 429, {})
    assert b"TooManyRequests" in first.body
    assert second.kind is FaultKind.RESET_AFTER
    for fault in (first, second):
        assert fault.matches("PATCH", "management.azure.com", "/subscriptions/s/clusters/Payments")
        assert not fault.matches("GET", "management.azure.com", "/subscriptions/s/clusters/payments")
        assert not fault.matches("PATCH", "management.azure.com", "/subscriptions/s/clusters/web-shop")
        assert not fault.matches("PATCH", "127.0.0.1", "/subscriptions/s/clusters/payments")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("503 with Retry-After 120", Fault(kind=FaultKind.ANSWER, status=503, headers={"Retry-After": "120"})),
        ("reset", Fault(kind=FaultKind.RESET)),
        ("reset before applying", Fault(kind=FaultKind.RESET)),
        ("hang 5 min", Fault(kind=FaultKind.HANG, seconds=300)),
        ("hang after applying 2 h", Fault(kind=FaultKind.HANG_AFTER, seconds=7_200)),
        ("delay 20 s", Fault(kind=FaultKind.DELAY, seconds=20)),
        ("empty body 3 times", Fault(kind=FaultKind.EMPTY_BODY, times=3)),
        ("truncated body always", Fault(kind=FaultKind.TRUNCATED_BODY, times=None)),
        ("answer without Location", Fault(kind=FaultKind.REPLACED_HEADERS, headers={"Location": None})),
        ("403 once", Fault(kind=FaultKind.ANSWER, status=403)),
        ("reset for 1 minute", Fault(kind=FaultKind.RESET, times=None, until=NOW + 60)),
        ("reset for 1 day", Fault(kind=FaultKind.RESET, times=None, until=NOW + 86_400)),
        ("down for 1 h", Fault(kind=FaultKind.ANSWER, status=503, times=None, until=NOW + 3_600)),
    ],
)
def test_every_kind_of_fault_can_be_said(text: str, expected: Fault) -> None:
    (fault,) = parse(f"contoso: {text}", NAMES, NOW)
    told = ("kind", "times", "status", "headers", "seconds", "until")
    assert [getattr(fault, name) for name in told] == [getattr(expected, name) for name in told]
    assert fault.host == "contoso.vault.azure.net"


def test_a_wrong_typed_body_is_json_of_another_type() -> None:
    assert kinds("GET payments: wrong-typed body 2 times") == [(FaultKind.REPLACED_BODY, 2)]


def test_globs_stand_for_paths_and_hosts() -> None:
    assert parse("*/operationStatuses/*: 404", NAMES, NOW)[0].path == "*/operationStatuses/*"
    assert parse("GET *.vault.azure.net: 429", NAMES, NOW)[0].host == "*.vault.azure.net"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("payments", "not of the form"),
        ("BREAK payments: 429", "not of the form"),
        ("paymints: 429", "there are contoso, payments"),
        ("payments: explode", "Of requests is understood:\n  429"),
        ("payments: 429, then explode", "'explode' is no fault of a request"),
        ("payments: 42", "'42' is no fault of a request"),
        ("PATCH payments: 200", "would say that it went well"),
        ("payments: 999", "999 is no answer of HTTP; a fault answers 300 to 599"),
        ("payments: 429 0 times", "never"),
        ("payments: 429 for 0 s", "no time at all"),
        ("payments: 429 always, then reset", "would never come"),
    ],
)
def test_what_is_not_understood_is_refused_with_a_hint(line: str, hint: str) -> None:
    with pytest.raises(NotUnderstoodError, match=hint):
        parse(line, NAMES, NOW)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("PATCH payments: 429", "the next PATCH of payments is answered 429, once"),
        (
            "payments: 503 with Retry-After 120 3 times",
            "the next request to payments is answered 503 with Retry-After 120, 3 times",
        ),
        ("GET contoso: down for 90 min", "for 1.5 h each GET of contoso is answered 503"),
        (
            "PATCH payments: 429, then delay 20 s always",
            "the next PATCH of payments is answered 429, once; then each PATCH of payments is served 20 s late, until `clear`",
        ),
    ],
)
def test_what_will_come_of_a_line_is_said(line: str, expected: str) -> None:
    assert foretold(parse(line, NAMES, NOW), NOW) == expected


def test_what_is_still_to_come_is_said_with_how_often_it_is() -> None:
    faults = Faults()
    faults.add(*parse("GET contoso: reset 3 times, then 429 for 1 h", NAMES, NOW))
    faults.take("GET", "contoso.vault.azure.net", "/keys", NOW)
    assert pending(faults.pending(), NOW + 60) == [
        "the next GET of contoso is cut off before it takes effect, 2 times",
        "for 59 min each GET of contoso is answered 429",
    ]
    assert len(pending(faults.pending(), NOW + 3_600)) == 1


@pytest.mark.parametrize(("text", "value"), [("90 s", 90), ("1.5 h", 5_400), ("10 min", 600), ("2 d", 172_800)])
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == value


def test_a_fault_with_an_end_is_met_until_then() -> None:
    faults = Faults()
    faults.add(Fault(kind=FaultKind.RESET, times=None, until=NOW))
    assert faults.take("GET", "h", "/", NOW - 1) is not None
    assert faults.take("GET", "h", "/", NOW) is None
