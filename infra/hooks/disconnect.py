"""Remove all that this installation has outside its own resource group. `azd` runs this before `down`."""

from collections.abc import Mapping

from azure_cli import Azure, StoppedError, say
from belongings import Found, find, tell_by_hand, tell_unseen
from check_places import not_shown
from check_rights import SEE_RIGHTS, check_rights
from environment import SCOPE_KINDS, STORAGE_KINDS, VAULT_KINDS, Place, connected_by_others, installation, places
from evidence import evidence
from own_group import foreign, tags_of_group
from removal import Staying, remove, tell
from sign_in import sign_in

LOOK = (
    "sign in as somebody who may read there ('az login'), and run 'azd hooks run predown'; if the subscription is no more, "
    "take what lies in it out of CLUSTER_SCOPES, KEY_VAULT_IDS and STORAGE_SCOPES ('azd env set')"
)


def disconnect(azure: Azure, environ: Mapping[str, str]) -> None:
    """Find what is ours, remove it, and stop `azd down` as long as any of it stays: the next run tries again."""
    mine = installation(environ)
    account = sign_in(azure, environ, mine.subscription)
    somebodys = foreign(tags_of_group(azure, mine), mine)
    if somebodys:
        raise StoppedError(somebodys)
    say(evidence(azure, environ, mine, account.cloud))
    say(f"Looking for what {mine.environment} has outside {mine.group}, as {account} ...")
    where = _looked_after(environ)
    named = {mine.subscription, *(one.subscription for one in where)}
    found = find(azure, mine, environ.get("APP_PRINCIPAL_ID", "").strip().lower(), named)
    if connected_by_others(environ):
        say("Note: what you cannot see is taken for removed by whoever connected the app: CONNECTED_BY_OTHERS is true.")
        where, named = [], set()
    tell_unseen({one: why for one, why in found.unseen.items() if one not in named})
    staying = _out_of_sight(azure, found, where, named)
    staying += remove(azure, found.ours)
    tell_by_hand(found.by_hand)
    if staying:
        raise StoppedError(
            f"{len(staying)} things stay. Repair and run this again; it does what is left.{tell(staying)}"
        )
    say(
        f"Disconnected from clusters and key vaults: {len(found.ours)} things were found. If you do not go on with 'azd down', "
        "'azd hooks run postdeploy' connects again."
    )


def _looked_after(environ: Mapping[str, str]) -> list[Place]:
    """Where something of ours must be expected, as far as azd knows."""
    lists = (("CLUSTER_SCOPES", SCOPE_KINDS), ("KEY_VAULT_IDS", VAULT_KINDS), ("STORAGE_SCOPES", STORAGE_KINDS))
    return [one for name, kinds in lists for one in places(environ, name, kinds)[0]]


def _out_of_sight(azure: Azure, found: Found, where: list[Place], named: set[str]) -> list[Staying]:
    """What may be there unseen. A list leaves out what the caller may not read and is no error: so each place is asked for by
    itself, and the right to see rights too.
    """
    unseen = {f"in subscription {one}": why for one, why in found.unseen.items() if one in named}
    notes: list[str] = []
    for subscription in sorted(named - found.unseen.keys()):
        for why in check_rights(azure, {f"/subscriptions/{subscription}": (SEE_RIGHTS,)}, notes):
            unseen[f"in subscription {subscription}"] = why
    for one in where:
        error = None if one.subscription in found.unseen else not_shown(azure, one)
        if error is not None and not error.gone:
            unseen[f"at {one.id}"] = error.short
    for note in notes:
        say(f"Note: {note}")
    return [Staying(f"whatever is {place}", f"not to be seen: {why}", LOOK) for place, why in unseen.items()]
