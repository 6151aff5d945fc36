"""No text freezes the worker: `re` holds the interpreter's lock, and what it reads here is written by anybody."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

import cmk_rotation
from tests.repository.regex_steps import steps

ROOT = Path(__file__).parent.parent.parent / "cmk_rotation"
MADE_FROM_TEXT = {
    "domain/redaction.py": 1,  # the values of one URL, each escaped
    "domain/known_errors.py": 1,  # the marks of errors, each escaped
}
"""Patterns that are no constants: escaped literals side by side, and nothing before them that repeats."""
FEW = 8
PREFIXES = ("", "https://", "?", "x")
REPEATED = (
    *("https://", "http", "?", "?a", "a", "a.", "a/", "/", "-", "@", "1", " ", ",", "%", "|", "a|", "~", "\x00"),
    *("bearer ", "bearer a", "async operation ", "Token request error: (a", "/subscriptions/a", "\\", ":", "é"),
)
SUFFIXES = ("", "!\n")


def patterns() -> Iterator[tuple[str, re.Pattern[str], bool]]:
    """Every constant pattern of the product, and whether it is matched against a whole text."""
    for module in pkgutil.walk_packages([str(ROOT)], "cmk_rotation."):
        if module.name.endswith("__main__"):
            continue
        loaded = importlib.import_module(module.name)
        source = Path(str(loaded.__file__)).read_text(encoding="utf-8")
        for name, value in vars(loaded).items():
            if isinstance(value, re.Pattern) and f"{name} = " in source:
                uses = set(re.findall(rf"\b{name}\.(\w+)\(", source))
                assert uses, f"{module.name}.{name} is not used where it is made"
                yield f"{module.name}.{name}", value, uses == {"fullmatch"}


PATTERNS = {name: (pattern, whole) for name, pattern, whole in patterns()}


def test_the_product_and_its_patterns_are_found() -> None:
    assert cmk_rotation.__doc__
    assert len(PATTERNS) > 20


def test_every_pattern_is_a_constant_so_that_it_is_counted_here() -> None:
    found: dict[str, int] = {}
    for path in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {id(line.value) for line in tree.body if isinstance(line, ast.Assign)}
        others = [call for call in ast.walk(tree) if _makes_a_pattern(call) and id(call) not in constants]
        found |= {str(path.relative_to(ROOT)): len(others)} if others else {}
    assert found == MADE_FROM_TEXT


def _makes_a_pattern(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr == "escape") == ("re", False)
    )


@pytest.mark.parametrize("name", PATTERNS)
def test_no_text_costs_more_than_its_length(name: str) -> None:
    """Eight times the text, eight times the steps; where steps grow with the square it would be 64."""
    pattern, whole = PATTERNS[name]
    for prefix, repeated, suffix in product(PREFIXES, REPEATED, SUFFIXES):
        short, long = (f"{prefix}{repeated * times}{suffix}" for times in (FEW, 8 * FEW))
        growth = steps(pattern, long, whole=whole) / (steps(pattern, short, whole=whole) + 8)
        assert growth < 16, (prefix, repeated, suffix)


@pytest.mark.parametrize("quadratic", [r"\b(https?://)([^\s?]*)[?]", "a+b"])
def test_the_count_sees_what_grows_with_the_square(quadratic: str) -> None:
    short, long = (steps(re.compile(quadratic), "https://" * n + "a" * n, whole=False) for n in (FEW, 8 * FEW))
    assert long / short > 32


@pytest.mark.parametrize(
    ("pattern", "text", "counted"), [("ab", "abab", 5), ("a*+b", "aaac", 21), ("(?:ab|a)c", "ac", 4)]
)
def test_the_count_is_of_comparisons(pattern: str, text: str, counted: int) -> None:
    assert steps(re.compile(pattern), text, whole=False) == counted
