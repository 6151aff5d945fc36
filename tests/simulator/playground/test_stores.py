import pytest

from simulator.azure import RESOURCE_GROUP, SUBSCRIPTION, Azure
from simulator.clock.running import RunningClock
from simulator.keyvault.vaults import Network
from simulator.playground.stores import Pace, Store, Stores

MINUTE = 60.0
HOUR = 3_600.0


class World:
    """A cluster, its key and its storage, over which time passes only by `after`."""

    def __init__(self, *, auto: bool = False) -> None:
        self.azure = Azure(RunningClock.starting_now())
        self.azure.server.server_close()
        self.vault = self.azure.add_vault("contoso")
        self.key = self.azure.add_key("contoso", "la-cmk")
        self.cluster = self.azure.add_cluster("payments", key=self.azure.pinned("contoso", "la-cmk"))
        if auto:
            self.pin("")
        self.said: list[str] = []
        self.stores = Stores(self.azure, lambda _, text, **__: self.said.append(text), Pace())
        self.now = self.azure.clock.timestamp()
        self.stores.look(self.now)

    def pin(self, version: str) -> None:
        assert self.cluster.key is not None
        self.cluster.key = type(self.cluster.key)(self.vault.uri, "la-cmk", version)

    def after(self, seconds: float) -> Store:
        self.now += seconds
        self.stores.look(self.now)
        return self.stores.by_cluster[self.cluster.id.lower()]

    def uses(self) -> list[tuple[str, int, bool]]:
        versions = [one.version for one in self.key.versions]
        return [(use.operation, versions.index(use.version), use.allowed) for use in self.stores.uses]


def test_a_disabled_version_stops_ingestion_within_the_hour_and_what_comes_then_is_lost() -> None:
    world = World()
    world.vault.disable("la-cmk")
    assert world.after(30 * MINUTE).ingesting
    store = world.after(30 * MINUTE)
    assert not store.ingesting
    lost = store.dropped_gigabytes
    assert lost == pytest.approx(100 / 24 * 20 / 60, rel=0.1), "100 GB a day, for about twenty minutes"
    world.vault.enable("la-cmk")
    store = world.after(30 * MINUTE)
    assert store.ingesting
    still_lost = store.dropped_gigabytes
    assert still_lost > lost
    assert world.after(HOUR).dropped_gigabytes == still_lost
    assert len(world.said) == 2


@pytest.mark.parametrize("revoke", ["delete", "right", "firewall"])
def test_every_way_to_take_the_key_away_counts(revoke: str) -> None:
    world = World()
    match revoke:
        case "delete":
            world.vault.delete_key("la-cmk")
        case "right":
            world.azure.rights.deny(world.cluster.id, "Microsoft.KeyVault/vaults/keys/unwrap/action")
        case _:
            world.vault.network, world.vault.trusted_services = Network.FIREWALL, False
    assert not world.after(HOUR).ingesting


def test_a_firewall_lets_the_trusted_service_pass_and_an_expired_key_goes_on_working() -> None:
    world = World()
    world.vault.network = Network.PRIVATE
    world.vault.set_attributes("la-cmk", expires=int(world.now))
    assert world.after(3 * HOUR).ingesting


def test_the_old_version_is_used_until_storage_has_wrapped_anew() -> None:
    world = World()
    old = world.key.newest
    world.pin(world.vault.rotate("la-cmk").version)
    store = world.after(30 * MINUTE)
    assert store.wrapped is not None
    assert store.wrapped.version == old.version
    store = world.after(HOUR)
    assert store.wrapped is not None
    assert store.wrapped.version == world.key.newest.version
    assert world.uses() == [("KeyUnwrap", 0, True), ("KeyWrap", 1, True), ("KeyUnwrap", 1, True)]
    world.vault.disable("la-cmk", old.version)
    assert world.after(2 * HOUR).ingesting


def test_an_old_version_that_is_disabled_before_that_takes_the_data_with_it() -> None:
    world = World()
    old = world.key.newest
    world.pin(world.vault.rotate("la-cmk").version)
    world.after(10 * MINUTE)
    world.vault.disable("la-cmk", old.version)
    assert not world.after(2 * HOUR).ingesting
    assert ("KeyUnwrap", 0, False) in world.uses()
    world.vault.enable("la-cmk", old.version)
    assert world.after(2 * HOUR).ingesting


def test_auto_mode_picks_a_new_version_up_after_a_day() -> None:
    world = World(auto=True)
    world.vault.rotate("la-cmk")
    store = world.after(12 * HOUR)
    assert store.wrapped is not None
    assert store.wrapped.version == world.key.versions[0].version
    store = world.after(13 * HOUR)
    assert store.wrapped is not None
    assert store.wrapped.version == world.key.versions[1].version


def test_a_cluster_with_a_key_of_microsoft_asks_nobody() -> None:
    azure = Azure(RunningClock.starting_now())
    azure.server.server_close()
    cluster = azure.add_cluster("plain", subscription=SUBSCRIPTION, resource_group=RESOURCE_GROUP)
    stores = Stores(azure, lambda *_, **__: None)
    now = azure.clock.timestamp()
    stores.look(now)
    stores.look(now + HOUR)
    assert stores.by_cluster[cluster.id.lower()].ingesting
    assert stores.uses == []
