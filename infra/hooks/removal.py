"""Remove what is ours, go on after a failure, and tell what stays."""

from collections.abc import Iterable
from dataclasses import dataclass

from azure_cli import AzError, Azure, say
from belongings import EVENTS, REMOVAL_ORDER, ROLES, TOPICS, Belonging
from locks import holding, locks

TRIES = 8
"""How often a role is tried that seems assigned still: Azure may need minutes to see that its assignments are gone."""
TRY_SECONDS = 15
POLLS = 60
POLL_SECONDS = 10
"""Together ten minutes: the deletion of an event subscription goes on after the answer."""
NOT_THERE = "RoleDefinitionDoesNotExist"
"""How Azure says on deleting a role that it is gone. On assigning it the same code means that it is not known yet."""


@dataclass(frozen=True)
class Staying:
    """What could not be removed, why, and what to do."""

    what: str
    why: str
    remedy: str


def remove(azure: Azure, belongings: Iterable[Belonging]) -> list[Staying]:
    """Remove in the order in which things hang on each other; returns what stays. What others use is kept, and said."""
    ordered = sorted(belongings, key=lambda one: REMOVAL_ORDER.index(one.type))
    every_lock = locks(azure, (one.id.split("/")[2].lower() for one in ordered))
    staying: list[Staying] = []
    removed: set[str] = set()
    for one in ordered:
        lock = holding(every_lock, one.id)
        if lock is not None:
            say(f"Locked: {one.id} by {lock.id}")
            staying.append(Staying(one.id, f"the lock {lock.id} ({lock.level}) forbids it", lock.remedy))
            continue
        try:
            if one.type == TOPICS and (users := _users(azure, one, removed)):
                say(f"Keeping {one.id}: it serves {', '.join(users)}")
                continue
            say(f"Removing {one.what or one.id}")
            _delete(azure, one)
            removed.add(one.key)
        except AzError as error:
            say(f"  not removed: {error.short}")
            staying.append(Staying(one.id, error.short, _remedy(error)))
    return staying


def tell(staying: Iterable[Staying]) -> str:
    """What stays, as a list."""
    return "".join(f"\n  - {one.what}\n      why: {one.why}\n      do:  {one.remedy}" for one in staying)


def _users(azure: Azure, topic: Belonging, removed: set[str]) -> list[str]:
    """Names of the event subscriptions at a topic, but those just removed: a list may lag behind."""
    listed = azure.pages(f"{topic.id}/eventSubscriptions", EVENTS)
    return [str(one["name"]) for one in listed if str(one["id"]).lower() not in removed]


def _delete(azure: Azure, one: Belonging) -> None:
    for attempt in range(1, TRIES + 1):
        try:
            azure.delete(one.id, one.type)
            break
        except AzError as error:
            if error.gone or (one.type == ROLES and error.code == NOT_THERE):
                return
            if error.code != "RoleDefinitionHasAssignments" or attempt == TRIES:
                raise
            say(f"  Azure still sees rights by this role; trying again in {TRY_SECONDS} s ({attempt} of {TRIES})")
            azure.sleep(TRY_SECONDS)
    if one.type in (EVENTS, TOPICS):
        _wait_until_gone(azure, one)


def _wait_until_gone(azure: Azure, one: Belonging) -> None:
    for poll in range(1, POLLS + 1):
        try:
            azure.get(one.id, one.type)
        except AzError as error:
            if error.gone or (error.status == 404 and _parent_answers(azure, one)):
                return
            raise
        if poll == 1:
            say("  waiting until Azure has deleted it ...")
        azure.sleep(POLL_SECONDS)
    raise AzError(f"Azure took the deletion and has not ended it in {POLLS * POLL_SECONDS // 60} minutes")


def _parent_answers(azure: Azure, one: Belonging) -> bool:
    """A 404 with a code that we do not know is believed when what is above answers."""
    return one.type == EVENTS and azure.exists(one.id.rsplit("/", 2)[0], TOPICS)


def _remedy(error: AzError) -> str:
    match error.code:
        case "ScopeLocked":
            return "look for the lock ('az lock list --subscription ID'), lift it, run this again, then put it back"
        case "AuthorizationFailed" | "LinkedAuthorizationFailed":
            return "let somebody with Owner, or User Access Administrator and Contributor, run this: infra/README.md, Rights"
        case "RoleDefinitionHasAssignments":
            return "somebody else uses this role ('az role assignment list --all --role ID'): take it from them, run this again"
        case _:
            return "repair what the error names, and run this again: it does what is left"
