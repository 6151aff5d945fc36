"""Which clusters, keys and rotations are meant by what somebody typed."""

from collections.abc import Iterable

from cmk_rotation.domain.identifiers import ClusterId, Key


def named(wanted: str, known: Iterable[ClusterId]) -> list[ClusterId]:
    """The clusters of this name; if there is none, those whose name has it as a part."""
    text = wanted.lower()
    all_ = sorted(known, key=lambda one: one.key)
    return [one for one in all_ if one.name.lower() == text] or [one for one in all_ if text in one.name.lower()]


def is_of_key(wanted: str, key: Key | None) -> bool:
    """Whether a key is meant: by its name, a part of it, `vault/name`, or its URL with or without a version."""
    if key is None:
        return False
    parts = wanted.lower().removeprefix("https://").replace("/keys/", "/").split("/")
    vault, name = ("", parts[0]) if len(parts) == 1 else parts[:2]
    return name in key.name and (not vault or key.vault == vault or key.vault.startswith(f"{vault}."))
