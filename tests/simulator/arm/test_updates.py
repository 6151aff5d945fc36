"""How an accepted update goes, as the SDK sees it, in every variant."""

import json
import re
from dataclasses import dataclass

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential
from azure.mgmt.loganalytics import LogAnalyticsManagementClient
from azure.mgmt.loganalytics.models import Cluster as ClusterModel

from simulator.azure import FUNCTION, LOCATION, RESOURCE_GROUP, SUBSCRIPTION, Azure
from simulator.clock.running import RunningClock
from simulator.clouds import CHINA, CUSTOM, PUBLIC, US_GOVERNMENT, Cloud
from simulator.operationalinsights.behaviour import AcceptedHeaders, Behaviour, KeyCheck, OperationReading, Outcome
from simulator.operationalinsights.clusters import Cluster, Operation
from simulator.wire.exchanges import Exchange
from tests.patience import HANG
from tests.simulator.arm.test_clusters import patch_to, send


def shown(arm: LogAnalyticsManagementClient) -> tuple[str | None, str | None]:
    """The state and key version that a GET shows."""
    properties = arm.clusters.get(RESOURCE_GROUP, "Cluster-1").properties
    assert properties is not None
    assert properties.key_vault_properties is not None
    return properties.provisioning_state, properties.key_vault_properties.key_version


def requests_take_a_second(azure: Azure) -> None:
    """Of simulated time, which otherwise stands still while the SDK's own poller reads again and again."""
    azure.server.before_effect.append(lambda _: azure.clock.hold(1.0, lambda: True))


@dataclass(frozen=True)
class Scene:
    """A cluster on the `old` version of a key that also has a `new` one."""

    azure: Azure
    cluster: Cluster
    arm: LogAnalyticsManagementClient
    credential: ManagedIdentityCredential
    old: str
    new: str

    def update(self, behaviour: Behaviour | None = None) -> Operation:
        self.cluster.behaviour = behaviour
        send(self.arm, patch_to(self.new))
        assert self.cluster.operation is not None
        return self.cluster.operation

    def finish(self) -> None:
        self.azure.arm.finish_update(self.cluster)

    @property
    def shown(self) -> tuple[str | None, str | None]:
        return shown(self.arm)

    @property
    def accepted(self) -> Exchange:
        return next(it for it in self.azure.exchanges if it.method == "PATCH")

    def read_operation(self, secret: str | None = None) -> requests.Response:
        """Read the operation at the URL that ARM gave, or at one with another secret."""
        assert self.accepted.response_headers is not None
        url = self.accepted.response_headers["Azure-AsyncOperation"]
        assert "t=%2A%2A%2A&" in url, "what is remembered has no signature"
        (operation,) = self.azure.arm.operations.values()
        url = re.sub("&t=[^&]*", f"&t={operation.secret if secret is None else secret}", url)
        token = self.credential.get_token("https://management.azure.com/.default").token
        return requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=HANG)


@pytest.fixture
def scene(
    azure: Azure, cluster: Cluster, arm: LogAnalyticsManagementClient, credential: ManagedIdentityCredential
) -> Scene:
    assert cluster.key is not None
    new = azure.vault("contoso").rotate("la-cmk").version
    return Scene(azure, cluster, arm, credential, cluster.key.version, new)


def test_the_sdk_follows_an_update_to_its_end(scene: Scene) -> None:
    scene.azure.behaviour = Behaviour(update_seconds=5, retry_after=None)
    requests_take_a_second(scene.azure)
    model = scene.arm.clusters.begin_update(RESOURCE_GROUP, "Cluster-1", patch_to(scene.new)).result()
    assert isinstance(model, ClusterModel)
    assert model.id == scene.cluster.id
    assert scene.shown == ("Succeeded", scene.new)
    reads = [it.response_body for it in scene.azure.exchanges if "/operationstatuses/" in it.path.lower()]
    statuses = [json.loads(body)["status"] for body in reads]
    assert statuses[0] == "InProgress"
    assert "Updating" in statuses
    assert statuses[-1] == "Succeeded"


@pytest.mark.parametrize("status", [200, 202])
@pytest.mark.parametrize("body", [True, False])
@pytest.mark.parametrize(
    ("headers", "names"),
    [
        (AcceptedHeaders.BOTH, {"Azure-AsyncOperation", "Location", "Retry-After"}),
        (AcceptedHeaders.AZURE_ASYNC_OPERATION, {"Azure-AsyncOperation", "Retry-After"}),
        (AcceptedHeaders.LOCATION, {"Location", "Retry-After"}),
        (AcceptedHeaders.NONE, set()),
    ],
)
def test_the_answer_to_an_accepted_update_can_be_chosen(
    scene: Scene, *, status: int, body: bool, headers: AcceptedHeaders, names: set[str]
) -> None:
    scene.update(Behaviour(accepted_status=status, accepted_headers=headers, accepted_body=body, retry_after=17))
    assert scene.accepted.status == status
    answered = scene.accepted.response_headers
    assert answered is not None
    assert {"Azure-AsyncOperation", "Location", "Retry-After"} & set(answered) == names
    assert answered.get("Retry-After", "17") == "17"
    assert bool(scene.accepted.response_body) == body
    assert scene.shown[0] == "Updating"


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.FAILED])
def test_an_update_is_followed_by_its_location(scene: Scene, outcome: Outcome) -> None:
    requests_take_a_second(scene.azure)
    scene.cluster.behaviour = Behaviour(
        update_seconds=5,
        accepted_headers=AcceptedHeaders.LOCATION,
        accepted_body=False,
        retry_after=None,
        outcome=outcome,
    )
    poller = scene.arm.clusters.begin_update(RESOURCE_GROUP, "Cluster-1", patch_to(scene.new))
    if outcome is Outcome.SUCCEEDED:
        poller.result()
    else:
        with pytest.raises(HttpResponseError):
            poller.result()
    polls = [it.status for it in scene.azure.exchanges if "/operationresults/" in it.path.lower()]
    assert polls[0] == 202
    assert polls[-1] == (200 if outcome is Outcome.SUCCEEDED else 400)


@pytest.mark.parametrize("state", ["Updating", "Succeeded"])
@pytest.mark.parametrize("early", [True, False])
def test_what_a_get_shows_meanwhile_can_be_chosen(scene: Scene, *, state: str, early: bool) -> None:
    scene.update(Behaviour(state_while_running=state, new_key_while_running=early))
    assert scene.shown == (state, scene.new if early else scene.old)
    scene.finish()
    assert scene.shown == ("Succeeded", scene.new)


def test_a_get_may_be_stale_after_the_end_and_the_update_is_in_effect_all_the_same(scene: Scene) -> None:
    scene.update(Behaviour(stale_seconds=60))
    scene.finish()
    assert scene.shown == ("Succeeded", scene.old)
    scene.cluster.behaviour = Behaviour(outcome=Outcome.FAILED, stale_seconds=60)
    send(scene.arm, patch_to(scene.azure.vault("contoso").rotate("la-cmk").version))
    scene.finish()
    assert scene.shown == ("Failed", scene.new)


def test_a_stale_get_becomes_fresh(scene: Scene) -> None:
    scene.update(Behaviour(stale_seconds=0.5))
    scene.finish()
    assert scene.shown[1] == scene.old
    scene.azure.clock.sleep(0.6)
    assert scene.shown[1] == scene.new


@pytest.mark.parametrize(
    ("behaviour", "state", "applied"),
    [
        (Behaviour(outcome=Outcome.FAILED), "Failed", False),
        (Behaviour(outcome=Outcome.CANCELED), "Failed", False),
        (Behaviour(outcome=Outcome.FAILED, final_state="Succeeded"), "Succeeded", False),
        (Behaviour(outcome=Outcome.FAILED, final_state="Succeeded", key_applied=True), "Succeeded", True),
        (Behaviour(outcome=Outcome.SUCCEEDED, final_state="Failed"), "Failed", True),
        (Behaviour(outcome=Outcome.SUCCEEDED, key_applied=False), "Succeeded", False),
    ],
)
def test_operation_and_cluster_can_end_differently(
    scene: Scene, *, behaviour: Behaviour, state: str, applied: bool
) -> None:
    scene.update(behaviour)
    scene.finish()
    assert scene.shown == (state, scene.new if applied else scene.old)
    assert scene.read_operation().json()["status"] == behaviour.outcome


@pytest.mark.parametrize("nested", [True, False])
def test_a_failed_operation_tells_its_error_in_either_shape(scene: Scene, *, nested: bool) -> None:
    requests_take_a_second(scene.azure)
    scene.cluster.behaviour = Behaviour(
        update_seconds=5, retry_after=None, outcome=Outcome.FAILED, error_code="Broken", nested_error=nested
    )
    with pytest.raises(HttpResponseError) as failed:
        scene.arm.clusters.begin_update(RESOURCE_GROUP, "Cluster-1", patch_to(scene.new)).result()
    assert failed.value.status_code == 200
    body = json.loads(scene.azure.exchanges[-1].response_body)
    error = body["error"]["error"] if nested else body["error"]
    assert (body["status"], error["code"]) == ("Failed", "Broken")


def test_a_bad_key_may_be_found_only_in_the_operation(scene: Scene) -> None:
    scene.azure.vault("contoso").disable("la-cmk", scene.new)
    operation = scene.update(Behaviour(key_check=KeyCheck.IN_OPERATION, key_applied=True))
    assert operation.error is not None
    assert operation.error[1].startswith("Failed to validate key")
    scene.finish()
    assert scene.shown == ("Failed", scene.old)


def test_an_operation_that_never_ends_has_an_end_time(scene: Scene) -> None:
    scene.update(Behaviour(outcome=Outcome.NEVER))
    answer = scene.read_operation()
    assert answer.json()["status"] == "InProgress"
    assert answer.json()["endTime"]
    assert answer.headers["Retry-After"] == "30"
    assert scene.cluster.busy(scene.azure.clock.timestamp() + 1e9, Behaviour())
    scene.finish()
    assert scene.shown == ("Updating", scene.old)


@pytest.mark.parametrize(
    ("reading", "status", "code"),
    [
        (OperationReading.FINE, 200, None),
        (OperationReading.NOT_FOUND, 404, "InvalidResourceType"),
        (OperationReading.FORBIDDEN, 403, "AuthorizationFailed"),
        (OperationReading.ERROR, 500, "InternalServerError"),
    ],
)
def test_reading_an_operation_can_go_wrong(
    scene: Scene, reading: OperationReading, status: int, code: str | None
) -> None:
    scene.update(Behaviour(reading=reading))
    answer = scene.read_operation()
    assert answer.status_code == status
    assert answer.json().get("error", {}).get("code") == code


def test_reading_an_operation_can_bring_nothing(scene: Scene) -> None:
    scene.update(Behaviour(reading=OperationReading.EMPTY))
    answer = scene.read_operation()
    assert (answer.status_code, answer.content) == (200, b"")


def test_an_operation_is_read_only_with_its_signed_url_and_the_right(scene: Scene) -> None:
    operation = scene.update()
    with pytest.raises(ResourceNotFoundError):
        scene.arm.operation_statuses.get(LOCATION, operation.id)  # The SDK knows no signature.
    assert scene.read_operation(secret="forged").status_code == 404
    assert scene.read_operation().status_code == 200
    action = "Microsoft.OperationalInsights/locations/operationStatuses/read"
    scene.azure.rights.deny(FUNCTION, action, f"/subscriptions/{SUBSCRIPTION}")
    assert scene.read_operation().status_code == 403
    assert scene.shown[0] == "Updating"


def test_an_operations_url_may_name_a_regional_host(scene: Scene) -> None:
    scene.update(Behaviour(regional_operation_url=True))
    answer = scene.read_operation()
    assert answer.url.startswith("https://westeurope.management.azure.com/")
    assert answer.status_code == 200


@pytest.mark.parametrize("cloud", [PUBLIC, US_GOVERNMENT, CHINA, CUSTOM], ids=lambda cloud: cloud.name)
def test_every_cloud_has_its_own_names_and_audiences(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    with Azure(RunningClock.starting_now(), cloud) as azure:
        for name, value in azure.environment().items():
            monkeypatch.setenv(name, value)
        azure.add_vault("contoso")
        azure.add_key("contoso", "la-cmk")
        cluster = azure.add_cluster("Cluster-1", key=azure.pinned("contoso", "la-cmk"))
        assert cluster.key is not None
        assert cluster.key.vault_uri == f"https://contoso.{cloud.vault_suffix}/"
        for audience in cloud.arm_audiences:
            with (
                ManagedIdentityCredential() as credential,
                LogAnalyticsManagementClient(
                    credential,
                    SUBSCRIPTION,
                    base_url=f"https://{cloud.arm_host}",
                    credential_scopes=[f"{audience}/.default"],
                ) as arm,
            ):
                assert shown(arm) == ("Succeeded", cluster.key.version)
