"""Who may do what: in a bare Azure everything, until a rule says otherwise; in one with roles, what they give."""

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase

from simulator.clock import OwnClock
from simulator.entra.identity import principal_id
from simulator.entra.roles import ROLES, Assignment, within


@dataclass(frozen=True, slots=True)
class _Rule:
    principal: str
    """By its name, or by the object id that it has for others."""
    action: str
    scope: str
    allowed: bool

    def covers(self, principal: str, action: str, resource: str) -> bool:
        return (
            self.principal in {principal, principal_id(principal)}
            and fnmatchcase(action.lower(), self.action.lower())
            and within(resource, self.scope)
        )


@dataclass(slots=True)
class _Grant:
    """An assignment, and from when until when it counts, in simulated seconds since the epoch."""

    assignment: Assignment
    since: float
    until: float = math.inf


class Rights:
    """Rules by principal, action (a glob, as in Azure role definitions) and scope (an ARM id; "/" is everything).

    The last rule that covers a request decides, so "nothing but this resource group" is a denial of the subscription
    followed by a permission for the group. Where no rule does, role assignments decide if `by_roles` is set.
    """

    def __init__(self, clock: OwnClock) -> None:
        self._clock = clock
        self._rules: list[_Rule] = []
        self._grants: list[_Grant] = []
        self.by_roles = False
        """Whether nothing is allowed but what a role assignment or a rule allows. Managed HSM's local roles and the
        access policies of vaults are not Azure roles: they are rules here."""
        self.groups: dict[str, set[str]] = {}
        """Object ids of groups by the object id of who is in them, by way of other groups too."""
        self.propagation_seconds = 0.0
        """Simulated seconds until an assignment, or its removal, counts: "up to 10 minutes", says "Troubleshoot Azure
        RBAC". What ARM lists changes at once."""

    def join(self, principal: str, group: str) -> None:
        """Make a principal a member of a group, which is named by its object id."""
        self.groups.setdefault(principal_id(principal), set()).add(group.lower())

    def held_by(self, principal: str) -> set[str]:
        """The object ids whose assignments count for an object id: its own, and its groups'."""
        return {principal.lower()} | self.groups.get(principal.lower(), set())

    @property
    def assignments(self) -> dict[str, Assignment]:
        """What ARM lists, by id in lower case."""
        return {one.assignment.id.lower(): one.assignment for one in self._grants if one.until == math.inf}

    def deny(self, principal: str, action: str, scope: str = "/") -> None:
        """Take a right away."""
        self._rules.append(_Rule(principal, action, scope, allowed=False))

    def allow(self, principal: str, action: str, scope: str = "/") -> None:
        """Give a right back."""
        self._rules.append(_Rule(principal, action, scope, allowed=True))

    def assign(self, principal: str, role: str, scope: str) -> Assignment:
        """Give a principal a role by its name."""
        assignment = Assignment(principal_id(principal), ROLES[role], scope)
        self.add(assignment)
        return assignment

    def unassign(self, principal: str, scope: str) -> None:
        """Take a principal's roles at exactly this scope away."""
        for one in self.assignments.values():
            if (one.principal_id, one.scope.lower()) == (principal_id(principal), scope.lower()):
                self.remove(one)

    def add(self, assignment: Assignment) -> None:
        """Make an assignment; it counts when it has propagated."""
        since = self._clock.timestamp() + self.propagation_seconds
        self._grants.append(_Grant(assignment, since))
        self._clock.mark(since, "a right counts")

    def remove(self, assignment: Assignment) -> None:
        """Remove an assignment; it counts until that has propagated."""
        now = self._clock.timestamp()
        self._grants = [one for one in self._grants if one.until > now]
        for one in self._grants:
            if one.assignment == assignment:
                one.until = min(one.until, now + self.propagation_seconds)
                self._clock.mark(one.until, "a right counts no more")

    def allows(self, principal: str, action: str, resource: str) -> bool:
        """Whether a principal may do something to a resource, given by its ARM id."""
        covering = [rule for rule in self._rules if rule.covers(principal, action, resource)]
        if covering:
            return covering[-1].allowed
        if not self.by_roles:
            return True
        now, held = self._clock.timestamp(), self.held_by(principal_id(principal))
        return any(
            one.since <= now < one.until and one.assignment.allows(held, action, resource) for one in self._grants
        )
