"""Foreign text made fit to keep and to show."""

import re

LONGEST = 500
"""Characters. Enough for Azure's longest known error text, short enough for a log line."""

# Control characters and line separators, and halves of surrogate pairs, which cannot be written as UTF-8.
_UNPRINTABLE = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
# An operation's URL is signed in its query, a SAS is one, and a user name in a URL is followed by a password.
_URL = re.compile(r"\b(https?://)(?:[^\s/?#\"'<>]*@)?([^\s?#\"'<>]*)[?#][^\s\"'<>]*", re.IGNORECASE)
_BEARER = re.compile(r"\b(bearer )[\w.~+/-]+=*", re.IGNORECASE)


def one_line(text: object, longest: int = LONGEST) -> str:
    """Put a text on one line, without tokens and the queries of URLs, and cut it to a length."""
    line = _UNPRINTABLE.sub(" ", str(text)).strip()
    line = _BEARER.sub(r"\1…", _URL.sub(r"\1\2?…", line))
    return line if len(line) <= longest else line[: longest - 1] + "…"
