"""Who may do what: everything is allowed until a rule says otherwise."""

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class _Rule:
    principal: str
    action: str
    scope: str
    allowed: bool

    def covers(self, principal: str, action: str, resource: str) -> bool:
        scope, resource = self.scope.rstrip("/").lower(), resource.lower()
        return (
            self.principal == principal
            and fnmatchcase(action.lower(), self.action.lower())
            and (resource == scope or resource.startswith(scope + "/"))
        )


class Rights:
    """Rules by principal, action (a glob, as in Azure role definitions) and scope (an ARM id; "/" is everything).

    The last rule that covers a request decides, so "nothing but this resource group" is a denial of the subscription
    followed by a permission for the group.
    """

    def __init__(self) -> None:
        self._rules: list[_Rule] = []

    def deny(self, principal: str, action: str, scope: str = "/") -> None:
        """Take a right away."""
        self._rules.append(_Rule(principal, action, scope, allowed=False))

    def allow(self, principal: str, action: str, scope: str = "/") -> None:
        """Give a right back."""
        self._rules.append(_Rule(principal, action, scope, allowed=True))

    def allows(self, principal: str, action: str, resource: str) -> bool:
        """Whether a principal may do something to a resource, given by its ARM id."""
        covering = [rule for rule in self._rules if rule.covers(principal, action, resource)]
        return covering[-1].allowed if covering else True
