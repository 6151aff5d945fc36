"""`plan`: what would be done about each cluster now."""

from cmk_rotation.cli import selection, tables
from cmk_rotation.cli.exit_codes import ExitCode
from cmk_rotation.cli.session import Session
from cmk_rotation.controller import requeue
from cmk_rotation.controller.plan import plan as plan_all
from cmk_rotation.decisions.observation import Decision, Observation, UnreadableCluster
from cmk_rotation.domain import documents
from cmk_rotation.domain.azure_resources import Failure
from cmk_rotation.domain.vocabulary import Action


def plan(session: Session) -> int:
    """Observe and decide for every cluster in scope, and change nothing."""
    world, screen = session.world, session.screen
    with screen.asking("Asking Azure about every cluster in scope"):
        found, planned = plan_all(world)
    now = world.now()
    decided = [(requeue.observed(seen, decision, now), decision.action, seen.storage) for seen, decision in planned]
    if session.options.json:
        screen.show_json(
            {
                "clusters": [
                    {**documents.cluster_json(one, storage), "decision": action} for one, action, storage in decided
                ]
            }
        )
    else:
        actions = {status.cluster_id.key: action for status, action, _ in decided}
        shown = tables.clusters([status for status, _, _ in decided], actions, session.style)
        accounts = {one.id: one for _, _, storage in decided for one in storage or () if one.is_linked}
        screen.show([*shown, *tables.storage(list(accounts.values()), session.style)])
    for line in (*selection.unseen(found), *(f"{scope.text} holds no cluster" for scope in found.empty)):
        screen.complain(line)
    if found.empty or any(_calls(*one) for one in planned):
        return ExitCode.CALLS
    unread = found.failed or found.unreadable or any(_unread(*one) for one in planned)
    return ExitCode.UNREACHABLE if unread else ExitCode.DONE


def _calls(seen: Observation | UnreadableCluster, decision: Decision) -> bool:
    """Whether a cluster is known not to be as it should be, whoever is to see to that and whenever."""
    if decision.action in {Action.UPDATE, Action.ATTENTION}:
        return True
    return isinstance(seen, Observation) and (seen.updating is not None or seen.is_behind)


def _unread(seen: Observation | UnreadableCluster, decision: Decision) -> bool:
    """Whether nobody knows how a cluster is. One of which nothing is to be seen any more is known to be gone."""
    if isinstance(seen, UnreadableCluster):
        return decision.action is Action.WAIT
    return isinstance(seen.versions, Failure)
