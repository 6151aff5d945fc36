"""What a principal may do, by the roles that it holds."""

from collections.abc import Iterable, Sequence

from cmk_rotation.domain.identifiers import is_hsm
from cmk_rotation.preflight.findings import Found, unknown
from cmk_rotation.preflight.seen import Grant, Unread

KEYS = "Microsoft.KeyVault/vaults/keys"
CLUSTERS = "Microsoft.OperationalInsights/clusters"


def see_vault(host: str) -> str:
    """What it takes to see a vault or Managed HSM in Resource Manager."""
    return f"Microsoft.KeyVault/{vault_type(host)}/read"


def vault_type(host: str) -> str:
    """The type of resource that has this address."""
    return "managedHSMs" if is_hsm(host) else "vaults"


def missing(grants: Sequence[Grant], wanted: Iterable[str], *, data: bool = False) -> list[str]:
    """The actions that no role gives without a condition."""
    sure = [grant for grant in grants if not grant.conditional]
    return [action for action in wanted if not any(grant.allows(action, data=data) for grant in sure)]


def perhaps(grants: Sequence[Grant], wanted: Iterable[str], *, data: bool = False) -> list[Grant]:
    """The roles that give these actions where a condition holds; none where some action is given by no role at all."""
    asked = list(wanted)
    if not all(any(grant.allows(one, data=data) for grant in grants) for one in asked):
        return []
    return [grant for grant in grants if grant.conditional and any(grant.allows(one, data=data) for one in asked)]


def unknown_for(what: str, conditional: Sequence[Grant]) -> Found:
    """Nobody knows whether these let somebody do what is needed: it takes their conditions."""
    roles = ", ".join(dict.fromkeys(f"{grant.role} at {grant.scope}" for grant in conditional))
    return unknown(
        Unread(
            f"whether the condition of {roles} lets {what}",
            "conditions are not evaluated here",
            "a look at the condition of the role assignment",
        )
    )


def broader(grants: Sequence[Grant], unwanted: Iterable[str], unwanted_data: Iterable[str]) -> list[Grant]:
    """The roles that give more than is needed."""
    return [
        grant
        for grant in grants
        if any(grant.allows(one) for one in unwanted) or any(grant.allows(one, data=True) for one in unwanted_data)
    ]
