"""Remove all that this installation has outside its own resource group. `azd` runs this before `down`."""

import os
from collections.abc import Mapping

from azure_cli import Azure, StoppedError, say
from belongings import Found, find, tell_by_hand, tell_unseen
from check_places import not_shown
from check_rights import SEE_RIGHTS, check_rights
from environment import SCOPE_KINDS, VAULT_KINDS, Installation, Place, connected_by_others, installation, places
from own_group import foreign, tags_of_group
from removal import Staying, remove, tell
from sign_in import sign_in

LOOK = (
    "sign in as somebody who may read there ('az login'), and run 'azd hooks run predown'; if the subscription is no more, "
    "take what lies in it out of CLUSTER_SCOPES and KEY_VAULT_IDS ('azd env set')"
)


def disconnect(azure: Azure, environ: Mapping[str, str]) -> None:
    """Find what is ours, remove it, and stop `azd down` as long as any of it stays: the next run tries again."""
    mine = installation(environ)
    account = sign_in(azure, environ, mine.subscription)
    somebodys = foreign(tags_of_group(azure, mine), mine)
    if somebodys:
        raise StoppedError(somebodys)
    say(evidence(environ, mine))
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


def evidence(environ: Mapping[str, str], mine: Installation) -> str:
    """What `azd down` deletes besides, and how to keep it."""
    storage = environ.get("STORAGE_ACCOUNT_ID", "").strip() or f"the storage account in {mine.group}"
    workspace = environ.get("WORKSPACE_ID", "").strip() or f"the workspace in {mine.group}"
    return (
        "'azd down' deletes the evidence of all rotations:\n"
        f"  - the records and dead letters in {storage}: for good\n"
        f"  - the logs in {workspace}: for good with --purge; else Azure keeps them 14 days, and a workspace of the same\n"
        "    name that is made meanwhile has them again\n"
        "To have it first, answer azd's question with no, run this with the app's packages installed (requirements.txt), and\n"
        "'azd down' again:\n"
        f"  {status_command(environ)}\n"
        "infra/README.md, Evidence, says which right that takes, how it is outside the public cloud, and how to keep all of it."
    )


def status_command(environ: Mapping[str, str], *, windows: bool = os.name == "nt") -> str:
    """What writes the record down, from the folder of azure.yaml, in the shell that the hooks run in."""
    settings = {
        "CLUSTER_SCOPES": environ.get("CLUSTER_SCOPES", "").strip() or "SCOPES",
        "MODE": "observe",
        "AzureWebJobsStorage__accountName": environ.get("STORAGE_ACCOUNT_ID", "").rstrip("/ ").rpartition("/")[2]
        or "ACCOUNT",
    }
    command = "python3 -m cmk_rotation status --json --history > rotations.json"
    if windows:
        given = "".join(f"$env:{name}='{value}'; " for name, value in settings.items())
        return given + command.replace("python3", "python", 1)
    return "".join(f"{name}='{value}' " for name, value in settings.items()) + command


def _looked_after(environ: Mapping[str, str]) -> list[Place]:
    """Where something of ours must be expected, as far as azd knows."""
    lists = (("CLUSTER_SCOPES", SCOPE_KINDS), ("KEY_VAULT_IDS", VAULT_KINDS))
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
