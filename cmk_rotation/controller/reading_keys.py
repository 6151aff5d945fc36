"""Reading the keys of a fleet: each once, several at a time, and not for ever."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import NoReturn

from cmk_rotation.controller.observe import read_versions
from cmk_rotation.controller.ports import World
from cmk_rotation.controller.side_by_side import side_by_side
from cmk_rotation.controller.survey import NOT_REACHED, Survey
from cmk_rotation.domain.azure_resources import Cluster, Failure, KeyVersion
from cmk_rotation.domain.identifiers import Key

type _Users = dict[Key | None, list[Cluster]]
type Read = Callable[[], tuple[KeyVersion, ...] | Failure]


def keys_read(world: World, found: Survey, until: datetime) -> Iterator[tuple[list[Cluster], Read]]:
    """The clusters of each key, and what tells its versions, read once if there was time.

    What this product itself fails at is raised where it is told, so that the clusters can be named.
    """
    of_keys: _Users = {}
    for cluster in found.clusters.values():
        of_keys.setdefault(cluster.key, []).append(cluster)

    def read(users: list[Cluster]) -> tuple[list[Cluster], Read]:
        try:
            versions = read_versions(world, users[0]) if world.now() < until else NOT_REACHED
        except Exception as error:  # noqa: BLE001 - see above
            return users, partial(_raise, error)
        return users, lambda: versions

    yield from side_by_side(read, of_keys.values())


def _raise(error: Exception) -> NoReturn:
    raise error
