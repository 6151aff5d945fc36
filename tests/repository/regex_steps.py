"""Regular expressions matched by hand, to count what Python's own matcher would do: seconds say nothing on a busy machine."""

import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

# The parser behind `re`: what it says of a pattern is what is matched here.
_parse: Callable[[str, int], Any] = importlib.import_module("re._parser").parse

type _Items = Sequence[tuple[Any, Any]]

_OF_CATEGORY: dict[str, Callable[[str], bool]] = {
    "CATEGORY_DIGIT": str.isdecimal,
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_WORD": lambda letter: letter.isalnum() or letter == "_",
}


def steps(pattern: re.Pattern[str], text: str, *, whole: bool) -> int:
    """How often letters are compared: in one match of the `whole` text, or in all matches from left to right."""
    matcher = _Matcher(pattern, text)
    start = 0
    while start <= len(text):
        ends = matcher.ends(matcher.items, start)
        end = next((end for end in ends if not whole or end == len(text)), None)
        if whole:
            break
        start = start + 1 if end is None else max(end, start + 1)
    return matcher.count


class _Matcher:
    """Backtracks as `re` does, without its shortcuts."""

    def __init__(self, pattern: re.Pattern[str], text: str) -> None:
        self.items: _Items = list(_parse(pattern.pattern, pattern.flags & ~re.UNICODE))
        self.any_case = bool(pattern.flags & re.IGNORECASE)
        self.text = text
        self.count = 0

    def ends(self, items: _Items, start: int) -> Iterator[int]:
        """Where the items may end that begin at a place, the likeliest first."""
        if not items:
            yield start
            return
        (name, argument), rest = items[0], items[1:]
        for end in self._one(str(name), argument, start):
            yield from self.ends(rest, end)

    def _one(self, name: str, argument: Any, start: int) -> Iterator[int]:
        match name:
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, most, items = argument
                ends = self._repeated(list(items), int(least), int(most), start)
                yield from [next(ends)] if name == "POSSESSIVE_REPEAT" else ends
            case "SUBPATTERN":
                yield from self.ends(list(argument[-1]), start)
            case "BRANCH":
                for branch in argument[1]:
                    yield from self.ends(list(branch), start)
            case "ASSERT" | "ASSERT_NOT":
                direction, items = argument
                found = start > 0 or direction > 0
                found = found and next(self.ends(list(items), start if direction > 0 else start - 1), None) is not None
                if found is (name == "ASSERT"):
                    yield start
            case "AT":
                yield start  # a boundary that is not checked costs more steps, never fewer
            case _:
                self.count += 1
                if start < len(self.text) and self._is(name, argument, self.text[start]):
                    yield start + 1

    def _repeated(self, items: _Items, least: int, most: int, start: int) -> Iterator[int]:
        """Greedy. A single letter is repeated without recursion, for there may be many."""
        name = str(items[0][0])
        if len(items) == 1 and name in {"LITERAL", "NOT_LITERAL", "IN", "ANY"}:
            end = start
            while end - start < most and next(self._one(name, items[0][1], end), None) is not None:
                end += 1
            for place in range(end, start + least - 1, -1):
                self.count += 1
                yield place
            return
        if most > 0:
            for end in self.ends(items, start):
                if end > start:
                    yield from self._repeated(items, max(least - 1, 0), most - 1, end)
        if least == 0:
            yield start

    def _is(self, name: str, argument: Any, letter: str) -> bool:
        match name:
            case "ANY":
                return letter != "\n"
            case "LITERAL" | "NOT_LITERAL":
                return (ord(letter) in self._spellings(argument)) is (name == "LITERAL")
            case "RANGE":
                return any(argument[0] <= ord(one) <= argument[1] for one in self._cases(letter))
            case "CATEGORY":
                negated = "_NOT_" in str(argument)
                return _OF_CATEGORY[str(argument).replace("_NOT_", "_")](letter) is not negated
            case "IN":
                negated = str(argument[0][0]) == "NEGATE"
                return any(self._is(str(kind), one, letter) for kind, one in argument[negated:]) is not negated
        raise AssertionError(f"{name} is not matched here yet")

    def _spellings(self, code: int) -> set[int]:
        return {ord(letter) for letter in self._cases(chr(code))}

    def _cases(self, letter: str) -> set[str]:
        return {letter, letter.lower(), letter.upper()[:1]} if self.any_case else {letter}
