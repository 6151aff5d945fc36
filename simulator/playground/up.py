"""`python -m simulator up`: start the playground, say what there is, show what happens, end cleanly."""

import contextlib
import shutil

from simulator.host.errors import HostError
from simulator.playground.azurite import AzuriteError
from simulator.playground.control import Control
from simulator.playground.feed import Line
from simulator.playground.fleet import CLUSTERS
from simulator.playground.state import Running, forget
from simulator.playground.world import Options, Playground
from simulator.terminal import killed_as_by_ctrl_c, obeys_ctrl_c, on_terminal, say

_COLOURS = {"app": "36", "events": "35", "storage": "34", "cluster": "32", "fault": "33", "story": "1"}

_NEXT = """\
In another terminal, in this folder:
  python -m simulator fault 'PATCH payments: 429 without Retry-After, then reset after applying'
  python -m simulator stories                 documented incidents; then: python -m simulator play NAME
  python -m simulator status                  clusters, what they lost, who used which key version
With the Azure CLI (its usual sign-in is left alone):
  eval "$(python -m simulator env)" && az login --identity
  az keyvault key rotate --vault-name contoso --name la-cmk
  az monitor log-analytics cluster list --query '[].{{name:name, version:keyVaultProperties.keyVersion}}'
{end} ends everything.
"""


def up(options: Options) -> int:
    """Run until interrupted; the result is the exit code."""
    options.folder.mkdir(parents=True, exist_ok=True)
    if other := Running.find(options.folder):
        say(
            f"A playground is up already: process {other.pid}, port {other.port}. "
            f"Use it, end it with Ctrl-C or `kill {other.pid}`, or start another one with --folder."
        )
        return 1
    for stale in ("host.jsonl", "timers.json", "stderr.txt"):
        (options.folder / stale).unlink(missing_ok=True)
    say("Starting …")
    try:
        with killed_as_by_ctrl_c(), Playground(options) as playground, Control(playground):
            running = playground.running()
            running.write(options.folder)
            try:
                _introduce(options, running)
                _show(playground)
            finally:
                forget(options.folder)
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):  # Nobody reads this where a terminal has closed.
            say("\nEverything has ended.")
        return 0
    except (HostError, AzuriteError) as error:
        say(f"It could not start: {error}")
        return 1
    return 0


def _introduce(options: Options, running: Running) -> None:
    speed = f"{options.speed:g} simulated seconds in each real one"
    what = "Azure, and the function app that moves its clusters" if options.with_app else "Azure, without any app"
    say(f"{what}; on 127.0.0.1:{running.port}; {speed}.\n\nClusters:")
    for name, about in CLUSTERS.items():
        say(f"  {name:<11}{about}")
    say(f"\n{_NEXT.format(end='Ctrl-C' if obeys_ctrl_c() else f'`kill {running.pid}`')}")


def _show(playground: Playground) -> None:
    number = 0
    while True:
        for line in playground.feed.wait(number, 1.0):
            number = line.number + 1
            say(written(line), "31" if line.bad else _COLOURS.get(line.source, ""))


def written(line: Line) -> str:
    """A line of the feed; on a terminal, as much of it as there is room for."""
    text = f"{line.at}  {line.source:<8}{line.text}"
    width = max(shutil.get_terminal_size((110, 24)).columns, 60)
    return text if not on_terminal() or len(text) <= width else f"{text[: width - 2]} …"
