"""Disconnecting: all that is ours goes, nothing else does, and what stays is said."""

import pytest

import belongings
import removal
from azure_cli import StoppedError
from evidence import status_command
from tests.infra.hook_stage import (
    ALL_THAT_CAN_BE_CONNECTED,
    FRESH_CHECKOUT,
    KEYS,
    LOGS,
    PROD,
    SUBSCRIPTION,
    VAULT,
    Stage,
)


def test_disconnecting_removes_everything_those_that_hang_on_others_first(azure: Stage) -> None:
    azure.connect(ALL_THAT_CAN_BE_CONNECTED)
    everything = azure.outside(PROD)
    azure.disconnect(PROD)
    assert azure.outside(PROD) == set()
    assert set(azure.state["deleted"]) == everything
    order = [id_.rsplit("/", 2)[1] for id_ in azure.state["deleted"]]
    assert list(dict.fromkeys(order)) == [kind.rsplit("/", 1)[1].lower() for kind in belongings.REMOVAL_ORDER]


def test_disconnecting_again_and_what_was_never_connected_is_fine(azure: Stage) -> None:
    azure.disconnect(PROD)
    azure.connect(PROD)
    azure.disconnect(PROD)
    deleted = list(azure.state["deleted"])
    azure.disconnect(PROD)
    assert azure.state["deleted"] == deleted


@pytest.mark.parametrize("made", range(1, 17))
def test_a_first_connect_that_failed_anywhere_leaves_nothing(azure: Stage, made: int) -> None:
    azure.state["fails_after"] = made
    with pytest.raises(StoppedError, match="connecting failed"):
        azure.connect(PROD)
    assert len(azure.outside(PROD)) == made
    azure.disconnect(PROD)
    assert azure.outside(PROD) == set()


def test_a_fresh_checkout_without_outputs_disconnects_too(connected: Stage) -> None:
    connected.disconnect({name: PROD[name] for name in FRESH_CHECKOUT})
    assert connected.outside(PROD) == set()


def test_what_is_outside_goes_even_when_somebody_deleted_the_apps_group_first(connected: Stage) -> None:
    for id_ in [
        one for one in connected.resources if one.startswith(PROD["FUNCTION_APP_ID"].lower().split("/providers")[0])
    ]:
        del connected.resources[id_]
    connected.disconnect({name: PROD[name] for name in FRESH_CHECKOUT})
    assert connected.outside(PROD) == set()


def test_the_deletion_of_an_event_subscription_is_waited_for(connected: Stage) -> None:
    connected.state["deletion_polls"] = 5
    connected.disconnect(PROD)
    assert connected.outside(PROD) == set()
    assert connected.waits == [removal.POLL_SECONDS] * 10


def test_a_deletion_that_does_not_end_is_told(connected: Stage) -> None:
    connected.state["deletion_polls"] = 1_000_000
    with pytest.raises(StoppedError, match="has not ended it in 10 minutes"):
        connected.disconnect(PROD)


def test_a_role_that_seems_assigned_still_is_tried_again_for_a_while(connected: Stage) -> None:
    connected.state["seems_assigned"] = 3
    connected.disconnect(PROD)
    assert connected.outside(PROD) == set()
    assert connected.waits.count(removal.TRY_SECONDS) == 3


def test_a_role_that_somebody_else_uses_stays_and_is_told(connected: Stage) -> None:
    role = next(id_ for id_ in connected.resources if "/roledefinitions/" in id_)
    connected.refuse("delete", role, "RoleDefinitionHasAssignments", "Bad Request")
    with pytest.raises(StoppedError, match="somebody else uses this role"):
        connected.disconnect(PROD)
    assert connected.outside(PROD) == {role}


def test_a_lock_is_named_the_rest_goes_and_the_next_run_finishes(
    connected: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = connected.lock(KEYS)
    with pytest.raises(StoppedError) as stopped:
        connected.disconnect(PROD)
    assert f"az lock delete --ids {lock.upper()}" in str(stopped.value)
    assert not any(
        "/roledefinitions/" in id_ and f"/subscriptions/{SUBSCRIPTION}/" in id_ for id_ in connected.outside(PROD)
    )
    assert not any(id_.startswith(LOGS.lower()) for id_ in connected.outside(PROD))
    told = capsys.readouterr().out
    assert told.rindex("Locked:") < told.rindex("Removing")
    tried = [call[call.index("--url") + 1].lower() for call in connected.state["calls"] if "delete" in call]
    assert tried != []
    assert not any(KEYS.lower() in id_ for id_ in tried)
    connected.unlock(lock)
    connected.disconnect(PROD)
    assert connected.outside(PROD) == set()


def test_a_lock_that_may_not_be_listed_is_met_and_told(connected: Stage) -> None:
    connected.refuse("get", "/providers/microsoft.authorization/locks", "AuthorizationFailed")
    connected.lock(VAULT)
    with pytest.raises(StoppedError, match=r"ScopeLocked(?s:.*)az lock list"):
        connected.disconnect(PROD)


def test_it_goes_on_after_a_failure_and_tells_all_that_stays(connected: Stage) -> None:
    connected.refuse("delete", "/metricalerts/", "AuthorizationFailed")
    with pytest.raises(StoppedError, match=r"^2 things stay") as stopped:
        connected.disconnect(PROD)
    assert str(stopped.value).count("do:  let somebody with Owner") == 2
    assert len(connected.outside(PROD)) == 2
    connected.forget_refusals()
    connected.disconnect(PROD)
    assert connected.outside(PROD) == set()


@pytest.mark.parametrize("code", ["ResourceNotFound", "ResourceGroupNotFound", "ParentResourceNotFound"])
def test_what_somebody_removed_meanwhile_is_gone(connected: Stage, code: str) -> None:
    connected.refuse("delete", "/metricalerts/", code, "Not Found")
    connected.disconnect(PROD)


def test_a_role_that_somebody_removed_meanwhile_is_gone(connected: Stage) -> None:
    connected.refuse("delete", "/roledefinitions/", "RoleDefinitionDoesNotExist", "Not Found")
    connected.disconnect(PROD)


@pytest.mark.parametrize("code", ["SubscriptionNotFound", "InvalidResourceNamespaceNotFound", "NotFound", ""])
def test_no_other_not_found_counts_as_gone(connected: Stage, code: str) -> None:
    connected.refuse("delete", "/metricalerts/", code, "Not Found")
    with pytest.raises(StoppedError, match=r"^2 things stay"):
        connected.disconnect(PROD)


def test_a_missing_event_subscription_is_believed_by_any_code_if_its_topic_answers(connected: Stage) -> None:
    connected.refuse("get", "/eventsubscriptions/", "NotFound", "Not Found")
    connected.disconnect(PROD)
    assert connected.outside(PROD) <= connected.state["deleting"].keys()
    assert connected.waits == [removal.POLL_SECONDS] * 2, "of the topic"


def test_what_azd_down_deletes_is_said_before_with_how_to_keep_it(
    connected: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    connected.disconnect(PROD)
    told = capsys.readouterr().out
    said = told[: told.index("Removing")]
    for part in (
        PROD["STORAGE_ACCOUNT_ID"],
        PROD["WORKSPACE_ID"],
        "--purge",
        "14 days",
        "AzureWebJobsStorage__accountName='stprod' python3 -m cmk_rotation status --json --history > rotations.json",
    ):
        assert part in said


def test_the_record_is_written_down_by_a_command_for_the_shell_that_the_hooks_run_in() -> None:
    assert status_command({"A": "b c", "D": "e"}, windows=False).startswith("A='b c' D='e' python3 -m cmk_rotation ")
    assert status_command({"A": "b c"}, windows=True).startswith("$env:A='b c'; python -m cmk_rotation ")
