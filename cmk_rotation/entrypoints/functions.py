"""What the four functions call: build the world once, translate errors into lines of the log.

Only a storage failure is raised to the host, which then delivers the message again. Anything else has been dealt with
or is left to the next reconcile; raising it would only bring the same message back five times in five minutes.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from traceback import extract_tb

from cmk_rotation import clock, logs
from cmk_rotation.controller.ports import StorageUnavailableError, World
from cmk_rotation.domain import log_events, visit_message
from cmk_rotation.domain.redaction import one_line
from cmk_rotation.domain.visit_message import VisitRequest
from cmk_rotation.domain.vocabulary import RequestedBy
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
                log_events.key_changed(
                    event.key,
                    event.event_type,
                    event_id=event.event_id,
                    version=event.version,
                    expires_at=event.expires_at,
                )
            )
            return visit_message.to_text(VisitRequest(RequestedBy.EVENT, now, key=event.key, event_id=event.event_id))
        case event_grid.Ignored():
            logs.write(log_events.event_ignored(event.event_id, event.why))
        case event_grid.Rejected():
            logs.write(log_events.event_rejected(event.event_id, event.why, now))
    return None


def visit(body: bytes, enqueued_at: datetime | None) -> None:
    """Do what a message on the queue asks for; `enqueued_at` is when the queue took it, by the queue's clock."""
    request = visit_message.from_text(body.decode(errors="replace"), clock.utc_now(), enqueued_at)

    def carry_out(world: World) -> None:
        from cmk_rotation.controller.fan_out import key_changed  # noqa: PLC0415 - on_key_event need not pay for it
        from cmk_rotation.controller.visit import reject  # noqa: PLC0415 - as above
        from cmk_rotation.controller.visit import visit as visit_cluster  # noqa: PLC0415 - as above

        if isinstance(request, str):
            reject(world, request)
        elif request.key is not None:
            key_changed(world, request)
        else:
            visit_cluster(world, request)

    _in_world(
        carry_out,
        "The host delivers this message again: a minute later, or ten minutes after it was taken where the queue fails too.",
        about={} if isinstance(request, str) else {"clusterId": request.cluster, **log_events.key_fields(request.key)},
    )


def reconcile() -> None:
    """Look at everything in scope."""

    def carry_out(world: World) -> None:
        from cmk_rotation.controller.reconcile import reconcile as look_at_everything  # noqa: PLC0415 - as above

        look_at_everything(world)

    _in_world(carry_out, "The next run looks at every cluster again.", about={})


def lost_visit(body: bytes) -> None:
    """Say which visit was given up."""
    now = clock.utc_now()
    request = visit_message.from_text(body.decode(errors="replace"), now)
    if isinstance(request, str):
        logs.write(log_events.visit_lost(None, None, None, _named(request), now))
        return
    lost = log_events.visit_lost(request.cluster, request.key, request.event_id, _named(request), request.requested_at)
    logs.write(lost)


def _named(request: VisitRequest | str) -> str:
    """What a message asks to look at, for people."""
    if isinstance(request, str):
        return f"nothing that can be named ({request})"
    if request.cluster is not None:
        return f"cluster {request.cluster.name}"
    return f"the clusters that use key {request.key.name if request.key else '?'}"


def _in_world(carry_out: Callable[[World], None], storage_is_back: str, *, about: Mapping[str, object]) -> None:
    """Run something in the function's world, with every error in the log, and what it met: `about`.

    `storage_is_back` says what makes up for a storage account that failed.
    """
    from cmk_rotation import bootstrap  # noqa: PLC0415 - on_key_event must not pay for the Azure SDKs
    from cmk_rotation.config.settings import InvalidSettingsError  # noqa: PLC0415
    from cmk_rotation.domain.remedies import REMEDIES, STORAGE  # noqa: PLC0415

    try:
        carry_out(bootstrap.function_world())
    except InvalidSettingsError as error:
        logs.write(log_events.settings_invalid(error.problems, clock.utc_now()))
    except StorageUnavailableError as error:
        check = REMEDIES[error.reason] if error.reason else STORAGE
        _failed(
            error, f"{check} {storage_is_back}", about if error.reason is None else {**about, "reason": error.reason}
        )
        raise
    except Exception as error:  # noqa: BLE001 - the boundary: whatever it is, it goes into the log
        _failed(error, "Please report this line. The next reconcile visits again.", about)


def _failed(error: Exception, remedy: str, about: Mapping[str, object]) -> None:
    frames = extract_tb(error.__traceback__)
    where = " ← ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(frames[-4:]))
    message = one_line(f"{type(error).__name__}: {error}")
    logs.write(log_events.visit_failed(message, remedy, clock.utc_now(), about=about, where=where))
