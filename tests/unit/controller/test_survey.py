"""Lists that hang: how long a run spends on them, and what it makes of those that it did not come to."""

from dataclasses import dataclass, field, replace

from cmk_rotation.controller.ports import AzureCallError
from cmk_rotation.controller.side_by_side import AT_ONCE
from cmk_rotation.controller.survey import survey
from cmk_rotation.domain.azure_resources import Listed
from cmk_rotation.domain.identifiers import Scope
from tests.unit.support.builders import SECOND, UNAVAILABLE, must
from tests.unit.support.fakes import FakeClusters
from tests.unit.support.worlds import Fakes

SCOPES = tuple(must(Scope.parse(f"/subscriptions/0b1f6471-1bf0-4dda-aec3-{number:012}")) for number in range(30))


@dataclass
class HangingLists(FakeClusters):
    """Subscriptions of which no list is answered within 45 seconds."""

    asked: list[Scope] = field(default_factory=list)

    def in_scope(self, scope: Scope) -> Listed:
        self.asked.append(scope)
        self.clock.now += 45 * SECOND
        raise AzureCallError(UNAVAILABLE)


def test_scopes_that_hang_leave_time_for_the_rest_of_a_run_and_each_has_failed() -> None:
    fakes = Fakes()
    lists = HangingLists(fakes.clock, fakes.effects)
    found = survey(replace(fakes.world, clusters=lists, scopes=SCOPES))
    assert 7 <= len(lists.asked) < 7 + AT_ONCE
    assert set(found.failed) == set(SCOPES)
    unasked = [failure.message for scope, failure in found.failed.items() if scope not in lists.asked]
    assert set(unasked) == {"others took all the time that there was"}
