"""What the small engine makes of the language, where that is not plain."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.infra import arrivals, queries
from tests.infra.arrivals import Row, Seen
from tests.infra.kusto import Query

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
T: list[Row] = [
    {"At": NOW, "Name": "a", "Size": 2, "Json": '{"x": {"y": 1}, "list": ["p", "q"]}'},
    {"At": NOW - timedelta(hours=1), "Name": "A", "Size": None, "Json": "cut {"},
    {"At": NOW, "Name": "b", "Size": 1, "Json": "{}"},
]


CASES: list[tuple[str, Any]] = [
    ("T | where Size > 1 | project Name", [{"Name": "a"}]),
    ("T | where Size != 1 | project Name", [{"Name": "a"}, {"Name": "A"}]),
    ("T | where Size == 1 | project Name", [{"Name": "b"}]),
    ("T | where Size != not_there or Size == not_there | project Name", [{"Name": "a"}, {"Name": "b"}]),
    ("T | where (Size == 1) == false | project Name", [{"Name": "a"}, {"Name": "A"}]),
    ("T | where not_there == '' or Size == 1 | project Name", [{"Name": "b"}]),
    ("T | summarize N = count(), Most = max(Size), Names = dcount(tolower(Name))", [{"N": 3, "Most": 2, "Names": 2}]),
    ("T | where Size > 9 | summarize N = count(), arg_max(At, Name)", [{"N": 0, "At": None, "Name": None}]),
    ("T | where Size > 9 | summarize N = count() by Name", []),
    ("T | summarize arg_max(Size, Name) | project Name", [{"Name": "a"}]),
    ("T | order by Size asc, Name asc | project Name", [{"Name": "A"}, {"Name": "b"}, {"Name": "a"}]),
    ("T | order by Size desc | project Name", [{"Name": "a"}, {"Name": "b"}, {"Name": "A"}]),
    ("T | where At > ago(30m) and Name =~ 'B' | project Name", [{"Name": "b"}]),
    ("T | extend L = parse_json(Json) | where isnotempty(L.x) | project Y = tostring(L.x.y)", [{"Y": "1"}]),
    ("T | where Json startswith_cs 'CUT' | project Name", []),
    ("T | where Json startswith 'CUT' | extend L = parse_json(Json) | project X = tostring(L.x)", [{"X": ""}]),
    ("T | extend L = parse_json(Json) | mv-expand P = L.list to typeof(string) | where P == 'q' | project P", [{"P": "q"}]),
    ("T | where Size == 2 | lookup (T | summarize N = count() by Size) on Size | project N", [{"N": 1}]),
    ("T | where Size == 2 | lookup (T | where false | project Size, M = 1) on Size | project Name", [{"Name": "a"}]),
    ("union isfuzzy=true (datatable(Name: string)[]), Nowhere | count", NotImplementedError),
    ("union isfuzzy=true (datatable(Name: string)[]), Nowhere | summarize N = count()", [{"N": 0}]),
    ("union Nowhere | summarize N = count()", KeyError),
    ("let N = toscalar(T | summarize max(Size)); T | where Size == N | project Name", [{"Name": "a"}]),
    ("T | summarize P = percentile(Size, 50), Q = percentile(Size, 95)", [{"P": 1, "Q": 2}]),
    ("T | where Size == 2 | project N = tostring(split('x/y', '/')[-1])", [{"N": "y"}]),
    ("T | where Size == 2 | project M = tostring(split('x', '/')[4])", [{"M": ""}]),
]  # fmt: skip


@pytest.fixture(scope="module")
def trees() -> dict[str, Any]:
    """All of them, read at once: a parser takes a second to start."""
    return queries.trees({text: text for text, _ in CASES})


@pytest.mark.parametrize(("text", "rows"), CASES)
def test_a_query_has_the_rows_that_the_language_gives_it(text: str, rows: Any, trees: dict[str, Any]) -> None:
    def run() -> list[Row]:
        return Query(trees[text])(NOW, {"T": T})

    if isinstance(rows, type):
        with pytest.raises(rows):
            run()
    else:
        assert run() == rows


def test_a_query_that_is_run_again_sees_the_rows_and_the_time_of_that_run() -> None:
    query = Query(
        queries.trees({"": "T | extend Old = At < ago(30m), Twice = Size + Size | project Name, Old, Twice"})[""]
    )
    first = query(NOW, {"T": T[:1]})
    later = query(NOW + timedelta(days=1), {"T": [*T[:1], T[2]]})
    assert first == [{"Name": "a", "Old": False, "Twice": 4}]
    assert later == [{"Name": "a", "Old": True, "Twice": 4}, {"Name": "b", "Old": True, "Twice": 2}]


def test_of_rows_that_arrive_a_query_sees_those_that_are_there_and_were_not_lost() -> None:
    query = Query(queries.trees({"": "T | extend L = parse_json(Json) | where isnotempty(Name) | project Name"})[""])
    rows = [row | {"TimeGenerated": NOW + timedelta(hours=hour)} for hour, row in enumerate(T)]
    arriving = arrivals.log((row["TimeGenerated"] + timedelta(minutes=10), row) for row in rows)
    day = timedelta(days=1)

    def names(now: datetime, back: timedelta, lost: int = -1) -> list[str]:
        return [str(row["Name"]) for row in query(now, {"T": Seen(arriving, now, now - back, lost)})]

    assert names(NOW, day) == []
    assert names(NOW + timedelta(hours=1), day) == ["a"]
    assert names(NOW + timedelta(hours=3), day) == ["a", "A", "b"]
    assert names(NOW + timedelta(hours=3), day, lost=1) == ["a", "b"]
    assert names(NOW + timedelta(hours=3), timedelta(minutes=119)) == ["b"]
