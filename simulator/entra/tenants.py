"""Which Microsoft Entra tenant each subscription trusts: every other tenant's tokens are refused there."""

from dataclasses import dataclass, field

HOME = "5e7c1f0a-6c1d-4f0e-9a51-3f2f0b8f6d21"
"""The tenant of everything that is not said to be in another."""


@dataclass(slots=True)
class Tenants:
    """The tenants of one cloud."""

    names: dict[str, str] = field(default_factory=lambda: {HOME: "Contoso"})
    """Display names by tenant id."""
    by_subscription: dict[str, str] = field(default_factory=dict)
    """By subscription id in lower case; what is not listed trusts HOME."""

    def of(self, resource: str) -> str:
        """The tenant of whatever an ARM id names."""
        subscription = resource.lower().removeprefix("/subscriptions/").partition("/")[0]
        return self.by_subscription.get(subscription, HOME)
