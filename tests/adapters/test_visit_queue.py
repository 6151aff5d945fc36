import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from azure.identity import ManagedIdentityCredential
from azure.storage.queue import QueueClient

from cmk_rotation.adapters.visit_queue import POISON_QUEUE, QUEUE, QueueRequests
from cmk_rotation.config.settings import Storage
from cmk_rotation.controller.ports import StorageUnavailableError
from cmk_rotation.domain.identifiers import Key
from cmk_rotation.domain.visit_message import PoisonQueue, VisitRequest, from_text
from cmk_rotation.domain.vocabulary import RequestedBy
from simulator.azure import Azure
from simulator.storage.accounts import StorageAccount
from simulator.wire.faults import Fault, FaultKind

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
VISIT = VisitRequest(RequestedBy.EVENT, NOW, key=Key("contoso.vault.azure.net", "la-cmk"), event_id="e-1")


def test_a_request_is_a_message_in_base64_that_never_expires(account: StorageAccount, requests: QueueRequests) -> None:
    requests.request(VISIT)
    (message,) = account.queues.messages(QUEUE)
    assert from_text(base64.b64decode(message.text).decode(), NOW) == VISIT
    assert json.loads(base64.b64decode(message.text))["requestedAt"] == "2026-05-04T12:00:00.000Z"
    assert message.expires_at.year == 9999


@pytest.mark.parametrize(
    ("after", "seconds"),
    [
        (timedelta(seconds=-5), 0),
        (timedelta(seconds=59.001), 60),
        (timedelta(minutes=5), 300),
        (timedelta(days=30), 7 * 86_400),
    ],
)
def test_a_wait_is_in_whole_seconds_and_within_azures_limit(
    azure: Azure, account: StorageAccount, requests: QueueRequests, after: timedelta, seconds: int
) -> None:
    before = azure.clock.now()
    requests.request(VISIT, after)
    (message,) = account.queues.messages(QUEUE)
    waits = (message.due_at - before).total_seconds()
    assert seconds - 1 <= waits <= seconds + 10


def test_the_queue_is_made_when_it_is_missing_and_not_asked_for_again(azure: Azure, requests: QueueRequests) -> None:
    requests.request(VISIT)
    requests.request(VISIT)
    assert [(exchange.method, exchange.status) for exchange in azure.exchanges if "queue" in exchange.host] == [
        ("POST", 404),
        ("PUT", 201),
        ("POST", 201),
        ("POST", 201),
    ]


def test_a_lost_answer_costs_one_message_more_at_worst(
    azure: Azure, account: StorageAccount, requests: QueueRequests
) -> None:
    requests.request(VISIT)
    azure.faults.add(Fault(kind=FaultKind.RESET_AFTER, host="*queue*"))
    requests.request(VISIT)
    assert len(account.queues.messages(QUEUE)) == 3


def test_a_queue_that_refuses_is_unavailable_storage(azure: Azure, requests: QueueRequests) -> None:
    azure.rights.deny("function", "Microsoft.Storage/storageAccounts/queueServices/*")
    with pytest.raises(StorageUnavailableError, match="AuthorizationPermissionMismatch"):
        requests.request(VISIT)


def test_a_connection_string_serves_too(azure: Azure) -> None:
    account = azure.storage_account("keyed")
    requests = QueueRequests(Storage(connection_string=account.connection_string))
    requests.request(VISIT)
    assert len(account.queues.messages(QUEUE)) == 1


def test_a_poison_queue_that_was_never_made_is_empty(requests: QueueRequests) -> None:
    assert requests.poison_queue() == PoisonQueue(0)


def test_what_lies_in_the_poison_queue_is_counted_also_while_the_host_has_it_in_hand(
    azure: Azure, account: StorageAccount, requests: QueueRequests
) -> None:
    account.queues.put(POISON_QUEUE, "not base64!")
    account.queues.put(POISON_QUEUE, "nor this!")
    with QueueClient(
        "https://contosofn.queue.core.windows.net", POISON_QUEUE, credential=ManagedIdentityCredential()
    ) as host:
        assert host.receive_message(visibility_timeout=600) is not None
    assert requests.poison_queue() == PoisonQueue(2)
    since = azure.clock.now()
    requests.note_poison(since)
    azure.clock.sleep(3_600)
    assert requests.poison_queue() == PoisonQueue(2, since)
    requests.note_poison(None)
    assert requests.poison_queue() == PoisonQueue(2)


@pytest.mark.parametrize("text", ["soon", "2026-03-02T08:00:00"])
def test_a_time_at_the_poison_queue_that_makes_no_sense_is_none(
    account: StorageAccount, requests: QueueRequests, text: str
) -> None:
    account.queues.put(POISON_QUEUE, "not base64!")
    with QueueClient(
        "https://contosofn.queue.core.windows.net", POISON_QUEUE, credential=ManagedIdentityCredential()
    ) as other:
        other.set_queue_metadata({"cmkrotationsince": text})
    assert requests.poison_queue() == PoisonQueue(1)


def test_a_poison_queue_that_cannot_be_read_is_unavailable_storage(azure: Azure, requests: QueueRequests) -> None:
    azure.rights.deny("function", "Microsoft.Storage/storageAccounts/queueServices/*")
    with pytest.raises(StorageUnavailableError, match="AuthorizationPermissionMismatch"):
        requests.poison_queue()
    with pytest.raises(StorageUnavailableError, match="AuthorizationPermissionMismatch"):
        requests.note_poison(None)
