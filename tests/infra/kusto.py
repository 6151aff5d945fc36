"""Runs the queries of this repository: the operators and functions that they use, over the syntax that Microsoft's parser reads.

It is small, knows only what is used here, and stops at anything else. Of the engines in PyPI one reads these queries too
(duckdb-kql), at a quarter of a second for each run, and a replay has tens of thousands. Null is None; a text is never null.
Where the language leaves something open (which of two equal rows `arg_max` takes), the first is taken.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.infra import kusto_functions
from tests.infra.arrivals import Change, Row, Seen
from tests.infra.kusto_functions import AGGREGATES, less

type Table = Iterable[Row]
type Value = Callable[[Row], Any]
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}
_LITERALS: dict[str, Callable[[str], Any]] = {
    "StringLiteralExpression": lambda text: text[1:-1],
    "LongLiteralExpression": int,
    "BooleanLiteralExpression": {"true": True, "false": False, "bool(null)": None}.__getitem__,
    "DateTimeLiteralExpression": {"datetime(null)": None}.__getitem__,
    "TimespanLiteralExpression": lambda text: timedelta(**{_UNITS[text[-1]]: int(text[:-1])}),
}


@dataclass
class Run:
    """One run of a query: when, and over which tables."""

    now: datetime
    tables: Mapping[str, Table]
    lets: dict[str, Any] = field(default_factory=dict)


type Source = Callable[[Run], Table]


class Query:
    """A query, ready to be run again and again."""

    def __init__(self, tree: list[Any]) -> None:
        self.run_of: Run | None = None
        self.trees: dict[str, list[Any]] = {}
        self.lets: list[tuple[str, Source | Value]] = []
        *lets, last = elements(tree[2])
        for _, _, (_, (_, name)), _, value in lets:
            self.lets.append((name, self.value(value) if value[0] == "ToScalarExpression" else self.source(value)))
            self.trees[name] = value
        self.last = self.source(last[1])

    def __call__(self, now: datetime, tables: Mapping[str, Table]) -> list[Row]:
        """Its rows."""
        run = self.run_of = Run(now, tables)
        for name, source in self.lets:
            run.lets[name] = source(run)  # type: ignore[arg-type]  # a scalar needs no row
        return list(self.last(run))

    # --- operators ---------------------------------------------------------------------------------------------------

    def source(self, node: list[Any]) -> Source:
        match node:
            case ["PipeExpression", before, "|", operator]:
                return self.operator(operator, self.source(before), lasts=self.lasts(before))
            case ["ParenthesizedExpression", "(", inner, ")"]:
                return self.source(inner)
            case ["NameReference", ["TokenName", name]]:
                return lambda run: run.lets[name] if name in run.lets else run.tables[name]
            case ["DataTableExpression", *_]:
                return lambda _: []
            case ["UnionOperator", _, parameters, tables]:
                fuzzy = "isfuzzy" in str(parameters)
                sources = [(_called(one), self.source(one)) for one in elements(tables)]
                return lambda run: _together(
                    [
                        source(run)
                        for name, source in sources
                        if not (fuzzy and name and name not in run.lets and name not in run.tables)
                    ]
                )
        raise NotImplementedError(node)

    def lasts(self, node: list[Any]) -> bool:
        """Whether the rows of a source are those of a table, or made from one alone: they are the same in every run."""
        match node:
            case ["PipeExpression", before, _, ["FilterOperator", *_]]:
                return self.lasts(before)
            case ["PipeExpression", before, _, [("ExtendOperator" | "ProjectOperator"), *_] as operator]:
                return self.lasts(before) and not self.varies(operator)
            case ["NameReference", ["TokenName", name]]:
                return name not in self.trees or self.lasts(self.trees[name])
            case ["UnionOperator", _, _, tables]:
                return all(map(self.lasts, elements(tables)))
            case ["ParenthesizedExpression", _, inner, _]:
                return self.lasts(inner)
        return bool(node[0] == "DataTableExpression")

    def varies(self, node: list[Any]) -> bool:
        """Whether an expression depends on more than its row."""
        return any(f"'{name}'" in str(node) for name in ("now", "ago", "toscalar", *self.trees))

    def operator(self, node: list[Any], before: Source, *, lasts: bool) -> Source:
        through = _through if lasts and not self.varies(node) else _each
        match node:
            case ["FilterOperator", _, _, condition]:
                wanted = self.value(condition)
                return through(before, lambda row: row if wanted(row) is True else None)
            case ["ExtendOperator", _, columns]:
                shown = self.columns(columns)
                return through(before, lambda row: row | {name: value(row) for name, value in shown})
            case ["ProjectOperator", _, columns]:
                shown = self.columns(columns)
                return through(before, lambda row: {name: value(row) for name, value in shown})
            case ["SummarizeOperator", _, _, aggregates, *by]:
                return self.summarize(elements(aggregates), self.columns(by[0][2]) if by and by[0] else [], before)
            case ["LookupOperator" | "JoinOperator", _, _, right, on]:
                return _joined(before, self.source(right), [named(one)[0] for one in elements(on[2])])
            case ["MvExpandOperator", _, _, ["List", ["SeparatedElement", ["MvExpandExpression", expanded, _], _]], *_]:
                name, value = named(expanded)
                items = self.value(value)
                return lambda run: [
                    row | {name: item if isinstance(item, str) else ""}
                    for row in before(run)
                    for item in (items(row) or [None])
                ]
            case ["SortOperator", _, _, "by", keys]:
                return self.sort(elements(keys), before)
        raise NotImplementedError(node)

    def summarize(self, aggregates: list[Any], by: list[tuple[str, Value]], before: Source) -> Source:
        makers = [self.aggregate(one) for one in aggregates]

        def run_it(run: Run) -> Table:
            groups: dict[Any, list[Row]] = {} if by else {(): []}
            keys: dict[Any, Row] = {(): {}}
            for row in before(run):
                key = {name: value(row) for name, value in by}
                at = tuple(key.values())
                groups.setdefault(at, []).append(row)
                keys[at] = key
            return [
                keys[at] | {name: value for make in makers for name, value in make(rows).items()}
                for at, rows in groups.items()
            ]

        return run_it

    def aggregate(self, node: list[Any]) -> Callable[[list[Row]], Row]:
        name, call = named(node)
        function, arguments = call[1][1][1], elements(call[2][2])
        if function == "arg_max":
            (_, by), *rest = [(named(one)[0], self.value(named(one)[1])) for one in arguments]
            shown = [(named(arguments[0])[0], by), *rest]

            def newest(rows: list[Row]) -> Row:
                best = None
                for row in rows:
                    if best is None or less(by(best), by(row)):
                        best = row
                return {name: value(best) if best is not None else None for name, value in shown}

            return newest
        values = [self.value(one) for one in arguments]
        of = AGGREGATES[function]
        return lambda rows: {name or f"{function}_": of(rows, *values)}

    def sort(self, keys: list[Any], before: Source) -> Source:
        orders = [(self.value(key[1]), key[2][1] == "asc") for key in keys]

        def run_it(run: Run) -> Table:
            rows = list(before(run))
            for value, rising in reversed(orders):
                places = [kusto_functions.place(value(row)) for row in rows]
                order = sorted(range(len(rows)), key=places.__getitem__, reverse=not rising)
                rows = [rows[at] for at in order]
            return rows

        return run_it

    # --- expressions -------------------------------------------------------------------------------------------------

    def columns(self, node: list[Any]) -> list[tuple[str, Value]]:
        return [(name or _called_by(one), self.value(one)) for name, one in map(named, elements(node))]

    def value(self, node: list[Any]) -> Value:
        match node:
            case [kind, text] if kind in _LITERALS:
                literal = _LITERALS[kind](text)
                return lambda _: literal
            case ["NameReference", ["TokenName", name]]:
                # A row of a union lacks the columns that only others have.
                return lambda row: row[name] if name in row else self.running.lets.get(name)
            case ["FunctionCallExpression", ["NameReference", ["TokenName", name]], ["ExpressionList", _, items, _]]:
                return self.call(name, [self.value(one) for one in elements(items)])
            case ["ToScalarExpression", "toscalar", _, _, inner, _]:
                source = self.source(inner)
                return lambda _: next((next(iter(row.values())) for row in source(self.running)), None)
            case [operator, left, _, right] if operator in kusto_functions.OPERATORS:
                work, one, other = kusto_functions.OPERATORS[operator], self.value(left), self.value(right)
                return lambda row: work(one(row), other(row))
        return self.part(node)

    def part(self, node: list[Any]) -> Value:
        """What is made of the parts of one value."""
        match node:
            case ["ParenthesizedExpression", _, inner, _]:
                return self.value(inner)
            case ["UnaryMinusExpression", _, inner]:
                value = self.value(inner)
                return lambda row: -value(row)
            case ["PathExpression", whole, ".", ["NameReference", ["TokenName", name]]]:
                value = self.value(whole)
                return lambda row: found.get(name) if isinstance(found := value(row), dict) else None
            case ["ElementExpression", whole, ["BracketedExpression", _, place, _]]:
                value, at = self.value(whole), self.value(place)
                return lambda row: kusto_functions.element(value(row), at(row))
            case ["InExpression" | "NotInExpression" as kind, left, _, ["ExpressionList", _, items, _]]:
                value, among = self.value(left), [self.value(one) for one in elements(items)]
                return lambda row: (value(row) in [one(row) for one in among]) is (kind == "InExpression")
        raise NotImplementedError(node)

    def call(self, name: str, values: list[Value]) -> Value:
        match name:
            case "now":
                return lambda _: self.running.now
            case "ago":
                return lambda row: self.running.now - values[0](row)
            case "iff":
                return lambda row: values[1](row) if values[0](row) is True else values[2](row)
            case "case":
                return lambda row: next(
                    (then(row) for when, then in zip(values[:-1:2], values[1:-1:2], strict=True) if when(row) is True),
                    values[-1](row),
                )
        work = kusto_functions.FUNCTIONS[name]
        return lambda row: work(*(value(row) for value in values))

    @property
    def running(self) -> Run:
        assert self.run_of is not None
        return self.run_of


def _through(before: Source, change: Change) -> Source:
    """What becomes of rows by themselves alone: of those that arrive it is found once."""

    def run_it(run: Run) -> Table:
        rows = before(run)
        return rows.through(change) if isinstance(rows, Seen) else _changed(rows, change)

    return run_it


def _each(before: Source, change: Change) -> Source:
    return lambda run: _changed(before(run), change)


def _changed(rows: Table, change: Change) -> list[Row]:
    return [changed for row in rows if (changed := change(row)) is not None]


def _together(tables: list[Table]) -> Table:
    filled = [table for table in tables if table]
    return filled[0] if len(filled) == 1 else [row for table in filled for row in table]


def _joined(left: Source, right: Source, on: list[str]) -> Source:
    def run_it(run: Run) -> Table:
        others: dict[Any, list[Row]] = {}
        found = list(right(run))
        for row in found:
            others.setdefault(tuple(row[name] for name in on), []).append(row)
        blank = dict.fromkeys(found[0]) if found else {}
        return [other | row for row in left(run) for other in others.get(tuple(row[name] for name in on), [blank])]

    return run_it


def elements(node: list[Any]) -> list[Any]:
    return [one[1] if one[0] == "SeparatedElement" else one for one in node[1:]]


def named(node: list[Any]) -> tuple[str, list[Any]]:
    """The name that an expression is given, and the expression."""
    match node:
        case ["SimpleNamedExpression", ["NameDeclaration", ["TokenName", name]], _, value]:
            return name, value
        case ["NameReference", ["TokenName", name]]:
            return name, node
    return "", node


def _called(node: list[Any]) -> str:
    return named(node)[0]


def _called_by(node: list[Any]) -> str:
    """The name of a column without one: that of the column which it is made from."""
    assert node[0] == "FunctionCallExpression", node
    return named(elements(node[2][2])[0])[0]
