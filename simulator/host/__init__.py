"""A local Azure Functions host over the real Python runtime (`azure-functions-runtime`).

The runtime, `azure-functions` and the Storage SDK are the real ones. What the .NET host does around them is written
here from its documentation and its public sources (Azure/azure-functions-host, Azure/azure-webjobs-sdk,
Azure/azure-webjobs-sdk-extensions, atifaziz/NCrontab, and Azure/azure-sdk-for-net for the Event Grid and Storage Queues
extensions), and from what the packages that the real host is made of were measured to do on 2026-11-25: the Event Grid
webhook, the queue listener, the queue output binding, the timer listener and its lock, log levels, the function timeout,
what a host survives of its storage and what ends it, and how it ends when it is told to. Each measured fact has a test.

The app sees one thing that it would not see in production: with `--app-clock MODULE` that module's `utc_now` and `sleep`
are replaced by the simulated clock's before the app is indexed.

One host is `HostProcess`. Several may run side by side (`HostSpec.name` and `common`); `ScaleController` has them come and
go as Flex Consumption does without an instance that is always ready.

What it does not do as the real host does:

- It serves no HTTP trigger, and no binding but Event Grid trigger, queue trigger, queue output and timer. An app that
  declares another one is refused at start.
- It refuses keys of host.json that it does not know, where the real host ignores them silently, and time spans there that
  .NET reads as days (`24:00:00`); and `dynamicConcurrencyEnabled`, app settings that override host.json
  (`AzureFunctionsJobHost__…`) and those that disable a function, because it would not obey them.
- One process is host and worker. The function timeout therefore ends the process (exit code 3), once everything that ran in it
  has failed and its messages are released, and `HostProcess` starts it again at that moment.
- A host that storage has ended (exit code 5) is started again after ten seconds, and after twice as long each time that it
  happens again soon, up to two minutes. The real platform's pauses are not known.
- A host that is told to end waits for queue functions and for events being answered as long as the function timeout lets them
  run; when the platform loses patience is not known.
- The status of timers, and who has their locks, is kept in local files, which are there whatever becomes of storage. A lease is
  not lost while its holder lives. Timers go by UTC, whatever `TZ` says.
- NCRONTAB takes plain numbers; `int.Parse` takes a sign too.
- Keys are given on the command line, not kept in blob storage, so a host comes up while storage is away, and then ends for its
  polls, where the real one may not come up at all.
- A token that cannot be had ends the host at its next poll, as any other refusal; how long the real one tries is not known.
- Event data reaches the app as it was sent: Event Grid extensions before 3.4.3 rewrite what looks like a date.
- An event being answered and a function run by hand are cut or finished as described above; neither was measured.
- On a fast clock, polling is no faster than each 20 ms of real time.

What `ScaleController` guesses: how long a cold start takes, that a look at a queue's load comes each ten seconds, that an
instance for an event or a timer goes half a minute after its last run, and that timers are woken for when they are due.
"""
