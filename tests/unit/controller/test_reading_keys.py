"""How reconcile reads keys: each once, several at a time, and not for ever."""

import threading
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from cmk_rotation.controller.ports import AzureCallError, StorageUnavailableError
from cmk_rotation.controller.reconcile import reconcile
from cmk_rotation.controller.side_by_side import AT_ONCE
from cmk_rotation.domain.azure_resources import KeyVersion
from cmk_rotation.domain.identifiers import Key, Scope
from cmk_rotation.domain.visit_message import PoisonQueue, VisitRequest
from cmk_rotation.domain.vocabulary import Stage
from tests.patience import HANG
from tests.unit.support.builders import (
    CLUSTER,
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    SUBSCRIPTION,
    UNAVAILABLE,
    cluster,
    cluster_id,
    must,
    status,
)
from tests.unit.support.fleets import fleet, summary
from tests.unit.support.worlds import Fakes

GROUP = must(Scope.parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-logs"))
OTHER = must(Scope.parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-other"))


def test_fifty_clusters_on_one_key_are_read_with_one_call_to_key_vault_and_all_moved() -> None:
    fakes = fleet(50)
    fakes.reconcile()
    assert fakes.keys.reads == 1
    fakes.requests.pending.clear()
    fakes.key_changed()
    fakes.run(3 * HOUR)
    assert len(fakes.clusters.sent) == 50
    assert fakes.finished == [Stage.SUCCEEDED] * 50
    assert fakes.requests.pending == []
    assert all(row.outcome.keep_old_version_until is not None for row in fakes.records.rotations.values())


def test_the_same_key_in_different_spelling_is_read_once() -> None:
    fakes = fleet(2)
    ids = list(fakes.clusters.stored)
    fakes.clusters.stored[ids[0]] = cluster(
        id=ids[0], key_vault_uri="https://CONTOSO.vault.azure.net/", key_name="LA-CMK"
    )
    fakes.reconcile()
    assert fakes.keys.reads == 1


def test_a_storage_failure_ends_the_run_and_the_next_one_makes_up_for_it() -> None:
    fakes = Fakes()
    fakes.effects.storage_is_down = True
    with pytest.raises(StorageUnavailableError):
        reconcile(fakes.world)
    fakes.effects.storage_is_down = False
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]


def test_a_storage_failure_over_one_cluster_ends_the_run_too() -> None:
    fakes = Fakes()
    fakes.visit()
    fakes.scopes = (must(Scope.parse("/subscriptions/0b1f6471-1bf0-4dda-aec3-000000000000")),)
    fakes.effects.failing_names = frozenset({"save_rotation"})
    with pytest.raises(StorageUnavailableError):
        reconcile(fakes.world)


@dataclass
class HangingVaults:
    """Vaults that do not answer, and take their time over it."""

    fakes: Fakes
    takes: timedelta
    read: list[Key] = field(default_factory=list)

    def versions(self, key: Key) -> tuple[KeyVersion, ...]:
        self.read.append(key)
        self.fakes.clock.now += self.takes
        raise AzureCallError(UNAVAILABLE)

    def current_version(self, key: Key) -> str:
        return self.fakes.keys.current_version(key)


def on_keys_of_their_own(size: int) -> Fakes:
    """As many clusters, each on a key in a vault of its own, and all of them known to be well."""
    fakes = Fakes()
    clusters = [
        cluster(id=cluster_id(f"law-{number}"), key_vault_uri=f"https://vault-{number}.vault.azure.net")
        for number in range(size)
    ]
    fakes.clusters.stored = {one.id: one for one in clusters}
    return fakes


@dataclass
class PatientVault(HangingVaults):
    """One that answers for one key when a visit has been requested, and for the others at once."""

    slow: str = ""
    requested: threading.Event = field(default_factory=threading.Event)

    def versions(self, key: Key) -> tuple[KeyVersion, ...]:
        if key.vault == self.slow:
            assert self.requested.wait(HANG)
        return super().versions(key)

    def request(self, visit: VisitRequest, after: timedelta = timedelta()) -> None:
        self.fakes.requests.request(visit, after)
        self.requested.set()

    def poison_queue(self) -> PoisonQueue:
        return self.fakes.requests.poison_queue()

    def note_poison(self, since: datetime | None) -> None:
        self.fakes.requests.note_poison(since)


def test_visits_are_requested_as_the_clusters_of_a_key_are_looked_at() -> None:
    fakes = on_keys_of_their_own(2)
    vaults = PatientVault(fakes, SECOND, slow="vault-1.vault.azure.net")
    reconcile(replace(fakes.world, keys=vaults, requests=vaults))
    assert len(fakes.requests.requested) == 2


def test_vaults_that_hang_do_not_keep_a_run_from_its_end_nor_any_cluster_from_its_visit() -> None:
    fakes = on_keys_of_their_own(30)
    vaults = HangingVaults(fakes, 45 * SECOND)
    reconcile(replace(fakes.world, keys=vaults))
    assert 7 <= len(vaults.read) < 7 + AT_ONCE, "after five minutes no further key is begun"
    assert fakes.clock.now - NOW < 5 * MINUTE + AT_ONCE * 45 * SECOND
    assert summary(fakes)["clusters"] == 30
    assert len({visit.cluster for visit, _ in fakes.requests.requested}) == 30


def test_a_cluster_whose_key_was_not_reached_is_visited_and_seen_to() -> None:
    fakes = fleet(1)
    hanging = on_keys_of_their_own(8).clusters.stored
    fakes.clusters.stored = hanging | {CLUSTER: cluster()}
    fakes.records.put(*(status(cluster_id=one) for one in fakes.clusters.stored))
    reconcile(replace(fakes.world, keys=HangingVaults(fakes, 45 * SECOND)))
    assert CLUSTER in {visit.cluster for visit, _ in fakes.requests.requested}
    fakes.visit()
    assert [cluster_id for cluster_id, _ in fakes.clusters.patches] == [CLUSTER]
