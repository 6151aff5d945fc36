"""`visit`: ask the function to look at clusters now, and, if wanted, see what comes of it."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from cmk_rotation.cli import selection
from cmk_rotation.cli.arguments import again
from cmk_rotation.cli.exit_codes import ExitCode
from cmk_rotation.cli.following import Look, Looks, follow, nothing_is_under_way
from cmk_rotation.cli.session import Session, UnseenError, UsageError
from cmk_rotation.cli.status import everything, on_record
from cmk_rotation.cli.times import span
from cmk_rotation.controller.survey import survey
from cmk_rotation.domain.identifiers import ClusterId
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import RequestedBy

_PATIENCE = timedelta(minutes=10)
"""An instance that has to be made first takes minutes, and so does a message that is delivered again."""
_SILENT = "See the runbook, section `silent`: it may not run. The request stays on the queue, and is carried out when it does."


def visit(session: Session) -> int:
    """Put a request for each cluster on the queue."""
    world, options, screen = session.world, session.options, session.screen
    with screen.asking("Asking for a visit"):
        ids = [_meant(session, wanted) for wanted in options.cluster]
        before = {one: _looked_at(session, one) for one in ids} if options.wait else {}
        for cluster_id in ids:
            request = VisitRequest(RequestedBy.OPERATOR, world.now(), cluster=cluster_id)
            world.requests.request(request, timedelta())
    names = ", ".join(cluster_id.name for cluster_id in ids)
    if options.json:
        screen.show_json({"requested": [cluster_id.text for cluster_id in ids]}, indent=None if options.wait else 2)
    elif options.wait:
        screen.show([f"Asked for a visit to {names}."])
    else:
        watch = again(options, "status", "--watch")
        screen.show([f"Asked for a visit to {names}. `{watch}` shows what comes of it."])
    return _followed(session, before) if options.wait else ExitCode.DONE


def _meant(session: Session, wanted: str) -> ClusterId:
    """The one cluster in scope that is meant: by its id, or by a name on record or in Azure."""
    cluster_id = ClusterId.parse(wanted)
    if cluster_id is None:
        found = selection.named(wanted, everything(session.world)) or selection.in_scope(wanted, survey(session.world))
        if len(found) > 1:
            raise UsageError(f"'{wanted}' may be any of {', '.join(one.text for one in found)}")
        cluster_id = found[0]
    if not any(scope.contains(cluster_id) for scope in session.world.scopes):
        raise UsageError(f"{cluster_id.text} is not in CLUSTER_SCOPES")
    return cluster_id


def _looked_at(session: Session, cluster_id: ClusterId) -> datetime | None:
    status = session.world.records.of_cluster(cluster_id).status
    return status.looked_at if status else None


def _followed(session: Session, before: Mapping[ClusterId, datetime | None]) -> int:
    """Until each was looked at once more, and nothing is under way there. Times are the app's, which may be other than ours."""
    now = session.world.now

    def unseen(found: Look) -> list[ClusterId]:
        seen = {status.cluster_id for status in found.clusters if status.looked_at != before[status.cluster_id]}
        return [one for one in before if one not in seen]

    def looks() -> Looks:
        until = now() + _PATIENCE
        while True:
            found = on_record(session, [(one, session.world.records.of_cluster(one)) for one in before])
            yield found
            if (waiting := unseen(found)) and now() >= until:
                names = ", ".join(one.name for one in waiting)
                raise UnseenError(
                    (f"{span(_PATIENCE)} have passed, and the function has not looked at {names}.", _SILENT)
                )

    return follow(session, looks(), lambda found: not unseen(found) and nothing_is_under_way(found))
