"""Who may do what: in a bare Azure everything, until a rule says otherwise; in one with roles, what they give."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from simulator.identity import principal_id
from simulator.roles import ROLES, Assignment, within


@dataclass(frozen=True, slots=True)
class _Rule:
    principal: str
    action: str
    scope: str
    allowed: bool

    def covers(self, principal: str, action: str, resource: str) -> bool:
        return (
            self.principal == principal
            and fnmatchcase(action.lower(), self.action.lower())
            and within(resource, self.scope)
        )


class Rights:
    """Rules by principal, action (a glob, as in Azure role definitions) and scope (an ARM id; "/" is everything).

    The last rule that covers a request decides, so "nothing but this resource group" is a denial of the subscription
    followed by a permission for the group. Where no rule does, role assignments decide if `by_roles` is set.
    """

    def __init__(self) -> None:
        self._rules: list[_Rule] = []
        self.by_roles = False
        """Whether nothing is allowed but what a role assignment or a rule allows. Managed HSM's local roles and the
        access policies of vaults are not Azure roles: they are rules here."""
        self.assignments: dict[str, Assignment] = {}
        """By id in lower case."""

    def deny(self, principal: str, action: str, scope: str = "/") -> None:
        """Take a right away."""
        self._rules.append(_Rule(principal, action, scope, allowed=False))

    def allow(self, principal: str, action: str, scope: str = "/") -> None:
        """Give a right back."""
        self._rules.append(_Rule(principal, action, scope, allowed=True))

    def assign(self, principal: str, role: str, scope: str) -> Assignment:
        """Give a principal a role by its name."""
        assignment = Assignment(principal_id(principal), ROLES[role], scope)
        self.assignments[assignment.id.lower()] = assignment
        return assignment

    def unassign(self, principal: str, scope: str) -> None:
        """Take a principal's roles at exactly this scope away."""
        held = (principal_id(principal), scope.lower())
        self.assignments = {
            id_: one for id_, one in self.assignments.items() if (one.principal_id, one.scope.lower()) != held
        }

    def allows(self, principal: str, action: str, resource: str) -> bool:
        """Whether a principal may do something to a resource, given by its ARM id."""
        covering = [rule for rule in self._rules if rule.covers(principal, action, resource)]
        if covering:
            return covering[-1].allowed
        if not self.by_roles:
            return True
        return any(one.allows(principal, action, resource) for one in self.assignments.values())
