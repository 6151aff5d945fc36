"""Azure on a bad day: busy, refusing, silent, slow; and an operator who wants it otherwise."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from simulator.azure import FUNCTION, SUBSCRIPTION, Azure
from simulator.keyvault.vaults import Network
from simulator.operationalinsights.behaviour import Behaviour, BusyAnswer, KeyCheck, Outcome
from simulator.wire.faults import Fault, FaultKind
from tests.e2e.stage import Stage, stage
from tests.e2e.worlds import one_cluster

QUICK = Behaviour(update_seconds=120, retry_after=5)


def patch(kind: FaultKind, status: int = 503, body: bytes = b"", seconds: float = 0, **headers: str | None) -> Fault:
    """A fault of the next update. Header names have underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(
        kind=kind, method="PATCH", path="*/clusters/*", status=status, body=body, seconds=seconds, headers=named
    )


def one_patch_was_enough(story: Stage, patches: int = 1) -> None:
    (cluster,) = story.azure.arm.clusters.values()
    row = story.finished(cluster, story.rotate())
    assert row["stage"] == "succeeded"
    assert len(story.patches(cluster)) == patches
    assert len(story.lines("rotation.finished")) == 1


@pytest.mark.parametrize(
    "fault",
    [
        patch(FaultKind.RESET_AFTER),
        patch(FaultKind.EMPTY_BODY),
        patch(FaultKind.TRUNCATED_BODY),
        patch(FaultKind.REPLACED_BODY, body=b"<html>gateway</html>"),
        patch(FaultKind.REPLACED_BODY, body=b'[{"properties": 7}]'),
        patch(FaultKind.REPLACED_HEADERS, Azure_AsyncOperation="http://evil.example/x"),
        patch(FaultKind.REPLACED_HEADERS, Azure_AsyncOperation=None, Location=None),
        patch(FaultKind.HANG_AFTER, seconds=90),
    ],
    ids=["reset", "empty", "truncated", "html", "wrong type", "operation elsewhere", "no headers", "hang"],
)
def test_an_answer_that_is_lost_or_spoilt_after_the_update_took_effect_costs_no_second_one(
    tmp_path: Path, fault: Fault
) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        story.azure.faults.add(fault)
        one_patch_was_enough(story)
        assert all("evil.example" not in exchange.host for exchange in story.azure.exchanges)


@pytest.mark.parametrize(
    ("fault", "least", "most"),
    [
        (patch(FaultKind.RESET), 470, 600),
        (patch(FaultKind.ANSWER, status=503), 470, 600),
        (patch(FaultKind.ANSWER, 429, Retry_After="100"), 100, 160),
        (patch(FaultKind.ANSWER, status=429), 60, 120),
        (patch(FaultKind.ANSWER, 500, Retry_After="1"), 470, 600),
    ],
    ids=["reset", "503", "429 with Retry-After", "429 without", "500 with Retry-After"],
)
def test_an_update_that_azure_did_not_take_is_sent_again_once_it_cannot_be_in_flight(
    tmp_path: Path, fault: Fault, least: float, most: float
) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        story.azure.faults.add(fault)
        one_patch_was_enough(story, patches=2)
        (cluster,) = story.azure.arm.clusters.values()
        first, second = story.patches(cluster)
        assert least <= (second.at - first.at).total_seconds() <= most


@pytest.mark.parametrize("answer", list(BusyAnswer))
def test_a_busy_cluster_is_waited_for(tmp_path: Path, answer: BusyAnswer) -> None:
    with stage(tmp_path, behaviour=replace(QUICK, busy_answer=answer), build=one_cluster) as story:
        (cluster,) = story.azure.arm.clusters.values()
        with story.azure.lock:
            cluster.state = "Updating"
        new = story.rotate()
        story.reason(cluster, "cluster-busy")
        waiting = story.rotation(cluster, new)
        assert waiting is not None
        assert waiting["stage"] == "waiting"
        assert story.patches(cluster) == []
        with story.azure.lock:
            cluster.state = "Succeeded"
        row = story.finished(cluster, new)
        assert (row["stage"], row["attempts"]) == ("succeeded", 1)


def test_an_update_that_azure_refuses_as_busy_is_not_a_refusal(tmp_path: Path) -> None:
    words = "Operation can't be executed now. Wait for the async operation to complete and try again"
    body = json.dumps({"error": {"code": "BadRequest", "message": words}}).encode()
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        story.azure.faults.add(patch(FaultKind.ANSWER, 400, body, Content_Type="application/json"))
        one_patch_was_enough(story, patches=2)
        assert story.lines("update.refused") == []


def test_a_right_that_the_function_lacks_is_refused_called_out_and_healed_by_an_operator(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        (cluster,) = story.azure.arm.clusters.values()
        with story.azure.lock:
            story.azure.rights.deny(FUNCTION, "Microsoft.OperationalInsights/clusters/write")
        new = story.rotate()
        row = story.finished(cluster, new)
        assert (row["stage"], row["reason"], row["operationErrorCode"]) == (
            "failed",
            "update-refused",
            "AuthorizationFailed",
        )
        status = story.reason(cluster, "update-refused")
        (refused,) = story.lines("update.refused")
        assert "clusters/write" in refused["remedy"]
        assert refused["remedy"] == status["remedy"]

        story.ask_for_visit(cluster, by="event")
        story.quiet(60)
        assert len(story.patches(cluster)) == 1, "a refused update rests for an hour"
        with story.azure.lock:
            story.azure.rights.allow(FUNCTION, "Microsoft.OperationalInsights/clusters/write")
        story.ask_for_visit(cluster, by="operator")
        story.until(
            lambda: (story.rotation(cluster, new) or {})["stage"] == "succeeded", "the operator's visit to heal it"
        )
        row = story.finished(cluster, new)
        assert row["attempts"] == 2
        story.until(lambda: story.lines("cluster.recovered"), "recovery to be said")


@pytest.mark.parametrize("check", list(KeyCheck))
def test_a_key_that_the_cluster_may_not_use_fails_with_azures_reason_and_is_tried_again(
    tmp_path: Path, check: KeyCheck
) -> None:
    settings = {"RETRY_FLOOR_SECONDS": "120", "RETRY_CEILING_SECONDS": "240", "RECONCILE_SCHEDULE": "*/30 * * * * *"}
    with stage(tmp_path, behaviour=replace(QUICK, key_check=check), build=one_cluster, settings=settings) as story:
        (cluster,) = story.azure.arm.clusters.values()
        with story.azure.lock:
            story.azure.rights.deny(cluster.id, "*")
        new = story.rotate()
        row = story.finished(cluster, new)
        assert row["stage"] == "failed"
        assert "Failed to validate key" in row["operationErrorMessage"]
        assert "Crypto Service Encryption User" in row["remedy"]
        with story.azure.lock:
            story.azure.rights.allow(cluster.id, "*")
        story.until(lambda: (story.rotation(cluster, new) or {})["stage"] == "succeeded", "the retry to succeed")
        # Whether a Failed cluster takes another update is not known; this one does.
        assert len(story.patches(cluster)) <= 3


def test_an_update_that_never_ends_is_overdue_once_and_looked_at_still(tmp_path: Path) -> None:
    settings = {"UPDATE_DEADLINE_HOURS": "0.05", "RECONCILE_SCHEDULE": "*/30 * * * * *"}
    behaviour = replace(QUICK, outcome=Outcome.NEVER)
    with stage(tmp_path, behaviour=behaviour, build=one_cluster, settings=settings) as story:
        (cluster,) = story.azure.arm.clusters.values()
        new = story.rotate()
        story.reason(cluster, "update-overdue")
        looks = len(story.azure.exchanges)
        story.quiet(200)
        assert len(story.azure.exchanges) > looks
        (line,) = story.lines("update.overdue")
        assert line["operationId"]
        row = story.rotation(cluster, new)
        assert row is not None
        assert row["stage"] == "updating"
        assert len(story.patches(cluster)) == 1


def test_a_vault_behind_a_firewall_and_a_missing_right_are_told_apart(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        (cluster,) = story.azure.arm.clusters.values()
        vault = story.azure.vault("contoso")
        with story.azure.lock:
            vault.network = Network.FIREWALL
        new = story.rotate()
        story.reason(cluster, "key-vault-blocked")
        with story.azure.lock:
            vault.network = Network.OPEN
            story.azure.rights.deny(FUNCTION, "Microsoft.KeyVault/*")
        story.ask_for_visit(cluster)
        story.reason(cluster, "key-access-denied")
        with story.azure.lock:
            story.azure.rights.allow(FUNCTION, "Microsoft.KeyVault/*")
        story.ask_for_visit(cluster)
        assert story.finished(cluster, new)["stage"] == "succeeded"
        called = [line["reason"] for line in story.lines("cluster.attention")]
        assert called == ["key-vault-blocked", "key-access-denied"]


def test_a_revocation_is_respected(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        (cluster,) = story.azure.arm.clusters.values()
        assert cluster.key is not None
        old = cluster.key.version
        with story.azure.lock:
            story.azure.vault("contoso").disable("la-cmk", old)
        story.rotate()
        status = story.reason(cluster, "in-use-disabled")
        assert "revocation" in status["remedy"]
        assert story.patches(cluster) == []
        story.until(lambda: story.lines("cluster.attention"), "a person to be called")
        (line,) = story.lines("cluster.attention")
        assert line["level"] == "Error"


def test_clusters_that_are_not_ours_to_move_are_left_alone(tmp_path: Path) -> None:
    def fleet(azure: Azure) -> None:
        held = azure.add_cluster("cluster-held", key=azure.pinned("contoso", "la-cmk"))
        held.tags["cmk-rotation"] = "Hold "
        pinned = azure.pinned("contoso", "la-cmk")
        azure.add_cluster("cluster-auto", key=replace(pinned, version=""))
        azure.add_cluster("cluster-none")
        failed = azure.add_cluster("cluster-failed", key=azure.pinned("contoso", "la-cmk"))
        failed.state = "Failed"

    with stage(tmp_path, behaviour=QUICK, build=fleet) as story:
        clusters = {cluster.name: cluster for cluster in story.azure.arm.clusters.values()}
        story.rotate()
        story.reconcile()
        story.reason(clusters["cluster-held"], "on-hold")
        story.reason(clusters["cluster-auto"], "follows-newest-itself")
        story.reason(clusters["cluster-none"], "no-customer-key")
        story.reason(clusters["cluster-failed"], "cluster-failed")
        assert all(story.patches(cluster) == [] for cluster in clusters.values())


def test_observe_looks_and_never_touches(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster, settings={"MODE": "observe"}) as story:
        (cluster,) = story.azure.arm.clusters.values()
        story.rotate()
        story.reason(cluster, "version-is-behind")
        story.quiet(60)
        assert story.patches(cluster) == []
        assert [row["RowKey"] for row in story.of(cluster)] == ["~cluster"], "in observe only cluster rows are written"


def test_a_cluster_that_somebody_put_back_stays_there(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        (cluster,) = story.azure.arm.clusters.values()
        before = cluster.key
        new = story.rotate()
        story.finished(cluster, new)
        with story.azure.lock:
            cluster.key, cluster.operation = before, None
        story.ask_for_visit(cluster)
        story.reason(cluster, "moved-back")
        assert len(story.patches(cluster)) == 1
        newer = story.rotate()
        assert story.finished(cluster, newer)["stage"] == "succeeded", "a newer version resumes"


def test_another_key_given_meanwhile_supersedes_the_rotation(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=replace(QUICK, outcome=Outcome.NEVER), build=one_cluster) as story:
        (cluster,) = story.azure.arm.clusters.values()
        with story.azure.lock:
            story.azure.add_key("contoso", "other")
        new = story.rotate()
        story.until(lambda: story.patches(cluster), "the update to be sent")
        with story.azure.lock:
            cluster.operation, cluster.state = None, "Succeeded"
            cluster.key = story.azure.pinned("contoso", "other")
        row = story.finished(cluster, new)
        assert (row["stage"], row["reason"]) == ("superseded", "changed-by-others")
        assert len(story.patches(cluster)) == 1


def test_arm_that_is_down_is_survived(tmp_path: Path) -> None:
    with stage(tmp_path, behaviour=QUICK, build=one_cluster) as story:
        (cluster,) = story.azure.arm.clusters.values()
        new = story.rotate()
        story.until(lambda: story.patches(cluster), "the update to be sent")
        story.azure.faults.add(Fault(kind=FaultKind.ANSWER, status=503, times=None, host="management.azure.com"))
        story.reason(cluster, "cluster-unreachable")
        story.azure.faults.clear()
        assert story.finished(cluster, new)["stage"] == "succeeded"
        assert len(story.patches(cluster)) == 1
        assert story.poisoned() == 0


def test_a_linked_workspace_that_fails_is_reported_and_not_touched(tmp_path: Path) -> None:
    settings = {"RECONCILE_SCHEDULE": "*/30 * * * * *"}
    with stage(tmp_path, behaviour=QUICK, build=one_cluster, settings=settings) as story:
        (cluster,) = story.azure.arm.clusters.values()
        workspace = story.azure.add_workspace("ws-broken", cluster)
        workspace.state = "Failed"
        new = story.rotate()
        row = story.finished(cluster, new)
        assert row["stage"] == "succeeded"
        status = story.reason(cluster, "workspace-failed")
        assert "ws-broken" in status["message"]
        with story.azure.lock:
            workspace.state = "Succeeded"
        story.reason(cluster, "up-to-date")
        touched = [
            exchange for exchange in story.azure.exchanges if "/workspaces/" in exchange.path and exchange.mutating
        ]
        assert touched == []


def test_wrong_settings_are_all_named_in_one_line(tmp_path: Path) -> None:
    settings = {
        "MODE": "Enforce",
        "CLUSTER_SCOPES": f"/subscriptions/{SUBSCRIPTION}, nonsense",
        "POLL_FLOOR_SECONDS": "-1",
    }
    with stage(tmp_path, build=one_cluster, settings=settings) as story:
        story.run("on_reconcile")
        story.until(lambda: story.lines("settings.invalid"), "the settings to be called invalid")
        (line,) = story.lines("settings.invalid")
        assert all(name in line["message"] for name in ("MODE", "CLUSTER_SCOPES", "POLL_FLOOR_SECONDS"))
        story.rotate()
        story.until(lambda: len(story.lines("settings.invalid")) > 1, "the visit to say so too")
        assert story.poisoned() == 0
