from datetime import UTC, datetime

import pytest
import requests
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent, EventGridPublisherClient
from azure.identity import ManagedIdentityCredential

from simulator.azure import FUNCTION, Azure
from tests.patience import HANG


def finished(note: str) -> CloudEvent[dict[str, str]]:
    return CloudEvent(source="/test", type="Test.Finished", data={"note": note})


def test_the_sdk_publishes_cloud_events_with_a_token(azure: Azure, credential: ManagedIdentityCredential) -> None:
    topic = azure.add_topic("outcomes")
    with EventGridPublisherClient(topic.endpoint, credential) as client:
        client.send([finished("one"), finished("two")])
        client.send(finished("one"))
    assert [event["data"]["note"] for event in topic.events] == ["one", "two", "one"]
    assert topic.endpoint == "https://outcomes.westeurope-1.eventgrid.azure.net/api/events"


def test_the_sdk_publishes_in_the_event_grid_schema_with_a_key(azure: Azure) -> None:
    topic = azure.add_topic("outcomes", cloud_events=False)
    with EventGridPublisherClient(topic.endpoint, AzureKeyCredential(topic.key)) as client:
        client.send(EventGridEvent("s", "Test.Finished", {"a": 1}, "1", event_time=datetime(2026, 1, 1, tzinfo=UTC)))
    assert topic.events[0]["eventType"] == "Test.Finished"


def test_a_topic_takes_one_schema_only(azure: Azure, credential: ManagedIdentityCredential) -> None:
    topic = azure.add_topic("outcomes", cloud_events=False)
    with EventGridPublisherClient(topic.endpoint, credential) as client, pytest.raises(HttpResponseError) as refused:
        client.send(finished("one"))
    assert refused.value.status_code == 400
    assert topic.events == []


def test_a_wrong_key_and_a_key_where_none_is_allowed_are_refused(azure: Azure) -> None:
    topic = azure.add_topic("outcomes")
    wrong, right = (EventGridPublisherClient(topic.endpoint, AzureKeyCredential(key)) for key in ("wrong", topic.key))
    with wrong, pytest.raises(ClientAuthenticationError):
        wrong.send(finished("one"))
    topic.local_authentication = False
    with right, pytest.raises(ClientAuthenticationError):
        right.send(finished("one"))
    assert requests.post(topic.endpoint, "[]", timeout=HANG).status_code == 401
    assert requests.get(topic.endpoint, timeout=HANG).status_code == 404
    assert topic.events == []


def test_a_principal_without_the_right_may_not_send(azure: Azure, credential: ManagedIdentityCredential) -> None:
    topic = azure.add_topic("outcomes")
    azure.rights.deny(FUNCTION, "Microsoft.EventGrid/*", topic.resource_id)
    with EventGridPublisherClient(topic.endpoint, credential) as client, pytest.raises(HttpResponseError) as refused:
        client.send(finished("one"))
    assert refused.value.status_code == 403


def test_more_than_a_megabyte_is_too_large(azure: Azure, credential: ManagedIdentityCredential) -> None:
    topic = azure.add_topic("outcomes")
    with EventGridPublisherClient(topic.endpoint, credential) as client, pytest.raises(HttpResponseError) as refused:
        client.send(finished("x" * 1_048_576))
    assert refused.value.status_code == 413
    assert topic.events == []


@pytest.mark.parametrize("body", ["", "{}", "[1]", '[{"id": "1"}]'])
def test_what_is_not_a_batch_of_events_is_refused(azure: Azure, body: str) -> None:
    topic = azure.add_topic("outcomes")
    headers = {"aeg-sas-key": topic.key, "Content-Type": "application/cloudevents-batch+json"}
    assert requests.post(topic.endpoint, body, headers=headers, timeout=HANG).status_code == 400
    assert topic.events == []
