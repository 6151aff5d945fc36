"""Passing trouble is not a refusal: nobody is called, and the update goes on."""

from pathlib import Path

import pytest

from simulator.azure import Azure
from simulator.operationalinsights.behaviour import Behaviour
from simulator.wire.faults import Fault, FaultKind
from tests.e2e.stage import stage

QUICK = Behaviour(update_seconds=120, retry_after=5)
JSON = {"Content-Type": "application/json"}
CHALLENGE = 'Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net"'
SIGNATURE = (
    b'{"error": {"code": "Unauthorized", "message": "AKV10046: Unable to resolve the key for signature validation."}}'
)
EXPIRED = b'{"error": {"code": "ExpiredAuthenticationToken", "message": "The access token has expired."}}'
NEWER = b'{"Error": {"Code": "NewerDataExists", "Message": "Please retry the request."}}'
ARM, CLUSTER = "management.azure.com", "*/clusters/*"
ANSWER = FaultKind.ANSWER
TROUBLE = {
    "a vault that cannot check a new token yet": Fault(
        kind=ANSWER,
        host="contoso.*",
        status=401,
        headers={**JSON, "WWW-Authenticate": CHALLENGE},
        body=SIGNATURE,
        times=9,
    ),
    "a token that has expired meanwhile": Fault(kind=ANSWER, host=ARM, status=401, headers=JSON, body=EXPIRED, times=4),
    "a token that has expired before the update": Fault(
        kind=ANSWER, method="PATCH", path=CLUSTER, status=401, headers=JSON, body=EXPIRED
    ),
    "a conflict": Fault(kind=ANSWER, method="PATCH", path=CLUSTER, status=409, headers=JSON, body=NEWER),
    "a lock for a moment": Fault(kind=ANSWER, method="PATCH", path=CLUSTER, status=423),
}


def build(azure: Azure) -> None:
    azure.add_cluster("cluster-a", key=azure.pinned("contoso", "la-cmk"))


@pytest.mark.parametrize("name", TROUBLE)
def test_what_passes_calls_nobody(tmp_path: Path, name: str) -> None:
    with stage(tmp_path, behaviour=QUICK, build=build) as story:
        (cluster,) = story.azure.arm.clusters.values()
        story.azure.faults.add(TROUBLE[name])
        row = story.finished(cluster, story.rotate(), within=1_800)
        assert (row["stage"], row["attempts"]) == ("succeeded", 1)
        assert [line for line in story.lines() if line["level"] == "Error"] == []
