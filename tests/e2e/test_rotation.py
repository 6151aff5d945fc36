"""A key rotates, and its clusters follow: the main job on the real runtime, in all of Azure's ways to answer."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from simulator.azure import SUBSCRIPTION, Azure
from simulator.clouds import CUSTOM, US_GOVERNMENT, Cloud
from simulator.eventgrid.subscriptions import Schema
from simulator.operationalinsights.behaviour import AcceptedHeaders, Behaviour, OperationReading, Outcome
from tests.e2e.stage import stage
from tests.e2e.worlds import one_cluster, one_cluster_and_a_topic

QUICK = Behaviour(update_seconds=120, retry_after=5)


def test_an_event_moves_a_cluster_to_the_new_version_and_the_proof_is_on_record(tmp_path: Path) -> None:
    with stage(tmp_path, build=one_cluster) as story:
        (cluster,) = story.azure.arm.clusters.values()
        workspace = story.azure.add_workspace("ws-1", cluster)
        assert cluster.key is not None
        old = cluster.key.version
        new = story.rotate()
        row = story.finished(cluster, new)
        patches = story.patches(cluster)
        line = story.lines("rotation.finished")[0]
        history = story.history(cluster, new)

    assert cluster.key.version == new
    assert (row["stage"], row["reason"], row["verified"]) == ("succeeded", "update-confirmed", True)
    assert (row["fromVersion"], row["toVersion"], row["attempts"]) == (old, new, 1)
    assert row["requestedBy"] == "event"
    assert row["eventId"] == story.azure.event_grid.published[-1]["id"]
    assert row["keepOldVersionUntil"] > row["finishedAt"]
    assert "operationUrl" not in row, "the signed URL is blanked when the rotation ends"
    assert row["operationId"]
    assert workspace.id in json.dumps(row, default=str)
    assert len(patches) == 1
    assert json.loads(patches[0].request_body) == {
        "properties": {
            "keyVaultProperties": {
                "keyVaultUri": "https://contoso.vault.azure.net/",
                "keyName": "la-cmk",
                "keyVersion": new,
            }
        }
    }
    assert patches[0].request_headers["x-ms-client-request-id"] == row["attemptId"]
    assert row["correlationId"] == (patches[0].response_headers or {})["x-ms-correlation-request-id"]
    assert line["level"] == "Information"
    assert line["message"].startswith(f"cluster-a: key la-cmk, {old} → {new}")
    assert history[0] == "claimed"
    assert history[1] == "accepted"
    assert history[-1] == "finished"


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        pytest.param(QUICK, "update-confirmed", id="202 with both headers"),
        pytest.param(replace(QUICK, accepted_status=200), "update-confirmed", id="200 with both headers"),
        pytest.param(
            replace(QUICK, accepted_status=200, accepted_headers=AcceptedHeaders.AZURE_ASYNC_OPERATION),
            "update-confirmed",
            id="200 with Azure-AsyncOperation, as documented of old",
        ),
        pytest.param(replace(QUICK, regional_operation_url=True), "update-confirmed", id="a regional operation URL"),
        pytest.param(replace(QUICK, accepted_body=False), "update-confirmed", id="an empty body"),
        pytest.param(
            replace(QUICK, accepted_headers=AcceptedHeaders.LOCATION),
            "confirmed-by-cluster",
            id="Location only, which is not of the documented path",
        ),
        pytest.param(
            replace(QUICK, accepted_headers=AcceptedHeaders.NONE), "confirmed-by-cluster", id="202 without headers"
        ),
        pytest.param(
            replace(QUICK, accepted_status=200, accepted_headers=AcceptedHeaders.NONE),
            "confirmed-by-cluster",
            id="200 without headers",
        ),
        pytest.param(
            replace(QUICK, reading=OperationReading.NOT_FOUND), "confirmed-by-cluster", id="an operation not found"
        ),
        pytest.param(
            replace(QUICK, reading=OperationReading.FORBIDDEN), "confirmed-by-cluster", id="an operation forbidden"
        ),
        pytest.param(replace(QUICK, reading=OperationReading.EMPTY), "confirmed-by-cluster", id="an empty status"),
        pytest.param(
            replace(QUICK, state_while_running="Succeeded", new_key_while_running=True),
            "update-confirmed",
            id="a cluster that shows the new key before it is in use",
        ),
        pytest.param(
            replace(QUICK, state_while_running="Succeeded"), "update-confirmed", id="a cluster that seems at rest"
        ),
        pytest.param(replace(QUICK, stale_seconds=200.0), "update-confirmed", id="reads that lag behind"),
        pytest.param(
            replace(QUICK, outcome=Outcome.FAILED, final_state="Succeeded", key_applied=True),
            "confirmed-despite-operation",
            id="an operation failed and the cluster arrived",
        ),
        pytest.param(replace(QUICK, dirty_ids=True), "update-confirmed", id="ids in another casing"),
    ],
)
def test_an_update_is_proven_whatever_azure_answers(tmp_path: Path, behaviour: Behaviour, reason: str) -> None:
    with stage(tmp_path, behaviour=behaviour, build=one_cluster) as story:
        (cluster,) = story.azure.arm.clusters.values()
        row = story.finished(cluster, story.rotate())
        assert (row["stage"], row["reason"]) == ("succeeded", reason)
        assert len(story.patches(cluster)) == 1


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        pytest.param(replace(QUICK, outcome=Outcome.FAILED), "update-failed", id="the operation failed"),
        pytest.param(
            replace(QUICK, outcome=Outcome.FAILED, nested_error=False), "update-failed", id="with a flat error"
        ),
        pytest.param(replace(QUICK, outcome=Outcome.CANCELED), "update-failed", id="the operation was canceled"),
        pytest.param(replace(QUICK, final_state="Failed"), "cluster-failed", id="the cluster is Failed nevertheless"),
        pytest.param(replace(QUICK, key_applied=False), "read-back-differs", id="another version is read back"),
    ],
)
def test_an_update_that_did_not_work_is_called_out_with_what_to_do(
    tmp_path: Path, behaviour: Behaviour, reason: str
) -> None:
    with stage(tmp_path, behaviour=behaviour, build=one_cluster) as story:
        (cluster,) = story.azure.arm.clusters.values()
        row = story.finished(cluster, story.rotate())
        assert (row["stage"], row["reason"], row["verified"]) == ("failed", reason, False)
        status = story.reason(cluster, reason)
        (line,) = story.lines("rotation.finished")
    assert line["level"] == "Error"
    assert line["remedy"] == row["remedy"] == status["remedy"]
    assert "tried again after" in status["message"]


@pytest.mark.parametrize(
    ("cloud", "settings"),
    [
        (US_GOVERNMENT, {"AZURE_CLOUD": "AzureUSGovernment"}),
        (
            CUSTOM,
            {
                "AZURE_CLOUD": "Custom",
                "ARM_ENDPOINT": "https://management.sovereign.example",
                "ARM_AUDIENCE": "https://arm.sovereign.example",
                "KEY_VAULT_SUFFIXES": "vault.sovereign.example, managedhsm.sovereign.example",
            },
        ),
    ],
    ids=["US Government", "a custom cloud"],
)
def test_a_rotation_in_another_cloud(tmp_path: Path, cloud: Cloud, settings: dict[str, str]) -> None:
    with stage(tmp_path, cloud=cloud, settings=settings, build=one_cluster, behaviour=QUICK) as story:
        (cluster,) = story.azure.arm.clusters.values()
        row = story.finished(cluster, story.rotate())
        assert (row["stage"], row["reason"]) == ("succeeded", "update-confirmed")


@pytest.mark.parametrize(
    "storage",
    [
        {"AzureWebJobsStorage__accountName": "cmkrotation"},
        {
            "AzureWebJobsStorage__blobServiceUri": "https://cmkrotation.blob.core.windows.net",
            "AzureWebJobsStorage__queueServiceUri": "https://cmkrotation.queue.core.windows.net",
            "AzureWebJobsStorage__tableServiceUri": "https://cmkrotation.table.core.windows.net",
            "AzureWebJobsStorage__credential": "managedidentity",
        },
    ],
    ids=["by account name", "by service URIs"],
)
def test_a_rotation_with_storage_that_takes_no_keys(tmp_path: Path, storage: dict[str, str]) -> None:
    with stage(tmp_path, settings=storage, keyless=True, build=one_cluster, behaviour=QUICK) as story:
        (cluster,) = story.azure.arm.clusters.values()
        row = story.finished(cluster, story.rotate())
        assert row["stage"] == "succeeded"


def test_a_cloud_event_serves_as_well_and_an_outcome_is_published(tmp_path: Path) -> None:
    settings = {"OUTCOME_TOPIC_ENDPOINT": "https://outcomes.westeurope-1.eventgrid.azure.net/api/events"}
    with stage(
        tmp_path, schema=Schema.CLOUD_EVENTS, settings=settings, build=one_cluster_and_a_topic, behaviour=QUICK
    ) as story:
        (cluster,) = story.azure.arm.clusters.values()
        new = story.rotate()
        row = story.finished(cluster, new)
        (event,) = story.azure.topics["outcomes"].events
    assert event["type"] == "CmkRotation.RotationFinished"
    assert event["subject"] == cluster.id
    assert event["data"]["toVersion"] == new
    assert event["data"]["reason"] == row["reason"]
    assert "operationUrl" not in event["data"]


def test_a_key_in_a_managed_hsm_has_no_events_and_is_served_by_reconcile(tmp_path: Path) -> None:
    def with_hsm(azure: Azure) -> None:
        azure.add_vault("vaulted", hsm=True)
        azure.add_key("vaulted", "hsm-cmk")
        azure.add_cluster("cluster-hsm", key=azure.pinned("vaulted", "hsm-cmk"))

    with stage(tmp_path, build=with_hsm, behaviour=QUICK) as story:
        (cluster,) = story.azure.arm.clusters.values()
        new = story.rotate("vaulted", "hsm-cmk")
        assert story.azure.event_grid.published[-1]["subject"] != "hsm-cmk"
        story.reconcile()
        row = story.finished(cluster, new)
        assert (row["requestedBy"], row["reason"]) == ("reconcile", "update-confirmed")


def test_fifty_clusters_on_one_key_all_follow(tmp_path: Path) -> None:
    def fleet(azure: Azure) -> None:
        for number in range(50):
            azure.add_cluster(
                f"cluster-{number:02}", key=azure.pinned("contoso", "la-cmk"), resource_group=f"rg-{number % 7}"
            )

    with stage(tmp_path, build=fleet, races=True, behaviour=Behaviour(update_seconds=60, retry_after=5)) as story:
        clusters = list(story.azure.arm.clusters.values())
        new = story.rotate()
        for cluster in clusters:
            story.finished(cluster, new)
        assert all(len(story.patches(cluster)) == 1 for cluster in clusters)
        assert len(story.lines("rotation.finished")) == 50
        assert story.poisoned() == 0
        # Of clusters that leave the old version at the same moment, each may have seen another still there.
        story.reconcile()
        story.until(
            lambda: any(row.get("keepOldVersionUntil") for row in story.rows()),
            "somebody to say until when the old version must stay",
        )


def test_a_cluster_in_another_subscription_follows_too(tmp_path: Path) -> None:
    other = "9f3c1d2e-0000-4000-8000-00000000abcd"

    def two_subscriptions(azure: Azure) -> None:
        one_cluster(azure)
        azure.add_cluster("cluster-b", key=azure.pinned("contoso", "la-cmk"), subscription=other, resource_group="rg-b")

    scopes = {"CLUSTER_SCOPES": f"/SUBSCRIPTIONS/{SUBSCRIPTION.upper()}\n/subscriptions/{other}/resourceGroups/RG-B"}
    with stage(tmp_path, build=two_subscriptions, settings=scopes, behaviour=QUICK) as story:
        new = story.rotate()
        for cluster in story.azure.arm.clusters.values():
            assert story.finished(cluster, new)["stage"] == "succeeded"
