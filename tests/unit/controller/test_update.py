"""Between the claim and the PATCH: the one more look, which may come to another end."""

from dataclasses import replace
from typing import Any

import pytest

from cmk_rotation.controller.ports import StorageUnavailableError
from cmk_rotation.domain.cluster_record import ClusterStatus
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.timing import CLAIM_LASTS
from cmk_rotation.domain.vocabulary import Reason, Stage
from tests.unit.support.builders import CLUSTER, DAY, HOUR, KEY, MINUTE, SECOND, UNAVAILABLE, V1, V2, cluster, version
from tests.unit.support.worlds import Fakes


def steps(fakes: Fakes) -> list[str]:
    return [step.name for step in fakes.records.steps]


def when_claimed(fakes: Fakes, act: Any) -> None:
    """Let something happen right before each claim is written."""

    def happen(row: Rotation | ClusterStatus) -> None:
        if isinstance(row, Rotation) and row.stage is Stage.UPDATING:
            act()

    fakes.records.before_save = happen


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"held": True}, Reason.ON_HOLD),
        ({"key_version": None}, Reason.FOLLOWS_NEWEST_ITSELF),
        ({"key_name": "another"}, Reason.KEY_NOT_FOUND),
        ({"key_vault_uri": "https://contoso.vault.azure.net:443/"}, Reason.UP_TO_DATE),
        ({"key_rsa_size": 4096}, Reason.UP_TO_DATE),
        ({"state": "Updating"}, Reason.CLUSTER_BUSY),
    ],
)
def test_a_cluster_that_changes_while_the_update_is_prepared_is_looked_at_anew(
    change: dict[str, Any], outcome: Reason
) -> None:
    fakes = Fakes()
    when_claimed(fakes, lambda: fakes.clusters.stored.update({CLUSTER: cluster(**change)}))
    fakes.visit()
    assert fakes.clusters.sent == []
    assert steps(fakes) == ["claimed", "not sent"]
    assert fakes.rotation.stage is Stage.WAITING
    assert "had changed" in fakes.rotation.message
    assert len(fakes.requests.pending) == 1
    fakes.records.before_save = None
    fakes.run(HOUR)
    assert fakes.status.reason is outcome


def test_a_version_that_is_disabled_while_the_update_is_prepared_is_not_gone_around() -> None:
    fakes = Fakes()
    when_claimed(fakes, lambda: fakes.keys.listed.update({KEY: (version(V1, enabled=False), version(V2))}))
    fakes.visit()
    fakes.run(HOUR)
    assert (fakes.clusters.sent, fakes.status.reason) == ([], Reason.IN_USE_DISABLED)


def test_another_target_is_another_update() -> None:
    fakes = Fakes()
    newer = version("4" * 32, created_at=fakes.clock.now)
    when_claimed(fakes, lambda: fakes.keys.listed.update({KEY: (version(V1), version(V2), newer)}))
    fakes.visit()
    assert fakes.clusters.sent == []
    fakes.run(2 * HOUR)
    assert [to_version for _, to_version in fakes.clusters.patches] == [newer.version]


def test_a_cluster_that_cannot_be_read_once_more_is_not_updated() -> None:
    fakes = Fakes()

    def azure_falls_silent() -> None:
        fakes.clusters.get_failure = UNAVAILABLE

    when_claimed(fakes, azure_falls_silent)
    fakes.visit()
    assert (fakes.clusters.sent, fakes.rotation.stage) == ([], Stage.WAITING)
    fakes.records.before_save, fakes.clusters.get_failure = None, None
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]


def test_an_update_that_is_never_the_same_twice_stays_one_chain_and_calls_a_person_after_an_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fakes = Fakes()
    sizes = iter(range(10_000))
    honest = fakes.clusters.get
    # An ARM of many minds.
    monkeypatch.setattr(fakes.clusters, "get", lambda id_: replace(honest(id_), key_rsa_size=next(sizes)))
    fakes.visit()
    fakes.run(DAY)
    assert fakes.clusters.sent == []
    assert fakes.log.errors == ["cluster.attention"]
    assert fakes.status.reason is Reason.VERSION_IS_BEHIND
    assert len(fakes.requests.pending) == 1
    assert len(fakes.requests.requested) < 120, "a look each quarter of an hour"


def test_workspaces_that_are_listed_in_another_order_are_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = Fakes()
    orders = iter([("a", "b"), ("b", "a")] * 100)
    honest = fakes.clusters.get
    # As ARM may list them.
    monkeypatch.setattr(fakes.clusters, "get", lambda id_: replace(honest(id_), workspace_ids=next(orders)))
    fakes.visit()
    assert len(fakes.clusters.sent) == 1


@pytest.mark.parametrize("seconds", [30, 90, 300])
def test_a_claim_that_a_slow_look_has_used_up_is_renewed_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    fakes = Fakes()
    honest = fakes.keys.versions

    def slowly(key: Any) -> Any:
        fakes.clock.now += seconds * SECOND
        return honest(key)

    # A vault that takes its time.
    monkeypatch.setattr(fakes.keys, "versions", slowly)
    fakes.visit()
    assert len(fakes.clusters.sent) == 1
    assert fakes.rotation.stage is Stage.UPDATING


def test_an_update_is_not_sent_when_its_claim_would_lapse_before_azure_has_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fakes = Fakes()
    honest = fakes.requests.request

    def slowly(*what: Any) -> None:
        fakes.clock.now += 90 * SECOND
        honest(*what)

    # A queue that takes its time.
    monkeypatch.setattr(fakes.requests, "request", slowly)
    fakes.visit()
    assert (fakes.clusters.sent, fakes.rotation.stage) == ([], Stage.UPDATING)
    # And is well again.
    monkeypatch.setattr(fakes.requests, "request", honest)
    fakes.run(HOUR)
    assert len(fakes.clusters.sent) == 1
    assert fakes.finished == [Stage.SUCCEEDED]


def test_of_two_visits_of_which_one_slept_through_its_claim_one_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = Fakes()
    honest = fakes.keys.versions
    looks = iter([False, True])

    def sleeping(key: Any) -> Any:
        if next(looks, False):
            fakes.clock.now += CLAIM_LASTS + MINUTE
            fakes.visit()
        return honest(key)

    # A process that is put to sleep.
    monkeypatch.setattr(fakes.keys, "versions", sleeping)
    fakes.visit()
    assert len(fakes.clusters.sent) == 1
    fakes.run(HOUR)
    assert (fakes.finished, len(fakes.clusters.patches)) == ([Stage.SUCCEEDED], 1)


def test_a_claim_that_cannot_be_taken_back_lapses_and_the_message_comes_again() -> None:
    fakes = Fakes()
    fakes.key_changed()

    def happen(row: Rotation | ClusterStatus) -> None:
        if isinstance(row, Rotation) and row.stage is Stage.UPDATING:
            fakes.clusters.stored[CLUSTER] = cluster(held=True)
        elif isinstance(row, Rotation):
            raise StorageUnavailableError("save_rotation")

    fakes.records.before_save = happen
    fakes.run(MINUTE)
    assert (fakes.clusters.sent, fakes.rotation.stage) == ([], Stage.UPDATING)
    fakes.records.before_save = None
    fakes.clusters.stored[CLUSTER] = cluster()
    fakes.run(HOUR)
    assert (fakes.finished, len(fakes.clusters.sent)) == ([Stage.SUCCEEDED], 1)
