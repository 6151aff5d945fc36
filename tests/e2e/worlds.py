"""Worlds that many stories begin with, and what many of them do first."""

from simulator.azure import Azure
from simulator.operationalinsights.clusters import Cluster
from simulator.wire.faults import Fault, FaultKind
from tests.e2e.stage import Stage


def one_cluster(azure: Azure) -> None:
    """A cluster whose key is the stage's."""
    azure.add_cluster("cluster-a", key=azure.pinned("contoso", "la-cmk"))


def one_cluster_and_a_topic(azure: Azure) -> None:
    """And a topic for outcomes."""
    one_cluster(azure)
    azure.add_topic("outcomes")


def known(story: Stage) -> Cluster:
    """The cluster, after a first visit; the table exists by then."""
    (cluster,) = story.azure.arm.clusters.values()
    story.ask_for_visit(cluster)
    story.reason(cluster, "up-to-date")
    return cluster


def unavailable(story: Stage, host: str, seconds: float, method: str = "POST") -> None:
    """Let a service be down for a while."""
    until = story.azure.clock.timestamp() + seconds
    story.azure.faults.add(Fault(kind=FaultKind.ANSWER, method=method, host=host, status=503, times=None, until=until))
