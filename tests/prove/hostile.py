"""What somebody else may send: something valid with a few things in it missing, null, extra, or of another kind."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

EVIL = "evil.example"
"""A host that nobody has any business with."""
_DEEP = json.loads("[" * 80 + "]" * 80)
_TEXTS = (
    *("", " ", "null", "Succeeded", "Failed", "~cluster", "v2", "0", "-1", "1e999", "9" * 400, "x" * 70_000),
    *("2026-13-45T99:99:99Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", "2026-03-02T08:00:00+99:99"),
    *(f"https://{EVIL}/keys/la-cmk/1", f"https://management.azure.com@{EVIL}/x?t=1", f"http://{EVIL}", "https://[::1"),
    *("\x00\x1b[31m\r\n{}", "\u202e\u2028", "\ud800", "a|b|c", "../..", "%s{0}", "' or 1 eq 1", "<a>&amp;"),
)
ODD = st.one_of(
    st.none(),
    st.sampled_from(_TEXTS),
    st.sampled_from([True, False, 0, -1, 10**30, 1e308, 253402303861, float("nan"), float("-inf")]),
    st.sampled_from([[], {}, [None], {"": None}, {"id": 7}, _DEEP]),
    st.text(max_size=8),
).map(copy.deepcopy)
"""Values that have no business where they are."""


@st.composite
def spoilt(draw: st.DrawFn, valid: Any) -> Any:
    """A valid value with up to three things wrong."""
    value = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(value))
        if not places:
            return draw(ODD)
        holder, place = draw(st.sampled_from(places))
        match draw(st.sampled_from(("odd", "gone", "more", "again"))):
            case "odd":
                holder[place] = draw(ODD)
            case "gone":
                del holder[place]
            case "more":
                _add(holder, draw(st.text(max_size=4) | st.sampled_from(_NAMES)), draw(ODD))
            case _:
                _add(holder, str(place).swapcase(), copy.deepcopy(holder[place]))
    return value


_NAMES = ("id", "value", "nextLink", "error", "status", "properties", "code", "message", "cluster", "key", "__proto__")


def _add(holder: Any, name: str, value: Any) -> None:
    if isinstance(holder, list):
        holder.append(value)
    else:
        holder[name] = value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each place in a value: what holds it, and where there."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for place, inner in list(entries):
        yield value, place
        yield from _places(inner)


@st.composite
def spoilt_text(draw: st.DrawFn, valid: bytes) -> bytes:
    """What is no JSON, with a piece of it gone, doubled, or replaced."""
    start, end = sorted((draw(st.integers(0, len(valid))), draw(st.integers(0, len(valid)))))
    piece = draw(st.sampled_from((b"", valid[start:end] * 2, b"\xff\x00", b"<x>", b"7", b"\r\n\r\n")))
    return valid[:start] + piece + valid[end:]


def spoilt_body(valid: bytes) -> st.SearchStrategy[bytes]:
    """The body of an answer that somebody else has written."""
    try:
        value = json.loads(valid)
    except ValueError:
        return spoilt_text(valid)
    return spoilt(value).map(lambda odd: json.dumps(odd).encode()) | spoilt_text(valid)


def nothing_comes_of[Deed](
    deeds: st.SearchStrategy[Deed], wrong: Callable[[Deed], object], *how: Callable[[Any], Any]
) -> None:
    """Let them be done, as settings and a seed have it. Raises over the smallest of which something comes."""

    @given(deeds)
    def done(deed: Deed) -> None:
        found = wrong(deed)
        assert not found, found

    for wrapped in how:
        done = wrapped(done)
    done()
