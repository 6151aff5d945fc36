"""The plots of docs/performance.md show what its tables say."""

import pytest

from tools import plots

PAGE = plots.PAGE.read_text(encoding="utf-8") if plots.PAGE.exists() else ""


@pytest.mark.parametrize("name", plots.plots(PAGE))
def test_a_plot_is_drawn_from_the_table_that_is_there_and_is_shown(name: str) -> None:
    drawn = plots.drawn(plots.plots(PAGE)[name])
    assert (plots.PICTURES / name).read_text(encoding="utf-8") == drawn, "make plots"
    assert f"(pictures/{name})" in PAGE


def test_a_plot_has_a_point_for_each_row() -> None:
    late = plots.plots(PAGE)["late.svg"]
    assert {kind: len(points) for kind, points in late.lines.items()} == {
        "always there": 3,
        "ready for visits": 3,
        "come and go": 3,
    }
