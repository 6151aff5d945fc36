"""What a visit would come to, for every cluster in scope, with nothing changed."""

from cmk_rotation.controller.observe import broken, observe, read_versions
from cmk_rotation.controller.ports import World
from cmk_rotation.controller.reading_keys import keys_read
from cmk_rotation.controller.side_by_side import side_by_side
from cmk_rotation.controller.survey import READING_LASTS, Survey, survey, unlisted
from cmk_rotation.decisions.observation import Decision, Observation, UnreadableCluster
from cmk_rotation.decisions.policy import settle
from cmk_rotation.domain.azure_resources import Cluster, Failure, KeyVersion
from cmk_rotation.domain.cluster_record import Record
from cmk_rotation.domain.identifiers import ClusterId
from cmk_rotation.domain.vocabulary import RequestedBy


def plan(world: World) -> tuple[Survey, list[tuple[Observation | UnreadableCluster, Decision]]]:
    """Observe every cluster in scope and decide, changing nothing; what could not be listed comes along.

    Each key is read once, and clusters are read several at a time.
    """
    began = world.now()
    found = survey(world)
    records = world.records.everything()
    reads = {users[0].key: read for users, read in keys_read(world, found, until=began + READING_LASTS)}

    def versions_of(world: World, cluster: Cluster) -> tuple[KeyVersion, ...] | Failure:
        read = reads.get(cluster.key)
        return read() if read else read_versions(world, cluster)  # another key than when it was listed

    def planned(cluster_id: ClusterId) -> tuple[Observation | UnreadableCluster, Decision]:
        record = records.get(cluster_id, Record())
        try:
            return settle(observe(world, cluster_id, record, RequestedBy.RECONCILE, versions_of))
        except Exception as error:  # noqa: BLE001 - whatever is odd about one cluster, the others are planned for
            return broken(world, cluster_id, record, error)

    listed = side_by_side(planned, sorted(found.clusters, key=lambda one: one.key))
    return found, [*listed, *map(settle, unlisted(world, found, records))]
