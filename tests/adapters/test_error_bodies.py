import json

import pytest

from cmk_rotation.adapters.clusters import ArmClusters
from cmk_rotation.adapters.error_bodies import read
from cmk_rotation.controller.ports import AzureCallError
from cmk_rotation.domain.azure_resources import OperationError
from cmk_rotation.domain.identifiers import ClusterId
from cmk_rotation.domain.remedies import advice_for
from cmk_rotation.domain.vocabulary import FailureKind, Reason
from simulator.azure import Azure
from simulator.operationalinsights import clusters
from simulator.wire.faults import Fault, FaultKind

NOW = "Operation can't be executed now"
SHAPES = [
    ({"error": {"code": "Busy", "message": NOW}}, ("Busy", NOW)),
    ({"Error": {"Code": "Busy", "Message": NOW}}, ("Busy", NOW)),
    ({"Code": "Busy", "Message": NOW}, ("Busy", NOW)),
    ({"error": {"error": {"code": "Busy", "message": NOW}}}, ("Busy", NOW)),
    ({"odata.error": {"code": "Busy", "message": {"lang": "en-US", "value": NOW}}}, ("Busy", NOW)),
    ({"Message": NOW}, (None, NOW)),
    ({"error": NOW}, (None, NOW)),
    (NOW, (None, NOW)),
    (
        {
            "error": {
                "code": "BadRequest",
                "message": "It failed.",
                "details": [{"code": "Busy", "message": NOW}, 5, {}],
            }
        },
        ("BadRequest", f"It failed.; Busy: {NOW}"),
    ),
    ({"error": {"code": "BadRequest", "details": [{"message": NOW}] * 9}}, ("BadRequest", "; ".join([NOW] * 5))),
    ({"error": {"code": 5, "message": ["x"], "details": "x"}}, (None, None)),
    ({"error": None, "code": "Busy"}, ("Busy", None)),
    ([{"error": NOW}], (None, None)),
    (None, (None, None)),
]


@pytest.mark.parametrize(("body", "told"), SHAPES)
def test_an_error_is_read_in_every_shape(body: object, told: tuple[str | None, str | None]) -> None:
    assert read(json.dumps(body)) == told


@pytest.mark.parametrize(
    ("text", "message"),
    [(f" {NOW}\r\n", NOW), ("", None), ("<html>no</html>", None), ('{"error": ', None), ("[" * 100_000, None)],
)
def test_plain_text_is_a_message_and_broken_markup_is_none(text: str, message: str | None) -> None:
    assert read(text) == (None, message)


def refused(azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, body: bytes) -> AzureCallError:
    """What comes of an update that is answered 400 with a body."""
    cluster_id = ClusterId.parse(cluster.id)
    assert cluster_id is not None
    before = arm.get(cluster_id)
    headers = {"Content-Type": "application/json"}
    azure.faults.add(Fault(kind=FaultKind.ANSWER, method="PATCH", status=400, headers=headers, body=body))
    with pytest.raises(AzureCallError) as error:
        arm.set_key_version(before, "v2", "attempt")
    return error.value


@pytest.mark.parametrize("body", [*(json.dumps(body) for body, told in SHAPES if NOW in (told[1] or "")), NOW])
def test_busy_words_count_in_every_shape(azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, body: str) -> None:
    error = refused(azure, arm, cluster, body.encode())
    assert error.failure.kind is FailureKind.BUSY


@pytest.mark.parametrize(
    "body",
    [
        {"Message": "Failed to validate key in Key Vault."},
        {"Code": "KeyVaultAuthenticationFailure", "Message": "no"},
        {"error": {"code": "Bad", "message": "no", "details": [{"code": "KeyVaultAuthenticationFailure"}]}},
    ],
)
def test_remedies_apply_in_every_shape(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, body: dict[str, object]
) -> None:
    failure = refused(azure, arm, cluster, json.dumps(body).encode()).failure
    remedy = advice_for(Reason.UPDATE_REFUSED, OperationError(failure.code, failure.message))
    assert "wrap and unwrap" in remedy


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"status": "Failed", "code": "NoKey", "message": "gone"}, OperationError("NoKey", "gone")),
        ({"Status": "Failed", "Code": "NoKey", "Message": "gone"}, OperationError("NoKey", "gone")),
        ({"status": "Failed", "error": {"message": "gone"}}, OperationError("unknown", "gone")),
        ({"status": "Failed", "error": {"target": "x"}}, OperationError("unknown", "Azure gave no reason.")),
        (
            {"status": "Canceled", "error": {"code": "A", "message": "b", "details": [{"code": "C", "message": "d"}]}},
            OperationError("A", "b; C: d"),
        ),
        ({"status": "Failed"}, None),
        ({"status": "Succeeded", "message": "all is well"}, None),
        ({"status": "InProgress", "code": "Running", "message": "wait"}, None),
    ],
)
def test_an_operation_says_why_it_failed_wherever_it_says_so(
    azure: Azure, arm: ArmClusters, cluster: clusters.Cluster, document: dict[str, object], error: OperationError | None
) -> None:
    cluster_id = ClusterId.parse(cluster.id)
    assert cluster_id is not None
    url = "https://management.azure.com/operationStatuses/x?t=1"
    azure.faults.add(
        Fault(kind=FaultKind.ANSWER, path="*operationStatuses*", status=200, body=json.dumps(document).encode())
    )
    assert arm.operation(cluster_id, url).error == error
