import json
import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from azure.identity import ManagedIdentityCredential

from cmk_rotation.adapters.clusters import ArmClusters
from cmk_rotation.config import clouds
from cmk_rotation.controller.ports import AzureCallError
from cmk_rotation.domain.azure_resources import Cluster, Listed, Operation
from cmk_rotation.domain.identifiers import ClusterId, Scope, operation_id
from cmk_rotation.domain.vocabulary import FailureKind
from simulator.azure import SUBSCRIPTION, Azure
from simulator.clock.running import RunningClock
from simulator.clouds import US_GOVERNMENT
from simulator.entra.identity import principal_id
from simulator.operationalinsights import clusters
from simulator.operationalinsights.behaviour import (
    AcceptedHeaders,
    AutoModeShows,
    Behaviour,
    BusyAnswer,
    OperationReading,
    Outcome,
)
from simulator.wire.faults import Fault, FaultKind
from tests.simulator.bodies import IDENTITY, USER_ASSIGNED

OTHER_SUBSCRIPTION = "1b1f6471-1bf0-4dda-aec3-cb9272f09590"
ATTEMPT = "7b7e0b3c-4f0e-4c6f-9b87-000000000001"


def scope(text: str = f"/subscriptions/{SUBSCRIPTION}") -> Scope:
    found = Scope.parse(text)
    assert found is not None
    return found


def id_of(cluster: clusters.Cluster) -> ClusterId:
    found = ClusterId.parse(cluster.id)
    assert found is not None
    return found


def failure(error: pytest.ExceptionInfo[AzureCallError]) -> tuple[FailureKind, str]:
    return error.value.failure.kind, error.value.failure.code


def patches(azure: Azure) -> int:
    return sum(exchange.method == "PATCH" for exchange in azure.exchanges)


def read(arm: ArmClusters, cluster: clusters.Cluster) -> Cluster:
    return arm.get(id_of(cluster))


def update(azure: Azure, arm: ArmClusters, cluster: clusters.Cluster) -> tuple[Operation | None, str | None]:
    """Rotate, send the update, and read its operation if there is one."""
    version = azure.vault("contoso").rotate("la-cmk").version
    accepted = arm.set_key_version(read(arm, cluster), version, ATTEMPT)
    url = accepted.operation_url
    return (arm.operation(id_of(cluster), url) if url else None), url


def test_a_cluster_is_read_as_arm_shows_it(azure: Azure, arm: ArmClusters, cluster: clusters.Cluster) -> None:
    workspace = azure.add_workspace("ws-1", cluster)
    cluster.tags = {"CMK-Rotation": " Hold "}
    found = read(arm, cluster)
    assert cluster.key is not None
    assert (found.key_vault_uri, found.key_name, found.key_version) == (
        cluster.key.vault_uri,
        cluster.key.name,
        cluster.key.version,
    )
    assert (found.id.text, found.state, found.held) == (cluster.id, "Succeeded", True)
    assert found.workspace_ids == (workspace.id,)


@pytest.mark.parametrize(
    ("identity", "ids"),
    [
        ({"type": "SystemAssigned"}, 1),
        (dict(USER_ASSIGNED), 1),
        ({"type": "None"}, 0),
        ({"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}, f"{IDENTITY}-2": {}}}, 2),
    ],
)
def test_the_identity_that_uses_the_key_is_known_if_it_is_one(
    arm: ArmClusters, cluster: clusters.Cluster, identity: dict[str, object], ids: int
) -> None:
    cluster.identity = identity
    found = read(arm, cluster).identity_id
    assert found == (principal_id(cluster.principal) if ids == 1 and cluster.principal else None)
    assert (found is not None) is (ids == 1)


@pytest.mark.parametrize("tags", [{}, {"cmk-rotation": "no"}, {"other": "hold"}])
def test_only_the_tag_hold_holds_a_cluster(arm: ArmClusters, cluster: clusters.Cluster, tags: dict[str, str]) -> None:
    cluster.tags = tags
    assert not read(arm, cluster).held


@pytest.mark.parametrize("shown", [AutoModeShows.EMPTY, AutoModeShows.ABSENT])
def test_no_version_is_none_however_arm_writes_it(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, shown: AutoModeShows
) -> None:
    azure.behaviour = Behaviour(auto_mode_shows=shown)
    assert cluster.key is not None
    cluster.key = clusters.ClusterKey(cluster.key.vault_uri, cluster.key.name, "")
    assert read(arm, cluster).key_version is None


def test_ids_in_other_casing_are_the_same_cluster(azure: Azure, arm: ArmClusters, cluster: clusters.Cluster) -> None:
    azure.behaviour = Behaviour(dirty_ids=True)
    assert read(arm, cluster).id == id_of(cluster)


def test_a_scope_is_read_through_all_pages(azure: Azure, arm: ArmClusters) -> None:
    azure.arm.page_size = 2
    for number in range(5):
        azure.add_cluster(f"cluster-{number}")
    azure.add_cluster("elsewhere", resource_group="rg-other")
    everywhere = {found.id.name for found in arm.in_scope(scope()).clusters}
    in_group = {
        found.id.name for found in arm.in_scope(scope(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/RG-logs")).clusters
    }
    assert everywhere == {f"cluster-{number}" for number in range(5)} | {"elsewhere"}
    assert in_group == everywhere - {"elsewhere"}


def test_a_scope_may_be_one_cluster_of_another_subscription(azure: Azure, arm: ArmClusters) -> None:
    cluster = azure.add_cluster("far", subscription=OTHER_SUBSCRIPTION)
    assert [found.id.name for found in arm.in_scope(scope(cluster.id)).clusters] == ["far"]


@pytest.mark.parametrize("path", ["/resourceGroups/rg-gone", "/resourceGroups/rg-Logs{cluster}"])
def test_what_is_not_there_is_gone(arm: ArmClusters, path: str) -> None:
    path = path.format(cluster="/providers/Microsoft.OperationalInsights/clusters/gone")
    with pytest.raises(AzureCallError) as error:
        arm.in_scope(scope(f"/subscriptions/{SUBSCRIPTION}{path}"))
    assert error.value.failure.kind is FailureKind.NOT_FOUND


def test_a_missing_right_is_refused(azure: Azure, arm: ArmClusters) -> None:
    azure.rights.deny("function", "Microsoft.OperationalInsights/clusters/read")
    with pytest.raises(AzureCallError) as error:
        arm.in_scope(scope(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-Logs"))
    assert failure(error) == (FailureKind.REFUSED, "AuthorizationFailed")


ODD = {
    "null": ("null", "an entry without an id", None),
    "text": ('"text"', "an entry without an id", None),
    "no id": ("{}", "an entry without an id", None),
    "a number for an id": (
        '{"id": 5, "properties": {"provisioningState": "Succeeded"}}',
        "an entry without an id",
        None,
    ),
    "no properties": ('{"id": "{id}", "properties": null}', "{id}", "{id}"),
    "no object": ('{"id": "{id}", "properties": []}', "{id}", "{id}"),
    "an odd key": ('{"id": "{id}", "properties": {"keyVaultProperties": 5}}', "{id}", "{id}"),
    "a slash too many": ('{"id": "{id}/", "properties": {"provisioningState": "Succeeded"}}', "{id}/", "{id}"),
    "nonsense": ('{"id": "nonsense"}', "nonsense", None),
}


@pytest.mark.parametrize("case", ODD)
def test_an_entry_that_cannot_be_read_is_named_and_its_neighbours_are_found(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, case: str
) -> None:
    body, name, meant = ODD[case]
    odd_id = f"{cluster.id}-odd"
    healthy = f'{{"id": "{cluster.id}", "properties": {{"provisioningState": "Succeeded"}}}}'
    text = f'{{"value": [{body.replace("{id}", odd_id)}, {healthy}]}}'
    azure.faults.add(Fault(kind=FaultKind.REPLACED_BODY, path="*/clusters", body=text.encode(), times=None))
    found = arm.in_scope(scope())
    assert [one.id.text for one in found.clusters] == [cluster.id]
    (entry,) = found.unreadable
    assert entry.name == name.replace("{id}", odd_id)
    assert entry.problem
    assert entry.cluster_id == (ClusterId.parse(odd_id) if meant else None)


def test_a_scope_that_is_a_cluster_which_cannot_be_read_names_it(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster
) -> None:
    replaced(azure, cluster, "null")
    found = arm.in_scope(scope(cluster.id))
    assert (found.clusters, [entry.cluster_id for entry in found.unreadable]) == ((), [id_of(cluster)])


@pytest.mark.parametrize("body", ['{"value": null}', '{"value": []}'])
def test_no_clusters_are_an_empty_list_however_it_is_written(azure: Azure, arm: ArmClusters, body: str) -> None:
    azure.faults.add(Fault(kind=FaultKind.REPLACED_BODY, path="*/clusters", body=body.encode(), times=None))
    assert arm.in_scope(scope()) == Listed()


@pytest.mark.parametrize("body", ['{"value": "x"}', '{"value": 5}', "null", "[]", "<html>"])
def test_what_is_no_list_is_no_answer(azure: Azure, arm: ArmClusters, body: str) -> None:
    azure.faults.add(Fault(kind=FaultKind.REPLACED_BODY, path="*/clusters", body=body.encode(), times=None))
    with pytest.raises(AzureCallError) as error:
        arm.in_scope(scope())
    assert failure(error) == (FailureKind.UNAVAILABLE, "UnreadableAnswer")


def replaced(azure: Azure, cluster: clusters.Cluster, properties: str) -> None:
    """One cluster, and the list of it, come with these properties."""
    body = f'{{"id": "{cluster.id}", "tags": null, "properties": {properties}}}'.encode()
    spoilt = Fault(kind=FaultKind.REPLACED_BODY, host="management*", path="*/clusters/*", body=body, times=None)
    azure.faults.add(spoilt, replace(spoilt, path="*/clusters", body=b'{"value": [' + body + b"]}"))


@pytest.mark.parametrize(
    "properties", ['{"keyVaultProperties": null, "associatedWorkspaces": 3}', '{"billingType": 5}']
)
def test_what_is_odd_beside_the_key_is_as_good_as_none(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, properties: str
) -> None:
    replaced(azure, cluster, properties)
    assert read(arm, cluster) == Cluster(id_of(cluster), "unknown")


@pytest.mark.parametrize("properties", ["null", '"text"', "[]", "{}", '{"keyVaultProperties": []}'])
def test_a_cluster_whose_key_cannot_be_told_is_not_one_without_a_key(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, properties: str
) -> None:
    replaced(azure, cluster, properties)
    with pytest.raises(AzureCallError) as error:
        read(arm, cluster)
    assert failure(error) == (FailureKind.UNAVAILABLE, "UnreadableAnswer")
    assert arm.in_scope(scope()).clusters == ()


@pytest.mark.parametrize("rsa_size", [None, 2048])
def test_an_update_sends_the_key_alone_and_its_attempt(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, rsa_size: int | None
) -> None:
    assert cluster.key is not None
    cluster.key = replace(cluster.key, rsa_size=rsa_size)
    version = azure.vault("contoso").rotate("la-cmk").version
    accepted = arm.set_key_version(read(arm, cluster), version, ATTEMPT)
    sent = next(exchange for exchange in azure.exchanges if exchange.method == "PATCH")
    properties: dict[str, object] = {"keyVaultUri": cluster.key.vault_uri, "keyName": "la-cmk", "keyVersion": version}
    properties |= {"keyRsaSize": rsa_size} if rsa_size else {}
    assert sent.request_headers["x-ms-client-request-id"] == ATTEMPT
    assert json.loads(sent.request_body) == {"properties": {"keyVaultProperties": properties}}
    assert accepted.correlation_id
    assert accepted.retry_after == timedelta(seconds=30)


@pytest.mark.parametrize("status", [200, 202])
@pytest.mark.parametrize("body", [True, False])
@pytest.mark.parametrize("headers", list(AcceptedHeaders))
def test_every_documented_way_to_accept_an_update_is_accepted(  # noqa: PLR0913 - three variants of one answer
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, status: int, headers: AcceptedHeaders, *, body: bool
) -> None:
    azure.behaviour = Behaviour(accepted_status=status, accepted_headers=headers, accepted_body=body)
    operation, url = update(azure, arm, cluster)
    assert (url is None) == (headers is AcceptedHeaders.NONE)
    assert operation is None or operation.status in {"InProgress", "Updating"}
    assert patches(azure) == 1


@pytest.mark.parametrize("kind", [FaultKind.EMPTY_BODY, FaultKind.TRUNCATED_BODY, FaultKind.REPLACED_BODY])
def test_a_broken_body_does_not_undo_an_accepted_update(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, kind: FaultKind
) -> None:
    azure.faults.add(Fault(kind=kind, method="PATCH", body=b"<html>\xff"))
    operation, url = update(azure, arm, cluster)
    assert url is not None
    assert operation is not None


@pytest.mark.parametrize("answer", list(BusyAnswer))
def test_a_cluster_with_an_update_under_way_is_busy(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, answer: BusyAnswer
) -> None:
    azure.behaviour = Behaviour(busy_answer=answer)
    update(azure, arm, cluster)
    with pytest.raises(AzureCallError) as error:
        update(azure, arm, cluster)
    assert error.value.failure.kind is FailureKind.BUSY


REFUSALS = [
    (400, "BadRequest", "Failed to validate key in Key Vault.", FailureKind.REFUSED),
    (400, "BadRequest", "Cluster is in deleting state. Async operation is in progress.", FailureKind.BUSY),
    (400, "AnotherOperationInProgress", "Try later.", FailureKind.BUSY),
    (401, "InvalidAuthenticationToken", "no", FailureKind.THROTTLED),
    (401, "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier.", FailureKind.THROTTLED),
    (401, "InvalidAuthenticationTokenTenant", "The access token is from the wrong issuer.", FailureKind.REFUSED),
    (403, "AuthorizationFailed", "can't be executed now", FailureKind.REFUSED),
    (404, "ResourceNotFound", "no", FailureKind.NOT_FOUND),
    (408, "RequestTimeout", "no", FailureKind.UNAVAILABLE),
    (409, "ScopeLocked", "A lock is on the cluster.", FailureKind.REFUSED),
    (409, "Conflict", "Another operation is running.", FailureKind.BUSY),
    (409, "MissingSubscriptionRegistration", "namespace 'Microsoft.OperationalInsights'", FailureKind.REFUSED),
    (409, "NewerDataExists", "no", FailureKind.BUSY),
    (409, "Conflict", "Please retry the request later.", FailureKind.BUSY),
    (409, "Conflict", "The cluster is in use; try your request again.", FailureKind.BUSY),
    (409, "RequestConflict", "no", FailureKind.BUSY),
    (400, "ServiceIsInMaintenance", "no", FailureKind.BUSY),
    (423, "Locked", "no", FailureKind.BUSY),
    (409, "ScopeLocked", "Please remove the lock and try again.", FailureKind.REFUSED),
    (409, "MissingSubscriptionRegistration", "Please register and retry.", FailureKind.REFUSED),
    (400, "BadRequest", "Failed to validate key in Key Vault. Try again.", FailureKind.REFUSED),
    (403, "Forbidden", "Please retry later.", FailureKind.REFUSED),
    (412, "PreconditionFailed", "no", FailureKind.REFUSED),
    (429, "TooManyRequests", "no", FailureKind.THROTTLED),
    (500, "InternalServerError", "no", FailureKind.UNAVAILABLE),
    (503, "ServiceUnavailable", "no", FailureKind.UNAVAILABLE),
    (307, "Moved", "no", FailureKind.UNAVAILABLE),
]


@pytest.mark.parametrize("retry_after", [None, "17"])
@pytest.mark.parametrize(("status", "code", "message", "kind"), REFUSALS)
def test_a_refused_update_is_sent_once_and_understood(  # noqa: PLR0913, PLR0917 - a row of the table
    azure: Azure,
    arm: ArmClusters,
    cluster: clusters.Cluster,
    status: int,
    code: str,
    message: str,
    kind: FailureKind,
    retry_after: str | None,
) -> None:
    before = read(arm, cluster)
    headers = {"Content-Type": "application/json", "Location": "https://management.azure.com/elsewhere"}
    headers |= {"Retry-After": retry_after} if retry_after else {}
    body = f'{{"error": {{"code": "{code}", "message": "{message}"}}}}'.encode()
    azure.faults.add(
        Fault(kind=FaultKind.ANSWER, method="PATCH", status=status, headers=headers, body=body, times=None)
    )
    with pytest.raises(AzureCallError) as error:
        arm.set_key_version(before, "v2", ATTEMPT)
    assert failure(error) == (kind, code)
    assert error.value.failure.retry_after == (timedelta(seconds=17) if retry_after else None)
    assert patches(azure) == 1
    assert {exchange.method for exchange in azure.exchanges} == {"GET", "PATCH"}


@pytest.mark.parametrize(("retry_after", "kind"), [("17", FailureKind.BUSY), (None, FailureKind.REFUSED)])
def test_a_conflict_that_says_when_to_come_back_is_busy(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, retry_after: str | None, kind: FailureKind
) -> None:
    before = read(arm, cluster)
    fault = Fault(kind=FaultKind.ANSWER, method="PATCH", status=409, headers={"Retry-After": retry_after})
    azure.faults.add(fault)
    with pytest.raises(AzureCallError) as error:
        arm.set_key_version(before, "v2", ATTEMPT)
    assert failure(error) == (kind, "HTTP 409")


def test_a_token_that_is_not_taken_once_is_shown_again(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster
) -> None:
    body = b'{"error": {"code": "ExpiredAuthenticationToken", "message": "no"}}'
    once = Fault(kind=FaultKind.ANSWER, host="management*", status=401, body=body)
    azure.faults.add(once)
    assert read(arm, cluster).id == id_of(cluster)
    azure.faults.add(once)
    assert len(arm.in_scope(scope()).clusters) == 1
    workspace = azure.add_workspace("ws", cluster)
    azure.faults.add(once)
    assert arm.workspace_state(workspace.id) == "Succeeded"


def test_an_update_that_meets_an_expired_token_is_sent_once_and_may_be_sent_later(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster
) -> None:
    before = read(arm, cluster)
    body = b'{"error": {"code": "ExpiredAuthenticationToken", "message": "no"}}'
    azure.faults.add(Fault(kind=FaultKind.ANSWER, method="PATCH", status=401, body=body))
    with pytest.raises(AzureCallError) as error:
        arm.set_key_version(before, "v2", ATTEMPT)
    assert failure(error) == (FailureKind.THROTTLED, "ExpiredAuthenticationToken")
    assert patches(azure) == 1
    assert cluster.operation is None


def test_a_cluster_that_is_locked_for_a_moment_is_read_again(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster
) -> None:
    azure.faults.add(Fault(kind=FaultKind.ANSWER, path="*/clusters/*", status=423))
    assert read(arm, cluster).id == id_of(cluster)


@pytest.mark.parametrize("kind", [FaultKind.RESET, FaultKind.RESET_AFTER, FaultKind.HANG_AFTER])
def test_an_update_whose_answer_is_lost_is_not_sent_again(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, kind: FaultKind
) -> None:
    azure.faults.add(Fault(kind=kind, method="PATCH", times=None))
    with pytest.raises(AzureCallError) as error:
        update(azure, arm, cluster)
    assert error.value.failure.kind is FailureKind.UNAVAILABLE
    assert patches(azure) == 1


@pytest.mark.parametrize("nested", [True, False])
def test_a_failed_operation_says_why_in_either_shape(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, *, nested: bool
) -> None:
    azure.behaviour = Behaviour(update_seconds=0, outcome=Outcome.FAILED, nested_error=nested, error_code="NoKey")
    operation, _ = update(azure, arm, cluster)
    assert operation is not None
    assert operation.failed
    assert operation.error is not None
    assert operation.error.code == "NoKey"


READINGS = [
    (OperationReading.NOT_FOUND, FailureKind.NOT_FOUND),
    (OperationReading.FORBIDDEN, FailureKind.REFUSED),
    (OperationReading.ERROR, FailureKind.UNAVAILABLE),
    (OperationReading.EMPTY, FailureKind.REFUSED),
]


@pytest.mark.parametrize(("reading", "kind"), READINGS)
def test_an_unreadable_operation_is_told_from_an_unavailable_one(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, reading: OperationReading, kind: FailureKind
) -> None:
    azure.behaviour = Behaviour(reading=reading)
    with pytest.raises(AzureCallError) as error:
        update(azure, arm, cluster)
    assert error.value.failure.kind is kind


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (
            Fault(kind=FaultKind.ANSWER, path="*operationStatuses*", status=429, headers={"Retry-After": "3600"}),
            "unavailable",
        ),
        (
            Fault(kind=FaultKind.ANSWER, path="*operationStatuses*", status=302, headers={"Location": "https://x"}),
            "refused",
        ),
        (Fault(kind=FaultKind.RESET, path="*operationStatuses*"), "unavailable"),
        (Fault(kind=FaultKind.REPLACED_BODY, path="*operationStatuses*", body=b"<html>"), "refused"),
        (Fault(kind=FaultKind.REPLACED_BODY, path="*operationStatuses*", body=b'{"status": 5}'), "refused"),
        (Fault(kind=FaultKind.REPLACED_BODY, path="*operationStatuses*", body=b"[1]"), "refused"),
    ],
)
def test_an_operation_is_read_once(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, fault: Fault, kind: str
) -> None:
    azure.faults.add(fault)
    with pytest.raises(AzureCallError) as error:
        update(azure, arm, cluster)
    assert error.value.failure.kind == kind
    assert sum("operationStatuses" in exchange.path for exchange in azure.exchanges) == 1


def test_a_signed_url_is_trusted_by_the_core_and_stays_out_of_troubles_and_logs(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    _, url = update(azure, arm, cluster)
    assert url is not None
    assert operation_id(url, arm_host=clouds.PUBLIC.arm_host, subscription=SUBSCRIPTION)
    signature = url.partition("?")[2].partition("t=")[2].split("&")[0]
    assert len(signature) > 10
    caplog.set_level(logging.WARNING)
    caplog.clear()
    with pytest.raises(AzureCallError) as error:
        arm.operation(id_of(cluster), url.replace("management.azure.com", "nowhere.azure.com"))
    assert signature not in str(error.value)
    assert signature not in caplog.text


SIGNED = "SIGNEDCERTIFICATE%2Bx"
REPEATS = {
    "an error's message": (404, '{"error": {"code": "InvalidResourceType", "message": "no %s"}}'),
    "an error's message, long before the signature": (
        403,
        '{"error": {"code": "No", "message": "' + "x" * 485 + '%s"}}',
    ),
    "an error's code": (400, '{"error": {"code": "%s", "message": "no"}}'),
    "no JSON": (502, "<html>%s</html>"),
    "no JSON and all is well": (200, "<html>%s</html>"),
    "the operation's error": (200, '{"status": "Failed", "error": {"code": "%s", "message": "see %s"}}'),
    "the operation's status": (200, '{"status": "%s"}'),
}


@pytest.mark.parametrize("case", REPEATS)
@pytest.mark.parametrize("repeated", ["/a/b?t=1&c={}", "{}", "c={}&h=x"])
def test_an_answer_that_repeats_the_signature_is_read_without_it(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, case: str, repeated: str
) -> None:
    _, url = update(azure, arm, cluster)
    status, body = REPEATS[case]
    for signature in (SIGNED, SIGNED.replace("%2B", "+")):
        text = body.replace("%s", repeated.format(signature))
        headers = {"Content-Type": "application/json"}
        azure.faults.add(Fault(kind=FaultKind.ANSWER, status=status, headers=headers, body=text.encode()))
        try:
            told: object = arm.operation(id_of(cluster), f"{url}&c={SIGNED}")
        except AzureCallError as error:
            told = (error.failure, str(error))
        assert "SIGNED" in text
        assert "SIGNEDCE" not in str(told)


def test_a_brace_in_a_signed_url_is_not_a_template(azure: Azure, arm: ArmClusters, cluster: clusters.Cluster) -> None:
    _, url = update(azure, arm, cluster)
    assert arm.operation(id_of(cluster), f"{url}&x={{y}}").status == "InProgress"


def test_an_answer_about_another_cluster_is_no_answer(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster
) -> None:
    body = f'{{"id": "{cluster.id}-2", "properties": {{"provisioningState": "Succeeded"}}}}'.encode()
    azure.faults.add(Fault(kind=FaultKind.REPLACED_BODY, path="*clusters*", body=body, times=None))
    with pytest.raises(AzureCallError, match="asked for Cluster-1, got Cluster-1-2"):
        read(arm, cluster)


def test_a_201_is_an_accepted_update_too(azure: Azure, arm: ArmClusters, cluster: clusters.Cluster) -> None:
    before = read(arm, cluster)
    azure.faults.add(Fault(kind=FaultKind.ANSWER, method="PATCH", status=201, headers={"Location": "https://x"}))
    assert arm.set_key_version(before, "v2", ATTEMPT).operation_url == "https://x"


def test_a_workspace_without_a_state_is_unreadable(azure: Azure, arm: ArmClusters, cluster: clusters.Cluster) -> None:
    workspace = azure.add_workspace("ws", cluster)
    azure.faults.add(Fault(kind=FaultKind.REPLACED_BODY, path="*workspaces*", body=b"{}", times=None))
    with pytest.raises(AzureCallError, match="no provisioningState"):
        arm.workspace_state(workspace.id)


def test_a_workspace_of_another_subscription_is_read_there(azure: Azure, arm: ArmClusters) -> None:
    cluster = azure.add_cluster("far", subscription=OTHER_SUBSCRIPTION)
    workspace = azure.add_workspace("ws", cluster)
    assert arm.workspace_state(workspace.id) == "Succeeded"
    assert OTHER_SUBSCRIPTION in azure.exchanges[-1].path


def test_a_workspace_that_can_be_recovered_is_not_gone(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster
) -> None:
    workspace = azure.add_workspace("ws", cluster)
    body = b'{"error": {"code": "ResourceNotFound", "message": "Workspace not active"}}'
    azure.faults.add(Fault(kind=FaultKind.ANSWER, path="*/workspaces/*", status=404, body=body))
    with pytest.raises(AzureCallError) as error:
        arm.workspace_state(workspace.id)
    assert error.value.failure.kind is FailureKind.REFUSED


@pytest.mark.parametrize("workspace", ["", "/subscriptions/x", "https://example.org/"])
def test_what_is_no_workspace_is_gone_unasked(azure: Azure, arm: ArmClusters, workspace: str) -> None:
    with pytest.raises(AzureCallError) as error:
        arm.workspace_state(workspace)
    assert error.value.failure.kind is FailureKind.NOT_FOUND
    assert not azure.exchanges


def test_azure_government_wants_its_own_audience(monkeypatch: pytest.MonkeyPatch) -> None:
    with Azure(RunningClock.starting_now(), US_GOVERNMENT) as azure:
        for name, value in azure.environment().items():
            monkeypatch.setenv(name, value)
        azure.add_cluster("gov")
        with ManagedIdentityCredential() as credential:
            found = ArmClusters(credential, clouds.US_GOVERNMENT).in_scope(scope())
        assert [one.id.name for one in found.clusters] == ["gov"]
