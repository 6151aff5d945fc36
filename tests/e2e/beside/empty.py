"""An app that does nothing."""

import azure.functions as func

app = func.FunctionApp()


@app.queue_trigger(arg_name="message", queue_name="cluster-visits", connection="AzureWebJobsStorage")
def on_visit(message: func.QueueMessage) -> None:
    """Take a message."""
