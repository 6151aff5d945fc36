from datetime import UTC, datetime

import pytest

from cmk_rotation.adapters.outcomes import TopicOutcomes
from cmk_rotation.controller.ports import AzureCallError
from cmk_rotation.domain.vocabulary import FailureKind
from simulator.azure import Azure
from simulator.eventgrid.topics import Topic
from simulator.wire.faults import Fault, FaultKind

AT = datetime(2026, 5, 4, 12, tzinfo=UTC)


def publish(outcomes: TopicOutcomes) -> None:
    outcomes.publish(id="cluster-v2-1", subject="/subscriptions/s", time=AT, data={"stage": "succeeded"})


def test_an_outcome_is_one_cloud_event(topic: Topic, outcomes: TopicOutcomes) -> None:
    publish(outcomes)
    (event,) = topic.events
    assert event.pop("time").startswith("2026-05-04T12:00:00")
    assert event == {
        "id": "cluster-v2-1",
        "source": "/cmk-rotation/fn-cmk",
        "specversion": "1.0",
        "type": "CmkRotation.RotationFinished",
        "subject": "/subscriptions/s",
        "data": {"stage": "succeeded"},
    }


def test_a_repeated_outcome_keeps_its_id(azure: Azure, topic: Topic, outcomes: TopicOutcomes) -> None:
    azure.faults.add(Fault(kind=FaultKind.RESET_AFTER, host=topic.host))
    publish(outcomes)
    assert [event["id"] for event in topic.events] == ["cluster-v2-1"] * 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, FailureKind.REFUSED),
        (401, FailureKind.REFUSED),
        (403, FailureKind.REFUSED),
        (404, FailureKind.NOT_FOUND),
        (413, FailureKind.REFUSED),
        (429, FailureKind.UNAVAILABLE),
        (503, FailureKind.UNAVAILABLE),
    ],
)
def test_a_topic_that_does_not_take_it_says_what_that_means(
    azure: Azure, topic: Topic, outcomes: TopicOutcomes, status: int, kind: FailureKind
) -> None:
    azure.faults.add(Fault(kind=FaultKind.ANSWER, host=topic.host, status=status, times=None))
    with pytest.raises(AzureCallError) as error:
        publish(outcomes)
    assert error.value.failure.kind is kind


def test_a_long_retry_after_is_told_and_not_slept(azure: Azure, topic: Topic, outcomes: TopicOutcomes) -> None:
    headers = {"Retry-After": "900"}
    azure.faults.add(Fault(kind=FaultKind.ANSWER, host=topic.host, status=503, headers=headers, times=None))
    with pytest.raises(AzureCallError) as error:
        publish(outcomes)
    assert error.value.failure.retry_after is not None
    assert error.value.failure.retry_after.total_seconds() == 900
    assert sum(exchange.host == topic.host for exchange in azure.exchanges) == 1
