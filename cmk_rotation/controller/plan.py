"""What a visit would come to, for every cluster in scope, with nothing changed."""

from cmk_rotation.controller.observe import broken, observe
from cmk_rotation.controller.ports import World
from cmk_rotation.controller.survey import Survey, survey, unlisted
from cmk_rotation.decisions.observation import Decision, Observation, UnreadableCluster
from cmk_rotation.decisions.policy import settle
from cmk_rotation.domain.cluster_record import Record
from cmk_rotation.domain.identifiers import ClusterId
from cmk_rotation.domain.vocabulary import RequestedBy


def plan(world: World) -> tuple[Survey, list[tuple[Observation | UnreadableCluster, Decision]]]:
    """Observe every cluster in scope and decide, changing nothing; what could not be listed comes along."""
    found = survey(world)
    records = world.records.everything()
    planned = [
        _planned(world, cluster_id, records.get(cluster_id, Record()))
        for cluster_id in sorted(found.clusters, key=lambda cluster_id: cluster_id.key)
    ]
    return found, planned + [settle(unseen) for unseen in unlisted(world, found, records)]


def _planned(world: World, cluster_id: ClusterId, record: Record) -> tuple[Observation | UnreadableCluster, Decision]:
    try:
        return settle(observe(world, cluster_id, record, RequestedBy.RECONCILE))
    except Exception as error:  # noqa: BLE001 - whatever is odd about one cluster, the others are planned for
        return broken(world, cluster_id, record, error)
