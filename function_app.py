"""The triggers, and nothing else: parse, call, translate. What they call is imported when it is first called."""

import os

import azure.functions as func

app = func.FunctionApp()

_STORAGE = "AzureWebJobsStorage"
_VISITS = "cluster-visits"
# Not "%RECONCILE_SCHEDULE%": the host refuses a function whose setting is missing.
_SCHEDULE = os.environ.get("RECONCILE_SCHEDULE", "").strip() or "0 */10 * * * *"


@app.event_grid_trigger(arg_name="event")
@app.queue_output(arg_name="visits", queue_name=_VISITS, connection=_STORAGE)
async def on_key_event(event: str, visits: func.Out[str]) -> None:
    """A key changed: ask for a visit to whatever uses it.

    The event comes as raw JSON, so that neither of Event Grid's schemas nor an odd date can fail before our code runs. It
    waits for nothing, so it runs on the worker's own loop, and needs none of the threads that visits may hold.
    """
    from cmk_rotation.entrypoints import functions  # noqa: PLC0415

    message = functions.key_event(event)
    if message is not None:
        visits.set(message)


@app.queue_trigger(arg_name="message", queue_name=_VISITS, connection=_STORAGE)
def on_visit(message: func.QueueMessage) -> None:
    """Visit a cluster, or find the clusters that use a key."""
    from cmk_rotation.entrypoints import functions  # noqa: PLC0415

    functions.visit(message.get_body(), message.insertion_time)


@app.timer_trigger(arg_name="timer", schedule=_SCHEDULE, run_on_startup=False)
def on_reconcile(timer: func.TimerRequest) -> None:
    """Look at every cluster, and request visits where one would do something."""
    from cmk_rotation.entrypoints import functions  # noqa: PLC0415

    del timer
    functions.reconcile()


@app.queue_trigger(arg_name="message", queue_name=f"{_VISITS}-poison", connection=_STORAGE)
def on_lost_visit(message: func.QueueMessage) -> None:
    """A visit's message was delivered five times and never settled: say so. Reconcile will visit again."""
    from cmk_rotation.entrypoints import functions  # noqa: PLC0415

    functions.lost_visit(message.get_body())
