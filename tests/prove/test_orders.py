"""Every order of the smaller cases; `make prove` walks the larger ones."""

import pytest

from tests.prove.orders import CASES, Bounds, Case, walk


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_in_every_order_what_must_not_be_done_is_not_and_all_comes_to_rest(case: Case) -> None:
    found = walk(case, case.quick)
    assert found.broken == {}
    assert found.orders > 1


class Forgetful(set[int]):
    """Of states that were met: none is remembered."""

    def add(self, _state: int, /) -> None:
        return


def test_what_is_not_walked_again_leads_to_nothing_new() -> None:
    case, bounds = next(one for one in CASES if "hold" in one.name), Bounds(2, dies=1, loses=1)
    short, long = walk(case, bounds), walk(case, bounds, Forgetful())
    assert long.orders > 2 * short.orders
    assert long.end_states == short.end_states
