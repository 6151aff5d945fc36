"""Which clusters, keys and rotations are meant by what somebody typed."""

from collections.abc import Iterable

from cmk_rotation.cli.session import UnseenError, UsageError
from cmk_rotation.controller.survey import Survey
from cmk_rotation.domain.identifiers import ClusterId, Key


def named(wanted: str, known: Iterable[ClusterId]) -> list[ClusterId]:
    """The clusters of this name; if there is none, those whose name has it as a part."""
    text = wanted.lower()
    all_ = sorted(known, key=lambda one: one.key)
    return [one for one in all_ if one.name.lower() == text] or [one for one in all_ if text in one.name.lower()]


def in_scope(wanted: str, found: Survey) -> list[ClusterId]:
    """The clusters in scope that are meant, by their id or by `named`. Raises where there is none, or none to be seen."""
    cluster_id = ClusterId.parse(wanted)
    ids = [one for one in found.clusters if one == cluster_id] if cluster_id else named(wanted, found.clusters)
    if ids:
        return ids
    if hidden := unseen(found):
        raise UnseenError((f"'{wanted}' is none of the clusters that can be seen", *hidden))
    raise UsageError(f"'{wanted}' is no cluster in scope")


def unseen(found: Survey) -> list[str]:
    """What could not be looked at: any cluster may be in it."""
    failed = [
        f"{scope.text} could not be listed ({failure.code}: {failure.message})"
        for scope, failure in found.failed.items()
    ]
    entries = {entry for listed in found.unreadable.values() for entry in listed}
    return failed + [
        f"{entry.name} cannot be read: {entry.problem}" for entry in sorted(entries, key=lambda one: one.name)
    ]


def is_of_key(wanted: str, key: Key | None) -> bool:
    """Whether a key is meant: by its name, a part of it, `vault/name`, or its URL with or without a version."""
    if key is None:
        return False
    parts = wanted.lower().removeprefix("https://").replace("/keys/", "/").split("/")
    vault, name = ("", parts[0]) if len(parts) == 1 else parts[:2]
    return name in key.name and (not vault or key.vault == vault or key.vault.startswith(f"{vault}."))
