"""That each mutant is caught is for `make prove`; here some are, and each is of code that there is."""

from pathlib import Path

import pytest

from tests.prove.mutants import HOSTILE, MODEL, MUTANTS, Mutant, caught, sown
from tests.prove.orders import CASES

QUICK = [one for one in MUTANTS if "not claimed" in one.name or "hold between" in one.name or "moved again" in one.name]


def test_every_mutant_is_of_code_that_there_is_and_has_what_is_to_catch_it(tmp_path: Path) -> None:
    assert len({one.name for one in MUTANTS}) == len(MUTANTS)
    for number, mutant in enumerate(MUTANTS):
        sown(mutant, tmp_path / str(number))
        assert mutant.by in {MODEL, HOSTILE, *(case.name for case in CASES)}


@pytest.mark.parametrize("mutant", QUICK, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught_by_what_it_does_wrong(mutant: Mutant, tmp_path: Path) -> None:
    assert mutant.breaks in caught(mutant, tmp_path)
