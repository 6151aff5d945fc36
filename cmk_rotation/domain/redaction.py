"""Foreign text made fit to keep and to show."""

import re
from collections.abc import Callable
from urllib.parse import quote, unquote

LONGEST = 500
"""Characters. Enough for Azure's longest known error text, short enough for a log line."""

# Control characters and line separators, and halves of surrogate pairs, which cannot be written as UTF-8.
_UNPRINTABLE = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
# An operation's URL is signed in its query, a SAS is one, and a user name in a URL is followed by a password.
_URL = re.compile(r"\b(https?://)(?:[^\s/?#\"'<>]*@)?([^\s?#\"'<>]*)[?#][^\s\"'<>]*", re.IGNORECASE)
# ARM and the HTTP libraries quote a request's path without its host too.
_QUERY = re.compile(r"\?[\w.~%$-]+=[^\s\"'<>]*")
_BEARER = re.compile(r"\b(bearer )[\w.~+/-]+=*", re.IGNORECASE)
_TELLING = 8
"""Characters by which a secret is known again. Shorter values are no signatures and stand in innocent words."""


def one_line(text: object, longest: int = LONGEST) -> str:
    """Put a text on one line, without tokens and the queries of URLs and paths, and cut it to a length."""
    line = _UNPRINTABLE.sub(" ", str(text)).strip()
    line = _BEARER.sub(r"\1…", _QUERY.sub("?…", _URL.sub(r"\1\2?…", line)))
    return line if len(line) <= longest else line[: longest - 1] + "…"


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
