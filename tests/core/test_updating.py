"""Between the claim and the PATCH: the one more look, which may come to another end."""

from typing import Any

import pytest

from cmk_rotation.model import ClusterStatus, Rotation
from cmk_rotation.ports import StorageUnavailableError
from cmk_rotation.vocabulary import Reason, Stage
from tests.core.builders import CLUSTER, HOUR, KEY, SECOND, V1, V2, cluster, status, version
from tests.core.worlds import Fakes


def reason(fakes: Fakes) -> Reason:
    return fakes.status.reason


def steps(fakes: Fakes) -> list[str]:
    return [step.name for step in fakes.records.steps]


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"held": True}, Reason.ON_HOLD),
        ({"key_version": None}, Reason.FOLLOWS_NEWEST_ITSELF),
        ({"key_name": "another"}, Reason.KEY_NOT_FOUND),
        ({"state": "Updating"}, Reason.CLUSTER_BUSY),
    ],
)
def test_a_cluster_that_changes_while_the_update_is_prepared_is_left_alone(
    change: dict[str, Any], outcome: Reason
) -> None:
    fakes = Fakes()

    def somebody_acts(row: Rotation | ClusterStatus) -> None:
        if isinstance(row, Rotation) and row.stage is Stage.UPDATING:
            fakes.clusters.there[CLUSTER] = cluster(**change)

    fakes.records.before_save = somebody_acts
    fakes.visit()
    assert fakes.clusters.sent == []
    assert reason(fakes) is outcome
    assert steps(fakes)[:2] == ["claimed", "not sent"]
    assert fakes.rotation.stage is Stage.WAITING or fakes.finished == [Stage.SUPERSEDED]


def test_a_version_that_is_disabled_while_the_update_is_prepared_is_not_gone_around() -> None:
    fakes = Fakes()

    def somebody_revokes(row: Rotation | ClusterStatus) -> None:
        if isinstance(row, Rotation):
            fakes.keys.listed[KEY] = (version(V1, enabled=False), version(V2))

    fakes.records.before_save = somebody_revokes
    fakes.visit()
    assert (fakes.clusters.sent, reason(fakes)) == ([], Reason.IN_USE_DISABLED)


def test_an_update_is_not_sent_when_its_claim_would_lapse_before_azure_has_answered() -> None:
    fakes = Fakes()

    def storage_is_slow(row: Rotation | ClusterStatus) -> None:
        if isinstance(row, Rotation):
            fakes.clock.now += 90 * SECOND

    fakes.records.before_save = storage_is_slow
    fakes.visit()
    assert fakes.clusters.sent == []
    assert fakes.rotation.stage is Stage.WAITING
    fakes.records.before_save = None
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    assert len(fakes.clusters.sent) == 1


def test_a_claim_that_cannot_be_taken_back_lapses() -> None:
    fakes = Fakes()
    fakes.records.put(status())

    def somebody_acts(row: Rotation | ClusterStatus) -> None:
        if isinstance(row, Rotation) and row.stage is Stage.UPDATING:
            fakes.clusters.there[CLUSTER] = cluster(held=True)
        elif isinstance(row, Rotation):
            raise StorageUnavailableError("save_rotation")

    fakes.records.before_save = somebody_acts
    fakes.visit()
    assert (fakes.clusters.sent, fakes.rotation.stage) == ([], Stage.UPDATING)
    fakes.records.before_save = None
    fakes.clusters.there[CLUSTER] = cluster()
    fakes.run(HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
