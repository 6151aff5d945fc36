"""Whatever may happen, in any order: keys, messages, the timer, processes, the operator, faults of Azure and of storage.

After each run things come to rest, and must then be as they should.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from cmk_rotation.domain.azure_resources import Failure, Operation, OperationError
from cmk_rotation.domain.identifiers import ClusterId, Scope
from cmk_rotation.domain.vocabulary import FailureKind, Mode, RequestedBy
from tests.prove.actors import Actor, Crew, Fate
from tests.prove.scene import ONE, OTHER_KEY, TWO, Scene
from tests.unit.support.builders import (
    BLOCKED,
    HOUR,
    KEY,
    KEY_NAME,
    MINUTE,
    REFUSED,
    SCOPE,
    SECOND,
    UNAVAILABLE,
    V1,
    VAULT,
    failure,
    must,
    version,
)
from tests.unit.support.fakes import Message, Running

CLUSTERS = st.sampled_from([ONE, ONE, ONE, TWO])
SKEWS = st.sampled_from([timedelta(), timedelta(), 2 * MINUTE, -2 * MINUTE])
CALLS = st.integers(0, 25)
TROUBLE = st.none() | st.none() | st.tuples(CALLS, st.sampled_from([one for one in Fate if one is not Fate.GOES_ON]))
"""At which call of a process what happens."""
ONLY_TWO = must(Scope.parse(TWO.text))
REFUSALS = st.sampled_from(
    [
        REFUSED,
        UNAVAILABLE,
        failure(FailureKind.THROTTLED, retry_after=5 * MINUTE),
        failure(FailureKind.BUSY),
        replace(failure(FailureKind.BUSY), message="a state other than Succeeded"),
    ]
)


def meets(trouble: tuple[int, Fate] | None) -> Callable[[Actor, str], Fate]:
    """A process that meets that."""

    def fate(actor: Actor, _name: str) -> Fate:
        return trouble[1] if trouble is not None and actor.calls == trouble[0] else Fate.GOES_ON

    return fate


class Whatever(RuleBasedStateMachine):
    """Each rule is something that may happen."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene()
        self.fakes = self.scene.fakes
        self.fakes.lately = HOUR  # so that some visits do not see what ended before
        self.made = 1
        self.scene.timer()

    @property
    def pending(self) -> list[Message]:
        return self.fakes.requests.pending

    def actor(self, skew: timedelta, trouble: tuple[int, Fate] | None) -> Actor:
        return replace(self.scene.actor(skew), fate=meets(trouble))

    # --- the key ---

    @rule(
        told=st.integers(0, 2),
        before=st.sampled_from([None, None, timedelta(), HOUR]),
        then=st.sampled_from([timedelta(), 5 * SECOND, 30 * MINUTE]),
        says=st.booleans(),
        heals=st.booleans(),
    )
    def rotate(self, told: int, before: timedelta | None, then: timedelta, *, says: bool, heals: bool) -> None:
        """Perhaps for the second time, within a second or an hour in which nothing ran; perhaps all goes well."""
        if heals:
            self.scene.heal()
        for wait in [timedelta()] if before is None else [timedelta(), before]:
            self.fakes.clock.now += wait
            self._make_a_version()
        newest = self.fakes.keys.listed[KEY][-1].version
        self.fakes.keys.current = newest if says else failure(FailureKind.REFUSED)
        for _ in range(told):
            self.scene.ask(RequestedBy.EVENT, KEY)
        self.scene.run(then)

    def _make_a_version(self) -> None:
        """Key Vault counts in whole seconds."""
        second = self.fakes.clock.now.replace(microsecond=0)
        self.made += 1
        self.fakes.keys.listed[KEY] += (version(f"{self.made:032x}", created_at=second),)

    @rule(
        which=st.sampled_from(["in use", "in use", "newest", "newest", "second", "first"]),
        how=st.sampled_from(["enabled", "enabled", "expires_at", "soon", "later", "gone"]),
    )
    def change_a_version(self, which: str, how: str) -> None:
        """Disable or enable it, let it expire or live on, let it be valid only later, purge it."""
        listed, now = self.fakes.keys.listed[KEY], self.fakes.clock.now
        at = {"newest": -1, "second": -2, "first": 0}.get(which)
        if at is None:
            in_use = self.fakes.clusters.stored[ONE].key_version
            one = next((one for one in listed if one.version == in_use), None)
        else:
            one = listed[at] if -at <= len(listed) and listed else None
        if one is None:
            return
        changed = {
            "enabled": replace(one, enabled=not one.enabled, updated_at=now),
            "expires_at": replace(one, expires_at=None if one.expires_at else now),
            "soon": replace(one, expires_at=now + 30 * MINUTE),
            "later": replace(one, not_before=now + 3 * HOUR),
        }
        after = tuple(changed.get(how) if other is one else other for other in listed)
        self.fakes.keys.listed[KEY] = tuple(other for other in after if other is not None)

    @rule(really=st.sampled_from([False, False, True]))
    def purge_the_key_and_make_it_anew(self, *, really: bool) -> None:
        """Not often: little can happen after that."""
        if really:
            self.fakes.keys.listed[KEY] = ()
            self._make_a_version()

    # --- the host ---

    @rule(time=st.sampled_from([5 * SECOND, MINUTE, 3 * MINUTE, 20 * MINUTE, 2 * HOUR]))
    def time_passes(self, time: timedelta) -> None:
        self.scene.run(time)

    @rule(time=st.sampled_from([SECOND, 2 * MINUTE, 6 * MINUTE, 9 * MINUTE, HOUR]))
    def nothing_runs_for_a_while(self, time: timedelta) -> None:
        self.fakes.clock.now += time

    @precondition(lambda self: self.pending)
    @rule(which=st.integers(0, 20), skew=SKEWS, trouble=TROUBLE)
    def a_message_comes(self, which: int, skew: timedelta, trouble: tuple[int, Fate] | None) -> None:
        """Early, late, in any order."""
        self.scene.deliver(self.pending[which % len(self.pending)], self.actor(skew, trouble))

    @precondition(lambda self: self.pending)
    @rule(which=st.integers(0, 20), twice=st.booleans())
    def a_message_is_lost_or_comes_twice(self, which: int, *, twice: bool) -> None:
        one = self.pending[which % len(self.pending)]
        if twice and len(self.pending) < 8:
            self.pending.append(replace(one))
        else:
            self.pending.remove(one)

    @rule(skew=SKEWS, trouble=TROUBLE)
    def the_timer_rings(self, skew: timedelta, trouble: tuple[int, Fate] | None) -> None:
        self.scene.timer(self.actor(skew, trouble))

    @rule(at=CLUSTERS, by=st.sampled_from([RequestedBy.OPERATOR, RequestedBy.EVENT]), trouble=TROUBLE)
    def a_visit(self, at: ClusterId, by: RequestedBy, trouble: tuple[int, Fate] | None) -> None:
        self.scene.deliver(self.scene.ask(by, at), self.actor(timedelta(), trouble))

    @rule(
        visits=st.integers(1, 3),
        timer=st.booleans(),
        switches=st.lists(CALLS, min_size=1, max_size=6),
        skews=st.tuples(SKEWS, SKEWS, SKEWS, SKEWS),
        troubles=st.tuples(TROUBLE, TROUBLE, TROUBLE, TROUBLE),
    )
    def several_at_once(
        self,
        visits: int,
        switches: Sequence[int],
        skews: Sequence[timedelta],
        troubles: Sequence[tuple[int, Fate] | None],
        *,
        timer: bool,
    ) -> None:
        """Each goes on for so many calls until the next does."""
        messages = [one for one in self.pending if one.visit.cluster == ONE][:visits]
        messages += [self.scene.ask(RequestedBy.EVENT, ONE) for _ in range(visits - len(messages))]
        pairs = list(zip(skews, troubles, strict=True))[: visits + timer]
        actors = [self.actor(skew, None) for skew, _ in pairs]
        crew, left = Crew(actors), list(switches)

        def fate(trouble: tuple[int, Fate] | None) -> Callable[[Actor, str], Fate]:
            def of(actor: Actor, name: str) -> Fate:
                if left and left[0] <= 0:
                    left.pop(0)
                    others = [one for one in actors if not one.done and one is not actor]
                    if others:
                        crew.hand_over(actor, others[actor.calls % len(others)])
                elif left:
                    left[0] -= 1
                return meets(trouble)(actor, name)

            return of

        for actor, (_, trouble) in zip(actors, pairs, strict=True):
            actor.fate = fate(trouble)
        self.scene.together(messages, actors, crew)

    # --- the operator ---

    @rule(
        at=CLUSTERS,
        how=st.sampled_from(["held", "held", "moved", "other key", "auto", "back", "back", "busy", "failed"]),
        then=st.booleans(),
    )
    def the_operator_changes_a_cluster(self, at: ClusterId, how: str, *, then: bool) -> None:
        """And perhaps asks for a visit."""
        clusters = self.fakes.clusters
        clusters.settle()
        one = clusters.stored.get(at)
        if one is None or (one.busy and how != "held"):
            return
        listed = self.fakes.keys.listed[KEY]
        pinned: dict[str, Any] = {
            "key_vault_uri": VAULT,
            "key_name": KEY_NAME,
            "key_version": (listed[0] if listed else version(V1)).version,
        }
        if how == "busy":
            clusters.operations[f"theirs-{len(clusters.operations)}"] = Running(
                one.id, "", self.fakes.clock.now + 20 * MINUTE, Operation("Succeeded"), "Succeeded", arrives=False
            )
        changes: dict[str, dict[str, Any]] = {
            "held": {"held": not one.held},
            "moved": pinned | {"key_version": listed[-1].version} if listed else pinned,
            "other key": pinned | {"key_name": OTHER_KEY.name, "key_version": V1},
            "auto": pinned | {"key_version": None},
            "back": pinned,
            "busy": {"state": "Updating"},
            "failed": {"state": "Failed"},
        }
        clusters.stored[one.id] = replace(one, **changes[how])
        if then:
            self.scene.deliver(self.scene.ask(RequestedBy.OPERATOR, at))

    @rule(
        scopes=st.sampled_from([(SCOPE,), (ONLY_TWO,), (SCOPE, ONLY_TWO)]),
        mode=st.sampled_from([*Mode, Mode.ENFORCE]),
        then=st.booleans(),
    )
    def the_app_is_set_otherwise(self, scopes: tuple[Scope, ...], mode: Mode, *, then: bool) -> None:
        """Perhaps as a visit lies on the queue."""
        self.fakes.scopes, self.fakes.mode = scopes, mode
        if then:
            self.scene.deliver(self.scene.ask(RequestedBy.EVENT, ONE))

    # --- faults that last ---

    @rule(refuses=REFUSALS)
    def azure_takes_no_update(self, refuses: Failure) -> None:
        self.fakes.clusters.refuses = refuses

    @rule(
        end=st.sampled_from([Operation("Succeeded"), Operation("Failed", OperationError("KeyAccess", "not allowed"))]),
        leaves=st.sampled_from(["Succeeded", "Failed"]),
        arrives=st.booleans(),
        without=st.booleans(),
        lasts=st.sampled_from([SECOND, 10 * MINUTE, HOUR, 4 * HOUR]),
    )
    def updates_end_otherwise(
        self, end: Operation, leaves: str, lasts: timedelta, *, arrives: bool, without: bool
    ) -> None:
        clusters = self.fakes.clusters
        clusters.end, clusters.leaves, clusters.arrives = end, leaves, arrives
        clusters.without_operation, clusters.lasts = without, lasts

    @rule(
        what=st.sampled_from(["cluster", "operation", "key", "storage", "topic"]),
        kind=st.sampled_from([UNAVAILABLE, BLOCKED]),
    )
    def something_cannot_be_reached(self, what: str, kind: Failure) -> None:
        fakes = self.fakes
        match what:
            case "cluster":
                fakes.clusters.get_failure = UNAVAILABLE
            case "operation":
                fakes.clusters.operation_failure = UNAVAILABLE
            case "key":
                fakes.keys.failure = kind
            case "storage":
                fakes.effects.storage_is_down = True
            case _:
                fakes.outcomes.failure = UNAVAILABLE

    @rule()
    def faults_stop(self) -> None:
        self.scene.heal()

    def teardown(self) -> None:
        broken = self.scene.rest()
        assert not broken, broken
