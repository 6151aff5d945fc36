"""What a principal may do, by the roles that it holds."""

from collections.abc import Iterable, Sequence

from cmk_rotation.preflight.seen import Grant

KEYS = "Microsoft.KeyVault/vaults/keys"
CLUSTERS = "Microsoft.OperationalInsights/clusters"


def missing(grants: Sequence[Grant], wanted: Iterable[str], *, data: bool = False) -> list[str]:
    """The actions that no role gives without a condition."""
    sure = [grant for grant in grants if not grant.conditional]
    return [action for action in wanted if not any(grant.allows(action, data=data) for grant in sure)]


def perhaps(grants: Sequence[Grant], wanted: Iterable[str], *, data: bool = False) -> list[Grant]:
    """The roles that give one of these actions where a condition holds."""
    return [grant for grant in grants if grant.conditional and any(grant.allows(one, data=data) for one in wanted)]


def broader(grants: Sequence[Grant], unwanted: Iterable[str], unwanted_data: Iterable[str]) -> list[Grant]:
    """The roles that give more than is needed."""
    return [
        grant
        for grant in grants
        if any(grant.allows(one) for one in unwanted) or any(grant.allows(one, data=True) for one in unwanted_data)
    ]
