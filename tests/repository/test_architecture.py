"""The pages that explain the code are held against the tree."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
PRODUCT = ROOT / "cmk_rotation"


def rooms_of(package: str) -> list[str]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = [one["layers"] for one in contracts if one["type"] == "layers" and one["containers"] == [package]]
    return [room.strip() for layer in layers for room in layer.split("|")]


def test_the_picture_names_every_room_and_invents_none() -> None:
    rooms = rooms_of("cmk_rotation")
    picture = PAGE.split("```")[1]
    assert re.findall(r"[a-z_]+", " ".join(line[:42] for line in picture.splitlines())) == rooms
    packages = {path.parent.name for path in PRODUCT.glob("*/__init__.py")}
    assert packages == set(re.findall(r"^\| `cmk_rotation/(\w+)`", PAGE, re.MULTILINE))
    modules = {path.stem for path in PRODUCT.glob("*.py")} - {"__init__"}
    assert packages | modules == set(rooms)


def test_every_module_that_the_page_names_exists() -> None:
    named = set(re.findall(r"\b(?:controller|decisions|domain)/\w+\b", PAGE)) - {
        "decisions/0001",
        "decisions/0002",
        "decisions/0005",
    }
    assert named
    assert [name for name in named if not (PRODUCT / f"{name}.py").exists()] == []


def test_the_simulators_page_names_its_rooms_and_every_module_that_it_names_exists() -> None:
    page = (ROOT / "docs/simulator.md").read_text(encoding="utf-8")
    picture = page.split("```")[1]
    assert re.findall(r"[a-z_]+", " ".join(line[:38] for line in picture.splitlines())) == rooms_of("simulator")
    table = page.split("| part | module | from |")[1].split("\n\n")[0]
    named = [name for row in table.splitlines()[2:] for name in re.findall(r"`([^`]+)`", row.split("|")[2])]
    assert len(named) > 20
    assert [name for name in named if not (ROOT / "simulator" / name).exists()] == []
    packages = {path.parent.name for path in (ROOT / "simulator").glob("*/__init__.py")}
    assert packages == {name.partition("/")[0] for name in named if "/" in name}


def test_the_glossary_has_one_line_for_each_word_in_the_readers_order() -> None:
    rows = re.findall(
        r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", (ROOT / "docs/glossary.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    words = [word for row, _, _ in rows[1:] for word in re.split(r", (?![^(]*\))", row)]
    assert len(words) == len(set(words)) > 30
