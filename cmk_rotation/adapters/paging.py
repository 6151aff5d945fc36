"""Lists that come in pages, each of which names the next one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.core.paging import ItemPaged

_MOST_PAGES = 1_000
"""A vault's page holds 25 versions of a key, and a table's 1,000 rows."""


def all_of[Item](found: "ItemPaged[Item]") -> Iterator[Item]:
    """All items of an SDK's list. Raises ValueError over one that has no end."""
    pages: Any = found.by_page()
    seen: set[str] = set()
    for page in pages:
        yield from page
        following = pages.continuation_token
        if following and (str(following) in seen or len(seen) >= _MOST_PAGES):
            raise ValueError("a list leads back to a page that was read, or has no end")
        seen.add(str(following))
