"""What the four functions call: build the world once, translate errors into lines of the log.

Only a storage failure is raised to the host, which then delivers the message again. Anything else has been dealt with
or is left to the next reconcile; raising it would only bring the same message back five times in five minutes.
"""

import logging
from collections.abc import Callable
from traceback import extract_tb

from cmk_rotation import clock, logs
from cmk_rotation.controller.ports import StorageUnavailableError, World
from cmk_rotation.domain import visit_message
from cmk_rotation.domain.redaction import one_line
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import Event, RequestedBy
from cmk_rotation.entrypoints import event_grid


def key_event(payload: str) -> str | None:
    """The queue message that an event leads to; None, and a line in the log, if it leads to none.

    Makes no call and needs no settings: whatever is wrong with them, the event is on the queue.
    """
    event = event_grid.parse(payload)
    now = clock.utc_now()
    match event:
        case event_grid.KeyChanged():
            logs.write(
                Event.KEY_CHANGED,
                logging.INFO,
                keyName=event.key.name,
                vault=event.key.vault,
                toVersion=event.version,
                eventId=event.event_id,
                eventType=event.event_type,
                expiresAt=event.expires_at,
                message=f"Key Vault tells of key {event.key.name} in {event.key.vault}: {event.event_type.rpartition('.')[2]}",
            )
            return visit_message.to_text(VisitRequest(RequestedBy.EVENT, now, key=event.key, event_id=event.event_id))
        case event_grid.Ignored():
            logs.write(Event.EVENT_IGNORED, logging.INFO, eventId=event.event_id, message=event.why)
        case event_grid.Rejected():
            logs.write(
                Event.EVENT_REJECTED,
                logging.WARNING,
                eventId=event.event_id,
                message=f"an event was rejected and is not delivered again: {event.why}",
                remedy="Check what else sends to this function. Reconcile finds a rotation that this event may have told of.",
                since=now,
            )
    return None


def visit(body: bytes) -> None:
    """Do what a message on the queue asks for."""

    def carry_out(world: World) -> None:
        from cmk_rotation.controller.reconcile import key_changed  # noqa: PLC0415 - on_key_event need not pay for it
        from cmk_rotation.controller.visit import reject  # noqa: PLC0415 - as above
        from cmk_rotation.controller.visit import visit as visit_cluster  # noqa: PLC0415 - as above

        request = visit_message.from_text(body.decode(errors="replace"), world.now())
        if isinstance(request, str):
            reject(world, request)
        elif request.key is not None:
            key_changed(world, request)
        else:
            visit_cluster(world, request)

    _in_world(
        carry_out,
        "The host delivers this message again: a minute later, or ten minutes after it was taken where the queue fails too.",
    )


def reconcile() -> None:
    """Look at everything in scope."""

    def carry_out(world: World) -> None:
        from cmk_rotation.controller.reconcile import reconcile as look_at_everything  # noqa: PLC0415 - as above

        look_at_everything(world)

    _in_world(carry_out, "The next run looks at every cluster again.")


def lost_visit(body: bytes) -> None:
    """Say which visit was given up."""
    now = clock.utc_now()
    request = visit_message.from_text(body.decode(errors="replace"), now)
    cluster = request.cluster if isinstance(request, VisitRequest) else None
    key = request.key if isinstance(request, VisitRequest) else None
    logs.write(
        Event.VISIT_LOST,
        logging.ERROR,
        clusterId=cluster,
        keyName=key.name if key else None,
        eventId=request.event_id if isinstance(request, VisitRequest) else None,
        message=f"a visit to {_named(request)} was given up: its message was delivered five times, and never settled",
        remedy="Look for visit.failed lines before this one: they say why. If there are none, the app's instances ended "
        "or its storage was away each time. The next reconcile visits again.",
        since=request.requested_at if isinstance(request, VisitRequest) else now,
    )


def _named(request: VisitRequest | str) -> str:
    """What a message asks to look at, for people."""
    if isinstance(request, str):
        return f"nothing that can be named ({request})"
    if request.cluster is not None:
        return f"cluster {request.cluster.name}"
    return f"the clusters that use key {request.key.name if request.key else '?'}"


def _in_world(carry_out: Callable[[World], None], storage_is_back: str) -> None:
    """Run something in the function's world, with every error in the log.

    `storage_is_back` says what makes up for a storage account that failed.
    """
    from cmk_rotation import bootstrap  # noqa: PLC0415 - on_key_event must not pay for the Azure SDKs
    from cmk_rotation.config.settings import InvalidSettingsError  # noqa: PLC0415

    try:
        carry_out(bootstrap.function_world())
    except InvalidSettingsError as error:
        logs.write(
            Event.SETTINGS_INVALID,
            logging.ERROR,
            message="; ".join(error.problems),
            remedy="Correct these app settings; the app restarts by itself, and the next reconcile visits every cluster.",
            since=clock.utc_now(),
            problems=error.problems,
        )
    except StorageUnavailableError as error:
        _failed(error, f"Check the storage account of AzureWebJobsStorage. {storage_is_back}")
        raise
    except Exception as error:  # noqa: BLE001 - the boundary: whatever it is, it goes into the log
        _failed(error, "Please report this line. The next reconcile visits again.")


def _failed(error: Exception, remedy: str) -> None:
    frames = extract_tb(error.__traceback__)
    where = " ← ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(frames[-4:]))
    logs.write(
        Event.VISIT_FAILED,
        logging.ERROR,
        message=one_line(f"{type(error).__name__}: {error}"),
        where=where,
        remedy=remedy,
        since=clock.utc_now(),
    )
