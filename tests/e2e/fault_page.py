"""The table in docs/faults.md: a row for each call, a column for each fault."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase

from simulator.wire.exchanges import Exchange
from tests.e2e.fault_kinds import KINDS
from tests.e2e.stage import APP

PAGE = APP / "docs" / "faults.md"
_BEGIN, _END = "<!-- make faults writes from here -->\n", "<!-- to here -->\n"
_IMPOSSIBLE = "·"
_NAMES = (
    ("identity: get a token", "GET", r"^127\.0\.0\.1/msi/token"),
    ("ARM: list the clusters of a scope", "GET", r"/clusters\?"),
    ("ARM: read the cluster", "GET", r"/clusters/[^/]+\?"),
    ("ARM: send the update", "PATCH", r"/clusters/[^/]+\?"),
    ("ARM: read the operation", "GET", r"/operationStatuses/"),
    ("ARM: read a workspace", "GET", r"/workspaces/[^/]+\?"),
    ("ARM: list a workspace's storage", "GET", r"/linkedStorageAccounts\?"),
    ("ARM: read a storage account", "GET", r"/storageAccounts/[^/]+\?"),
    ("vault: list the key's versions", "GET", r"/keys/[^/]+/versions\?"),
    ("vault: ask for the current version", "GET", r"/keys/[^/]+/\?"),
    ("queue: request a visit", "POST", r"/cluster-visits/messages\?"),
    ("queue: count what was given up", "GET", r"/cluster-visits-poison\?"),
    ("table: read a cluster's record", "GET", r"/rotations\(\)\?.*%27%7Csubscriptions"),
    ("table: read all records", "GET", r"/rotations\(\)\?.*filter=RowKey"),
    ("table: read what was said", "GET", r"/rotations\(\)\?.*%27~notices"),
    ("table: read who uses a version", "GET", r"/rotations\(\)\?.*%27https"),
    ("table: make it", "POST", r"/Tables\?"),
    ("table: write with history", "POST", r"/\$batch\?"),
    ("table: write a row", "PUT", r"/rotations\("),
    ("table: delete a row of the index", "DELETE", r"/rotations\("),
    ("topic: publish the outcome", "POST", r"/api/events\?"),
)
"""What to call the calls that are found in a record; one that is not here goes by its path."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of a fault, or of several at worst."""

    seconds: float
    """How much later the rotation was on record, in simulated time."""
    told: frozenset[str]
    """What was said to people: the event of each line, and its reason where that says more."""
    wrong: tuple[str, ...] = ()
    """What must not be."""

    @property
    def minutes(self) -> int:
        """How much later, rounded up."""
        return -int(-max(self.seconds, 0.0) // 60)


type Table = Mapping[tuple[str, str], Cell]
"""By the names of a call and of a fault."""


def name_of(made: Exchange) -> str:
    """What a call is for."""
    url = f"{made.host}{made.path}?{made.query}"
    found = (name for name, method, form in _NAMES if method == made.method and re.search(form, url))
    return next(found, f"{made.method} {made.host}{made.path}")


def worst(cells: Sequence[Cell]) -> Cell:
    """The worst of several."""
    told = frozenset(word for cell in cells for word in cell.told)
    return Cell(max(cell.seconds for cell in cells), told, tuple(what for cell in cells for what in cell.wrong))


def write(names: Iterable[str], table: Table, said: str) -> None:
    """Put it where the page has it, below a sentence."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    letters = dict(zip(sorted({word for cell in table.values() for word in cell.told}), ascii_lowercase, strict=False))
    lines = [said, "", _row(["call", *(kind.name for kind in KINDS)]), _row(["---"] * (len(KINDS) + 1))]
    for name in names:
        cells = (table.get((name, kind.name)) for kind in KINDS)
        lines.append(_row([name, *(_text(cell, letters) if cell else _IMPOSSIBLE for cell in cells)]))
    lines += ["", *(f"- {letter}: `{word}`" for word, letter in letters.items()), ""]
    PAGE.write_text(f"{before}{_BEGIN}\n{'\n'.join(lines)}\n{_END}{after}", encoding="utf-8")


def read() -> Table:
    """What the page says."""
    text = PAGE.read_text(encoding="utf-8").partition(_BEGIN)[2].partition(_END)[0]
    words = dict(re.findall(r"^- ([a-z]): `(.*)`$", text, re.MULTILINE))
    heading, _, *rows = (line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|"))
    table = {}
    for name, *cells in rows:
        for kind, cell in zip(heading[1:], cells, strict=True):
            minutes, *letters = cell.split(" ")
            if minutes != _IMPOSSIBLE:
                table[name, kind] = Cell(60.0 * int(minutes), frozenset(words[letter] for letter in letters))
    return table


def _text(cell: Cell, letters: Mapping[str, str]) -> str:
    return " ".join([str(cell.minutes), *sorted(letters[word] for word in cell.told)])


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
