"""The commands: see, plan and ask, with one's own sign-in and the function's settings.

Exit codes: 0 all is well; 1 it could not be done, and why is on standard error; 2 (`plan`) a cluster is behind, needs
attention, or could not be read.
"""

import argparse
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cmk_rotation import bootstrap, clock
from cmk_rotation.cli import tables
from cmk_rotation.config.settings import InvalidSettingsError
from cmk_rotation.controller import requeue
from cmk_rotation.controller.plan import plan
from cmk_rotation.controller.ports import AzureCallError, StorageUnavailableError, World
from cmk_rotation.decisions.observation import Decision, Observation, UnreadableCluster
from cmk_rotation.domain import documents
from cmk_rotation.domain.azure_resources import Failure
from cmk_rotation.domain.cluster_record import ClusterStatus, Record
from cmk_rotation.domain.identifiers import ClusterId
from cmk_rotation.domain.redaction import visible
from cmk_rotation.domain.rotation import Rotation, Step
from cmk_rotation.domain.visit_message import PoisonQueue, VisitRequest
from cmk_rotation.domain.vocabulary import Action, RequestedBy

if TYPE_CHECKING:
    from collections.abc import Callable

_DONE, _FAILED, _CALLS = 0, 1, 2
_WATCH_SECONDS = 2.0
_SPAN = re.compile(r"(\d{1,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the result is the exit code."""
    options = _parser().parse_args(arguments)
    command: Callable[[World, argparse.Namespace], int] = options.command
    try:
        return command(bootstrap.operator_world(), options)
    except InvalidSettingsError as error:
        for problem in error.problems:
            _complain(problem)
    except (AzureCallError, StorageUnavailableError) as error:
        _complain(f"Azure did not do what was asked: {error}")
    except KeyboardInterrupt:
        return _DONE
    return _FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cmk_rotation", description="See, plan and ask for key rotations.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    planning = commands.add_parser("plan", help="decide for every cluster in scope, change nothing")
    planning.set_defaults(command=_plan)

    visiting = commands.add_parser(
        "visit", help="ask the function to look at clusters now, without waiting for a retry"
    )
    visiting.add_argument("cluster", nargs="+", metavar="CLUSTER_ID", type=_cluster_id)
    visiting.set_defaults(command=_visit)

    telling = commands.add_parser("status", help="clusters and rotations on record")
    telling.add_argument("--cluster", metavar="NAME_OR_ID", help="only this one")
    telling.add_argument("--since", type=_since, metavar="TIME", help="only rotations since, e.g. 7d, 12h, 2026-11-01")
    telling.add_argument("--history", action="store_true", help="every step as well")
    telling.add_argument("--watch", action="store_true", help="again every two seconds, until interrupted")
    telling.set_defaults(command=_status)

    for command in (planning, visiting, telling):
        command.add_argument("--json", action="store_true", help="for machines")
    return parser


def _plan(world: World, options: argparse.Namespace) -> int:
    found, planned = plan(world)
    now = world.now()
    decided = [(requeue.observed(observation, decision, now), decision.action) for observation, decision in planned]
    if options.json:
        _print_json(
            {"clusters": [{**documents.cluster_json(status), "decision": action} for status, action in decided]}
        )
    else:
        actions = {status.cluster_id.key: action for status, action in decided}
        _print(tables.clusters_text([status for status, _ in decided], actions))
    for scope, failure in found.failed.items():
        _complain(f"{scope.text} could not be listed ({failure.code}: {failure.message})")
    for scope in found.empty:
        _complain(f"{scope.text} holds no cluster")
    for entry in {entry for entries in found.unreadable.values() for entry in entries}:
        _complain(f"{entry.name} cannot be read: {entry.problem}")
    calls = any(_calls(observation, decision) for observation, decision in planned)
    return _CALLS if calls or found.failed or found.empty or found.unreadable else _DONE


def _calls(seen: Observation | UnreadableCluster, decision: Decision) -> bool:
    """Whether a cluster is not known to be as it should be, whoever is to see to that and whenever."""
    if decision.action in {Action.UPDATE, Action.ATTENTION}:
        return True
    if isinstance(seen, UnreadableCluster):
        return decision.action is Action.WAIT  # else it is known to be gone
    return isinstance(seen.versions, Failure) or seen.updating is not None or seen.is_behind


def _visit(world: World, options: argparse.Namespace) -> int:
    outside = [id_ for id_ in options.cluster if not any(scope.contains(id_) for scope in world.scopes)]
    for cluster_id in outside:
        _complain(f"{cluster_id.text} is not in CLUSTER_SCOPES")
    if outside:
        return _FAILED
    for cluster_id in options.cluster:
        world.requests.request(VisitRequest(RequestedBy.OPERATOR, world.now(), cluster=cluster_id), timedelta())
    if options.json:
        _print_json({"requested": [cluster_id.text for cluster_id in options.cluster]})
    else:
        names = ", ".join(cluster_id.name for cluster_id in options.cluster)
        _print(f"Asked for a visit to {names}. `python -m cmk_rotation status --watch` shows what comes of it.\n")
    return _DONE


def _status(world: World, options: argparse.Namespace) -> int:
    while True:
        clusters, rotations, steps = _on_record(world, options)
        poison = _poison(world)
        if options.json:
            shown: dict[str, object] = {
                "clusters": [documents.cluster_json(status) for status in clusters],
                "rotations": [documents.rotation_json(rotation) for rotation in rotations],
                **({"history": [documents.step_json(step) for step in steps]} if options.history else {}),
                "poisonMessages": poison.messages if poison else None,
            }
            _print_json(shown)
        else:
            if options.watch and sys.stdout.isatty():
                _print("\x1b[H\x1b[2J")
            _print(tables.clusters_text(clusters) + "\n" + tables.rotations_text(rotations))
            if options.history:
                _print("\n" + tables.history_text(steps))
            if poison and poison.messages:
                _print("\n" + tables.poison_text(poison))
        if not options.watch:
            return _DONE
        clock.sleep(_WATCH_SECONDS)


def _poison(world: World) -> PoisonQueue | None:
    """What lies in the poison queue; None if that cannot be told, which is no reason to withhold the record."""
    try:
        return world.requests.poison_queue()
    except StorageUnavailableError as error:
        _complain(f"what lies in the queue cluster-visits-poison could not be read: {error}")
        return None


def _on_record(world: World, options: argparse.Namespace) -> tuple[list[ClusterStatus], list[Rotation], list[Step]]:
    """What is on record of the clusters that were asked for, newest rotation first."""
    records = _records(world, options.cluster)
    if options.cluster and not records:
        _complain(f"nothing is on record about {options.cluster}")
    since = options.since or datetime.min.replace(tzinfo=UTC)
    rotations = [
        rotation
        for _, record in records
        for rotation in record.rotations
        if max(rotation.requested_at, rotation.outcome.finished_at or rotation.requested_at) >= since
    ]
    told = (step for cluster_id, _ in records for step in world.records.history(cluster_id)) if options.history else ()
    steps = [step for step in told if step.at >= since]
    return (
        [record.status for _, record in records if record.status is not None],
        sorted(rotations, key=lambda rotation: rotation.requested_at, reverse=True),
        steps,
    )


def _records(world: World, wanted: str | None) -> list[tuple[ClusterId, Record]]:
    """What is on record of one cluster, by its id or its name, or of all."""
    cluster_id = ClusterId.parse(wanted)
    found = {cluster_id: world.records.of_cluster(cluster_id)} if cluster_id else world.records.everything()
    return [
        (one, record)
        for one, record in sorted(found.items(), key=lambda item: item[0].key)
        if (record.status or record.rotations) and (cluster_id or wanted is None or one.name.lower() == wanted.lower())
    ]


def _cluster_id(text: str) -> ClusterId:
    cluster_id = ClusterId.parse(text)
    if cluster_id is None:
        raise argparse.ArgumentTypeError(f"'{text}' is not the ARM id of a dedicated cluster")
    return cluster_id


def _since(text: str) -> datetime:
    """A time, or how long ago."""
    span = _SPAN.fullmatch(text)
    if span:
        return clock.utc_now() - timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        time_ = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is neither a time nor a span like 7d, 12h or 30m") from None
    return time_ if time_.tzinfo else time_.replace(tzinfo=UTC)


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _print_json(value: object) -> None:
    _print(json.dumps(_visible(value), indent=2) + "\n")  # In ASCII: a machine gets every letter, whatever the locale.


def _visible(value: object) -> object:
    """The same value without what a terminal would obey, for it may be shown by whoever reads it."""
    match value:
        case str():
            return visible(value)
        case dict():
            return {name: _visible(field) for name, field in value.items()}
        case list():
            return [_visible(item) for item in value]
        case _:
            return value


def _complain(text: str) -> None:
    sys.stderr.write(f"{visible(text)}\n")
