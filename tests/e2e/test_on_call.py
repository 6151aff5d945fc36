"""Called at 3 a.m.: what the log and the runbook alone tell of a failure, and that `make repairs` runs what is to be pasted."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest

from cmk_rotation.domain.repairs import ALL, Names
from simulator.azure import FUNCTION
from simulator.entra.identity import principal_id
from simulator.keyvault.vaults import Network
from simulator.operationalinsights.behaviour import Behaviour, KeyCheck, Outcome
from simulator.wire.faults import Fault, FaultKind
from tests.e2e.stage import Stage, stage
from tests.e2e.worlds import known, one_cluster
from tests.repairs.cases import CASES, Line
from tests.unit.domain.test_repairs import ALL_NAMES, HSM
from tests.unit.support.storage import ACCOUNT

RUNBOOK = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text(encoding="utf-8")
QUICK = Behaviour(update_seconds=120, retry_after=5)
MINUTE = 60
NOBODY_REPAIRS = "No command repairs this"


@dataclass(frozen=True, slots=True)
class Failure:
    """How it is brought about, and what a person must be able to tell from the log."""

    bring_about: Callable[[Stage], str | None]
    """Returns the version that the cluster was to move to, where anybody can know that."""
    event: str
    reason: str | None
    """Why; None where the line's words alone say it."""
    words: str
    does: str
    """The beginning of the command that repairs it, or that there is none."""
    behaviour: Behaviour = QUICK
    lacks: str | None = None
    """The role that is missing."""
    after: float = 0
    """Seconds until it is trouble at all."""
    key_is_known: bool = True


def may_not_update(story: Stage) -> str:
    with story.azure.lock:
        story.azure.rights.deny(FUNCTION, "Microsoft.OperationalInsights/clusters/write")
    return story.rotate()


def may_not_use_its_key(story: Stage) -> str:
    (cluster,) = story.azure.arm.clusters.values()
    with story.azure.lock:
        story.azure.rights.deny(cluster.id, "*")
    return story.rotate()


def firewall(story: Stage) -> None:
    with story.azure.lock:
        story.azure.vault("contoso").network = Network.FIREWALL
    story.rotate()


def version_disabled(story: Stage) -> str:
    new = story.rotate()
    (cluster,) = story.azure.arm.clusters.values()
    story.finished(cluster, new)
    newest = story.azure.vault("contoso").keys["la-cmk"].newest.version
    with story.azure.lock:
        story.azure.vault("contoso").disable("la-cmk", newest)
    story.ask_for_visit(cluster)
    return ""


def never_ends(story: Stage) -> str:
    return story.rotate()


def table_away(story: Stage) -> None:
    (cluster,) = story.azure.arm.clusters.values()
    story.azure.faults.add(Fault(kind=FaultKind.RESET, host="cmkrotation.table.*", times=None))
    story.ask_for_visit(cluster)


FAILURES = {
    "the app may not send the update": Failure(
        may_not_update,
        *("rotation.finished", "update-refused", "AuthorizationFailed"),
        does="az role assignment create --assignee-object-id ",
        lacks="Log Analytics Contributor",
    ),
    "the operation fails": Failure(
        may_not_use_its_key,
        *("rotation.finished", "update-failed", "Failed to validate key"),
        does="az role assignment create --assignee-object-id ",
        behaviour=replace(QUICK, key_check=KeyCheck.IN_OPERATION),
        lacks="Key Vault Crypto Service Encryption User",
    ),
    "the vault's firewall keeps the app out": Failure(
        firewall,
        *("cluster.attention", "key-vault-blocked", "ForbiddenByFirewall"),
        does="az keyvault network-rule add --name contoso --ip-address 203.0.113.7",
    ),
    "the version in use is disabled": Failure(
        version_disabled,
        *("cluster.attention", "in-use-disabled", "is disabled"),
        does="az keyvault key set-attributes --vault-name contoso --name la-cmk --version ",
    ),
    "the update never ends": Failure(
        never_ends,
        *("update.overdue", "update-overdue", "not finished after"),
        does=NOBODY_REPAIRS,
        behaviour=replace(QUICK, outcome=Outcome.NEVER),
        after=60 * MINUTE,
    ),
    "the app's table is away": Failure(
        table_away,
        "visit.failed",
        None,
        "cmkrotation.table.core.windows.net",
        does="no command repairs this",
        key_is_known=False,
    ),
}


@pytest.mark.parametrize("title", FAILURES)
def test_a_failure_is_told_with_all_that_can_be_known_of_it(tmp_path: Path, title: str) -> None:
    failure = FAILURES[title]
    settings = {"UPDATE_DEADLINE_HOURS": "1", "RECONCILE_SCHEDULE": "0 */10 * * * *"}
    with stage(tmp_path, behaviour=failure.behaviour, build=one_cluster, settings=settings) as story:
        cluster = known(story)
        assert cluster.key is not None
        before = len(story.lines())
        began, old = story.azure.clock.now(), cluster.key.version
        new = failure.bring_about(story)
        story.until(lambda: calls(story.lines()[before:], failure), "a person to be called")
        line = calls(story.lines()[before:], failure)[0]
        in_use = cluster.key.version if new == "" else old
    # Which cluster, which key, from which version to which.
    assert line["clusterId"] == cluster.id
    if failure.key_is_known:
        assert (line["vault"], line["keyName"], line["fromVersion"]) == ("contoso.vault.azure.net", "la-cmk", in_use)
        assert line.get("toVersion") == (new or None)
    # Why, and since when.
    assert failure.words in str(line["message"])
    assert line.get("reason") == failure.reason
    assert failure.reason is None or f"| `{failure.reason}` | " in RUNBOOK
    since = (datetime.fromisoformat(str(line["since"])) - began).total_seconds()
    assert -1 <= since - failure.after <= 6 * MINUTE
    # What to do.
    remedy = str(line["remedy"])
    if failure.lacks:
        who = principal_id(FUNCTION) if failure.reason == "update-refused" else principal_id(cluster.id)
        assert (line["principalId"], line["role"]) == (who, failure.lacks)
        assert f"--assignee-object-id {who} " in remedy
    assert failure.does in remedy
    if failure.does.startswith("az "):
        assert commands(remedy) <= RUN, "each is run by `make repairs`"
        assert NOBODY_REPAIRS not in remedy
    else:
        assert not commands(remedy)
    if failure.reason == "update-overdue":
        assert -1 <= (datetime.fromisoformat(str(line["startedAt"])) - began).total_seconds() <= MINUTE
        assert str(line["operationId"]) in remedy
        assert str(line["correlationId"]) in remedy


def calls(lines: list[dict[str, object]], failure: Failure) -> list[Line]:
    """The lines that call for a person because of it."""
    return [one for one in lines if one["event"] == failure.event and one["level"] == "Error"]


def commands(remedy: str) -> set[str]:
    """What a remedy tells to do, by what stands before each command."""
    return set(re.findall(r"(?:^|\. )([A-Z][^.`]*): `[^`]+`\.", remedy))


RUN = {repair.aim for case in CASES for repair in case.repairs}


def test_every_command_that_a_remedy_can_have_is_run() -> None:
    assert {repair.aim for repair in ALL} == RUN
    assert len(RUN) == len(ALL)


def test_a_managed_hsm_s_commands_are_run_too() -> None:
    other = {repair.aim for repair in ALL if repair.command(HSM) not in {None, repair.command(ALL_NAMES)}}
    of_hsm = {repair.aim for case in CASES for repair in case.repairs if case.hsm}
    of_vault = {repair.aim for case in CASES for repair in case.repairs if not case.hsm}
    assert (other - of_hsm, RUN - of_vault) == (set(), set())


PLACES = Names(
    place=ALL_NAMES.place,
    vault_host="VAULT.vault.azure.net",
    key_name="KEY",
    key_vault_uri="https://VAULT.vault.azure.net",
    version="V" * 32,
    identity="22222222-2222-4222-8222-222222222222",
    until=ALL_NAMES.until,
    caller="11111111-1111-4111-8111-111111111111",
    address="192.0.2.1",
)
ACCOUNT_S_PLACES = replace(PLACES, place=ACCOUNT, newest="N" * 32)
"""Where a command is for a storage account."""


def runbook_commands() -> str:
    """The runbook's table of commands."""
    assert PLACES.place is not None
    places = {
        "V" * 32: "VERSION",
        "N" * 32: "VERSION",
        ACCOUNT.text: "ACCOUNT_ID",
        str(PLACES.identity): "CLUSTER_PRINCIPAL_ID",
        str(PLACES.caller): "APP_PRINCIPAL_ID",
        PLACES.place.text: "CLUSTER_ID",
        "192.0.2.1": "ADDRESS",
        "2026-03-01T12:00:00Z": "DATE",
    }
    rows = []
    for repair in ALL:
        command = repair.command(PLACES) or repair.command(ACCOUNT_S_PLACES)
        assert command is not None
        for name, place in places.items():
            command = command.replace(name, place)
        rows.append(f"| {repair.aim} | `{command}` |")
    return "\n".join(["| aim | command |", "|---|---|", *rows, ""])


def test_every_command_is_in_the_runbook() -> None:
    assert runbook_commands() in RUNBOOK
