"""What is meant by what somebody typed, and how times and narrow tables are written."""

from datetime import timedelta

import pytest

from cmk_rotation.cli import plain, selection
from cmk_rotation.cli.commands import main
from cmk_rotation.cli.shown import Call, Cell, Table
from cmk_rotation.cli.times import ago, minute, minute_and_ago
from cmk_rotation.domain.vocabulary import Reason, Stage
from tests.unit.cli.sign_in import signed_in
from tests.unit.support.builders import KEY, NOW, cluster_id, over, status
from tests.unit.support.worlds import Fakes

PAY, PAYMENTS, PAY_ELSEWHERE = cluster_id("pay"), cluster_id("payments"), cluster_id("pay", group="rg-other")
TABLE = Table(
    ["cluster", "key", "reason"], [["payments", None, "a-reason-that-is-long"], ["web-shop", "la-cmk", Cell("ok")]]
)


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [("PAY", [PAY, PAY_ELSEWHERE]), ("paym", [PAYMENTS]), ("a", [PAY, PAYMENTS, PAY_ELSEWHERE]), ("nothing", [])],
)
def test_a_whole_name_comes_before_a_part_of_one(wanted: str, meant: list[object]) -> None:
    assert selection.named(wanted, [PAYMENTS, PAY_ELSEWHERE, PAY]) == meant


@pytest.mark.parametrize(
    ("wanted", "is_meant"),
    [
        ("la-cmk", True),
        ("CMK", True),
        ("contoso/la-cmk", True),
        ("contoso.vault.azure.net/la", True),
        ("https://contoso.vault.azure.net/keys/la-cmk/0123", True),
        ("https://contoso.vault.azure.net/keys/la-cmk", True),
        ("fabrikam/la-cmk", False),
        ("cont/la-cmk", False),
        ("fraud", False),
    ],
)
def test_a_key_is_meant_by_its_name_with_or_without_its_vault(wanted: str, is_meant: bool) -> None:  # noqa: FBT001
    assert selection.is_of_key(wanted, KEY) is is_meant
    assert not selection.is_of_key(wanted, None)


def test_status_shows_one_key_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fakes = Fakes()
    other = {"cluster_id": PAYMENTS, "key_name": "fraud-cmk"}
    fakes.records.put(status(), status(**other), over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED))
    fakes.records.put(over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, **other))
    signed_in(fakes, monkeypatch)
    assert main(["status", "--key", "contoso/fraud"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("payments") == 2
    assert "law-one" not in shown


@pytest.mark.parametrize(
    ("away", "told"),
    [
        (timedelta(seconds=59), "now"),
        (timedelta(minutes=-5), "5 min ago"),
        (timedelta(hours=3, minutes=59), "in 3 h"),
        (timedelta(days=-400), "400 d ago"),
    ],
)
def test_a_time_is_told_from_now_in_one_unit(away: timedelta, told: str) -> None:
    assert ago(NOW, NOW + away) == told
    assert minute_and_ago(NOW)(NOW + away) == f"{minute(NOW + away)} ({told})"
    assert minute_and_ago(NOW)(None) is None


def test_a_table_that_is_too_wide_is_told_one_thing_below_the_other() -> None:
    assert plain.text([TABLE], 40).splitlines()[0] == "cluster   key     reason"
    assert plain.text([TABLE], 27) == (
        "payments\n  reason  a-reason-that-is-\n          long\nweb-shop\n  key     la-cmk\n  reason  ok\n"
    )


def test_whole_lines_go_to_a_program_and_folded_ones_to_a_person() -> None:
    call = Call("it is as it is, and nobody knows why", None)
    assert plain.text([call]) == "it is as it is, and nobody knows why\n  what to do: -\n"
    assert max(map(len, plain.text([call], 20).splitlines())) <= 20
