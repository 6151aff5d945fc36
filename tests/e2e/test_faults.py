"""A few faults of a few calls, and that docs/faults.md says no less than what comes of them; `make faults` tries them all."""

import pytest

from tests.e2e import faults
from tests.e2e.fault_kinds import KINDS
from tests.e2e.fault_page import name_of, read

SOME = (
    ("identity: get a token", "half a body"),
    ("ARM: send the update", "timeout after"),
    ("vault: list the key's versions", "pages in a circle"),
    ("queue: request a visit", "reset after"),
    ("table: write with history", "an hour away"),
    ("topic: publish the outcome", "500, 502, 503, 504 in turn"),
)


@pytest.fixture(scope="module")
def found() -> faults.Record:
    return faults.record()


def test_the_page_has_a_row_for_each_call_of_a_rotation_and_a_cell_for_each_fault_that_it_can_have(
    found: faults.Record,
) -> None:
    possible = {(name_of(call.made), kind.name) for call in found.calls for kind in KINDS if kind.fits(call.made)}
    assert read().keys() == possible
    assert len({name for name, _ in possible}) > 15


@pytest.mark.parametrize(("name", "fault"), SOME, ids=[name for name, _ in SOME])
def test_what_comes_of_a_fault_is_no_worse_than_the_page_says(found: faults.Record, name: str, fault: str) -> None:
    kind = next(one for one in KINDS if one.name == fault)
    fitting = (place for place, call in enumerate(found.calls) if name_of(call.made) == name and kind.fits(call.made))
    number = next(fitting)
    cell, said = faults.tell(number, kind, found), read()[name, fault]
    assert cell.wrong == ()
    assert cell.minutes <= said.minutes
    assert cell.told <= said.told


def test_a_fault_that_is_never_met_is_no_fault_that_was_healed(found: faults.Record) -> None:
    last = found.calls[-1]
    beyond = faults.Call(last.made, last.number + 100)
    cell = faults.tell(0, KINDS[0], faults.Record((beyond,), found.took, found.told))
    assert "to meet" in cell.wrong[0]
