"""What holds whatever happens, checked at each call of a port against what the calling process had seen by then.

None of it asks the product: who has seen what, and what came before what, is kept here.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cmk_rotation.domain.azure_resources import Cluster, KeyVersion, Listed, Operation, same_version
from cmk_rotation.domain.identifiers import ClusterId, Key
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.vocabulary import OPEN, KeyMode, Mode, Reason, RequestedBy, Stage
from tests.prove.actors import Actor
from tests.unit.support.builders import MINUTE, SECOND
from tests.unit.support.worlds import Fakes

type Place = tuple[ClusterId, str]
"""A cluster, and a version in lower case."""


@dataclass
class Knowledge:
    """What one process has seen, and when: by the count of all calls."""

    clusters: dict[ClusterId, tuple[int, Cluster]] = field(default_factory=dict)
    versions: dict[Key, tuple[int, tuple[KeyVersion, ...]]] = field(default_factory=dict)
    current: str | None = None
    ended_well: int | None = None
    """When it read of an operation that it had succeeded."""
    claims: dict[str, int] = field(default_factory=dict)
    follows: int = -1
    """When it last requested a next visit."""


@dataclass
class Watch:
    """All that was seen of the processes of a scene, and what of it must not be."""

    fakes: Fakes
    now: Callable[[Actor], datetime]
    broken: list[str] = field(default_factory=list)
    count: int = 0
    known: defaultdict[str, Knowledge] = field(default_factory=lambda: defaultdict(Knowledge))
    stages: dict[tuple[ClusterId, Key | None, str], Stage] = field(default_factory=dict)
    """Of the rotations on record."""
    done: set[tuple[ClusterId, Key | None, str]] = field(default_factory=set)
    """Those that succeeded once."""
    sent: set[str] = field(default_factory=set)
    taken: dict[Place, int] = field(default_factory=dict)
    """When ARM last took an update."""
    arrived: defaultdict[Place, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    """When a cluster was seen at rest on a version, since ARM last took an update to it."""

    def __call__(self, actor: Actor, name: str, args: tuple[Any, ...], result: object) -> None:
        """Take notice of a call that was made; of a PATCH also before it is."""
        self.count += 1
        known = self.known[actor.name]
        match name:
            case "sends":
                self._sends(actor, known, *args)
            case "set_key_version":
                place = args[0].id, args[1].lower()
                self.taken[place] = self.count
                self.arrived[place].clear()
            case "save_rotation" if isinstance(result, Rotation):
                self._saves(known, args[0], result)
            case "publish":
                self.must("c=signed" not in str(args), "an outcome holds a signature")
            case "request" if args[0].by is RequestedBy.FOLLOW:
                known.follows = self.count
            case _:
                self._reads(known, name, args, result)

    def _reads(self, known: Knowledge, name: str, args: tuple[Any, ...], result: object) -> None:
        match name, result:
            case "get", Cluster():
                self._seen(known, result)
            case "in_scope", Listed():
                for one in result.clusters:
                    self._seen(known, one)
            case "versions", tuple():
                known.versions[args[0]] = (self.count, result)
                known.current = None
            case "current_version", str():
                known.current = result
            case "operation", Operation() if result.succeeded:
                known.ended_well = self.count
            case "of_cluster", _:
                known.ended_well = None  # another look begins

    def must(self, holds: bool, what: str) -> None:  # noqa: FBT001 - it reads as a sentence
        """Note what does not hold."""
        if not holds:
            self.broken.append(what)

    def _seen(self, known: Knowledge, cluster: Cluster) -> None:
        known.clusters[cluster.id] = (self.count, cluster)
        if cluster.succeeded and cluster.key_version:
            self.arrived[cluster.id, cluster.key_version.lower()].append(self.fakes.clock.now)

    def _sends(self, actor: Actor, known: Knowledge, asked: Cluster, version: str, attempt: str) -> None:
        fakes, now, key = self.fakes, self.now(actor), asked.key
        claimed = known.claims.get(attempt, self.count)
        read, cluster = known.clusters.get(asked.id, (-1, asked))
        listed_at, versions = known.versions.get(key, (-1, ())) if key else (-1, ())
        in_use = next((one for one in versions if same_version(one.version, cluster.key_version)), None)
        target = next((one for one in versions if same_version(one.version, version)), None)
        self.must(fakes.mode is Mode.ENFORCE, "an update is sent in observe")
        self.must(
            any(scope.contains(asked.id) for scope in fakes.scopes), "an update is sent to a cluster out of scope"
        )
        self.must(attempt not in self.sent, "an attempt is sent twice")
        self.sent.add(attempt)
        self.must(attempt in known.claims, "an update is sent that was not claimed before")
        row = fakes.records.rotations.get((asked.id, key, version.lower()))
        holds = row is not None and row.attempt.id == attempt
        self.must(holds, "an update is sent whose claim another process has taken over")
        self.must(known.follows > claimed, "an update is sent before the visit is requested that follows it")
        self.must(read > claimed, "the cluster was not looked at between the claim and the update")
        self.must(listed_at > claimed, "the key was not looked at between the claim and the update")
        self.must(cluster.mode is KeyMode.PINNED, "an update is sent to a cluster that follows its key by itself")
        self.must((cluster.key, cluster.key_version) == (key, asked.key_version), "the update is for another key")
        in_cloud = key is not None and key.vault.endswith(".vault.azure.net")
        self.must(in_cloud, "an update is sent to a cluster whose vault is none of this cloud's")
        self.must(not cluster.held, "an update is sent to a cluster on hold")
        self.must(not cluster.busy and not cluster.deleting, "an update is sent to a cluster that is busy")
        self.must(
            (asked.id, key, version.lower()) not in self.done, "a version is applied that had been applied before"
        )
        self.must(in_use is not None, "an update is sent around a version in use that is not known")
        self.must(target is not None, "an update is sent to a version that is not listed")
        if in_use is None or target is None:
            return
        self.must(in_use.enabled, "an update is sent around a version in use that is disabled")
        self.must(not in_use.expired(now), "an update is sent around a version in use that has expired")
        self.must(target.usable(now), "an update is sent to a version that cannot be used")
        again = cluster.failed and same_version(cluster.key_version, version)
        by_its_word = in_use.created_at == target.created_at and same_version(known.current, version)
        self.must(again or by_its_word or in_use.created_at < target.created_at, "an update goes back")
        newest = [one for one in versions if one.usable(now) and one.created_at >= target.created_at]
        first = all(one.created_at == target.created_at for one in newest)
        in_order = len(newest) == 1 or same_version(known.current, version)
        self.must(first and in_order, "an update goes to a version that is not the newest")

    def _saves(self, known: Knowledge, before: Rotation, saved: Rotation) -> None:
        place = saved.cluster_id, saved.key, saved.to_version.lower()
        stage = self.stages.get(place)
        self.stages[place] = saved.stage
        if saved.stage is Stage.UPDATING and stage is not Stage.UPDATING and saved.attempt.id:
            known.claims[saved.attempt.id] = self.count
        self.must(before.etag is not None or self.fakes.mode is Mode.ENFORCE, "a rotation is recorded in observe")
        self.must(saved.stage in OPEN or saved.attempt.operation_url is None, "an ended row holds a signed URL")
        self.must(stage is not Stage.SUCCEEDED or saved.stage is stage, "a rotation that succeeded is begun again")
        if saved.stage is Stage.SUCCEEDED and stage is not Stage.SUCCEEDED:
            self.done.add(place)
            self._succeeds(known, saved)

    def _succeeds(self, known: Knowledge, saved: Rotation) -> None:
        read, cluster = known.clusters.get(saved.cluster_id, (-1, None))
        place = saved.cluster_id, saved.to_version.lower()
        there = cluster is not None and cluster.key == saved.key and cluster.succeeded
        there = there and cluster is not None and same_version(cluster.key_version, saved.to_version)
        self.must(there, "a success was not read back")
        self.must(read > self.taken.get(place, -1), "a success was read back before its update")
        if saved.reason is Reason.UPDATE_CONFIRMED:
            ended = known.ended_well is not None and read > known.ended_well
            self.must(ended, "a success is confirmed by an operation that was not read before the cluster")
        if saved.reason is Reason.CONFIRMED_BY_CLUSTER:
            apart = self.arrived[place][-1] - self.arrived[place][0]
            self.must(apart >= MINUTE - SECOND, "a success without its operation's word was seen only once")
