"""A hundred runs of whatever may happen; `make prove` runs ten thousand, and others each time that it is given another seed."""

from datetime import timedelta

from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.prove.__main__ import settled
from tests.prove.model import Whatever
from tests.unit.support.builders import MINUTE


def test_whatever_happens_nothing_is_done_that_must_not_be_and_all_comes_to_rest() -> None:
    always_the_same = settings(settled(100, Phase.generate, Phase.shrink), derandomize=True)
    run_state_machine_as_test(Whatever, settings=always_the_same)


def test_of_two_versions_of_one_second_the_current_one_is_not_left_while_it_is_not_valid_yet() -> None:
    """Found by a run of ten thousand."""
    state = Whatever()
    state.rotate(before=timedelta(0), heals=False, says=True, then=timedelta(0), told=0)
    state.time_passes(time=20 * MINUTE)
    state.change_a_version(how="later", which="in use")
    state.teardown()
