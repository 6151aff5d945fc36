"""A hundred runs of whatever may happen; `make prove` runs ten thousand, and others each time that it is given another seed."""

from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.prove.__main__ import settled
from tests.prove.model import Whatever


def test_whatever_happens_nothing_is_done_that_must_not_be_and_all_comes_to_rest() -> None:
    always_the_same = settings(settled(100, Phase.generate, Phase.shrink), derandomize=True)
    run_state_machine_as_test(Whatever, settings=always_the_same)
