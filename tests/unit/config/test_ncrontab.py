"""The product reads a schedule as the host does: one table of cases holds both."""

from datetime import datetime, timedelta
from itertools import islice

import pytest

from cmk_rotation.config.ncrontab import problem_of, runs_before
from tests.ncrontab_cases import IN_ERROR, NEVER, UNDERSTOOD, Case


@pytest.mark.parametrize("case", [case for case in UNDERSTOOD if not case.span], ids=lambda case: case.text)
def test_what_the_host_understands_is_taken(case: Case) -> None:
    assert problem_of(case.text) is None


@pytest.mark.parametrize("case", [case for case in UNDERSTOOD if not case.span], ids=lambda case: case.text)
def test_when_it_came_is_known_as_the_host_does(case: Case) -> None:
    assert case.first is not None
    assert case.second is not None
    first, second = (datetime.fromisoformat(f"{at}+00:00") for at in (case.first, case.second))
    came = runs_before(case.text, second + timedelta(seconds=1))
    assert list(islice(came, 2)) == [second, first]
    assert next(runs_before(case.text, second)) == first


@pytest.mark.parametrize("case", [case for case in UNDERSTOOD if case.span], ids=lambda case: case.text)
def test_a_time_span_is_refused_because_most_plans_do_not_take_it(case: Case) -> None:
    assert problem_of(case.text) is not None


@pytest.mark.parametrize("case", IN_ERROR, ids=lambda case: case.text)
def test_what_the_host_does_not_understand_is_refused(case: Case) -> None:
    assert problem_of(case.text) is not None


@pytest.mark.parametrize("case", NEVER, ids=lambda case: case.text)
def test_what_never_comes_is_refused(case: Case) -> None:
    assert problem_of(case.text) == "it names a day that no month has, so it never comes"


@pytest.mark.parametrize("field", ["{}", "*/{}", "1-{}", "0/{}"])
def test_a_number_that_nobody_can_mean_is_not_understood(field: str) -> None:
    """Python's own `int` raises over a text of more than 4,300 digits."""
    assert problem_of(f"0 {field.format('9' * 5_000)} * * * *") == "its minute cannot be understood"
