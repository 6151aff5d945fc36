"""Processes of the app, each of which can be stopped at any call of a port: to let another go on, to die, to hear nothing.

Of several at once, each has a thread of its own, and only the one that holds the turn runs: nothing here depends on time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from threading import Semaphore, Thread, get_ident
from typing import Any

from cmk_rotation.controller.ports import AzureCallError, ConflictError, StorageUnavailableError
from cmk_rotation.domain.azure_resources import Failure
from cmk_rotation.domain.vocabulary import FailureKind
from tests.unit.support.fakes import ProcessDiedError

STORAGE = frozenset(
    {
        *("of_cluster", "everything", "pinning", "index", "save_status", "save_rotation", "notices", "save_notice"),
        "save_storage",
        *("request", "poison_queue", "note_poison"),
    }
)
"""Calls of the product's own table and queue."""
CHANGES = frozenset(
    {
        *("index", "save_status", "save_rotation", "save_notice", "save_storage"),
        *("request", "note_poison", "set_key_version", "publish"),
    }
)
"""Calls after which the world is another."""
PATCH = "set_key_version"


class Fate(StrEnum):
    """What becomes of a call."""

    GOES_ON = "goes on"
    DIES_BEFORE = "the process dies before it"
    DIES_AFTER = "the process dies after it"
    ANSWER_LOST = "its answer is lost"
    UNAVAILABLE = "it is not answered, and has no effect"
    THROTTLED = "it is turned away for now"
    REFUSED = "it is refused"
    NOT_FOUND = "nothing is found"


class AbandonedError(BaseException):
    """Whoever walks the orders has seen what comes from here on."""


def failure(name: str, fate: Fate) -> Exception:
    """What the caller of a port hears."""
    if name in STORAGE:
        return StorageUnavailableError(f"{name}: {fate}")
    kind = {
        Fate.THROTTLED: FailureKind.THROTTLED if name == PATCH else FailureKind.UNAVAILABLE,
        Fate.REFUSED: FailureKind.REFUSED,
        Fate.NOT_FOUND: FailureKind.NOT_FOUND,
    }.get(fate, FailureKind.UNAVAILABLE)
    return AzureCallError(Failure(kind, f"Code{kind.title()}", str(fate)))


@dataclass
class Actor:
    """One process that carries one thing out."""

    name: str
    skew: timedelta = timedelta()
    """By how much its clock is ahead."""
    fate: Callable[["Actor", str], Fate] = lambda _actor, _call: Fate.GOES_ON
    """Asked before each call of a port; may let others go first."""
    watch: Callable[["Actor", str, tuple[Any, ...], object], None] = lambda *_: None
    """Told of each call that was made, and what came of it."""
    calls: int = 0
    dead: bool = False
    done: bool = False
    failed: bool = False
    """Storage failed: the host delivers the message again."""
    crashed: BaseException | None = None
    """What the product itself has failed at."""
    trace: int = 0
    """A hash of all that it has seen: with this, what it does next is certain."""
    ids: int = 0
    thread: int = 0
    """Its own, on which alone it may write a line."""
    turn: Semaphore = field(default_factory=lambda: Semaphore(0))

    def call(self, name: str, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """Call a port, unless fate has it otherwise."""
        if self.dead:
            raise ProcessDiedError(name)
        fate = self.fate(self, name)
        if name == "log" and fate not in {Fate.DIES_BEFORE, Fate.DIES_AFTER}:
            fate = Fate.GOES_ON  # writing a line is no call that can fail
        self.calls += 1
        if fate is Fate.DIES_BEFORE:
            self.die(name)
        if fate not in {Fate.GOES_ON, Fate.DIES_AFTER, Fate.ANSWER_LOST}:
            self.saw(name, fate)
            raise failure(name, fate)
        if name == PATCH:
            self.watch(self, "sends", args, None)
        try:
            result = function(*args, **named)
        except (AzureCallError, ConflictError, StorageUnavailableError) as error:
            self.saw(name, str(error))
            raise
        self.watch(self, name, args, result)
        if fate is Fate.DIES_AFTER:
            self.die(name)
        if fate is Fate.ANSWER_LOST:
            self.saw(name, fate)
            raise failure(name, fate)
        self.saw(name, result)
        return result

    def saw(self, name: str, result: object) -> None:
        """Remember that the process knows this."""
        known = tuple(sorted(result.items(), key=str)) if isinstance(result, dict) else result
        self.trace = hash((self.trace, name, tuple(known) if isinstance(known, list) else known))

    def die(self, name: str) -> None:
        """End the process between two instructions."""
        self.dead = True
        raise ProcessDiedError(name)

    def run(self, work: Callable[[], None]) -> None:
        """Carry something out, as far as it comes."""
        self.thread = get_ident()
        try:
            work()
        except (ProcessDiedError, AbandonedError):
            self.dead = True
        except StorageUnavailableError:
            self.failed = True
        except Exception as error:  # noqa: BLE001 - told by whoever looks at `crashed`
            self.crashed = error
        self.done = True


class Port:
    """A port, as one process sees it."""

    def __init__(self, actor: Actor, behind: object) -> None:
        self._actor, self._behind = actor, behind

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(self._behind, name)

        def call(*args: Any, **named: Any) -> Any:
            return self._actor.call(name, function, *args, **named)

        return call


@dataclass
class Crew:
    """Several processes, of which one runs at a time."""

    actors: Sequence[Actor]
    everybody_is_done: Semaphore = field(default_factory=lambda: Semaphore(0))
    abandoned: bool = False

    def hand_over(self, one: Actor, other: Actor) -> None:
        """Let another process go on, and wait for the turn."""
        if one is other:
            return
        other.turn.release()
        one.turn.acquire()
        if self.abandoned:
            raise AbandonedError

    def abandon(self) -> None:
        """Let nobody go on."""
        self.abandoned = True
        raise AbandonedError

    def run(self, works: Sequence[Callable[[], None]], first: int = 0) -> None:
        """Let them all come to their ends."""

        def live(actor: Actor, work: Callable[[], None]) -> None:
            actor.turn.acquire()
            actor.run(work if not self.abandoned else lambda: None)
            after = next((one for one in self.actors if not one.done), None)
            (after.turn if after else self.everybody_is_done).release()

        threads = [Thread(target=live, args=pair) for pair in zip(self.actors, works, strict=True)]
        for thread in threads:
            thread.start()
        self.actors[first].turn.release()
        self.everybody_is_done.acquire()
        for thread in threads:
            thread.join()
