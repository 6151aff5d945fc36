"""The diagram of a rotation's states and events is what the functions do."""

import inspect
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from cmk_rotation.domain import rotation as machine
from cmk_rotation.domain.azure_resources import Accepted, Operation
from cmk_rotation.domain.rotation import Rotation
from cmk_rotation.domain.vocabulary import OPEN, Reason, RequestedBy, Stage
from tests.unit.support.builders import (
    BUSY,
    KEY_NAME,
    MINUTE,
    NOW,
    REFUSED,
    UNAVAILABLE,
    V1,
    V2,
    V3,
    VAULT,
    claimed,
    cluster,
    over,
    rotation,
    version,
)
from tests.unit.support.builders import rotation as under_way

ARROWS = re.findall(r"^    (\w+) +──(\w+?)─+▶ (\w+)", machine.__doc__ or "", re.MULTILINE)
ANY, ENDED = list(Stage), [stage for stage in Stage if stage not in OPEN]
WHY = Reason.VERSION_IS_BEHIND
"""Any reason at all."""


def in_stage(stage: Stage) -> Rotation:
    return under_way(stage=stage) if stage in OPEN else over(stage, WHY)


def proposal() -> Rotation:
    return machine.proposed(cluster(), version(V2), by=RequestedBy.EVENT, event_id=None, now=NOW)


EVENTS: dict[str, Callable[[Rotation, Stage], Rotation]] = {
    "put_off": lambda one, _: machine.put_off(one, WHY, "the cluster is busy"),
    "claimed": lambda one, _: machine.claimed(one, cluster(), by=RequestedBy.EVENT, attempt_id="new", now=NOW),
    "claim_renewed": lambda one, _: machine.claim_renewed(one, NOW),
    "claim_taken_back": lambda one, before: machine.claim_taken_back(one, in_stage(before), "it changed"),
    "accepted": lambda one, _: machine.accepted(one, Accepted(None, None), None, NOW),
    "found_busy": lambda one, _: machine.found_busy(one, BUSY, WHY, NOW),
    "throttled": lambda one, _: machine.throttled(one, UNAVAILABLE, NOW),
    "claim_lapsed": lambda one, _: machine.claim_lapsed(one),
    "unanswered": lambda one, _: machine.unanswered(one, UNAVAILABLE, NOW),
    "refused": lambda one, _: machine.refused(one, REFUSED, NOW),
    "merged": lambda one, _: machine.merged(one, claimed(id="of another attempt")),
    "learned": lambda one, _: machine.learned(one, "Updating", Operation("Updating")),
    "fell_silent": lambda one, _: machine.fell_silent(one, NOW),
    "reached_target": lambda one, _: machine.reached_target(one, NOW),
    "contradicted": lambda one, _: machine.contradicted(one, NOW),
    "went_on": lambda one, _: machine.went_on(one, "under way"),
    "became_overdue": lambda one, _: machine.became_overdue(one, "late"),
    "succeeded": lambda one, _: machine.succeeded(one, WHY, "done", NOW),
    "failed": lambda one, _: machine.failed(one, WHY, "not done", NOW),
    "superseded": lambda one, _: machine.superseded(one, WHY, "not called for", NOW),
    "workspaces_seen": lambda one, _: machine.workspaces_seen(one, ()),
    "old_version_kept": lambda one, _: machine.old_version_kept(one, NOW),
    "announcing": lambda one, _: machine.announcing(one, NOW),
    "announced": lambda one, _: machine.announced(one, published=True),
}


def stages(word: str) -> list[Stage]:
    return {"any": ANY, "ended": ENDED}.get(word) or [Stage(word)]


def test_every_function_that_makes_a_rotation_is_on_the_diagram_and_nothing_else_is() -> None:
    made_here = {
        name
        for name, one in inspect.getmembers(machine, inspect.isfunction)
        if one.__module__ == machine.__name__ and inspect.signature(one).return_annotation is Rotation
    }
    assert {name for name in made_here if not name.startswith("_")} == {event for _, event, _ in ARROWS}


def test_what_begins_waits() -> None:
    assert [(event, after) for before, event, after in ARROWS if before == "nothing"] == [("proposed", "waiting")]
    assert proposal().stage is Stage.WAITING


@pytest.mark.parametrize(("before", "event", "after"), [arrow for arrow in ARROWS if arrow[0] != "nothing"])
def test_an_arrow_leads_where_the_diagram_says(before: str, event: str, after: str) -> None:
    for source in stages(before):
        # An arrow from several stages leaves each of them as it is.
        for target in [source] if before == after else stages(after):
            assert EVENTS[event](in_stage(source), target).stage is target


def test_all_stages_are_on_the_diagram_and_none_but_a_success_is_final() -> None:
    leave = {
        (source, target)
        for before, _, after in ARROWS
        if before not in {"nothing", after}
        for source in stages(before)
        for target in stages(after)
    }
    assert {source for source, _ in leave} == set(Stage) - {Stage.SUCCEEDED}
    assert {target for _, target in leave} == set(Stage)


def test_an_announcement_that_was_taken_over_is_not_a_claim() -> None:
    late = machine.announcing(over(Stage.SUCCEEDED, Reason.UPDATE_CONFIRMED), NOW)
    assert (late.attempt.claimed_until, late.outcome.announcing_until) == (None, NOW + 2 * MINUTE)
    assert machine.announced(late, published=True).outcome.announcing_until is None


def test_a_claim_takes_the_key_as_the_cluster_has_it_and_remembers_an_operator() -> None:
    before = over(Stage.FAILED, WHY, key_vault_uri=f"{VAULT}:443/", key_name="LA-cmk", from_version=V3)
    claim = machine.claimed(before, cluster(), by=RequestedBy.OPERATOR, attempt_id="new", now=NOW)
    assert (claim.key_vault_uri, claim.key_name, claim.from_version) == (VAULT, KEY_NAME, V1)
    assert claim.requested_by is RequestedBy.OPERATOR
    again = machine.claimed(claim, cluster(), by=RequestedBy.FOLLOW, attempt_id="newer", now=NOW)
    assert again.requested_by is RequestedBy.OPERATOR


def test_a_claim_on_a_cluster_that_is_there_already_keeps_where_it_came_from() -> None:
    stored = cluster(key_version=V2, state="Failed")
    claim = machine.claimed(over(Stage.FAILED, WHY), stored, by=RequestedBy.EVENT, attempt_id="new", now=NOW)
    assert claim.from_version == V1


def test_a_note_about_another_attempt_gives_its_whole_operation_to_a_row_that_has_none() -> None:
    noted = rotation(correlation_id="theirs", message="theirs")
    stored = claimed(id="another", message="ours")
    theirs = noted.attempt
    assert machine.merged(stored, noted) == claimed(
        id="another",
        message="ours",
        operation_id=theirs.operation_id,
        operation_url=theirs.operation_url,
        accepted_at=theirs.accepted_at,
        correlation_id="theirs",
    )
    known = claimed(id="another", operation_id="ours", correlation_id="ours")
    assert machine.merged(known, noted) == known


def test_a_signed_url_is_given_to_no_row_whose_update_is_not_under_way() -> None:
    ended = over(Stage.SUPERSEDED, WHY, id="another", operation_id=None, accepted_at=None)
    merged = machine.merged(ended, rotation())
    assert merged.attempt.operation_id == rotation().attempt.operation_id
    assert (merged.attempt.operation_url, merged.attempt.accepted_at) == (None, None)


def test_what_came_of_a_claim_that_had_lapsed_meanwhile_is_noted_all_the_same() -> None:
    noted = rotation()
    assert machine.merged(machine.claim_lapsed(claimed(etag="new")), noted) == replace(noted, etag="new")


def test_a_claim_that_lapses_has_no_end_whatever_somebody_wrote_into_its_row() -> None:
    assert machine.claim_lapsed(claimed(finished_at=NOW, announced=True)).outcome == machine.Outcome()


def test_a_rotation_began_when_it_was_last_tried_and_before_that_when_it_was_called_for() -> None:
    waiting, tried = proposal(), claimed(started_at=NOW + MINUTE)
    assert (waiting.began_at, tried.began_at) == (waiting.requested_at, NOW + MINUTE)
