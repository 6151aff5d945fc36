import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from werkzeug.wrappers import Response

from cmk_rotation import bootstrap, clock
from cmk_rotation.config.settings import InvalidSettingsError, read
from cmk_rotation.controller.ports import StorageUnavailableError
from cmk_rotation.domain.cluster_record import ClusterStatus
from cmk_rotation.domain.identifiers import ClusterId, Key
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import Mode, Reason, RequestedBy
from simulator.azure import SUBSCRIPTION, Azure
from simulator.eventgrid.topics import Topic
from simulator.operationalinsights import clusters

SDKS = ("azure", "msal", "urllib3")
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def app(azure: Azure, topic: Topic, monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """The environment of a function app whose storage takes tokens only."""
    azure.storage_account("contosofn", keyless=True)
    told = {
        "CLUSTER_SCOPES": f"/subscriptions/{SUBSCRIPTION}",
        "MODE": "enforce",
        "AzureWebJobsStorage__accountName": "contosofn",
        "OUTCOME_TOPIC_ENDPOINT": topic.endpoint,
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    levels = {name: logging.getLogger(name).level for name in SDKS}
    bootstrap.function_world.cache_clear()
    yield azure
    bootstrap.function_world.cache_clear()
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.usefixtures("app")
def test_building_a_world_calls_nothing_and_is_done_once(azure: Azure) -> None:
    world = bootstrap.function_world()
    assert bootstrap.function_world() is world
    assert not azure.exchanges
    assert world.mode is Mode.ENFORCE
    assert world.arm_host == "management.azure.com"
    assert ".vault.azure.net" in world.vault_suffixes
    assert world.new_id() != world.new_id()


def test_the_world_of_the_function_reaches_every_service(app: Azure, cluster: clusters.Cluster, topic: Topic) -> None:
    world = bootstrap.function_world()
    (found,) = world.clusters.in_scope(world.scopes[0]).clusters
    assert found.id.text == cluster.id
    assert found.key is not None
    assert len(world.keys.versions(found.key)) == 1
    world.records.save_status(ClusterStatus(found.id, found.mode, Reason.UP_TO_DATE, NOW, "", None, NOW))
    assert world.records.everything().keys() == {ClusterId.parse(cluster.id)}
    world.requests.request(VisitRequest(RequestedBy.FOLLOW, NOW, cluster=found.id))
    assert world.outcomes is not None
    world.outcomes.publish(id="1", subject=cluster.id, time=NOW, data={})
    assert len(topic.events) == 1
    assert len(app.storage_account("contosofn").queues.messages("cluster-visits")) == 1


def test_the_sdks_say_nothing_from_the_first_line_on_and_no_signature_is_logged(
    app: Azure, cluster: clusters.Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world = bootstrap.function_world()
    (found,) = world.clusters.in_scope(world.scopes[0]).clusters
    new = app.vault("contoso").rotate("la-cmk").version
    url = world.clusters.set_key_version(found, new, "attempt").operation_url
    assert url is not None
    assert world.clusters.operation(found.id, url).status
    assert world.records.everything() == {}
    assert cluster.operation is not None
    assert cluster.operation.secret not in caplog.text
    assert [record.name for record in caplog.records if record.name.partition(".")[0] in SDKS] == []


def test_the_sdks_say_nothing_of_an_answer_that_they_cannot_read(app: Azure, caplog: pytest.LogCaptureFixture) -> None:
    world = bootstrap.function_world()
    headers = {"Content-Type": "application/xml"}
    app.server.hosts["contosofn.queue.core.windows.net"] = lambda _: Response("<html", 404, headers)
    with pytest.raises(StorageUnavailableError):
        world.requests.request(VisitRequest(RequestedBy.FOLLOW, NOW))
    assert [record.name for record in caplog.records if record.name.partition(".")[0] in SDKS] == []


def test_the_command_line_is_as_quiet(
    app: Azure, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert app.server.port
    monkeypatch.setenv("AZURE_CLIENT_ID", "7b7e0b3c-4f0e-4c6f-9b87-0123456789ab")
    caplog.set_level(logging.DEBUG)
    bootstrap.operator_world(read(os.environ))
    assert [record.name for record in caplog.records if record.name.partition(".")[0] in SDKS] == []


@pytest.mark.usefixtures("app")
def test_the_clock_is_the_one_that_stands_when_the_world_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "utc_now", lambda: NOW)
    assert bootstrap.function_world().now() == NOW


@pytest.mark.usefixtures("app")
def test_without_a_topic_no_outcome_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OUTCOME_TOPIC_ENDPOINT")
    assert bootstrap.function_world().outcomes is None


@pytest.mark.usefixtures("app")
def test_invalid_settings_are_told_at_every_call_until_they_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODE", "maybe")
    for _ in range(2):
        with pytest.raises(InvalidSettingsError, match="MODE"):
            bootstrap.function_world()
    monkeypatch.setenv("MODE", "observe")
    assert bootstrap.function_world().mode is Mode.OBSERVE


@pytest.mark.parametrize("by", ["clientId", "managedIdentityResourceId"])
def test_the_storage_may_be_used_under_an_identity_of_its_own(
    app: Azure, cluster: clusters.Cluster, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    assert cluster.key is not None
    app.identities.add("storage-user")
    named = app.identities.client_id if by == "clientId" else app.identities.resource_id
    monkeypatch.setenv(f"AzureWebJobsStorage__{by}", named("storage-user"))
    app.rights.deny("function", "Microsoft.Storage/*")
    app.rights.deny("storage-user", "Microsoft.OperationalInsights/*")
    app.rights.deny("storage-user", "Microsoft.KeyVault/*")
    world = bootstrap.function_world()
    assert world.records.everything() == {}
    assert len(world.clusters.in_scope(world.scopes[0]).clusters) == 1
    assert world.keys.versions(Key("contoso.vault.azure.net", "la-cmk"))
