"""A local Azure Functions host over the real Python runtime (`azure-functions-runtime`).

The runtime, `azure-functions` and the Storage SDK are the real ones. What the .NET host does around them is written
here from its documentation and its public sources (Azure/azure-functions-host, Azure/azure-webjobs-sdk-extensions, and
Azure/azure-sdk-for-net for the Event Grid and Storage Queues extensions): the Event Grid webhook, the queue listener,
the queue output binding, the timer listener, log levels and the function timeout.

The app sees one thing that it would not see in production: with `--app-clock MODULE:FUNCTION` that function is
replaced by the simulated clock's `now` before the app is indexed.

What it does not do as the real host does:

- It serves no HTTP trigger, and no binding but Event Grid trigger, queue trigger, queue output and timer. An app that
  declares another one is refused at start.
- It refuses keys of host.json that it does not know, where the real host ignores them silently; and
  `dynamicConcurrencyEnabled`, app settings that override host.json (`AzureFunctionsJobHost__…`) and those that disable a
  function, because it would not obey them.
- One process is host and worker. The function timeout therefore ends the process (exit code 3) and `HostProcess`
  starts it again, where the real host restarts the worker alone and releases the messages that were in its hands;
  here those stay invisible until their ten minutes are over, as after a crash.
- One instance, no scale-out, no singleton lock on timers. Nothing wakes a listener when this same instance puts a
  message on its queue (the real one does), because on Flex Consumption each function runs on its own instances.
- The timer's schedule status is kept in a local file, not in blob storage. Cron fields take numbers, names, `*`, `,`,
  `-` and `/`; five-field expressions, which the real host may accept, are refused.
- Keys are given on the command line, not kept in blob storage.
- A storage error that is neither a missing queue nor the server's fault makes the real host restart its listeners; here
  it is logged and polling goes on, slower each time. A message whose renewal fails once is not renewed again.
- On a fast clock, polling is no faster than each 20 ms of real time.
"""
