"""How late a rotation is where instances come and go, beside where one is always there; the table is made by `lateness`."""

from pathlib import Path

from simulator.host.scaling import ComeAndGo
from tests.e2e import lateness


def test_a_rotation_is_minutes_later_where_instances_come_and_go(tmp_path: Path) -> None:
    warm = lateness.measure(tmp_path / "warm", None, 2, 30)
    flex = lateness.measure(tmp_path / "flex", ComeAndGo(), 2, 30)
    assert max(warm.sent) < 30
    assert max(warm.recorded) < 60
    assert 12 < max(flex.sent) <= 12 + 132 + 132
    assert max(flex.recorded) <= 11 * 60
    assert warm.updates == flex.updates == 2
    assert flex.woken > warm.woken == 0
    # Instances that come late make no spare looks the rule: a visit counts as lost only when it is five minutes late.
    assert flex.visits <= warm.visits
    assert flex.messages <= warm.messages


def test_the_table_is_the_same_whenever_it_is_made(tmp_path: Path) -> None:
    first, again = (lateness.measure(tmp_path / name, ComeAndGo(2), 1, 30) for name in ("first", "again"))
    assert first == again
