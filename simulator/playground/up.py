"""`python -m simulator up`: start the playground, say what there is, show what happens, end cleanly."""

import contextlib
from typing import NoReturn

from simulator.host.errors import HostError
from simulator.playground.azurite import AzuriteError
from simulator.playground.control import Control
from simulator.playground.fleet import CLUSTERS
from simulator.playground.state import Running, forget, in_a_terminal
from simulator.playground.world import Options, Playground
from simulator.terminal import killed_as_by_ctrl_c, on_terminal, say, wrapped

_COLOURS = {"app": "36", "events": "35", "storage": "34", "cluster": "32", "fault": "33", "story": "1"}

_NEXT = """\
In another terminal:
  {command} shell

In that shell, whose Azure is this one:
  python -m simulator fault 'PATCH payments: 429 without Retry-After, then reset after applying'
  python -m simulator stories
  python -m simulator play rotation
  python -m simulator status
  python -m cmk_rotation status
and with the Azure CLI, if you have it (its usual sign-in is left alone):
  az login --identity
  az keyvault key rotate --vault-name contoso --name la-cmk
  az monitor log-analytics cluster list --query '[].{{name:name, version:keyVaultProperties.keyVersion}}'

Ctrl-C, or `kill {pid}`, ends everything.
"""


class UpError(Exception):
    """Why the playground could not start."""


def up(options: Options) -> int:
    """Run until interrupted; the result is the exit code."""
    try:
        options.folder.mkdir(parents=True, exist_ok=True)
        for stale in ("host.jsonl", "timers.json", "stderr.txt") if Running.find(options.folder) is None else ():
            (options.folder / stale).unlink(missing_ok=True)
    except OSError as error:
        raise UpError(
            f"It cannot write in {options.folder} ({error.strerror}): choose another folder with --folder"
        ) from None
    if other := Running.find(options.folder):
        raise UpError(
            f"A playground is up already: process {other.pid}, port {other.port}. "
            f"Use it, end it with Ctrl-C or `kill {other.pid}`, or start another one with --folder."
        )
    say("Starting ...")
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
        raise UpError(f"It could not start: {error}") from None


def _introduce(options: Options, running: Running) -> None:
    speed = f"{options.speed:g} simulated seconds in each real one"
    what = "Azure, and the function app that moves its clusters" if options.with_app else "Azure, without any app"
    say(f"{what}; on 127.0.0.1:{running.port}; {speed}.\n\nClusters:")
    for name, about in CLUSTERS.items():
        say(wrapped(about, f"  {name:<11}", 13))
    say(f"\n{_NEXT.format(command=in_a_terminal(options.folder), pid=running.pid)}")


def _show(playground: Playground) -> NoReturn:
    number = 0
    while True:
        for line in playground.feed.wait(number, 1.0):
            number = line.number + 1
            say(written(line.at, line.source, line.text), "31" if line.bad else _COLOURS.get(line.source, ""))


def written(at: str, source: str, text: str) -> str:
    """A line of the feed; on a terminal, a paragraph."""
    begins = f"{at}  {source:<8}"
    return wrapped(text, begins, len(begins)) if on_terminal() else begins + text
