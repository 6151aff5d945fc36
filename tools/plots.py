"""`make plots`: the tables of docs/performance.md as pictures. A test holds that they show what the tables say."""

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log10
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "performance.md"
PICTURES = ROOT / "docs" / "pictures"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 380, 70, 230, 40, 50
COLOURS = ("#0b5cad", "#c2410c", "#15803d", "#7e22ce")
DURATIONS = {"s": 1, "min": 60, "h": 3_600}

type Points = Sequence[tuple[float, float]]
type Row = Mapping[str, str]


@dataclass(frozen=True)
class Plot:
    """Lines through points, both axes logarithmic."""

    title: str
    across: str
    up: str
    lines: Mapping[str, Points]
    x_ticks: Mapping[float, str]
    y_ticks: Mapping[float, str]


def tables(text: str) -> list[list[Row]]:
    """The tables of a page of Markdown: each a list of rows, by the headings of their columns."""
    found: list[list[Row]] = []
    for block in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        heading, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines())
        found.append([dict(zip(heading, row, strict=True)) for row in rows])
    return found


def plots(text: str) -> dict[str, Plot]:
    """What is drawn, by the name of the file."""
    by_first = {next(iter(table[0])): table for table in tables(text)}
    late, costs, fleet = by_first["instances"], by_first["requests for each cluster"], by_first["clusters"]
    return {
        "late.svg": Plot(
            "From the event to verified, times the operation's own time (one cluster, the worst draw)",
            "how long Azure takes for the update",
            "times that",
            {kind: _ratio(late, kind) for kind in dict.fromkeys(row["instances"] for row in late)},
            {30: "30 s", 600: "10 min", 21_600: "6 h"},
            {1: "1", 2: "2", 5: "5", 10: "10"},
        ),
        "fleet.svg": Plot(
            "A rotation of one key, operations of ten seconds, one instance",
            "clusters on the key",
            "seconds until all are verified",
            {
                "all": _of_one_instance(fleet, "all after"),
                "half of them": _of_one_instance(fleet, "half on record after"),
            },
            {10**power: f"{10**power:,}" for power in range(4)},
            {10: "10 s", 20: "20 s", 50: "50 s", 100: "100 s"},
        ),
        "record.svg": Plot(
            "What a rotation of one cluster costs, and how often that cluster has rotated before",
            "months on record before, one rotation in each",
            "for each rotation",
            {
                "table traffic, kB": _by_months(costs, "table traffic"),
                "requests of the product": _by_months(costs, "**of the product's own**"),
                "rows read": _by_months(costs, "rows of the table that are read"),
            },
            {1: "0", 12: "12", 60: "60"},
            {5: "5", 10: "10", 20: "20", 50: "50", 100: "100"},
        ),
    }


def _number(cell: str) -> float:
    """The last number in a cell: of a range the most."""
    return float(re.findall(r"\d+(?:\.\d+)?", cell.replace(",", ""))[-1])


def _ratio(table: Iterable[Row], kind: str) -> Points:
    rows = (row for row in table if (row["instances"], row["clusters"]) == (kind, "1"))
    times = ((row["Azure takes"].split(), _number(row["in all, times Azure's own"])) for row in rows)
    return [(int(count) * DURATIONS[unit], ratio) for (count, unit), ratio in times]


def _of_one_instance(table: Iterable[Row], column: str) -> Points:
    return [(_number(row["clusters"]), _number(row[column])) for row in table if row["instances"] == "1"]


def _by_months(table: Iterable[Row], name: str) -> Points:
    (row,) = (row for row in table if next(iter(row.values())) == name)
    columns = {heading: cell for heading, cell in row.items() if heading.startswith("1 cluster")}
    # "1 cluster, 12 months before"; without a word of months there are none, which the axis, being logarithmic, shows at one.
    return [(max(_number(f"0 {heading.partition(',')[2]}"), 1.0), _number(cell)) for heading, cell in columns.items()]


def drawn(plot: Plot) -> str:
    """A plot as SVG."""
    across = _scale(plot.x_ticks, LEFT, WIDTH - RIGHT)
    up = _scale(plot.y_ticks, HEIGHT - BOTTOM, TOP)
    parts = [_text(LEFT, TOP - 18, plot.title, size=14)]
    for value, name in plot.x_ticks.items():
        parts += [_rule(across(value), TOP, across(value), HEIGHT - BOTTOM)]
        parts += [_text(across(value), HEIGHT - BOTTOM + 18, name, anchor="middle")]
    for value, name in plot.y_ticks.items():
        parts += [_rule(LEFT, up(value), WIDTH - RIGHT, up(value)), _text(LEFT - 8, up(value) + 4, name, anchor="end")]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, plot.across, anchor="middle"))
    parts.append(_text(16, (TOP + HEIGHT - BOTTOM) / 2, plot.up, anchor="middle", turned=True))
    for number, (name, points) in enumerate(plot.lines.items()):
        colour, y = COLOURS[number], TOP + 12 + 22 * number
        line = " ".join(f"{across(x):.1f},{up(value):.1f}" for x, value in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, value in points:
            told = escape(f"{name}: {value:g}")
            parts.append(
                f'<circle cx="{across(x):.1f}" cy="{up(value):.1f}" r="4" fill="{colour}"><title>{told}</title></circle>'
            )
        parts.append(f'<rect x="{WIDTH - RIGHT + 16}" y="{y - 9}" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(WIDTH - RIGHT + 34, y + 2, name))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="12" role="img">\n<title>{escape(plot.title)}</title>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def _scale(ticks: Mapping[float, str], start: float, end: float) -> Callable[[float], float]:
    first, last = log10(min(ticks)), log10(max(ticks))
    return lambda value: start + (log10(value) - first) / (last - first) * (end - start)


def _rule(x: float, y: float, x2: float, y2: float) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#d4d4d4"/>'


def _text(  # noqa: PLR0913 - as SVG has them
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, turned: bool = False
) -> str:
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="#262626"{turn}>{escape(text)}</text>'


def main() -> int:
    """Draw them."""
    for name, plot in plots(PAGE.read_text(encoding="utf-8")).items():
        (PICTURES / name).write_text(drawn(plot), encoding="utf-8")
        sys.stdout.write(f"docs/pictures/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
