"""Foreign text made fit to keep and to show."""

import re
from collections.abc import Callable
from urllib.parse import quote, unquote

LONGEST = 500
"""Characters. Enough for Azure's longest known error text, short enough for a log line."""

# Control characters and line separators; marks without a width, and those that let the rest of a line run backwards; and
# halves of surrogate pairs, which cannot be written as UTF-8.
_UNPRINTABLE = re.compile("[\x00-\x20\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]+")
# What a terminal obeys: a sequence that ends (a title, a link, the clipboard), a sequence with numbers (a colour, a
# movement), and two letters. ECMA-48; each is written in one letter of C1 too.
_SEQUENCE = re.compile(
    "(?:\x1b[\\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)?"
    "|(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?"
)
# Marks that let the rest of a line run backwards.
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
# A user name in a URL is followed by a password.
_USER = re.compile(r"(https?://)[^\s/?#\"'<>]*@", re.IGNORECASE)
# An operation's URL is signed in its query, and a SAS is one. This matches every URL, with a query or without: one that is
# no match would be read again from each "https://" in it, and cost the square of its length.
_URL = re.compile(r"(https?://[^\s?#\"'<>]*)(?:[?#][^\s\"'<>]*)?", re.IGNORECASE)
# ARM and the HTTP libraries quote a request's path without its host too.
_QUERY = re.compile(r"\?[\w.~%$-]+=[^\s\"'<>]*")
_BEARER = re.compile(r"\b(bearer )[\w.~+/-]+=*", re.IGNORECASE)
# A token by itself begins with an encoded `{"` (RFC 7519), and none is shorter than that; a name may begin so too.
_TOKEN = re.compile(r"\beyJ[\w-]{17,}[\w.-]*")
_AFTER_HOST = re.compile(r"[\s/?#\"'<>]")
_READ = 16 * 1024
"""Characters. A stranger's text may be a megabyte long, of which the beginning is shown."""
_TELLING = 8
"""Characters by which a secret is known again. Shorter values are no signatures and stand in innocent words."""


def one_line(text: object, longest: int = LONGEST) -> str:
    """Put a text on one line, without tokens and the queries of URLs and paths, and cut it to a length."""
    line = _UNPRINTABLE.sub(" ", _beginning(str(text))).strip()
    line = _URL.sub(_without_query, _USER.sub(r"\1", line))
    line = _TOKEN.sub("…", _BEARER.sub(r"\1…", _QUERY.sub("?…", line)))
    return line if len(line) <= longest else line[: longest - 1] + "…"


def visible(text: str) -> str:
    """A text as it may be shown on a terminal: on one line, and nothing in it that is obeyed in place of being shown."""
    return _UNPRINTABLE.sub(" ", _DIRECTION.sub("", _SEQUENCE.sub("", text)))


def _beginning(text: str) -> str:
    """What of a text is read at all. A URL that would end before its host does is left out: it may end in a password."""
    if len(text) <= _READ:
        return text
    beginning = text[:_READ]
    url = beginning.rfind("://")
    return beginning[:url] if url >= 0 and not _AFTER_HOST.search(beginning, url + 3) else beginning


def _without_query(url: re.Match[str]) -> str:
    return url[0] if url[0] == url[1] else f"{url[1]}?…"


def without_query_of(url: str) -> Callable[[str], str]:
    """A function that takes the values of a URL's query out of a text, however they are escaped and wherever it is cut."""
    pairs = (pair.partition("=") for pair in url.partition("?")[2].partition("#")[0].split("&"))
    values = {value for name, _, value in pairs if name != "api-version"}  # which is public, and says something
    spellings = {spelling for value in values for spelling in (value, unquote(value), quote(unquote(value), safe=""))}
    telling = sorted({re.escape(spelling[:_TELLING]) for spelling in spellings if len(spelling) > _TELLING})
    if not telling:
        return str
    secret = re.compile(rf"(?:{'|'.join(telling)})[^\s&\"'<>]*", re.IGNORECASE)
    return lambda text: secret.sub("…", text)
